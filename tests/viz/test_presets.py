"""The ready examples: complete, and about words of their own sentence."""

import re

from models.catalog import BUILTIN
from viz.stages import STAGE_IDS
from viz.texts import load_texts

TEXTS = load_texts()


def test_presets_are_complete():
    assert len(TEXTS.presets) >= 9
    assert len({preset.id for preset in TEXTS.presets}) == len(TEXTS.presets)
    assert TEXTS.presets[0].id == "animal-tired"
    for preset in TEXTS.presets:
        assert preset.model in BUILTIN, preset.id
        assert preset.language in ("fr", "zh", "en"), preset.id
        assert preset.stage in STAGE_IDS, preset.id
        assert re.fullmatch(r"(encoder|decoder)\.[01]\.(self|cross)", preset.block), preset.id
        assert 0 <= preset.head < 4, preset.id
        assert bool(preset.query) != bool(preset.predicts), f"{preset.id}: one name for its row"
        assert preset.block.startswith("decoder") or not preset.predicts, preset.id
        assert len(preset.en.title) <= 24, preset.id
        assert len(preset.zh.title) <= 16, preset.id


def test_what_a_preset_points_at_is_in_its_sentence():
    for preset in TEXTS.presets:
        reads_source = preset.block.startswith("encoder")
        assert not reads_source or preset.query in preset.text, preset.id
        assert preset.block == "decoder.0.self" or preset.key in preset.text, preset.id
