"""What a first run teaches of a model beside its attention, and how every later run's arrays follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor, nn

from models.huggingface.assemble import Assembly, array, first_calls
from models.huggingface.capture import Capture
from models.huggingface.collect import collect
from models.huggingface.ending import Ending, arrays_of, ending
from models.huggingface.entrances import Entrance, collect_entrances, entrances
from models.huggingface.inner import Parameter
from models.huggingface.interface import Passed, Watch
from models.huggingface.places import Plan
from models.huggingface.projections import Projection
from models.huggingface.sites import Wanted, find
from models.huggingface.steps import steps_of
from models.huggingface.turning import Angles, Turn, turn_of
from models.trace import Site

Paths = Mapping[nn.Module, str]


@dataclass(frozen=True)
class Study:
    """Where the sites of the layers are, what enters the towers, which maps make which head, what is turned how, and
    what the logits are made with."""

    wanted: tuple[Wanted, ...] = ()
    entrances: tuple[Entrance, ...] = ()
    projections: tuple[Projection, ...] = ()
    turns: Mapping[str, Turn] = field(default_factory=dict)
    ending: Ending | None = None
    dropped: Mapping[Site, int] = field(default_factory=dict)
    """Site → how many bytes it would take; what a run leaves out to save memory."""

    @property
    def paths(self) -> frozenset[str]:
        """The modules that a run has to keep an eye on."""
        ends = (self.ending,) if self.ending else ()
        return frozenset(one.path for one in (*self.wanted, *self.entrances, *ends))


def study(
    model: nn.Module, plan: Plan, passed: Sequence[Passed], calls: Sequence[Sequence[Capture]]
) -> Study:
    """What the numbers of a first run say."""
    paths = {module: path for path, module in model.named_modules()}
    steps = steps_of(passed, paths)
    captures, windows = first_calls(calls, plan, model)
    turns = {capture.module: turn for capture in captures if (turn := turn_of(capture)) is not None}
    captures = [turns[one.module].of_capture(one) if one.module in turns else one for one in captures]
    sites = find(plan, steps, captures, windows)
    return Study(sites.wanted, entrances(model, plan, steps), sites.projections, turns, ending(model, steps))


def fill(assembly: Assembly, found: Study, watch: Watch, model: nn.Module, paths: Paths) -> None:
    """Everything that was found, for the numbers of this run: references, and views that are cut on demand."""
    passed = by_path(watch, paths)
    once: dict[tuple[object, ...], Any] = {}
    for site, place, tensor in _shown(assembly, found, passed, model):
        if isinstance(tensor, Parameter):
            assembly.arrays.setdefault((site, place), tensor)
            continue
        key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        once.setdefault(key, (array(tensor), tensor))
        assembly.arrays.setdefault((site, place), once[key][0])
    if found.ending is not None:
        assembly.arrays |= {(site, ""): value for site, value in arrays_of(found.ending, model, passed)}
    _interpolate(assembly, found.entrances)
    of_module: dict[str, list[Projection]] = {}
    for projection in found.projections:
        of_module.setdefault(projection.attention, []).append(projection)
    for block in assembly.blocks:
        for projection in of_module.get(block.module, ()):
            for site, view in projection.arrays(model.get_submodule(projection.path)):
                assembly.arrays[site, block.name] = view
        _turn(assembly, block.name, found.turns.get(block.module))


def by_path(watch: Watch, paths: Paths) -> dict[str, list[Passed]]:
    """What passed each module, call by call."""
    found: dict[str, list[Passed]] = {}
    for one in watch.passed:
        found.setdefault(paths.get(one.module, ""), []).append(one)
    return found


def _shown(
    assembly: Assembly, found: Study, passed: Mapping[str, Sequence[Passed]], model: nn.Module
) -> Iterator[tuple[Site, str, Tensor | Parameter]]:
    yield from collect(found.wanted, assembly.plan, passed, assembly.windows)
    yield from collect_entrances(found.entrances, model, passed, assembly.lengths)


def _interpolate(assembly: Assembly, found: Sequence[Entrance]) -> None:
    """Positions of an image of another size than the table was made for: what was added is no longer in the table."""
    for one in found:
        sites = (Site.TOKEN_EMBEDDING, Site.RESIDUAL, Site.POSITION_ENCODING)
        embedded, total, added = (assembly.arrays.get((site, one.tower)) for site in sites)
        if not one.parameter or one.depth or embedded is None or total is None:
            continue
        if added is None or not np.allclose(embedded + added, total, atol=1e-3 * np.abs(total).max()):
            assembly.arrays[Site.POSITION_ENCODING, one.tower] = total - embedded


def _turn(assembly: Assembly, block: str, turn: Turn | None) -> None:
    """Angles and pairs of a block whose heads were turned."""
    arrays, query = assembly.arrays, assembly.arrays.get((Site.QUERY_UNROTATED, block))
    if turn is None or query is None:
        return
    for site in (Site.QUERY_UNROTATED, Site.KEY_UNROTATED):
        if (site, block) in arrays:
            arrays[site, block] = turn.ordered(arrays[site, block])
    arrays[Site.PAIR, block] = turn.pairs
    arrays[Site.ANGLE, block] = Angles(
        np.asarray(arrays[Site.QUERY, block]), arrays[Site.QUERY_UNROTATED, block], turn.pairs
    )
