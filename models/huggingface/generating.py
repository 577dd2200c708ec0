"""Text that a model writes, by transformers' own `generate`, with every forward pass heard.

Nothing is computed here but the draw of `sample`, which needs a source of chance that other runs do not share. Two
callables are handed in: one is asked for the scores of every step, one whether to end.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.beams import Candidate
from models.errors import ContextFull
from models.generation import Generation, steps_of
from models.huggingface.device import beside
from models.huggingface.interface import Passed, Watch
from models.huggingface.listen import Calls, Heard, hearing
from models.huggingface.reading import Inputs
from models.huggingface.stitch import Stitch
from models.huggingface.tokens import text_tokens
from models.sampling import Writing
from models.trace import Token, Trace


@dataclass(frozen=True)
class Written:
    """What a generation gave: the decoder's ids, of which the first `prompt` were given, and what was heard."""

    ids: list[int]
    prompt: int
    path: list[int]
    """Which item of each pass the text went through: always 0, except in beam search."""
    calls: Calls
    passed: list[Passed]
    logits: Tensor | None
    """(1, row, vocabulary), where each row has some: of the prompt only the last one has."""
    passes: tuple[int, ...]
    """How many positions of the decoder each pass computed."""


class _Step:
    """Called by `generate` as a logits processor, after each forward pass."""

    def __init__(self, heard: Heard, watch: Watch, stitch: Stitch, writing: Writing) -> None:
        self._heard, self._watch, self._stitch, self._writing = heard, watch, stitch, writing
        self._prompt: list[int] | None = None
        self._rows = torch.empty(0, 0)

    @property
    def prompt(self) -> list[int]:
        """The ids that were there before the first step: none where vectors were given instead."""
        return self._prompt or []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if self._prompt is None:
            self._prompt = input_ids[0].tolist()
        self._rows = input_ids
        self._stitch.add(self._heard, self._watch)
        return self._writing.weighed(scores)

    def candidates(self, input_ids: Tensor) -> list[Candidate]:
        """Which hypothesis each of these continues, and by which token; of equal ones each is continued in turn."""
        alike = (input_ids[:, None, :-1] == self._rows[None]).all(dim=-1).tolist()
        found: list[Candidate] = []
        for rows, token in zip(alike, input_ids[:, -1].tolist(), strict=True):
            those = [(row, token) for row, same in enumerate(rows) if same]
            found.append(next((one for one in those if one not in found), those[0]))
        return found


vars(_Step.__call__)["__signature__"] = inspect.signature(_Step.__call__)  # transformers asks at every step


class _End:
    """Called by `generate` as a stopping criterion, after each choice."""

    def __init__(self, step: _Step, writing: Writing) -> None:
        self._step, self._writing = step, writing

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:  # noqa: ARG002 -- the signature is transformers'
        stops = self._writing.stops()
        if self._writing.growth is not None:
            self._writing.branched(self._step.candidates(input_ids))
        return torch.full((len(input_ids),), stops, device=input_ids.device)


def write(
    model: Any,
    inputs: Inputs,
    steps: int,
    writing: Writing,
    *,
    watch: Watch,
    stitch: Stitch,
    traced: Collection[str],
) -> Written:
    """The text that the model writes after these inputs, and everything that was heard meanwhile."""
    settings = model.generation_config
    penalty = getattr(settings, "length_penalty", None)
    writing.begin(steps, _ends(settings), 1.0 if penalty is None else penalty)
    ids = inputs.get("input_ids")
    one = ids is not None and ids.shape[1] == 1  # then each row has logits
    with hearing(model, inputs, watch, traced) as heard:
        step = _Step(heard, watch, stitch, writing)
        output = model.generate(
            **beside(model, inputs),
            max_new_tokens=steps,
            do_sample=False,
            num_beams=writing.strategy.rows,
            num_return_sequences=1,
            logits_processor=[step],
            stopping_criteria=[_End(step, writing)],
            return_dict_in_generate=True,
            output_logits=stitch.encoder_decoder or one,
            disable_compile=True,  # what is compiled cannot be heard
        )
    ids, prompt = output.sequences[0].tolist(), len(step.prompt)
    if ids[:prompt] != step.prompt:  # Whisper leaves out what it was given
        ids = step.prompt + ids
    count = len(ids) - prompt
    path = output.beam_indices[0, :count].tolist() if writing.strategy.rows > 1 else [0] * count
    logits = output.logits if prompt == 1 else None
    if logits is not None:
        logits = torch.stack([logits[at][item] for at, item in enumerate(path)])[None]
    return Written(
        ids, prompt, path, stitch.calls(path), stitch.modules(path), logits, tuple(stitch.computed)
    )


def _ends(settings: Any) -> list[int]:
    """The tokens that end a text."""
    ends = getattr(settings, "eos_token_id", None)
    return [] if ends is None else [int(end) for end in (ends if isinstance(ends, list | tuple) else [ends])]


def check_room(inputs: Inputs, steps: int, limit: int, encoder_decoder: bool) -> None:
    """Refuse more tokens than the model reads; the last one written is never read.

    Raises:
        ContextFull: the decoder's tokens and the new ones do not fit.
    """
    names = (
        ("decoder_input_ids", "decoder_inputs_embeds") if encoder_decoder else ("input_ids", "inputs_embeds")
    )
    given = next((inputs[name].shape[1] for name in names if inputs.get(name) is not None), 1)
    if limit and given + steps - 1 > limit:
        raise ContextFull(given, steps, limit)


def written_tokens(
    written: Written, read: Sequence[Token], tokenizer: Any, prompt: str, encoder_decoder: bool
) -> tuple[dict[str, tuple[Token, ...]], tuple[Token, ...]]:
    """The tokens of each stream that were read, and those that were written; the last one was not read."""
    places = [] if encoder_decoder else [(token.start, token.end) for token in read]
    places += [(-1, -1)] * (len(written.ids) - len(places))
    tokens = text_tokens(written.ids, tokenizer, prompt, places)
    streams = {"encoder": tuple(read), "decoder": tokens[:-1]} if encoder_decoder else {"text": tokens[:-1]}
    return streams, tokens[written.prompt :]


def generation(
    trace: Trace,
    tokens: tuple[Token, ...],
    written: Written,
    writing: Writing,
    *,
    tokenizer: Any,
    names: Sequence[Token],
) -> Generation:
    """What was written, with the trace of it."""
    ids = [token.id for token in tokens]
    return Generation(
        tokens=tokens,
        steps=steps_of(trace, tokens, *writing.of(written.path), len(writing.forced)),
        trace=trace,
        strategy=writing.strategy,
        text="" if tokenizer is None else str(tokenizer.decode(ids, skip_special_tokens=True)),
        cancelled=writing.stopped,
        names=names,
        tree=writing.tree(ids),
        passes=written.passes,
    )
