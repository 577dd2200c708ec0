"""The manifest: what a run was, small enough to cross at once."""

import json
from typing import get_args, get_origin, get_type_hints, is_typeddict

import pytest

from models import load as load_model
from models import record, wrap
from models.trace import TOLERANCE
from tests.huggingface.zoo import ZOO, built
from viz.manifest import SCHEMA, Manifest, manifest
from viz.manifest import card as card_of


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
    said = manifest(trace, request_made.key, request_made.target)
    assert fits(said, Manifest)
    crossed = json.loads(json.dumps(said, ensure_ascii=False, allow_nan=False))
    assert crossed["blocks"] == said["blocks"]
    assert crossed["tokens"] == said["tokens"]
    assert len(json.dumps(said)) < 20_000


def test_a_manifest_says_what_the_run_was(trace, request_made):
    said = manifest(trace, request_made.key, request_made.target)
    assert said["schema"] == SCHEMA
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


def test_a_manifest_says_what_each_block_is(trace, request_made):
    said = manifest(trace, request_made.key, request_made.target)
    assert [block["name"] for block in said["blocks"]] == [block.name for block in trace.blocks]
    for sent, block in zip(said["blocks"], trace.blocks, strict=True):
        assert (sent["route"], sent["kvHeads"]) == ("builtin", block.heads)
        assert (sent["kind"], sent["heads"], sent["scale"]) == (block.kind, block.heads, block.scale)
        assert (sent["queryStream"], sent["keyStream"]) == (block.query_stream, block.key_stream)


def test_guided_heads_are_labelled_where_they_are():
    trace = record("builtin/translator", "the cat sleeps")
    said = {block["name"]: block["guided"] for block in manifest(trace, "a key", None)["blocks"]}
    guided = load_model("builtin/translator").card.guided
    assert guided
    expected = {name: {} for name in said}
    for head in guided:
        expected[head.block][str(head.head)] = head.target
    assert said == expected


def test_unknown_words_are_listed_once_and_specials_never():
    trace = record("builtin/translator", "flurble the cat xyzzy flurble", target="le chat blorp")
    assert manifest(trace, "a key", "le chat blorp")["unknown"] == ["flurble", "xyzzy", "blorp"]


def test_a_card_crosses_as_json():
    card = load_model("builtin/translator").card
    crossed = json.loads(json.dumps(card_of(card)))
    assert crossed["guided"][0].keys() == {"block", "head", "target"}
    assert (crossed["name"], crossed["parameters"]) == (card.name, card.parameters)


@pytest.mark.parametrize(
    ("name", "labels", "predicts"),
    [
        ("gpt2", {"decoder": "text"}, "next"),
        ("bert", {"encoder": "text"}, ""),
        ("t5", {"encoder": "encoder", "decoder": "decoder"}, "next"),
        ("vit", {"encoder": "patches"}, ""),
        ("clip", {"vision": "patches", "text": "text"}, ""),
    ],
)
def test_streams_and_predictions_are_called_what_they_are(name, labels, predicts):
    trace = wrap(built(name)).record(inputs=ZOO[name].inputs())
    said = manifest(trace, "a key")
    assert fits(said, Manifest)
    assert {stream: entry["label"] for stream, entry in said["streams"].items()} == labels
    assert said["predicts"] == predicts or said["predicts"] in {"same", "class"}
    json.dumps(said, allow_nan=False)


def test_patches_have_their_grid_and_their_places():
    said = manifest(wrap(built("vit")).record(inputs=ZOO["vit"].inputs()), "a key")
    (stream,) = said["streams"].values()
    places = {(token["row"], token["column"]) for token in said["tokens"]["encoder"] if "row" in token}
    assert places == {(r, c) for r in range(stream["rows"]) for c in range(stream["columns"])}
