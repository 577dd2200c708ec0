"""The built-in translator as a model that can be recorded: checkpoint, tokenizer, and a run turned into a `Trace`."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.builtin.checkpoint import load_translator
from models.builtin.transformer import MultiHeadAttention, Transformer
from models.edits import BUILT, ScaleHead
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
from models.recorder import Edit, Recorder, recording
from models.sampling import Writing
from models.trace import Block, GuidedHead, ModelCard, PositionalEncoding, Site, Token, Trace

TOKEN_LIMIT = 64
"""The longest source or target, in tokens, end and start tokens included."""

CHARACTER_LIMIT = 20_000
"""The longest text that is looked at at all."""

LANGUAGES = ("fr", "zh", "en")
"""What can be translated into."""

PAIRS = (("en", "fr"), ("en", "zh"), ("zh", "en"))
"""What the translators were trained on: source and target language."""

_KEPT = frozenset(Site) - {Site.SCORES, Site.MASKED_SCORES, Site.WEIGHTS}
_TAG = re.compile(rf"^\s*<({'|'.join(LANGUAGES)})>\s*")


class Translator:
    """A translator in memory. Immutable after loading; any number of threads may record it at once."""

    def __init__(self, name: str, folder: Path) -> None:
        self.transformer, self.tokenizer, config = load_translator(folder)
        self.transformer.eval().requires_grad_(False)
        self.card = _card(name, self.transformer, config)
        self._names = tuple(self._token(id) for id in range(len(self.tokenizer.vocabulary)))

    def record(
        self,
        text: str,
        *,
        target: str | None = None,
        language: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        edits: Sequence[Edit] = (),
        image: object = None,
        keep: Collection[Site] | None = None,  # noqa: ARG002 -- this model keeps every site as it is
    ) -> Trace:
        """One run. Without a target the decoder's own greedy translation is read back in one teacher-forced pass.

        Raises:
            TextError: nothing to read, nothing known, too long.
            BadRequest: ids or a language that this model does not have, or an image, which it does not read.
            EditError: an edit this model cannot apply.
        """
        if image is not None:
            raise BadRequest(f"an image for {self.card.name}, which reads text")
        source = self._source(text) if inputs is None else self._checked_ids(inputs, "input_ids")
        if inputs is not None and "decoder_input_ids" in inputs:
            read, writes = self._checked_ids(inputs, "decoder_input_ids"), False
        else:
            read, writes = self._target(text, target, language), target is None
        self._check_edits(edits, len(source), TOKEN_LIMIT if writes else len(read))
        recorder = Recorder(edits, _KEPT)
        with torch.no_grad(), recording(recorder):
            if writes:
                read = read + self._greedy(source, read[0])
                self._check_edits(edits, len(source), len(read))
            logits = self.transformer(_ids(source), _ids(read))
        return self._trace(text, {"encoder": source, "decoder": read}, recorder, logits, tuple(edits))

    def generate(
        self,
        prompt: str = "",
        *,
        inputs: Mapping[str, Any] | None = None,
        steps: int = 20,
        strategy: Strategy | None = None,
        language: str | None = None,
        cancelled: IsCancelled | None = None,
    ) -> Generation:
        """The translation of a sentence, written word by word; the decoder reads everything written so far each time.

        Raises:
            TextError: nothing to read, nothing known, too long, no room for so many steps.
            BadRequest: ids or a language that this model does not have, or beam search.
            TooManySteps: more than are written at once.
        """
        strategy = strategy or Strategy()
        if strategy.name == "beam":
            raise BadRequest(
                "strategy 'beam', which the built-in translators do not have; use greedy or sample"
            )
        strategy.check_steps(steps, len(self.tokenizer.vocabulary))
        source = self._source(prompt) if inputs is None else self._checked_ids(inputs, "input_ids")
        if inputs is not None and "decoder_input_ids" in inputs:
            read = self._checked_ids(inputs, "decoder_input_ids")
        else:
            read = self._target(prompt, None, language)
        if len(read) + steps - 1 > TOKEN_LIMIT:
            raise ContextFull(len(read), steps, TOKEN_LIMIT)
        return self._write(prompt, (source, read), steps, Writing(strategy, cancelled))

    def _write(
        self, text: str, read: tuple[tuple[Token, ...], tuple[Token, ...]], steps: int, writing: Writing
    ) -> Generation:
        source, start = read
        recorder, written, logits = Recorder((), _KEPT), list[Token](), torch.empty(0)
        with torch.no_grad(), recording(recorder):  # what the recorder holds in the end is of the last step
            encoded = self.transformer.encode(_ids(source))
            while len(written) < steps and not self._ended(written, writing):
                logits = self.transformer.decode(_ids((*start, *written)), encoded, _ids(source))
                written.append(self._token(int(writing.weighed(logits[:, -1]).argmax())))
        fed = {"encoder": source, "decoder": (*start, *written[:-1])}
        trace = self._trace(text, fed, recorder, logits, ())
        return Generation(
            tokens=tuple(written),
            steps=steps_of(trace, written, *writing.of([0] * len(written))),
            trace=trace,
            strategy=writing.strategy,
            text=self.tokenizer.decode(written),
            cancelled=writing.stopped,
        )

    def _ended(self, written: Sequence[Token], writing: Writing) -> bool:
        return bool(written) and (written[-1].id == self.tokenizer.end or writing.stops())

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

    def _greedy(self, source: tuple[Token, ...], start: Token) -> tuple[Token, ...]:
        """What the model itself writes after the start token, end token excluded."""
        end = self.tokenizer.end
        ids = self.transformer.greedy(_ids(source), _ids((start,)), end, TOKEN_LIMIT - 1)[0, 1:].tolist()
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
        blocks = {block.name: block for block in _blocks(self.transformer)}
        for edit in edits:
            if not isinstance(edit, BUILT):
                raise UnsupportedEdit(edit, BUILT)
            block = blocks.get(edit.block)
            if block is None or not edit.fits(
                block.heads, lengths[block.query_stream], lengths[block.key_stream]
            ):
                raise EditOutOfRange(edit)

    def _trace(
        self,
        text: str,
        tokens: Mapping[str, tuple[Token, ...]],
        recorder: Recorder,
        logits: Tensor,
        edits: tuple[Edit, ...],
    ) -> Trace:
        arrays = {where: _array(tensor) for where, tensor in recorder.tensors.items()}
        arrays |= _projections(self.transformer)
        return Trace(
            model=self.card,
            text=text,
            tokens=tokens,
            blocks=_blocks(self.transformer),
            arrays=arrays,
            positions=tuple(
                PositionalEncoding("sinusoidal", arrays[Site.POSITION_ENCODING, stream], stream)
                for stream in tokens
            ),
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


def _ids(tokens: Sequence[Token]) -> Tensor:
    return torch.tensor([[token.id for token in tokens]])


def _array(tensor: Tensor) -> np.ndarray:
    """The tensor of a batch of one as a NumPy array; logits and vectors in float32, masks Boolean."""
    array = tensor[0].numpy()
    return array if array.dtype == np.bool_ else array.astype(np.float32, copy=False)


def _attentions(transformer: Transformer) -> list[tuple[str, MultiHeadAttention]]:
    """The attention sublayers with their module paths, in execution order."""
    return [
        (name, module)
        for name, module in transformer.named_modules()
        if isinstance(module, MultiHeadAttention)
    ]


def _blocks(transformer: Transformer) -> tuple[Block, ...]:
    config, blocks = transformer.config, []
    for path, module in _attentions(transformer):
        stream, _, kind = module.place.split(".")
        key_stream = "encoder" if kind == "cross" else stream
        scale = 1 / math.sqrt(config.d_head)
        blocks.append(Block(module.place, config.heads, config.heads, stream, key_stream, path, scale))
    return tuple(blocks)


def _projections(transformer: Transformer) -> dict[tuple[Site, str], np.ndarray]:
    """W_Q, W_K, W_V, W_O and their biases, per head; views of the parameters, nothing is copied."""
    sites = {
        "query": (Site.QUERY_WEIGHT, Site.QUERY_BIAS),
        "key": (Site.KEY_WEIGHT, Site.KEY_BIAS),
        "value": (Site.VALUE_WEIGHT, Site.VALUE_BIAS),
    }
    arrays: dict[tuple[Site, str], np.ndarray] = {}
    for _, module in _attentions(transformer):
        for name, (weight, bias) in sites.items():
            linear: nn.Linear = getattr(module, name)
            per_head = linear.weight.detach().unflatten(0, (module.heads, -1))  # (head, d_head, d_model)
            arrays[weight, module.place] = per_head.mT.numpy()
            arrays[bias, module.place] = linear.bias.detach().unflatten(0, (module.heads, -1)).numpy()
        output = module.output.weight.detach()  # (d_model, heads · d_value)
        arrays[Site.OUTPUT_WEIGHT, module.place] = output.T.unflatten(0, (module.heads, -1)).numpy()
        arrays[Site.OUTPUT_BIAS, module.place] = module.output.bias.detach().numpy()
    return arrays


def _card(name: str, transformer: Transformer, config: Mapping[str, Any]) -> ModelCard:
    sizes = transformer.config
    return ModelCard(
        name=name,
        architecture="Transformer (2017)",
        kind="encoder-decoder",
        layers=sizes.encoder_layers + sizes.decoder_layers,
        heads=sizes.heads,
        kv_heads=sizes.heads,
        d_model=sizes.d_model,
        d_head=sizes.d_head,
        parameters=sum(parameter.numel() for parameter in transformer.parameters()),
        positions="sinusoidal",
        d_hidden=sizes.d_hidden,
        vocabulary=sizes.vocabulary,
        context_length=TOKEN_LIMIT,
        memory=sum(parameter.nbytes for parameter in transformer.parameters()),
        routes=("builtin",),
        revision=str(config.get("revision", "")),
        guided=tuple(GuidedHead(**head) for head in config.get("guided", ())),
        pairs=PAIRS,
    )
