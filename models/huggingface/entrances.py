"""What enters a tower of a model: the parts of the sum that its first layer reads, found from the numbers.

    R = f · E + P + S                    text: tokens, positions (learned or sinusoidal), segments
    R = [C, patches] + P                 images: class and register tokens before the patches

A norm or a linear map may stand between the sum and the first layer; it is looked through. f is what the model
multiplies the embeddings by (Gemma: √d_model). Which table holds tokens the model itself says (`get_input_embeddings`);
whether a table is added at all, the numbers say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.huggingface.interface import Passed
from models.huggingface.places import Plan
from models.huggingface.steps import Step, equal, first, is_linear, is_norm, is_stream, near, rows, same
from models.trace import Site

_TABLE = re.compile(r"(^|[._])(wpe|pos\w*_embed\w*|embed_pos\w*)$", re.IGNORECASE)

DEEP = 4
"""How many norms and linear maps may stand between the sum and the first layer."""

TABLES = 5
"""How many tables beside the tokens' are tried."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """One part of what enters a tower: what a module gave at one of its calls, or a parameter of it, times `factor`.

    `before`: parameters of the model whose rows come first. `gap`: (row, count) of rows that the part does not reach.
    """

    site: Site
    tower: str
    path: str
    call: int = 0
    factor: float = 1.0
    parameter: str = ""
    before: tuple[str, ...] = ()
    gap: tuple[int, int] = (0, 0)
    proved: bool = True
    """Whether the parts add up to what enters."""
    depth: int = 0
    """How many norms and linear maps stand between the sum and the first layer."""


@dataclass(frozen=True, slots=True)
class Table:
    """A candidate: (position, d_model) numbers, and where they come from."""

    values: Tensor
    path: str
    call: int
    parameter: str = ""
    module: nn.Module | None = None
    gap: tuple[int, int] = (0, 0)


def is_table(path: str, module: nn.Module | None = None) -> bool:
    """Whether a leaf, or a parameter, may hold positions: whether it is added, the numbers must say."""
    return bool(_TABLE.search(path)) and (module is None or not list(module.children()))


def entrances(model: nn.Module, plan: Plan, steps: Sequence[Step]) -> tuple[Entrance, ...]:
    """The parts of what enters each tower."""
    outside = [
        step for step in steps if not any(step.path.startswith(f"{layers}.") for layers in plan.lengths)
    ]
    outside = [step for step in outside if step.path and step.path not in plan.lengths]
    found: list[Entrance] = []
    for tower in plan.towers:
        entry = next((step for step in steps if step.path == f"{plan.first(tower)}.0"), None)
        stream = rows(entry.given) if entry else None
        if stream is not None:
            found.extend(Tower(model, tower, outside).parts(stream))
    return tuple(found)


@dataclass(frozen=True)
class Tower:
    """One tower, and the modules that ran outside the layers."""

    model: nn.Module
    tower: str
    outside: Sequence[Step]

    def parts(self, stream: Tensor) -> Iterator[Entrance]:
        """The parts of the sum that the stream is, or that stands before the norms and maps in front of it."""
        total: Tensor | None = stream
        ways = (self._text, self._image, self._frames, self._convolved)
        for depth in range(DEEP):
            if total is None:
                break
            found = next((parts for way in ways if (parts := way(total))), [])
            if found:
                yield from (replace(one, depth=depth) for one in found)
                return
            total = self._before(total)
        tokens = [step for step in self._tokens() if len(step.output[0]) == len(stream)]  # type: ignore[index]
        if len(tokens) == 1:
            yield Entrance(Site.TOKEN_EMBEDDING, self.tower, tokens[0].path, tokens[0].call, proved=False)

    def _before(self, total: Tensor) -> Tensor | None:
        """What the norm or linear map received that gave the total."""
        for step in self.outside:
            if (is_norm(step) or is_linear(step)) and equal(rows(step.output), total):
                given = rows(step.given)
                if given is not None and not same(given, total):
                    return given
        return None

    def _text(self, total: Tensor) -> list[Entrance]:
        """f · E + tables."""
        tables = list(self._tables(total))
        for token in self._widened():
            embedded = rows(token.output)
            if embedded is None or embedded.shape != total.shape:
                continue
            others = [table for table in tables if (table.path, table.call) != (token.path, token.call)]
            found = self._added(total, embedded, others[:TABLES])
            if found is not None:
                factor, added = found
                entry = Entrance(Site.TOKEN_EMBEDDING, self.tower, token.path, token.call, factor)
                return [entry, *self._named(added)]
        return []

    def _added(
        self, total: Tensor, embedded: Tensor, tables: Sequence[Table]
    ) -> tuple[float, tuple[Table, ...]] | None:
        """The factor of the embeddings and the tables that together are the total."""
        for count in range(len(tables) + 1):
            for chosen in combinations(tables, count):
                rest = total.float() - sum(table.values.float() for table in chosen)
                vectors = embedded.float()
                factor = float((rest * vectors).sum() / vectors.square().sum().clamp_min(1e-30))
                factor = 1.0 if abs(factor - 1) < 1e-3 else factor
                if factor > 0 and near((vectors * factor).to(total.dtype), rest.to(total.dtype)):
                    return factor, chosen
        return None

    def _named(self, added: Sequence[Table]) -> Iterator[Entrance]:
        """Tables that stand for positions, and the one beside them that stands for segments."""
        places = [table for table in added if self._is_positions(table)]
        others = [table for table in added if not self._is_positions(table)]
        for site, tables in ((Site.POSITION_ENCODING, places), (Site.SEGMENT_EMBEDDING, others)):
            if len(tables) == 1:
                one = tables[0]
                yield Entrance(site, self.tower, one.path, one.call, parameter=one.parameter, gap=one.gap)

    def _is_positions(self, table: Table) -> bool:
        return bool(table.parameter) or (table.module is not None and is_table(table.path, table.module))

    def _image(self, total: Tensor) -> list[Entrance]:
        """[class and register tokens, patches] + a table, or without one."""
        tables: list[Table | None] = [*self._parameter_tables(total), *self._tables(total), None]
        for table in tables:
            rest = total if table is None else total - table.values
            for step, patches in self._patches(total):
                lead = len(total) - len(patches)
                before = self._leading(rest[:lead]) if near(patches, rest[lead:]) else None
                if before is not None:
                    entry = Entrance(Site.TOKEN_EMBEDDING, self.tower, step.path, step.call, before=before)
                    return [entry, *self._named([table] if table else [])]
        return []

    def _frames(self, total: Tensor) -> list[Entrance]:
        """A table that is added to frames of sound, which come out of a convolution and GELU."""
        for table in self._tables(total):
            rest = total - table.values
            for step in self.outside:
                fits = step.output is not None and step.output.shape[1:] == rest.T.shape
                if fits and step.output is not None and near(functional.gelu(step.output[0].T), rest):
                    return list(self._named([table]))
        return []

    def _convolved(self, total: Tensor) -> list[Entrance]:
        """A convolution over positions, added to what it read."""
        for step in self.outside:
            given, written = rows(step.given), rows(step.output)
            if given is None or written is None or not given.shape == written.shape == total.shape:
                continue
            if near(given + written, total) and _has_convolution(step.module):
                return [Entrance(Site.POSITION_ENCODING, self.tower, step.path, step.call)]
        return []

    def _tokens(self) -> list[Step]:
        """What the tables of tokens gave."""
        tables = _token_tables(self.model)
        return [step for step in self.outside if id(step.module) in tables and is_stream(step.output)]

    def _widened(self) -> Iterator[Step]:
        """What the tables of tokens gave, and the linear maps that make it as wide as the stream (OPT 350M)."""
        for token in self._tokens():
            yield token
            yield from (step for step in self.outside if is_linear(step) and same(step.given, token.output))

    def _tables(self, total: Tensor) -> Iterator[Table]:
        """What other tables gave, as long as the total or of one row."""
        for step in self.outside:
            values = rows(step.output)
            if values is None or values.shape[1] != total.shape[1] or len(values) not in {1, len(total)}:
                continue
            if isinstance(step.module, nn.Embedding) or is_table(step.path, step.module):
                yield Table(values.expand_as(total), step.path, step.call, module=step.module)

    def _parameter_tables(self, total: Tensor) -> Iterator[Table]:
        """Tables that are no module of their own, with a row for each token, or none for register tokens."""
        for path, parameter in self.model.named_parameters():
            values = (
                parameter.detach().squeeze(0) if parameter.ndim == 3 and len(parameter) == 1 else parameter
            )
            owner, _, name = path.rpartition(".")
            missing = len(total) - len(values) if values.ndim == 2 else -1
            if values.ndim != 2 or values.shape[1] != total.shape[1] or not 0 <= missing < len(total) // 2:
                continue
            if not is_table(path):
                continue
            gap = (1, missing) if missing else (0, 0)
            yield Table(_spread(values.detach(), gap), owner, 0, parameter=name, gap=gap)

    def _patches(self, total: Tensor) -> Iterator[tuple[Step, Tensor]]:
        """What modules gave that may be patches: (patch, d_model)."""
        for step in reversed(self.outside):
            values = patches_of(step.output) if _cuts(step) else None
            if values is not None and values.shape[1] == total.shape[1] and 1 < len(values) <= len(total):
                yield step, values

    def _leading(self, wanted: Tensor) -> tuple[str, ...] | None:
        """The parameters whose rows these are, in order; None if they are not."""
        found: list[str] = []
        while len(wanted):
            for path, parameter in self.model.named_parameters():
                values = parameter.detach().reshape(-1, parameter.shape[-1] if parameter.ndim else 1)
                if near(values, wanted[: len(values)]):
                    found.append(path)
                    wanted = wanted[len(values) :]
                    break
            else:
                return None
        return tuple(found)


def patches_of(output: Tensor | None) -> Tensor | None:
    """(patch, d_model) from patches in a row, or from the grid that a convolution gives."""
    if output is None or len(output) != 1 or not output.is_floating_point():
        return None
    return output[0] if output.ndim == 3 else output[0].flatten(1).T if output.ndim == 4 else None


def collect_entrances(
    found: Sequence[Entrance],
    model: nn.Module,
    passed: Mapping[str, Sequence[Passed]],
    lengths: Mapping[str, int],
) -> Iterator[tuple[Site, str, Tensor]]:
    """What a run showed of what enters its towers: (site, tower, (position, d_model))."""
    for one in found:
        values = _values(one, model, passed.get(one.path, ()))
        if values is not None and one.before:
            leading = [model.get_parameter(path).detach().reshape(-1, values.shape[1]) for path in one.before]
            values = torch.cat([*leading, values])
        if values is not None and len(values) == 1:
            values = values.expand(lengths.get(one.tower, 1), -1)
        if values is not None and len(values) == lengths.get(one.tower):
            yield one.site, one.tower, values if one.factor == 1.0 else values * one.factor


def _values(one: Entrance, model: nn.Module, passed: Sequence[Passed]) -> Tensor | None:
    """(position, d_model) of one part, without the rows before it."""
    if one.parameter:
        parameter = model.get_submodule(one.path).get_parameter(one.parameter).detach()
        return _spread(parameter.reshape(-1, parameter.shape[-1]), one.gap)
    if one.call >= len(passed):
        return None
    output = first(passed[one.call].output)
    values = output if output is not None and output.ndim == 2 else patches_of(output)
    return _in_table(passed[one.call].module, values) if one.site is Site.POSITION_ENCODING else values


def _in_table(module: nn.Module, values: Tensor | None) -> Tensor | None:
    """The same rows as a view of the table that they were taken from, so that a run need not keep a copy of them."""
    table = getattr(module, "weight", None)
    if (
        values is None
        or not isinstance(table, Tensor)
        or table.ndim != 2
        or table.shape[1] != values.shape[1]
    ):
        return values
    for start in (table[:, 0] == values[0, 0]).nonzero().flatten().tolist():
        cut = table.detach()[start : start + len(values)]
        if torch.equal(cut, values):
            return cut
    return values


def _spread(values: Tensor, gap: tuple[int, int]) -> Tensor:
    """The rows, with zeros where there are none."""
    row, count = gap
    return (
        torch.cat([values[:row], values.new_zeros(count, values.shape[1]), values[row:]]) if count else values
    )


def _token_tables(model: nn.Module) -> set[int]:
    """The modules that embed tokens, as the model and its parts say."""
    found = set()
    for module in model.modules():
        if hasattr(module, "get_input_embeddings"):
            try:
                table = module.get_input_embeddings()  # type: ignore[operator]
            except (NotImplementedError, AttributeError):
                continue
            if isinstance(table, nn.Embedding):
                found.add(id(table))
    return found


def _cuts(step: Step) -> bool:
    """Whether a module only cuts an image into patches, by a convolution or one linear map."""
    owners = {path.rpartition(".")[0] for path, _ in step.module.named_parameters()}
    kinds = (nn.Conv2d, nn.Conv3d, nn.Linear)
    of_image = step.given is not None and step.given.ndim > 3
    return of_image and bool(owners) and all(isinstance(step.module.get_submodule(o), kinds) for o in owners)


def _has_convolution(module: nn.Module) -> bool:
    return any(isinstance(part, nn.Conv1d) for part in module.modules())
