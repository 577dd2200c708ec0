"""What the parameters of a model do, and how many do each: its size as shares that add up to the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from torch import nn

from models.parts import ROLES, Shares


def counted(model: nn.Module, role_of: Callable[[str, nn.Parameter], str]) -> Shares:
    """How many numbers have each role, by the first name of each parameter; one that two modules share counts once."""
    found: Counter[str] = Counter()
    for path, parameter in model.named_parameters():
        found[role_of(path, parameter)] += parameter.numel()
    return tuple((role, found[role]) for role in ROLES if found[role])
