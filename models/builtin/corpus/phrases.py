"""Whole phrases that are learned by heart: the sentences of the lessons and what people say every day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from models.builtin.corpus.lexicon import table
from models.builtin.corpus.pair import Pair
from models.builtin.corpus.sentence import Links, Sentence, marked


def phrases(name: str) -> Iterator[Pair]:
    """All pairs of `seeds.toml` or `everyday.toml`."""
    for entry in table(name)[name]:
        yield from _sentence(name, entry).pairs()


def _sentence(name: str, entry: dict[str, Any]) -> Sentence:
    spoken = {language: marked(entry[language]) for language in ("en", "fr", "zh") if language in entry}
    links = {
        key: entry[key] for key in ("pronoun", "antecedent", "rival", "ambiguous", "contrast") if key in entry
    }
    return Sentence(
        name, spoken, Links(**links, cues=frozenset(entry.get("cues", "")), language=entry.get("from", "en"))
    )
