"""What crosses to the browser is what the trace holds."""

import numpy as np
import pytest
from safetensors.numpy import load

from models import Site, wrap
from tests.huggingface.architectures import architectures
from viz import payload
from viz.stages import STAGES, STANDS_FOR
from viz.walk import stages_of

HEAD = ("query", "key", "value", "scores", "mask", "masked_scores", "weights", "context", "model_context")
STREAM = (Site.TOKEN_EMBEDDING, Site.POSITION_ENCODING, Site.RESIDUAL)
INPUTS = (Site.QUERY_INPUT, Site.KEY_INPUT)
PROJECTION = (
    *(Site.QUERY_WEIGHT, Site.KEY_WEIGHT, Site.VALUE_WEIGHT),
    *(Site.QUERY_BIAS, Site.KEY_BIAS, Site.VALUE_BIAS),
)


def places(trace):
    return [(block.name, head) for block in trace.blocks for head in range(block.heads)]


def test_thumbnails_are_the_weights_of_every_head_in_255_steps(trace):
    thumbnails = load(payload.thumbnails(trace))
    assert thumbnails.keys() == {block.name for block in trace.blocks}
    for name, array in thumbnails.items():
        assert array.dtype == np.uint8
        assert np.abs(array / 255 - trace.weights(name)).max() <= 1 / 510 + 1e-7


def test_a_head_bundle_is_every_stage_of_that_head(trace):
    for block, index in places(trace):
        bundle, head = load(payload.head(trace, block, index)), trace.head(block, index)
        assert bundle.keys() == {*HEAD, "product", "error"}
        assert bundle["error"][:2].tolist() == pytest.approx([head.error, float(head.proved)])
        assert bundle["error"][2] >= head.tolerance
        for name in HEAD:
            np.testing.assert_array_equal(bundle[name], getattr(head, name), name)
            assert bundle[name].dtype == (np.bool_ if name == "mask" else np.float32)
        np.testing.assert_allclose(bundle["product"] * head.scale, head.scores, atol=1e-5)


def test_a_stream_bundle_is_what_enters_the_first_layer(trace):
    for name in ("encoder", "decoder"):
        bundle = load(payload.stream(trace, name))
        assert bundle.keys() == set(STREAM)
        for site in STREAM:
            np.testing.assert_array_equal(bundle[site], trace.array(site, name))
        np.testing.assert_array_equal(
            bundle["token_embedding"] + bundle["position_encoding"], bundle["residual"]
        )


def test_a_projection_bundle_makes_the_queries_keys_and_values_of_its_head(trace):
    for block, index in places(trace):
        bundle, head = load(payload.projection(trace, block, index)), trace.head(block, index)
        assert bundle.keys() == {*INPUTS, *PROJECTION} | ({"memory"} if block.endswith("cross") else set())
        for site in INPUTS:
            np.testing.assert_array_equal(bundle[site], trace.array(site, block))
        for site in PROJECTION:
            np.testing.assert_array_equal(bundle[site], trace.array(site, block)[index])
        for name, source in (("query", "query_input"), ("key", "key_input"), ("value", "key_input")):
            made = bundle[source] @ bundle[f"{name}_weight"] + bundle[f"{name}_bias"]
            np.testing.assert_allclose(made, getattr(head, name), atol=1e-4)


def test_a_place_that_is_not_there_is_refused(trace):
    for make in (payload.head, payload.projection):
        with pytest.raises(KeyError, match=r"no block 'encoder\.7\.self'"):
            make(trace, "encoder.7.self", 0)
        for head in (-1, 4):
            with pytest.raises(IndexError, match="heads 0 to 3"):
                make(trace, "encoder.0.self", head)
    with pytest.raises(KeyError, match="this trace has encoder, decoder"):
        payload.stream(trace, "nowhere")
    with pytest.raises(KeyError, match="no image"):
        payload.picture(trace)


def test_the_proofs_are_those_of_every_head(trace):
    proofs = load(payload.proofs(trace))
    for block in trace.blocks:
        heads = [trace.head(block.name, head) for head in range(block.heads)]
        assert proofs[f"error:{block.name}"].tolist() == pytest.approx([head.error for head in heads])
        assert proofs[f"proved:{block.name}"].tolist() == [head.proved for head in heads]


def test_a_large_head_is_pooled_to_the_largest_weight_of_each_patch_of_cells():
    weights = np.random.default_rng(0).random((200, 150)).astype(np.float32)
    pooled = payload._pooled(weights)
    assert pooled.shape == (payload.THUMBNAIL, payload.THUMBNAIL)
    rows = np.linspace(0, 200, 65).astype(int)
    columns = np.linspace(0, 150, 65).astype(int)
    for r, c in ((0, 0), (10, 63), (63, 63), (33, 7)):
        assert pooled[r, c] == weights[rows[r] : rows[r + 1], columns[c] : columns[c + 1]].max()


MODERN = ("gpt2", "bert", "llama", "gemma2", "t5", "gpt_oss", "mixtral", "vit", "swin", "deepseek_v3")


def recorded(name):
    kind = architectures()[name]
    return wrap(kind.build(None)).record(inputs=kind.inputs())


@pytest.fixture(scope="module", params=MODERN)
def modern(request):
    return recorded(request.param)


def test_every_stage_that_a_block_has_finds_its_plates(modern):
    for block in modern.blocks:
        bundles = {
            "head": load(payload.head(modern, block.name, 0)),
            "stream": load(payload.stream(modern, block.query_stream)),
            "projection": load(payload.projection(modern, block.name, 0)),
            "mask": load(payload.mask(modern, block.name, 0)),
            "norm": load(payload.norm(modern, block.name)),
            "mlp": load(payload.mlp(modern, block.name)),
            "written": load(payload.written(modern, block.name, 0)),
            "residual_attention": load(payload.residual_attention(modern, block.name)),
            "residual_mlp": load(payload.residual_mlp(modern, block.name)),
        }
        has = stages_of(modern, block)
        if "logits" in has:
            bundles |= {"logits": load(payload.logits(modern, 0)), "vectors": load(payload.vectors(modern))}
        bundles["router"] = load(payload.router(modern, block.name)) if "router" in has else {}
        for name, other in STANDS_FOR.items():
            bundles["head"].setdefault(name, bundles["head"][other])
        for stage in (stage for stage in STAGES if stage.id in has):
            for plate in stage.plates:
                assert plate.optional or plate.array in bundles[plate.bundle], (block.name, stage.id)


def test_what_a_modern_head_brings_makes_its_scores(modern):
    for block in modern.blocks:
        bundle, head = (
            load(payload.head(modern, block.name, block.heads - 1)),
            modern.head(block.name, block.heads - 1),
        )
        for name, other in STANDS_FOR.items():
            bundle.setdefault(name, bundle[other])
        capped = bundle["scores"]
        if block.softcap:
            capped = block.softcap * np.tanh(bundle["scores"] / block.softcap)
        np.testing.assert_allclose(bundle["capped"], capped, atol=1e-5)
        np.testing.assert_allclose(bundle["unmasked"], capped + bundle.get("bias", 0), atol=1e-5)
        np.testing.assert_array_equal(
            bundle["masked_scores"], np.where(bundle["mask"], bundle["unmasked"], -np.inf).astype(np.float32)
        )
        if "sink" in bundle:
            np.testing.assert_allclose(bundle["sink"][:, 0], 1 - head.weights.sum(axis=1), atol=1e-6)


def test_a_turned_pair_gives_the_query_that_is_used():
    trace = recorded("llama")
    bundle = load(payload.head(trace, trace.blocks[0].name, 1))
    first, second = bundle["pair"].astype(int).T
    cosine, sine = np.cos(bundle["angle"]), np.sin(bundle["angle"])
    before, after = bundle["query_made"], bundle["query"]
    np.testing.assert_allclose(
        before[:, first] * cosine - before[:, second] * sine, after[:, first], atol=1e-5
    )
    np.testing.assert_allclose(
        before[:, second] * cosine + before[:, first] * sine, after[:, second], atol=1e-5
    )


def test_the_parts_of_a_mask_make_the_mask():
    trace = recorded("swin")
    shifted = [block for block in trace.blocks if (Site.MASK_SHIFT, block.name) in trace.arrays]
    assert shifted
    for block in shifted:
        parts = load(payload.mask(trace, block.name, 0))
        np.testing.assert_array_equal(
            parts["mask_pattern"] & parts["mask_shift"], trace.head(block.name, 0).mask
        )
