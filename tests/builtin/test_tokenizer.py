"""The tokenizer: what a person types, and where."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.builtin.tokenizer import SPECIALS, Tokenizer

WORDS = {
    "en": [
        *("the", "animal", "didn't", "European", "economic", "area", "agreement", "I", "am", "a", "cat"),
        *("apples", "is", "it", "released", "new", "iPhone"),
    ],
    "fr": [
        *("l'", "le", "la", "accord", "animal", "n'", "a", "pas", "traversé", "rue", "zone", "économique"),
        *("européenne", "aujourd'hui", "où", "est", "il"),
    ],
    "zh": [
        *("今天", "天气", "很", "好", "苹果", "公司", "发布", "了", "新款", "股价", "我", "正在", "吃"),
        *("绿色", "的", "大", "大海", "海滩", "年", "8月", "iPhone"),
    ],
}
MARKS = [".", ",", "?", "!", "。", "，", "？", "！"]
TOKENIZER = Tokenizer((*SPECIALS, *MARKS, "1992", *sorted(set().union(*WORDS.values()))), WORDS)

ODD = (
    "👩\u200d👩\u200d👧 \u200f\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d"
    "\u0628\u0627 e\u0301\u200b\ufeff\x00\x07\t\n\u3000"
    "今天苹果アニメ한국어l'’ʼ-—…«»“”，。！？、;:'\"(){}<pad></s>1234，８月²½Ａ\ud800\U0010ffff"
)
"""Emoji, right-to-left letters, accents on their own, zero-width and control characters, halves of characters."""


def words(text):
    """What the model reads: vocabulary words, unknown ones as ?."""
    return ["?" if token.unknown else TOKENIZER.vocabulary[token.id] for token in TOKENIZER.encode(text)]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("The animal", "the animal"),
        ("THE Animal", "the animal"),
        ("european ECONOMIC area.", "European economic area ."),
        ("the animal didn't", "the animal didn't"),
        ("the animal didn’t", "the animal didn't"),
        ("i am, I'm: it's", "I am , I am ? it is"),
        ("l'accord l’animal L'ACCORD", "l' accord l' animal l' accord"),
        ("n'a pas traversé la rue", "n' a pas traversé la rue"),
        ("aujourd’hui", "aujourd'hui"),
        ("e\u0301conomique", "économique"),
        ("a cat?!", "a cat ? !"),
        ("a cat...", "a cat ."),
        ("a cat，the cat。", "a cat , the cat ."),
        ("well-known cat", "? cat"),
        ("cat's pyjamas", "? ?"),
        ("a 3.14 cat", "a ? cat"),
        ("", ""),
        (" \t\n", ""),
    ],
)
def test_english_and_french_are_read_word_by_word(text, read):
    assert words(text) == read.split()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("今天天气很好", "今天 天气 很 好"),
        ("今天 天气 很好", "今天 天气 很 好"),
        ("苹果公司发布了新款iPhone，股价", "苹果 公司 发布 了 新款 iPhone ， 股价"),
        ("苹果公司发布了新款iphone,股价", "苹果 公司 发布 了 新款 iPhone ， 股价"),
        ("我正在吃绿色的苹果.", "我 正在 吃 绿色 的 苹果 。"),
        ("1992年８月", "1992 年 8月"),
        ("我吃榴莲", "我 吃 ?"),
        ("我吃榴莲的苹果", "我 吃 ? 的 苹果"),
        ("大海滩", "大 海滩"),
        ("大海", "大海"),
    ],
)
def test_chinese_is_cut_into_the_longest_words_that_leave_nothing_unknown(text, read):
    assert words(text) == read.split()


def test_unknown_words_keep_their_typed_form():
    [_, token] = TOKENIZER.encode("the Flurble")
    assert (token.text, token.id, token.unknown, token.start, token.end) == (
        "Flurble",
        TOKENIZER.unknown,
        True,
        4,
        11,
    )


def test_specials_cannot_be_typed():
    assert all(
        token.id >= len(SPECIALS) or token.unknown for token in TOKENIZER.encode("<pad> </s> <fr> pad")
    )


def covered_once(text):
    tokens = TOKENIZER.encode(text)
    ends = [0, *(token.end for token in tokens)]
    for token, end in zip(tokens, ends, strict=False):
        assert token.start >= end
        assert token.text == text[token.start : token.end] != ""
        assert text[end : token.start].strip() == ""
    assert text[ends[-1] :].strip() == ""


@given(st.text())
@example(ODD)
@example("\u200b")
@example("the cat\u200b 👍🏽.")
def test_every_character_but_space_lies_in_exactly_one_token(text):
    covered_once(text)


@given(st.lists(st.sampled_from([*ODD, " ", "cat", "didn't", "L'Accord", "苹果", "8月"])).map("".join))
def test_mixtures_of_everything_keep_their_places(text):
    covered_once(text)


@given(st.text())
def test_an_unknown_token_is_exactly_one_outside_the_vocabulary(text):
    for token in TOKENIZER.encode(text):
        assert token.unknown == (token.id == TOKENIZER.unknown)
        assert not token.special


@given(st.lists(st.sampled_from(WORDS["zh"][:-1]), min_size=1))
def test_known_chinese_survives_writing_and_reading(chosen):
    ids = [TOKENIZER.id(word) for word in chosen]
    text = TOKENIZER.decode(ids, "zh")
    assert TOKENIZER.decode([token.id for token in TOKENIZER.encode(text)], "zh") == text


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("the cat", "en"),
        ("il n'a pas traversé la rue", "fr"),
        ("今天", "zh"),
        ("iPhone 苹果", "zh"),
        ("xyzzy", "en"),
        ("", "en"),
        ("🙂", "en"),
    ],
)
def test_the_language_is_told_from_script_and_words(text, language):
    assert TOKENIZER.language(text) == language


@pytest.mark.parametrize(
    ("read", "language", "written"),
    [
        ("l' animal n' a pas traversé la rue .", "fr", "L'animal n'a pas traversé la rue."),
        ("où est il ?", "fr", "Où est il ?"),
        ("the cat is a cat , I am .", "en", "The cat is a cat, I am."),
        ("the cat", "en", "the cat"),
        ("今天 天气 很 好 。", "zh", "今天天气很好。"),
        ("新款 iPhone ， 股价", "zh", "新款iPhone，股价"),
        ("", None, ""),
    ],
)
def test_words_are_written_as_a_person_writes_them(read, language, written):
    assert TOKENIZER.decode([TOKENIZER.id(word) for word in read.split()], language) == written


def test_specials_are_not_written_but_unknown_words_are():
    ids = [TOKENIZER.start("fr"), TOKENIZER.id("le"), TOKENIZER.unknown, TOKENIZER.end, TOKENIZER.pad]
    assert TOKENIZER.decode(ids, "fr") == "le <unk>"
    assert TOKENIZER.decode(TOKENIZER.encode("the Flurble"), "en") == "the Flurble"


def test_every_word_of_the_vocabulary_is_read_as_itself(guided):
    _, tokenizer, _ = guided
    for word in (word for language in ("en", "fr", "zh") for word in tokenizer.words(language)):
        assert [token.id for token in tokenizer.encode(word)] == [tokenizer.id(word)], word


def test_words_are_sorted_and_in_the_vocabulary(guided):
    _, tokenizer, _ = guided
    for language in ("en", "fr", "zh"):
        known = tokenizer.words(language)
        assert list(known) == sorted(known)
        assert set(known) <= set(tokenizer.vocabulary)
    assert all(unicodedata.normalize("NFC", word) == word for word in tokenizer.vocabulary)
