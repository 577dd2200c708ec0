"""What each row of logits says, worked out when somebody looks: over a large vocabulary it takes milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, overload

from numpy.typing import NDArray

from models.huggingface.tokens import text_tokens
from models.trace import Token


class Predictions(Sequence[Token]):
    """The most probable token, or class, of each row of (row, vocabulary) logits."""

    def __init__(self, logits: NDArray, named: Callable[[list[int]], tuple[Token, ...]]) -> None:
        self._logits, self._named = logits, named

    @cached_property
    def _tokens(self) -> tuple[Token, ...]:
        return self._named(self._logits.argmax(axis=-1).tolist())

    def __len__(self) -> int:
        return len(self._logits)

    @overload
    def __getitem__(self, row: int) -> Token: ...
    @overload
    def __getitem__(self, row: slice) -> tuple[Token, ...]: ...
    def __getitem__(self, row: int | slice) -> Token | tuple[Token, ...]:
        return self._tokens[row]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(self._tokens)

    def __reduce__(self) -> tuple[type[tuple], tuple[tuple[Token, ...]]]:
        return tuple, (self._tokens,)


def named(model: Any, tokenizer: Any, vocabulary: int, size: int) -> Callable[[list[int]], tuple[Token, ...]]:
    """What ids of so many are called: classes where the model has just as many labels, else tokens."""
    labels = model.config.id2label or {}
    if size == vocabulary or size != len(labels):
        return lambda ids: text_tokens(ids, tokenizer)
    return lambda ids: tuple(Token(id, str(labels[id])) for id in ids)
