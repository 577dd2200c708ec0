"""What a model puts out, and what each row of logits says, worked out when somebody looks: over a large vocabulary it
takes milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.huggingface.assemble import array
from models.huggingface.tokens import text_tokens
from models.trace import Site, Token

KEPT = 10
"""Of how many of each row's best columns a pickled trace knows the names."""


@dataclass(frozen=True)
class Outputs:
    """What a run put out: its arrays, and how many positions have a row of logits each; 0 where the whole has one."""

    arrays: Mapping[Site, NDArray] = field(default_factory=dict)
    rows: int = 0


def outputs_of(said: Any) -> Outputs:
    """The outputs among what a model gave back. BERT's pretraining has two: words, and whether B follows A."""
    words = _tensor(said, "logits")
    words = _tensor(said, "prediction_logits") if words is None else words
    follows = _tensor(said, "seq_relationship_logits")
    arrays: dict[Site, NDArray] = {}
    if words is not None:
        arrays[Site.LOGITS] = array(words[0] if words.ndim == 3 else words[:1])
    if follows is not None and follows.shape == (1, 2):
        arrays[Site.NEXT_SENTENCE] = array(follows[0])
    return Outputs(arrays, words.shape[1] if words is not None and words.ndim == 3 else 0)


def _tensor(said: Any, name: str) -> Tensor | None:
    value = getattr(said, name, None)
    return value if isinstance(value, Tensor) else None


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


class Columns(Sequence[Token]):
    """What the columns of logits stand for; one that is not known is called by its number."""

    def __init__(self, size: int, known: Mapping[int, Token]) -> None:
        self._size, self._known = size, known

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, id: int) -> Token: ...
    @overload
    def __getitem__(self, id: slice) -> tuple[Token, ...]: ...
    def __getitem__(self, id: int | slice) -> Token | tuple[Token, ...]:
        if isinstance(id, slice):
            return tuple(self[one] for one in range(*id.indices(len(self))))
        if not 0 <= id < len(self):
            raise IndexError(f"no column {id}; the logits have {len(self)}")
        return self._name(int(id))

    def _name(self, id: int) -> Token:
        return self._known.get(id) or Token(id, str(id))


class Names(Columns):
    """The same, named when somebody asks; a pickled one knows the best few columns of each row."""

    def __init__(self, logits: NDArray, named: Callable[[list[int]], tuple[Token, ...]]) -> None:
        super().__init__(int(logits.shape[-1]), {})
        self._logits, self._named = logits, named
        self._told: dict[int, Token] = {}

    def _name(self, id: int) -> Token:
        if id not in self._told:
            self._told[id] = self._named([id])[0]
        return self._told[id]

    def __reduce__(self) -> tuple[type[Columns], tuple[int, dict[int, Token]]]:
        best = np.unique(np.argsort(-self._logits, axis=-1)[..., :KEPT])
        return Columns, (len(self), {int(id): self[int(id)] for id in best})


def named(model: Any, tokenizer: Any, vocabulary: int, size: int) -> Callable[[list[int]], tuple[Token, ...]]:
    """What ids of so many are called: classes where the model has just as many labels, else tokens."""
    labels = model.config.id2label or {}
    if size == vocabulary or size != len(labels):
        return lambda ids: text_tokens(ids, tokenizer)
    return lambda ids: tuple(Token(id, str(labels[id])) for id in ids)
