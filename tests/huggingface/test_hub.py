"""From an id to a model on this machine: what is asked before a download, what is fetched, what is refused and why."""

import errno
import json
import logging
import traceback

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import close_session

from models import errors, machine
from models.huggingface import hub as fetching
from models.huggingface import load as loading
from models.huggingface.hub import cached
from models.huggingface.load import load_pretrained, needed_memory
from models.progress import Progress
from tests.huggingface.fake_hub import SHA
from tests.huggingface.zoo import built

NAME = "someone/tiny"
TOKEN = "hf_" + "SecretSecretSecret"


class Steps(Progress):
    def __init__(self):
        self.states, self.reached = [], []

    def enter(self, state):
        self.states.append(state)

    def reach(self, done, total):
        self.reached.append((done, total))


def change(folder, **settings):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


def refused(kind, name=NAME):
    with pytest.raises(kind) as caught:
        load_pretrained(name)
    return caught.value


def weights(hub):
    return [file for file in hub.fetched() if file.endswith((".safetensors", ".bin"))]


def test_a_model_is_fetched_with_its_tokenizer_and_its_weights_are_the_same(hub, folder):
    hub.offer(NAME, folder)
    steps = Steps()
    model = load_pretrained(NAME, progress=steps)
    for name, value in built("gpt2").state_dict().items():
        torch.testing.assert_close(model.model.state_dict()[name], value, rtol=0, atol=0)
    assert model.record("the cat sleeps").tokens["decoder"][1].text == "cat"
    assert model.card.name == NAME
    assert model.card.revision == SHA
    assert steps.states == ["checking", "downloading", "loading"]


def test_progress_goes_from_nothing_to_everything(hub, folder):
    hub.offer(NAME, folder)
    steps = Steps()
    load_pretrained(NAME, progress=steps)
    done, totals = zip(*steps.reached, strict=True)
    assert list(done) == sorted(done)
    assert len(set(totals)) == 1
    assert done[0] == 0
    assert done[-1] == totals[0] == sum((folder / file).stat().st_size for file in set(hub.fetched()))
    assert len(done) > 10


def test_only_what_the_model_needs_is_fetched(hub, folder):
    for name in (
        "pytorch_model.bin",
        "modeling_evil.py",
        "tf_model.h5",
        "README.md",
        "consolidated.safetensors",
    ):
        (folder / name).write_bytes(b"x")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.safetensors").write_bytes(b"x")
    hub.offer(NAME, folder)
    load_pretrained(NAME)
    assert weights(hub) == ["model.safetensors"]
    assert set(hub.fetched()) == {
        *("config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json"),
    }


def test_weights_in_several_files_are_fetched_by_their_index(hub, tmp_path):
    built("gpt2").save_pretrained(tmp_path / "parts", max_shard_size="60KB")
    parts = sorted(path.name for path in (tmp_path / "parts").glob("*.safetensors"))
    assert len(parts) > 1
    hub.offer(NAME, tmp_path / "parts")
    model = load_pretrained(NAME)
    assert weights(hub) == parts
    torch.testing.assert_close(model.model.lm_head.weight, built("gpt2").lm_head.weight, rtol=0, atol=0)


def test_a_model_that_is_here_is_opened_without_the_hub(hub, folder, monkeypatch):
    hub.offer(NAME, folder)
    assert cached(NAME) is None
    load_pretrained(NAME)
    assert cached(NAME) is not None
    asked = len(hub.asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load_pretrained(NAME).card.revision == SHA
    assert len(hub.asked) == asked


def test_half_a_model_is_not_taken_for_a_whole_one(hub, folder):
    hub.offer(NAME, folder)
    load_pretrained(NAME)
    found = cached(NAME)
    assert found is not None
    (found / "model.safetensors").unlink()
    assert cached(NAME) is None


@pytest.mark.parametrize("hidden", [False, True], ids=["404", "401, as for anonymous askers"])
def test_an_id_that_the_hub_does_not_know_is_refused(hub, hidden):
    hub.hides_what_is_unknown = hidden
    assert refused(errors.UnknownModel).facts["got"] == NAME
    refused(errors.UnknownModel, "two--dashes")


def test_a_gated_model_is_refused_before_its_weights(hub, folder):
    hub.offer(NAME, folder, gated=True)
    refused(errors.Gated)
    assert not weights(hub)


def test_a_token_that_the_hub_refuses_is_named_as_such(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.offer(NAME, folder)
    hub.refuses_tokens = True
    assert TOKEN not in str(refused(errors.TokenRefused))


def test_pickled_weights_are_refused_before_anything_is_fetched(hub, folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    hub.offer(NAME, folder)
    refused(errors.NotSafetensors)
    assert not hub.fetched()


def test_a_repository_without_weights_or_without_config_is_refused(hub, folder):
    hub.offer(NAME, folder)
    (folder / "model.safetensors").unlink()
    refused(errors.CorruptCheckpoint)
    (folder / "config.json").unlink()
    refused(errors.FolderWithoutConfig)


def test_foreign_code_is_refused_before_the_weights_and_never_fetched(hub, folder):
    (folder / "evil.py").write_text("raise SystemExit('foreign code was run')")
    change(folder, model_type="evil", auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.Model"})
    hub.offer(NAME, folder)
    refused(errors.NeedsRemoteCode)
    assert hub.fetched() == ["config.json"]


def test_an_unknown_architecture_is_refused_before_the_weights(hub, folder):
    change(folder, model_type="transmogrifier", architectures=["Transmogrifier"])
    hub.offer(NAME, folder)
    refused(errors.UnknownArchitecture)
    assert not weights(hub)


def test_a_model_over_the_limit_is_refused_before_the_weights(hub, folder):
    hub.offer(NAME, folder, claimed={"model.safetensors": 9 * 10**9})
    error = refused(errors.ModelTooLarge)
    assert error.facts == {"name": NAME, "got": "9", "limit": "8"}
    assert not weights(hub)


def test_a_folder_over_the_limit_is_refused(folder, monkeypatch):
    monkeypatch.setenv("ATTENTION_MICROSCOPE_MODEL_LIMIT", "0.00001")
    error = refused(errors.ModelTooLarge, str(folder))
    assert error.facts["limit"] == "1e-05"


def test_a_download_that_would_fill_the_disk_is_refused(hub, folder, monkeypatch):
    monkeypatch.setattr(machine, "free_disk", lambda folder: 5000)
    hub.offer(NAME, folder, claimed={"model.safetensors": 3 * 10**9})
    error = refused(errors.NotEnoughDisk)
    assert (error.facts["name"], error.facts["free"]) == (NAME, "5e-06")
    assert error.facts["needed"] == "3"
    assert not weights(hub)


def test_a_disk_that_fills_up_meanwhile_is_named_as_such(hub, folder, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    hub.offer(NAME, folder)
    monkeypatch.setattr(fetching.Download, "advance", full)
    assert not weights(hub)
    refused(errors.NotEnoughDisk)


def test_a_model_larger_than_the_memory_is_refused_before_it_is_fetched(hub, folder, monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: 10**9)
    hub.offer(NAME, folder, parameters={"F16": 10**9})
    error = refused(errors.NotEnoughMemory)
    assert error.facts["needed"] == "4"
    assert not weights(hub)


def test_a_folder_that_does_not_fit_in_memory_is_refused(folder, monkeypatch):
    monkeypatch.setattr(machine, "free_memory", lambda: 1000)
    assert refused(errors.NotEnoughMemory, str(folder)).facts["free"] == "1e-06"


def test_the_memory_that_weights_will_take_is_known_from_their_files(folder):
    parameters = sum(parameter.numel() for parameter in built("gpt2").parameters())
    assert needed_memory(folder, "float32") == 4 * parameters
    assert needed_memory(folder, "bfloat16") == 2 * parameters


def test_running_out_of_memory_is_a_message(folder, monkeypatch):
    def exhausted(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(loading, "_model", exhausted)
    refused(errors.NotEnoughMemory, str(folder))


def test_a_closed_port_is_no_network(hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    close_session()
    refused(errors.NoNetwork)


def test_a_hub_that_is_ill_is_no_network(hub, folder):
    hub.offer(NAME, folder)
    hub.ill = True
    refused(errors.NoNetwork)


def test_a_file_that_came_broken_is_refused_and_fetched_anew(hub, folder):
    offered = hub.offer(NAME, folder, digests={"model.safetensors": "0" * 64})
    refused(errors.CorruptCheckpoint)
    assert cached(NAME) is None
    offered.digests.clear()
    assert load_pretrained(NAME).card.layers == 2
    assert weights(hub) == ["model.safetensors"] * 2


def test_a_file_that_is_broken_at_the_hub_is_refused(hub, folder):
    file = folder / "model.safetensors"
    file.write_bytes(b"\xff" * file.stat().st_size)
    hub.offer(NAME, folder)
    refused(errors.CorruptCheckpoint)


def test_the_token_reaches_the_hub_and_nothing_else(hub, folder, monkeypatch, caplog, capfd):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(logging.getLogger("huggingface_hub"), "propagate", True)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="huggingface_hub")
    hub.offer(NAME, folder)
    model = load_pretrained(NAME)
    hub.offer("someone/gated", folder, gated=True)
    said = [repr(model.card), repr(model.record("the cat"))]
    for name in ("someone/gated", "someone/unknown"):
        error = refused(errors.ModelError, name)
        said += [str(error), repr(error), str(error.facts), *traceback.format_exception(error)]
    printed = capfd.readouterr()
    said += [caplog.text, printed.out, printed.err]
    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert "Request" in caplog.text
    assert not [text for text in said if TOKEN in text]


def test_half_precision_is_half_the_memory_and_other_dtypes_are_refused(folder):
    whole, half = load_pretrained(str(folder)), load_pretrained(str(folder), dtype="bfloat16")
    assert (whole.card.dtype, half.card.dtype) == ("float32", "bfloat16")
    assert 2 * half.card.memory == whole.card.memory
    assert whole.card.memory == sum(tensor.nbytes for tensor in built("gpt2").state_dict().values()) - tied()
    with pytest.raises(errors.BadRequest, match="float64"):
        load_pretrained(str(folder), dtype="float64")


def tied():
    """GPT-2 has one matrix under two names."""
    return built("gpt2").lm_head.weight.nbytes
