"""Writing step by step and reading all at once give the same maps, as long as there is a causal mask."""

import pytest

from models import errors, generate, load
from models.teacher_forcing import at_once, differences, unmasked

TEXT = "the animal did not cross the street because it was too tired ."


@pytest.mark.parametrize("name", ["builtin/translator", "builtin/seq2seq-attention"])
@pytest.mark.parametrize("strategy", ["greedy", "beam"])
def test_the_maps_of_the_steps_are_those_of_one_pass(name, strategy):
    model = load(name)
    written = generate(model, TEXT, strategy=strategy)
    apart = differences(written, at_once(model, written))
    assert set(apart) == {block.name for block in written.trace.blocks if block.query_stream == "decoder"}
    assert max(apart.values()) <= 1e-5


@pytest.mark.parametrize("name", ["builtin/gpt", "builtin/llama"])
def test_so_are_those_of_a_decoder_alone(name):
    model = load(name)
    written = generate(model, inputs={"input_ids": [[7, 11, 23, 5]]}, steps=6)
    assert max(differences(written, at_once(model, written)).values()) <= 1e-5
    with pytest.raises(errors.UnsupportedEdit):
        unmasked(model, written)


def test_without_the_mask_only_the_first_layer_stays_the_same():
    model = load("builtin/translator")
    apart = unmasked(model, generate(model, TEXT))
    assert list(apart) == ["decoder.0.self", "decoder.1.self"]
    assert apart["decoder.0.self"] <= 1e-5
    assert apart["decoder.1.self"] >= 1e-2
