"""Many requests on one shared model, recorded and idle at once: none feels another."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from models.generation import Strategy
from models.huggingface.wrap import wrap
from models.trace import Site
from tests.huggingface.zoo import IDS, TARGET, built

RUNS = 60


def inputs_of(number, pair):
    ids = (IDS[:, : 4 + number % 7] + number) % 60 + 3
    return {"input_ids": ids, **({"decoder_input_ids": TARGET} if pair else {})}


def idle(model, inputs):
    with torch.no_grad():
        return model(**inputs, use_cache=False).logits.numpy()


def recorded(wrapped, inputs):
    trace = wrapped.record(inputs=inputs)
    last = trace.blocks[-1].name
    return trace.logits, trace.weights(last), max(trace.head(b.name, 0).error for b in trace.blocks)


@pytest.mark.parametrize("name", ["llama", "gemma2", "bart", "t5"])
def test_recorded_and_idle_requests_never_meet(name):
    model, pair = built(name), name in {"bart", "t5"}
    wrapped = wrap(model)
    cases = [inputs_of(number, pair) for number in range(RUNS)]
    alone = [idle(model, case) for case in cases]
    weights = [recorded(wrapped, case)[1] for case in cases]
    with ThreadPoolExecutor(8) as pool:
        quiet = pool.map(partial(idle, model), cases)
        loud = pool.map(partial(recorded, wrapped), cases)
        for own, calm, (logits, seen, error), wanted in zip(alone, quiet, loud, weights, strict=True):
            np.testing.assert_array_equal(calm, own)
            np.testing.assert_array_equal(logits[None], own)
            np.testing.assert_array_equal(seen, wanted)
            assert error < 1e-5


MIXED = 108
"""Runs at once on each of two models."""
STEPS = 4


def idle_generation(model, inputs):
    return model.generate(**inputs, max_new_tokens=STEPS, do_sample=False)[
        0, inputs["input_ids"].shape[1] :
    ].tolist()


def generation(wrapped, inputs, number):
    """Greedy, by chance or with beams: the ids, the last row, the worst error."""
    strategy = Strategy(("greedy", "sample", "beam")[number % 3], temperature=2.0, seed=number, beams=2)
    written = wrapped.generate(inputs=inputs, steps=STEPS, strategy=strategy)
    trace = written.trace
    rows = trace.weights(trace.blocks[-1].name)[:, -1]
    return written.ids, rows, max(trace.head(block.name, 0).error for block in trace.blocks)


@pytest.mark.parametrize("name", ["mistral window", "bloom"])
def test_recorded_idle_and_writing_requests_never_meet(name):
    model = built(name)
    wrapped = wrap(model)
    ways = (
        lambda number, case: idle(model, case),
        lambda number, case: recorded(wrapped, case),
        lambda number, case: generation(wrapped, case, number),
        lambda number, case: idle_generation(model, case),
    )
    cases = [(ways[number % 4], number // 4, inputs_of(number, False)) for number in range(MIXED)]
    alone = [way(number, case) for way, number, case in cases]
    with ThreadPoolExecutor(8) as pool:
        together = pool.map(lambda one: one[0](*one[1:]), cases)
        for wanted, got in zip(alone, together, strict=True):
            assert same(wanted, got)


def same(wanted, got):
    """Whether two results are equal to the last bit."""
    if isinstance(wanted, tuple | list):
        return len(wanted) == len(got) and all(map(same, wanted, got))
    return bool(np.all(wanted == got))


def test_a_wrapped_model_is_left_as_it_was():
    model = built("llama")
    before = model.config.to_dict(), idle(model, {"input_ids": IDS})
    wrap(model).record(inputs={"input_ids": IDS})
    assert model.config.to_dict() == before[0]
    assert model.config._attn_implementation == "sdpa"
    np.testing.assert_array_equal(idle(model, {"input_ids": IDS}), before[1])


def test_nothing_n_by_n_is_kept_but_one_mask_that_layers_share():
    trace = wrap(built("llama")).record(inputs={"input_ids": IDS})
    first, second = (trace.arrays[Site.MASK, block.name] for block in trace.blocks)
    assert first is second
    assert first.shape == (1, 10, 10)
    assert not any(site in {"scores", "masked_scores", "weights"} for site, _ in trace.arrays)


OPENED_AT_ONCE = """
import json, threading
import models
from models.errors import ModelError
from models.huggingface.load import import_transformers

names = ("builtin/llama", "builtin/bert", "builtin/t5", "builtin/vit")
start = threading.Barrier(len(names) + 1)
said = {}

def ahead():
    start.wait()
    import_transformers()

def opened(name):
    start.wait()
    try:
        said[name] = models.load(name).card.name
    except ModelError as error:
        said[name] = f"{error} <- {error.__cause__!r}"

threads = [threading.Thread(target=ahead), *(threading.Thread(target=opened, args=(name,)) for name in names)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(said))
"""


def test_models_open_at_one_moment_in_a_process_that_has_imported_nothing():
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", OPENED_AT_ONCE]
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout.splitlines()[-1])
    assert said == {name: name for name in ("builtin/llama", "builtin/bert", "builtin/t5", "builtin/vit")}
