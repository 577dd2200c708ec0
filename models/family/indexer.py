"""What a lightning indexer learns from: the attention that it is to spare (DeepSeek-V3.2-Exp, DeepSeek-AI 2025, §2).

    index score   I_ts = Σ_j w_tj · ReLU(q_tj · k_s)           j: the indexer's heads               (eq. 1)
    loss          L = Σ_t KL(p_t ‖ softmax(I_t))               p_t: attention, mean of all heads    (eq. 3)

A model that sees every key is taught in two steps: first it stays as it is and only its new indexers learn; then only
the chosen keys are seen, the sums are over these (eq. 4), and the whole model gets used to it. Choosing has no
gradient: the indexer learns from this loss only, and nothing else does, for attention and what it reads are detached.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers.models.deepseek_v32.modeling_deepseek_v32 import apply_rotary_pos_emb

EVERY_KEY = 1 << 20
"""More keys than any text has."""


def attentions(model: nn.Module) -> list[Any]:
    """The attention modules that have an indexer, in order."""
    return [module for module in model.modules() if hasattr(module, "indexer")]


def choose(model: nn.Module, keys: int) -> None:
    """From now on, so many keys are chosen for each query."""
    for attention in attentions(model):
        attention.indexer.index_topk = keys


@contextmanager
def watched(model: nn.Module, read: Bool[Tensor, "batch query"]) -> Iterator[list[Float[Tensor, ""]]]:
    """Within this block: each layer's loss of its indexer, of the one forward pass in it, in eager attention."""
    losses: list[Float[Tensor, ""]] = []
    with ExitStack() as stack:
        for attention in attentions(model):
            stack.enter_context(_listening(attention, read, losses))
        yield losses


@contextmanager
def chosen_keys(model: nn.Module) -> Iterator[list[Bool[Tensor, "batch query key"]]]:
    """Within this block: for each layer, which keys the indexer chose in the one forward pass in it."""
    masks: list[Tensor] = []

    def choosing(_: Any, arguments: tuple[Any, ...], chosen: Tensor) -> None:
        masks.append(_mask(arguments[3], chosen))

    with ExitStack() as stack:
        for attention in attentions(model):
            stack.callback(attention.indexer.register_forward_hook(choosing).remove)
        yield masks


@contextmanager
def _listening(attention: Any, read: Tensor, losses: list[Tensor]) -> Iterator[None]:
    seen: dict[str, Any] = {}

    def choosing(_: Any, arguments: tuple[Any, ...], chosen: Tensor) -> None:
        seen["inputs"], seen["chosen"] = arguments[:4], chosen

    @torch.enable_grad()
    def attended(_: Any, __: Any, output: tuple[Tensor, Tensor]) -> None:
        hidden_states, latent, positions, mask = seen["inputs"]
        scores = index_scores(attention.indexer, hidden_states.detach(), latent.detach(), positions)
        scores = scores.masked_fill(~_mask(mask, seen["chosen"]), -torch.inf)
        losses.append(divergence(output[1].mean(dim=1).detach(), scores)[read].mean())

    with ExitStack() as stack:
        stack.callback(attention.indexer.register_forward_hook(choosing).remove)
        stack.callback(attention.register_forward_hook(attended).remove)
        yield


def _mask(allowed: Tensor, chosen: Tensor) -> Bool[Tensor, "batch query key"]:
    """True for the chosen keys that may be seen: early queries choose some that may not, for there are no others."""
    may = allowed if allowed.dtype == torch.bool else allowed >= 0
    return may & torch.zeros_like(may).scatter(-1, chosen.long(), True)


def index_scores(
    indexer: Any,
    hidden_states: Float[Tensor, "batch token d_model"],
    latent: Float[Tensor, "batch token rank"],
    positions: tuple[Tensor, Tensor],
) -> Float[Tensor, "batch query key"]:
    """The scores by which the indexer chooses, which transformers computes without a gradient (eq. 1)."""
    query = indexer.wq_b(latent).unflatten(-1, (indexer.n_heads, indexer.head_dim))
    key = indexer.k_norm(indexer.wk(hidden_states)).unsqueeze(2)
    query, key = _rotated(query, key, positions, indexer.qk_rope_head_dim)
    products = F.relu(torch.einsum("bqhd,bkd->bhqk", query, key.squeeze(2)) * indexer.softmax_scale)
    weights = indexer.weights_proj(hidden_states) * indexer.n_heads**-0.5  # (batch, query, head)
    return torch.einsum("bqh,bhqk->bqk", weights, products)


def _rotated(
    query: Tensor, key: Tensor, positions: tuple[Tensor, Tensor], turned: int
) -> tuple[Tensor, Tensor]:
    """Both, with their first `turned` channels turned by their positions."""
    cos, sin = positions
    both = apply_rotary_pos_emb(query[..., :turned], key[..., :turned], cos, sin, unsqueeze_dim=2)
    return torch.cat([both[0], query[..., turned:]], dim=-1), torch.cat([both[1], key[..., turned:]], dim=-1)


def divergence(
    attention: Float[Tensor, "batch query key"], scores: Float[Tensor, "batch query key"]
) -> Float[Tensor, "batch query"]:
    """KL(attention ‖ softmax(scores)) of each query, in nats; keys whose score is −∞ do not count."""
    log_index = scores.log_softmax(dim=-1).masked_fill(scores.isneginf(), 0.0)
    attention = attention.masked_fill(scores.isneginf(), 0.0)
    return (torch.special.xlogy(attention, attention) - attention * log_index).sum(dim=-1)
