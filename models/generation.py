"""What a model wrote: the new tokens, and for each step what it had to choose from and where it looked.

Nothing here knows torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from models.beams import Tree
from models.errors import BadRequest, TooManySteps, UnprovedSteps
from models.head import frozen
from models.trace import Array, Token, Trace, softmax

STEP_LIMIT = 256
"""The most tokens that one generation writes."""

BEAM_LIMIT = 8
"""The most hypotheses that beam search keeps."""

DISTRIBUTION_MEMORY = 512 * 2**20
"""The most bytes that the logits of all steps and beams may fill."""

STRATEGIES = ("greedy", "sample", "beam")

IsCancelled = Callable[[], bool]
"""Asked after every step; once it says True, the generation ends with what is written by then."""


@dataclass(frozen=True)
class Strategy:
    """How the next token is chosen.

    `greedy`: the most probable. `sample`: drawn by chance from softmax(logits / temperature), where only the `top_k`
    most probable tokens remain (0: all), and of those the fewest whose probabilities sum to `top_p`
    (Holtzman et al. 2020); equal seeds draw alike. `beam`: the best of `beams` hypotheses that are written in parallel.
    """

    name: str = "greedy"
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    beams: int = 4

    def __post_init__(self) -> None:
        """Refuse what has no meaning.

        Raises:
            BadRequest: no such strategy, or a number outside its range.
        """
        wanted = (
            (self.name in STRATEGIES, f"strategy {self.name!r}; use one of {', '.join(STRATEGIES)}"),
            (self.temperature > 0, f"temperature {self.temperature}; it must be more than 0"),
            (self.top_k >= 0, f"top_k {self.top_k}; use a number of tokens, or 0 for all"),
            (0 < self.top_p <= 1, f"top_p {self.top_p}; it must be more than 0 and at most 1"),
            (2 <= self.beams <= BEAM_LIMIT, f"beams {self.beams}; use 2 to {BEAM_LIMIT}"),
        )
        for fits, complaint in wanted:
            if not fits:
                raise BadRequest(complaint)

    @property
    def rows(self) -> int:
        """How many hypotheses are written at once."""
        return self.beams if self.name == "beam" else 1

    def check_forced(self, forced: Sequence[int], vocabulary: int) -> None:
        """Refuse words that a person chose where they cannot be taken.

        Raises:
            BadRequest: in beam search, which writes several hypotheses at once, or ids that are none.
        """
        if forced and self.name == "beam":
            raise BadRequest("forced words with beam search; use greedy or sample")
        if not all(0 <= id < vocabulary for id in forced):
            raise BadRequest(f"forced ids {list(forced)}; the vocabulary has 0 to {vocabulary - 1}")

    def check_steps(self, steps: int, vocabulary: int) -> None:
        """Refuse more steps than fit.

        Raises:
            BadRequest: less than one step.
            TooManySteps: more than `STEP_LIMIT`, or than memory for the logits of so many words and beams.
        """
        if steps < 1:
            raise BadRequest(f"{steps} steps; ask for at least 1")
        fitting = DISTRIBUTION_MEMORY // (4 * max(1, vocabulary) * self.rows)
        limit = max(1, min(STEP_LIMIT, fitting))
        if steps > limit:
            raise TooManySteps(steps, limit)


class Rows(Mapping[str, Array]):
    """Block → (head, key): with which weights one position looked; each is computed when it is looked at.

    Where a stream looks at itself, the keys end with the position: there was nothing further yet. A row whose weights
    do not give the context that the model computed in that step is refused (`UnprovedSteps`).
    """

    def __init__(self, trace: Trace, position: int, blocks: tuple[str, ...]) -> None:
        self._trace, self._position, self._blocks = trace, position, blocks

    def __getitem__(self, block: str) -> Array:
        if block not in self._blocks:
            raise KeyError(block)
        one = self._trace.block(block)
        keys = self._position + 1 if one.key_stream == one.query_stream else None
        return np.stack([self._row(block, head)[:keys] for head in range(one.heads)])

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)

    def _row(self, block: str, number: int) -> Array:
        head, row = self._trace.head(block, number), slice(self._position, self._position + 1)
        alone = replace(
            head,
            query=head.query[row],
            mask=head.mask[row],
            bias=None if head.bias is None else head.bias[row],
            model_context=head.model_context[row],
            query_unrotated=None,
            forced_weights=None if head.forced_weights is None else head.forced_weights[row],
        )
        if not alone.proved:
            raise UnprovedSteps(self._trace.model.name)
        return alone.weights[0]


@dataclass(frozen=True)
class Step:
    """One step: the model read the token at `position` and chose the next one.

    `logits` are what the model said, `remaining` the logits that the choice was made from: with `sample` after
    temperature, top_k and top_p, where a token that was ruled out has −∞. Both: (vocabulary,). In beam search they are
    those of the hypothesis that won in the end, and `logits` are logarithms of probabilities. `forced`: a person chose.
    """

    position: int
    choice: Token
    logits: Array
    remaining: Array
    rows: Rows
    forced: bool = False

    @cached_property
    def before(self) -> Array:
        """The probabilities that the model gave, before anything was ruled out: (vocabulary,)."""
        return frozen(softmax(self.logits))

    @cached_property
    def distribution(self) -> Array:
        """The probabilities that the choice was made from: (vocabulary,); 0 for what was ruled out."""
        return frozen(softmax(self.remaining))

    @property
    def probability(self) -> float:
        """How probable the choice was."""
        return float(self.distribution[self.choice.id])


@dataclass(frozen=True)
class Generation:
    """What was written, step by step, and the trace of having written it.

    `trace` is an ordinary trace of everything that was read: the prompt and all new tokens but the last, which was
    chosen and never read. Its rows are those of the steps in which they were computed. The model says what it
    predicts only after the last token of a prompt and after each new one: those logits and distributions are in
    `steps`, and `trace.logits` is there only where the decoder was given no more than one token (T5's start token).
    """

    tokens: tuple[Token, ...]
    steps: tuple[Step, ...]
    trace: Trace
    strategy: Strategy
    text: str = ""
    """The new tokens as a person would write them; empty without a tokenizer."""
    cancelled: bool = False
    """Whether it was stopped from outside before it had ended."""
    names: Sequence[Token] = ()
    """What each column of the logits stands for."""
    tree: Tree | None = None
    """With `beam`: everything that was looked at."""
    passes: tuple[int, ...] = ()
    """How many positions each pass of the decoder computed: the prompt, then one at a time, since the keys and values
    of all others are kept in a cache; without a cache all of them, again and again."""

    @property
    def ids(self) -> tuple[int, ...]:
        """The new token ids, the end token included where the model wrote one."""
        return tuple(token.id for token in self.tokens)

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        said = {id(array): array.nbytes for step in self.steps for array in (step.logits, step.remaining)}
        return self.trace.nbytes + sum(said.values())


def written_stream(trace: Trace) -> str:
    """The stream that was written."""
    return "decoder" if "decoder" in trace.tokens else trace.blocks[-1].query_stream


def steps_of(
    trace: Trace, tokens: Sequence[Token], logits: Sequence[Array], drawn: Sequence[Array], forced: int = 0
) -> tuple[Step, ...]:
    """The steps of a generation whose last rows in the trace are theirs.

    `logits`: what the model said in each step; `drawn`: the logits that the choice was made from; `forced`: how many
    of the first choices were made by a person.
    """
    stream = written_stream(trace)
    blocks = tuple(block.name for block in trace.blocks if block.query_stream == stream)
    first = len(trace.tokens[stream]) - len(tokens)
    rows = [Rows(trace, first + number, blocks) for number in range(len(tokens))]
    return tuple(
        Step(first + number, token, logits[number], drawn[number], rows[number], number < forced)
        for number, token in enumerate(tokens)
    )
