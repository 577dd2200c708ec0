"""The residual stream and its parts: what is recorded adds up, and what is not found is absent."""

import numpy as np
import pytest
import torch

from models.huggingface.wrap import wrap
from models.trace import Site
from tests.huggingface.zoo import IDS, TARGET, ZOO, Kind, built

PRE_NORM = [
    "gpt2",
    "llama",
    "qwen3",
    "mistral window",
    "mixtral",
    "gpt_oss",
    "gpt_neox",
    "opt",
    "vit",
    "cohere",
    "phi",
]
POST_NORM = ["bert", "roberta", "distilbert", "bart"]


def trace_of(name):
    return wrap(built(name)).record(inputs=ZOO[name].inputs())


@pytest.mark.parametrize("name", PRE_NORM)
def test_a_layer_adds_its_attention_and_its_mlp_to_the_stream(name):
    trace = trace_of(name)
    stream = next(iter(trace.tokens))
    before = trace.array(Site.RESIDUAL, stream)
    for layer in range(len(trace.blocks)):
        place = f"{stream}.{layer}"
        after = trace.array(Site.RESIDUAL, place)
        attention = trace.array(Site.ATTENTION_OUTPUT, f"{place}.self")
        mlp = trace.array(Site.MLP_OUTPUT, f"{place}.mlp")
        np.testing.assert_allclose(after, before + attention + mlp, atol=1e-4)
        before = after


@pytest.mark.parametrize("name", POST_NORM)
def test_after_each_sum_comes_its_norm(name):
    trace = trace_of(name)
    before = trace.array(Site.RESIDUAL, "encoder")
    for layer in range(2):
        place = f"encoder.{layer}"
        total = trace.array(Site.RESIDUAL_SUM, f"{place}.self")
        attention = trace.array(Site.ATTENTION_OUTPUT, f"{place}.self")
        np.testing.assert_allclose(total, before + attention, atol=1e-4)
        normed = trace.array(Site.NORM, f"{place}.self")
        mlp = trace.array(Site.MLP_OUTPUT, f"{place}.mlp")
        np.testing.assert_allclose(trace.array(Site.RESIDUAL_SUM, f"{place}.mlp"), normed + mlp, atol=1e-4)
        before = trace.array(Site.RESIDUAL, place)
        np.testing.assert_array_equal(trace.array(Site.NORM, f"{place}.mlp"), before)


@pytest.mark.parametrize("name", ["gpt2", "bert", "llama", "t5", "whisper"])
def test_the_attention_output_is_the_context_of_all_heads_times_the_output_map(name):
    trace, modules = trace_of(name), dict(built(name).named_modules())
    for block in trace.blocks:
        heads = [trace.head(block.name, head).context for head in range(block.heads)]
        joined = torch.from_numpy(np.concatenate(heads, axis=1))
        owner = modules[block.module.removesuffix(".self") if name == "bert" else block.module]
        names = ("o_proj", "out_proj", "o", "c_proj", "output.dense")
        output = next(
            owner.get_submodule(n) for n in names if n.split(".")[0] in dict(owner.named_children())
        )
        with torch.no_grad():
            wanted = output(joined).numpy()
        np.testing.assert_allclose(trace.array(Site.ATTENTION_OUTPUT, block.name), wanted, atol=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "llama", "mixtral", "bert"])
def test_residuals_are_the_hidden_states_that_the_model_returns(name):
    with torch.no_grad():
        states = built(name)(**ZOO[name].inputs(), output_hidden_states=True).hidden_states
    trace = trace_of(name)
    stream = next(iter(trace.tokens))
    np.testing.assert_array_equal(trace.array(Site.RESIDUAL, stream), states[0][0].numpy())
    np.testing.assert_array_equal(trace.array(Site.RESIDUAL, f"{stream}.0"), states[1][0].numpy())


@pytest.mark.parametrize("name", ["mixtral", "qwen3_moe", "gpt_oss"])
def test_a_router_chooses_two_experts_for_each_token(name):
    trace = trace_of(name)
    for layer in range(2):
        chosen = trace.array(Site.ROUTER, f"decoder.{layer}.mlp")
        assert chosen.shape == (IDS.shape[1], 4)
        assert ((chosen > 0).sum(axis=1) == 2).all()


def test_a_model_without_experts_has_no_router():
    assert not any(site == Site.ROUTER for site, _ in trace_of("llama").arrays)


@pytest.mark.parametrize(
    ("name", "kinds"),
    {
        "gpt2": {("learned", "decoder")},
        "bert": {("learned", "encoder")},
        "marian": {("sinusoidal", "encoder"), ("sinusoidal", "decoder")},
        "whisper": {("sinusoidal", "encoder"), ("learned", "decoder")},
        "llama": {("rotary", "decoder")},
        "gemma3": {("rotary", "decoder.sliding_attention"), ("rotary", "decoder.full_attention")},
        "t5": {("relative", "encoder.0.self"), ("relative", "decoder.0.self")},
        "vit": {("learned", "encoder")},
        "clip": {("learned", "vision"), ("learned", "text")},
        "beit": {("relative", "encoder.0.self"), ("relative", "encoder.1.self")},
        "deberta_v2": {
            ("learned", "encoder"),
            ("disentangled", "encoder.0.self"),
            ("disentangled", "encoder.1.self"),
        },
        "xlnet": {("disentangled", "encoder.0.self"), ("disentangled", "encoder.1.self")},
        "mpnet": {("learned", "encoder"), ("relative", "encoder.0.self")},
        "roformer": {("rotary", "encoder")},
        "doge": {("rotary", "decoder")},
        "gptj": {("rotary", "decoder")},
        "dinov3": {("rotary", "encoder")},
        "dinov2 registers": {("learned", "encoder")},
        "wav2vec2": {("convolution", "encoder")},
    }.items(),
)
def test_positions_are_of_the_kind_that_the_paper_says(name, kinds):
    found = {(encoding.kind, encoding.where) for encoding in trace_of(name).positions}
    assert kinds <= found
    assert {kind for kind, _ in found} == {kind for kind, _ in kinds}


def test_disentangled_positions_are_the_bias_of_every_head():
    trace = trace_of("deberta_v2")
    encoding = next(one for one in trace.positions if one.where == "encoder.1.self")
    for head in range(4):
        one = trace.head("encoder.1.self", head)
        np.testing.assert_array_equal(one.bias, encoding.values[head])
        assert one.proved


def test_rotary_angles_turn_the_query():
    trace = trace_of("llama")
    (rotary,) = trace.positions
    head = trace.head("decoder.0.self", 0)
    assert head.query_unrotated is not None
    left, right = np.split(head.query_unrotated, 2, axis=1)
    cosine, sine = np.cos(rotary.values), np.sin(rotary.values)
    turned = np.concatenate([left * cosine - right * sine, right * cosine + left * sine], axis=1)
    np.testing.assert_allclose(turned, head.query, atol=1e-5)


def test_alibi_slopes_are_found_from_the_bias():
    kind = Kind(
        "BloomForCausalLM", "BloomConfig", {"vocab_size": 64, "hidden_size": 32, "n_layer": 2, "n_head": 4}
    )
    trace = wrap(kind.build()).record(inputs={"input_ids": IDS})
    alibi = trace.positions[0]
    assert alibi.kind == "alibi"
    np.testing.assert_allclose(alibi.values, [2**-2, 2**-4, 2**-6, 2**-8], rtol=1e-3)


def test_the_decoder_writes_its_own_target_when_none_is_given():
    model = wrap(built("marian"))
    own = model.record(inputs={"input_ids": IDS})
    read = [token.id for token in own.tokens["decoder"]]
    assert own.model.kind == "encoder-decoder"
    predicted = [token.id for token in own.predictions]
    assert (
        read[1:] == predicted[: len(read) - 1]
    )  # each token is what the model found most probable before it
    forced = model.record(inputs={"input_ids": IDS, "decoder_input_ids": TARGET})
    assert [token.id for token in forced.tokens["decoder"]] == TARGET[0].tolist()


def test_a_window_is_in_the_mask():
    mask = trace_of("mistral window").head("decoder.0.self", 0).mask
    query, key = np.indices(mask.shape)
    np.testing.assert_array_equal(mask, (key <= query) & (key > query - 4))


def test_a_soft_cap_bounds_the_scores():
    head = trace_of("gemma2").head("decoder.0.self", 0)
    assert head.softcap == 5.0
    assert np.abs(head.masked_scores[head.mask]).max() < 5.0


def test_a_sink_takes_what_the_keys_do_not_get():
    head = trace_of("gpt_oss").head("decoder.0.self", 0)
    assert (head.weights.sum(axis=1) < 1).all()
    np.testing.assert_allclose(head.weights.sum(axis=1) + head.sink, 1, atol=1e-6)
    assert trace_of("llama").head("decoder.0.self", 0).sink is None


def test_padding_is_in_the_mask_and_a_query_with_nothing_to_attend_to_gets_zeros():
    padding = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1, 1, 1]])
    for name in ("llama", "gemma2"):
        trace = wrap(built(name)).record(inputs={"input_ids": IDS, "attention_mask": padding})
        head = trace.head("decoder.0.self", 0)
        assert not head.mask[:, :3].any()
        assert head.idle.tolist() == [True] * 3 + [False] * 7
        assert (head.weights[:3] == 0).all()
        assert head.proved


def test_query_heads_share_their_keys():
    trace = trace_of("llama")
    block = trace.blocks[0]
    assert (block.heads, block.kv_heads) == (4, 2)
    assert [block.shared(head) for head in range(4)] == [0, 0, 1, 1]
    np.testing.assert_array_equal(trace.head(block.name, 0).key, trace.head(block.name, 1).key)


def test_a_long_run_keeps_attention_and_lets_go_of_the_rest(monkeypatch):
    model = wrap(built("gpt2"))
    whole = model.record(inputs={"input_ids": IDS})
    monkeypatch.setattr("models.huggingface.budget.MEMORY_LIMIT", 8 * IDS.shape[1] * 32 * 4)
    short = model.record(inputs={"input_ids": IDS})
    kept, gone = ({site for site, _ in trace.arrays} for trace in (short, whole))
    assert gone - kept >= {Site.HIDDEN, Site.NORM}
    assert Site.RESIDUAL in kept
    np.testing.assert_array_equal(short.logits, whole.logits)
    assert all(short.head(block.name, 0).proved for block in short.blocks)


@pytest.mark.parametrize("name", ["llama", "mistral window", "bert", "gemma2", "t5"])
def test_pattern_and_padding_together_are_the_mask(name):
    padding = torch.tensor([[0, 0, 1, 1, 1, 1, 1, 1, 1, 1]])
    trace = wrap(built(name)).record(inputs={**ZOO[name].inputs(), "attention_mask": padding})
    block = trace.blocks[0].name
    pattern, kept = trace.array(Site.MASK_PATTERN, block), trace.array(Site.MASK_PADDING, block)
    assert kept.tolist() == padding[0].bool().tolist()
    np.testing.assert_array_equal(pattern & kept, trace.array(Site.MASK, block))
    assert pattern.any(axis=-1).all()  # without padding every query has something to attend to
    assert (Site.MASK_PADDING, block) not in trace_of(name).arrays
