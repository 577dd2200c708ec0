"""What every translator in the box does alike: read a sentence, write a translation, make a `Trace` of the run."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from models.builtin.encoder_decoder import EncoderDecoder
from models.builtin.tokenizer import Tokenizer
from models.builtin.writing import write
from models.edits import BUILT, PositionsOff, ScaleHead
from models.errors import (
    BadRequest,
    ContextFull,
    EditOutOfRange,
    EmptyText,
    OnlyUnknownWords,
    TargetOnlyUnknown,
    TargetTooLong,
    TextTooLarge,
    TextTooLong,
    UnsupportedEdit,
)
from models.generation import Generation, IsCancelled, Strategy, steps_of
from models.orders import reordered
from models.recorder import Edit, Recorder, recording
from models.sampling import Writing
from models.trace import Block, ModelCard, PositionalEncoding, Site, Token, Trace

TOKEN_LIMIT = 64
"""The longest source or target, in tokens, end and start tokens included."""

CHARACTER_LIMIT = 20_000
"""The longest text that is looked at at all."""

LANGUAGES = ("fr", "zh", "en")
"""What can be translated into."""

PAIRS = (("en", "fr"), ("en", "zh"), ("zh", "en"))
"""What the translators were trained on: source and target language."""

_KEPT = frozenset(Site) - {Site.SCORES, Site.MASKED_SCORES, Site.WEIGHTS}
Where = tuple[Site, str]

_TAG = re.compile(rf"^\s*<({'|'.join(LANGUAGES)})>\s*")


class BuiltinTranslator:
    """A translator in memory. Immutable after loading; any number of threads may record it at once."""

    readings: ClassVar[tuple[str, ...]] = ()
    """In which other ways than from the first word to the last it learned to read a source: `reversed`."""

    def __init__(
        self, network: EncoderDecoder, tokenizer: Tokenizer, card: ModelCard, blocks: tuple[Block, ...]
    ) -> None:
        self.network, self.tokenizer, self.card, self.blocks = network, tokenizer, card, blocks
        self._names = tuple(self._token(id) for id in range(len(tokenizer.vocabulary)))
        network.eval().requires_grad_(False)

    def described(self, arrays: Mapping[Where, np.ndarray]) -> dict[Where, np.ndarray]:  # noqa: ARG002
        """What a trace shows of the model itself beside what it computed: weights and biases."""
        return {(Site.UNEMBEDDING, ""): self.network.embedding.weight.detach().numpy()}

    def positions(self, arrays: Mapping[Where, np.ndarray]) -> tuple[PositionalEncoding, ...]:  # noqa: ARG002
        """How the places of words enter."""
        return ()

    def record(  # noqa: PLR0913 -- one keyword for each thing that a person may choose
        self,
        text: str,
        *,
        target: str | None = None,
        language: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        edits: Sequence[Edit] = (),
        image: object = None,
        keep: Collection[Site] | None = None,  # noqa: ARG002 -- this model keeps every site as it is
        reading: str | None = None,
        order: Sequence[int] | None = None,
    ) -> Trace:
        """One run. Without a target the decoder's own greedy translation is read back in one teacher-forced pass.

        `order` says which token of the source, its end included, then stands at each place.
        With `reading="reversed"` the encoder reads the source from its last word to its first, where it learned to.

        Raises:
            TextError: nothing to read, nothing known, too long.
            BadRequest: ids, a language or a reading that this model does not have, or an image, which it does not read.
            EditError: an edit this model cannot apply.
        """
        if image is not None:
            raise BadRequest(f"an image for {self.card.name}, which reads text")
        if reading is not None and reading not in self.readings:
            raise BadRequest(
                f"reading {reading!r}; {self.card.name} reads {self.readings or 'forwards only'}"
            )
        source = self._source(text) if inputs is None else self._checked_ids(inputs, "input_ids")
        if reading == "reversed":
            source = (*source[-2::-1], source[-1])  # the end stays the end
        source = reordered(source, order)
        if inputs is not None and "decoder_input_ids" in inputs:
            read, writes = self._checked_ids(inputs, "decoder_input_ids"), False
        else:
            read, writes = self._target(text, target, language), target is None
        self._check_edits(edits, len(source), TOKEN_LIMIT if writes else len(read))
        recorder = Recorder(edits, _KEPT)
        with torch.no_grad(), recording(recorder):
            if writes:
                read = read + self._greedy(source, read[0], cached=not edits)
                self._check_edits(edits, len(source), len(read))
            logits = self.network(ids_of(source), ids_of(read))
        streams = {"encoder": source, "decoder": read}
        return self._trace(text, streams, recorder.tensors, logits, tuple(edits))

    def generate(
        self,
        prompt: str = "",
        *,
        inputs: Mapping[str, Any] | None = None,
        steps: int = 20,
        strategy: Strategy | None = None,
        forced: Sequence[int] = (),
        language: str | None = None,
        cancelled: IsCancelled | None = None,
    ) -> Generation:
        """The translation of a sentence, written word by word.

        Raises:
            TextError: nothing to read, nothing known, too long, no room for so many steps.
            BadRequest: ids or a language that this model does not have.
            TooManySteps: more than are written at once.
        """
        strategy = strategy or Strategy()
        strategy.check_steps(steps, len(self.tokenizer.vocabulary))
        strategy.check_forced(forced, len(self.tokenizer.vocabulary))
        source = self._source(prompt) if inputs is None else self._checked_ids(inputs, "input_ids")
        if inputs is not None and "decoder_input_ids" in inputs:
            read = self._checked_ids(inputs, "decoder_input_ids")
        else:
            read = self._target(prompt, None, language)
        if len(read) + steps - 1 > TOKEN_LIMIT:
            raise ContextFull(len(read), steps, TOKEN_LIMIT)
        return self._write(prompt, (source, read), steps, Writing(strategy, cancelled, forced))

    def _write(
        self, text: str, read: tuple[tuple[Token, ...], tuple[Token, ...]], steps: int, writing: Writing
    ) -> Generation:
        source, start = read
        writing.begin(steps, {self.tokenizer.end})
        ids, passes = write(self.network, ids_of(source), ids_of(start), steps, writing, sites=_KEPT)
        path = writing.growth.rows(ids) if writing.growth else (0,) * len(ids)
        written, tensors = [self._token(id) for id in ids], passes.joined(path)
        fed = {"encoder": source, "decoder": (*start, *written[:-1])}
        trace = self._trace(text, fed, tensors, tensors[Site.LOGITS, ""], ())
        return Generation(
            tokens=tuple(written),
            steps=steps_of(trace, written, *writing.of(path), len(writing.forced)),
            trace=trace,
            strategy=writing.strategy,
            text=self.tokenizer.decode(written),
            cancelled=writing.stopped,
            names=self._names,
            tree=writing.tree(ids),
            passes=(len(start), *(1 for _ in passes.decoder[1:])),
        )

    def check_length(self, text: str, limit: int) -> None:
        """Nothing to refuse here: this model's own limit, checked when it reads, is lower."""

    def _source(self, text: str) -> tuple[Token, ...]:
        words = self._words(text)
        if not words:
            raise EmptyText
        if len(words) + 1 > TOKEN_LIMIT:
            raise TextTooLong(len(words) + 1, TOKEN_LIMIT)
        if not any(_meaningful(token) for token in words):
            raise OnlyUnknownWords([token.text for token in words])
        return (*words, self._special(self.tokenizer.end))

    def _target(self, text: str, target: str | None, language: str | None) -> tuple[Token, ...]:
        tag = _TAG.match(target or "")
        typed = "" if target is None else _TAG.sub("", target)
        words = self._words(typed)
        if len(words) + 1 > TOKEN_LIMIT:
            raise TargetTooLong(len(words) + 1, TOKEN_LIMIT)
        if words and not any(_meaningful(token) for token in words):
            raise TargetOnlyUnknown([token.text for token in words])
        chosen = tag[1] if tag else language or self._language(text, typed)
        if chosen not in LANGUAGES:
            raise BadRequest(f"language {chosen!r}; use one of {', '.join(LANGUAGES)}")
        return (self._special(self.tokenizer.start(chosen)), *words)

    def _language(self, text: str, typed: str) -> str:
        """The language to translate into: the typed target's own, else English for Chinese, else French."""
        if typed.strip():
            return self.tokenizer.language(typed)
        return "en" if self.tokenizer.language(text) == "zh" else "fr"

    def _words(self, text: str) -> tuple[Token, ...]:
        if len(text) > CHARACTER_LIMIT:
            raise TextTooLarge(len(text), CHARACTER_LIMIT)
        return self.tokenizer.encode(text)

    def _greedy(self, source: tuple[Token, ...], start: Token, *, cached: bool) -> tuple[Token, ...]:
        """What the model itself writes after the start token, end token excluded."""
        end = self.tokenizer.end
        given, limit = (ids_of(source), ids_of((start,))), TOKEN_LIMIT - 1
        ids = self.network.greedy(*given, end, limit, cached=cached)[0, 1:].tolist()
        return tuple(self._token(id) for id in (ids[: ids.index(end)] if end in ids else ids))

    def _checked_ids(self, inputs: Mapping[str, Any], name: str) -> tuple[Token, ...]:
        """Tokens of ready ids, `input_ids` or `decoder_input_ids`; a batch of one."""
        if name not in inputs:
            raise BadRequest(f"inputs without {name!r}")
        ids = torch.as_tensor(inputs[name])
        if ids.ndim == 2 and len(ids) == 1:
            ids = ids[0]
        if ids.ndim != 1 or not 0 < len(ids) <= TOKEN_LIMIT:
            raise BadRequest(f"{name} of shape {tuple(ids.shape)}; wanted one row of 1 to {TOKEN_LIMIT} ids")
        if not ((ids >= 0) & (ids < len(self.tokenizer.vocabulary))).all():
            raise BadRequest(f"{name} outside the vocabulary of {len(self.tokenizer.vocabulary)} tokens")
        return tuple(self._token(int(id)) for id in ids)

    def _token(self, id: int) -> Token:
        text = self.tokenizer.vocabulary[id]
        return Token(id, text, unknown=id == self.tokenizer.unknown, special=text.startswith("<"))

    def _special(self, id: int) -> Token:
        return Token(id, self.tokenizer.vocabulary[id], special=True)

    def _check_edits(self, edits: Sequence[Edit], source: int, target: int) -> None:
        lengths = {"encoder": source, "decoder": target}
        blocks = {block.name: block for block in self.blocks}
        for edit in edits:
            if not isinstance(edit, BUILT):
                raise UnsupportedEdit(edit, BUILT)
            if isinstance(edit, PositionsOff) and self.card.positions != "recurrent":
                continue
            block = blocks.get(edit.block)
            if block is None or not edit.fits(
                block.heads, lengths[block.query_stream], lengths[block.key_stream]
            ):
                raise EditOutOfRange(edit)

    def _trace(
        self,
        text: str,
        tokens: Mapping[str, tuple[Token, ...]],
        tensors: Mapping[Where, Tensor],
        logits: Tensor,
        edits: tuple[Edit, ...],
    ) -> Trace:
        arrays = {where: array_of(tensor) for where, tensor in tensors.items()}
        arrays |= self.described(arrays)
        return Trace(
            model=self.card,
            text=text,
            tokens=tokens,
            blocks=self.blocks,
            arrays=arrays,
            positions=self.positions(arrays),
            predictions=tuple(self._token(int(id)) for id in logits[0].argmax(dim=-1)),
            names=self._names,
            output=self.tokenizer.decode(tokens["decoder"][1:]),
            languages=(self.tokenizer.language(text), tokens["decoder"][0].text.strip("<>")),
            edits=edits,
            gains=_gains(edits),
        )


def _gains(edits: Sequence[Edit]) -> dict[tuple[str, int], float]:
    """What edits multiply the context of each head by, where they do."""
    gains: dict[tuple[str, int], float] = {}
    for edit in edits:
        if isinstance(edit, ScaleHead):
            gains[edit.block, edit.head] = gains.get((edit.block, edit.head), 1.0) * edit.factor
    return gains


def _meaningful(token: Token) -> bool:
    """Whether the model knows this word: not unknown, and more than a punctuation mark."""
    return not token.unknown and any(character.isalnum() for character in token.text)


def ids_of(tokens: Sequence[Token]) -> Tensor:
    """The ids as a batch of one."""
    return torch.tensor([[token.id for token in tokens]])


def array_of(tensor: Tensor) -> np.ndarray:
    """The tensor of a batch of one as a NumPy array; logits and vectors in float32, masks Boolean."""
    array = tensor[0].numpy()
    return array if array.dtype == np.bool_ else array.astype(np.float32, copy=False)
