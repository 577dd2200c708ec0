"""What a model is given to read: text, ready ids or images, checked before anything runs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor

from models.errors import (
    BadRequest,
    EmptyText,
    NeedsImage,
    NeedsText,
    NoTokenizer,
    NoTokens,
    TargetTooLong,
    TextTooLarge,
    TextTooLong,
)
from models.huggingface.device import beside
from models.huggingface.dummy import alone, image_size, text_config
from models.huggingface.images import Images, Picture, Seen
from models.huggingface.pairs import encoded, in_segments
from models.huggingface.ready import Inputs, checked, marks_images
from models.huggingface.tokens import text_tokens
from models.trace import Token

CHARACTER_LIMIT = 200_000
"""The longest text that is looked at at all."""

WRITTEN_LIMIT = 64
"""The most tokens that a decoder writes when no target is given."""

STRETCH = "interpolate_pos_encoding"
"""How a vision model is told that an image is not of its usual size, where it wants to be told."""

_IDS = re.compile(r"\s*\d{1,9}([\s,]+\d{1,9})*\s*")


@dataclass(eq=False)
class Reader:
    """Makes the inputs of one model, and the tokens that stand for them."""

    name: str
    model: Any
    tokenizer: Any
    limit: int
    images: Images
    accepted: frozenset[str] = field(init=False)
    segments: bool = field(init=False)
    """Whether the model has an embedding for each sentence of a pair."""

    def __post_init__(self) -> None:
        self.accepted = frozenset(inspect.signature(self.model.forward).parameters)
        types = int(getattr(text_config(self.model), "type_vocab_size", 0) or 0)
        self.segments = types > 1 and "token_type_ids" in self.accepted

    def read(
        self, text: str, inputs: Mapping[str, Any] | None, image: Picture | None
    ) -> tuple[Inputs, tuple[Token, ...], Seen | None]:
        """What was given as inputs, the tokens of its text, and what is seen of its image.

        Raises:
            TextError: nothing to read, too long, or no tokenizer.
            ImageError: no image where one is needed, or one that cannot be taken; no text beside it.
            BadRequest: text, an image or inputs that this model does not read.
        """
        if inputs is not None and (image is not None or text.strip()):
            raise BadRequest(f"{'text' if image is None else 'an image'} beside inputs=; give one of them")
        if inputs is not None:
            given, tokens = self.ready(inputs)
            values = given.get("pixel_values")
            return given, tokens, Seen({}, self.images.picture(values)) if values is not None else None
        if image is None:
            if "pixel_values" in self.accepted and not self.is_enough("input_ids"):
                raise NeedsImage(self.name)
            return (*self.text(text), None)
        seen = self._seen(image)
        given: Inputs = {name: value for name, value in seen.inputs.items() if name in self.accepted}
        if given["pixel_values"].shape[-2:] != image_size(self.model) and STRETCH in self.accepted:
            given[STRETCH] = True
        if text.strip():
            read, tokens = self.text(text)
            return given | read, tokens, seen
        if self.is_enough("pixel_values"):
            return given, (), seen
        if not self.model.can_generate():
            raise NeedsText(self.name)
        given["input_ids"] = self.written(given)  # a caption
        return given, text_tokens(given["input_ids"][0].tolist(), self.tokenizer), seen

    def _seen(self, image: Picture) -> Seen:
        if "pixel_values" not in self.accepted:
            raise BadRequest(f"an image for {self.name}, which reads {self.model.main_input_name}")
        if marks_images(self.model):
            raise BadRequest(f"an image for {self.name}, which marks its place in the text; give inputs=")
        return self.images.read(image)

    @cache  # noqa: B019 -- a reader lives as long as its model
    def is_enough(self, name: str) -> bool:
        """Whether `input_ids` or `pixel_values` alone will do, as a run on nothing else shows."""
        if name not in self.accepted:
            return False
        if not {"input_ids", "pixel_values"} <= self.accepted:
            return True
        if self.model.config.is_encoder_decoder:
            return name == self.model.main_input_name
        try:
            with torch.no_grad():
                self.model(**alone(self.model, name))
        except Exception:  # noqa: BLE001 -- whatever foreign code raises when something is missing
            return False
        return True

    def text(self, text: str) -> tuple[Inputs, tuple[Token, ...]]:
        """A text as inputs, and its tokens with their places in it; without a tokenizer, ids such as “12 7 29”.

        Raises:
            TextError: nothing to read, too long, or no tokenizer.
            BadRequest: the model reads no text.
        """
        if "input_ids" not in self.accepted:
            raise BadRequest(f"text for {self.name}, which reads {self.model.main_input_name}; give inputs=")
        if not text.strip():
            raise EmptyText
        if len(text) > CHARACTER_LIMIT:
            raise TextTooLarge(len(text), CHARACTER_LIMIT)
        if self.tokenizer is None and _IDS.fullmatch(text):
            return self.ready({"input_ids": [int(id) for id in re.findall(r"\d+", text)]})
        read = self._encode(text)
        ids = read["input_ids"][0].tolist()
        if not ids:
            raise NoTokens
        if self.limit and len(ids) > self.limit:
            raise TextTooLong(len(ids), self.limit)
        offsets = read.pop("offset_mapping", None)
        tokens = text_tokens(ids, self.tokenizer, text, None if offsets is None else offsets[0].tolist())
        read = {key: value for key, value in read.items() if key in self.accepted}
        return read, self._in_segments(tokens, read)

    def _in_segments(self, tokens: tuple[Token, ...], read: Inputs) -> tuple[Token, ...]:
        """The tokens with their sentences, where the model tells sentences apart; all are of the first if none says."""
        if not self.segments:
            return tokens
        given = read.get("token_type_ids")
        return in_segments(tokens, [0] * len(tokens) if given is None else given[0].tolist())

    def check_length(self, text: str, limit: int) -> None:
        """Refuse a text of more than so many tokens, or of more than the model reads.

        Raises:
            TextTooLong: it has more.
        """
        limit = min(limit, self.limit or limit)
        limit = min(limit, self.limit or limit)
        if self.tokenizer is not None and len(text) > limit // 8:  # a letter is at most a few tokens
            count = len(self._encode(text[:CHARACTER_LIMIT])["input_ids"][0])
            if count > limit:
                raise TextTooLong(count, limit)

    def _encode(self, text: str) -> Inputs:
        if self.tokenizer is None:
            raise NoTokenizer(self.name)
        try:
            read = encoded(self.tokenizer, text, self.segments)
        except Exception as error:  # tokenizers raise nothing more precise on a text that they cannot cut
            raise NoTokens from error
        return read | {"input_ids": read["input_ids"].long()}

    def ready(self, inputs: Mapping[str, Any]) -> tuple[Inputs, tuple[Token, ...]]:
        """Ready tensors, each with a batch axis of one where it has one; ids are checked against the vocabulary.

        Raises:
            BadRequest: unknown names, a batch of several, ids outside the vocabulary, lengths that do not fit.
            TextTooLong: more ids than the model reads.
        """
        unknown = [name for name in inputs if name not in self.accepted]
        if unknown or not inputs:
            known = {"input_ids", "decoder_input_ids", "attention_mask", self.model.main_input_name}
            listed = ", ".join(sorted(known & self.accepted))
            raise BadRequest(f"inputs {', '.join(unknown) or 'without anything'}; {self.name} reads {listed}")
        tensors = checked(self.model, inputs)
        ids = tensors.get("input_ids")
        if ids is None:
            return tensors, ()
        if self.limit and ids.shape[1] > self.limit:
            raise TextTooLong(ids.shape[1], self.limit)
        return tensors, self._in_segments(text_tokens(ids[0].tolist(), self.tokenizer), tensors)

    def decoded(self, given: Inputs, target: str | None) -> Inputs:
        """What an encoder-decoder's decoder reads beside these inputs: given, typed, of the labels, or its own words.

        Raises:
            TextError: a target that is too long, or of which the tokenizer makes nothing.
            BadRequest: a target for a model without a decoder of its own, or beside what the decoder reads.
        """
        ready = [name for name in ("decoder_input_ids", "decoder_inputs_embeds", "labels") if name in given]
        if not self.model.config.is_encoder_decoder or "decoder_input_ids" not in self.accepted:
            if target is not None:
                raise BadRequest(f"a target for {self.name}, which has no decoder beside its encoder")
            return {}
        if target is not None and ready:
            raise BadRequest(f"a target beside {ready[0]}; give one of them")
        if ready[:1] == ["labels"]:
            return self._shifted(given)
        if ready:
            return {}
        return {"decoder_input_ids": self.written(given) if target is None else self.target(target)}

    def _shifted(self, given: Inputs) -> Inputs:
        """The labels as the model itself gives them to its decoder: one place later, after the start token."""
        shift = getattr(self.model, "prepare_decoder_input_ids_from_labels", None)
        return {} if shift is None else {"decoder_input_ids": shift(labels=given["labels"])}

    def target(self, target: str) -> Tensor:
        """What the decoder reads for a typed target: the start token, then the target, if any, without its end.

        Raises:
            TargetTooLong: more tokens than the decoder reads.
            NoTokens: the tokenizer makes nothing of it.
        """
        if not target.strip():
            return torch.tensor([[self.start()]])
        if self.tokenizer is None:
            raise NoTokenizer(self.name)
        ids = list(self.tokenizer(text_target=target)["input_ids"])
        if not ids:
            raise NoTokens
        ids = ids[:-1] if ids[-1] == self.tokenizer.eos_token_id else ids
        if self.limit and len(ids) + 1 > self.limit:
            raise TargetTooLong(len(ids) + 1, self.limit)
        start = self.start()
        return torch.tensor([ids if ids[:1] == [start] else [start, *ids]])

    def start(self) -> int:
        """The token with which the decoder begins."""
        config, generation = self.model.config, getattr(self.model, "generation_config", None)
        known = (
            getattr(place, name, None)
            for name in ("decoder_start_token_id", "bos_token_id", "pad_token_id")
            for place in (generation, config)
        )
        return next((int(id) for id in known if isinstance(id, int)), 0)

    def written(self, inputs: Inputs) -> Tensor:
        """What the decoder itself writes, greedily: the start token and on, without the end token."""
        if not self.model.can_generate():
            return torch.tensor([[self.start()]])
        limit = min(WRITTEN_LIMIT, (self.limit or WRITTEN_LIMIT + 1) - 1)
        with torch.no_grad():
            given = beside(self.model, inputs)
            ids = self.model.generate(**given, do_sample=False, num_beams=1, max_new_tokens=limit)[0]
        ends = self.model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        last = len(ids) - 1 if len(ids) > 1 and int(ids[-1]) in ends else len(ids)
        return ids[None, :last]
