"""Every word the user reads: loads `assets/texts/*.toml` and the glossary, checks them, fills in the facts.

    stages.toml     the walk: formula, the same with digits, code, and the words of each stage
    variants.toml   the same for other models, where they do a stage in another way
    positions.toml  the same for the stages of the tab of positions
    recurrent.toml  the same for the recurrent networks before the Transformer
    written.toml    the same for what is written: W_O, the residual connections, what the decoder reads of the encoder
    ending.toml     the same for how a row ends: the logits and the choice
    readings.toml   sentences about one result          errors.toml    what to say when something cannot be done
    presets.toml    ready examples                      ui.toml        labels
    family.toml     the models in the box               glossary.toml  the terms
    generate.toml   labels of the tab that writes       layers.toml     labels of the stages around attention
    map.toml        labels of the map of the model, and of the walk that plays

A text holds facts as `[[name:format]]`. A word has no format, a count needs none, a measured number always has one.
What is sent to the browser has the shape of the files: each text in both languages, under `en` and `zh`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import tomllib
from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from viz.error_facts import ERROR_FACTS
from viz.facts import COMMON, LITERALS, MEASURES, ONLY, WORDS
from viz.family import Family, Preset
from viz.inheritance import TextsError, inherited

__all__ = [
    "ASSETS",
    "ERROR_FACTS",
    "TextsError",
    "load_texts",
    "placeholders",
    "read_texts",
    "render",
    "spell",
]

ASSETS = Path(__file__).parents[1] / "assets"

Fact = str | int | float
T = TypeVar("T")

PLACEHOLDER = re.compile(r"\[\[(\w+)(?::([^\[\]]+))?\]\]")
FORMAT = re.compile(r"d|\.\d[fe]")


@dataclass(frozen=True)
class Sentence:
    """One short text."""

    en: str
    zh: str


@dataclass(frozen=True)
class StageWords:
    """A stage in one language: `short` for the strip, then two depths in Markdown."""

    short: str
    title: str
    words: str
    maths: str


@dataclass(frozen=True)
class Stage:
    """A stage of the walk. `code` is Python whose last expression equals the fact `code_result`."""

    formula: str
    digits: str
    code: str
    code_result: str
    en: StageWords
    zh: StageWords


@dataclass(frozen=True)
class MessageWords:
    """A message in one language."""

    title: str
    body: str


@dataclass(frozen=True)
class Message:
    """What to say when something cannot be done."""

    en: MessageWords
    zh: MessageWords


@dataclass(frozen=True)
class TermWords:
    """A term in one language, with its definition in one sentence."""

    term: str
    definition: str


@dataclass(frozen=True)
class Term:
    """A term of the glossary; `synonyms` are what papers and programs call it."""

    id: str
    en: TermWords
    zh: TermWords
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Texts:
    """All texts, by file and id."""

    stages: Mapping[str, Stage]
    readings: Mapping[str, Sentence]
    errors: Mapping[str, Message]
    presets: tuple[Preset, ...]
    family: Family
    glossary: tuple[Term, ...]
    ui: Mapping[str, Sentence]

    def as_json(self, stages: Container[str]) -> dict[str, Any]:
        """All of it in plain dicts and lists, as the browser reads it; of the stages, these."""
        return asdict(self) | {
            "stages": {id: asdict(each) for id, each in self.stages.items() if id in stages}
        }

    def stages_without(self, ids: Container[str]) -> dict[str, Any]:
        """The stages that are not among these, in the same form."""
        return {id: asdict(each) for id, each in self.stages.items() if id not in ids}

    def tables(self) -> Iterator[tuple[str, Any]]:
        """Each table with its place, such as `errors.empty_text`."""
        for name in ("stages", "readings", "errors", "ui"):
            yield from ((f"{name}.{id}", table) for id, table in getattr(self, name).items())
        for name in ("presets", "glossary"):
            yield from ((f"{name}.{table.id}", table) for table in getattr(self, name))
        yield from ((f"family.{place}", table) for place, table in self.family.tables())


@functools.cache
def load_texts() -> Texts:
    """The texts of this project, read and checked once.

    Raises:
        TextsError: something is missing, superfluous or unknown; the message names every fault and its place.
    """
    texts = read_texts(ASSETS)
    if found := faults(texts):
        raise TextsError("\n".join(found))
    return texts


def read_texts(assets: Path) -> Texts:
    """The texts below a folder, their shape checked but not their facts."""
    return Texts(
        stages=_tables(Stage, "stages", _stages(assets / "texts")),
        readings=_tables(Sentence, "readings", _toml(assets / "texts" / "readings.toml")),
        errors=_tables(Message, "errors", _toml(assets / "texts" / "errors.toml")),
        presets=_list(Preset, "presets", _toml(assets / "texts" / "presets.toml")["preset"]),
        family=_family(assets / "texts" / "family.toml"),
        glossary=_list(Term, "glossary", _toml(assets / "glossary.toml")["term"]),
        ui=_tables(Sentence, "ui", _ui(assets / "texts")),
    )


def placeholders(template: str) -> frozenset[str]:
    """The names of the facts that a text uses."""
    return frozenset(name for name, _ in PLACEHOLDER.findall(template))


def render(template: str, facts: Mapping[str, Fact]) -> str:
    """The text with its facts filled in.

    Raises:
        KeyError: a fact that was not given; the message names it and those there are.
    """

    def fill(match: re.Match[str]) -> str:
        name, format = match[1], match[2] or ""
        if name not in facts:
            raise KeyError(f"no fact {name!r}; there are: {', '.join(sorted(facts)) or 'none'}")
        return spell(facts[name], format)

    return PLACEHOLDER.sub(fill, template)


def spell(fact: Fact, format: str = "") -> str:
    """A fact as it is read: words as they are, numbers with a real minus sign, −∞ for what is forbidden, never −0."""
    if isinstance(fact, str):
        return fact
    if math.isnan(fact) or math.isinf(fact):
        return "NaN" if math.isnan(fact) else "∞" if fact > 0 else "−∞"
    digits = f"{fact:{format}}"
    return digits.replace("-", "−" if float(digits) else "", 1) if digits.startswith("-") else digits


def faults(texts: Texts) -> list[str]:
    """What is wrong with the facts in these texts, one line each; empty when nothing is."""
    found = list(texts.family.faults())
    for place, table in texts.tables():
        if not _agree(table.en, table.zh):
            found.append(f"{place}: English and Chinese use different facts")
        for template in _strings(asdict(table)):
            found += (f"{place}: {fault}" for fault in _misused(template, _known(place)))
    return found


def _known(place: str) -> frozenset[str] | None:
    """The facts that a text at this place may use; None where the page decides."""
    kind, _, id = place.partition(".")
    per_kind = {
        "stages": COMMON | ONLY.get(id, frozenset()),
        "readings": COMMON - LITERALS,
        "errors": ERROR_FACTS.get(id, frozenset()),
    }
    return None if kind == "ui" else per_kind.get(kind, frozenset())


def _agree(english: Any, chinese: Any) -> bool:
    """Whether two languages say the same facts, with the same format, field by field."""
    if isinstance(english, str):
        return set(PLACEHOLDER.findall(english)) == set(PLACEHOLDER.findall(chinese))
    names = (field.name for field in dataclasses.fields(english))
    return all(_agree(getattr(english, name), getattr(chinese, name)) for name in names)


def _misused(template: str, known: frozenset[str] | None) -> Iterator[str]:
    """Facts that do not exist, brackets that are not one, and formats that do not fit."""
    for name, format in PLACEHOLDER.findall(template):
        if known is not None and name not in known:
            yield f"there is no fact {name!r} here"
        elif format and (name in WORDS or not FORMAT.fullmatch(format)):
            yield f"the fact {name!r} cannot have the format {format!r}"
        elif not format and name in MEASURES:
            yield f"the measured number {name!r} needs a format, such as [[{name}:.3f]]"
    if "[[" in PLACEHOLDER.sub("", template):
        yield f"a placeholder is broken in: {template[:60]}…"


def _strings(value: Any) -> Iterator[str]:
    """Every string in nested dicts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)


def _stages(folder: Path) -> dict[str, Any]:
    """The stages of the built-in walk, their variants, those of positions and of the recurrent networks."""
    found: dict[str, Any] = {}
    for file in (
        "stages.toml",
        "variants.toml",
        "positions.toml",
        "recurrent.toml",
        "written.toml",
        "ending.toml",
    ):
        tables = _toml(folder / file)
        if twice := found.keys() & tables.keys():
            raise TextsError(f"stages.{min(twice)}: there are two")
        found |= tables
    return inherited(found, "stages")


def _ui(folder: Path) -> dict[str, Any]:
    """The labels of the page and of its tabs."""
    files = ("ui.toml", "generate.toml", "map.toml", "layers.toml")
    return {id: label for name in files for id, label in _toml(folder / name)["ui"].items()}


def _family(path: Path) -> Family:
    tables = _toml(path)
    return Family(
        **{
            part.name: _list(
                get_args(get_type_hints(Family)[part.name])[0], f"family.{part.name}", tables[part.name]
            )
            for part in dataclasses.fields(Family)
        }
    )


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise TextsError(f"cannot read the texts in {path}: {error}") from error


def _tables(kind: type[T], place: str, tables: Mapping[str, Any]) -> dict[str, T]:
    return {id: _table(kind, f"{place}.{id}", table) for id, table in tables.items()}


def _list(kind: type[T], place: str, tables: list[Any]) -> tuple[T, ...]:
    return tuple(_table(kind, f"{place}[{index}]", table) for index, table in enumerate(tables))


def _table(kind: type[T], place: str, table: Any) -> T:
    """A table as a `kind`: every field it must have, and no other."""
    if not isinstance(table, dict):
        raise TextsError(f"{place}: wanted a table, got {table!r}")
    types = get_type_hints(kind)
    needed = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}  # pyright: ignore
    if missing := needed - table.keys():
        raise TextsError(f"{place}: missing {', '.join(sorted(missing))}")
    if superfluous := table.keys() - types.keys():
        raise TextsError(f"{place}: unknown {', '.join(sorted(superfluous))}")
    return kind(**{name: _value(types[name], f"{place}.{name}", value) for name, value in table.items()})


def _value(kind: Any, place: str, value: Any) -> Any:
    """A field: a nested table, a text, a number or a list of texts."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _table(kind, place, value)
    if kind is str and isinstance(value, str) and value.strip():
        return value.strip() if place.endswith(".code") else _unwrap(value)
    if kind is int and isinstance(value, int):
        return value
    if get_origin(kind) is tuple and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise TextsError(f"{place}: wanted {getattr(kind, '__name__', kind)}, got {value!r}")


def _unwrap(text: str) -> str:
    """A text without the line breaks of its file; an empty line still parts paragraphs."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text.strip())
