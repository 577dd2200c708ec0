"""How positions enter a model, as stages of a tab of their own."""

from __future__ import annotations

from models.trace import Block, Trace
from viz.walk import stages_of

OF_THE_WALK = ("position", "rotation", "bias")
"""Stages of the walk in which positions enter; the tab shows the same."""


def stages_of_positions(trace: Trace, block: Block) -> dict[str, str]:
    """Stage id → id of the text that tells it, for every stage that a block has in the tab, in order."""
    walk = stages_of(trace, block)
    return {stage: walk[stage] for stage in OF_THE_WALK if stage in walk}
