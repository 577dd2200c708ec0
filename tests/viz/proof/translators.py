"""The translators in the box, read by hand: the Transformer of 2017, and the recurrent networks before it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.trace import Block
from tests.viz.proof.own import Made, Norm, Own
from tests.viz.proof.towers import Named, layer_of


class Transformer(Named):
    """The translator of 2017: one table for source, target and output, sines, a norm after each sum, ReLU."""

    is_post = True
    positions_at = ("positions",)
    head = "embedding"
    activation = staticmethod(functional.relu)

    def attention(self, block: Block) -> str:
        return f"{block.query_stream}.{layer_of(block)}.{'cross' if block.kind == 'cross' else 'attention'}"

    def embedding(self, stream: str, read: Tensor) -> Tensor:
        table = self.state["embedding.weight"]
        return table[read] * table.shape[1] ** 0.5

    def position(self, stream: str, count: int) -> Tensor:
        width = self.state["embedding.weight"].shape[1]
        frequency = 10000.0 ** (-torch.arange(0, width, 2).double() / width)
        angle = torch.outer(torch.arange(count).double(), frequency)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)

    def norm(self, block: Block, stage: str) -> Norm:
        return self.layer_norm(f"{self.attention(block)}_norm.norm", 1e-5)

    def mlp_norm(self, block: Block) -> Norm:
        return self.layer_norm(f"{block.query_stream}.{layer_of(block)}.mlp_norm.norm", 1e-5)

    def out(self, block: Block) -> str:
        return f"{self.attention(block)}.output"

    def networks(self, block: Block) -> tuple[str, str]:
        name = f"{block.query_stream}.{layer_of(block)}.mlp"
        return f"{name}.up", f"{name}.down"


class Recurrent(Own):
    """The two translators before it: torch's own gated recurrent unit, and what its states end in."""

    head = "embedding"

    def embedding(self, stream: str, read: Tensor) -> Tensor:
        return self.state["embedding.weight"][read]

    def gates(self, stream: str, x: Tensor, before: Tensor) -> dict[str, Tensor]:
        """What the word and the state before it give to each gate, the gates, and the state (Cho et al. 2014)."""
        names = ("reset", "update", "candidate")
        word, carried = self.linear(x, f"{stream}.input"), self.linear(before, f"{stream}.state")
        parts = {"word": word.chunk(3, dim=-1), "carried": carried.chunk(3, dim=-1)}
        made = {f"{part}_{gate}": rows[i] for part, rows in parts.items() for i, gate in enumerate(names)}
        made |= {gate: (made[f"word_{gate}"] + made[f"carried_{gate}"]).sigmoid() for gate in names[:2]}
        made["candidate"] = (made["word_candidate"] + made["reset"] * made["carried_candidate"]).tanh()
        maps = (
            self.state[f"{stream}.{part}.{kind}"]
            for kind in ("weight", "bias")
            for part in ("input", "state")
        )
        return made | {"state": torch.gru_cell(x, before, *maps)}

    def projected(self, block: Block, x: Tensor, source: Tensor) -> Made:
        """Keys and values are the encoder's states themselves (Luong et al. 2015, eq. 8)."""
        return self.linear(x, "context.query")[None], source[None], source[None]

    def scale(self, block: Block, d_head: int) -> float:
        return 1.0

    def ending(self, x: Tensor) -> Tensor:
        """Of [context; state] (Luong et al. 2015, eq. 5 and 6)."""
        return self.linear(x, "output").tanh()
