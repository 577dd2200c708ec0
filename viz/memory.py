"""What the decoder reads of the encoder: one array, H, from which every cross-attention makes its keys and values.

Vaswani et al. 2017, §3.2.3: the memory keys and values come from the output of the encoder.
"""

from __future__ import annotations

import numpy as np

from models.trace import Array, Block, Site, Trace
from viz.selection import Fact
from viz.written import is_near, tolerance


def readers(trace: Trace, block: Block) -> list[Array]:
    """What enters the keys and values of every cross-attention that looks at the same stream as this one."""
    alike = (one.name for one in trace.blocks if one.kind == "cross" and one.key_stream == block.key_stream)
    return [trace.array(Site.KEY_INPUT, name) for name in alike if (Site.KEY_INPUT, name) in trace.arrays]


def is_shared(trace: Trace, block: Block) -> bool:
    """Whether a cross-attention reads what all others read."""
    if block.kind != "cross" or (Site.KEY_INPUT, block.name) not in trace.arrays:
        return False
    own, close = trace.array(Site.KEY_INPUT, block.name), tolerance(trace, block.name)
    others = {other.__array_interface__["data"]: other for other in readers(trace, block)}  # mostly one array
    return all(is_near(other, own, close) for other in others.values())


def summary(trace: Trace, block: Block) -> tuple[int, float]:
    """How many cross-attentions read it, and by how much what any of them reads differs from what this one reads."""
    own, others = trace.array(Site.KEY_INPUT, block.name), readers(trace, block)
    return len(others), max(float(np.abs(other - own).max(initial=0.0)) for other in others)


def facts(trace: Trace, block: Block) -> dict[str, Fact]:
    """What can be said of it; nothing in self-attention."""
    if not is_shared(trace, block):
        return {}
    count, difference = summary(trace, block)
    width = trace.array(Site.KEY_INPUT, block.name).shape[1]
    return {"memory_readers": count, "memory_difference": difference, "memory_width": width}
