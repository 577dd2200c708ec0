"""What crosses to the browser is what the trace holds."""

import json
from typing import get_args, get_origin, get_type_hints, is_typeddict

import numpy as np
import pytest
from safetensors.numpy import load

from models import Site, record
from models import load as load_model
from models.trace import TOLERANCE
from viz import payload

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
        assert bundle.keys() == {*HEAD, "product"}
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
        assert bundle.keys() == {*INPUTS, *PROJECTION}
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
    with pytest.raises(KeyError, match="it was at: decoder, encoder"):
        payload.stream(trace, "nowhere")


def fits(value, kind):
    """Whether a value is of the kind that a TypedDict's annotation names."""
    if is_typeddict(kind):
        hints = get_type_hints(kind)
        return value.keys() == hints.keys() and all(fits(value[name], hint) for name, hint in hints.items())
    if get_origin(kind) is list:
        return isinstance(value, list) and all(fits(item, get_args(kind)[0]) for item in value)
    if get_origin(kind) is dict:
        key, inner = get_args(kind)
        return isinstance(value, dict) and all(fits(k, key) and fits(v, inner) for k, v in value.items())
    if isinstance(kind, type):
        return isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    return any(
        fits(value, option) if option is not type(None) else value is None for option in get_args(kind)
    )


def test_a_manifest_has_its_schema_and_crosses_as_json(trace, request_made):
    said = payload.manifest(trace, request_made.key, request_made.target)
    assert fits(said, payload.Manifest)
    crossed = json.loads(json.dumps(said, ensure_ascii=False, allow_nan=False))
    assert crossed["blocks"] == said["blocks"]
    assert crossed["tokens"] == said["tokens"]
    assert len(json.dumps(said)) < 20_000


def test_a_manifest_says_what_the_run_was(trace, request_made):
    said = payload.manifest(trace, request_made.key, request_made.target)
    assert said["schema"] == payload.SCHEMA
    assert (said["key"], said["text"], said["target"]) == (
        request_made.key,
        request_made.text,
        request_made.target,
    )
    assert f"<{said['language']}>" == trace.tokens["decoder"][0].text
    for stream, tokens in trace.tokens.items():
        assert [token["text"] for token in said["tokens"][stream]] == [token.text for token in tokens]
        assert [token["id"] for token in said["tokens"][stream]] == [token.id for token in tokens]
        for token, sent in zip(tokens, said["tokens"][stream], strict=True):
            assert sent == {
                name: getattr(token, name) for name in ("id", "text", "start", "end", "unknown", "special")
            }
    assert len(said["predictions"]) == len(said["tokens"]["decoder"])
    assert said["predictions"] == [token.text for token in trace.predictions]
    assert said["output"] == trace.output
    assert said["tolerance"] == TOLERANCE


def test_a_manifest_brings_the_proof_of_every_head(trace, request_made):
    said = payload.manifest(trace, request_made.key, request_made.target)
    assert [block["name"] for block in said["blocks"]] == [block.name for block in trace.blocks]
    for sent, block in zip(said["blocks"], trace.blocks, strict=True):
        assert sent["errors"] == [trace.head(block.name, head).error for head in range(block.heads)]
        assert (sent["kind"], sent["heads"], sent["scale"]) == (block.kind, block.heads, block.scale)
        assert (sent["queryStream"], sent["keyStream"]) == (block.query_stream, block.key_stream)


def test_guided_heads_are_labelled_where_they_are():
    trace = record("builtin/translator", "the cat sleeps")
    said = {block["name"]: block["guided"] for block in payload.manifest(trace, "a key", None)["blocks"]}
    guided = load_model("builtin/translator").card.guided
    assert guided
    expected = {name: {} for name in said}
    for head in guided:
        expected[head.block][str(head.head)] = head.target
    assert said == expected


def test_unknown_words_are_listed_once_and_specials_never():
    trace = record("builtin/translator", "flurble the cat xyzzy flurble", target="le chat blorp")
    assert payload.manifest(trace, "a key", "le chat blorp")["unknown"] == ["flurble", "xyzzy", "blorp"]


def test_a_card_crosses_as_json():
    card = load_model("builtin/translator").card
    crossed = json.loads(json.dumps(payload.card(card)))
    assert crossed["guided"][0].keys() == {"block", "head", "target"}
    assert (crossed["name"], crossed["parameters"]) == (card.name, card.parameters)
