"""A recorded generation writes what `generate` writes, and every step says what it chose from and where it looked."""

import numpy as np
import pytest
import torch

from models import errors, generate, wrap
from models.generation import DISTRIBUTION_MEMORY, STEP_LIMIT, Strategy
from models.huggingface.known import Lessons
from models.trace import Site, softmax
from tests.huggingface.test_stitch import prompt, wrapped
from tests.huggingface.zoo import ZOO, built

NAMES = ("gpt2", "mistral window", "gpt_oss", "t5", "marian", "bloom", "gptj", "whisper")
STEPS = 7


def plain(name, **options):
    """What the model itself writes, nothing being recorded: the new ids."""
    output = built(name).generate(**prompt(name), max_new_tokens=STEPS, **options)[0].tolist()
    if name == "whisper":  # which leaves out the start token by itself
        return output
    return output[1 if built(name).config.is_encoder_decoder else prompt(name)["input_ids"].shape[1] :]


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def greedy(name):
    return generate(wrapped(name), inputs=prompt(name), steps=STEPS)


def test_greedy_writes_what_the_model_writes(name, greedy):
    assert list(greedy.ids) == plain(name, do_sample=False, num_beams=1)


@pytest.mark.parametrize("beams", [2, 4])
def test_beam_search_writes_what_the_model_writes(name, beams):
    written = generate(wrapped(name), inputs=prompt(name), steps=STEPS, strategy="beam", beams=beams)
    assert list(written.ids) == plain(name, do_sample=False, num_beams=beams)


@pytest.mark.parametrize(
    "options", [{"temperature": 1.5}, {"top_k": 5}, {"top_p": 0.7}, {"top_k": 20, "top_p": 0.9}]
)
@pytest.mark.parametrize("name", ["gpt2", "t5", "bloom"], indirect=True)
def test_sampling_draws_what_the_model_draws_from_the_same_seed(name, options):
    wanted = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, **options}
    written = generate(wrapped(name), inputs=prompt(name), steps=STEPS, strategy="sample", seed=11, **wanted)
    torch.manual_seed(11)
    assert list(written.ids) == plain(name, do_sample=True, num_beams=1, **wanted)


def test_equal_seeds_draw_alike_and_others_do_not():
    drawn = [
        generate(wrapped("gpt2"), inputs=prompt("gpt2"), strategy="sample", temperature=3.0, seed=seed).ids
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_draw_leaves_the_chance_of_others_alone():
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)
    generate(wrapped("gpt2"), inputs=prompt("gpt2"), strategy="sample", seed=5)
    assert torch.equal(torch.rand(3), wanted)


def test_the_choice_of_each_step_is_the_most_probable_of_its_distribution(greedy):
    for step in greedy.steps:
        assert step.choice.id == int(step.distribution.argmax())
        assert step.probability == step.distribution.max()
        np.testing.assert_allclose(step.distribution.sum(), 1, atol=1e-5)


def test_the_distribution_is_what_one_pass_over_the_text_predicts(name, greedy):
    ids = torch.tensor([[token.id for token in greedy.trace.tokens["decoder"]]])
    reads = "decoder_input_ids" if built(name).config.is_encoder_decoder else "input_ids"
    with torch.no_grad():
        logits = built(name)(**{**prompt(name), reads: ids}).logits[0].numpy()
    for step in greedy.steps:
        np.testing.assert_allclose(step.distribution, softmax(logits[step.position]), atol=1e-5)


def test_a_sampled_step_has_nothing_left_for_what_was_ruled_out():
    written = generate(wrapped("gpt2"), inputs=prompt("gpt2"), strategy="sample", top_k=3, seed=4)
    for step in written.steps:
        assert (step.distribution > 0).sum() == 3
        likely = np.argsort(step.logits)[-3:]
        assert set(np.flatnonzero(step.distribution)) == set(likely)
        assert step.distribution[step.choice.id] > 0


def test_the_rows_of_a_step_are_those_of_its_position(greedy):
    for step in greedy.steps[:: len(greedy.steps) - 1]:
        assert set(step.rows) == {
            block.name for block in greedy.trace.blocks if block.query_stream == "decoder"
        }
        for block, rows in step.rows.items():
            whole = greedy.trace.weights(block)[:, step.position]
            keys = step.position + 1 if block.endswith("self") else whole.shape[1]
            np.testing.assert_allclose(rows, whole[:, :keys], atol=1e-6)
            assert not whole[:, keys:].any()
    with pytest.raises(KeyError):
        greedy.steps[0].rows["encoder.9.self"]


def test_the_last_token_is_chosen_and_never_read(name, greedy):
    read = [token.id for token in greedy.trace.tokens["decoder"]]
    assert read[len(read) - len(greedy.ids) + 1 :] == list(greedy.ids[:-1])
    assert [step.position for step in greedy.steps] == list(range(len(read) - len(greedy.ids), len(read)))


def test_an_encoder_decoder_has_the_logits_of_every_row():
    written = generate(wrapped("t5"), inputs=prompt("t5"), steps=STEPS)
    for step in written.steps:
        np.testing.assert_array_equal(written.trace.array(Site.LOGITS)[step.position], step.logits)
    assert [token.id for token in written.trace.predictions] == list(written.ids)


def test_a_prompt_is_text_and_so_is_what_is_written(tokenizer):
    model = wrap(built("gpt2"), tokenizer)
    written = generate(model, "the cat sleeps", steps=3)
    tokens = written.trace.tokens["decoder"]
    assert [token.text for token in tokens[:3]] == ["the", "cat", "sleeps"]
    assert [(token.start, token.end) for token in tokens[:4]] == [(0, 3), (4, 7), (8, 14), (-1, -1)]
    assert written.trace.text == "the cat sleeps"
    assert written.text == tokenizer.decode(list(written.ids), skip_special_tokens=True)


@pytest.mark.parametrize("name", ["gpt2", "bloom", "t5"], indirect=True)
@pytest.mark.parametrize("strategy", ["greedy", "sample", "beam"])
def test_it_stops_when_it_is_told_to(name, strategy):
    asked = []

    def enough():
        asked.append(1)
        return len(asked) == 3

    written = generate(wrapped(name), inputs=prompt(name), steps=20, strategy=strategy, cancelled=enough)
    assert written.cancelled
    assert len(asked) == 3
    assert len(written.ids) == len(written.steps) == 3
    for block in written.trace.blocks:
        assert written.trace.head(block.name, 0).error <= 1e-5


def test_what_ends_by_itself_was_not_cancelled(greedy):
    assert not greedy.cancelled


def test_one_step_is_one_pass():
    written = generate(wrapped("llama"), inputs=prompt("llama"), steps=1)
    assert len(written.ids) == 1
    assert len(written.trace.tokens["decoder"]) == 10


def test_a_model_that_ends_is_not_asked_to_go_on():
    model = ZOO["gpt2"].build()
    first = generate(wrap(model), inputs=prompt("gpt2"), steps=9).ids
    model.generation_config.eos_token_id = first[2]
    assert generate(wrap(model), inputs=prompt("gpt2"), steps=9).ids == first[: first.index(first[2]) + 1]


def test_a_model_whose_first_run_failed_is_learnt_by_running_it():
    model = wrap(built("gpt2"))
    model.lessons = Lessons(model.model, model.name)
    written = generate(model, inputs=prompt("gpt2"), steps=3)
    assert model.lessons.all
    assert len(written.trace.blocks) == 2


REFUSED = [
    ({"steps": 0}, errors.BadRequest),
    ({"steps": STEP_LIMIT + 1}, errors.TooManySteps),
    ({"steps": 56}, errors.ContextFull),
    ({"strategy": "guess"}, errors.BadRequest),
    ({"temperature": 0.0}, errors.BadRequest),
    ({"top_k": -1}, errors.BadRequest),
    ({"top_p": 0.0}, errors.BadRequest),
    ({"top_p": 1.1}, errors.BadRequest),
    ({"strategy": "beam", "beams": 1}, errors.BadRequest),
    ({"strategy": "beam", "beams": 9}, errors.BadRequest),
    ({"language": "fr"}, errors.BadRequest),
]


@pytest.mark.parametrize(("options", "kind"), REFUSED)
def test_what_has_no_meaning_or_does_not_fit_is_refused(options, kind):
    with pytest.raises(kind):
        generate(wrapped("gpt2"), inputs=prompt("gpt2"), **options)


def test_what_just_fits_is_written():
    written = generate(wrapped("gpt2"), inputs=prompt("gpt2"), steps=55)
    assert len(written.trace.tokens["decoder"]) <= 64


def test_an_encoder_decoder_counts_what_its_decoder_reads():
    assert generate(wrapped("bart"), inputs=prompt("bart"), steps=64).ids
    with pytest.raises(errors.ContextFull):
        generate(wrapped("bart"), inputs=prompt("bart"), steps=65)


def test_a_model_that_does_not_write_says_so():
    with pytest.raises(errors.CannotGenerate):
        generate(wrapped("bert"), inputs=prompt("bert"))


def test_many_words_and_beams_leave_room_for_fewer_steps():
    vocabulary = DISTRIBUTION_MEMORY // (4 * 100)
    Strategy().check_steps(100, vocabulary)
    with pytest.raises(errors.TooManySteps) as caught:
        Strategy("beam", beams=4).check_steps(100, vocabulary)
    assert caught.value.facts == {"got": 100, "limit": 25}


def test_recording_changes_nothing_in_what_is_written_next():
    before = plain("llama", do_sample=False)
    generate(wrapped("llama"), inputs=prompt("llama"), steps=STEPS)
    assert plain("llama", do_sample=False) == before
