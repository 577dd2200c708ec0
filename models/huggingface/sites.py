"""Where in a model the sites of a trace are: found from the numbers of one forward pass, never from names alone.

    site                found as
    residual            what a layer gives back, and what enters the first layer of a tower
    attention_output    what the linear map gives back that received the context vectors of all heads
    query_input         what the linear map received that gives the queries, else the attention module's first one
    key_input           the same for the keys; of a cross-attention the other tower's output
    mlp_output          the part of a layer's sum that is neither its input nor its attention
    hidden              what the linear map received that gave back the MLP's output
    norm                what a norm gives back whose output the attention or the MLP reads (before it), or whose input
                        is the sum with what they wrote (after it)
    norm_input          what that norm received, where it stands before; its γ, β and ε (see inner)
    norm at `.written`  what a norm gives that reads what the attention or the MLP wrote, before it is added
    norm at the tower   what a norm gives that reads what leaves the last layer
    up, gate            what the maps of the feed-forward network gave from which its hidden vectors come (see inner)
    router              what a layer's router chose: each expert's weight for each token, 0 where not chosen
    router_probabilities the same before it chose

A site that is not found so is absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.huggingface.capture import Capture
from models.huggingface.inner import Found, of_feed_forward, of_norm
from models.huggingface.places import Place, Plan
from models.huggingface.projections import Projected, Projection, projected
from models.huggingface.routers import is_router, way_of
from models.huggingface.steps import (
    Step,
    any_equal,
    equal,
    is_linear,
    is_norm,
    is_stream,
    is_sum,
    like,
    same,
)
from models.huggingface.windows import Windows
from models.trace import Site


@dataclass(frozen=True, slots=True)
class Wanted:
    """One site of one layer: what passes the module at `path`, as its `given` or its `output`."""

    site: Site
    path: str
    part: str
    tower: str
    layers: str
    layer: int
    suffix: str
    """What follows the layer in the name of the place: nothing, or `.self`, `.cross` or `.mlp`, maybe with `.written`;
    `-` for the tower."""


@dataclass(frozen=True, slots=True)
class Sites:
    """What a first run taught about a model's layers: where the sites are, and which maps make which head."""

    wanted: tuple[Wanted, ...] = ()
    projections: tuple[Projection, ...] = ()


def find(
    plan: Plan, steps: Sequence[Step], calls: Sequence[Capture], windows: Mapping[str, Windows]
) -> Sites:
    """The sites of all layers; only the first call of each module is looked at.

    `calls`: the first call of each attention module, over all windows; `windows`: those of the layers that have them.
    """
    once: dict[str, Step] = {}
    for step in steps:
        once.setdefault(step.path, step)
    found: list[Wanted] = []
    for layers in plan.lengths:
        found.extend(_of_tower(plan, layers, once))
    projections: list[Projection] = []
    for layer in _layers(plan, once, {capture.module: capture for capture in reversed(calls)}, windows):
        found.extend(layer.wanted(plan))
        projections.extend(layer.projections)
    return Sites(tuple(dict.fromkeys(found)), tuple(projections))


def _of_tower(plan: Plan, layers: str, steps: Mapping[str, Step]) -> Iterator[Wanted]:
    """The residual stream: into the first layer of a list, and out of each; and the norm that reads the last."""
    tower = plan.tower(layers)
    for layer in range(plan.lengths[layers]):
        step = steps.get(f"{layers}.{layer}")
        if step is None or not is_stream(step.given) or not is_stream(step.output):
            continue
        if layer == 0 and plan.first(tower) == layers:
            yield Wanted(Site.RESIDUAL, step.path, "given", tower, layers, layer, "-")
        yield Wanted(Site.RESIDUAL, step.path, "output", tower, layers, layer, "")
    for site, norm, part, suffix in _norm_at_the_end(plan, layers, steps):
        yield Wanted(site, norm.path, part, tower, layers, plan.lengths[layers] - 1, suffix)


def _norm_at_the_end(plan: Plan, layers: str, steps: Mapping[str, Step]) -> Iterator[Found]:
    """The norm that reads what leaves a tower's last layer; it is in no layer itself."""
    last = steps.get(f"{layers}.{plan.lengths[layers] - 1}")
    if last is None or plan.last(plan.tower(layers)) != layers:
        return
    outside = (step for path, step in steps.items() if not path.startswith(f"{layers}."))
    norm = next((step for step in outside if is_norm(step) and same(step.given, last.output)), None)
    if norm is not None:
        yield Site.NORM, norm, "output", "-"
        yield Site.NORM_INPUT, norm, "given", "-"
        yield from of_norm(norm, "-")


def _layers(
    plan: Plan, steps: Mapping[str, Step], seen: Mapping[str, Capture], windows: Mapping[str, Windows]
) -> Iterator[Layer]:
    """Every layer at work, each with all its attention sublayers at once; a layer without any may have a router."""
    layers: dict[tuple[str, int], list[Place]] = {}
    for place in plan.places.values():
        layers.setdefault((place.layers, place.layer), []).append(place)
    for lists, length in plan.lengths.items():
        for number in range(length):
            layers.setdefault((lists, number), [])
    known: dict[tuple[object, ...], Step] = {}
    for (lists, number), places in layers.items():
        path = places[0].layer_path if places else f"{lists}.{number}"
        inside = tuple(step for below, step in steps.items() if below.startswith(f"{path}."))
        if path in windows:
            inside = tuple(step.ordered(windows[path].back) for step in inside)
        attended = {
            place: step for place in places if (step := _projection(inside, seen.get(place.path))) is not None
        }
        given = steps[path].given if path in steps else None
        width = given.shape[-1] if given is not None and is_stream(given) else 0
        maps = {
            place: projected(seen[place.path], inside, attended.get(place), 0 if place.cross else width)
            for place in places
            if place.path in seen
        }
        yield Layer((lists, number), steps.get(path), inside, attended, maps, known)


@dataclass(frozen=True)
class Layer:
    """One layer at work: itself, everything in it in the order of execution, each attention's maps, the output's apart.

    `known` holds, for all layers, the first module that was given a tensor.
    """

    place: tuple[str, int]
    """The path of its list of layers, and its place there."""
    step: Step | None
    inside: tuple[Step, ...]
    attended: Mapping[Place, Step]
    maps: Mapping[Place, Projected] = field(default_factory=dict)
    known: dict[tuple[object, ...], Step] = field(default_factory=dict)

    @property
    def projections(self) -> Iterator[Projection]:
        """The maps of all its attention sublayers."""
        for found in self.maps.values():
            yield from found.maps

    def wanted(self, plan: Plan) -> Iterator[Wanted]:
        """Every site found, with its place."""
        layers, number = self.place
        for site, step, part, suffix in self.sites():
            yield Wanted(site, step.path, part, plan.tower(layers), layers, number, suffix)

    def sites(self) -> Iterator[Found]:
        """Every site found: (site, module, part, what follows the layer's name)."""
        for place, found in self.maps.items():
            yield from self._of_attention(place, found)
        for step in self.inside:
            if is_router(step):
                yield from self._of_router(step)
        mlp = self._mlp()
        if mlp is not None:
            yield from self._of_mlp(mlp)
        yield from self._norms_of_written(mlp)
        yield from self._norms_after(mlp)

    def _of_router(self, step: Step) -> Iterator[Found]:
        yield Site.ROUTER, step, "router", ".mlp"
        way = way_of(step.whole)
        if way is not None:
            yield Site.ROUTER_PROBABILITIES, step, way, ".mlp"

    def _of_attention(self, place: Place, found: Projected) -> Iterator[Found]:
        kind = ".cross" if place.cross else ".self"
        projection = self.attended.get(place)
        if projection is not None:
            yield Site.ATTENTION_OUTPUT, projection, "output", kind
        inside = (step for step in self.inside if step.path.startswith(f"{place.path}.") and is_linear(step))
        maps = [step for step in inside if is_stream(step.given) and step is not projection]
        reading = found.query or next(iter(maps), None)
        if reading is not None:
            yield Site.QUERY_INPUT, self._first_given(reading), "given", kind
            yield from self._norm_before(reading, kind)
        others = (
            step for step in maps if not place.cross or not (reading and same(step.given, reading.given))
        )
        keyed = found.key or next(others, None)
        if keyed is not None:
            yield Site.KEY_INPUT, self._first_given(keyed), "given", kind

    def _first_given(self, step: Step) -> Step:
        """The first module that was given the same tensor, so that it is kept once."""
        return self.known.setdefault(step.source, step)

    def _norm_before(self, reading: Step, suffix: str) -> Iterator[Found]:
        norms = (step for step in self.inside if is_norm(step) and like(step.output, reading.given))
        norm = next((step for step in norms if same(step.output, reading.given)), None)
        if norm is not None and not self._is_after(norm):
            yield Site.NORM, norm, "output", suffix
            yield Site.NORM_INPUT, norm, "given", suffix
            yield from of_norm(norm, suffix)

    def _of_mlp(self, mlp: Step) -> Iterator[Found]:
        yield Site.MLP_OUTPUT, mlp, "output", ".mlp"
        maps = [step for step in self.inside if is_linear(step) and step.given is not None]
        down = next((step for step in maps if equal(step.output, mlp.output)), None)
        made = [] if down is None else list(of_feed_forward(down, self.inside))
        if down is not None:
            yield Site.HIDDEN, down, "given", ".mlp"
            yield from made
        reads = [mlp.given, *(step.given for site, step, *_ in made if site is Site.MLP_INPUT)]
        norms = (step for step in self.inside if is_norm(step))
        norm = next((step for step in norms if any(same(step.output, given) for given in reads)), None)
        if norm is not None and not self._is_after(norm):
            yield Site.NORM, norm, "output", ".mlp"
            yield Site.NORM_INPUT, norm, "given", ".mlp"
            yield from of_norm(norm, ".mlp")

    def _norms_of_written(self, mlp: Step | None) -> Iterator[Found]:
        """Norms between what a sublayer wrote and the sum, as in Gemma 2 and OLMo 2."""
        kinds = {".cross" if place.cross else ".self": step for place, step in self.attended.items()}
        for kind, written in (kinds | ({} if mlp is None else {".mlp": mlp})).items():
            norm = self._norm_of(written)
            if norm is not None:
                yield Site.NORM, norm, "output", f"{kind}.written"
                yield from of_norm(norm, f"{kind}.written")

    def _norm_of(self, written: Step) -> Step | None:
        """The norm that reads what a sublayer wrote, and nothing else."""
        later = self.inside[self.inside.index(written) + 1 :]
        return next((step for step in later if is_norm(step) and equal(step.given, written.output)), None)

    def _norms_after(self, mlp: Step | None) -> Iterator[Found]:
        """Norms that read a sum, as in the Transformer of 2017: after each attention, and after the MLP."""
        for norm in (step for step in self.inside if is_norm(step)):
            for place, projection in self.attended.items():
                if self._reads_sum(norm, projection):
                    kind = ".cross" if place.cross else ".self"
                    yield Site.RESIDUAL_SUM, norm, "given", kind
                    if self.step and self._is_after(norm):
                        yield Site.NORM, norm, "output", kind
                        yield from of_norm(norm, kind)
            if mlp is not None and self._reads_sum(norm, mlp):
                yield Site.RESIDUAL_SUM, norm, "given", ".mlp"
                yield Site.NORM, norm, "output", ".mlp"
                yield from of_norm(norm, ".mlp")

    def _is_after(self, norm: Step) -> bool:
        """Whether the stream goes on from the norm itself: then something later is added to what it gives."""
        ends = [self.step, *(step for step in self.inside if is_norm(step) and step is not norm)]
        totals = [end.output if end is self.step else end.given for end in ends if end is not None]
        added = [step.output for step in self.inside if step is not norm]
        return same(norm.output, totals[0]) or any(is_sum(total, norm.output, *added) for total in totals)

    def _reads_sum(self, norm: Step, written: Step | None) -> bool:
        """Whether a norm's input is what a sublayer wrote, added to what was there before."""
        if written is None or self.step is None:
            return False
        before = (self.step.given, *(step.output for step in self.inside if is_norm(step)), *self._sums())
        return is_sum(norm.given, written.output, *before)

    def _sums(self) -> Iterator[Tensor]:
        """The stream after the first attention, where nothing stands for it but the sum itself."""
        given = self.step.given if self.step else None
        for step in self.attended.values():
            if given is not None and step.output is not None and like(given, step.output):
                yield given + step.output

    def _mlp(self) -> Step | None:
        """The outermost module that gives the last part of the layer's sum, or what a norm makes that part of."""
        last = max(self.attended.values(), key=self.inside.index, default=None)
        if (
            last is None
            or self.step is None
            or not (is_stream(self.step.output) and is_stream(self.step.given))
        ):
            return None
        attended = [step.output for step in self.attended.values()]
        later = [
            step
            for step in self.inside[self.inside.index(last) + 1 :]
            if not any_equal(step.output, attended)
        ]
        fitting = [
            step for step in later if like(step.output, self.step.output) and self._is_last_part(step, later)
        ]
        part = fitting[-1].output if fitting else None
        part = next((step.given for step in fitting if is_norm(step) and equal(step.output, part)), part)
        same = [step for step in later if equal(step.output, part)]
        return min(same, key=lambda step: step.path.count("."), default=None)

    def _is_last_part(self, step: Step, later: Sequence[Step]) -> bool:
        if self.step is None or self.step.output is None or self.step.given is None or step.output is None:
            return False
        if same(step.output, self.step.output):
            return False
        rest = self.step.output - step.output - self.step.given
        outputs = [other.output for other in self.inside if other is not step]
        together = [other.output for other in self.attended.values() if like(other.output, rest)]
        total = sum((output for output in together if output is not None), torch.zeros_like(rest))
        if together and any(equal(rest, other) for other in (total, *outputs)):
            return True
        norms = [other for other in later if is_norm(other) and other is not step]
        before = [other.output for other in self.inside if is_norm(other)]
        return any(
            same(norm.output, self.step.output) and is_sum(norm.given, step.output, *before) for norm in norms
        )


def _projection(inside: Sequence[Step], capture: Capture | None) -> Step | None:
    """The linear map that received the context vectors of all heads."""
    if capture is None:
        return None
    return next((step for step in inside if _reads_context(step, capture) and step.output is not None), None)


def _reads_context(step: Step, capture: Capture) -> bool:
    """Whether a linear map received the context vectors of all heads, side by side."""
    if not is_linear(step) or step.given is None or step.output is None:
        return False
    flat = capture.context.transpose(0, 1).flatten(1)  # (q, head · d_v)
    return (
        step.given.shape[-1] == flat.shape[-1]
        and step.given.numel() == flat.numel()
        and equal(step.given.reshape(flat.shape), flat)
    )
