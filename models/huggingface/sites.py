"""Where in a model the sites of a trace are: found from the numbers of one forward pass, never from names alone.

    site                found as
    residual            what a layer gives back, and what enters the first layer of a tower
    attention_output    what the linear map gives back that received the context vectors of all heads
    query_input         what the first linear map of the attention module received
    mlp_output          the part of a layer's sum that is neither its input nor its attention
    hidden              what the linear map received that gave back the MLP's output
    norm                what a norm gives back whose output the attention or the MLP reads (before it), or whose input
                        is the sum with what they wrote (after it)
    router              what a layer's router chose: each expert's weight for each token, 0 where not chosen

A site that is not found so is absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.huggingface.capture import Capture
from models.huggingface.interface import Passed
from models.huggingface.places import Place, Plan
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
    """What follows the layer in the name of the place: nothing, `.self`, `.cross` or `.mlp`; `-` for the tower."""


@dataclass(frozen=True, slots=True)
class Step:
    """One module of a layer at work, with its first tensors."""

    path: str
    module: nn.Module
    given: Tensor | None
    output: Tensor | None
    whole: Any


def find(
    model: nn.Module, plan: Plan, passed: Sequence[Passed], captures: Sequence[Capture]
) -> tuple[Wanted, ...]:
    """The sites of all layers; only the first call of each module is looked at."""
    paths = {module: path for path, module in model.named_modules()}
    steps: dict[str, Step] = {}
    for one in passed:
        path = paths.get(one.module, "")
        step = Step(path, one.module, _batched(first(one.given)), _batched(first(one.output)), one.output)
        steps.setdefault(path, step)
    found: list[Wanted] = []
    for layers in plan.lengths:
        found.extend(_of_tower(plan, layers, steps))
    found.extend(_of_layers(plan, steps, {capture.module: capture for capture in reversed(captures)}))
    return tuple(dict.fromkeys(found))


def first(value: Any) -> Tensor | None:
    """The tensor, or the first one of a tuple or of a model output."""
    if isinstance(value, Tensor):
        return value
    inner = next(iter(value.values()), None) if isinstance(value, Mapping) else None
    inner = value[0] if isinstance(value, tuple | list) and value else inner
    return inner if isinstance(inner, Tensor) else None


def _of_tower(plan: Plan, layers: str, steps: Mapping[str, Step]) -> Iterator[Wanted]:
    """The residual stream: into the first layer of a list, and out of each."""
    tower = plan.tower(layers)
    for layer in range(plan.lengths[layers]):
        step = steps.get(f"{layers}.{layer}")
        if step is None or not _is_stream(step.given) or not _is_stream(step.output):
            continue
        if layer == 0 and plan.first(tower) == layers:
            yield Wanted(Site.RESIDUAL, step.path, "given", tower, layers, layer, "-")
        yield Wanted(Site.RESIDUAL, step.path, "output", tower, layers, layer, "")


def _of_layers(plan: Plan, steps: Mapping[str, Step], seen: Mapping[str, Capture]) -> Iterator[Wanted]:
    """The sites of every layer, each with all its attention sublayers at once."""
    layers: dict[str, list[Place]] = {}
    for place in plan.places.values():
        layers.setdefault(place.layer_path, []).append(place)
    for path, places in layers.items():
        inside = tuple(step for below, step in steps.items() if below.startswith(f"{path}."))
        attended = {place: _projection(inside, seen.get(place.path)) for place in places}
        whole = Layer(steps.get(path), inside, {place: step for place, step in attended.items() if step})
        tower = plan.tower(places[0].layers)
        for site, step, part, suffix in whole.sites():
            yield Wanted(site, step.path, part, tower, places[0].layers, places[0].layer, suffix)


Found = tuple[Site, Step, str, str]


@dataclass(frozen=True)
class Layer:
    """One layer at work: itself, everything in it in the order of execution, and each attention's output map."""

    step: Step | None
    inside: tuple[Step, ...]
    attended: Mapping[Place, Step]

    def sites(self) -> Iterator[Found]:
        """Every site found: (site, module, part, what follows the layer's name)."""
        for place, projection in self.attended.items():
            yield from self._of_attention(place, projection)
        yield from ((Site.ROUTER, step, "router", ".mlp") for step in self.inside if _is_router(step))
        mlp = self._mlp()
        if mlp is not None:
            yield from self._of_mlp(mlp)
        yield from self._norms_after(mlp)

    def _of_attention(self, place: Place, projection: Step) -> Iterator[Found]:
        kind = ".cross" if place.cross else ".self"
        yield Site.ATTENTION_OUTPUT, projection, "output", kind
        maps = (step for step in self.inside if step.path.startswith(f"{place.path}.") and _is_linear(step))
        reading = next((step for step in maps if _is_stream(step.given) and step is not projection), None)
        if reading is not None:
            yield Site.QUERY_INPUT, reading, "given", kind
            yield from self._norm_before(reading, kind)

    def _norm_before(self, reading: Step, suffix: str) -> Iterator[Found]:
        norms = (step for step in self.inside if _is_norm(step) and _like(step.output, reading.given))
        norm = next((step for step in norms if _same(step.output, reading.given)), None)
        if norm is not None and not self._reads_sum(norm, None):
            yield Site.NORM, norm, "output", suffix

    def _of_mlp(self, mlp: Step) -> Iterator[Found]:
        yield Site.MLP_OUTPUT, mlp, "output", ".mlp"
        maps = [step for step in self.inside if _is_linear(step) and step.given is not None]
        down = next((step for step in maps if _equal(step.output, mlp.output)), None)
        if down is not None:
            yield Site.HIDDEN, down, "given", ".mlp"
        norm = next((step for step in self.inside if _is_norm(step) and _same(step.output, mlp.given)), None)
        if norm is not None and not self._is_after(norm):
            yield Site.NORM, norm, "output", ".mlp"

    def _norms_after(self, mlp: Step | None) -> Iterator[Found]:
        """Norms that read a sum, as in the Transformer of 2017: after each attention, and after the MLP."""
        for norm in (step for step in self.inside if _is_norm(step)):
            for place, projection in self.attended.items():
                if self._reads_sum(norm, projection):
                    kind = ".cross" if place.cross else ".self"
                    yield Site.RESIDUAL_SUM, norm, "given", kind
                    if self.step and self._is_after(norm):
                        yield Site.NORM, norm, "output", kind
            if mlp is not None and self._reads_sum(norm, mlp):
                yield Site.RESIDUAL_SUM, norm, "given", ".mlp"
                yield Site.NORM, norm, "output", ".mlp"

    def _is_after(self, norm: Step) -> bool:
        """Whether the stream goes on from the norm itself: then something later is added to what it gives."""
        ends = [self.step, *(step for step in self.inside if _is_norm(step) and step is not norm)]
        totals = [end.output if end is self.step else end.given for end in ends if end is not None]
        added = [step.output for step in self.inside if step is not norm]
        return _same(norm.output, totals[0]) or any(_is_sum(total, norm.output, *added) for total in totals)

    def _reads_sum(self, norm: Step, written: Step | None) -> bool:
        """Whether a norm's input is what a sublayer wrote, added to what was there before."""
        if written is None or self.step is None:
            return False
        before = (self.step.given, *(step.output for step in self.inside if _is_norm(step)), *self._sums())
        return _is_sum(norm.given, written.output, *before)

    def _sums(self) -> Iterator[Tensor]:
        """The stream after the first attention, where nothing stands for it but the sum itself."""
        given = self.step.given if self.step else None
        for step in self.attended.values():
            if given is not None and step.output is not None and _like(given, step.output):
                yield given + step.output

    def _mlp(self) -> Step | None:
        """The outermost module that gives the last part of the layer's sum."""
        last = max(self.attended.values(), key=self.inside.index, default=None)
        if (
            last is None
            or self.step is None
            or not (_is_stream(self.step.output) and _is_stream(self.step.given))
        ):
            return None
        attended = [step.output for step in self.attended.values()]
        later = [
            step
            for step in self.inside[self.inside.index(last) + 1 :]
            if not _any_equal(step.output, attended)
        ]
        fitting = [
            step for step in later if _like(step.output, self.step.output) and self._is_last_part(step, later)
        ]
        same = [step for step in fitting if _equal(step.output, fitting[-1].output)]
        return min(same, key=lambda step: step.path.count("."), default=None)

    def _is_last_part(self, step: Step, later: Sequence[Step]) -> bool:
        if self.step is None or self.step.output is None or self.step.given is None or step.output is None:
            return False
        if _same(step.output, self.step.output):
            return False
        rest = self.step.output - step.output - self.step.given
        outputs = [other.output for other in self.inside if other is not step]
        together = [other.output for other in self.attended.values() if _like(other.output, rest)]
        total = sum((output for output in together if output is not None), torch.zeros_like(rest))
        if together and any(_equal(rest, other) for other in (total, *outputs)):
            return True
        norms = [other for other in later if _is_norm(other) and other is not step]
        before = [other.output for other in self.inside if _is_norm(other)]
        return any(
            _same(norm.output, self.step.output) and _is_sum(norm.given, step.output, *before)
            for norm in norms
        )


def _projection(inside: Sequence[Step], capture: Capture | None) -> Step | None:
    """The linear map that received the context vectors of all heads."""
    if capture is None:
        return None
    return next((step for step in inside if _reads_context(step, capture) and step.output is not None), None)


def _reads_context(step: Step, capture: Capture) -> bool:
    """Whether a linear map received the context vectors of all heads, side by side."""
    if not _is_linear(step) or step.given is None or step.output is None:
        return False
    flat = capture.context.transpose(0, 1).flatten(1)  # (q, head · d_v)
    return (
        step.given.shape[-1] == flat.shape[-1]
        and step.given.numel() == flat.numel()
        and _equal(step.given.reshape(flat.shape), flat)
    )


def _is_linear(step: Step) -> bool:
    weight = getattr(step.module, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim == 2 and not isinstance(step.module, nn.Embedding)


def _is_norm(step: Step) -> bool:
    return "norm" in type(step.module).__name__.lower()


def _is_router(step: Step) -> bool:
    """A module that gives (…, weights of the chosen experts, their numbers), as transformers' routers do."""
    whole = step.whole
    if not (isinstance(whole, tuple) and len(whole) == 3 and all(isinstance(part, Tensor) for part in whole)):
        return False
    scores, weights, chosen = whole
    return chosen.dtype == torch.long and weights.shape == chosen.shape and scores.ndim == 2 == chosen.ndim


def router(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """(position, expert): the weight of each expert for each token, 0 where it was not chosen."""
    scores, weights, chosen = output
    return torch.zeros_like(scores, dtype=weights.dtype).scatter_(1, chosen, weights)


def _batched(tensor: Tensor | None) -> Tensor | None:
    """With a batch axis, which some MLPs fold into the positions."""
    return tensor[None] if tensor is not None and tensor.ndim == 2 else tensor


def _same(tensor: Tensor | None, other: Tensor | None) -> bool:
    """Whether two are one: the same numbers at the same place in memory."""
    return _like(tensor, other) and tensor.data_ptr() == other.data_ptr()  # pyright: ignore[reportOptionalMemberAccess]


def _is_stream(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.ndim == 3 and len(tensor) == 1 and tensor.is_floating_point()


def _like(tensor: Tensor | None, other: Tensor | None) -> bool:
    return tensor is not None and other is not None and tensor.shape == other.shape


def _is_sum(total: Tensor | None, part: Tensor | None, *others: Tensor | None) -> bool:
    if total is None or part is None or not _like(total, part):
        return False
    rest = total - part
    return any(_equal(rest, other) for other in others if other is not part)


def _equal(tensor: Tensor | None, other: Tensor | None) -> bool:
    if tensor is None or other is None or tensor.shape != other.shape:
        return False
    size = max(1.0, float(other.abs().max())) if other.numel() else 1.0
    return torch.allclose(tensor, other, rtol=0, atol=1e-4 * size)


def _any_equal(tensor: Tensor | None, others: Iterable[Tensor | None]) -> bool:
    return any(_equal(tensor, other) for other in others)


def collect(
    wanted: Iterable[Wanted], plan: Plan, passed: Sequence[Passed], paths: Mapping[nn.Module, str]
) -> Iterator[tuple[Site, str, Tensor]]:
    """What a run showed at the sites that were found: (site, place, tensor without its batch axis)."""
    by_path: dict[str, list[Passed]] = {}
    for one in passed:
        by_path.setdefault(paths.get(one.module, ""), []).append(one)
    for want in wanted:
        for call, one in enumerate(by_path.get(want.path, ())):
            tensor = _part(want, one)
            if tensor is not None and not (want.suffix == "-" and call):
                number = plan.count(want.layers, want.layer, call)
                place = want.tower if want.suffix == "-" else f"{want.tower}.{number}{want.suffix}"
                yield want.site, place, tensor


def _part(want: Wanted, one: Passed) -> Tensor | None:
    if want.part == "router":
        return router(one.output)
    tensor = first(one.given if want.part == "given" else one.output)
    if tensor is None or tensor.ndim not in {2, 3}:
        return None
    return tensor if tensor.ndim == 2 else tensor[0] if len(tensor) == 1 else None
