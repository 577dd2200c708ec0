"""Labels of tokens: every piece can be read, whatever tokenizer cut it."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from models.huggingface.labels import Label, labels, visible

LINES = [
    "我爱吃苹果。苹果很好吃！",
    "The cat sat on the mat because it was tired.",
    "Ça va déjà, naïve café?",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "def f(x):\n\treturn x ** 2\n",
]
FAMILY, FLAG, APPLE = "👨‍👩‍👧", "🇨🇳", "苹"
TEXTS = [*LINES, f"a family {FAMILY} and a flag {FLAG}🇫🇷!", "e\u0301 कि\r\n\u00a0\u200b", "👍🏽 1️⃣ ok"]
KINDS = ("byte-level", "WordPiece", "unigram", "Llama")


@cache
def tokenizer(kind: str) -> Any:
    """A small tokenizer of that kind, trained on a few lines without the emoji."""
    made, trainer = {"byte-level": byte_level, "WordPiece": word_piece, "unigram": unigram, "Llama": llama}[
        kind
    ]()
    if trainer is not None:
        made.train_from_iterator(LINES * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", eos_token="</s>")


def byte_level():
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    specials = ["<unk>", "</s>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return made, trainers.BpeTrainer(
        vocab_size=330, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )


def word_piece():
    made = Tokenizer(models.WordPiece(unk_token="<unk>"))
    made.normalizer = normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    return made, trainers.WordPieceTrainer(
        vocab_size=200, special_tokens=["<unk>", "</s>"], show_progress=False
    )


def unigram():
    """As T5 and XLM-R have it, with bytes for what is not in the vocabulary."""
    words = [("<unk>", 0.0), ("</s>", 0.0), *((f"<0x{byte:02X}>", -20.0) for byte in range(256))]
    words += [
        (character, -5.0) for character in sorted({c for line in LINES for c in line if c > " "} | {"▁"})
    ]
    words += [("▁the", -3.0), ("▁cat", -3.0), ("苹果", -3.0)]
    made = Tokenizer(models.Unigram(words, unk_id=0, byte_fallback=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    return made, None


def llama():
    vocabulary = [
        "<unk>",
        "</s>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "▁",
        *"catshe",
        "▁c",
        "▁ca",
        "▁cat",
    ]
    vocabulary = {word: id for id, word in enumerate(dict.fromkeys(vocabulary))}
    merges = [("▁", "c"), ("▁c", "a"), ("▁ca", "t")]
    made = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return made, None


def read(kind: str, text: str) -> tuple[Label, ...]:
    ids = tokenizer(kind)(text, add_special_tokens=False)["input_ids"]
    return labels(tokenizer(kind), ids)


def texts(found: Sequence[Label]) -> list[str]:
    return [label.text for label in found]


def check(found: Sequence[Label]) -> None:
    """What holds for the labels of any text."""
    assert all(label.text and "\N{REPLACEMENT CHARACTER}" not in label.text + label.whole for label in found)
    assert [label.group for label in found] == sorted(label.group for label in found)
    groups = {label.group: [other for other in found if other.group == label.group] for label in found}
    assert list(groups) == list(range(len(groups)))
    for members in groups.values():
        assert [label.pieces for label in members] == [(n + 1, len(members)) for n in range(len(members))]
        assert len({label.whole for label in members}) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", TEXTS)
def test_every_token_of_every_script_can_be_read(kind, text):
    found = read(kind, text)
    check(found)
    assert not any(character in label.text for label in found for character in "\n\t\r\u200b\u00a0")


@pytest.mark.parametrize("kind", KINDS)
@given(st.text(max_size=30))
def test_any_text_at_all_can_be_read(kind, text):
    check(read(kind, text))


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
def test_any_ids_at_all_can_be_read(kind, data):
    ids = data.draw(st.lists(st.integers(0, len(tokenizer(kind)) - 1), max_size=20))
    found = labels(tokenizer(kind), ids)
    check(found)
    assert [label.id for label in found] == ids


@given(st.text(max_size=30))
def test_bytes_of_byte_level_tokens_are_the_texts_own(text):
    assert b"".join(label.bytes for label in read("byte-level", text)) == text.encode()


@pytest.mark.parametrize("kind", ["unigram", "Llama"])
@pytest.mark.parametrize("text", [text for text in TEXTS if not set(text) & set("\r\n\t\u00a0")])
def test_bytes_of_sentence_pieces_are_the_texts_own_after_a_space(kind, text):
    assert b"".join(label.bytes for label in read(kind, text)) == f" {text}".encode()


def test_a_cut_chinese_character_is_named_on_each_piece():
    for kind in ("byte-level", "Llama"):
        found = read(kind, "鼠")[-3:]
        assert texts(found) == ["鼠 1/3", "鼠 2/3", "鼠 3/3"]
        assert {label.whole for label in found} == {"鼠"}
        assert [label.bytes for label in found] == [b"\xe9", b"\xbc", b"\xa0"]


@pytest.mark.parametrize("character", [FAMILY, FLAG, "👍🏽", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "y\u0301"])
def test_what_a_person_sees_as_one_character_is_one_group(character):
    found = [label for label in read("Llama", f"cat{character}") if label.text != "␣cat"]
    assert len(found) > 1
    assert {label.group for label in found} == {1}
    assert texts(found) == [f"{character} {n}/{len(found)}" for n in range(1, len(found) + 1)]


def in_bytes(*tokens: bytes) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with exactly these tokens."""
    printable = [byte for byte in range(256) if chr(byte).isprintable() and not chr(byte).isspace()]
    letters = {byte: chr(byte) for byte in printable}
    letters |= {byte: chr(256 + n) for n, byte in enumerate(sorted(set(range(256)) - set(printable)))}
    made = Tokenizer(
        models.BPE({"".join(letters[b] for b in token): id for id, token in enumerate(tokens)}, [])
    )
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made)


def test_a_token_that_ends_one_character_and_begins_another_is_named_by_both():
    cut = in_bytes(b"\xe8\x8b", b"\xb9\xe6", b"\x9e\x9c", b"ok")
    found = labels(cut, [0, 1, 2, 3])
    assert texts(found) == ["苹 1/3", "苹果 2/3", "果 3/3", "ok"]
    assert [label.whole for label in found] == ["苹果", "苹果", "苹果", "ok"]
    assert [label.group for label in found] == [0, 0, 0, 1]


def test_spaces_and_line_breaks_are_visible():
    assert "".join(texts(read("byte-level", "on the mat"))) == "on␣the␣mat"
    assert texts(read("Llama", "cat cat")) == ["␣cat", "␣cat"]
    assert "".join(texts(read("byte-level", "x:\n\ty"))) == "x:↵⇥y"
    assert visible("a b\n\t\r") == "a␣b↵⇥␍"


def test_word_pieces_keep_their_sign_of_continuation():
    made = Tokenizer(models.WordPiece({"<unk>": 0, "cat": 1, "##mat": 2, "##s": 3}, unk_token="<unk>"))
    kept = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")
    found = labels(kept, kept("catmats")["input_ids"])
    assert texts(found) == ["cat", "##mat", "##s"]
    assert [label.whole for label in found] == ["cat", "mat", "s"]


def test_words_beside_each_other_do_not_join():
    made = Tokenizer(models.WordPiece({"<unk>": 0, "🇨": 1, "🇳": 2, "##🇳": 3}, unk_token="<unk>"))
    kept = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")
    assert texts(labels(kept, [1, 2])) == ["🇨", "🇳"]
    assert texts(labels(kept, [1, 3])) == ["🇨🇳 1/2", "##🇨🇳 2/2"]


def test_special_tokens_are_marked_and_stand_alone():
    kept = tokenizer("byte-level")
    pieces = kept(APPLE + "鼠", add_special_tokens=False)["input_ids"]
    found = labels(kept, [*pieces[:-1], 1, pieces[-1]])
    assert [label.special for label in found] == [False] * (len(pieces) - 1) + [True, False]
    assert found[-2].text == "</s>"
    assert found[-2].pieces == (1, 1)


def test_bytes_that_are_no_text_are_shown_as_bytes():
    ids = tokenizer("Llama").convert_tokens_to_ids(["<0xE8>", "<0x8B>", "▁cat", "<0xFF>"])
    assert texts(labels(tokenizer("Llama"), ids)) == ["⟨E8⟩", "⟨8B⟩", "␣cat", "⟨FF⟩"]
    assert texts(labels(in_bytes(b"a\xe8\x8b", b"b"), [0, 1])) == ["a⟨E8 8B⟩", "b"]


def test_a_replacement_character_that_was_typed_is_named_by_its_number():
    assert texts(read("Llama", "\N{REPLACEMENT CHARACTER}"))[-1].startswith("⟨U+FFFD⟩")


def test_added_tokens_are_text_and_not_bytes():
    kept = byte_level()[0]
    kept.add_tokens([AddedToken("苹果", normalized=False)])
    (label,) = labels(PreTrainedTokenizerFast(tokenizer_object=kept), [len(kept.get_vocab()) - 1])
    assert (label.text, label.bytes, label.special) == ("苹果", "苹果".encode(), False)


def test_an_id_beyond_the_vocabulary_is_shown_as_a_number():
    assert texts(labels(tokenizer("byte-level"), [70_000])) == ["⟨70000⟩"]
