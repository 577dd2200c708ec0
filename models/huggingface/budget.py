"""What a run keeps beside attention itself, so that a long text does not fill the memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from models.huggingface.sites import Wanted
from models.trace import Site

MEMORY_LIMIT = 32 * 2**20
"""The most bytes that a run keeps beside attention itself: GPT-2 small keeps everything up to about 80 tokens."""

PRIORITY = (
    *(Site.ROUTER, Site.ROUTER_PROBABILITIES, Site.RESIDUAL, Site.ATTENTION_OUTPUT, Site.MLP_OUTPUT),
    *(Site.QUERY_INPUT, Site.KEY_INPUT, Site.NORM, Site.RESIDUAL_SUM, Site.HIDDEN),
    *(Site.NORM_INPUT, Site.MLP_INPUT, Site.UP, Site.GATE),
)
"""What is kept first when not everything fits."""


def affordable(
    wanted: Sequence[Wanted],
    tokens: int,
    widths: Mapping[Site, int],
    d_model: int,
    keep: Collection[Site] = (),
) -> tuple[tuple[Wanted, ...], dict[Site, int]]:
    """The sites that fit into memory for a text of so many tokens, each everywhere or nowhere, and those in `keep`.

    What passes one module at one place is kept once, whatever sites it stands for. With it: the bytes of each site that
    does not fit.
    """
    total, dropped, kept = 0, {}, set()
    for site in PRIORITY:
        new = {_passing(want) for want in wanted if want.site is site} - kept
        size = len(new) * tokens * widths.get(site, d_model) * 4
        total += size
        if total <= MEMORY_LIMIT:
            kept |= new
        elif new and site not in keep:
            dropped[site] = size
    return tuple(want for want in wanted if want.site not in dropped), dropped


def _passing(want: Wanted) -> tuple[str, str]:
    return want.path, want.part
