"""Everything that can go wrong on purpose.

    MicroscopeError
    ├── ModelError
    │   ├── UnknownModel         ├── NeedsRemoteCode      ├── CorruptCheckpoint
    │   ├── NoNetwork            ├── NotSafetensors       ├── NoSoftmaxAttention
    │   ├── Gated                ├── FolderWithoutConfig  ├── UnknownArchitecture
    │   ├── TokenRefused         ├── ModelTooLarge        ├── NotEnoughMemory
    │   ├── NotOffered           ├── ModelNotOpen         ├── NotEnoughDisk
    │   ├── CannotGenerate       ├── SparseAttention      ├── UnprovedSteps
    │   └── UnreadableAttention  └── ApproximateAttention
    ├── TextError
    │   ├── EmptyText            ├── TextTooLarge (characters)
    │   ├── OnlyUnknownWords     ├── TargetTooLong        ├── NoTokenizer
    │   ├── TextTooLong (tokens) ├── TargetOnlyUnknown    ├── NoTokens
    │   └── ContextFull
    ├── ImageError
    │   ├── NotAnImage           ├── NeedsImage
    │   └── ImageTooLarge        └── NeedsText
    ├── EditError
    │   ├── UnsupportedEdit
    │   └── EditOutOfRange
    └── RequestError
        ├── BadRequest           ├── StaleKey
        ├── ServerBusy           ├── ImageGone
        └── TooManySteps

Each has an `id`, under which `assets/texts/errors.toml` holds its message in both languages, and `facts` that fill it.
The English message here says the same to a person in Python: what, got, wanted, what to do.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.model_errors import (
    ApproximateAttention,
    CannotGenerate,
    CorruptCheckpoint,
    FolderWithoutConfig,
    Gated,
    MicroscopeError,
    ModelError,
    ModelNotOpen,
    ModelTooLarge,
    NeedsRemoteCode,
    NoNetwork,
    NoSoftmaxAttention,
    NotEnoughDisk,
    NotEnoughMemory,
    NotOffered,
    NotSafetensors,
    SparseAttention,
    TokenRefused,
    UnknownArchitecture,
    UnknownModel,
    UnprovedSteps,
    UnreadableAttention,
)

__all__ = [
    "ApproximateAttention",
    "BadRequest",
    "CannotGenerate",
    "ContextFull",
    "CorruptCheckpoint",
    "EditError",
    "EditOutOfRange",
    "EmptyText",
    "FolderWithoutConfig",
    "Gated",
    "ImageError",
    "ImageGone",
    "ImageTooLarge",
    "MicroscopeError",
    "ModelError",
    "ModelNotOpen",
    "ModelTooLarge",
    "NeedsImage",
    "NeedsRemoteCode",
    "NeedsText",
    "NoNetwork",
    "NoSoftmaxAttention",
    "NoTokenizer",
    "NoTokens",
    "NotAnImage",
    "NotEnoughDisk",
    "NotEnoughMemory",
    "NotOffered",
    "NotSafetensors",
    "OnlyUnknownWords",
    "RequestError",
    "ServerBusy",
    "SparseAttention",
    "StaleKey",
    "TargetOnlyUnknown",
    "TargetTooLong",
    "TextError",
    "TextTooLarge",
    "TextTooLong",
    "TokenRefused",
    "TooManySteps",
    "UnknownArchitecture",
    "UnknownModel",
    "UnprovedSteps",
    "UnreadableAttention",
    "UnsupportedEdit",
]


class TextError(MicroscopeError):
    """About what was typed."""


class EmptyText(TextError):
    """Nothing to read."""

    id = "empty_text"

    def __init__(self) -> None:
        super().__init__("the text is empty; type a sentence of at least one word")


class TextTooLong(TextError):
    """More tokens than the model reads."""

    id = "text_too_long"

    def __init__(self, got: int, limit: int) -> None:
        super().__init__(f"the text has {got} tokens; at most {limit} fit; shorten it", got=got, limit=limit)


class TextTooLarge(TextError):
    """More characters than are looked at."""

    id = "text_too_large"

    def __init__(self, got: int, limit: int) -> None:
        super().__init__(
            f"the text has {got} characters; at most {limit} are read; shorten it", got=got, limit=limit
        )


class OnlyUnknownWords(TextError):
    """Not one word that the model knows."""

    id = "only_unknown"

    def __init__(self, words: Sequence[str]) -> None:
        listed = ", ".join(words)
        super().__init__(f"the model knows none of: {listed}; use words of its vocabulary", words=listed)


class TargetTooLong(TextError):
    """More target tokens than the decoder reads."""

    id = "target_too_long"

    def __init__(self, got: int, limit: int) -> None:
        super().__init__(
            f"the target has {got} tokens; at most {limit} fit; shorten it", got=got, limit=limit
        )


class TargetOnlyUnknown(TextError):
    """Not one target word that the model knows."""

    id = "target_only_unknown"

    def __init__(self, words: Sequence[str]) -> None:
        listed = ", ".join(words)
        super().__init__(f"the model knows no target word of: {listed}; leave the target empty", words=listed)


class NoTokenizer(TextError):
    """A text for a model that came without a tokenizer."""

    id = "no_tokenizer"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} came without a tokenizer; type ids such as 12 7 29, or give them as inputs=", got=name
        )


class NoTokens(TextError):
    """A text of which the tokenizer leaves nothing."""

    id = "no_tokens"

    def __init__(self) -> None:
        super().__init__("the tokenizer makes no token of this text; type something else")


class ContextFull(TextError):
    """No room for as many new tokens as were asked for."""

    id = "context_full"

    def __init__(self, got: int, steps: int, limit: int) -> None:
        super().__init__(
            f"{got} tokens and {steps} new ones do not fit into the {limit} that the model reads; shorten the text "
            "or ask for fewer steps",
            got=got,
            steps=steps,
            limit=limit,
        )


class ImageError(MicroscopeError):
    """About an image."""


class NotAnImage(ImageError):
    """Something that cannot be opened as an image: another kind of file, or a broken one."""

    id = "not_an_image"

    def __init__(self) -> None:
        super().__init__("this cannot be opened as an image; give a whole PNG, JPEG, WebP, GIF, BMP or TIFF")


class ImageTooLarge(ImageError):
    """More bytes or pixels than are looked at; `got` and `limit` come with their unit."""

    id = "image_too_large"

    def __init__(self, got: str, limit: str) -> None:
        super().__init__(
            f"the image has {got}, or would have once resized; at most {limit}; make it smaller or less long",
            got=got,
            limit=limit,
        )


class NeedsImage(ImageError):
    """A model that sees, and nothing to look at."""

    id = "needs_image"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} reads an image; give image=", got=name)


class NeedsText(ImageError):
    """A model that reads a text beside the image, and no text."""

    id = "needs_text"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} reads a text beside the image; give both", got=name)


class EditError(MicroscopeError):
    """About an edit."""


class UnsupportedEdit(EditError):
    """An edit that this model cannot apply."""

    id = "unsupported_edit"

    def __init__(self, edit: object, known: Sequence[type]) -> None:
        listed = ", ".join(kind.__name__ for kind in known)
        super().__init__(f"cannot apply {edit!r}; edits built so far: {listed}", got=repr(edit), known=listed)


class EditOutOfRange(EditError):
    """An edit that names a block, head, query or key which this run does not have."""

    id = "edit_out_of_range"

    def __init__(self, edit: object) -> None:
        super().__init__(
            f"{edit!r} names a block, head, query or key that this run does not have", got=repr(edit)
        )


class RequestError(MicroscopeError):
    """About a request to the server."""


class BadRequest(RequestError):
    """A request that says nothing sensible."""

    id = "bad_request"

    def __init__(self, got: str) -> None:
        super().__init__(f"cannot understand the request: {got}", got=got)


class StaleKey(RequestError):
    """A key made for another version of the model or the program."""

    id = "stale_key"

    def __init__(self) -> None:
        super().__init__("this key belongs to another version of the model; run the text again")


class ServerBusy(RequestError):
    """Too many runs, or models to be opened, at once."""

    id = "server_busy"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} requests are waiting already; try again in a moment", limit=limit)


class ImageGone(RequestError):
    """An uploaded image that is no longer kept."""

    id = "image_gone"

    def __init__(self, got: str) -> None:
        super().__init__(f"the image {got} is no longer here; upload it again", got=got)


class TooManySteps(RequestError):
    """More new tokens than are written at once."""

    id = "too_many_steps"

    def __init__(self, got: int, limit: int) -> None:
        super().__init__(f"{got} steps; at most {limit} are written; ask for fewer", got=got, limit=limit)
