"""One head as a heat map: a row for each query, a column for each key."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from models.trace import Array, Axis, Head, Mask, Site, Token
from viz.scales import LIGHT, Palette


def heatmap(
    head: Head,
    queries: Sequence[Token],
    keys: Sequence[Token],
    *,
    site: str = "weights",
    title: str = "",
    palette: Palette = LIGHT,
) -> go.Figure:
    """A head's weights, masked_scores or scores (which come before the mask), its tokens at the sides, digits on hover.

    Weights run from the paper to their hue on [0, 1]; scores are centred at 0. A forbidden cell stays empty and has a
    cross, one that is not a finite number has a circle.
    """
    values: Array = getattr(head, Site(site).value)
    forbidden = np.zeros_like(head.mask) if site == Site.SCORES else ~head.mask
    broken = ~forbidden & ~np.isfinite(values)
    shown = values.astype(object)
    shown[forbidden | broken] = None
    rows, columns = ([html.escape(token.text) for token in tokens] for tokens in (queries, keys))
    cells = go.Heatmap(
        z=shown.tolist(),
        customdata=[[[row, column] for column in columns] for row in rows],
        hovertemplate="%{customdata[0]} → %{customdata[1]}: %{z:.6f}<extra></extra>",
        hoverongaps=False,
        colorbar={"title": {"text": Site(site).value}},
        **_colours(site, values, palette),
    )
    marks = _marks(forbidden, "x-thin", palette.muted, "−∞"), _marks(broken, "circle", palette.bad, "NaN, ±∞")
    layout = go.Layout(
        title={"text": title},
        xaxis=_axis(Axis.KEY, columns) | {"side": "top"},
        yaxis=_axis(Axis.QUERY, rows) | {"autorange": "reversed", "scaleanchor": "x"},
        paper_bgcolor=palette.paper,
        plot_bgcolor=palette.paper,
        font={"color": palette.ink},
    )
    return go.Figure([cells, *marks], layout)


def _colours(site: str, values: Array, palette: Palette) -> dict:
    """The colour scale and its two ends."""
    if site == Site.WEIGHTS:
        return {"zmin": 0, "zmax": 1, "colorscale": [[0, palette.paper], [1, palette.weight]]}
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0)) or 1.0
    colours = [[0, palette.negative], [0.5, palette.paper], [1, palette.score]]
    return {"zmin": -largest, "zmax": largest, "colorscale": colours}


def _marks(where: Mask, symbol: str, colour: str, name: str) -> go.Scatter:
    """One mark on each of these cells."""
    rows, columns = (index.tolist() for index in np.nonzero(where))
    marker = {"symbol": symbol, "size": 7, "color": colour, "line": {"width": 1, "color": colour}}
    return go.Scatter(
        x=columns, y=rows, mode="markers", marker=marker, name=name, showlegend=False, hoverinfo="name"
    )


def _axis(name: str, labels: list[str]) -> dict:
    """An axis whose cells are tokens, repeated words and all."""
    ticks = {"tickvals": list(range(len(labels))), "ticktext": labels}
    return ticks | {"title": {"text": str(name)}, "showgrid": False, "zeroline": False, "constrain": "domain"}
