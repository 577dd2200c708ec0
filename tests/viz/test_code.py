"""The code of every stage runs as it is shown, and gives the number that is shown."""

import ast
import random
from dataclasses import replace

import pytest
import torch

import models
from models import Site, Token
from tests.viz import tiny
from viz.facts import LITERALS
from viz.positions import stages_of_positions
from viz.steps import Selection, arguments, facts
from viz.texts import load_texts, render
from viz.walk import stages_of

STAGES = load_texts().stages
BLOCKS = (
    *("encoder.0.self", "encoder.1.self"),
    *("decoder.0.self", "decoder.0.cross", "decoder.1.self", "decoder.1.cross"),
)
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
    "written",
    "residual",
    "add_norm",
    "mlp",
    "residual_mlp",
    "logits",
    "output",
    "choice",
)

MODEL_OF = {
    **dict.fromkeys(
        ("tokens_pieces", "embedding_plain", "qkv_shared", "rotation", "shared", "scores"), "llama"
    ),
    **dict.fromkeys(("scale", "mask_causal", "softmax", "context"), "llama"),
    "position_learned": "gpt2",
    "position_fixed": "marian",
    "position_norm": "distilbert",
    "position_segment": "bert",
    "mask_open": "bert",
    "qkv_several": "deepseek_v3",
    **dict.fromkeys(("softcap", "scale_other", "mask_sliding"), "gemma2"),
    **dict.fromkeys(("scale_none", "bias"), "t5"),
    "bias_alibi": "bloom",
    **dict.fromkeys(("encoding_table", "likeness_cosine"), "gpt2"),
    "turning": "llama",
    "reach": "t5",
    "reach_alibi": "bloom",
    "shuffle_causal": "gpt2",
    **dict.fromkeys(("softmax_sink", "sink"), "gpt_oss"),
    **dict.fromkeys(("router", "router_plain"), "mixtral"),
    "mask_chunked": "llama4",
    "mask_chosen": "deepseek_v32",
    "mask_other": "modernbert",
    "mask_parts": "llama",
    **dict.fromkeys(("tokens_patches", "embedding_patches"), "vit"),
    "rotation_grid": "dinov3",
    "mask_windows": "swin",
    **dict.fromkeys(("tokens_numbered", "embedding_numbered"), "whisper"),
    **dict.fromkeys(("norm_layer", "mlp_gelu"), "gpt2"),
    **dict.fromkeys(("norm_rms", "mlp_swiglu"), "llama"),
    "mlp_geglu": "gemma",
    "qkv_cross": "t5",
    **dict.fromkeys(("written", "residual_pre", "residual_mlp_pre"), "gpt2"),
    **dict.fromkeys(("residual", "residual_mlp"), "bert"),
    "logits_bias": "bert",
    "logits_scale": "cohere",
    "logits_cap": "gemma2",
    "choice_open": "classes",
    "output_next": "gpt2",
    "output_target": "t5",
    "output_masked": "bert",
    "output_label": "labels",
    "output_class": "classes",
    "next_sentence": "pretraining",
}
"""Text of a stage → a model in whose walk it stands."""

PADDED = {"input_ids": [[0, 0, 7, 12, 8, 29]], "attention_mask": [[0, 0, 1, 1, 1, 1]]}


def filled(trace, said_to_record, at):
    """The facts of a selection, with those that are Python source."""
    said = facts(trace, at) | {"arguments_literal": said_to_record}
    assert said.keys() >= LITERALS
    return said


def value_of(code, names=None):
    """Runs a program; the value of its last line, as a notebook would print it."""
    program = ast.parse(code)
    last = program.body.pop()
    assert isinstance(last, ast.Expr)
    names = dict(names or {})
    exec(compile(program, "<stage>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<stage>", "eval"), names)


def check(id, said, names=None):
    stage = STAGES[id]
    value, expected = value_of(render(stage.code, said), names), said[stage.code_result]
    assert isinstance(value, int | float), "a plain number, as it is shown"
    assert value == pytest.approx(expected, abs=1e-4), f"{id}: {value} and not {expected}"


def some(trace, block, stage, chance):
    """Any cell of a block."""
    return Selection(
        block.name,
        head=chance.randrange(block.heads),
        query=chance.randrange(1, len(trace.tokens[block.query_stream])),
        key=chance.randrange(len(trace.tokens[block.key_stream])),
        channel=chance.randrange(trace.array(Site.VALUE, block.name).shape[2]),
        dimension=chance.randrange(min(trace.model.d_model, 16)),
        stage=stage,
        expert=chance.randrange(max(1, trace.model.experts)),
        choice=chance.randrange(3),
        unit=chance.randrange(16),
    )


def typed(request_made):
    return arguments(request_made.text, request_made.target, request_made.language)


WALKS = [
    (stage, block)
    for stage in BUILTIN_WALK
    for block in BLOCKS
    if (stage not in {"logits", "output", "choice"} or block.startswith("decoder"))
    and (
        stage not in {"mlp", "residual_mlp"}
        or block.endswith("cross" if block.startswith("decoder") else "self")
    )
]
"""Only the decoder's rows end in words, and a feed-forward network follows the last attention of its layer."""


@pytest.mark.parametrize(("stage", "block"), WALKS)
def test_the_code_of_a_stage_gives_its_number(trace, request_made, stage, block):
    at = some(trace, trace.block(block), stage, random.Random(f"{stage} {block}"))
    text = "qkv_cross" if stage == "qkv" and block.endswith("cross") else stage
    assert stages_of(trace, trace.block(block))[stage] == text
    check(text, filled(trace, typed(request_made), at))


@pytest.mark.parametrize("stage", ["mask", "softmax", "context"])
def test_the_code_of_a_forbidden_cell_gives_its_number_too(trace, request_made, stage):
    at = Selection("decoder.1.self", 1, query=1, key=2, stage=stage)
    check(stage, filled(trace, typed(request_made), at))


def test_there_is_a_model_for_every_text():
    recurrent = {  # tests/viz/test_recurrent.py
        *("embedding_recurrent", "gates", "state", "bottleneck"),
        *("qkv_states", "scores_states", "context_states"),
    }
    positions = {"encoding", "likeness", "step", "shuffle"}  # tests/viz/test_positions.py
    assert MODEL_OF.keys() | set(BUILTIN_WALK) | recurrent | positions == STAGES.keys()


def run_of(id):
    """(trace, the arguments of `record`, the names that they use) of a run in whose walk a text stands."""
    name = MODEL_OF[id]
    if id == "mask_parts":
        given = {field: torch.tensor(value) for field, value in PADDED.items()}
        return tiny.completed(tiny.wrapped(name).record(inputs=given), name), "inputs=given", {"given": given}
    trace = tiny.trace_of(name)
    if id == "router_plain":
        kept = {
            place: array for place, array in trace.arrays.items() if place[0] != Site.ROUTER_PROBABILITIES
        }
        trace = replace(trace, arrays=kept)
    if id.endswith("_numbered"):
        pieces = tuple(Token(place, str(place + 1)) for place in range(len(trace.tokens["encoder"])))
        trace = replace(trace, tokens={**trace.tokens, "encoder": pieces})
    if tiny.reads_text(name):
        return trace, arguments(tiny.TEXT), {}
    return trace, "inputs=given", {"given": tiny.kind_of(name).inputs()}


@pytest.mark.parametrize("id", MODEL_OF)
def test_the_code_of_a_variant_gives_its_number(monkeypatch, id):
    """`record` gives what the trace shown has: with the arrays that `tiny` adds."""
    trace, said_to_record, names = run_of(id)
    place, record = tiny.folder(MODEL_OF[id]), models.record
    monkeypatch.setattr(models, "record", lambda *a, **k: tiny.completed(record(*a, **k), MODEL_OF[id]))
    walks = [(block, stages_of(trace, block) | stages_of_positions(trace, block)) for block in trace.blocks]
    block, stage = next((block, stage) for block, walk in walks for stage, text in walk.items() if text == id)
    chance = random.Random(id)
    for _ in range(3):
        at = some(trace, block, stage, chance)
        check(id, filled(trace, said_to_record, at) | {"model": place}, names)
