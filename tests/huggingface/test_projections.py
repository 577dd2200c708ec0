"""The linear maps of every head, in all architectures: x W + b is the query, key or value that attention used."""

import pickle

import numpy as np
import pytest
import torch

from models.huggingface.wrap import wrap
from models.trace import Site
from tests.huggingface.traces import recorded
from tests.huggingface.zoo import GROUPED, IDS, SIZES, ZOO, Kind, built

MAPS = (Site.QUERY_WEIGHT, Site.KEY_WEIGHT, Site.VALUE_WEIGHT, Site.OUTPUT_WEIGHT)
COMPLETE = [
    *(
        "gpt2",
        "gpt2 upcast",
        "gpt_bigcode",
        "gpt_neo",
        "openai-gpt",
        "bert",
        "roberta",
        "distilbert",
        "electra",
    ),
    *("albert", "llama", "mistral window", "mixtral", "qwen2", "gemma", "gemma2", "phi", "phi3", "gpt_neox"),
    *(
        "opt",
        "cohere",
        "granite",
        "starcoder2",
        "stablelm",
        "glm",
        "gpt_oss",
        "modernbert",
        "esm",
        "t5",
        "mt5",
    ),
    *(
        "umt5",
        "bart",
        "mbart",
        "marian",
        "pegasus",
        "m2m_100",
        "whisper",
        "vit",
        "deit",
        "dinov2",
        "dinov3",
        "beit",
    ),
    *("clip", "chinese_clip", "jamba", "biogpt", "blenderbot", "wav2vec2", "bloom", "mpt", "falcon", "gptj"),
    *("codegen", "deberta_v2", "mpnet", "roformer", "nemotron", "phimoe", "granitemoe"),
]
NORMED = ["qwen3", "qwen3_moe", "gemma3", "olmo2", "exaone4", "apertus", "olmoe", "lfm2"]


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


def of_head(trace, block, head):
    """(weight, bias, input, what it makes) of each of the head's maps that was found."""
    arrays, one = trace.arrays, trace.head(block.name, head)
    shared = block.shared(head)
    query = one.query if one.query_unrotated is None else one.query_unrotated
    key = one.key if one.key_unrotated is None else one.key_unrotated
    for kind, given, number, wanted in (
        ("query", Site.QUERY_INPUT, head, query),
        ("key", Site.KEY_INPUT, shared, key),
        ("value", Site.KEY_INPUT, shared, one.value),
    ):
        weight = arrays.get((Site(f"{kind}_weight"), block.name))
        if weight is not None:
            bias = arrays[Site(f"{kind}_bias"), block.name]
            yield weight[number], bias[number], trace.array(given, block.name), wanted


@pytest.mark.parametrize("name", list(ZOO))
def test_the_input_times_a_heads_map_is_what_attention_used(name):
    trace = recorded(name)
    for block in trace.blocks:
        for head in range(block.heads):
            for weight, bias, given, wanted in of_head(trace, block, head):
                close(given @ weight + bias, wanted)


@pytest.mark.parametrize("name", list(ZOO))
def test_the_contexts_times_the_output_map_are_what_attention_writes(name):
    trace = recorded(name)
    for block in trace.blocks:
        if (Site.OUTPUT_WEIGHT, block.name) in trace.arrays:
            weight = trace.array(Site.OUTPUT_WEIGHT, block.name)
            contexts = trace.array(Site.CONTEXT, block.name)
            total = np.einsum("hqv,hvm->qm", contexts, weight) + trace.array(Site.OUTPUT_BIAS, block.name)
            close(total, trace.array(Site.ATTENTION_OUTPUT, block.name))


@pytest.mark.parametrize("name", COMPLETE)
def test_all_four_maps_of_every_block_are_found(name):
    trace = recorded(name)
    for block in trace.blocks:
        assert all((site, block.name) in trace.arrays for site in MAPS)
        shapes = [np.asarray(trace.array(site, block.name)).shape for site in MAPS]
        assert [shape[0] for shape in shapes] == [block.heads, block.kv_heads, block.kv_heads, block.heads]


@pytest.mark.parametrize("name", NORMED)
def test_where_a_norm_follows_the_map_there_is_no_map_but_its_input(name):
    trace = recorded(name)
    for block in trace.blocks:
        assert (Site.QUERY_WEIGHT, block.name) not in trace.arrays
        assert (Site.VALUE_WEIGHT, block.name) in trace.arrays
        for site in (Site.QUERY_INPUT, Site.KEY_INPUT):
            assert trace.array(site, block.name).shape == (IDS.shape[1], 32)


@pytest.mark.parametrize("name", ["deepseek_v2", "deepseek_v3"])
def test_queries_made_in_several_steps_have_no_map_but_the_stream_as_input(name):
    trace = recorded(name)
    block = trace.blocks[0].name
    assert (Site.QUERY_WEIGHT, block) not in trace.arrays
    np.testing.assert_array_equal(trace.array(Site.QUERY_INPUT, block), trace.array(Site.NORM, block))


@pytest.mark.parametrize("name", ["t5", "bart", "marian", "whisper"])
def test_the_keys_of_cross_attention_are_made_of_the_encoders_output(name):
    trace = recorded(name)
    cross = [block for block in trace.blocks if block.kind == "cross"]
    assert len(cross) == 2
    with torch.no_grad():
        encoded = built(name)(**ZOO[name].inputs()).encoder_last_hidden_state[0].numpy()
    for block in cross:
        np.testing.assert_array_equal(trace.array(Site.KEY_INPUT, block.name), encoded)


def test_fused_maps_are_cut_where_their_papers_code_cuts_them():
    weight = built("gpt2").transformer.h[0].attn.c_attn.weight.detach().numpy()
    trace = recorded("gpt2")
    for site, start in ((Site.QUERY_WEIGHT, 0), (Site.KEY_WEIGHT, 32), (Site.VALUE_WEIGHT, 64)):
        cut = trace.arrays[site, "decoder.0.self"][1]
        np.testing.assert_array_equal(cut, weight[:, start + 8 : start + 16])
    weight = built("bloom").transformer.h[1].self_attention.query_key_value.weight.detach().numpy()
    keys = recorded("bloom").arrays[Site.KEY_WEIGHT, "decoder.1.self"][2]
    np.testing.assert_array_equal(keys, weight.reshape(4, 3, 8, 32)[2, 1].T)


def test_a_factor_after_the_map_is_part_of_it():
    weight = built("opt").model.decoder.layers[0].self_attn.q_proj.weight.detach().numpy()
    found = recorded("opt").array(Site.QUERY_WEIGHT, "decoder.0.self")
    np.testing.assert_allclose(found[1], weight[8:16].T * 8**-0.5, rtol=1e-5)


def test_a_map_without_bias_has_a_bias_of_zeros():
    assert not recorded("llama").array(Site.QUERY_BIAS, "decoder.0.self").any()
    assert recorded("qwen2").array(Site.QUERY_BIAS, "decoder.0.self").any()


def test_maps_stay_in_the_model_and_cannot_be_written_through():
    weight = built("llama").model.layers[0].self_attn.v_proj.weight
    cut = recorded("llama").arrays[Site.VALUE_WEIGHT, "decoder.0.self"][1]
    assert np.shares_memory(cut, weight.detach().numpy())
    with pytest.raises(ValueError, match="read-only"):
        cut[0, 0] = 1.0


def test_inputs_that_are_one_are_kept_once():
    trace = recorded("llama")
    block = "decoder.0.self"
    assert trace.arrays[Site.QUERY_INPUT, block] is trace.arrays[Site.KEY_INPUT, block]


def test_a_pickled_trace_holds_its_maps_as_plain_arrays():
    trace = recorded("gpt2")
    again = pickle.loads(pickle.dumps(trace))
    for site in MAPS:
        assert type(again.arrays[site, "decoder.0.self"]) is np.ndarray
        np.testing.assert_array_equal(
            again.array(site, "decoder.0.self"), trace.array(site, "decoder.0.self")
        )


@pytest.mark.parametrize("name", ["llama", "gpt2", "bart", "falcon"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_maps_are_found_in_half_precision_too(name, dtype):
    trace = wrap(ZOO[name].build().to(dtype)).record(inputs=ZOO[name].inputs())
    for block in trace.blocks:
        assert all((site, block.name) in trace.arrays for site in MAPS)
        for weight, bias, given, wanted in of_head(trace, block, 1):
            np.testing.assert_allclose(
                given @ weight + bias, wanted, rtol=0, atol=3e-2 * np.abs(wanted).max()
            )


@pytest.mark.parametrize(
    "settings",
    [
        {"multi_query": False, "new_decoder_architecture": False},
        {"new_decoder_architecture": True, "num_kv_heads": 2},
        {"multi_query": True},
    ],
    ids=["heads", "groups", "one key"],
)
def test_falcons_three_ways_to_lay_out_one_map(settings):
    trace = wrap(Kind("FalconForCausalLM", "FalconConfig", {**SIZES, **settings}).build()).record(
        inputs={"input_ids": IDS}
    )
    for block in trace.blocks:
        assert all((site, block.name) in trace.arrays for site in MAPS)
        for head in range(block.heads):
            for weight, bias, given, wanted in of_head(trace, block, head):
                close(given @ weight + bias, wanted)


def test_a_run_of_one_token_has_its_maps():
    trace = wrap(Kind("LlamaForCausalLM", "LlamaConfig", GROUPED).build()).record(
        inputs={"input_ids": IDS[:, :1]}
    )
    for weight, bias, given, wanted in of_head(trace, trace.blocks[1], 3):
        close(given @ weight + bias, wanted)
