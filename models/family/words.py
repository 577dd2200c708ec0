"""A Hugging Face tokenizer for a vocabulary of whole words: English and French by word, Chinese by longest match.

Everything is in the one `tokenizer.json` that transformers reads: no code of ours is needed to use it. Capital letters
count only in words that the vocabulary writes so (Apple, AI); a word that it does not have becomes the unknown token.
"""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
)
from transformers import PreTrainedTokenizerFast

LETTER = "A-Za-zÀ-ÖØ-öø-ÿ"
CAPITALS = string.ascii_uppercase + "ÀÂÇÈÉÊÎÔ"
HALF_TO_FULL = {",": "，", r"\.": "。", "!": "！", r"\?": "？"}
HAN = re.compile(r"[㐀-鿿]")
MARKS = r"[^\p{L}\p{N}\p{M}'<>/_\[\]\-\s]"


def word_tokenizer(
    words: Iterable[str], specials: Sequence[str], *, unknown: str, typed: Sequence[str] = (), **roles: Any
) -> PreTrainedTokenizerFast:
    """A tokenizer whose ids are: `specials`, then `typed`, then the words, sorted.

    Args:
        words: the vocabulary, spelled as it is shown.
        specials: tokens that stand for no text, left out by `decode(..., skip_special_tokens=True)`.
        unknown: the special that stands for every other word.
        typed: signs that people type and that stay in a decoded text, such as `<to-fr>`.
        roles: what else transformers is told, such as `pad_token="<pad>"`.
    """
    known = sorted(set(words) - {*specials, *typed})
    vocabulary = {word: id for id, word in enumerate((*specials, *typed, *known))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.normalizer = normalizers.Sequence(list(_normalizers(known)))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(list(_splits(known)))
    tokenizer.decoder = decoders.Sequence(
        [decoders.WordPiece(prefix="##", cleanup=False), decoders.Fuse(), *_closings()]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in specials])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in typed])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=unknown, clean_up_tokenization_spaces=False, **roles
    )


def _normalizers(words: Sequence[str]) -> Iterable[Any]:
    """The apostrophe, the marks after a Chinese character, and capital letters as the vocabulary has them."""
    yield normalizers.NFC()
    yield normalizers.Replace("’", "'")
    for half, full in HALF_TO_FULL.items():
        yield normalizers.Replace(Regex(rf"(?<=\p{{Han}}){half}"), full)
    cased = [word for word in words if word != word.lower()]
    for capital in CAPITALS:
        kept = "|".join(re.escape(word[1:]) for word in cased if word[0] == capital)
        unless = rf"(?!(?:{kept})(?![{LETTER}']))" if kept else ""
        initial = Regex(rf"(?<![{LETTER}']){capital}{unless}(?=[{LETTER.replace('A-Z', '')}'\s]|$)")
        yield normalizers.Replace(initial, capital.lower())
    lower = set(words)
    for word in cased:
        if word.lower() not in lower:
            yield from _capitals(word)


def _capitals(word: str) -> Iterable[Any]:
    """What writes the capitals of a word that was typed without; letter by letter, so that each keeps its place."""
    for place, letter in enumerate(word):
        if letter.isupper():
            before, after = re.escape(word[:place]), re.escape(word[place + 1 :].lower())
            start = rf"(?<=^{before}|[^{LETTER}']{before})" if before else rf"(?<![{LETTER}'])"
            yield normalizers.Replace(Regex(rf"{start}{letter.lower()}(?={after}(?![{LETTER}']))"), letter)


def _splits(words: Sequence[str]) -> Iterable[Any]:
    """Spaces away; Chinese by longest match; marks alone; French articles apart from their nouns."""
    yield pre_tokenizers.WhitespaceSplit()
    chinese = _longest_first(word for word in words if HAN.search(word))
    yield pre_tokenizers.Split(Regex("|".join([*map(re.escape, chinese), r"\p{Han}"])), "isolated")
    yield pre_tokenizers.Split(Regex(MARKS), "isolated")
    whole = _longest_first(word for word in words if "'" in word and not word.endswith("'"))
    elided = _longest_first(word for word in words if word.endswith("'"))
    if elided:
        apart = "|".join(map(re.escape, [*whole, *elided]))
        yield pre_tokenizers.Split(Regex(rf"(?<![{LETTER}'])(?:{apart})"), "isolated")


def _closings() -> Iterable[Any]:
    """Where a decoded text has no space: before marks, after a French article, beside Chinese characters."""
    chinese = r"[\p{Han}，。！？：；]"
    for pattern in (
        r" (?=[,.!?;:，。！？：；])",
        "(?<=') ",
        rf"(?<={chinese}) (?!<)",
        rf"(?<!>) (?={chinese})",
    ):
        yield decoders.Replace(Regex(pattern), "")


def _longest_first(words: Iterable[str]) -> list[str]:
    return sorted(words, key=lambda word: (-len(word), word))


def unknown_words(tokenizer: PreTrainedTokenizerFast, texts: Collection[str]) -> list[str]:
    """The texts in which the tokenizer does not know every word: none, for what a model is trained on."""
    return [text for text in texts if tokenizer.unk_token_id in tokenizer(text)["input_ids"]]
