"""Requests: a key holds a whole run and opens nothing else."""

import base64
import json
import random
import re
import sys
import tracemalloc
import zlib
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models import Request, load, wrap
from models.errors import BadRequest, ModelNotOpen, StaleKey, TextTooLong
from models.record import KEY_LIMIT, LENGTH_LIMIT
from tests.huggingface.photo import words
from tests.huggingface.zoo import built

LANGUAGES = st.sampled_from([None, "fr", "zh", "en"])
TEXTS = st.text(max_size=300)
CAT = Request("builtin/translator", "the cat")


@st.composite
def requests(draw):
    model = draw(st.sampled_from(["builtin/translator", "builtin/translator-plain"]))
    return Request(model, draw(TEXTS), draw(st.none() | TEXTS), draw(LANGUAGES))


def packed(said: bytes, digest="0" * 16):
    """A key around anything."""
    return f"{digest}.{base64.urlsafe_b64encode(zlib.compress(said, 9)).decode().rstrip('=')}"


@given(request=requests())
@example(request=Request("builtin/translator", "🐈‍⬛👩🏽‍🚀 \u202eשלום عليكم\u202c", "他\u0000\n'\"\\", "zh"))
def test_a_key_gives_back_its_request(request):
    assert re.fullmatch(r"[0-9a-f]{16}\.[A-Za-z0-9_-]+", request.key)
    assert Request.from_key(request.key) == request


@given(one=requests(), other=requests())
@example(one=CAT, other=replace(CAT, target=""))
@example(one=CAT, other=replace(CAT, model="builtin/translator-plain"))
@example(one=CAT, other=replace(CAT, language="fr"))
def test_keys_are_equal_where_requests_are(one, other):
    assert (one.key == other.key) == (one == other)
    assert replace(one).key == one.key


def test_the_same_key_everywhere():
    """A link made on one machine opens on another: nothing of this process is in it."""
    assert json.loads(zlib.decompress(base64.urlsafe_b64decode(CAT.key.partition(".")[2] + "=="))) == {
        "model": "builtin/translator",
        "text": "the cat",
        "target": None,
        "language": None,
    }


def test_a_key_of_another_revision_is_stale(monkeypatch):
    key = CAT.key
    model = load("builtin/translator")
    monkeypatch.setattr(model, "card", replace(model.card, revision="retrained"))
    with pytest.raises(StaleKey):
        Request.from_key(key)


def test_a_key_of_another_schema_is_stale(monkeypatch):
    key = CAT.key
    monkeypatch.setattr(sys.modules["models.record"], "SCHEMA", 10**6)  # the name in `models` is the function
    with pytest.raises(StaleKey):
        Request.from_key(key)


def test_a_key_whose_text_was_changed_is_stale():
    other = replace(CAT, text="the dog").key.partition(".")[2]
    with pytest.raises(StaleKey):
        Request.from_key(f"{CAT.key.partition('.')[0]}.{other}")


@pytest.mark.parametrize("model", [b"builtin/gone", b"gpt2", b"/etc"])
def test_a_key_of_a_model_that_is_not_open_opens_nothing(model):
    with pytest.raises(ModelNotOpen):
        Request.from_key(packed(b'{"model": "' + model + b'", "text": "the cat"}'))


def test_a_text_longer_than_can_be_looked_at_is_refused_before_it_runs():
    with pytest.raises(TextTooLong):
        wrap(built("gpt2"), words()).check_length("w " * 1100, LENGTH_LIMIT)


@pytest.mark.parametrize(
    "key",
    [
        *("", ".", "x", "....", "0123456789abcdef", "0123456789abcdef.", "é.é", "\ud800.\ud800", "a.b c"),
        CAT.key[:-5],
        CAT.key.partition(".")[0] + "." + "A" * 40,
        packed(b""),
        packed(b"not json"),
        packed(b"\xff\xfe"),
        packed(b"[]"),
        packed(b"null"),
        packed(b'"builtin/translator"'),
        packed(b"{}"),
        packed(b'{"model": "builtin/translator"}'),
        packed(b'{"model": "builtin/translator", "text": "x", "edits": []}'),
        packed(b'{"model": "builtin/translator", "text": 7}'),
        packed(b'{"model": null, "text": "x"}'),
        packed(b'{"model": "builtin/translator", "text": "\\ud800"}'),
        packed(b"[" * 100_000),
        packed(b'{"model": "builtin/translator", "text": "the cat"') + "A" * KEY_LIMIT,
    ],
    ids=lambda key: repr(key[:60]),
)
def test_garbage_is_refused(key):
    with pytest.raises(BadRequest):
        Request.from_key(key)


@given(key=st.text(max_size=60))
def test_drawn_garbage_is_refused(key):
    with pytest.raises(BadRequest):
        Request.from_key(key)


def bomb(size):
    """A key that unpacks to a request whose text has `size` characters."""
    return packed(b'{"model": "builtin/translator", "text": "' + b"a" * size + b'"}')


@pytest.mark.parametrize("size", [11_000_000, 100_000_000])
def test_a_bomb_is_refused_without_unpacking_it(size):
    key = bomb(size)
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest):
            Request.from_key(key)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert (len(key) > KEY_LIMIT) == (size > 20_000_000), (
        "one is stopped by its length, the other while unpacking"
    )


def test_a_key_is_made_only_if_it_can_be_read():
    chance = random.Random(0)
    text = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(20_000))
    half = replace(CAT, text=text[:4_000])
    assert KEY_LIMIT / 2 < len(half.key) <= KEY_LIMIT
    assert Request.from_key(half.key) == half
    with pytest.raises(BadRequest, match=str(KEY_LIMIT)):
        print(replace(CAT, text=text).key)


def test_half_of_a_surrogate_pair_is_not_text():
    with pytest.raises(BadRequest, match="surrogate"):
        Request("builtin/translator", "the \ud83d cat")


def test_a_request_runs_itself():
    request = Request("builtin/translator", "I eat apples", "我 吃 苹果", "zh")
    trace = request.run()
    assert trace.model.name == request.model
    assert trace.text == request.text
    assert [token.text for token in trace.tokens["decoder"]] == ["<zh>", "我", "吃", "苹果"]


def test_a_source_read_backwards_is_a_request_of_its_own():
    forwards = Request("builtin/seq2seq", "the cat sleeps")
    backwards = Request("builtin/seq2seq", "the cat sleeps", reading="reversed")
    assert forwards.key != backwards.key
    assert Request.from_key(backwards.key) == backwards
    assert Request.from_key(forwards.key).reading is None
    assert forwards.run().tokens["encoder"] != backwards.run().tokens["encoder"]
