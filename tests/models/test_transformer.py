"""The readable Transformer against PyTorch's own layers, and what a causal decoder and a padded encoder promise."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.builtin.transformer import Config, DecoderLayer, EncoderLayer, MultiHeadAttention, Transformer
from models.masks import causal, visible

LENGTHS = st.integers(1, 9)
SEEDS = st.integers(0, 2**32 - 1)

few = settings(max_examples=25)
assert_near = partial(torch.testing.assert_close, atol=1e-5, rtol=1e-5)


@st.composite
def configs(draw):
    """Sizes of a small model, without dropout."""
    heads = draw(st.integers(1, 4))
    return Config(
        vocabulary=11,
        d_model=2 * heads * draw(st.integers(1, 4)),
        heads=heads,
        d_hidden=draw(st.integers(1, 24)),
        encoder_layers=draw(st.integers(1, 2)),
        decoder_layers=draw(st.integers(1, 2)),
        dropout=0.0,
        max_length=12,
    )


def chance(seed):
    return torch.Generator().manual_seed(seed)


def randomise(module, seed):
    """Every parameter drawn, biases and norms too, so that none can be forgotten unseen; in double precision."""
    generator = chance(seed)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
    return module.double().eval()


def model_of(config, seed):
    return randomise(Transformer(config), seed)


def words(shape, seed):
    """Ids of real words: 0 is padding, 1 the end."""
    return torch.randint(2, 11, shape, generator=chance(seed))


def copy_attention(ours, theirs):
    theirs.in_proj_weight.data = torch.cat([ours.query.weight, ours.key.weight, ours.value.weight])
    theirs.in_proj_bias.data = torch.cat([ours.query.bias, ours.key.bias, ours.value.bias])
    theirs.out_proj.load_state_dict(ours.output.state_dict())


def copy_rest(ours, theirs, norms):
    theirs.linear1.load_state_dict(ours.mlp.up.state_dict())
    theirs.linear2.load_state_dict(ours.mlp.down.state_dict())
    for name, norm in norms.items():
        getattr(theirs, name).load_state_dict(norm.norm.state_dict())


def torch_layer(kind, config):
    return (
        kind(config.d_model, config.heads, config.d_hidden, 0.0, batch_first=True, norm_first=False)
        .double()
        .eval()
    )


def vectors(config, length, seed):
    return torch.randn(2, length, config.d_model, generator=chance(seed), dtype=torch.float64)


@few
@given(config=configs(), length=LENGTHS, hidden=st.integers(0, 8), seed=SEEDS)
def test_an_encoder_layer_equals_torch_reference(config, length, hidden, seed):
    ours = randomise(EncoderLayer(config, "encoder.0"), seed)
    theirs = torch_layer(nn.TransformerEncoderLayer, config)
    copy_attention(ours.attention, theirs.self_attn)
    copy_rest(ours, theirs, {"norm1": ours.attention_norm, "norm2": ours.mlp_norm})
    x, padding = vectors(config, length, seed + 1), torch.zeros(2, length, dtype=torch.bool)
    padding[1, length - min(hidden, length - 1) :] = True
    reference = theirs(x, src_key_padding_mask=padding)
    assert_near(ours(x, ~padding[:, None, None])[~padding], reference[~padding])


@few
@given(config=configs(), length=LENGTHS, sources=LENGTHS, hidden=st.integers(0, 8), seed=SEEDS)
def test_a_decoder_layer_equals_torch_reference(config, length, sources, hidden, seed):
    ours = randomise(DecoderLayer(config, "decoder.0"), seed)
    theirs = torch_layer(nn.TransformerDecoderLayer, config)
    copy_attention(ours.attention, theirs.self_attn)
    copy_attention(ours.cross, theirs.multihead_attn)
    norms = {"norm1": ours.attention_norm, "norm2": ours.cross_norm, "norm3": ours.mlp_norm}
    copy_rest(ours, theirs, norms)
    x, source = vectors(config, length, seed + 1), vectors(config, sources, seed + 2)
    padding = torch.zeros(2, sources, dtype=torch.bool)
    padding[0, sources - min(hidden, sources - 1) :] = True
    later = ~causal(length)[0, 0]
    reference = theirs(x, source, tgt_mask=later, memory_key_padding_mask=padding)
    assert_near(ours(x, causal(length), source, ~padding[:, None, None]), reference)


@few
@given(config=configs(), length=st.integers(2, 9), cut=st.integers(1, 8), seed=SEEDS)
def test_what_a_decoder_says_is_bit_equal_when_later_tokens_change(config, length, cut, seed):
    cut = min(cut, length - 1)
    model, source, target = model_of(config, seed), words((2, 5), seed), words((2, length), seed + 1)
    changed = torch.cat([target[:, :cut], words((2, length - cut), seed + 2)], dim=1)
    assert torch.equal(model(source, target)[:, :cut], model(source, changed)[:, :cut])


def test_what_a_decoder_says_does_depend_on_earlier_tokens():
    model = model_of(Config(vocabulary=11, d_model=8, heads=2, dropout=0.0), 5)
    source, target = torch.tensor([[4, 5, 6]]), torch.tensor([[3, 4, 5]])
    before = model(source, target)
    target[0, 0] = 7
    after = model(source, target)
    assert not torch.allclose(before[:, 2], after[:, 2])


@few
@given(config=configs(), sources=LENGTHS, length=LENGTHS, padded=st.integers(1, 3), seed=SEEDS)
def test_padding_cannot_be_felt(config, sources, length, padded, seed):
    model, source, target = model_of(config, seed), words((2, sources), seed), words((2, length), seed + 1)
    fill = torch.zeros(2, padded, dtype=torch.long)
    longer = model(torch.cat([source, fill], dim=1), torch.cat([target, fill], dim=1))[:, :length]
    assert_near(longer, model(source, target))


@few
@given(config=configs(), length=LENGTHS, seed=SEEDS)
def test_without_positions_shuffling_the_tokens_shuffles_what_attention_gathers(config, length, seed):
    layer, x = randomise(EncoderLayer(config, "encoder.0"), seed), vectors(config, length, seed + 1)
    order = torch.randperm(length, generator=chance(seed))
    everyone = torch.ones(1, 1, 1, length, dtype=torch.bool)
    assert_near(layer(x[:, order], everyone), layer(x, everyone)[:, order])


def test_with_positions_the_order_of_the_tokens_is_felt():
    model, source = (
        model_of(Config(vocabulary=11, d_model=16, heads=2, dropout=0.0), 0),
        torch.tensor([[4, 5, 6]]),
    )
    order = [1, 0, 2]
    assert not torch.allclose(model.encode(source[:, order]), model.encode(source)[:, order], atol=1e-3)


@few
@given(config=configs(), seed=SEEDS)
def test_a_head_is_a_slice_of_the_vector_and_side_by_side_they_are_the_whole(config, seed):
    layer, x = randomise(MultiHeadAttention(config, "encoder.0.self"), seed), vectors(config, 4, seed + 1)
    assert torch.equal(layer.join(layer.split(x)), x)
    for head in range(config.heads):
        own = slice(head * config.d_head, (head + 1) * config.d_head)
        assert torch.equal(layer.split(x)[:, head], x[..., own])


@few
@given(config=configs(), seed=SEEDS, limit=st.integers(1, 11))
def test_greedy_is_the_argmax_of_teacher_forcing_step_by_step(config, seed, limit):
    model, source, start = model_of(config, seed), words((1, 6), seed), torch.tensor([[3]])
    written = model.greedy(source, start, end=1, limit=limit)
    assert written[0, 0] == 3
    logits = model(source, written[:, :-1])
    assert torch.equal(logits.argmax(dim=-1), written[:, 1:])
    for step in range(1, written.shape[1]):
        assert model(source, written[:, :step])[0, -1].argmax() == written[0, step]
    ended = (written[0, 1:] == 1).nonzero().flatten().tolist()
    assert ended in ([], [written.shape[1] - 2]), "it stops at the first end token"
    assert bool(ended) or written.shape[1] == limit + 1
    assert torch.equal(written, model.greedy(source, start, end=1, limit=limit, cached=False))


def test_greedy_goes_on_until_every_sentence_has_ended():
    model = model_of(Config(vocabulary=11, d_model=8, heads=2, dropout=0.0), 17)
    source = words((6, 5), 8)
    together = model.greedy(source, torch.full((6, 1), 3), end=1, limit=11)
    alone = [model.greedy(row[None], torch.tensor([[3]]), end=1, limit=11)[0] for row in source]
    assert together.shape[1] == max(map(len, alone))
    assert len({len(one) for one in alone}) > 1, "they end at different times"
    for row, one in zip(together, alone, strict=True):
        assert torch.equal(row[: len(one)], one)


def test_embeddings_are_rows_of_the_table_times_root_d_model_plus_positions():
    config = Config(vocabulary=11, d_model=16, heads=2, dropout=0.0)
    model, ids = model_of(config, 0), torch.tensor([[4, 9, 4]])
    expected = 4 * model.embedding.weight[ids[0]] + model.positions[:3]
    assert_near(model.embed(ids, "encoder")[0], expected)


def test_the_output_shares_the_embedding_table():
    model, source, target = model_of(Config(11, 8, 2, dropout=0.0), 1), words((1, 4), 0), words((1, 3), 1)
    before = model(source, target)
    with torch.no_grad():
        model.embedding.weight[10] = 0  # a word that is not in these sentences
    source[source == 10], target[target == 10] = 2, 2
    assert "output" not in dict(model.named_children())
    assert (model(source, target)[..., 10] == 0).all()
    assert not (before[..., 10] == 0).any()


def test_a_fresh_model_starts_as_the_paper_says():
    model = Transformer(Config(vocabulary=400, d_model=64))
    assert model.embedding.weight.std().item() == pytest.approx(64**-0.5, rel=0.05)
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    assert all((bias == 0).all() for bias in biases)
    bound = (6 / (64 + 64)) ** 0.5  # Glorot and Bengio 2010, eq. 16
    largest = model.decoder[0].cross.query.weight.abs().max().item()  # pyright: ignore
    assert 0.95 * bound < largest <= bound
    padding = visible(torch.tensor([[0, 5]]), model.config.padding)
    assert padding.flatten().tolist() == [False, True]
