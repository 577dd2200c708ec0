"""Recording a Transformer of real size: its time and memory beside the same forward pass unrecorded.

way      what runs
sdpa     the model's own forward pass, never wrapped
eager    the same with its own eager attention and output_attentions=True
record   ours, of the wrapped model
lens     TransformerLens' run_with_cache, where it is installed and knows the architecture

Weights are random. Times are CPU times on one thread, taken in turn in one process, so that a busy machine slows all
ways alike; a ratio is the median over the turns. What is kept needs memory, and the first touch of a page that the
system has just given costs time: `cold` is with the allocator as it is, `warm` with one that keeps what was freed.
Memory is the peak of resident memory (VmHWM, Linux) above what was resident before, each way in its own process.
"""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import partial
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import transformers

from benchmarks.measure import Figure
from models import wrap
from models.trace import Site, Trace

BERT, GPT2, LLAMA = "BERT-base", "GPT-2 small", "Llama-like, grouped"
SIZES: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    BERT: ("BertForMaskedLM", "BertConfig", {"max_position_embeddings": 1024}),
    GPT2: ("GPT2LMHeadModel", "GPT2Config", {}),
    LLAMA: (
        "LlamaForCausalLM",
        "LlamaConfig",
        {
            "hidden_size": 1280,
            "intermediate_size": 3456,
            "num_hidden_layers": 22,
            "num_attention_heads": 20,
            "num_key_value_heads": 4,
        },
    ),
}
CASES = (*((name, tokens) for name in (BERT, GPT2) for tokens in (128, 512, 1024)), (LLAMA, 512))
QUICK = ((BERT, 128), (GPT2, 128), (GPT2, 512))

AIMS = {"record ÷ sdpa": 1.02, "record ÷ eager": 1.0, "one head, ms": 20.0, "held, MiB": 150.0}
"""The last two for 1024 tokens, the very last for GPT-2 small."""

COLD: Mapping[str, str] = {}
WARM = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**33)}
"""glibc keeps freed memory, except pieces above 32 MiB, and hands it out again."""
EXACT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""glibc gives freed memory back at once, so that a peak is this run's own."""

HEAPS = {"cold": COLD, "warm": WARM}
MIB = 2**20
Way = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """What was measured of one model at one length: CPU milliseconds, ratios, MiB."""

    model: str
    parameters: int
    tokens: int
    times: dict[str, dict[str, Figure]]
    ratios: dict[str, dict[str, float]]
    peaks: dict[str, float]
    held: dict[str, float]
    head: Figure

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def rows(self) -> list[str]:
        """The lines of the table."""
        lines, name = [], f"{self.model}, {self.parameters / 1e6:.0f}M, {self.tokens} tokens"
        for way in self.times["cold"]:
            times = "".join(
                f"{self.times[heap][way].median:>9.1f}{self.ratios[heap][f'{way} ÷ sdpa']:>8.3f}"
                for heap in HEAPS
            )
            lines.append(f"{name:<42}{way:<8}{times}{self.peaks.get(way, -1):>9.0f}")
        parts = ", ".join(f"{part} {size:.0f}" for part, size in self.held.items())
        lines.append(f"{'':<42}held, MiB: {parts}; one head {self.head.median:.1f} ms")
        return lines

    def missed(self) -> list[str]:
        """The aims that this case missed."""
        figures = {
            (name, heap): ratios[name]
            for name in ("record ÷ sdpa", "record ÷ eager")
            for heap, ratios in self.ratios.items()
        }
        if self.tokens == 1024:
            figures["one head, ms", ""] = self.head.median
            figures |= {("held, MiB", ""): self.held["all"]} if self.model == GPT2 else {}
        found = {key: value for key, value in figures.items() if value > AIMS[key[0]]}
        return [
            f"{self.model}, {self.tokens}: {n} {heap} {v:.3f}, aim {AIMS[n]}"
            for (n, heap), v in found.items()
        ]


def build(name: str) -> Any:
    """A model of this size, with random weights."""
    torch.manual_seed(0)
    model, config, settings = SIZES[name]
    return getattr(transformers, model)(getattr(transformers, config)(**settings)).eval()


def ids(model: Any, tokens: int) -> torch.Tensor:
    """A text of so many tokens, drawn by chance."""
    draws = torch.Generator().manual_seed(1)
    return torch.randint(0, model.config.vocab_size, (1, tokens), generator=draws)


def ways(name: str, tokens: int) -> dict[str, Way]:
    """What is compared; plain and eager on a model that shares the wrapped one's weights and none of its hooks."""
    wrapped = wrap(build(name))
    read = ids(wrapped.model, tokens)
    config = type(wrapped.model.config)(**wrapped.model.config.to_dict())
    with torch.device("meta"):
        plain = type(wrapped.model)(config).eval()
    plain.load_state_dict(wrapped.model.state_dict(), assign=True)
    plain.tie_weights()
    for key, buffer in wrapped.model.named_buffers():  # those that a checkpoint does not hold
        owner, _, leaf = key.rpartition(".")
        plain.get_submodule(owner)._buffers[leaf] = buffer
    found = {
        "sdpa": partial(forward, plain, read, "sdpa"),
        "eager": partial(forward, plain, read, "eager", output_attentions=True),
        "record": partial(wrapped.record, inputs={"input_ids": read}),
    }
    return found | (
        {"lens": lens(wrapped.model, read)} if name == GPT2 and find_spec("transformer_lens") else {}
    )


def forward(model: Any, read: torch.Tensor, attention: str, **asked: Any) -> Any:
    """One forward pass with one of the model's own attention functions."""
    if model.config._attn_implementation != attention:
        model.set_attn_implementation(attention)
    takes_cache = {} if isinstance(model, transformers.BertPreTrainedModel) else {"use_cache": False}
    with torch.no_grad():
        return model(input_ids=read, **takes_cache, **asked)


def lens(model: Any, read: torch.Tensor) -> Way:
    """TransformerLens' own GPT-2 of the same size; it keeps everything, in a cache."""
    from transformer_lens import (  # pyright: ignore[reportMissingImports]
        HookedTransformer,
        HookedTransformerConfig,
    )

    config = model.config
    sizes = HookedTransformerConfig(
        n_layers=config.n_layer,
        d_model=config.n_embd,
        n_ctx=config.n_positions,
        d_head=config.n_embd // config.n_head,
        n_heads=config.n_head,
        d_vocab=config.vocab_size,
        act_fn="gelu_new",
        normalization_type="LN",
        device="cpu",
    )
    hooked = HookedTransformer(sizes).eval()

    def cached() -> Any:
        with torch.no_grad():
            return hooked.run_with_cache(read)

    return cached


def timed(found: Mapping[str, Way], turns: int) -> dict[str, list[float]]:
    """CPU milliseconds of every way, in turns; each turn begins with another way."""
    names, times = list(found), {name: [] for name in found}
    for way in found.values():
        way()
    for turn in range(turns):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            gc.collect()
            start = time.process_time()
            kept = found[name]()
            times[name].append(1000 * (time.process_time() - start))
            del kept
    return times


def ratio(times: list[float], others: list[float]) -> float:
    """The median over the turns."""
    return round(median(one / other for one, other in zip(times, others, strict=True)), 3)


def held(trace: Trace, model: Any) -> dict[str, float]:
    """MiB that a trace keeps alive, each storage once, without the model's own weights."""
    known = {each.untyped_storage().data_ptr() for each in chain(model.parameters(), model.buffers())}
    sizes = {"attention": 0.0, "logits": 0.0, "other sites": 0.0}
    attention = {Site.QUERY, Site.KEY, Site.VALUE, Site.CONTEXT, Site.MASK, Site.BIAS, Site.SINK}
    attention |= {Site.QUERY_UNROTATED, Site.KEY_UNROTATED, Site.MASK_PATTERN, Site.MASK_PADDING}
    for (site, _), array in sorted(trace.arrays.items(), key=lambda item: item[0][0] not in attention):
        part = "attention" if site in attention else "logits" if site is Site.LOGITS else "other sites"
        for place, size in _storages(array):
            sizes[part] += 0 if place in known else size / MIB
            known.add(place)
    return {"all": round(sum(sizes.values()), 1)} | {part: round(size, 1) for part, size in sizes.items()}


def _storages(array: Any) -> Iterator[tuple[int, int]]:
    """Where each piece of memory that an array keeps alive begins, and how many bytes it has."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    if isinstance(array, torch.Tensor):
        yield array.untyped_storage().data_ptr(), array.untyped_storage().nbytes()
    elif isinstance(array, np.ndarray):
        yield array.__array_interface__["data"][0], array.nbytes
    elif is_dataclass(array):  # made when somebody looks, from what it refers to
        for part in fields(array):
            yield from _storages(getattr(array, part.name))


def one_head(trace: Trace) -> list[float]:
    """Wall milliseconds from a trace to one head's scores, weights and proof; another head each time."""
    times = []
    for block in trace.blocks[:7]:
        start = time.perf_counter()
        assert trace.head(block.name, 1).proved
        times.append(1000 * (time.perf_counter() - start))
    return times


def times(name: str, tokens: int, turns: int) -> dict[str, Any]:
    """Everything but the peaks: what the process for times answers with."""
    found = ways(name, tokens)
    taken = timed(found, turns)
    trace, model = found["record"](), found["record"].func.__self__.model  # pyright: ignore[reportFunctionMemberAccess]
    return {
        "times": taken,
        "parameters": trace.model.parameters,
        "held": held(trace, model),
        "head": one_head(trace),
    }


def peak(way: Way) -> float:
    """MiB by which resident memory grows while this runs, at most."""
    way()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: proc(5)
    before = resident("VmRSS")
    kept = way()
    grown = resident("VmHWM") - before
    del kept
    return round(grown / 1024, 1)


def resident(what: str) -> int:
    """KiB of this process that are, or at most were, in memory."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1])


def child(allocator: Mapping[str, str], *arguments: object) -> Any:
    """What this module answers with in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.recording", *map(str, arguments)]
    done = subprocess.run(command, env=os.environ | allocator, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def measure(quick: bool) -> list[Case]:
    """Every case, printed as it comes."""
    columns = "".join(f"{heap:>9}{'÷ sdpa':>8}" for heap in HEAPS)
    print(f"{'recording, CPU ms on one thread':<42}{'way':<8}{columns}{'+ MiB':>9}", flush=True)
    cases = []
    for name, tokens in QUICK if quick else CASES:
        cases.append(case(name, tokens, 5))
        print("\n".join(cases[-1].rows()), flush=True)
    missed = list(chain.from_iterable(each.missed() for each in cases))
    print("\n".join(("aims missed:", *missed)) if missed else "all aims met")
    return cases


def case(name: str, tokens: int, turns: int) -> Case:
    """One model at one length."""
    found = {heap: child(allocator, "times", name, tokens, turns) for heap, allocator in HEAPS.items()}
    cold = found["cold"]
    pairs = [("record", "eager"), *((way, "sdpa") for way in cold["times"])]
    measurable = Path("/proc/self/clear_refs").exists()
    return Case(
        model=name,
        parameters=cold["parameters"],
        tokens=tokens,
        times={
            heap: {way: Figure.of(way, taken) for way, taken in one["times"].items()}
            for heap, one in found.items()
        },
        ratios={
            heap: {f"{way} ÷ {other}": ratio(one["times"][way], one["times"][other]) for way, other in pairs}
            for heap, one in found.items()
        },
        peaks={way: child(EXACT, "peak", name, tokens, way) for way in cold["times"] if measurable},
        held=cold["held"],
        head=Figure.of("one head", cold["head"]),
    )


def main() -> None:
    """One measurement, in a process of its own."""
    what, name, tokens, last = sys.argv[1:]
    torch.set_num_threads(1)
    answer = times(name, int(tokens), int(last)) if what == "times" else peak(ways(name, int(tokens))[last])
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
