"""A layer's feed-forward network: up to many channels, an activation, and down again.

    h = f(x W + b)            y = h W' + b'           f: ReLU (Vaswani et al. 2017, eq. 2) or GELU
    h = f(x G) · (x W)        y = h W'                f: SiLU or GELU, gated (Shazeer 2020)

Which activation it is, is found from the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from models.trace import Array, Block, Site, Trace
from viz.selection import Fact, Selection

SHOWN = 256
"""The most hidden channels that are shown: of more, those that are most active anywhere in the text."""

NEAR = 0.01
"""A channel this small beside the largest of its token is near zero. ReLU makes exact zeros: there only those count."""

CLOSE = 1e-3
SAMPLE = (8, 64)
"""So many rows and columns tell one activation from another."""

_erf = np.vectorize(math.erf, otypes=[float])
Activation = Callable[[NDArray], NDArray]


def _gelu(x: NDArray) -> NDArray:
    return x * (1 + _erf(x / math.sqrt(2))) / 2


def _gelu_tanh(x: NDArray) -> NDArray:
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def _silu(x: NDArray) -> NDArray:
    return x / (1 + np.exp(-np.clip(x, -80, 80)))


ACTIVATIONS: tuple[tuple[str, Activation], ...] = (
    ("relu", lambda x: np.maximum(x, 0)),
    ("gelu", _gelu),
    ("gelu", _gelu_tanh),
    ("silu", _silu),
)
TOLD = {("relu", False): "mlp", ("gelu", False): "mlp_gelu"} | {
    ("silu", True): "mlp_swiglu",
    ("gelu", True): "mlp_geglu",
}
"""(activation, whether it is a gate) → the text that tells it."""


def place_of(trace: Trace, block: Block) -> str:
    """The feed-forward network right after a block; "" where another attention comes between, or none is known."""
    layer = block.name.rsplit(".", 1)[0]
    last = [one.name for one in trace.blocks if one.name.rsplit(".", 1)[0] == layer][-1]
    place = f"{layer}.mlp"
    needed = (Site.MLP_INPUT, Site.UP, Site.HIDDEN, Site.MLP_OUTPUT)
    known = all((site, place) in trace.arrays for site in needed)
    return place if known and block.name == last and _fits(trace, block, place) else ""


def _fits(trace: Trace, block: Block, place: str) -> bool:
    """Whether it has a row for each token of the block's queries."""
    return len(trace.array(Site.MLP_INPUT, place)) == len(trace.tokens[block.query_stream])


def told(trace: Trace, block: Block) -> str:
    """The text that tells a block's feed-forward network; "" where there is none to tell."""
    place = place_of(trace, block)
    found = _activation(trace, place) if place else None
    return "" if found is None else TOLD.get((found[0], (Site.GATE, place) in trace.arrays), "")


def _activation(trace: Trace, place: str) -> tuple[str, Activation] | None:
    rows, columns = SAMPLE
    is_gated = (Site.GATE, place) in trace.arrays
    sites = (Site.UP, Site.GATE if is_gated else Site.UP, Site.HIDDEN)
    up, entering, hidden = (trace.array(site, place)[:rows, :columns].astype(float) for site in sites)
    largest = max(1.0, float(np.abs(hidden).max(initial=0.0)))
    made = [activation(entering) * (up if is_gated else 1) for _, activation in ACTIVATIONS]
    errors = [float(np.abs(one - hidden).max(initial=0.0)) / largest for one in made]
    nearest = int(np.argmin(errors))  # the two forms of GELU differ by less than CLOSE
    return ACTIVATIONS[nearest] if errors[nearest] <= CLOSE else None


def units(hidden: Array) -> NDArray[np.integer]:
    """The channels that are shown, in order."""
    if hidden.shape[1] <= SHOWN:
        return np.arange(hidden.shape[1])
    return np.sort(np.argsort(-np.abs(hidden).max(axis=0), kind="stable")[:SHOWN])


def _zeros(trace: Trace, place: str) -> NDArray[np.bool_]:
    """(position, d_hidden): which channels are 0, or near it where the activation is smooth."""
    hidden, found = np.abs(trace.array(Site.HIDDEN, place)), _activation(trace, place)
    if found is not None and found[0] == "relu":
        return hidden == 0
    return hidden <= NEAR * hidden.max(axis=1, keepdims=True)


def arrays(trace: Trace, block: Block) -> Mapping[str, NDArray]:
    """What the page shows of a block's feed-forward network, each as a matrix; of the hidden channels only some."""
    place = place_of(trace, block)
    if not place:
        return {}
    hidden, zeros = trace.array(Site.HIDDEN, place), _zeros(trace, place)
    shown = units(hidden)
    found = {
        "mlp_input": trace.array(Site.MLP_INPUT, place),
        "up": trace.array(Site.UP, place)[:, shown],
        "hidden": hidden[:, shown],
        "mlp_output": trace.array(Site.MLP_OUTPUT, place),
        "units": shown[None].astype(np.float32),
        "units_on": (hidden > 0).sum(axis=1, keepdims=True).astype(np.float32),
        "units_all": np.array([hidden.shape[1]], np.float32),
        "units_zero": 100 * zeros.mean(axis=1, keepdims=True, dtype=np.float32),
        "units_silent": np.array([zeros.all(axis=0).sum()], np.float32),
    }
    activation = _activation(trace, place)
    if (Site.GATE, place) in trace.arrays and activation is not None:
        gate = trace.array(Site.GATE, place)[:, shown]
        found |= {"gate": gate, "active": activation[1](gate.astype(float)).astype(np.float32)}
    return found


def facts(trace: Trace, block: Block, at: Selection) -> dict[str, Fact]:
    """How one hidden channel came to be, and one number of what the network wrote."""
    if not told(trace, block):
        return {}
    shown = arrays(trace, block)
    place = min(at.unit, shown["units"].shape[1] - 1)
    written = shown["mlp_output"][at.query]
    said: dict[str, Fact] = {
        "unit": int(shown["units"][0, place]),
        "units": int(shown["units_all"][0]),
        "units_shown": int(shown["units"].shape[1]),
        "units_on": int(shown["units_on"][at.query, 0]),
        "units_zero": float(shown["units_zero"][at.query, 0]),
        "units_zero_mean": float(shown["units_zero"].astype(float).mean()),
        "units_silent": int(shown["units_silent"][0]),
        "mlp_up": float(shown["up"][at.query, place]),
        "mlp_hidden": float(shown["hidden"][at.query, place]),
        "mlp_written": float(written[min(at.dimension, len(written) - 1)]),
    }
    if "gate" in shown:
        said |= {
            "mlp_gate": float(shown["gate"][at.query, place]),
            "mlp_active": float(shown["active"][at.query, place]),
        }
    return said
