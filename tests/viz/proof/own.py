"""Models read by hand: their own parameters in float64, by the names that each architecture gives them, and what plain
torch functions make of them. Nothing here is the project's code; the papers and transformers' own files say what to do.

Axes: (position, d_model) for vectors of a stream, (head, position, d_head) for those of heads, (head, query, key) for
grids. `Own` says what must be answered; a family answers what it does in another way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from models.trace import Block

Made = tuple[Tensor, Tensor, Tensor]


def tanh_gelu(x: Tensor) -> Tensor:
    return functional.gelu(x, approximate="tanh")


def of_heads(x: Tensor, heads: int) -> Tensor:
    """(position, head · d) → (head, position, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(0, 1)


def in_halves(x: Tensor, angle: Tensor) -> Tensor:
    """Channel c turned with channel c + d/2, as LLaMA has it (Su et al. 2021, eq. 34)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], dim=-1)


def causal(queries: int) -> Tensor:
    """(query, key): nothing that comes later."""
    return torch.ones(queries, queries, dtype=torch.bool).tril()


@dataclass(frozen=True)
class Norm:
    """LayerNorm, or RMSNorm where there is no β."""

    gamma: Tensor
    beta: Tensor | None
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        shape = x.shape[-1:]
        if self.beta is None:
            return functional.rms_norm(x, shape, self.gamma, self.epsilon)
        return functional.layer_norm(x, shape, self.gamma, self.beta, self.epsilon)


@dataclass(frozen=True)
class Network:
    """A feed-forward network at work: channels before the activation, the gate where there is one, after, and down."""

    up: Tensor
    gate: Tensor | None
    hidden: Tensor
    output: Tensor


class Own:
    """A model's own parameters, and what each stage makes of what it is given."""

    is_post = False
    """Whether a norm follows each sum (post-norm), instead of standing before what the sublayer reads (pre-norm)."""

    positions_at: tuple[str, ...] = ()
    """How the names end of what holds positions: with zeros there, the model has none."""

    head = "lm_head"
    """The name of the map that makes the logits."""

    softcap: float | None = None
    logit_cap: float = 0.0
    activation: Callable[[Tensor], Tensor] = staticmethod(functional.gelu)

    def __init__(self, model: Any) -> None:
        self.state = {name: value.detach().double() for name, value in model.state_dict().items()}
        self.config: Any = getattr(model, "config", None)

    def linear(self, x: Tensor, name: str) -> Tensor:
        """x Wᵀ + b of one module."""
        return functional.linear(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"))

    def layer_norm(self, name: str, epsilon: float) -> Norm:
        return Norm(self.state[f"{name}.weight"], self.state[f"{name}.bias"], epsilon)

    def rms_norm(self, name: str, epsilon: float) -> Norm:
        return Norm(self.state[f"{name}.weight"], None, epsilon)

    def embedding(self, stream: str, read: Tensor) -> Tensor:
        """The vectors of what is read: ids of tokens, or the pixels of an image."""
        raise NotImplementedError

    def position(self, stream: str, count: int) -> Tensor:
        """What is added for the first positions."""
        raise NotImplementedError

    def segment(self, sentence: Tensor) -> Tensor:
        """What is added to tell two sentences apart."""
        raise NotImplementedError

    def entering(self, stream: str, total: Tensor) -> Tensor:
        """What the first layer reads of the sum."""
        return total

    def norm(self, block: Block, stage: str) -> Norm:
        """The norm that `norm` or `add_norm` shows of a block."""
        raise NotImplementedError

    def mlp_norm(self, block: Block) -> Norm:
        """The norm before the feed-forward network, or in a post-norm model the one after its sum."""
        raise NotImplementedError

    def projected(self, block: Block, x: Tensor, source: Tensor) -> Made:
        """Queries, keys and values before they are turned."""
        raise NotImplementedError

    def turned(self, block: Block, x: Tensor, first: int = 0) -> Tensor:
        """The same after they are turned for the positions from `first` on."""
        return x

    def angles(self, count: int, first: int = 0) -> Tensor:
        """(position, pair): by how much each pair is turned."""
        raise NotImplementedError

    def scale(self, block: Block, d_head: int) -> float:
        """What q · k is multiplied by."""
        return d_head**-0.5

    def added(self, block: Block, queries: int, keys: int) -> Tensor:
        """(head, query, key): what is added to the scores."""
        raise NotImplementedError

    def mask(self, block: Block, x: Tensor, source: Tensor) -> Tensor:
        """(query, key): where a query may attend."""
        if block.kind == "self" and block.query_stream == "decoder":
            return causal(len(x))
        return torch.ones(len(x), len(source), dtype=torch.bool)

    def sink(self, block: Block) -> Tensor:
        """(head,): the score that joins each row's softmax."""
        raise NotImplementedError

    def out(self, block: Block) -> str:
        """The name of the map W_O."""
        raise NotImplementedError

    def network(self, block: Block, x: Tensor) -> Network:
        """The feed-forward network after a block."""
        raise NotImplementedError

    def routed(self, block: Block, x: Tensor) -> tuple[Tensor, Tensor]:
        """(position, expert): each expert's probability, and its weight, 0 where it was not chosen."""
        raise NotImplementedError

    def experts(self, block: Block, x: Tensor) -> Tensor:
        """What the experts of a layer write together."""
        raise NotImplementedError

    def top(self, stream: str, x: Tensor) -> Tensor:
        """What a tower gives, of what leaves its last layer."""
        return x

    def ending(self, x: Tensor) -> Tensor:
        """The vectors that the output embeddings are multiplied with, of what leaves the last layer."""
        return self.top("decoder", x)

    def unembedding(self) -> tuple[Tensor, Tensor]:
        """The output embeddings and their biases; one of each for every word or class."""
        table = self.state[f"{self.head}.weight"]
        return table, self.state.get(f"{self.head}.bias", torch.zeros(len(table)).double())

    def logits(self, vectors: Tensor) -> Tensor:
        """(row, vocabulary), of the vectors that all rows end in."""
        made = functional.linear(vectors, *self.unembedding())
        return self.logit_cap * torch.tanh(made / self.logit_cap) if self.logit_cap else made

    def next_sentence(self, x: Tensor) -> Tensor:
        """(2,): B follows A, B does not."""
        raise NotImplementedError


class Gpt2(Own):
    """GPT-2: learned positions, LayerNorm before each sublayer, one map for queries, keys and values."""

    positions_at = ("wpe.weight",)
    activation = staticmethod(tanh_gelu)

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        for name in list(self.state):  # its Conv1D keeps maps the other way round
            if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
                self.state[name] = self.state[name].T

    def layer(self, block: Block) -> str:
        return f"transformer.h.{block.name.split('.')[1]}"

    def embedding(self, stream: str, read: Tensor) -> Tensor:
        return self.state["transformer.wte.weight"][read]

    def position(self, stream: str, count: int) -> Tensor:
        return self.state["transformer.wpe.weight"][:count]

    def norm(self, block: Block, stage: str) -> Norm:
        return self.layer_norm(f"{self.layer(block)}.ln_1", self.config.layer_norm_epsilon)

    def mlp_norm(self, block: Block) -> Norm:
        return self.layer_norm(f"{self.layer(block)}.ln_2", self.config.layer_norm_epsilon)

    def projected(self, block: Block, x: Tensor, source: Tensor) -> Made:
        q, k, v = self.linear(x, f"{self.layer(block)}.attn.c_attn").chunk(3, dim=-1)
        return of_heads(q, block.heads), of_heads(k, block.heads), of_heads(v, block.heads)

    def out(self, block: Block) -> str:
        return f"{self.layer(block)}.attn.c_proj"

    def network(self, block: Block, x: Tensor) -> Network:
        up = self.linear(x, f"{self.layer(block)}.mlp.c_fc")
        hidden = self.activation(up)
        return Network(up, None, hidden, self.linear(hidden, f"{self.layer(block)}.mlp.c_proj"))

    def top(self, stream: str, x: Tensor) -> Tensor:
        return self.layer_norm("transformer.ln_f", self.config.layer_norm_epsilon)(x)


class Bloom(Own):
    """BLOOM: no positions but ALiBi's slopes; queries, keys and values interleaved head by head."""

    activation = staticmethod(tanh_gelu)

    def layer(self, block: Block) -> str:
        return f"transformer.h.{block.name.split('.')[1]}"

    def embedding(self, stream: str, read: Tensor) -> Tensor:
        return self.state["transformer.word_embeddings.weight"][read]

    def entering(self, stream: str, total: Tensor) -> Tensor:
        name = "transformer.word_embeddings_layernorm"
        return self.layer_norm(name, self.config.layer_norm_epsilon)(total)

    def norm(self, block: Block, stage: str) -> Norm:
        return self.layer_norm(f"{self.layer(block)}.input_layernorm", self.config.layer_norm_epsilon)

    def mlp_norm(self, block: Block) -> Norm:
        name = f"{self.layer(block)}.post_attention_layernorm"
        return self.layer_norm(name, self.config.layer_norm_epsilon)

    def projected(self, block: Block, x: Tensor, source: Tensor) -> Made:
        all_three = self.linear(x, f"{self.layer(block)}.self_attention.query_key_value")
        q, k, v = all_three.unflatten(-1, (block.heads, 3, -1)).permute(2, 1, 0, 3)
        return q, k, v

    def added(self, block: Block, queries: int, keys: int) -> Tensor:
        """Press et al. 2022: heads of 8 have the slopes 1/2, 1/4, …; the same to every query, counted from key 0."""
        slope = 2.0 ** (-8.0 * torch.arange(1, block.heads + 1).double() / block.heads)
        return slope[:, None, None] * torch.arange(keys).double().expand(queries, keys)

    def out(self, block: Block) -> str:
        return f"{self.layer(block)}.self_attention.dense"

    def network(self, block: Block, x: Tensor) -> Network:
        up = self.linear(x, f"{self.layer(block)}.mlp.dense_h_to_4h")
        hidden = self.activation(up)
        return Network(up, None, hidden, self.linear(hidden, f"{self.layer(block)}.mlp.dense_4h_to_h"))

    def top(self, stream: str, x: Tensor) -> Tensor:
        return self.layer_norm("transformer.ln_f", self.config.layer_norm_epsilon)(x)
