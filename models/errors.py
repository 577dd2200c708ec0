"""Everything that can go wrong on purpose.

    MicroscopeError
    ├── ModelError
    │   ├── UnknownModel         ├── NeedsRemoteCode      ├── CorruptCheckpoint
    │   ├── NoNetwork            ├── NotSafetensors       ├── NoSoftmaxAttention
    │   ├── Gated                ├── FolderWithoutConfig  ├── UnknownArchitecture
    │   ├── TokenRefused         ├── ModelTooLarge        └── NotEnoughMemory
    │   └── NotEnoughDisk        ├── CannotGenerate       └── SparseAttention
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

from collections.abc import Collection, Sequence
from typing import ClassVar


class MicroscopeError(Exception):
    """Any error that this project raises on purpose."""

    id: ClassVar[str] = "internal"

    def __init__(self, message: str, **facts: str | int) -> None:
        super().__init__(message)
        self.facts = facts


class ModelError(MicroscopeError):
    """About the model that was asked for."""


class UnknownModel(ModelError):
    """No model of that name."""

    id = "unknown_model"

    def __init__(self, name: str, known: Collection[str]) -> None:
        listed = ", ".join((*known, "a Hugging Face id", "a local folder"))
        super().__init__(f"no model {name!r}; use one of: {listed}", got=name, known=", ".join(known))


class _OneModel(ModelError):
    """About one model, by the name it was asked for."""

    said: ClassVar[str]

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r}: {self.said}", got=name)


class ModelNotOpen(_OneModel):
    """A model that could be opened, and is not, or no longer."""

    id = "model_not_open"
    said = "not open, or no longer; open it again"


class NotOffered(_OneModel):
    """A model that this server does not open for anybody."""

    id = "not_offered"
    said = "this server opens models of the Hugging Face hub only, no folders; choose one of those"


class NoNetwork(_OneModel):
    """The hub cannot be reached, and the model is not on this machine."""

    id = "no_network"
    said = (
        "not on this machine, and the Hugging Face hub cannot be reached; connect to a network, set HF_ENDPOINT to "
        "a mirror, or give a local folder"
    )


class Gated(_OneModel):
    """The hub wants to know who asks."""

    id = "gated"
    said = "this model is gated; accept its terms on its page at the hub and set HF_TOKEN in the environment"


class TokenRefused(_OneModel):
    """The hub does not accept the token in the environment; the token itself is never said."""

    id = "token_refused"
    said = "the hub refuses the HF_TOKEN of this environment; put a valid one there, or unset it"


class NeedsRemoteCode(_OneModel):
    """The model brings its own Python code."""

    id = "needs_remote_code"
    said = "this model runs Python code of its own, which is never run here; use one whose code is in transformers"


class NotSafetensors(_OneModel):
    """Weights only in a format that can run code when it is read."""

    id = "not_safetensors"
    said = "its weights are not in safetensors; other formats can run code when they are read; convert them first"


class FolderWithoutConfig(_OneModel):
    """A folder, or a repository of the hub, that is no model of transformers."""

    id = "folder_without_config"
    said = "no config.json in there; give a model of transformers, or the folder that save_pretrained wrote"


class CorruptCheckpoint(_OneModel):
    """Files that cannot be read, or that do not fit the model."""

    id = "corrupt_checkpoint"
    said = "its files are incomplete or broken; delete them and download or save the model again"


class UnknownArchitecture(_OneModel):
    """A kind of model that this version of transformers does not know."""

    id = "unknown_architecture"
    said = "this version of transformers does not know its architecture; choose another model"


class NoSoftmaxAttention(ModelError):
    """A model without a single layer of softmax attention, such as Mamba or RWKV."""

    id = "no_softmax_attention"

    def __init__(self, name: str, kinds: str) -> None:
        said = f"none of its layers has softmax attention: {kinds}; choose a Transformer"
        super().__init__(f"{name!r}: {said}", got=name, kinds=kinds)


class ModelTooLarge(ModelError):
    """More bytes than are fetched or read; GB are 10⁹ bytes, already spelled."""

    id = "model_too_large"

    def __init__(self, name: str, got: str, limit: str) -> None:
        super().__init__(
            f"{name!r}: its files have {got} GB; at most {limit} GB are taken; choose a smaller model, or raise "
            "ATTENTION_MICROSCOPE_MODEL_LIMIT",
            name=name,
            got=got,
            limit=limit,
        )


class NotEnoughDisk(ModelError):
    """A download that would fill the disk."""

    id = "not_enough_disk"

    def __init__(self, name: str, needed: str, free: str) -> None:
        super().__init__(
            f"{name!r}: {needed} GB are to be downloaded, and {free} GB are free; make room, or set HF_HOME to another "
            "disk",
            name=name,
            needed=needed,
            free=free,
        )


class NotEnoughMemory(ModelError):
    """Weights that do not fit in what is free of the memory."""

    id = "not_enough_memory"

    def __init__(self, name: str, needed: str, free: str) -> None:
        super().__init__(
            f"{name!r}: its weights take {needed} GB of memory, and {free} GB are free; choose a smaller model, or "
            "dtype='bfloat16', which takes half of it",
            name=name,
            needed=needed,
            free=free,
        )


class CannotGenerate(_OneModel):
    """A model that writes no text, such as BERT."""

    id = "cannot_generate"
    said = "this model does not write text; choose one that does, such as GPT-2 or T5"


class SparseAttention(_OneModel):
    """Attention in blocks that are scattered over the text, of which only pieces could be shown."""

    id = "sparse_attention"
    said = (
        "for a text this long it computes attention in scattered blocks, which cannot be shown whole; shorten the "
        "text, or load it with attention_type='original_full'"
    )


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
            f"{name!r} came without a tokenizer; give inputs={{'input_ids': ...}} instead of text", got=name
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
