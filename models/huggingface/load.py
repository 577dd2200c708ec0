"""A model by its hub id or from a local folder: safetensors only, never with code of its own, float32.

`HF_HUB_OFFLINE`, `HF_ENDPOINT`, `HF_HOME` and `HF_TOKEN` mean here what they mean to Hugging Face's own tools.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import errors as hub
from safetensors import SafetensorError

from models.errors import (
    CorruptCheckpoint,
    FolderWithoutConfig,
    Gated,
    ModelError,
    NeedsRemoteCode,
    NoNetwork,
    NotSafetensors,
    UnknownArchitecture,
    UnknownModel,
)
from models.huggingface.images import image_processor, sees
from models.huggingface.wrap import Wrapped

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
"""What may be asked of the hub: `gpt2`, `Helsinki-NLP/opus-mt-en-zh`."""

OTHER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
DISPENSABLE = re.compile(r"(^|\.)pooler\.")
"""Weights that may be missing from a checkpoint: they come after everything that is shown."""


def load_pretrained(name: str, offered: Sequence[str] = ()) -> Wrapped:
    """The model of a local folder or a hub id, ready to be recorded; `offered` are the names to suggest instead.

    Raises:
        ModelError: it does not exist, cannot be fetched, or cannot be used; see `models.errors`.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        _check_folder(name, folder)
    elif not HUB_ID.fullmatch(name):
        raise UnknownModel(name, offered)
    place = str(folder) if folder.is_dir() else name
    try:
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(place, trust_remote_code=False)
        model = _model(name, place, config)
    except ModelError:
        raise
    except Exception as error:
        raise _told(name, error, offered) from error
    processor = image_processor(place) if sees(model) else None
    return Wrapped(model, _tokenizer(place), name=name, processor=processor)


def _check_folder(name: str, folder: Path) -> None:
    """Refuse before anything is read what cannot be a model of ours."""
    if not (folder / "config.json").is_file():
        raise FolderWithoutConfig(name)
    try:
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorruptCheckpoint(name) from error
    if not any(folder.glob("*.safetensors")):
        other = any(path for pattern in OTHER_WEIGHTS for path in folder.glob(pattern))
        raise NotSafetensors(name) if other else CorruptCheckpoint(name)


def _model(name: str, place: str, config: Any) -> Any:
    """The model as the class that its checkpoint names, where transformers has it."""
    import transformers
    from transformers import AutoModel, PreTrainedModel

    kind = getattr(transformers, (config.architectures or ("",))[0] or "AutoModel", AutoModel)
    if not (isinstance(kind, type) and (issubclass(kind, PreTrainedModel) or kind is AutoModel)):
        kind = AutoModel
    loaded: Any = kind.from_pretrained(
        place, config=config, use_safetensors=True, dtype=torch.float32, output_loading_info=True
    )
    model, info = loaded
    if [key for key in info["missing_keys"] if not DISPENSABLE.search(key)] or info["mismatched_keys"]:
        raise CorruptCheckpoint(name)
    return model


def _tokenizer(place: str) -> Any:
    """The model's tokenizer; None where there is none that can be used here."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        known = set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids)
    except Exception:  # noqa: BLE001 -- tokenizers fail in many ways; without one the model still takes ids
        return None
    return tokenizer if known else None  # without files transformers makes an empty one


def _told(name: str, error: Exception, offered: Sequence[str]) -> ModelError:
    """The error of ours that says what happened."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    kinds: tuple[tuple[tuple[type, ...], ModelError], ...] = (
        ((hub.GatedRepoError,), Gated(name)),
        ((hub.RepositoryNotFoundError, hub.RevisionNotFoundError), UnknownModel(name, offered)),
        ((SafetensorError, json.JSONDecodeError, UnicodeDecodeError), CorruptCheckpoint(name)),
    )
    for types, told in kinds:
        if any(isinstance(link, types) for link in chain):
            return told
    return _by_words(name, " ".join(str(link) for link in chain), chain)


def _by_words(name: str, said: str, chain: list[BaseException]) -> ModelError:
    """The same, from what transformers says where it has no exception of its own."""
    if "trust_remote_code" in said or "contains custom code" in said:
        return NeedsRemoteCode(name)
    if "does not recognize this architecture" in said or "Unrecognized" in said:
        return UnknownArchitecture(name)
    if "safetensors" in said and "does not appear to have a file named" in said:
        return NotSafetensors(name)
    lost = (
        hub.LocalEntryNotFoundError,
        hub.OfflineModeIsEnabled,
        hub.HfHubHTTPError,
        ConnectionError,
        TimeoutError,
    )
    if (
        any(isinstance(link, lost) for link in chain)
        or "couldn't connect" in said
        or "offline" in said.lower()
    ):
        return NoNetwork(name)
    return CorruptCheckpoint(name)
