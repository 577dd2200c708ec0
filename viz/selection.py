"""What is looked at: one number of one head."""

from __future__ import annotations

from dataclasses import dataclass

Fact = str | int | float


@dataclass(frozen=True)
class Selection:
    """One number of one head: which query, which key, which channel of the vectors.

    `dimension` is one of d_model; `expert` is one of those that a mixture of experts chooses from; `choice` is one of a
    row's most probable outputs, the first of which is 0; `unit` is one of the hidden channels that are shown;
    `shift` is by how many positions something is moved on.
    """

    block: str
    head: int
    query: int = 0
    key: int = 0
    channel: int = 0
    dimension: int = 0
    stage: str = "softmax"
    expert: int = 0
    choice: int = 0
    unit: int = 0
    shift: int = 1
