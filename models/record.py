"""From a text to a trace: `record`, and the `Request` that names a run so that it can be made again anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.catalog import Model, is_open, leased, load
from models.edits import PositionsOff
from models.errors import BadRequest, ModelNotOpen, StaleKey
from models.huggingface.images import Picture
from models.orders import parsed
from models.pictures import PICTURES
from models.recorder import Edit
from models.trace import Site, Trace

SCHEMA = 1
"""Version of what a key stands for; raise it when the same request gives other arrays."""

KEY_LIMIT = 16_000
"""The longest key, in characters, that is made, and that is unpacked at all."""

LENGTH_LIMIT = 1024
"""The most tokens of a text that has a key, so that its heads can be looked at in a browser."""

UNPACKED_LIMIT = 1 << 20
"""How many bytes a key may unpack to."""


def record(  # noqa: PLR0913 -- one keyword for each thing that a person may choose
    model: str | Model,
    text: str = "",
    *,
    target: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    language: str | None = None,
    edits: Sequence[Edit] = (),
    image: Picture | None = None,
    keep: Collection[Site] | None = None,
    reading: str | None = None,
    order: Sequence[int] | None = None,
) -> Trace:
    """Run a model once on a text, an image or both and keep every number it computes.

    Args:
        model: a loaded model, or the name of one.
        text: what the model reads; for an encoder-decoder, the source.
        target: what an encoder-decoder's decoder reads; may begin with a language tag such as `<zh>`.
            Without one the model's own greedy output is read back in one teacher-forced pass.
        inputs: ready ids or images instead of text, a batch of one.
        language: what a built-in model translates into, `fr`, `zh` or `en`; chosen from the text if not given.
        edits: changes to make inside this run.
        image: what a vision model looks at; a file's content or place, a Pillow image, or uint8 pixels.
        reading: `reversed`, and a recurrent translator reads the source from its last word to its first.
        order: which token of the text then stands at each place, a permutation; as it was typed if not given.
        keep: sites to keep whatever memory they take; for a long text others are left out, see `Trace.dropped`.

    Raises:
        MicroscopeError: the text, target, image or edit cannot be taken; see `models.errors`.
    """
    loaded = load(model) if isinstance(model, str) else model
    return loaded.record(
        text,
        target=target,
        language=language,
        inputs=inputs,
        edits=edits,
        image=image,
        keep=keep,
        reading=reading,
        order=order,
    )


@dataclass(frozen=True)
class Request:
    """Everything that decides what a trace contains; equal requests give equal traces."""

    model: str
    text: str
    target: str | None = None
    language: str | None = None
    image: str | None = None
    """What `models.pictures` knows the image by: the digest of an upload, or an example."""
    dtype: str | None = None
    """What a Hugging Face model computes in; float32 if not said."""
    reading: str | None = None
    """How a recurrent translator reads the source: `reversed`, or as it was typed if not said."""

    order: str | None = None
    """Which token of the text then stands at each place, such as `2,0,1`; as it was typed if not said."""
    positions: str | None = None
    """`off`, and nothing says where a token stands; as ever if not said."""

    def __post_init__(self) -> None:
        try:
            "".join((self.model, *(part for part in asdict(self).values() if part is not None))).encode()
        except (TypeError, UnicodeEncodeError) as error:
            raise BadRequest("what is not text, such as half of a surrogate pair") from error

    @property
    def key(self) -> str:
        """This request as text for an address: a digest with the model's revision, then the request itself.

        Raises:
            BadRequest: the text is too long for an address.
        """
        packed = zlib.compress(json.dumps(self._said(), ensure_ascii=False, sort_keys=True).encode(), 9)
        spelled = base64.urlsafe_b64encode(packed).decode().rstrip("=")
        if len(spelled) > KEY_LIMIT:
            raise BadRequest(
                f"a text whose key has {len(spelled)} characters; at most {KEY_LIMIT} fit an address"
            )
        return f"{self._digest()}.{spelled}"

    @classmethod
    def from_key(cls, key: str) -> Request:
        """The request that a key was made from, if its model is open.

        Raises:
            BadRequest: not a key.
            ModelNotOpen: for any other model; nothing is loaded.
            StaleKey: made for another revision of the model, or another schema.
        """
        digest, _, packed = key.partition(".")
        request = cls._unpack(packed)
        if not is_open(request.model, request.dtype):
            raise ModelNotOpen(request.model)
        if digest != request._digest():
            raise StaleKey
        return request

    def run(self) -> Trace:
        """The trace of this request.

        Raises:
            ImageGone: its image is no longer kept.
            TextTooLong: more than `LENGTH_LIMIT` tokens.
            MicroscopeError: whatever the run itself raises.
        """
        image = None if self.image is None else PICTURES.get(self.image)
        with leased(self.model, self.dtype) as model:
            model.check_length(self.text, LENGTH_LIMIT)
            return model.record(
                self.text,
                target=self.target,
                language=self.language,
                image=image,
                reading=self.reading,
                order=parsed(self.order),
                edits=[PositionsOff()] if self._is_unplaced() else (),
            )

    def _is_unplaced(self) -> bool:
        if self.positions not in (None, "off"):
            raise BadRequest(f"positions {self.positions!r}; say off, or nothing")
        return self.positions == "off"

    def _said(self) -> dict[str, str | None]:
        """The fields that a key is made of; one of a text alone says nothing of images or of a dtype."""
        later = ("image", "dtype", "reading", "order", "positions")
        return {name: value for name, value in asdict(self).items() if name not in later or value is not None}

    @classmethod
    def _unpack(cls, packed: str) -> Request:
        if len(packed) > KEY_LIMIT:
            raise BadRequest(f"a key of {len(packed)} characters")
        try:
            raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
            unpacking = zlib.decompressobj()
            fields = json.loads(unpacking.decompress(raw, UNPACKED_LIMIT))
            if not unpacking.eof or unpacking.unused_data:
                raise ValueError("cut short, or too long")
            return cls(**fields)
        except (ValueError, TypeError, RecursionError, zlib.error) as error:
            raise BadRequest("not a key of a run") from error

    def _digest(self) -> str:
        said = json.dumps([SCHEMA, load(self.model, self.dtype).card.revision, self._said()], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:16]
