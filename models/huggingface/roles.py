"""What each parameter of a Hugging Face model does, by what is known of the module that holds it.

norm            held by a norm
attention       below an attention module, or a map that was found to make its heads or to read its context vectors
feed_forward    below what was found to write the second part of a layer's sum: an MLP, or a router and its experts
embedding       the tables that the model itself names, what was found to enter its towers, tables of positions
other           the rest: poolers, classifiers, layers of another kind
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from models.huggingface.entrances import is_table
from models.huggingface.places import Plan
from models.huggingface.study import Study
from models.parts import Shares
from models.roles import counted
from models.trace import Site

_FEED_FORWARD = (
    Site.MLP_OUTPUT,
    Site.MLP_INPUT,
    Site.UP,
    Site.GATE,
    Site.HIDDEN,
    Site.ROUTER,
    Site.ROUTER_PROBABILITIES,
)
"""Sites that modules of a feed-forward network were found by; the norms beside it have sites of their own."""

_NAMED = re.compile(r"mlp|ffn|feed_?forward|experts?|moe", re.IGNORECASE)
"""A part of a layer that says itself what it is, where the numbers did not: after some a norm hides what they wrote."""


def shares(model: Any, plan: Plan, found: Study) -> Shares:
    """How many numbers of a model have each role."""
    return counted(model, Roles(model, plan, found).of)


@dataclass(frozen=True)
class Places:
    """Paths of modules that have one role."""

    paths: frozenset[str]

    def depth(self, path: str) -> int:
        """How long the longest of them is that leads to a path; -1 where none does."""
        return max((len(one) for one in self.paths if path.startswith(f"{one}.")), default=-1)


class Roles:
    """What is known of a model's modules."""

    def __init__(self, model: Any, plan: Plan, found: Study) -> None:
        self.modules = dict(model.named_modules())
        self.plan = plan
        self.tables = {id(one) for table in _tables(model) for one in table.parameters()}
        fed = frozenset(one.path for one in found.wanted if one.site in _FEED_FORWARD)
        self.feed_forward = Places(frozenset(path for path in fed if not self._is_norm(path)))
        self.attention = Places(frozenset(self._attention(found)))
        self.entrances = Places(frozenset(self._entrances(model, found)))
        self.entering = {f"{one.path}.{one.parameter}".strip(".") for one in found.entrances if one.parameter}
        self.entering |= {name for one in found.entrances for name in one.before}

    def of(self, path: str, parameter: nn.Parameter) -> str:
        """The role of the parameter at a path."""
        owner, _, name = path.rpartition(".")
        if self._is_norm(owner):
            return "norm"
        if id(parameter) in self.tables:
            return "embedding"
        attention, fed = self.attention.depth(path), self.feed_forward.depth(path)
        if max(attention, fed) >= 0:
            return "attention" if attention >= fed else "feed_forward"
        if path in self.entering or self.entrances.depth(path) >= 0 or is_table(owner) or is_table(name):
            return "embedding"
        return self._by_place(path, owner)

    def _by_place(self, path: str, owner: str) -> str:
        """Of what was not found: a table in no layer, or what a layer itself calls its feed-forward network."""
        below = next(
            (path[len(layers) :] for layers in self.plan.lengths if path.startswith(f"{layers}.")), ""
        )
        if below:
            return "feed_forward" if _NAMED.search(below) else "other"
        return "embedding" if isinstance(self.modules[owner], nn.Embedding) else "other"

    def _is_norm(self, path: str) -> bool:
        return "norm" in type(self.modules[path]).__name__.lower()

    def _attention(self, found: Study) -> Iterator[str]:
        """Attention modules, but for those that hold a whole layer, and the maps around them."""
        fed = self.feed_forward.paths
        yield from (path for path in self.plan.places if not any(one.startswith(f"{path}.") for one in fed))
        yield from (one.path for one in found.projections)
        yield from (one.path for one in found.wanted if one.site is Site.ATTENTION_OUTPUT)

    def _entrances(self, model: Any, found: Study) -> Iterator[str]:
        """What enters the towers, and the module around the table of tokens or patches."""
        yield from (one.path for one in found.entrances if one.path and not one.parameter)
        around = [
            path.rpartition(".")[0]
            for path, module in self.modules.items()
            if any(module is table for table in _said(model, "get_input_embeddings"))
        ]
        layers = (*self.plan.lengths, *self.plan.places)
        yield from (path for path in around if path and not any(one.startswith(f"{path}.") for one in layers))


def _tables(model: Any) -> Iterator[nn.Module]:
    yield from _said(model, "get_input_embeddings")
    yield from _said(model, "get_output_embeddings")


def _said(model: Any, name: str) -> Iterable[nn.Module]:
    """What the model and the models within it name so; some have nothing to say."""
    for module in model.modules():
        if hasattr(module, name) and hasattr(module, "config"):
            try:
                said = getattr(module, name)()
            except (NotImplementedError, AttributeError):
                continue
            if isinstance(said, nn.Module):
                yield said
