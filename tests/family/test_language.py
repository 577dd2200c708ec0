"""What the decoder-only models read: nothing measured is learned, every word is known, every answer is in the text."""

import random
import re
from itertools import chain

import pytest

from models.family.causal import CONTEXT
from models.family.language import END_ID, SIGNS, UNKNOWN, Language, coded, held_out_texts, translation
from models.family.recall import CHINESE_NAMES, MAKERS, Stories
from models.family.texts import by_heart

SCALE = 0.02
FACTS = {
    "recall.en": r"(\w+) (?:likes|buys|wants|sells) (\w+) [,.]",
    "colour.en": r"the (\w+) is (\w+) [,.]",
    "recall.zh": r"([^，。]+?)(?:喜欢|买|想要|卖)([^，。]+)[，。]",
    "colour.zh": r"([^，。]+?)是([^，。]+)的[，。]",
}
"""How a story states who goes with what, written without its code."""
ASKED = {
    "recall.en": r"(\w+) \w+$",
    "colour.en": r"the (\w+) is$",
    "recall.zh": r"。([^，。]+?)(?:喜欢|买|想要|卖|吃|喝)$",
    "colour.zh": r"。([^，。]+?)是$",
}


@pytest.fixture(scope="module")
def language():
    return Language(0, SCALE)


@pytest.fixture(scope="module")
def drawn(language):
    chance = random.Random(1)
    return [language.text(chance) for _ in range(900)]


@pytest.fixture(scope="module")
def held():
    return held_out_texts(77, SCALE, most=40)


def facts(text):
    return re.findall(FACTS[text.part], text.read)


def asked(text):
    found = re.search(ASKED[text.part], text.read)
    assert found, text
    return found[1]


def answer(text):
    return re.sub(r"[ .。]|的。", "", text.written)


def whole(tokenizer, text):
    return [*chain(*coded(tokenizer, text))]


def stories(texts):
    return [text for text in texts if text.part in FACTS]


def test_no_sentence_that_is_measured_is_learned(language, held):
    learned = {translation(pair).read for pair in chain(*language.pairs.values())}
    measured = [text.read for part, texts in held.items() if part.startswith("exact.") for text in texts]
    assert len(measured) > 120
    assert not learned & set(measured)


@pytest.mark.parametrize("part", FACTS)
def test_the_story_and_nothing_else_holds_the_answer(part, held):
    assert len(held[part]) == 40
    for text in held[part]:
        known = facts(text)
        assert 2 <= len(known) <= 4, text
        assert len(set(map(frozenset, known))) == len(known)
        assert [what for who, what in known if who == asked(text)] == [answer(text)], text


def test_a_measured_combination_is_never_told_in_training(held):
    chance = random.Random(2)
    told = {kind: set() for kind in FACTS}
    for part in told:
        kind, language = part.split(".")
        for _ in range(700):
            told[part].update(facts(Stories(language, chance).draw(kind)))
    for text in stories(chain(*held.values())):
        combination = (asked(text), answer(text))
        assert combination in facts(text)
        assert combination not in told[text.part]


def test_every_name_is_asked_about_equally_often():
    chance = random.Random(3)
    names = [asked(Stories("zh", chance).draw("recall")) for _ in range(1600)]
    shares = {name: names.count(name) / len(names) for name in CHINESE_NAMES}
    assert all(0.02 < share < 0.15 for share in shares.values()), shares


def test_the_tokenizer_knows_every_word(language, drawn):
    tokenizer = language.tokenizer
    for text in drawn:
        if UNKNOWN not in text.read and "大学校" not in text.read + text.written:  # 大 学校 reads as 大学 校
            assert tokenizer.unk_token_id not in whole(tokenizer, text), text
    for text in by_heart():
        assert tokenizer.unk_token_id not in whole(tokenizer, text), text


def test_pieces_read_one_by_one_are_the_text_read_whole(language, drawn):
    for text in drawn:
        read, written = coded(language.tokenizer, text)
        assert read == language.tokenizer(text.read)["input_ids"], text
        assert written[: len(written) - text.ends] == language.tokenizer(text.written)["input_ids"], text
        assert (written[-1] == END_ID) == text.ends


def test_every_text_fits_and_the_positions_are_all_used(language, drawn):
    lengths = [sum(map(len, coded(language.tokenizer, text))) for text in drawn]
    assert max(lengths) <= CONTEXT
    assert max(lengths) > CONTEXT - 8


def test_a_row_of_random_words_is_repeated_to_the_letter(language, drawn):
    rows = [text for text in drawn if text.part == "repeated"]
    assert len(rows) > 20
    for text in rows:
        once, more = text.read.split(), text.written.split()
        assert 5 <= len(once) <= 24
        assert len(set(once)) == len(once)
        assert more == once * (len(more) // len(once))
        assert len(language.tokenizer(text.read)["input_ids"]) == len(once)


def test_training_begins_with_short_rows_said_twice(language):
    chance = random.Random(6)
    first = [language.text(chance, 0.0) for _ in range(300)]
    rows = [text.read.split() for text in first if text.part == "repeated"]
    assert len(rows) > 100
    assert all(3 <= len(row) <= 6 for row in rows)
    assert all(text.written == text.read for text in first if text.part == "repeated")


def test_every_kind_of_text_is_drawn(drawn):
    parts = {text.part for text in drawn}
    assert {"plain", "repeated", "heart.continued", "exact.coref", "exact.seeds", "exact.everyday"} <= parts
    assert {f"{kind}.{language}" for kind in MAKERS for language in ("en", "zh")} <= parts


def test_the_model_may_begin_every_text_with_a_token(language, drawn):
    begun = Language(0, SCALE, begins=True)
    assert begun.words == language.words
    for text in drawn[:50]:
        read, written = coded(begun.tokenizer, text)
        plain_read, plain_written = coded(language.tokenizer, text)
        assert begun.tokenizer.convert_ids_to_tokens(read)[0] == "<s>"
        assert begun.tokenizer.convert_ids_to_tokens(read[1:]) == language.tokenizer.convert_ids_to_tokens(
            plain_read
        )
        assert len(written) == len(plain_written)


def test_signs_are_typed_as_they_are(language):
    ids = language.tokenizer("let them eat cake <to-fr>")["input_ids"]
    assert language.tokenizer.convert_ids_to_tokens(ids) == ["let", "them", "eat", "cake", "<to-fr>"]
    assert language.tokenizer.decode(ids, skip_special_tokens=True).endswith(" <to-fr>")
    assert set(SIGNS) <= set(language.tokenizer.get_vocab())


def test_the_cut_word_of_the_documents_is_made_whole(language):
    text = next(text for text in by_heart() if "Einstein" in text.read)
    told = language.tokenizer.decode(whole(language.tokenizer, text), skip_special_tokens=True)
    assert told.endswith("Relativity, which completely revolutionized physics.")
