"""The stages as data: they name arrays that exist, and their sources make their output."""

import json

import numpy as np
import pytest
from safetensors.numpy import load

from models.trace import softmax
from viz import feedforward, outputs, payload
from viz.scales import LIGHT
from viz.stages import STAGE_IDS, STAGES, STANDS_FOR, as_json
from viz.texts import load_texts
from viz.walk import stages_of

ATTENTION = ("tokens", "embedding", "position", "qkv", "scores", "scale", "mask", "softmax", "context")
ENDING = ("logits", "output", "choice")
BUILTIN = (*ATTENTION, "written", "residual", "add_norm", "mlp", "residual_mlp", *ENDING)
"""The stages of the built-in translator; only its decoder has outputs, and the last attention of a layer an `mlp`
and what that adds."""


@pytest.fixture(scope="module")
def bundles(trace):
    """A cross-attention head's bundles, whose axes all differ in length from one another."""
    block = "decoder.1.cross"
    head = load(payload.head(trace, block, 2))
    for name, other in STANDS_FOR.items():
        head.setdefault(name, head[other])
    parts = load(payload.written(trace, block, 0))
    return {
        "head": head,
        "stream": load(payload.stream(trace, "decoder")),
        "projection": load(payload.projection(trace, block, 2)),
        "norm": load(payload.norm(trace, block)),
        "mlp": load(payload.mlp(trace, block)),
        "written": {
            "contributions": parts["contributions"][1],
            "output_bias": parts["output_bias"],
            "written_sum": parts["written_sum"][1:2],
        },
        "residual_attention": load(payload.residual_attention(trace, block)),
        "residual_mlp": load(payload.residual_mlp(trace, block)),
        "vectors": load(payload.vectors(trace)),
        "logits": {
            name: array[1] for name, array in load(payload.logits(trace, 0)).items() if array.ndim > 1
        },
    }


@pytest.fixture(scope="module")
def arrays(bundles):
    plates = [plate for stage in STAGES if stage.id in BUILTIN for plate in stage.plates]
    return {
        plate.array: bundles[plate.bundle][plate.array]
        for plate in plates
        if plate.array in bundles[plate.bundle]
    }


def test_the_built_in_model_has_its_stages_in_their_order(trace):
    for block in trace.blocks:
        lacks = (
            {"mlp", "residual_mlp"} if block.name.startswith("decoder") and block.kind == "self" else set()
        )
        lacks |= set() if block.query_stream == "decoder" else set(ENDING)
        assert tuple(stages_of(trace, block)) == tuple(stage for stage in BUILTIN if stage not in lacks)
    assert [stage for stage in STAGE_IDS if stage in BUILTIN] == list(BUILTIN)


def test_every_stage_of_the_built_in_model_has_words():
    assert load_texts().stages.keys() >= set(BUILTIN)


def test_every_plate_shows_an_array_of_its_bundle_along_its_axes(trace, bundles):
    tokens = trace.tokens
    lengths = {
        "query": len(tokens["decoder"]),
        "key": len(tokens["encoder"]),
        "head": trace.model.heads,
        "one": 1,
        "d_head": trace.model.d_head,
        "d_value": trace.model.d_head,
        "d_model": trace.model.d_model,
        "d_hidden": min(trace.model.d_hidden, feedforward.SHOWN),
        "choice": outputs.SHOWN,
    }
    for stage in (stage for stage in STAGES if stage.id in BUILTIN):
        for plate in stage.plates:
            if plate.optional and plate.array not in bundles[plate.bundle]:
                continue
            shape = bundles[plate.bundle][plate.array].shape
            assert shape == tuple(lengths[axis] for axis in plate.axes), (stage.id, plate.array)


def test_every_source_is_a_plate_of_its_stage_fixed_along_its_own_axes():
    for stage in STAGES:
        axes = {plate.array: plate.axes for plate in stage.plates}
        for source in stage.sources:
            assert set(source.fixed) <= set(axes[source.array]), (stage.id, source.array)


def test_every_plate_has_a_colour():
    for stage in STAGES:
        for plate in stage.plates:
            assert plate.role == "mask" or hasattr(LIGHT, plate.role), plate


def test_a_stage_has_an_operator_between_its_plates():
    for stage in STAGES:
        if stage.layout == "stack" and len(stage.plates) > 1:
            assert len(stage.operators) == len(stage.plates) - 1, stage.id
        if stage.layout == "flow":
            assert len(stage.operators) == 1, stage.id
        if stage.layout == "product":
            left, top, corner = (plate.axes for plate in stage.plates)
            assert (left[0], *({*left} & {*top})) == (corner[0], left[1]), stage.id


def test_each_stage_computes_its_last_plate_from_the_others(arrays, trace):
    expected = {
        "position": arrays["token_embedding"] + arrays["position_encoding"],
        "scores": arrays["query"] @ arrays["key"].T,
        "scale": arrays["product"] / np.sqrt(trace.model.d_head),
        "mask": np.where(arrays["mask"], arrays["unmasked"], -np.inf),
        "softmax": softmax(arrays["masked_scores"]),
        "context": arrays["weights"] @ arrays["value"],
        "written": arrays["contributions"].sum(axis=0, keepdims=True) + arrays["output_bias"],
        "residual": arrays["before_attention"] + arrays["added_attention"],
        "residual_mlp": arrays["before_mlp"] + arrays["added_mlp"],
    }
    for stage in STAGES:
        if stage.id in expected:
            output = arrays[stage.plates[-1].array]
            np.testing.assert_allclose(output, expected[stage.id], atol=1e-5, err_msg=stage.id)


def test_every_stage_goes_on_from_what_came_before():
    shown = set()
    for stage in (stage for stage in STAGES if stage.id in ATTENTION[4:]):
        inputs = {STANDS_FOR.get(plate.array, plate.array) for plate in stage.plates[:-1]} - {"mask", "value"}
        inputs = {STANDS_FOR.get(array, array) for array in inputs}
        assert not shown or inputs & shown, stage.id
        shown = {stage.plates[-1].array}


def test_the_browser_gets_every_stage():
    said = json.loads(json.dumps(as_json()))
    assert [stage["id"] for stage in said] == list(STAGE_IDS)
    scores = said[STAGE_IDS.index("scores")]
    assert scores["plates"][0] == {
        "array": "query",
        "bundle": "head",
        "axes": ["query", "d_head"],
        "role": "query",
        "symbol": "Q",
        "optional": False,
    }
    assert scores["sources"] == [{"array": "query", "fixed": ["query"]}, {"array": "key", "fixed": ["key"]}]
