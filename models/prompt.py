"""A generation by name: `Prompt` says everything that decides what is written, so that it can be written again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.catalog import leased
from models.errors import BadRequest, UnsupportedEdit
from models.generation import STEP_LIMIT, Generation, IsCancelled, Strategy
from models.record import LENGTH_LIMIT, Request
from models.teacher_forcing import at_once, differences, unmasked
from models.trace import Trace

MARK = "g"
"""What the key of a generation begins with; that of a run begins with a hexadecimal digit."""


@dataclass(frozen=True)
class Prompt(Request):
    """Everything that decides what a model writes; equal prompts give equal texts, sampled ones too.

    `text` is what it goes on from; `forced` the ids of the first steps, which a person chose.
    """

    steps: int = 20
    strategy: str = "greedy"
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    beams: int = 4
    forced: Sequence[int] = ()

    def __post_init__(self) -> None:
        """Refuse what has no meaning.

        Raises:
            BadRequest: what is no text or no number, or outside its range.
        """
        object.__setattr__(self, "forced", tuple(self.forced))
        whole = (self.steps, self.top_k, self.seed, self.beams, *self.forced)
        if not all(type(number) is int for number in whole) or len(self.forced) > STEP_LIMIT:
            raise BadRequest("steps, top_k, seed, beams and forced are whole numbers")
        if not all(isinstance(number, int | float) for number in (self.temperature, self.top_p)):
            raise BadRequest("temperature and top_p are numbers")
        if not 0 <= self.seed < 2**32:
            raise BadRequest(f"seed {self.seed}; use 0 to {2**32 - 1}")
        _ = self.chosen
        Request(self.model, self.text, self.target, self.language, self.image, self.dtype, self.reading)

    @property
    def chosen(self) -> Strategy:
        """How each token is chosen.

        Raises:
            BadRequest: no such strategy, or a number outside its range.
        """
        return Strategy(
            self.strategy, float(self.temperature), self.top_k, float(self.top_p), self.seed, self.beams
        )

    @property
    def key(self) -> str:
        """As of any request, with a mark.

        Raises:
            BadRequest: the text is too long for an address.
        """
        return MARK + super().key

    def write(self, cancelled: IsCancelled | None = None) -> Generation:
        """What the model writes.

        Raises:
            TextTooLong: more than `LENGTH_LIMIT` tokens.
            MicroscopeError: whatever the run itself raises.
        """
        with leased(self.model, self.dtype) as model:
            model.check_length(self.text, LENGTH_LIMIT)
            return model.generate(
                self.text,
                steps=self.steps,
                strategy=self.chosen,
                forced=self.forced,
                language=self.language,
                cancelled=cancelled,
            )

    def compared(self, written: Generation) -> dict[str, dict[str, float]]:
        """Block → the largest difference of a weight between what was written step by step and one pass over the same
        text: `masked` as the model is, `open` without the causal mask; nothing where that cannot be taken away.

        Raises:
            MicroscopeError: whatever the run itself raises.
        """
        with leased(self.model, self.dtype) as model:
            try:
                apart = unmasked(model, written)
            except UnsupportedEdit:
                apart = {}
            return {"masked": differences(written, at_once(model, written)), "open": apart}

    def run(self) -> Trace:
        """The trace of having written it.

        Raises:
            MicroscopeError: as `write`.
        """
        return self.write().trace


def from_key(key: str) -> Request:
    """The run or the generation that a key was made from, if its model is open.

    Raises:
        BadRequest, ModelNotOpen, StaleKey: as `Request.from_key`.
    """
    return Prompt.from_key(key[len(MARK) :]) if key.startswith(MARK) else Request.from_key(key)
