"""The routes that write: a prompt is answered with every step, its attention comes by key, and it can be stopped."""

import numpy as np
import pytest
from safetensors.numpy import load
from starlette.applications import Starlette
from starlette.testclient import TestClient

import app
import models
from models.desk import Desk
from models.prompt import Prompt
from models.teacher_forcing import at_once, differences, unmasked
from viz.explorer import BASE

CAT = {"model": "builtin/translator", "text": "the cat sleeps", "language": "fr", "steps": 8, "id": "a"}


@pytest.fixture
def client(monkeypatch):
    """A page whose server has just been started."""
    monkeypatch.setattr(app, "desk", Desk())
    return TestClient(Starlette(routes=app.ROUTES), base_url=f"http://testserver/{BASE}/")


@pytest.fixture
def written():
    return models.generate("builtin/translator", CAT["text"], language="fr", steps=8)


def test_a_prompt_is_answered_with_every_step(client, written):
    said = client.post("generate", json=CAT).json()
    assert [step["id"] for step in said["steps"]] == list(written.ids)
    assert said["output"] == written.text
    assert said["strategy"]["name"] == "greedy"
    assert not said["cancelled"]


def test_what_was_written_is_compared_with_one_pass_where_that_is_asked_for(client, written):
    plain = client.post("generate", json=CAT).json()
    said = client.post("generate", json=CAT | {"compare": True}).json()
    assert "masked" not in plain
    model = models.load("builtin/translator")
    assert said["masked"] == pytest.approx(differences(written, at_once(model, written)), abs=1e-6)
    assert max(said["masked"].values()) <= 1e-5
    assert said["open"] == pytest.approx(unmasked(model, written), abs=1e-6)
    assert said["open"]["decoder.0.self"] <= 1e-5
    assert said["open"]["decoder.1.self"] >= 1e-2


def test_the_rows_of_attention_come_by_its_key(client, written):
    key = client.post("generate", json=CAT).json()["run"]["key"]
    head = load(client.get(f"trace/{key}/head/decoder.1.cross/3").content)
    for step in written.steps:
        np.testing.assert_allclose(head["weights"][step.position], step.rows["decoder.1.cross"][3], atol=1e-6)


def test_a_server_that_has_just_been_started_knows_the_key(client, monkeypatch):
    key = client.post("generate", json=CAT | {"strategy": "sample", "seed": 5}).json()["run"]["key"]
    before = client.get(f"trace/{key}/thumbnails").content
    monkeypatch.setattr(app, "desk", Desk())
    assert client.get(f"trace/{key}/thumbnails").content == before


def test_a_word_that_a_person_chose_is_written(client, written):
    other = int(np.argsort(written.steps[1].logits)[-2])
    said = client.post("generate", json=CAT | {"forced": [written.ids[0], other]}).json()
    assert [step["id"] for step in said["steps"]][:2] == [written.ids[0], other]
    assert [step["forced"] for step in said["steps"]][:3] == [True, True, False]


def test_it_is_stopped_under_its_name(client, monkeypatch):
    plain = Prompt.write

    def stopping(self, cancelled=None):
        def asked():
            assert client.get("generate/a").json()["running"]
            client.post("generate/a")
            return cancelled() if cancelled else False

        return plain(self, asked)

    monkeypatch.setattr(Prompt, "write", stopping)
    said = client.post("generate", json=CAT).json()
    assert said["cancelled"]
    assert len(said["steps"]) == 1
    monkeypatch.setattr(Prompt, "write", plain)
    assert client.get(f"trace/{said['run']['key']}/thumbnails").status_code == 200
    assert client.get("generate/a").json() == {"written": 0, "running": False}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"steps": 0}, "bad_request"),
        ({"steps": 1000}, "too_many_steps"),
        ({"strategy": "guess"}, "bad_request"),
        ({"temperature": "hot", "strategy": "sample"}, "bad_request"),
        ({"forced": "cat"}, "bad_request"),
        ({"forced": [10**7]}, "bad_request"),
        ({"text": ""}, "empty_text"),
        ({"language": "de"}, "bad_request"),
        ({"model": "builtin/vit"}, "cannot_generate"),
        ({"model": "somebody/else"}, "model_not_open"),
    ],
)
def test_what_cannot_be_written_is_said(client, wrong, error):
    assert client.post("generate", json=CAT | wrong).json()["error"] == error
