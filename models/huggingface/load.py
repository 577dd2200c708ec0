"""A model by its hub id or from a local folder: safetensors only, never with code of its own.

`HF_HUB_OFFLINE`, `HF_ENDPOINT`, `HF_HOME` and `HF_TOKEN` mean here what they mean to Hugging Face's own tools.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import errors as hub
from safetensors import SafetensorError

from models import machine
from models.errors import (
    BadRequest,
    CorruptCheckpoint,
    FolderWithoutConfig,
    Gated,
    ModelError,
    ModelTooLarge,
    NeedsRemoteCode,
    NoNetwork,
    NotEnoughMemory,
    NotSafetensors,
    TokenRefused,
    UnknownArchitecture,
    UnknownModel,
)
from models.huggingface.device import placed, placement
from models.huggingface.hub import CONFIG, OTHER_WEIGHTS, Download, cached, listing, revision, weight_files
from models.huggingface.images import image_processor, sees
from models.huggingface.wrap import Wrapped
from models.progress import Cancelled, Progress

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
"""What may be asked of the hub: `gpt2`, `Helsinki-NLP/opus-mt-en-zh`."""

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""What a model may compute in; the first unless somebody chooses."""

DISPENSABLE = re.compile(r"(^|\.)pooler\.")
"""Weights that may be missing from a checkpoint: they come after everything that is shown."""

SAID = {
    NeedsRemoteCode: ("trust_remote_code", "contains custom code"),
    UnknownArchitecture: ("does not recognize this architecture", "Unrecognized"),
    NotSafetensors: ("does not appear to have a file named model.safetensors",),
    NoNetwork: ("couldn't connect",),
}
"""What transformers says of what has no exception of its own."""

_alone = threading.RLock()
"""Held by the one thread that has transformers import its parts or make a model. While it imports, it replaces its own
modules, and while it makes a model, functions and the default dtype of torch: two threads at once spoil each other's
work."""

LOST = (
    *(hub.LocalEntryNotFoundError, hub.OfflineModeIsEnabled, ConnectionError, TimeoutError),
    hub.HTTPError,  # of the HTTP library: no connection, or an answer that says that the hub is ill
)


def load_pretrained(
    name: str,
    offered: Sequence[str] = (),
    *,
    place: Path | None = None,
    dtype: str | None = None,
    progress: Progress | None = None,
    make_room: Callable[[int], None] = lambda _: None,
) -> Wrapped:
    """The model of a local folder or a hub id, ready to be recorded.

    Args:
        name: the folder or id.
        offered: the names to suggest instead.
        place: the folder of a model in the box, whose name is no folder.
        dtype: what it computes in, one of `DTYPES`; float32 if not given.
        progress: is told how far it is, and may stop it.
        make_room: is told how many bytes the weights will take, before they are read.

    Raises:
        ModelError: it does not exist, cannot be fetched, or cannot be used; see `models.errors`.
        BadRequest: another dtype.
        Cancelled: `progress` stopped it.
    """
    dtype, progress = checked_dtype(dtype), progress or Progress()
    progress.enter("checking")
    import_transformers()
    folder = place or Path(name).expanduser()
    if not folder.is_dir() and not HUB_ID.fullmatch(name):
        raise UnknownModel(name, offered)
    try:
        folder = folder if folder.is_dir() else cached(name) or _fetched(name, dtype, progress)
        config = _checked(name, folder)
        _check_memory(name, needed_memory(folder, dtype), make_room)
        progress.enter("loading")
        with _alone:
            progress.check()
            model = _model(name, str(folder), config, dtype)
            progress.check()
            processor = image_processor(str(folder)) if sees(model) else None
            tokenizer = _tokenizer(str(folder))
        wrapped = Wrapped(placed(model), tokenizer, name=name, processor=processor)
        progress.check()
    except (ModelError, Cancelled):
        raise
    except Exception as error:
        raise _told(name, error, offered) from error
    return wrapped


def checked_dtype(dtype: str | None) -> str:
    """The name of a dtype that models may compute in.

    Raises:
        BadRequest: another one.
    """
    if dtype is None:
        return next(iter(DTYPES))
    if dtype not in DTYPES:
        raise BadRequest(f"dtype {dtype!r}; use one of {', '.join(DTYPES)}")
    return dtype


def needed_memory(folder: Path, dtype: str) -> int:
    """The bytes that the weights of a folder will take, as the heads of its files say.

    Raises:
        OSError, ValueError, KeyError: a file that is missing or broken.
    """
    return sum(_in_memory(file, DTYPES[dtype].itemsize) for file in weight_files(folder))


def _in_memory(file: Path, float_bytes: int) -> int:
    with file.open("rb") as read:
        size = int.from_bytes(read.read(8), "little")
        if not 0 < size < file.stat().st_size:
            raise ValueError(f"no safetensors: {file.name}")
        tensors = json.loads(read.read(size))
    total = 0
    for name, tensor in tensors.items():
        if name != "__metadata__":
            first, last = tensor["data_offsets"]
            is_float = tensor["dtype"].startswith(("F", "BF"))
            total += int(torch.Size(tensor["shape"]).numel()) * float_bytes if is_float else last - first
    return total


def _fetched(name: str, dtype: str, progress: Progress) -> Path:
    """The folder of a hub model, downloaded once everything that can be known before speaks for it."""
    listed = listing(name)
    download = Download(listed, progress)
    folder = download.config().parent
    _config(folder)
    wanted = download.check_size()
    weights = sum(file.size for file in wanted if file.name.endswith(".safetensors"))
    needed = listed.values * DTYPES[dtype].itemsize or weights
    if needed > machine.memory():
        raise NotEnoughMemory(name, machine.gigabytes(needed), machine.gigabytes(machine.free_memory()))
    progress.enter("downloading")
    download.fetch(wanted)
    return folder


def _checked(name: str, folder: Path) -> Any:
    """The configuration of a folder whose files are whole, allowed, and not too large."""
    _check_folder(name, folder)
    config = _config(folder)
    size = sum(file.stat().st_size for file in weight_files(folder))
    if size > machine.model_limit():
        raise ModelTooLarge(name, machine.gigabytes(size), machine.gigabytes(machine.model_limit()))
    config._commit_hash = revision(folder)  # transformers notes it only where it asks the hub itself
    return config


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    with _alone:
        return AutoConfig.from_pretrained(str(folder), trust_remote_code=False)


def _check_memory(name: str, needed: int, make_room: Callable[[int], None]) -> None:
    """Refuse what would be killed half-way; a GPU has memory of its own, and Accelerate spreads what it cannot hold."""
    make_room(needed)
    if not torch.cuda.is_available() and needed > machine.free_memory():
        raise NotEnoughMemory(name, machine.gigabytes(needed), machine.gigabytes(machine.free_memory()))


def _check_folder(name: str, folder: Path) -> None:
    """Refuse before anything is read what cannot be a model of ours."""
    if not (folder / CONFIG).is_file():
        raise FolderWithoutConfig(name)
    try:
        json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorruptCheckpoint(name) from error
    if not any(folder.glob("*.safetensors")):
        other = any(file.suffix in OTHER_WEIGHTS for file in folder.iterdir())
        raise NotSafetensors(name) if other else CorruptCheckpoint(name)


def _model(name: str, place: str, config: Any, dtype: str) -> Any:
    """The model as the class that its checkpoint names, where transformers has it."""
    import transformers
    from transformers import AutoModel, PreTrainedModel

    kind = getattr(transformers, (config.architectures or ("",))[0] or "AutoModel", AutoModel)
    if not (isinstance(kind, type) and (issubclass(kind, PreTrainedModel) or kind is AutoModel)):
        kind = AutoModel
    loaded: Any = kind.from_pretrained(
        place,
        config=config,
        use_safetensors=True,
        dtype=DTYPES[dtype],
        output_loading_info=True,
        **placement(),
    )
    model, info = loaded
    if [key for key in info["missing_keys"] if not DISPENSABLE.search(key)] or info["mismatched_keys"]:
        raise CorruptCheckpoint(name)
    return model


def import_transformers() -> None:
    """Import the parts of transformers that opening any model needs, which takes seconds the first time."""
    with _alone:
        import transformers

        for name in (
            "AutoConfig",
            "AutoModel",
            "AutoTokenizer",
            "PreTrainedModel",
            "PreTrainedTokenizerFast",
        ):
            getattr(transformers, name)  # transformers imports its parts when they are first named


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
        (
            (hub.RepositoryNotFoundError, hub.RevisionNotFoundError, hub.HFValidationError),
            UnknownModel(name, offered),
        ),
        ((SafetensorError, json.JSONDecodeError, UnicodeDecodeError), CorruptCheckpoint(name)),
        ((MemoryError, torch.OutOfMemoryError), _no_memory(name)),
    )
    for types, told in kinds:
        if any(isinstance(link, types) for link in chain):
            return told
    if any(isinstance(link, hub.HfHubHTTPError) and link.response.status_code == 401 for link in chain):
        refused = any("Invalid credentials" in str(link) for link in chain)
        return (
            TokenRefused(name) if refused else UnknownModel(name, offered)
        )  # it hides what it does not know
    return _by_words(name, " ".join(str(link) for link in chain), chain)


def _no_memory(name: str) -> NotEnoughMemory:
    """What says that the memory did not suffice, when nobody knows how much was wanted."""
    return NotEnoughMemory(name, "?", machine.gigabytes(machine.free_memory()))


def _by_words(name: str, said: str, chain: list[BaseException]) -> ModelError:
    """The same, from what transformers says where it has no exception of its own."""
    if "can't allocate memory" in said:
        return _no_memory(name)
    for kind, phrases in SAID.items():
        if any(phrase in said for phrase in phrases):
            return kind(name)
    is_lost = "offline" in said.lower() or any(isinstance(link, LOST) for link in chain)
    return NoNetwork(name) if is_lost else CorruptCheckpoint(name)
