"""Padding: nothing looks at it, its mask is told apart from the pattern, and a row without keys is marked and empty."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.huggingface.wrap import wrap
from models.trace import Site
from tests.huggingface.architectures import ARCHITECTURES, SEED, attentions, nearest, recorded, run
from tests.huggingface.test_table import EAGER_DIFFERS

WIDTH = 3
READ = [name for name, one in ARCHITECTURES.items() if "input_ids" in one.inputs()]
SIDES = ("right", "left")
NO_PATTERN = {"doge", "deepseek_v32"}
"""Their layers choose keys by content, so that their mask is no pattern and padding alone."""

QUERIES_TOO = {"deberta", "deberta_v2", "deberta-v2, shared keys", "longformer", "led", "xlnet"}
"""What a padded query attends to is no pattern and padding: nothing at all, or itself."""

APART = {"longt5, local", "perceiver", "git", "vilt"}
"""Their keys are no text alone: latent vectors, parts of a text, an image before it."""

both_sides = pytest.mark.parametrize("side", SIDES)
every = pytest.mark.parametrize("name", READ)


def padded(name, side):
    """What an architecture reads, with padding on one side of its text."""
    inputs = ARCHITECTURES[name].inputs()
    mask = torch.ones_like(inputs["input_ids"])
    mask[:, slice(WIDTH) if side == "left" else slice(-WIDTH, None)] = 0
    return inputs | {"attention_mask": mask}


def plain(name):
    """The same without padding."""
    inputs = ARCHITECTURES[name].inputs()
    return inputs | {"attention_mask": torch.ones_like(inputs["input_ids"])}


@cache
def trace_of(name, side):
    model = wrap(ARCHITECTURES[name].build(None))
    torch.manual_seed(SEED)
    return model.record(inputs=padded(name, side))


def is_padding(name, side):
    return padded(name, side)["attention_mask"][0].numpy() == 0


def blocks_over(trace, padding):
    """The blocks whose keys are the padded text."""
    streams = {block.query_stream for block in trace.blocks if block.kind == "self"}
    text = (
        "encoder"
        if trace.model.kind == "encoder-decoder"
        else next(iter({"text", "decoder"} & streams), "encoder")
    )
    keys = {block.name: trace.arrays[Site.KEY, block.name].shape[1] for block in trace.blocks}
    return [block for block in trace.blocks if block.key_stream == text and keys[block.name] == len(padding)]


def test_most_architectures_read_padded_text():
    assert len({ARCHITECTURES[name].config for name in READ}) >= 70


@every
@both_sides
def test_padded_weights_are_those_of_eager_attention(name, side):
    if name in EAGER_DIFFERS:
        return
    padding = is_padding(name, side)
    eager = run(ARCHITECTURES[name].build("eager"), padded(name, side), output_attentions=True)
    shown = [(weights, live & there(live, padding)) for weights, live in recorded(trace_of(name, side))]
    references = [tensor.numpy() for tensor in attentions(eager)]
    assert references
    assert max(nearest(reference, shown) for reference in references) <= 1e-5


def there(live, padding):
    """Which rows are tokens: what a padded row holds after one layer depends on what that layer gives an empty row."""
    return ~padding if live.shape[-1] == len(padding) else np.True_


@every
@both_sides
def test_every_padded_head_is_proved(name, side):
    trace = trace_of(name, side)
    for block in trace.blocks:
        assert all(trace.head(block.name, head).proved for head in range(block.heads))


@every
@both_sides
def test_padding_gets_no_attention(name, side):
    trace, padding = trace_of(name, side), is_padding(name, side)
    assert blocks_over(trace, padding) or name in APART
    for block in blocks_over(trace, padding):
        weights = trace.weights(block.name)
        if weights.shape[1] == weights.shape[2]:  # XLNet lets every token see itself, padding too
            weights = weights * ~np.eye(len(padding), dtype=np.bool_)
        assert not weights[:, :, padding].any()


@every
@both_sides
def test_a_padded_mask_is_its_pattern_and_its_padding(name, side):
    trace, padding = trace_of(name, side), is_padding(name, side)
    for block in blocks_over(trace, padding) if name not in NO_PATTERN else ():
        pattern, keys = (trace.array(site, block.name) for site in (Site.MASK_PATTERN, Site.MASK_PADDING))
        np.testing.assert_array_equal(keys, ~padding)
        queries = ~padding if name in QUERIES_TOO and block.kind == "self" else slice(None)
        mask = trace.array(Site.MASK, block.name)
        np.testing.assert_array_equal(mask[:, queries], (pattern & keys)[:, queries])
        assert pattern[:, :, padding].any()  # the pattern knows nothing of padding


@pytest.mark.parametrize("name", ["bloom", "gpt_neo", "mpt", "gptj", "falcon", "deberta_v2", "xlnet", "xglm"])
@both_sides
def test_the_pattern_is_the_mask_of_the_same_text_without_padding(name, side):
    trace, one = trace_of(name, side), ARCHITECTURES[name]
    whole = wrap(one.build(None)).record(inputs=plain(name))
    for block in trace.blocks:
        pattern, mask = trace.array(Site.MASK_PATTERN, block.name), whole.array(Site.MASK, block.name)
        np.testing.assert_array_equal(np.broadcast_to(pattern, mask.shape), mask)


@every
@both_sides
def test_a_row_with_nothing_to_attend_to_is_marked_and_never_uniform(name, side):
    trace = trace_of(name, side)
    for block in trace.blocks:
        for head in (trace.head(block.name, number) for number in range(block.heads)):
            np.testing.assert_array_equal(head.idle, np.isneginf(head.masked_scores).all(axis=-1))
            assert not head.weights[head.idle].any()


@pytest.mark.parametrize("name", ["deberta_v2", "deberta", "bloom", "t5", "mpt", "xlnet", "gpt2", "llama"])
@both_sides
def test_padding_changes_no_way_in_which_positions_enter(name, side):
    ways = [
        [(encoding.kind, encoding.where) for encoding in trace.positions]
        for trace in (trace_of(name, side), wrap(ARCHITECTURES[name].build(None)).record(inputs=plain(name)))
    ]
    assert ways[0] == ways[1]
    assert ways[0]


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma", "opt", "bloom", "mpt", "gptj", "falcon"])
def test_before_the_first_token_a_causal_row_is_empty(name):
    trace = trace_of(name, "left")
    for block in trace.blocks:
        idle = trace.head(block.name, 0).idle
        assert idle.tolist() == [True] * WIDTH + [False] * (len(idle) - WIDTH)


@pytest.mark.parametrize("side", ["none", *SIDES])
def test_falcon_with_alibi_is_shown_as_sdpa_computes_it(side, monkeypatch):
    one = ARCHITECTURES["falcon, ALiBi"]
    inputs = one.inputs() if side == "none" else padded("falcon, ALiBi", side)
    trace = wrap(one.build(None)).record(inputs=inputs)
    references = weights_in_sdpa(one.build(None), inputs, monkeypatch)
    assert len(references) == len(trace.blocks)
    for block, reference in zip(trace.blocks, references, strict=True):
        live = ~trace.head(block.name, 0).idle
        np.testing.assert_allclose(trace.weights(block.name)[:, live], reference[:, live], atol=1e-5)


def weights_in_sdpa(model, inputs, monkeypatch):
    """softmax(Q Kᵀ / √d + mask) of what PyTorch's function receives, by the formula of its documentation."""
    sdpa, found = functional.scaled_dot_product_attention, []

    def spy(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, **others):
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        if is_causal:
            scores = scores.masked_fill(torch.ones(scores.shape[-2:]).triu(1).bool(), -math.inf)
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, -math.inf)
        elif attn_mask is not None:
            scores = scores + attn_mask
        found.append(scores.softmax(dim=-1)[0].numpy())
        return sdpa(query, key, value, attn_mask, dropout_p, is_causal, **others)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", spy)
    run(model, inputs)
    monkeypatch.undo()
    return found
