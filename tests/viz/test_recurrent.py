"""The recurrent networks on the page: their stages show what was computed, and every number said of them is there."""

import random
import tomllib
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load

from models import Request, Site
from tests.viz.test_code import check
from viz import payload
from viz.manifest import manifest
from viz.recurrent import places, stages_of_network
from viz.stages import STAGES, STANDS_FOR
from viz.steps import Selection, arguments, facts
from viz.texts import ASSETS, load_texts, placeholders
from viz.walk import stages_of

TEXT = "The cat sleeps."
REQUESTS = {
    "plain": Request("builtin/seq2seq", TEXT),
    "plain, backwards": Request("builtin/seq2seq", TEXT, reading="reversed"),
    "attention": Request("builtin/seq2seq-attention", TEXT, language="zh"),
}
OWN_TEXTS = set(tomllib.loads((ASSETS / "texts" / "recurrent.toml").read_text(encoding="utf-8")))
PARTS = {stage.id: stage for stage in STAGES}


@pytest.fixture(scope="module", params=REQUESTS)
def request_made(request):
    return REQUESTS[request.param]


@pytest.fixture(scope="module")
def trace(request_made):
    return request_made.run()


def arrays(trace, stream):
    return load(payload.head(trace, f"{stream}.0.recurrent", 0))


def walks(trace):
    """(place, stage, its text) of everything that a run of this model shows."""
    for place, stream in places(trace):
        yield from ((place, stage, text) for stage, text in stages_of_network(trace, stream).items())
    for block in trace.blocks:
        yield from ((block.name, stage, text) for stage, text in stages_of(trace, block).items())


def somewhere(trace, place, stage, chance):
    stream = place.split(".")[0]
    units = trace.array(Site.STATE, stream).shape[1]
    return Selection(
        place,
        head=0,
        query=chance.randrange(len(trace.tokens[stream])),
        key=chance.randrange(len(trace.tokens["encoder"])),
        channel=chance.randrange(units),
        dimension=chance.randrange(trace.model.d_model),
        stage=stage,
    )


def test_both_models_together_tell_every_text_of_theirs():
    told = {text for request in REQUESTS.values() for _, _, text in walks(request.run())}
    assert told >= OWN_TEXTS


def test_the_state_is_the_mixture_that_the_stage_shows(trace):
    for _, stream in places(trace):
        shown = arrays(trace, stream)
        z, before, candidate, state = (shown[plate.array] for plate in PARTS["state"].plates)
        np.testing.assert_allclose(z * before + (1 - z) * candidate, state, atol=1e-6)


def test_every_plate_has_the_shape_of_its_axes(trace):
    for place, stream in places(trace):
        shown = arrays(trace, stream)
        units = shown["state"].shape[1]
        lengths = {
            "query": len(trace.tokens[stream]),
            "key": len(trace.tokens["encoder"]),
            "unit": units,
            "one": 1,
        }
        for stage in set(stages_of_network(trace, stream)) & {"gates", "state", "bottleneck"}:
            for plate in PARTS[stage].plates:
                assert shown[plate.array].shape == tuple(lengths[axis] for axis in plate.axes), (place, plate)


def test_without_attention_every_context_is_the_last_state():
    shown = arrays(REQUESTS["plain"].run(), "decoder")
    assert (shown["context_vector"] == shown["last_state"]).all()
    assert np.array_equal(shown["last_state"][0], shown["encoder_state"][-1])


def test_a_changed_state_is_not_proved(trace):
    proved = load(payload.proofs(trace))
    for place, stream in places(trace):
        assert proved[f"proved:{place}"] == [1]
        states = trace.array(Site.STATE, stream).copy()
        states[1, 3] += 1e-3
        false = replace(trace, arrays={**trace.arrays, (Site.STATE, stream): states}, _heads={})
        assert load(payload.proofs(false))[f"proved:{place}"] == [0]


def test_the_manifest_lists_networks_without_heads_and_attention_without_what_it_lacks(trace):
    blocks = {block["name"]: block for block in manifest(trace, "key")["blocks"]}
    networks = {name for name, block in blocks.items() if block["kind"] == "recurrent"}
    assert networks == {"encoder.0.recurrent", "decoder.0.recurrent"}
    assert all(blocks[name]["heads"] == 0 for name in networks)
    attention = trace.model.heads > 0
    assert ("decoder.0.cross" in blocks) is attention
    assert ("bottleneck" in blocks["decoder.0.recurrent"]["stages"]) is not attention
    for block in blocks.values():
        assert not {"position", "scale", "mask", "bias"} & block["stages"].keys()


def test_the_thumbnails_hold_the_states(trace):
    pictures = load(payload.thumbnails(trace))
    for place, stream in places(trace):
        states = trace.array(Site.STATE, stream)[:, :64]
        np.testing.assert_allclose(pictures[place][0] / 255 * 2 - 1, states, atol=1 / 255 + 1e-6)


def test_every_fact_that_a_text_uses_is_there(trace):
    texts = load_texts().stages
    for place, stage, text in walks(trace):
        said = facts(trace, Selection(place, 0, query=1, stage=stage)) | {"arguments_literal": ""}
        table = texts[text]
        used = [table.formula, table.digits, table.code, table.en.words, table.en.maths]
        assert {name for part in used for name in placeholders(part)} <= said.keys(), (place, text)


def test_the_code_of_every_stage_gives_its_number(trace, request_made):
    given = arguments(TEXT, None, request_made.language, None, request_made.reading)
    for place, stage, text in walks(trace):
        chance = random.Random(f"{place} {stage}")
        for _ in range(2):
            at = somewhere(trace, place, stage, chance)
            check(text, facts(trace, at) | {"arguments_literal": given})


def test_what_stands_for_another_array_is_there_with_attention():
    trace = REQUESTS["attention"].run()
    block = trace.blocks[0]
    bundles = {
        "head": load(payload.head(trace, block.name, 0)),
        "stream": load(payload.stream(trace, "decoder")),
        "projection": load(payload.projection(trace, block.name, 0)),
        "logits": load(payload.logits(trace, 0)),
        "vectors": load(payload.vectors(trace)),
    }
    bundles["head"] |= {
        name: bundles["head"][other] for name, other in STANDS_FOR.items() if other in bundles["head"]
    }
    for stage in stages_of(trace, block):
        for plate in PARTS[stage].plates:
            assert plate.optional or plate.array in bundles[plate.bundle], (stage, plate.array)
