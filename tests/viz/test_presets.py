"""The ready examples: complete, each model opens on one of its own, and what they point at is there in a run."""

from functools import cache

import pytest

from models import Request
from models.catalog import BUILTIN, load
from models.pictures import examples
from viz.manifest import manifest
from viz.stages import STAGE_IDS
from viz.texts import load_texts

PRESETS = load_texts().presets


@cache
def opened(preset):
    """The manifest of an example, run on its model."""
    reading = {"reading": preset.reading} if preset.reading else {}
    request = Request(
        preset.model, preset.text, None, preset.language or None, preset.image or None, **reading
    )
    return manifest(request.run(), request.key)


def test_presets_are_complete():
    assert len(PRESETS) >= 9
    assert len({preset.id for preset in PRESETS}) == len(PRESETS)
    assert PRESETS[0].id == "animal-tired"
    for preset in PRESETS:
        assert preset.model in BUILTIN, preset.id
        assert preset.language in ("", "fr", "zh", "en"), preset.id
        assert not preset.image or preset.image in examples(), preset.id
        assert preset.text or preset.image, preset.id
        assert len(preset.en.title) <= 24, preset.id
        assert len(preset.zh.title) <= 16, preset.id


def test_the_first_example_is_of_the_model_that_is_offered_first():
    assert PRESETS[0].model == BUILTIN[0]


@pytest.mark.parametrize("name", BUILTIN)
def test_every_model_opens_on_an_example_of_its_own(name):
    first = next((preset for preset in PRESETS if preset.model == name), None)
    assert first, f"{name} has no example in presets.toml"
    reads = load(name).card.reads
    assert ("text" in reads) == bool(first.text)
    assert ("image" in reads) == bool(first.image)


def test_no_two_examples_of_a_model_read_the_same():
    read = [(each.model, each.text, each.image, each.language, each.reading) for each in PRESETS]
    assert len(set(read)) == len(read)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.id)
def test_what_an_example_points_at_is_there(preset):
    run = opened(preset)
    assert not run["unknown"], "an example is written in words that its model knows"
    blocks = {block["name"]: block for block in run["blocks"]}
    assert preset.block in blocks
    block = blocks[preset.block]
    heads = block["heads"] or 1  # a recurrent network stands among the blocks without heads, and has no keys
    assert 0 <= preset.head < heads
    assert preset.stage in STAGE_IDS
    assert preset.stage in block["stages"]
    assert bool(preset.query) != bool(preset.predicts), "one name for its row"
    queries = [token["text"] for token in run["tokens"][block["queryStream"]]]
    rows = queries if preset.query else run["predictions"]
    assert preset.query or run["predicting"] == block["queryStream"]
    assert rows.count(preset.query or preset.predicts) >= preset.query_nth >= 1
    keys = [token["text"] for token in run["tokens"][block["keyStream"]]]
    assert preset.key or not block["heads"]
    assert not preset.key or keys.count(preset.key) >= preset.key_nth >= 1
    assert 0 <= preset.expert < max(1, run["model"]["experts"])
    assert not preset.expert or preset.stage == "router"


@pytest.mark.parametrize("name", BUILTIN)
def test_every_guided_head_is_a_head_of_its_model(name):
    first = next(preset for preset in PRESETS if preset.model == name)
    heads = {block["name"]: block["heads"] for block in opened(first)["blocks"]}
    assert all(guided.head < heads[guided.block] for guided in load(name).card.guided)
