"""The words that a model in the box knows, by language, so that a person can choose among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LANGUAGES = ("en", "fr", "zh")

OTHER = "other"
"""Where the words are that are in none of the lists by language: marks, and signs that a prompt may hold."""

Words = Mapping[str, Sequence[str]]


def words_of(tokenizer: Any, by_language: Words | None = None) -> Words:
    """The vocabulary of a tokenizer of whole words, in its languages; one of ours says it itself.

    Args:
        tokenizer: of a translator of ours, or of transformers; None where a model reads no text.
        by_language: the words of each language, as another model of the box has them.
    """
    if tokenizer is None:
        return {}
    if hasattr(tokenizer, "words"):
        return {language: tokenizer.words(language) for language in LANGUAGES}
    known = set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens)
    listed = {language: sorted(known & set(words)) for language, words in (by_language or {}).items()}
    rest = sorted(known.difference(*listed.values()))
    return {language: words for language, words in (listed | {OTHER: rest}).items() if words}
