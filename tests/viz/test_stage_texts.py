"""The words of the walk: every way of telling a stage fits its place, and uses facts that are there."""

import re

import pytest

from tests.viz.test_texts import EXPLAINED, TEXTS
from viz.facts import COMMON, FACTS, MEASURES, ONLY, WORDS
from viz.stages import STAGE_IDS
from viz.texts import placeholders, render
from viz.walk import MASK_KINDS

SIGNED = MEASURES - {
    *(
        "weight",
        "exponential",
        "row_sum",
        "root_d_model",
        "root_d_head",
        "kept",
        "softcap",
        "stretch",
        "sink",
    ),
    *("sink_exponential", "router_weight", "router_chance", "reset", "update", "kept_percent"),
    *("choice_exponential", "choice_probability", "best_probability", "output_sum", "others_probability"),
    *("norm_spread", "norm_root"),
    *("picked_probability", "runner_up_probability", "truth_probability", "perplexity", "loss", "logit_cap"),
    *("follows_exponential", "random_exponential", "pair_sum", "follows_probability", "random_probability"),
}
BUILTIN_WALK = (
    "tokens",
    "embedding",
    "position",
    "qkv",
    "scores",
    "scale",
    "mask",
    "softmax",
    "context",
    "add_norm",
    "mlp",
    "output",
)
VARIANTS = {
    *("tokens_pieces", "tokens_patches", "tokens_numbered"),
    *("embedding_plain", "embedding_patches", "embedding_numbered"),
    *("position_learned", "position_fixed", "position_norm", "position_segment", "qkv_shared", "qkv_several"),
    *("rotation", "rotation_grid", "shared", "scale_none", "scale_other", "softcap", "bias", "bias_alibi"),
    *("mask_parts", "softmax_sink", "sink", "router", "router_plain"),
    *("embedding_recurrent", "gates", "state", "bottleneck"),
    *("qkv_states", "scores_states", "context_states"),
    *("output_next", "output_target", "output_masked", "output_label", "output_class", "next_sentence"),
    *("encoding", "encoding_table", "likeness", "likeness_cosine", "step", "turning", "reach", "reach_alibi"),
    *("shuffle", "shuffle_causal"),
    *("written", "residual", "residual_pre", "residual_mlp", "residual_mlp_pre", "qkv_cross"),
    *("norm_layer", "norm_rms", "mlp_gelu", "mlp_swiglu", "mlp_geglu"),
    *(f"mask_{kind}" for kind in MASK_KINDS),
    *("logits", "logits_bias", "logits_scale", "logits_cap", "choice", "choice_open"),
}
TEXT_IDS = tuple(TEXTS.stages)


def test_the_built_in_walk_stands_in_order_and_the_variants_of_its_stages_follow():
    assert (
        TEXT_IDS[: len(BUILTIN_WALK)] == BUILTIN_WALK == tuple(id for id in STAGE_IDS if id in BUILTIN_WALK)
    )
    assert set(TEXT_IDS[len(BUILTIN_WALK) :]) == VARIANTS
    told = {stage for stage in STAGE_IDS for id in TEXT_IDS if id == stage or id.startswith(f"{stage}_")}
    assert told == set(STAGE_IDS)


def test_facts_of_one_part_belong_to_a_text_and_the_rest_to_all():
    assert ONLY.keys() <= set(TEXT_IDS)
    assert not COMMON & frozenset().union(*ONLY.values())
    used = {name for _, *both in EXPLAINED for text in both for name in placeholders(text)}
    used |= {name for stage in TEXTS.stages.values() for name in placeholders(stage.code + stage.digits)}
    spare = {"layers", "top_token", "row", "column", "router_top", "choice_shifted", "random_exponential"}
    spare |= {"truth_probability", "truth_logit", "truth_token", "truth_surprise", "truth_rank"}
    spare |= {"largest_term", "largest_place"}
    assert used | spare >= FACTS - {"pair"}


def test_a_variant_says_something_of_its_own():
    for id in VARIANTS:
        same = [
            base
            for base in TEXT_IDS
            if base != id and TEXTS.stages[base].en.words == TEXTS.stages[id].en.words
        ]
        assert not same, id


@pytest.mark.parametrize("id", TEXT_IDS)
def test_a_stage_fits_its_place(id):
    stage = TEXTS.stages[id]
    assert len(stage.en.short) <= 10
    assert len(stage.zh.short) <= 5
    lines = [line for line in stage.code.splitlines() if line.strip()]
    assert 3 <= len(lines) <= 8
    assert all(len(line) <= 110 for line in lines)
    assert re.match(r"(import|from) ", lines[0])
    assert not re.match(r"[\w, ]+ = ", lines[-1]), "the last line is an expression"
    assert stage.code_result in FACTS
    assert stage.code_result in placeholders(stage.digits)


@pytest.mark.parametrize("id", TEXT_IDS)
def test_formulas_are_balanced_and_hold_only_numbers(id):
    stage = TEXTS.stages[id]
    for tex in (stage.formula, stage.digits):
        braces = re.sub(r"\\[{}]", "", tex)
        depth = 0
        for character in braces:
            depth += {"{": 1, "}": -1}.get(character, 0)
            assert depth >= 0, tex
        assert depth == 0, tex
        assert "\n" not in tex
        assert not placeholders(tex) & WORDS, "a typed word may hold what LaTeX reads as a command"
    assert not placeholders(stage.formula)
    assert set(re.findall(r"\\htmlClass\{(\w+)\}", stage.formula + stage.digits)) <= set("qkvw")


@pytest.mark.parametrize("id", TEXT_IDS)
def test_a_negative_number_in_a_formula_stands_in_parentheses(id):
    digits = TEXTS.stages[id].digits
    said = render(digits, {name: -1.5 if name in SIGNED else 3 for name in placeholders(digits)})
    bare = re.sub(r"\\htmlClass\{\w\}\{([^{}]*)\}", r"\1", said)
    assert not re.search(r"([+\-]|\\times)\s*−", bare), bare


def test_somewhere_it_says_that_weight_is_not_influence():
    assert "not influence" in TEXTS.stages["softmax"].en.words
    assert "不等于影响" in TEXTS.stages["softmax"].zh.words
    assert "not explanation" in TEXTS.stages["context"].en.words
    assert "不是解释" in TEXTS.stages["context"].zh.words
