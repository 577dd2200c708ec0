"""What a generation cannot show it refuses, and what it was given as vectors it continues like any prompt."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models import errors, generate, wrap
from models.generation import steps_of
from models.trace import Site
from tests.huggingface.test_stitch import prompt, wrapped
from tests.huggingface.zoo import ZOO, built


def test_a_model_that_reads_tokens_again_while_it_writes_is_refused():
    """XLNet appends an empty token to every pass and reads two tokens of the last one again."""
    with pytest.raises(errors.UnprovedSteps):
        generate(wrap(ZOO["xlnet"].build()), inputs=prompt("xlnet"), steps=3)


def test_a_first_step_of_it_has_nothing_to_be_put_together_and_is_proved():
    trace = generate(wrap(ZOO["xlnet"].build()), inputs=prompt("xlnet"), steps=1).trace
    assert all(trace.head(block.name, head).proved for block in trace.blocks for head in range(block.heads))


def test_a_row_that_is_not_what_the_model_computed_with_is_not_served():
    written = generate(wrapped("gpt2"), inputs=prompt("gpt2"), steps=3)
    trace, block = written.trace, written.trace.blocks[0].name
    false = trace.array(Site.KEY, block) + np.float32(0.5)
    false[:, 0] *= 9
    wrong = replace(trace, arrays={**trace.arrays, (Site.KEY, block): false})
    logits = [step.logits for step in written.steps]
    step = steps_of(wrong, written.tokens, logits, logits)[1]
    with pytest.raises(errors.UnprovedSteps):
        step.rows[block]
    assert len(step.rows[trace.blocks[1].name]) == trace.blocks[1].heads


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize("strategy", ["greedy", "beam"])
def test_vectors_instead_of_ids_are_continued_as_their_ids_are(name, strategy):
    table = built(name).get_input_embeddings()
    with torch.no_grad():
        vectors = table(prompt(name)["input_ids"])
    got = generate(wrapped(name), inputs={"inputs_embeds": vectors}, steps=4, strategy=strategy)
    wanted = generate(wrapped(name), inputs=prompt(name), steps=4, strategy=strategy)
    assert got.ids == wanted.ids
    assert [step.position for step in got.steps] == [step.position for step in wanted.steps]
    for ours, theirs in zip(got.steps, wanted.steps, strict=True):
        np.testing.assert_allclose(ours.distribution, theirs.distribution, atol=1e-6)
        for block, rows in theirs.rows.items():
            np.testing.assert_allclose(ours.rows[block], rows, atol=1e-6)


def test_vectors_that_do_not_fit_with_what_is_to_be_written_are_refused():
    with pytest.raises(errors.ContextFull):
        generate(wrapped("gpt2"), inputs={"inputs_embeds": torch.zeros(1, 60, 32)}, steps=6)


def test_logits_are_in_the_trace_only_where_every_row_has_some():
    many = generate(wrapped("gpt2"), inputs=prompt("gpt2"), steps=3)
    one = generate(wrapped("gpt2"), inputs={"input_ids": torch.tensor([[7]])}, steps=3)
    assert many.trace.logits is None
    np.testing.assert_array_equal(one.trace.logits, [step.logits for step in one.steps])
