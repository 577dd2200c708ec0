"""The shares of a model's size: they add up to it, and equal what the names of a known class's modules say."""

import re
from collections import Counter

import pytest

from models import load
from models.catalog import BUILTIN
from models.huggingface.wrap import wrap
from models.parts import ROLES
from tests.huggingface.zoo import ZOO

NAMES = {
    "gpt2": {
        "norm": r"ln_",
        "embedding": r"\.w[tp]e\.",
        "attention": r"\.attn\.",
        "feed_forward": r"\.mlp\.",
    },
    "bert": {
        "norm": r"LayerNorm",
        "embedding": r"embeddings\.\w+_embeddings|predictions\.bias|decoder",
        "attention": r"\.attention\.",
        "feed_forward": r"\.intermediate\.|layer\.\d+\.output\.",
    },
    "llama": {
        "norm": r"norm",
        "embedding": r"embed_tokens|lm_head",
        "attention": r"self_attn",
        "feed_forward": r"\.mlp\.",
    },
    "t5": {
        "norm": r"layer_norm",
        "embedding": r"shared|lm_head",
        "attention": r"Attention",
        "feed_forward": r"DenseReluDense",
    },
    "mixtral": {
        "norm": r"norm",
        "embedding": r"embed_tokens|lm_head",
        "attention": r"self_attn",
        "feed_forward": r"\.mlp\.|block_sparse_moe",
    },
    "deepseek_v3": {
        "norm": r"norm",
        "embedding": r"embed_tokens|lm_head",
        "attention": r"self_attn",
        "feed_forward": r"\.mlp\.",
    },
    "vit": {
        "norm": r"layernorm",
        "embedding": r"\.?embeddings\.",
        "attention": r"\.attention\.",
        "feed_forward": r"\.(intermediate|output|mlp)\.",
    },
}
"""Class → role → the names of the modules that have it; the first that fits counts, and what fits none is other."""


def counted(model, names):
    """How many numbers have each role, by the names of their modules; a tensor at two places counts once."""
    found = Counter()
    for name, parameter in model.named_parameters():
        role = next((role for role, pattern in names.items() if re.search(pattern, f".{name}")), "other")
        found[role] += parameter.numel()
    return dict(found)


@pytest.mark.parametrize("kind", NAMES)
def test_shares_equal_what_the_names_of_a_known_class_say(kind):
    model = wrap(ZOO[kind].build())
    shares = dict(model.card.shares)
    assert shares == counted(model.model, NAMES[kind])
    assert sum(shares.values()) == model.card.parameters
    assert list(shares) == [role for role in ROLES if role in shares]


def test_a_table_that_is_also_the_output_counts_once():
    card = wrap(ZOO["gpt2"].build()).card
    sizes = ZOO["gpt2"].settings
    tables = (sizes["vocab_size"] + sizes["n_positions"]) * sizes["n_embd"]
    assert dict(card.shares)["embedding"] == tables


@pytest.mark.parametrize("name", [name for name in BUILTIN if "moe-sparse" not in name])
def test_the_shares_of_a_model_in_the_box_are_all_of_it(name):
    card = load(name).card
    assert sum(numbers for _, numbers in card.shares) == card.parameters
    shares = dict(card.shares)
    assert shares["embedding"] > 0
    assert ("recurrent" in shares) == (card.positions == "recurrent")
    assert ("attention" in shares) == (card.heads > 0)
    assert shares.get("other", 0) < 0.2 * card.parameters


def test_the_2017_transformer_by_its_sizes():
    card = load("builtin/translator").card
    d, h, layers = card.d_model, card.d_hidden, card.layers
    attentions, norms = layers + layers // 2, 2 * layers + layers // 2
    assert dict(card.shares) == {
        "embedding": card.vocabulary * d,
        "attention": attentions * 4 * (d * d + d),
        "feed_forward": layers * (2 * d * h + h + d),
        "norm": norms * 2 * d,
    }
