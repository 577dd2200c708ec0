"""The models offered by name, and the one place that loads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from models.builtin.lengths import Curve, curves
from models.builtin.recurrent_translator import RecurrentTranslator
from models.builtin.translator import Translator
from models.cache import Key, ModelCache
from models.errors import UnknownModel
from models.held_out import HeldOut, held_out
from models.huggingface.load import checked_dtype, load_pretrained
from models.huggingface.wrap import Wrapped
from models.machine import memory_budget
from models.progress import Progress
from models.trace import ModelCard
from models.vocabulary import Words, words_of

CHECKPOINTS = Path(__file__).parents[1] / "assets" / "checkpoints"
Model = Translator | RecurrentTranslator | Wrapped
"""Anything that has a card, a tokenizer, and `record`."""

BUILTIN = (
    "builtin/translator",
    "builtin/translator-plain",
    "builtin/t5",
    "builtin/bert",
    "builtin/gpt",
    "builtin/llama",
    "builtin/moe",
    "builtin/moe-sparse",
    "builtin/vit",
    "builtin/swin",
    "builtin/seq2seq",
    "builtin/seq2seq-attention",
)
"""Models in the box, in the order in which they are offered."""

OWN_CODE: Mapping[str, Callable[[str, Path], Model]] = {
    "builtin/translator": Translator,
    "builtin/translator-plain": Translator,
    "builtin/seq2seq": RecurrentTranslator,
    "builtin/seq2seq-attention": RecurrentTranslator,
}
"""Those that are no transformers models, and the class of ours that each is."""

_models: ModelCache[Model] = ModelCache(memory_budget, BUILTIN)


def load(name: str, dtype: str | None = None, *, progress: Progress | None = None) -> Model:
    """A model by its catalogue name, its Hugging Face id, or its local folder; loaded once and shared.

    `dtype` is float32 if not given, or float16 or bfloat16; a built-in model has its own. `progress` is told how far
    it is, and may stop it.

    Raises:
        ModelError: no such model, or one that cannot be fetched or used; see `models.errors`.
        BadRequest: another dtype.
        Cancelled: `progress` stopped it.
    """
    key = _key(name, dtype)
    return _models.get(key, partial(_fresh, *key, progress), progress)


@contextmanager
def leased(name: str, dtype: str | None = None) -> Iterator[Model]:
    """A model that is in use within this block, and so stays in memory whatever else is loaded.

    Raises:
        ModelError, BadRequest: as `load`.
    """
    key = _key(name, dtype)
    with _models.leased(key, partial(_fresh, *key, None)) as model:
        yield model


def is_open(name: str, dtype: str | None = None) -> bool:
    """Whether a model can be used at once; those in the box always can."""
    key = _key(name, dtype)
    return name in BUILTIN or _models.is_open(key)


def opened() -> tuple[ModelCard, ...]:
    """The models in memory, the most recently used last."""
    return _models.opened()


def figures(name: str) -> tuple[HeldOut, ...]:
    """The held-out figures of a model in the box, read without loading it.

    Raises:
        UnknownModel: it is not in the box.
    """
    if name not in BUILTIN:
        raise UnknownModel(name, BUILTIN)
    return held_out(CHECKPOINTS / name)


def vocabulary(name: str) -> Words:
    """The words that a model in the box knows, by language; of one that reads no text, none.

    Raises:
        UnknownModel: it is not in the box.
    """
    if name not in BUILTIN:
        raise UnknownModel(name, BUILTIN)
    return words_of(load(name).tokenizer, words_of(load(BUILTIN[0]).tokenizer))


def lengths() -> list[Curve]:
    """What length costs the recurrent models in the box."""
    return curves(CHECKPOINTS)


def when_closed(tell: Callable[[Key], None]) -> None:
    """From now on `tell` hears the (name, dtype) of every model that is let go."""
    _models.closed.append(tell)


def _key(name: str, dtype: str | None) -> Key:
    """What tells models apart; a built-in one is the same in every dtype."""
    dtype = checked_dtype(dtype)
    return name, checked_dtype(None) if name in BUILTIN else dtype


def _fresh(name: str, dtype: str, progress: Progress | None) -> Model:
    if name in OWN_CODE:
        return OWN_CODE[name](name, CHECKPOINTS / name)
    if name in BUILTIN:
        return load_pretrained(name, BUILTIN, place=CHECKPOINTS / name, progress=progress)
    if name.startswith("builtin/"):
        raise UnknownModel(name, BUILTIN)
    return load_pretrained(name, BUILTIN, dtype=dtype, progress=progress, make_room=_models.make_room)
