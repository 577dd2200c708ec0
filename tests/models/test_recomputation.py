"""A second opinion: the whole Transformer once more, in NumPy and double precision, from the checkpoint file alone."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from models import Site, record
from models.catalog import CHECKPOINTS

MODELS = ("builtin/translator", "builtin/translator-plain")
SENTENCES = [
    {"text": "The animal didn't cross the street because it was too wide."},
    {"text": "I went to the bank to deposit cash.", "language": "zh"},
    {"text": "今天天气很好"},
    {"text": "I am a student", "target": "je suis un étudiant"},
    {"inputs": {"input_ids": [5, 50, 0, 0, 60], "decoder_input_ids": [3, 0, 77, 1]}},
]


class Recomputation:
    """Every attention weight, residual and logit of one run, by the formulas of Vaswani et al. 2017."""

    def __init__(self, folder, source, target):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))["sizes"]
        self.table = {
            name: array.astype(np.float64) for name, array in load_file(folder / "model.safetensors").items()
        }
        self.heads, self.padding, self.arrays = config["heads"], config["padding"], {}
        source, target = np.array(source), np.array(target)
        seen = (source != self.padding)[None, :]
        encoded = self.embed(source, "encoder")
        for layer in range(config["encoder_layers"]):
            encoded = self.layer(f"encoder.{layer}", encoded, seen)
        causal = np.tri(len(target), dtype=bool) & (target != self.padding)[None, :]
        x = self.embed(target, "decoder")
        for layer in range(config["decoder_layers"]):
            x = self.layer(f"decoder.{layer}", x, causal, encoded, seen)
        self.arrays[Site.LOGITS, ""] = x @ self.table["embedding.weight"].T

    def embed(self, ids, stream):
        rows = self.table["embedding.weight"][ids]
        d_model = rows.shape[1]
        position, dimension = np.arange(len(ids))[:, None], np.arange(d_model)[None, :]
        angle = position / 10000 ** (dimension // 2 * 2 / d_model)
        waves = np.where(dimension % 2 == 0, np.sin(angle), np.cos(angle))
        self.arrays[Site.RESIDUAL, stream] = rows * np.sqrt(d_model) + waves
        return self.arrays[Site.RESIDUAL, stream]

    def layer(self, name, x, mask, encoded=None, seen=None):
        x = self.norm(
            f"{name}.attention_norm", x + self.attend(f"{name}.attention", f"{name}.self", x, x, mask)
        )
        if encoded is not None:
            x = self.norm(
                f"{name}.cross_norm", x + self.attend(f"{name}.cross", f"{name}.cross", x, encoded, seen)
            )
        hidden = np.maximum(0, self.linear(f"{name}.mlp.up", x))
        x = self.norm(f"{name}.mlp_norm", x + self.linear(f"{name}.mlp.down", hidden))
        self.arrays[Site.RESIDUAL, name] = x
        return x

    def attend(self, module, block, x, source, mask):
        query, key, value = (
            np.split(self.linear(f"{module}.{name}", read), self.heads, axis=1)
            for name, read in (("query", x), ("key", source), ("value", source))
        )
        contexts, weights = [], []
        for q, k, v in zip(query, key, value, strict=True):
            scores = np.where(mask, q @ k.T / np.sqrt(q.shape[1]), -np.inf)
            exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
            weights.append(exponentials / exponentials.sum(axis=1, keepdims=True))
            contexts.append(weights[-1] @ v)
        self.arrays[Site.WEIGHTS, block] = np.stack(weights)
        return self.linear(f"{module}.output", np.concatenate(contexts, axis=1))

    def linear(self, name, x):
        return x @ self.table[f"{name}.weight"].T + self.table[f"{name}.bias"]

    def norm(self, name, x):
        centred = x - x.mean(axis=1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
        return scaled * self.table[f"{name}.norm.weight"] + self.table[f"{name}.norm.bias"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sentence", SENTENCES, ids=["fr", "zh", "en", "target", "ids"])
def test_a_trace_agrees_with_a_recomputation_in_double_precision(model, sentence):
    trace = record(model, **sentence)
    source, target = ([token.id for token in trace.tokens[stream]] for stream in ("encoder", "decoder"))
    expected = Recomputation(CHECKPOINTS / model, source, target).arrays
    assert len(expected) == 6 + 6 + 1
    for (site, place), array in expected.items():
        tolerance = 1e-5 * max(1, np.abs(array).max())
        np.testing.assert_allclose(
            trace.array(site, place), array, rtol=0, atol=tolerance, err_msg=f"{site} {place}"
        )
