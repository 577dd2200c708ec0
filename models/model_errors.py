"""The root of everything that can go wrong on purpose, and what is about the model that was asked for.

`models.errors` draws the whole tree and is where to import from.
"""

from __future__ import annotations

from collections.abc import Collection
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
        super().__init__(f"no model {name!r}; use one of: {listed}", got=name)


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


class UnprovedSteps(_OneModel):
    """Passes of a generation that do not add up to one over the whole text, as XLNet's, which reads tokens again."""

    id = "unproved_steps"
    said = (
        "what it computes while it writes does not add up to one pass over the text (some models read tokens again), "
        "so its steps cannot be shown; record a text instead, or choose a model such as GPT-2 or T5"
    )


class SparseAttention(_OneModel):
    """Attention in blocks that are scattered over the text, of which only pieces could be shown."""

    id = "sparse_attention"
    said = (
        "for a text this long it computes attention in scattered blocks, which cannot be shown whole; shorten the "
        "text, or load it with attention_type='original_full'"
    )


class ApproximateAttention(_OneModel):
    """Attention through a few landmarks or pooled tokens, which has no weights of token upon token."""

    id = "approximate_attention"
    said = (
        "it approximates attention through landmarks or pooled tokens, so that there are no weights of token "
        "upon token to be shown; choose a model with softmax attention between tokens"
    )


class UnreadableAttention(_OneModel):
    """A way of computing attention whose masks are no tensors, such as FlexAttention."""

    id = "unreadable_attention"
    said = (
        "its attention is computed by a function whose masks cannot be read, such as flex_attention; load it with "
        "attn_implementation='sdpa' or 'eager'"
    )
