"""What enters a tower: tokens, positions and segments are the parts of the stream's beginning."""

import numpy as np
import pytest
import torch

from models.huggingface.wrap import wrap
from models.trace import Site
from tests.huggingface.test_windows import KINDS
from tests.huggingface.traces import recorded
from tests.huggingface.zoo import GROUPED, IDS, SIZES, TARGET, ZOO, Kind, built, image

PLAIN = [
    *(
        "gpt2",
        "gpt_bigcode",
        "opt",
        "llama",
        "mixtral",
        "gemma",
        "gemma3",
        "granite",
        "t5",
        "marian",
        "pegasus",
    ),
    *(
        "m2m_100",
        "blenderbot",
        "openai-gpt",
        "gpt_neo",
        "biogpt",
        "vit",
        "deit",
        "dinov2",
        "dinov2 registers",
    ),
    *("dinov3", "beit", "siglip", "jamba", "mpt", "falcon", "gptj"),
]
"""Nothing stands between the sum and the first layer."""

NORMED = {
    "bert": ("encoder", "bert.embeddings.LayerNorm"),
    "roberta": ("encoder", "roberta.embeddings.LayerNorm"),
    "distilbert": ("encoder", "distilbert.embeddings.LayerNorm"),
    "electra": ("encoder", "embeddings.LayerNorm"),
    "bert decoder": ("decoder", "bert.embeddings.LayerNorm"),
    "bart": ("decoder", "model.decoder.layernorm_embedding"),
    "mbart": ("encoder", "model.encoder.layernorm_embedding"),
    "bloom": ("decoder", "transformer.word_embeddings_layernorm"),
    "deberta_v2": ("encoder", "deberta.embeddings.LayerNorm"),
    "mpnet": ("encoder", "mpnet.embeddings.LayerNorm"),
    "roformer": ("encoder", "roformer.embeddings.LayerNorm"),
    "modernbert": ("encoder", "model.embeddings.norm"),
    "clip": ("vision", "vision_model.pre_layrnorm"),
}
PARTS = (Site.TOKEN_EMBEDDING, Site.POSITION_ENCODING, Site.SEGMENT_EMBEDDING)


def together(trace, stream):
    """The sum of the parts that were found."""
    return sum(trace.array(site, stream) for site in PARTS if (site, stream) in trace.arrays)


def streams(trace):
    return [place for site, place in trace.arrays if site is Site.RESIDUAL and place in trace.tokens]


@pytest.mark.parametrize("name", PLAIN)
def test_the_parts_add_up_to_the_residual(name):
    trace = recorded(name)
    assert streams(trace)
    for stream in streams(trace):
        assert (Site.TOKEN_EMBEDDING, stream) in trace.arrays
        np.testing.assert_allclose(together(trace, stream), trace.array(Site.RESIDUAL, stream), atol=1e-4)


@pytest.mark.parametrize("name", list(NORMED))
def test_the_norm_of_the_parts_is_the_residual(name):
    trace, (stream, path) = recorded(name), NORMED[name]
    with torch.no_grad():
        normed = built(name).get_submodule(path)(torch.tensor(together(trace, stream))).numpy()
    np.testing.assert_allclose(normed, trace.array(Site.RESIDUAL, stream), atol=1e-4)


def test_a_norm_and_a_map_may_stand_before_the_first_layer():
    model, trace = built("albert"), recorded("albert")
    with torch.no_grad():
        summed = torch.tensor(together(trace, "encoder"))
        entering = model.encoder.embedding_hidden_mapping_in(model.embeddings.LayerNorm(summed)).numpy()
    assert trace.array(Site.TOKEN_EMBEDDING, "encoder").shape == (IDS.shape[1], 16)
    np.testing.assert_allclose(entering, trace.array(Site.RESIDUAL, "encoder"), atol=1e-4)


def test_embeddings_are_rows_of_the_table_times_what_the_model_multiplies_them_by():
    for name, factor in {"gpt2": 1.0, "llama": 1.0, "gemma": 32**0.5, "marian": 1.0}.items():
        table = built(name).get_input_embeddings().weight.detach().numpy()
        trace = recorded(name)
        stream = next(iter(trace.tokens))
        found = trace.array(Site.TOKEN_EMBEDDING, stream)
        np.testing.assert_allclose(found, table[IDS[0].numpy()] * factor, rtol=1e-4)


def test_granites_multiplier_is_part_of_the_embedding():
    kind = Kind("GraniteForCausalLM", "GraniteConfig", {**GROUPED, "embedding_multiplier": 12.0})
    model = kind.build()
    trace = wrap(model).record(inputs={"input_ids": IDS})
    rows = model.get_input_embeddings().weight.detach().numpy()[IDS[0].numpy()]
    np.testing.assert_allclose(trace.array(Site.TOKEN_EMBEDDING, "decoder"), 12 * rows, rtol=1e-4)


def test_a_shared_table_serves_each_tower_with_its_own_tokens():
    table = built("t5").shared.weight.detach().numpy()
    trace = recorded("t5")
    for stream, ids in (("encoder", IDS), ("decoder", TARGET)):
        np.testing.assert_array_equal(trace.array(Site.TOKEN_EMBEDDING, stream), table[ids[0].numpy()])


def test_embeddings_that_a_map_widens_are_shown_as_they_enter():
    settings = {**SIZES, "ffn_dim": 48, "word_embed_proj_dim": 16, "do_layer_norm_before": False}
    trace = wrap(Kind("OPTForCausalLM", "OPTConfig", settings).build()).record(inputs={"input_ids": IDS})
    np.testing.assert_allclose(together(trace, "decoder"), trace.array(Site.RESIDUAL, "decoder"), atol=1e-4)
    assert (Site.POSITION_ENCODING, "decoder") in trace.arrays


@pytest.mark.parametrize("segments", [0, 1])
def test_segments_are_rows_of_their_table(segments):
    kinds = torch.tensor([[0] * 4 + [segments] * 6])
    trace = wrap(built("bert")).record(inputs={"input_ids": IDS, "token_type_ids": kinds})
    table = built("bert").bert.embeddings.token_type_embeddings.weight.detach().numpy()
    np.testing.assert_array_equal(trace.array(Site.SEGMENT_EMBEDDING, "encoder"), table[kinds[0].numpy()])


def test_an_image_begins_with_its_class_token():
    model, trace = built("deit"), recorded("deit")
    found = trace.array(Site.TOKEN_EMBEDDING, "encoder")
    with torch.no_grad():
        patches = model.embeddings.patch_embeddings(image()["pixel_values"])[0].numpy()
    np.testing.assert_array_equal(found[0], model.embeddings.cls_token.detach().numpy()[0, 0])
    np.testing.assert_array_equal(found[1], model.embeddings.distillation_token.detach().numpy()[0, 0])
    np.testing.assert_allclose(found[2:], patches, atol=1e-6)


def test_register_tokens_have_no_position():
    trace = recorded("dinov2 registers")
    places = trace.array(Site.POSITION_ENCODING, "encoder")
    assert not places[1:5].any()
    assert places[0].any()
    assert places[5:].any()


@pytest.mark.parametrize("name", list(KINDS))
def test_swins_patches_enter_through_a_norm(name):
    model = KINDS[name].build()
    trace = wrap(model).record(inputs=image())
    with torch.no_grad():
        normed = model.embeddings.norm(torch.tensor(trace.array(Site.TOKEN_EMBEDDING, "encoder"))).numpy()
    np.testing.assert_allclose(normed, trace.array(Site.RESIDUAL, "encoder"), atol=1e-4)


def test_positions_of_sound_are_added_to_its_frames():
    trace = recorded("whisper")
    table = built("whisper").model.encoder.embed_positions.weight.detach().numpy()
    np.testing.assert_array_equal(trace.array(Site.POSITION_ENCODING, "encoder"), table)
    assert (Site.TOKEN_EMBEDDING, "encoder") not in trace.arrays
    assert recorded("wav2vec2").positions[0].kind == "convolution"


@pytest.mark.parametrize("name", list(ZOO))
def test_no_part_is_claimed_where_there_is_none(name):
    trace = recorded(name)
    kinds = {encoding.kind for encoding in trace.positions}
    added = any(site is Site.POSITION_ENCODING for site, _ in trace.arrays)
    assert added == bool(kinds & {"learned", "sinusoidal", "convolution"})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_parts_are_found_in_half_precision_too(dtype):
    for name in ("gpt2", "bert", "gemma"):
        trace = wrap(ZOO[name].build().to(dtype)).record(inputs=ZOO[name].inputs())
        stream = next(iter(trace.tokens))
        assert (Site.TOKEN_EMBEDDING, stream) in trace.arrays
        assert ((Site.POSITION_ENCODING, stream) in trace.arrays) == (name != "gemma")


@pytest.mark.parametrize("name", ["bloom", "mpt", "falcon"])
def test_alibi_is_found_with_the_slopes_of_its_paper(name):
    kind = (
        Kind("FalconForCausalLM", "FalconConfig", {**SIZES, "alibi": True}) if name == "falcon" else ZOO[name]
    )
    trace = wrap(kind.build()).record(inputs={"input_ids": IDS})
    (alibi,) = trace.positions
    assert alibi.kind == "alibi"
    scale = 8**-0.5 if name == "falcon" else 1.0  # Falcon adds the slopes before it divides by √d_head
    np.testing.assert_allclose(alibi.values / scale, [2**-2, 2**-4, 2**-6, 2**-8], rtol=1e-2)


@pytest.mark.parametrize("size", [(48, 48), (16, 64)])
def test_positions_of_an_image_of_another_size_are_those_that_were_added(size):
    pixels = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(3))
    model = built("dinov2")
    trace = wrap(model).record(inputs={"pixel_values": pixels})
    places = trace.array(Site.POSITION_ENCODING, "encoder")
    with torch.no_grad():
        patches = model.embeddings.patch_embeddings(pixels)
        added = model.embeddings.interpolate_pos_encoding(torch.cat([patches[:, :1], patches], dim=1), *size)
    np.testing.assert_allclose(places, added[0].numpy(), atol=1e-4)
    assert ("learned", "encoder") in {(encoding.kind, encoding.where) for encoding in trace.positions}
