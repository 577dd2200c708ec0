"""The built-in Transformer's own parameters under the names of a trace; views, nothing is copied."""

from __future__ import annotations

import numpy as np
from torch import nn

from models.builtin.transformer import AddAndNorm, FeedForward, MultiHeadAttention, Transformer
from models.parts import Shares
from models.roles import counted
from models.trace import Site

Arrays = dict[tuple[Site, str], np.ndarray]


def parameters(transformer: Transformer) -> Arrays:
    """The maps of every head, the norms, and the maps of the feed-forward networks."""
    return _projections(transformer) | _others(transformer)


def shares(transformer: Transformer) -> Shares:
    """What its parameters do; the embedding table is the output's too, and counts once."""
    kinds = {MultiHeadAttention: "attention", FeedForward: "feed_forward", AddAndNorm: "norm"}
    roles = {
        path: kinds[type(module)] for path, module in transformer.named_modules() if type(module) in kinds
    }
    roles["embedding"] = "embedding"
    return counted(
        transformer, lambda name, _: next(roles[path] for path in roles if name.startswith(f"{path}."))
    )


def attentions(transformer: Transformer) -> list[tuple[str, MultiHeadAttention]]:
    """The attention sublayers with their module paths, in execution order."""
    return [
        (name, module)
        for name, module in transformer.named_modules()
        if isinstance(module, MultiHeadAttention)
    ]


def _projections(transformer: Transformer) -> Arrays:
    """W_Q, W_K, W_V, W_O and their biases, per head; views of the parameters, nothing is copied."""
    sites = {
        "query": (Site.QUERY_WEIGHT, Site.QUERY_BIAS),
        "key": (Site.KEY_WEIGHT, Site.KEY_BIAS),
        "value": (Site.VALUE_WEIGHT, Site.VALUE_BIAS),
    }
    arrays: Arrays = {}
    for _, module in attentions(transformer):
        for name, (weight, bias) in sites.items():
            linear: nn.Linear = getattr(module, name)
            per_head = linear.weight.detach().unflatten(0, (module.heads, -1))  # (head, d_head, d_model)
            arrays[weight, module.place] = per_head.mT.numpy()
            arrays[bias, module.place] = linear.bias.detach().unflatten(0, (module.heads, -1)).numpy()
        output = module.output.weight.detach()  # (d_model, heads · d_value)
        arrays[Site.OUTPUT_WEIGHT, module.place] = output.T.unflatten(0, (module.heads, -1)).numpy()
        arrays[Site.OUTPUT_BIAS, module.place] = module.output.bias.detach().numpy()
    return arrays


def _others(transformer: Transformer) -> Arrays:
    """The parameters of the norms and of the feed-forward networks."""
    arrays: Arrays = {}
    for module in transformer.modules():
        if isinstance(module, FeedForward):
            arrays[Site.UP_WEIGHT, module.place] = module.up.weight.detach().T.numpy()
            arrays[Site.UP_BIAS, module.place] = module.up.bias.detach().numpy()
            arrays[Site.DOWN_WEIGHT, module.place] = module.down.weight.detach().T.numpy()
            arrays[Site.DOWN_BIAS, module.place] = module.down.bias.detach().numpy()
        elif isinstance(module, AddAndNorm):
            arrays[Site.NORM_WEIGHT, module.place] = module.norm.weight.detach().numpy()
            arrays[Site.NORM_BIAS, module.place] = module.norm.bias.detach().numpy()
            arrays[Site.NORM_EPSILON, module.place] = np.array(module.norm.eps, np.float32)
    return arrays
