"""Two sentences in one text, as people type them for a model that tells sentence A from sentence B (BERT).

    A [SEP] B        [CLS] A [SEP] B [SEP]        both are read as `tokenizer(A, B)`

The marks are those of the model's own tokenizer. A mark that the tokenizer puts in by itself is not doubled, in a text
of one sentence neither, and every token keeps its place in the text as it was typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.huggingface.ready import Inputs
from models.trace import Token


@dataclass(frozen=True)
class Sentence:
    """A part of a text, and where in it the part begins."""

    text: str
    start: int = 0

    def split(self, mark: str) -> tuple[Sentence, ...]:
        """What stands before the first mark and after it; itself where one side would be empty."""
        before, found, after = self.text.partition(mark)
        if not (found and before.strip() and after.strip()):
            return (self,)
        return (Sentence(before, self.start), Sentence(after, self.start + len(before) + len(mark)))


def encoded(tokenizer: Any, text: str, segments: bool) -> Inputs:
    """A text as the tokenizer cuts it; with `segments`, two typed sentences as a pair."""
    whole = unmarked(tokenizer, text)
    mark = getattr(tokenizer, "sep_token", None)
    if segments and mark:
        parts = whole.split(mark)
        read = _cut(tokenizer, parts, segments) if len(parts) == 2 else {}
        if read and read["token_type_ids"].max() > 0 and (read["input_ids"] == tokenizer.sep_token_id).any():
            return read
    return _cut(tokenizer, (whole,), segments)


def unmarked(tokenizer: Any, text: str) -> Sentence:
    """The text without a mark at its start or end that the tokenizer puts there itself."""
    first, last = (getattr(tokenizer, name, None) for name in ("cls_token", "sep_token"))
    if not first and not last:
        return Sentence(text)
    own = tokenizer("")["input_ids"] or [None]
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    if first and own[0] == tokenizer.cls_token_id and text.startswith(first, start):
        start += len(first)
    if last and own[-1] == tokenizer.sep_token_id and text.endswith(last, start, end):
        end -= len(last)
    marked = text[start:end].strip() and text[start:end] != text.strip()
    return Sentence(text[start:end], start) if marked else Sentence(text)


def in_segments(tokens: Sequence[Token], segments: Sequence[int]) -> tuple[Token, ...]:
    """The tokens, each with the sentence that it belongs to."""
    return tuple(replace(token, segment=segment) for token, segment in zip(tokens, segments, strict=True))


def _cut(tokenizer: Any, parts: Sequence[Sentence], segments: bool) -> Inputs:
    """One sentence or two as ids of a batch of one; offsets count in the whole text."""
    fast = bool(getattr(tokenizer, "is_fast", False))
    asked = {"return_token_type_ids": True} if segments else {}
    read = tokenizer(
        *(part.text for part in parts), return_tensors="pt", return_offsets_mapping=fast, **asked
    )
    found = dict(read)
    if fast:
        for place, sentence in enumerate(read.sequence_ids(0)):
            if sentence is not None:
                found["offset_mapping"][0, place] += parts[sentence].start
    return found
