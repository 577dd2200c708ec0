"""The routes: a run is asked for once, its arrays by key, on any server; what cannot be done is said, not hidden."""

import gzip
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load
from starlette.applications import Starlette
from starlette.testclient import TestClient

import app
import models
from models import catalog, machine
from models.cache import ModelCache
from models.store import TraceStore
from viz.explorer import BASE, head
from viz.stages import STAGE_IDS
from viz.texts import load_texts

CAT = {"model": "builtin/translator", "text": "The cat sleeps.", "target": None, "language": "fr"}
BUNDLES = (
    "thumbnails",
    "stream/encoder",
    "stream/decoder",
    "head/decoder.1.cross/3",
    "projection/encoder.0.self/0",
)


@pytest.fixture
def client(monkeypatch):
    """A page whose server has just been started."""
    monkeypatch.setattr(app, "store", TraceStore())
    return TestClient(Starlette(routes=app.ROUTES), base_url=f"http://testserver/{BASE}/")


@pytest.fixture
def key(client):
    return client.post("run", json=CAT).json()["key"]


def refusal(response, status):
    """What a refusal says; every one has the same shape."""
    assert response.status_code == status
    assert response.headers["cache-control"] == "no-cache"
    said = response.json()
    assert said.keys() == {"error", "message", "facts"}
    return said


def test_a_run_answers_with_its_manifest(client):
    response = client.post("run", json=CAT)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-cache"
    said, trace = response.json(), models.record("builtin/translator", CAT["text"], language="fr")
    assert said["schema"] == 2
    assert (said["text"], said["target"], said["language"]) == (CAT["text"], None, "fr")
    assert said["output"] == trace.output
    assert [block["name"] for block in said["blocks"]] == [block.name for block in trace.blocks]
    assert models.Request.from_key(said["key"]) == models.Request(**CAT)


def test_what_is_left_out_of_a_request_has_its_default(client):
    said = client.post("run", json={"text": "I eat apples"}).json()
    assert said["model"]["name"] == "builtin/translator"
    assert (said["target"], said["language"]) == (None, "fr")
    assert client.post("run", json={"text": "I eat apples", "target": ""}).json()["key"] == said["key"]


def test_a_given_target_is_what_the_decoder_reads(client):
    said = client.post("run", json=CAT | {"target": "le chat"}).json()
    assert [token["text"] for token in said["tokens"]["decoder"]] == ["<fr>", "le", "chat"]
    assert said["target"] == "le chat"


@pytest.mark.parametrize("path", BUNDLES)
def test_a_bundle_may_be_kept_forever(client, key, path):
    response = client.get(f"trace/{key}/{path}")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-type"] == "application/octet-stream"
    assert load(response.content)


def test_a_bundle_is_the_head_that_its_address_names(client, key):
    trace = models.record("builtin/translator", CAT["text"], language="fr")
    for block, index in (("decoder.1.cross", 3), ("encoder.0.self", 0)):
        bundle = load(client.get(f"trace/{key}/head/{block}/{index}").content)
        np.testing.assert_allclose(bundle["weights"], trace.head(block, index).weights, atol=1e-6)
        projection = load(client.get(f"trace/{key}/projection/{block}/{index}").content)
        np.testing.assert_array_equal(
            projection["query_weight"], trace.array(models.Site.QUERY_WEIGHT, block)[index]
        )


@pytest.mark.parametrize("path", BUNDLES)
def test_a_server_that_forgot_or_never_saw_the_run_makes_it_again(client, key, path, monkeypatch):
    before = client.get(f"trace/{key}/{path}").content
    monkeypatch.setattr(app, "store", TraceStore())
    assert client.get(f"trace/{key}/{path}").content == before


@pytest.mark.parametrize(
    "path",
    [
        *("head/decoder.9.cross/0", "head/decoder.1.cross/4", "head/nowhere/0"),
        *("projection/decoder.1.cross/4", "projection/encoder.0.mlp/0", "stream/nowhere"),
    ],
)
def test_a_place_that_is_not_there_is_not_found(client, key, path):
    said = refusal(client.get(f"trace/{key}/{path}"), 404)
    assert said["error"] == "bad_request"
    assert path.split("/")[1] in said["facts"]["got"] or "heads 0 to 3" in said["facts"]["got"]


@pytest.mark.parametrize("path", ["head/decoder.1.cross/one", "head/decoder.1.cross/-1", "head", "all"])
def test_an_address_that_is_none_is_not_found(client, key, path):
    assert client.get(f"trace/{key}/{path}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"cat", b"{", b"\xff\xfe", b"[]", b'"cat"', b"7", b"null"),
        *(
            b'{"text": 7}',
            b'{"text": ["cat"]}',
            b'{"text": "cat", "model": {}}',
            b'{"text": "cat", "target": true}',
        ),
        b'{"text": "cat", "language": "de"}',
        b'{"text": "cat", "dtype": "float7"}',
        b'{"text": "the \\ud83d cat"}',
        b'{"text": "' + b" " * 300_000 + b'"}',
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_request_that_says_nothing_sensible_is_refused(client, body):
    said = refusal(client.post("run", content=body), 200)
    assert said["error"] == "bad_request"
    assert said["facts"]["got"]


@pytest.mark.parametrize(
    ("fields", "error", "facts"),
    [
        ({"text": ""}, "empty_text", {}),
        ({}, "empty_text", {}),
        ({"text": "xyzzy"}, "only_unknown", {"words": "xyzzy"}),
        ({"text": "cat " * 70}, "text_too_long", {"got": 71, "limit": 64}),
        ({"text": "c" * 20_001}, "text_too_large", {"got": 20_001, "limit": 20_000}),
        ({"text": "cat", "target": "le " * 70}, "target_too_long", {"got": 71, "limit": 64}),
        ({"text": "cat", "target": "xyzzy"}, "target_only_unknown", {"words": "xyzzy"}),
        ({"text": "cat", "model": "gpt-9"}, "model_not_open", {"got": "gpt-9"}),
        ({"text": "cat", "model": "builtin/gpt-9"}, "model_not_open", {"got": "builtin/gpt-9"}),
        ({"text": "cat", "image": "example:cat"}, "bad_request", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_text_that_cannot_be_read_is_an_answer_with_id_and_facts(client, fields, error, facts):
    said = refusal(client.post("run", json=fields), 200)
    assert said["error"] == error
    assert facts is None or said["facts"] == facts
    assert said["message"]


def test_a_key_of_another_revision_is_stale(client, key, monkeypatch):
    model = models.load("builtin/translator")
    monkeypatch.setattr(model, "card", replace(model.card, revision="retrained"))
    for path in BUNDLES:
        assert refusal(client.get(f"trace/{key}/{path}"), 422)["error"] == "stale_key"


@pytest.mark.parametrize("wrong", ["x", "0123456789abcdef.AAAA", "." * 30])
def test_a_key_that_is_none_is_a_bad_request(client, wrong):
    assert refusal(client.get(f"trace/{wrong}/thumbnails"), 422)["error"] == "bad_request"


def test_what_nobody_foresaw_is_said_without_its_inside(client, key, monkeypatch, caplog):
    class Broken(TraceStore):
        def get(self, request, run=None):
            raise RuntimeError("a secret path")

    monkeypatch.setattr(app, "store", Broken())
    for response in (client.get(f"trace/{key}/thumbnails"), client.post("run", json=CAT)):
        said = refusal(response, 500)
        assert said["error"] == "internal"
        assert "secret" not in response.text
    assert "a secret path" in caplog.text


def test_the_configuration_is_compressed_json_of_all_that_the_page_needs(client):
    with client.stream("GET", "config") as response:
        raw = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == "gzip"
    said = json.loads(gzip.decompress(raw))
    assert said.keys() >= {"texts", "stages", "standsFor", "colours", "models", "images", "limits"}
    assert [stage["id"] for stage in said["stages"]] == list(STAGE_IDS)
    assert said["builtin"] == list(models.BUILTIN)
    assert said["limits"] == {"tokens": 64, "characters": 20_000}
    assert said["texts"]["stages"]["softmax"]["zh"]["title"]
    assert len(raw) < 100_000


def test_the_texts_of_other_models_stages_come_by_themselves_and_nothing_comes_twice(client):
    first, later = client.get("config").json()["texts"]["stages"], client.get("variants").json()
    assert not first.keys() & later.keys()
    assert first | later == load_texts().as_json(load_texts().stages)["stages"]


def test_the_vocabulary_of_a_model_is_its_words_by_language(client):
    said = client.get("vocabulary", params={"model": "builtin/translator"}).json()
    assert {language: "cat" in words for language, words in said.items()} == {
        "en": True,
        "fr": False,
        "zh": False,
    }
    assert "chat" in said["fr"]
    assert "猫" in said["zh"]
    assert client.get("vocabulary").json() == said


def test_the_vocabulary_of_an_unknown_model_is_refused(client):
    said = refusal(client.get("vocabulary", params={"model": "gpt-9"}), 200)
    assert said["error"] == "unknown_model"
    assert "gpt-9" in said["facts"]["got"]


def test_the_figures_of_a_model_are_those_of_its_file(client):
    said = client.get("figures", params={"model": "builtin/translator"}).json()
    file = app.ASSETS / "checkpoints" / "builtin" / "translator" / "figures.json"
    wanted = json.loads(file.read_text(encoding="utf-8"))["figures"]
    assert {each["name"]: (each["value"], each["n"]) for each in said["figures"]} == {
        name: (figure["value"], figure["n"]) for name, figure in wanted.items()
    }
    for name in ("gpt2", "", "../../builtin/translator"):
        said = refusal(client.get("figures", params={"model": name}), 200)
        assert said["error"] == "unknown_model"


def test_the_configuration_loads_only_the_model_of_the_first_view(monkeypatch):
    loaded = []
    real = models.load
    monkeypatch.setattr(app.models, "load", lambda name: loaded.append(name) or real(name))
    said = json.loads(json.dumps(app._config()))
    assert loaded == [models.BUILTIN[0]]
    assert said["builtin"] == list(models.BUILTIN)
    assert [card["name"] for card in said["models"]] == loaded
    listed = [member["name"] for member in said["texts"]["family"]["model"]]
    assert set(models.BUILTIN) <= set(listed)


def test_a_model_in_the_box_answers_without_being_opened_first(client, monkeypatch):
    monkeypatch.setattr(catalog, "_models", ModelCache(machine.memory_budget, models.BUILTIN))
    for name in models.BUILTIN:
        assert not any(card.name == name for card in catalog.opened())
        preset = next(each for each in load_texts().presets if each.model == name)
        body = {"model": name, "text": preset.text, "image": preset.image or None}
        assert client.post("run", json=body).json()["model"]["name"] == name


def test_assets_are_served_and_nothing_outside_them(client):
    assert client.get("assets/explorer/main.js").status_code == 200
    for path in ("assets/../app.py", "assets/%2e%2e/app.py", "assets/..%2fapp.py", "assets/explorer"):
        assert client.get(path).status_code in (404, 405), path


def test_everything_that_the_head_of_the_page_names_is_there(client):
    addresses = re.findall(r'(?:href|src)="([^"]+)"', head())
    assert len(addresses) > 15
    for address in addresses:
        assert client.get(f"http://testserver/{address}").status_code == 200, address


def test_every_module_of_the_explorer_is_fetched_early():
    written = {path.name for path in (app.ASSETS / "explorer").glob("*.js")}
    assert written == set(re.findall(r"modulepreload\" href=\"[^\"]*/([\w-]+\.js)\"", head()))


def test_a_program_may_ask_for_a_run_too(client):
    said = json.loads(json.dumps(app.translate("The cat sleeps.", "fr")))
    assert said == client.post("run", json=CAT).json()
    assert app.translate("The cat sleeps.")["output"] == said["output"]
