"""Every refusal: what cannot be taken is refused by the right class, with the facts that its message needs."""

import numpy as np
import pytest

from models import errors, load, record
from models.builtin.translator import CHARACTER_LIMIT, TOKEN_LIMIT
from viz.texts import load_texts, render

TRANSLATOR = "builtin/translator"


def ids(*rows):
    return {"input_ids": np.array(rows)}


def shaped(*shape):
    return {"got": f"input_ids of shape {shape}; wanted one row of 1 to 64 ids"}


REFUSALS = [
    ("", {}, errors.EmptyText, {}),
    (" \t\n\u3000", {}, errors.EmptyText, {}),
    ("flurble xyzzy", {}, errors.OnlyUnknownWords, {"words": "flurble, xyzzy"}),
    ("?!", {}, errors.OnlyUnknownWords, {"words": "?, !"}),
    ("cat " * 64, {}, errors.TextTooLong, {"got": 65, "limit": 64}),
    ("cat " * 5001, {}, errors.TextTooLarge, {"got": 20_004, "limit": 20_000}),
    ("the cat", {"target": "le " * 64}, errors.TargetTooLong, {"got": 65, "limit": 64}),
    ("the cat", {"target": "xyzzy flurble"}, errors.TargetOnlyUnknown, {"words": "xyzzy, flurble"}),
    ("the cat", {"target": "<zh> xyzzy"}, errors.TargetOnlyUnknown, {"words": "xyzzy"}),
    ("the cat", {"target": "le " * 7000}, errors.TextTooLarge, {"got": 21_000, "limit": 20_000}),
    ("the cat", {"language": "de"}, errors.BadRequest, {"got": "language 'de'; use one of fr, zh, en"}),
    ("", {"inputs": {}}, errors.BadRequest, {"got": "inputs without 'input_ids'"}),
    ("", {"inputs": ids()}, errors.BadRequest, shaped(0)),
    ("", {"inputs": ids([2, 3], [2, 3])}, errors.BadRequest, shaped(2, 2)),
    ("", {"inputs": ids([2] * 65)}, errors.BadRequest, shaped(65)),
]


def refused(call, *arguments, **options):
    with pytest.raises(errors.MicroscopeError) as caught:
        call(*arguments, **options)
    return caught.value


@pytest.mark.parametrize(("text", "options", "kind", "facts"), REFUSALS)
def test_what_cannot_be_read_is_refused_with_its_facts(text, options, kind, facts):
    error = refused(record, TRANSLATOR, text, **options)
    assert type(error) is kind
    assert error.facts == facts
    message = load_texts().errors[error.id]
    for language in (message.en, message.zh):
        said = render(language.title + language.body, error.facts)
        assert all(str(fact) in said for fact in facts.values())
    assert all(str(fact) in str(error) for fact in facts.values())


@pytest.mark.parametrize("stream", ["input_ids", "decoder_input_ids"])
@pytest.mark.parametrize("outside", [-1, 10**6])
def test_ids_outside_the_vocabulary_are_refused(stream, outside):
    inputs = {"input_ids": [4, 5], "decoder_input_ids": [3]} | {stream: [5, outside]}
    error = refused(record, TRANSLATOR, inputs=inputs)
    assert type(error) is errors.BadRequest
    assert str(error.facts["got"]).startswith(f"{stream} outside the vocabulary")


def test_an_unknown_model_is_refused_with_those_there_are():
    error = refused(record, "builtin/gpt-9", "hello")
    assert type(error) is errors.UnknownModel
    assert error.facts == {"got": "builtin/gpt-9"}
    assert isinstance(refused(load, "../secret"), errors.ModelError)


def test_what_just_fits_is_read():
    trace = record(TRANSLATOR, "cat " * (TOKEN_LIMIT - 1), target="chat " * (TOKEN_LIMIT - 1))
    assert [len(tokens) for tokens in trace.tokens.values()] == [TOKEN_LIMIT, TOKEN_LIMIT]
    assert len(record(TRANSLATOR, "cat" + " " * (CHARACTER_LIMIT - 3)).tokens["encoder"]) == 2
    written = record(TRANSLATOR, "cat " * (TOKEN_LIMIT - 1))
    assert len(written.tokens["decoder"]) <= TOKEN_LIMIT


def kinds(error):
    yield error
    for inner in error.__subclasses__():
        yield from kinds(inner)


def test_every_error_that_is_raised_has_an_id_of_its_own():
    raised = [kind for kind in kinds(errors.MicroscopeError) if not kind.__subclasses__()]
    assert len(raised) >= 12
    assert len({kind.id for kind in raised} | {"internal"}) == len(raised) + 1


def test_the_tree_of_errors_is_drawn_as_it_is():
    drawn = errors.__doc__ or ""
    for kind in kinds(errors.MicroscopeError):
        assert kind.__name__.startswith("_") or kind.__name__ in drawn, (
            f"{kind.__name__} is not in the drawing"
        )
