"""What the page is given of a run: its manifest, the bundles that it fetches, and facts where it reckons itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from safetensors.numpy import load
from torch import Tensor

from models import Trace
from models.trace import Block
from tests.viz.proof.own import Own
from viz import payload
from viz.manifest import manifest
from viz.recurrent import places
from viz.steps import Selection, facts

Claim = tuple[str, Tensor, Tensor]
Claims = Iterator[Claim]
"""What each number is about, the number made again, and the number shown."""


@dataclass(frozen=True, eq=False)
class Run:
    """A recorded run: the model, its parameters by hand, what each stream read, and how to record it otherwise."""

    module: Any
    own: Own
    trace: Trace
    read: Mapping[str, Tensor]
    record: Callable[..., Trace]

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        return manifest(self.trace, "key")

    def pages(self) -> Iterator[Page]:
        """Every block, and every recurrent network."""
        yield from (Page(self, entry) for entry in self.manifest["blocks"])


@dataclass(frozen=True, eq=False)
class Page:
    """What the page is given of one block of a run."""

    run: Run
    entry: Mapping[str, Any]
    said: dict[Selection, dict[str, Any]] = field(default_factory=dict)

    @property
    def trace(self) -> Trace:
        return self.run.trace

    @property
    def own(self) -> Own:
        return self.run.own

    @property
    def name(self) -> str:
        return self.entry["name"]

    @property
    def stream(self) -> str:
        return self.entry["queryStream"]

    @cached_property
    def block(self) -> Block:
        return self.trace.block(self.name)

    @property
    def count(self) -> int:
        return len(self.trace.tokens[self.stream])

    def bundle(self, make: Callable[..., bytes], *where: Any) -> dict[str, Tensor]:
        """A bundle as the page reads it."""
        return {name: torch.tensor(array).double() for name, array in load(make(self.trace, *where)).items()}

    @cached_property
    def heads(self) -> list[dict[str, Tensor]]:
        return [self.bundle(payload.head, self.name, head) for head in range(max(1, self.entry["heads"]))]

    def of(self, array: str, *others: str) -> Tensor:
        """One array of all heads, or the first of the others that there is."""
        found = next(name for name in (array, *others) if name in self.heads[0])
        return torch.stack([head[found] for head in self.heads])

    @cached_property
    def projection(self) -> dict[str, Tensor]:
        return self.bundle(payload.projection, self.name, 0)

    @property
    def entering(self) -> tuple[Tensor, Tensor]:
        """What queries and keys are made from."""
        return self.projection["query_input"], self.projection["key_input"]

    @cached_property
    def whole(self) -> dict[str, Tensor]:
        """What enters the first layer, and its parts."""
        return self.bundle(payload.stream, self.stream)

    def shared(self, x: Tensor) -> Tensor:
        """(kv head, …) as each query head reads it."""
        return x.repeat_interleave(self.entry["heads"] // self.entry["kvHeads"], dim=0)

    def joined(self) -> Tensor:
        """The contexts of all heads side by side."""
        return self.of("context").transpose(0, 1).flatten(1)

    def memory(self) -> Tensor:
        """What the encoder gives to every cross-attention."""
        if dict(places(self.trace)):
            return self.bundle(payload.head, "encoder.0.recurrent", 0)["state"]
        last = self.run.manifest["last"][self.entry["keyStream"]]
        return self.own.top("encoder", self.bundle(payload.residual, last)["residual"])

    def leaving(self) -> Tensor:
        """What the last layer of the stream leaves, or the states and contexts of a recurrent network."""
        networks = dict(places(self.trace))
        if networks:
            place = next(name for name, stream in networks.items() if stream == self.stream)
            states = self.bundle(payload.head, place, 0)
            return torch.cat([states["context_vector"], states["state"]], dim=-1)
        tower = self.stream.partition(":")[0]
        layers = [
            page.name.rsplit(".", 1)[0] for page in self.run.pages() if page.name.split(".")[0] == tower
        ]
        return self.bundle(payload.residual, layers[-1])["residual"]

    def fact(self, name: str, stage: str, **at: int) -> Tensor:
        """A number that the page reckons, as `viz/steps.py` does."""
        chosen = Selection(self.name, **{"head": 0, **at}, stage=stage)
        if chosen not in self.said:
            self.said[chosen] = facts(self.trace, chosen)
        return torch.tensor(self.said[chosen][name], dtype=torch.float64)
