"""Every stage of the models in the box, computed again from their own parameters."""

import pytest
import torch

from models.catalog import BUILTIN
from tests.viz.proof import table
from tests.viz.proof.runs import box_run

torch.set_num_threads(1)

END = "logits output choice"
SCORED = "tokens embedding qkv scores scale mask softmax context written residual residual_mlp"
TRANSLATOR = {
    "encoder.*.self": f"{SCORED} position add_norm mlp | position encoding likeness step shuffle",
    "decoder.*.self": f"{SCORED.replace(' residual_mlp', '')} position add_norm {END} | position likeness step",
    "decoder.*.cross": f"{SCORED} position add_norm mlp {END} | position encoding likeness step",
}
EXPERTS = {
    "decoder.0.self": f"{SCORED} norm rotation mlp {END} | rotation turning shuffle",
    "decoder.[123].self": f"{SCORED} norm rotation router {END} | rotation turning shuffle",
}
ENCODER = "tokens embedding gates state |"

MUST: dict[str, dict[str, str]] = {
    "translator": TRANSLATOR,
    "translator-plain": TRANSLATOR,
    "t5": {
        "encoder.*.self": f"{SCORED} norm bias mlp | bias reach shuffle",
        "decoder.*.self": f"{SCORED.replace(' residual_mlp', '')} norm bias {END} | bias reach",
        "decoder.*.cross": f"{SCORED} norm mlp {END} |",
    },
    "bert": {
        "encoder.*.self": f"{SCORED} position add_norm mlp {END} next_sentence | encoding likeness shuffle"
    },
    "gpt": {"decoder.*.self": f"{SCORED} position norm mlp {END} | encoding likeness shuffle"},
    "llama": {"decoder.*.self": f"{SCORED} norm rotation shared mlp {END} | rotation turning shuffle"},
    "moe": EXPERTS,
    "moe-sparse": EXPERTS,
    "vit": {"encoder.*.self": f"{SCORED} position norm mlp {END} | position encoding likeness"},
    "swin": {
        "encoder.[02].self": f"tokens qkv scores scale bias mask softmax context written mlp {END} | bias",
        "encoder.[13].self": f"tokens qkv bias mask_parts mask softmax context written residual mlp {END} | bias",
    },
    "seq2seq": {
        "encoder.0.recurrent": ENCODER,
        "decoder.0.recurrent": f"tokens embedding gates state bottleneck {END} |",
    },
    "seq2seq-attention": {
        "encoder.0.recurrent": ENCODER,
        "decoder.0.recurrent": f"tokens embedding gates state {END} |",
        "decoder.0.cross": f"tokens embedding qkv scores softmax context {END} |",
    },
}
"""What each block must offer, the tab of positions behind the bar."""

NAMES = [name.removeprefix("builtin/") for name in BUILTIN]


@pytest.mark.parametrize("name", NAMES)
def test_every_stage_is_computed_again(name):
    found = list(table.faults(box_run(name)))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_has_all_its_stages(name):
    assert table.missing(box_run(name), MUST[name]) == []
