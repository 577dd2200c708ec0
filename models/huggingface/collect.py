"""What a run showed at the sites that were found (`sites.py`), by site and place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from torch import Tensor

from models.huggingface.inner import PARAMETERS, Parameter
from models.huggingface.interface import Passed
from models.huggingface.places import Plan
from models.huggingface.routers import probabilities, router
from models.huggingface.sites import Wanted
from models.huggingface.steps import first, unwindowed
from models.huggingface.windows import Windows
from models.trace import Site


def collect(
    sites: Iterable[Wanted],
    plan: Plan,
    passed: Mapping[str, Sequence[Passed]],
    windows: Mapping[str, Windows],
) -> Iterator[tuple[Site, str, Tensor | Parameter]]:
    """What a run showed at the sites that were found: (site, place, tensor without its batch axis)."""
    for want in sites:
        for call, one in enumerate(passed.get(want.path, ())):
            tensor = _part(want, one, windows.get(f"{want.layers}.{want.layer}"))
            if tensor is not None and not (want.suffix == "-" and call):
                number = plan.count(want.layers, want.layer, call)
                place = want.tower if want.suffix == "-" else f"{want.tower}.{number}{want.suffix}"
                yield want.site, place, tensor


def _part(want: Wanted, one: Passed, windows: Windows | None) -> Tensor | Parameter | None:
    if want.part in PARAMETERS:
        return Parameter(one.module, want.part)
    if want.site is Site.ROUTER:
        return router(one.output)
    if want.site is Site.ROUTER_PROBABILITIES:
        return probabilities(one.output, want.part)
    tensor = first(one.given if want.part == "given" else one.output)
    tensor = tensor if windows is None else unwindowed(tensor, windows.back)
    if tensor is None or tensor.ndim not in {2, 3}:
        return None
    return tensor if tensor.ndim == 2 else tensor[0] if len(tensor) == 1 else None
