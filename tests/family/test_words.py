"""The word tokenizer: what a person types, as the words of the vocabulary, and back."""

import pytest
from transformers import AutoTokenizer

from models.family.words import unknown_words, word_tokenizer

WORDS = (
    *(
        "the",
        "animal",
        "cat",
        "an",
        "apple",
        "Apple",
        "ate",
        "released",
        "I",
        "iPhone",
        "European",
        "didn't",
        ".",
        ",",
    ),
    *(
        "l'",
        "n'",
        "c'est",
        "c'",
        "pas",
        "une",
        "été",
        "école",
        "欧洲",
        "今天",
        "天气",
        "天",
        "很",
        "好",
        "智能体",
        "AI",
    ),
    *("公众号", "，", "。", "8月", "1992", "年", "not"),
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """As transformers itself reads it from disk."""
    folder = tmp_path_factory.mktemp("words")
    made = word_tokenizer(WORDS, ["<pad>", "<unk>"], unknown="<unk>", typed=["<to-fr>"], pad_token="<pad>")
    made.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat ate an apple.", "the cat ate an apple ."),
        ("the cat   ate,an apple", "the cat ate , an apple"),
        ("I ate. The cat ate.", "I ate . the cat ate ."),
        ("Apple released an iphone", "Apple released an iPhone"),
        ("the european cat,european", "the European cat , European"),
        ("ai 智能体ai", "AI 智能体 AI"),
        ("europeans", "<unk>"),
        ("today’s", "<unk>"),
        ("the cat didn’t", "the cat didn't"),
        ("L'école n'a", "l' école n' <unk>"),
        ("C'est une école", "c'est une école"),
        ("École", "école"),
        ("今天天气很好", "今天 天气 很 好"),
        ("今天天很好,", "今天 天 很 好 ，"),
        ("智能体AI公众号。", "智能体 AI 公众号 。"),
        ("1992年8月", "1992 年 8月"),
        ("今天 zebra 好", "今天 <unk> 好"),
        ("the cat <to-fr> une", "the cat <to-fr> une"),
        ("今天<to-fr>une", "今天 <to-fr> une"),
        ("notcat", "<unk>"),
        ("😀 cat", "<unk> cat"),
        ("", ""),
    ],
)
def test_what_is_typed_is_read_word_by_word(tokenizer, text, words):
    assert tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"]) == words.split()


def test_every_token_knows_its_place_in_the_typed_text(tokenizer):
    text = "The Cat ate 智能体AI公众号, ai european L'École"
    read = tokenizer(text, return_offsets_mapping=True)
    assert [text[a:b] for a, b in read["offset_mapping"]] == [
        *("The", "Cat", "ate", "智能体", "AI", "公众号", ",", "ai", "european", "L'", "École"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "the cat didn't ate an apple.",
        "c'est une école, l'école.",
        "今天天气很好，智能体AI公众号。",
        "1992年8月",
        "the cat <to-fr> une école",
        "今天天气很好 <to-fr> the cat",
    ],
)
def test_what_is_written_reads_as_a_person_writes_it(tokenizer, text):
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_ids_are_specials_then_typed_signs_then_sorted_words(tokenizer):
    names = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    assert names == ["<pad>", "<unk>", "<to-fr>", *sorted(WORDS)]


def test_texts_with_unknown_words_are_named(tokenizer):
    assert unknown_words(tokenizer, ["the cat", "the dog", "今天好"]) == ["the dog"]
