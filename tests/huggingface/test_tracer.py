"""The operation tracer: what it records is what the model computed, whatever the model's code looks like."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from models.huggingface.capture import Capture
from models.huggingface.tracer import routes, tracing
from tests.huggingface.tracer_models import FALCON, MODELS, build, context_error, image, text, weight_error


def run(model: nn.Module, inputs: dict, **asked) -> Any:
    torch.manual_seed(5)  # ViLT shuffles its patches
    with torch.no_grad():
        return model(**inputs, **asked)


def traced(model: nn.Module, inputs: dict) -> tuple[Any, list[tuple[Capture, ...]]]:
    with tracing(model) as calls:
        output = run(model, inputs)
    return output, calls


def attentions(output: object) -> Iterator[Tensor]:
    """Every attention matrix in what a model gave back."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (tuple, list)):
        for part in output:
            yield from attentions(part)
    elif isinstance(output, transformers.utils.ModelOutput):
        for name, part in output.items():
            if name.endswith("attentions") or isinstance(part, transformers.utils.ModelOutput):
                yield from attentions(part)


def tensors(output: transformers.utils.ModelOutput) -> list[Tensor]:
    return [part for part in output.values() if isinstance(part, Tensor)]


@pytest.mark.parametrize("name", MODELS)
def test_weights_of_captures_are_the_models_own_eager_attentions(name):
    inputs = MODELS[name][-1]()
    _, calls = traced(build(name), inputs)
    references = list(attentions(run(build(name, "eager"), inputs, output_attentions=True)))
    assert references
    for reference in references:
        assert min(weight_error(call, reference) for call in calls) <= 1e-5


@pytest.mark.parametrize("name", MODELS)
def test_context_is_weights_times_value(name):
    _, calls = traced(build(name), MODELS[name][-1]())
    assert calls
    assert max(context_error(capture) for call in calls for capture in call) <= 1e-5


@pytest.mark.parametrize("name", MODELS)
def test_a_traced_run_gives_the_same_bits(name):
    model, inputs = build(name), MODELS[name][-1]()
    plain, (seen, _) = run(model, inputs), traced(model, inputs)
    assert len(tensors(plain)) > 0
    assert all(torch.equal(a, b) for a, b in zip(tensors(plain), tensors(seen), strict=True))


@pytest.mark.parametrize(
    "name", [name for name in MODELS if name not in ("siglip", "blip", "git", "vilt", "swinv2")]
)
def test_calls_come_in_the_order_of_the_layers(name):
    inputs = MODELS[name][-1]()
    _, calls = traced(build(name), inputs)
    references = list(attentions(run(build(name, "eager"), inputs, output_attentions=True)))
    errors = [weight_error(call, reference) for call, reference in zip(calls, references, strict=True)]
    if name != "perceiver":  # which returns self-attention before cross-attention
        assert max(errors) <= 1e-5


def test_falcon_with_alibi_is_shown_as_sdpa_computes_it():
    MODELS["falcon, alibi"] = ("Falcon", "ForCausalLM", FALCON | {"alibi": True, "multi_query": False}, text)
    try:
        model = build("falcon, alibi")
    finally:
        del MODELS["falcon, alibi"]
    _, calls = traced(model, text("left"))
    assert len(calls) == 2
    for (capture,) in calls:
        assert context_error(capture) <= 1e-5
        assert capture.bias is not None
        assert capture.bias.unique(dim=0).shape[0] == 4  # each head has its own slope


def test_alibi_keeps_its_own_shape():
    _, calls = traced(build("bloom"), text("left"))
    for (capture,) in calls:
        assert capture.bias is not None
        assert capture.bias.shape == (4, 1, 9)


def test_a_scale_hidden_in_the_query_or_key_is_shown():
    for name in ("xglm", "xlm", "deberta-v2"):
        _, calls = traced(build(name), text())
        terms = 3 if name == "deberta-v2" else 1
        assert calls[0][0].scale == pytest.approx(1 / math.sqrt(8 * terms))


def test_shared_keys_and_values_are_kept_once():
    for name, kv_heads in (("falcon", 1), ("falcon, grouped", 2), ("mpt", 4)):
        _, calls = traced(build(name), text())
        assert {len(capture.key) for (capture,) in calls} == {kv_heads}
        assert {len(capture.value) for (capture,) in calls} == {kv_heads}


def test_windows_of_an_image_are_captures_of_one_call():
    _, calls = traced(build("swinv2"), image(64))
    assert [len(call) for call in calls] == [16, 16, 4, 4]
    assert calls[0][0].mask is None
    assert any(capture.mask is not None for capture in calls[1])  # the shifted windows


def test_a_module_that_runs_twice_counts_its_calls():
    model = build("bloom")
    with tracing(model) as calls:
        run(model, text())
        run(model, text())
    assert [call[0].call for call in calls] == [0, 0, 1, 1]
    assert [call[0].module for call in calls] == [f"transformer.h.{n}.self_attention" for n in (0, 1, 0, 1)]


def test_only_the_modules_asked_for_are_recorded():
    model = build("bloom")
    with tracing(model, only={"transformer.h.1.self_attention"}) as calls:
        run(model, text())
    assert [call[0].module for call in calls] == ["transformer.h.1.self_attention"]


def test_generation_is_recorded_row_by_row():
    model = build("bloom")
    with tracing(model) as calls, torch.no_grad():
        model.generate(
            text("")["input_ids"], max_new_tokens=4, do_sample=False, eos_token_id=None, pad_token_id=3
        )
    assert [capture.query.shape[1] for (capture,) in calls[::2]] == [9, 1, 1, 1]
    assert [capture.key.shape[1] for (capture,) in calls[::2]] == [9, 10, 11, 12]
    assert max(context_error(capture) for (capture,) in calls) <= 1e-5


def test_inference_mode_is_recorded_too():
    model = build("gptj")
    with torch.inference_mode(), tracing(model) as calls:
        model(**text("left"))
    assert max(context_error(capture) for (capture,) in calls) <= 1e-5


def test_eight_threads_on_one_model_never_meet():
    model = build("bloom")
    lengths = [5 + n % 7 for n in range(48)]
    alone = {length: traced(model, text("", length)) for length in set(lengths)}

    def request(length: int) -> bool:
        output, calls = traced(model, text("", length))
        expected, wanted = alone[length]
        same = all(torch.equal(a[0].query, b[0].query) for a, b in zip(calls, wanted, strict=True))
        return same and torch.equal(output.logits, expected.logits)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(request, lengths))


@contextmanager
def hearing_vision(model: nn.Module) -> Iterator[list[str]]:
    """Stands in for the attention interface: it hears the vision tower."""
    heard: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_, path=path: heard.append(path))
        for path, module in model.named_modules()
        if path.endswith("self_attn") or (path.endswith("attn") and "vision" in path)
    ]
    yield heard
    for hook in hooks:
        hook.remove()


def test_routes_say_how_each_module_is_recorded():
    assert set(routes(build("bloom"), text()).values()) == {"tracer"}
    found = routes(build("siglip"), image(), hearing_vision)
    assert found.pop("head.attention") == "module"
    assert set(found.values()) == {"interface"}
    found = routes(build("git"), text("") | image(), hearing_vision)
    assert {path: route for path, route in found.items() if "vision" in path} == {
        f"git.image_encoder.vision_model.encoder.layers.{n}.self_attn": "interface" for n in (0, 1)
    }
    assert {path for path, route in found.items() if route == "tracer"} == {
        f"git.encoder.layer.{n}.attention.self" for n in (0, 1)
    }
