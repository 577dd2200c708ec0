"""Tokens as a person meets them in a trace: readable pieces, what they spell together, and the bytes of the text."""

import re
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.huggingface.labels import visible
from models.huggingface.tokens import text_tokens
from models.huggingface.wrap import wrap
from tests.huggingface.test_labels import FAMILY, FLAG, KINDS, tokenizer
from tests.huggingface.zoo import GPT2, Kind

TEXTS = {
    "Chinese": "我爱吃苹果，老鼠不爱。",
    "family": f"a family {FAMILY} here",
    "flags": f"{FLAG}🇫🇷 and 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "skin": "👍🏽 1️⃣ ok",
    "Arabic": "مرحبا بالعالم، كيف الحال؟",
    "Hindi": "नमस्ते दुनिया, कि क्षत्रिय",
    "code": "def f(x): return {x**2: 'a_b'} != None",
    "accents apart": "Ça va de\u0301ja\u0300 nai\u0308ve cafe\u0301",
    "accents": "Ça va déjà naïve café Å",
    "mixed": f"苹果{FAMILY}क्षि e\u0301 مرحبا <b>ok</b>",
}
LOSSLESS = ("byte-level", "unigram", "Llama")
"""Kinds that keep every byte."""

PARTS = (
    "苹果",
    "鼠",
    FAMILY,
    FLAG,
    "🇫🇷",
    "👍🏽",
    "مرحبا",
    "नमस्ते",
    "क्षि",
    "e\u0301",
    "é",
    "ß",
    "f(x)",
    "cat",
    " ",
    "'",
    "𝔸",
)
MANY = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)

every_kind = pytest.mark.parametrize("kind", KINDS)
every_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


def read(kind, text):
    """The tokens of a text, each with its place in it."""
    cut = tokenizer(kind)(text, add_special_tokens=False, return_offsets_mapping=True)
    return text_tokens(cut["input_ids"], tokenizer(kind), text, cut["offset_mapping"])


def written(kind, text):
    """The text as a tokenizer takes it: SentencePiece puts a space before it, a unigram model if there is none."""
    spaced = kind == "Llama" or (kind == "unigram" and not text.startswith(" "))
    return f" {text}" if spaced else text


def name(token):
    """What a token is called, without its number in its group and the sign of continuation."""
    return re.sub(r" \d+/\d+$", "", token.text).removeprefix("##")


def groups(tokens):
    """Tokens that spell something together, and every other token by itself."""
    for group, run in groupby(tokens, key=lambda token: token.group):
        members = list(run)
        yield from [members] if group >= 0 else [[token] for token in members]


def check(kind, text, tokens):
    """What holds for any text: no token shows anything that was not written, and together they are what was."""
    shown = visible(written(kind, text))
    for token in tokens:
        assert token.text
        assert "\N{REPLACEMENT CHARACTER}" not in token.text + token.whole
        assert name(token) in shown
    for members in groups(tokens):
        spelled = b"".join(token.bytes for token in members)
        if len(members) > 1:
            assert {token.whole for token in members} == {visible(spelled.decode())}
            numbers = [token.text.rsplit(" ", 1)[-1] for token in members]
            assert numbers == [f"{number}/{len(members)}" for number in range(1, len(members) + 1)]
        elif not members[0].unknown:
            assert members[0].whole == ""
            assert visible(spelled.decode()) == name(members[0])
    if kind in LOSSLESS and text:
        assert b"".join(token.bytes for token in tokens) == written(kind, text).encode()


@every_kind
@every_text
def test_every_label_is_a_piece_of_the_text(kind, text):
    check(kind, text, read(kind, text))


@every_kind
@given(MANY)
@settings(max_examples=60)
def test_any_mixture_of_scripts_can_be_read(kind, text):
    check(kind, text, read(kind, text))


@given(st.text(max_size=40))
@settings(max_examples=60)
def test_bytes_of_a_byte_level_tokenizer_are_the_texts_own(text):
    assert b"".join(token.bytes for token in read("byte-level", text)) == text.encode()


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("character", [FAMILY, FLAG, "👍🏽", "鼠", "क्षि", "e\u0301"])
def test_one_character_in_many_pieces_is_one_group(kind, character):
    tokens = [token for token in read(kind, character) if token.group >= 0]
    assert len(tokens) > 1
    assert {token.group for token in tokens} == {tokens[0].group}
    assert {token.whole.removeprefix("␣") for token in tokens} == {character}
    assert b"".join(token.bytes for token in tokens).decode().removeprefix(" ") == character


@every_kind
@every_text
def test_every_whole_token_knows_its_place_in_the_text(kind, text):
    for token in read(kind, text):
        if (
            token.start >= 0 and token.group < 0
        ):  # a place may be wider: of a run of characters given in bytes
            assert name(token).strip("␣") in visible(text[token.start : token.end])


def test_an_unknown_word_is_shown_as_it_was_typed():
    tokens = read("WordPiece", f"cat {FAMILY} 鼠")
    assert [token.text for token in tokens if token.unknown] == [FAMILY, "鼠"]


def test_a_special_token_stands_for_no_text():
    (token,) = text_tokens([1], tokenizer("byte-level"))
    assert (token.special, token.text, token.bytes, token.group, token.whole) == (True, "</s>", b"", -1, "")


def test_without_a_tokenizer_a_token_is_its_number():
    assert [token.text for token in text_tokens([7, 12], None)] == ["7", "12"]


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_trace_holds_tokens_that_can_be_read(kind):
    size = len(tokenizer(kind))
    model = wrap(Kind("GPT2LMHeadModel", "GPT2Config", {**GPT2, "vocab_size": size}).build(), tokenizer(kind))
    trace = model.record(TEXTS["mixed"][:12])
    check(kind, TEXTS["mixed"][:12], trace.tokens["decoder"])
    assert len(trace.predictions) == len(trace.tokens["decoder"])
    assert all(token.text and "\N{REPLACEMENT CHARACTER}" not in token.text for token in trace.predictions)
