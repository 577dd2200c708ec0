"""Every stage of tiny models from their configuration classes, computed again from their own parameters.

What a page is given may differ from what is made again by 1e-5 of the largest number of the same matrix.
"""

from collections.abc import Iterator

import pytest
import torch

from tests.viz.proof import table
from tests.viz.proof.page import Run
from tests.viz.proof.runs import TINY, tiny_run
from viz.stages import STAGE_IDS

torch.set_num_threads(1)

BEGIN, END = "tokens embedding", "logits output choice"
FED, FED_POST = "mlp_norm mlp residual_mlp", "mlp residual_mlp mlp_add_norm"
ROUTED, LAST = "mlp_norm router residual_mlp", f"final_norm {END}"
SCORED = "scores scale mask softmax context written residual"
TURNED = f"{BEGIN} norm qkv rotation shared {SCORED}"
CAPPED = TURNED.replace("scale", "scale softcap")
NORMED = "written_norm mlp mlp_written_norm residual_mlp"
BOTH_NORMED = f"{NORMED} mlp_norm"
PLACED, ROTARY, BIASED = "position encoding likeness", "rotation turning shuffle", "bias reach"
BIASED_SCORES = SCORED.replace("scale", "scale bias")
PRE_NORM = {"decoder.*.self": f"{TURNED} {FED} {LAST} | {ROTARY}"}
POST_NORM = f"{BEGIN} position qkv {SCORED} add_norm"

PAIR = {
    "encoder.*.self": f"{POST_NORM} {FED_POST} | {PLACED} shuffle",
    "decoder.*.self": f"{POST_NORM} {END} | {PLACED}",
    "decoder.*.cross": f"{POST_NORM} {FED_POST} {END} | {PLACED}",
}

MUST: dict[str, dict[str, str]] = {
    "gpt2": {"decoder.*.self": f"{BEGIN} position norm qkv {SCORED} {FED} {LAST} | {PLACED} shuffle"},
    "bert": {"encoder.*.self": f"{POST_NORM} {FED_POST} {END} | {PLACED} shuffle"},
    "llama": PRE_NORM,
    "qwen2": PRE_NORM,
    "qwen3": PRE_NORM,
    "gemma": PRE_NORM,
    "t5": {
        "encoder.*.self": f"{BEGIN} norm qkv {BIASED_SCORES} {FED} | {BIASED} shuffle",
        "decoder.*.self": f"{BEGIN} norm qkv {BIASED_SCORES} {LAST} | {BIASED}",
        "decoder.*.cross": f"{BEGIN} norm qkv {SCORED} {FED} {LAST} |",
    },
    "bart": PAIR,
    "marian": PAIR,
    "mixtral": {"decoder.*.self": f"{TURNED} {ROUTED} {LAST} | {ROTARY}"},
    "deepseek_v3": {
        "decoder.0.self": f"{BEGIN} norm qkv rotation {SCORED} {FED} {LAST} | {ROTARY}",
        "decoder.1.self": f"{BEGIN} norm qkv rotation {SCORED} {ROUTED} {LAST} | {ROTARY}",
    },
    "vit": {"encoder.*.self": f"{BEGIN} position norm qkv {SCORED} {FED} {LAST} | {PLACED}"},
    "gemma2": {"decoder.*.self": f"{CAPPED} {BOTH_NORMED} {LAST} | {ROTARY}"},
    "olmo2": {"decoder.*.self": f"{TURNED.replace(' norm', '')} {NORMED} {LAST} | {ROTARY}"},
    "gpt_oss": {"decoder.*.self": f"{TURNED.replace('softmax', 'softmax sink')} {ROUTED} {LAST} | {ROTARY}"},
    "bloom": {"decoder.*.self": f"{BEGIN} norm qkv {BIASED_SCORES} {FED} {LAST} | {BIASED} shuffle"},
}
"""What each block must offer, the tab of positions behind the bar; it may offer more, if that is made again."""


@pytest.mark.parametrize("name", TINY)
def test_every_stage_is_computed_again(name):
    found = list(table.faults(tiny_run(name)))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", TINY)
def test_an_architecture_has_all_its_stages(name):
    assert table.missing(tiny_run(name), MUST[name]) == []


def test_every_stage_there_is_has_its_recomputation():
    assert set(STAGE_IDS) <= table.WALK.keys() | table.POSITIONS.keys()


def test_a_stage_that_nothing_makes_again_is_a_fault(monkeypatch):
    walk = {stage: again for stage, again in table.WALK.items() if stage != "scale"}
    monkeypatch.setattr(table, "WALK", walk)
    (first, second) = table.faults(tiny_run("gpt2"))
    assert first == "decoder.0.self: nothing makes 'scale' of stages again"
    assert second.startswith("decoder.1.self")


def test_a_stage_that_is_no_longer_offered_is_missed():
    must = {"decoder.*.self": "tokens sink | reach"}
    assert table.missing(tiny_run("gpt2"), must) == [
        f"decoder.{layer}.self: {stage}" for layer in (0, 1) for stage in ("reach", "sink")
    ]


@pytest.mark.parametrize("name", ["bert", "deepseek_v3"])
def test_a_change_in_any_parameter_is_seen(name):
    """Each in turn, at random by a thousandth of its size: none can be misread without a fault."""
    assert list(unseen(tiny_run(name))) == []


def unseen(run: Run) -> Iterator[str]:
    """Parameters that could be others without a fault."""
    names: dict[int, list[str]] = {}
    for name, value in run.module.state_dict().items():
        names.setdefault(value.data_ptr(), []).append(name)  # a table may serve several places
    chance = torch.Generator().manual_seed(1)
    for name, value in run.module.named_parameters():
        kept = {same: run.own.state[same] for same in names[value.data_ptr()]}
        noise = torch.randn(run.own.state[name].shape, generator=chance) * (value.abs().max().item() or 1)
        run.own.state |= {same: each + 1e-3 * noise for same, each in kept.items()}
        if not next(table.faults(run), ""):
            yield name
        run.own.state |= kept


def test_what_counts_as_rounding():
    shown = torch.tensor([[1.0, -200.0], [-torch.inf, 0.0]]).double()
    assert not table.difference(shown + 0.0019, shown)
    assert "2.1e-03 apart, of 2.0e+02" in table.difference(shown + 0.0021, shown)
    assert "other places" in table.difference(shown.clamp(min=-1e9), shown)
    assert "NaN" in table.difference(shown / shown, shown / shown)
    assert "are made" in table.difference(shown[:1], shown)
