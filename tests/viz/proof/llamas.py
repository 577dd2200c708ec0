"""LLaMA and those that are built like it, read by hand: Qwen, Gemma, Mixtral, DeepSeek, gpt-oss. See `own.py`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from models.trace import Block
from tests.viz.proof.own import Made, Network, Norm, Own, causal, in_halves, of_heads, tanh_gelu


class Llama(Own):
    """RMSNorm before each sublayer, rotary positions, grouped keys and values, a gated feed-forward network."""

    positions_at = ("inv_freq",)
    activation = staticmethod(functional.silu)

    def layer(self, block: Block) -> str:
        return f"model.layers.{block.name.split('.')[1]}"

    def embedding(self, stream: str, read: Tensor) -> Tensor:
        return self.state["model.embed_tokens.weight"][read]

    def norm(self, block: Block, stage: str) -> Norm:
        return self.rms_norm(f"{self.layer(block)}.input_layernorm", self.config.rms_norm_eps)

    def mlp_norm(self, block: Block) -> Norm:
        return self.rms_norm(f"{self.layer(block)}.post_attention_layernorm", self.config.rms_norm_eps)

    def projected(self, block: Block, x: Tensor, source: Tensor) -> Made:
        name = f"{self.layer(block)}.self_attn"
        q = of_heads(self.linear(x, f"{name}.q_proj"), self.config.num_attention_heads)
        k, v = (
            of_heads(self.linear(x, f"{name}.{part}_proj"), self.config.num_key_value_heads) for part in "kv"
        )
        return q, k, v

    @property
    def turned_width(self) -> int:
        """How many channels of a head are turned: here all."""
        return self.config.head_dim

    def angles(self, count: int, first: int = 0) -> Tensor:
        pairs = torch.arange(0, self.turned_width, 2).double() / self.turned_width
        places = torch.arange(first, first + count).double()
        return torch.outer(places, self.config.rope_parameters["rope_theta"] ** -pairs)

    def turned(self, block: Block, x: Tensor, first: int = 0) -> Tensor:
        return in_halves(x, self.angles(x.shape[1], first))

    def out(self, block: Block) -> str:
        return f"{self.layer(block)}.self_attn.o_proj"

    def network(self, block: Block, x: Tensor) -> Network:
        return self.gated(f"{self.layer(block)}.mlp", x)

    def gated(self, name: str, x: Tensor) -> Network:
        gate, up = (self.linear(x, f"{name}.{part}_proj") for part in ("gate", "up"))
        hidden = self.activation(gate) * up
        return Network(up, gate, hidden, self.linear(hidden, f"{name}.down_proj"))

    def top(self, stream: str, x: Tensor) -> Tensor:
        return self.rms_norm("model.norm", self.config.rms_norm_eps)(x)


class Qwen3(Llama):
    """A norm of each head's queries and keys before they are turned."""

    def projected(self, block: Block, x: Tensor, source: Tensor) -> Made:
        q, k, v = super().projected(block, x, source)
        name, epsilon = f"{self.layer(block)}.self_attn", self.config.rms_norm_eps
        return (
            self.rms_norm(f"{name}.q_norm", epsilon)(q),
            self.rms_norm(f"{name}.k_norm", epsilon)(k),
            v,
        )


class Gemma(Llama):
    """Embeddings times √d_model; norms keep γ − 1; GELU in the gate."""

    activation = staticmethod(tanh_gelu)

    def embedding(self, stream: str, read: Tensor) -> Tensor:
        return super().embedding(stream, read) * self.config.hidden_size**0.5

    def rms_norm(self, name: str, epsilon: float) -> Norm:
        return Norm(1 + self.state[f"{name}.weight"], None, epsilon)


class Gemma2(Gemma):
    """A soft cap on the scores, a scale of its own, and every second layer sees only the last few tokens."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.softcap = self.config.attn_logit_softcapping
        self.logit_cap = self.config.final_logit_softcapping

    def scale(self, block: Block, d_head: int) -> float:
        return self.config.query_pre_attn_scalar**-0.5

    def mask(self, block: Block, x: Tensor, source: Tensor) -> Tensor:
        return windowed(self.config, block, len(x))


def windowed(config: Any, block: Block, count: int) -> Tensor:
    """(query, key): in layers of that kind, only the last few tokens."""
    is_sliding = config.layer_types[int(block.name.split(".")[1])] == "sliding_attention"
    return causal(count).triu(1 - config.sliding_window) if is_sliding else causal(count)


class Mixtral(Llama):
    """Softmax over all experts; the best few, their probabilities made to sum to 1 (Jiang et al. 2024, §2.2)."""

    def routed(self, block: Block, x: Tensor) -> tuple[Tensor, Tensor]:
        chances = self.linear(x, f"{self.layer(block)}.mlp.gate").softmax(dim=-1)
        best = chances.topk(self.config.num_experts_per_tok, dim=-1)
        shares = best.values / best.values.sum(dim=-1, keepdim=True)
        return chances, torch.zeros_like(chances).scatter(1, best.indices, shares)

    def experts(self, block: Block, x: Tensor) -> Tensor:
        name, (_, weights) = f"{self.layer(block)}.mlp.experts", self.routed(block, x)
        maps = zip(self.state[f"{name}.gate_up_proj"], self.state[f"{name}.down_proj"], strict=True)
        written = []
        for both, down in maps:
            gate, up = functional.linear(x, both).chunk(2, dim=-1)
            written.append(functional.linear(self.activation(gate) * up, down))
        return torch.einsum("ep...,pe->p...", torch.stack(written), weights)


class DeepSeek(Mixtral):
    """Multi-head latent attention, and experts by sigmoid beside one that all tokens share (DeepSeek-AI 2024)."""

    def halves(self, x: Tensor) -> Tensor:
        """Only the last channels of a head are turned, in neighbouring pairs; they are kept apart afterwards."""
        still, turning = x.split([x.shape[-1] - self.turned_width, self.turned_width], dim=-1)
        return torch.cat([still, turning[..., 0::2], turning[..., 1::2]], dim=-1)

    @property
    def turned_width(self) -> int:
        return self.config.qk_rope_head_dim

    def projected(self, block: Block, x: Tensor, source: Tensor) -> Made:
        name = f"{self.layer(block)}.self_attn"
        latent = self.rms_norm(f"{name}.q_a_layernorm", 1e-6)(self.linear(x, f"{name}.q_a_proj"))
        q = of_heads(self.linear(latent, f"{name}.q_b_proj"), block.heads)
        sizes = [self.config.kv_lora_rank, self.turned_width]
        latent, turning = self.linear(x, f"{name}.kv_a_proj_with_mqa").split(sizes, dim=-1)
        latent = self.rms_norm(f"{name}.kv_a_layernorm", 1e-6)(latent)
        both = of_heads(self.linear(latent, f"{name}.kv_b_proj"), block.heads)
        still, v = both.split([self.config.qk_nope_head_dim, self.config.v_head_dim], dim=-1)
        k = torch.cat([still, turning.expand(block.heads, -1, -1)], dim=-1)
        return self.halves(q), self.halves(k), v

    def turned(self, block: Block, x: Tensor, first: int = 0) -> Tensor:
        still, turning = x.split([x.shape[-1] - self.turned_width, self.turned_width], dim=-1)
        return torch.cat([still, in_halves(turning, self.angles(x.shape[1], first))], dim=-1)

    def routed(self, block: Block, x: Tensor) -> tuple[Tensor, Tensor]:
        name = f"{self.layer(block)}.mlp.gate"
        chances = functional.linear(x, self.state[f"{name}.weight"]).sigmoid()
        chosen = (chances + self.state[f"{name}.e_score_correction_bias"]).topk(
            self.config.num_experts_per_tok, dim=-1
        )
        shares = chances.gather(1, chosen.indices)
        if self.config.norm_topk_prob:
            shares = shares / shares.sum(dim=-1, keepdim=True)
        shares = shares * self.config.routed_scaling_factor
        return chances, torch.zeros_like(chances).scatter(1, chosen.indices, shares)

    def experts(self, block: Block, x: Tensor) -> Tensor:
        shared = self.gated(f"{self.layer(block)}.mlp.shared_experts", x).output
        return super().experts(block, x) + shared


class DeepSeekSparse(DeepSeek):
    """Each query looks only at the keys that an indexer finds best (DeepSeek-AI 2025)."""

    def mask(self, block: Block, x: Tensor, source: Tensor) -> Tensor:
        name, heads = f"{self.layer(block)}.self_attn", self.config.index_n_heads
        latent = self.rms_norm(f"{name}.q_a_layernorm", 1e-6)(self.linear(x, f"{name}.q_a_proj"))
        q = of_heads(self.linear(latent, f"{name}.indexer.wq_b"), heads)
        k = self.layer_norm(f"{name}.indexer.k_norm", 1e-6)(self.linear(x, f"{name}.indexer.wk"))
        q, k = self.begun(q), self.begun(k[None])
        weights = self.linear(x, f"{name}.indexer.weights_proj") * heads**-0.5
        scores = functional.relu(q @ k.mT * self.config.index_head_dim**-0.5)
        best = torch.einsum("hqk,qh->qk", scores, weights).masked_fill(~causal(len(x)), -torch.inf)
        chosen = best.topk(min(self.config.index_topk, len(x)), dim=-1).indices
        return causal(len(x)) & torch.zeros_like(best, dtype=torch.bool).scatter(1, chosen, value=True)

    def begun(self, x: Tensor) -> Tensor:
        """The indexer turns its first channels."""
        turning, still = x.split([self.turned_width, x.shape[-1] - self.turned_width], dim=-1)
        return torch.cat([in_halves(turning, self.angles(x.shape[1])), still], dim=-1)


class GptOss(Llama):
    """A sink in every softmax, and experts whose gate is clamped (OpenAI 2025)."""

    def mask(self, block: Block, x: Tensor, source: Tensor) -> Tensor:
        return windowed(self.config, block, len(x))

    def sink(self, block: Block) -> Tensor:
        return self.state[f"{self.layer(block)}.self_attn.sinks"]

    def routed(self, block: Block, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.linear(x, f"{self.layer(block)}.mlp.router")
        best = logits.topk(self.config.num_experts_per_tok, dim=-1)
        shares = best.values.softmax(dim=-1)
        return logits.softmax(dim=-1), torch.zeros_like(logits).scatter(1, best.indices, shares)

    def experts(self, block: Block, x: Tensor) -> Tensor:
        name, (_, weights) = f"{self.layer(block)}.mlp.experts", self.routed(block, x)
        both = torch.einsum("pd,edh->eph", x, self.state[f"{name}.gate_up_proj"])
        both = both + self.state[f"{name}.gate_up_proj_bias"][:, None]
        gate, up = both[..., 0::2].clamp(max=self.limit), both[..., 1::2].clamp(-self.limit, self.limit)
        hidden = (up + 1) * gate * torch.sigmoid(gate * self.config.swiglu_alpha)
        down = torch.einsum("eph,ehd->epd", hidden, self.state[f"{name}.down_proj"])
        return torch.einsum("epd,pe->pd", down + self.state[f"{name}.down_proj_bias"][:, None], weights)

    @property
    def limit(self) -> float:
        return self.config.swiglu_limit
