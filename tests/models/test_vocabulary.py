"""The words that a model in the box knows, by language."""

import pytest

from models import catalog
from models.errors import UnknownModel
from models.family.words import word_tokenizer
from models.vocabulary import OTHER, words_of

LISTS = {"en": ["cat", "orange", "the"], "fr": ["chat", "orange"], "zh": ["猫"]}


def test_words_stand_under_each_of_their_languages_and_signs_apart():
    tokenizer = word_tokenizer(
        ["cat", "chat", "orange", "猫", "."],
        ["<pad>", "<unk>"],
        unknown="<unk>",
        typed=["<to-fr>"],
        pad_token="<pad>",
    )
    assert words_of(tokenizer, LISTS) == {
        "en": ["cat", "orange"],
        "fr": ["chat", "orange"],
        "zh": ["猫"],
        OTHER: [".", "<to-fr>"],
    }


def test_a_language_of_which_no_word_is_known_is_left_out():
    tokenizer = word_tokenizer(["cat"], ["<unk>"], unknown="<unk>")
    assert words_of(tokenizer, LISTS) == {"en": ["cat"]}


def test_a_model_that_reads_no_text_knows_no_words():
    assert words_of(None, LISTS) == {}


@pytest.mark.parametrize("name", catalog.BUILTIN)
def test_every_word_that_is_offered_is_known_to_its_model(name):
    model = catalog.load(name)
    known = catalog.vocabulary(name)
    assert bool(known) == ("text" in model.card.reads)
    for words in known.values():
        assert words
        for word in (words[0], words[-1]):
            assert [token.unknown for token in typed(model, word)] == [False], word


def typed(model, text):
    """What the model reads of a text that a person types."""
    return [token for tokens in model.record(text).tokens.values() for token in tokens if token.start >= 0]


def test_the_vocabulary_of_another_model_is_not_given():
    with pytest.raises(UnknownModel):
        catalog.vocabulary("gpt2")
