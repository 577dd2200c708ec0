"""The operation tracer: what it records is what the model computed, whatever the model's code looks like."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.huggingface.capture import Capture
from models.huggingface.tracer import routes, tracing

torch.set_num_threads(1)

WORDS = 60
BERT = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 64,
}
GPT = {"vocab_size": WORDS, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
VISION = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "image_size": 32,
    "patch_size": 16,
}
DEBERTA = BERT | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False}
FALCON = {k: BERT[k] for k in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")}
FUNNEL = {
    "vocab_size": WORDS,
    "d_model": 32,
    "n_head": 4,
    "d_head": 8,
    "d_inner": 37,
    "num_decoder_layers": 1,
}
ENDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "sep_token_id": 3}


def text(padded: str = "right", length: int = 9) -> dict:
    ids = torch.randint(5, WORDS - 5, (1, length), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    if padded:
        mask[:, slice(2) if padded == "left" else slice(-2, None)] = 0
    return {"input_ids": ids, "attention_mask": mask}


def image(size: int = 32) -> dict:
    return {"pixel_values": torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(2))}


def boxes() -> dict:
    return {"bbox": torch.arange(36).view(1, 9, 4)}


MODELS: dict[str, tuple[str, str, dict, Callable[[], dict]]] = {
    "bloom": ("Bloom", "ForCausalLM", {k: GPT[k] for k in ("vocab_size", "n_layer", "n_head")}
              | {"hidden_size": 32}, lambda: text("left")),
    "mpt": ("Mpt", "ForCausalLM", {"vocab_size": WORDS, "d_model": 32, "n_layers": 2, "n_heads": 4,
            "max_seq_len": 64}, lambda: text("left")),
    "falcon": ("Falcon", "ForCausalLM", FALCON, lambda: text("left")),
    "falcon, grouped": ("Falcon", "ForCausalLM", FALCON | {"num_kv_heads": 2, "new_decoder_architecture": True},
                        lambda: text("left")),
    "gpt_neo": ("GPTNeo", "ForCausalLM", {"vocab_size": WORDS, "hidden_size": 32, "num_layers": 2,
                "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 4,
                "max_position_embeddings": 64}, lambda: text("left")),
    "gptj": ("GPTJ", "ForCausalLM", GPT | {"rotary_dim": 4}, lambda: text("left")),
    "codegen": ("CodeGen", "ForCausalLM", GPT | {"rotary_dim": 4}, lambda: text("left")),
    "openai-gpt": ("OpenAIGPT", "LMHeadModel", GPT, lambda: text("left")),
    "xglm": ("XGLM", "ForCausalLM", {"vocab_size": WORDS, "d_model": 32, "num_layers": 2, "attention_heads": 4,
             "ffn_dim": 37}, lambda: text("left")),
    "deberta": ("Deberta", "Model", DEBERTA, text),
    "deberta-v2": ("DebertaV2", "Model", DEBERTA, text),
    "deberta-v2, shared keys": ("DebertaV2", "Model", DEBERTA | {"share_att_key": True, "position_buckets": 4}, text),
    "xlnet": ("XLNet", "Model", {"vocab_size": WORDS, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 37},
              lambda: text() | {"token_type_ids": torch.tensor([[0] * 5 + [1] * 4])}),
    "roformer": ("RoFormer", "Model", BERT | {"embedding_size": 32}, text),
    "mpnet": ("MPNet", "Model", BERT, text),
    "convbert": ("ConvBert", "Model", BERT | {"embedding_size": 32}, text),
    "xlm": ("XLM", "Model", {"vocab_size": WORDS, "emb_dim": 32, "n_layers": 2, "n_heads": 4}, text),
    "funnel": ("Funnel", "Model", FUNNEL | {"block_sizes": [1, 1]}, text),
    "funnel, factorized": ("Funnel", "Model", FUNNEL | {"block_sizes": [1, 1], "attention_type": "factorized"}, text),
    "big_bird, full": ("BigBird", "Model", BERT | {"attention_type": "original_full"}, text),
    "longt5, local": ("LongT5", "EncoderModel", {"vocab_size": WORDS, "d_model": 32, "d_kv": 8, "num_layers": 2,
                      "num_heads": 4, "d_ff": 37, "local_radius": 3}, lambda: text(length=20)),
    "perceiver": ("Perceiver", "ForMaskedLM", {"vocab_size": WORDS, "d_model": 32, "d_latents": 24,
                  "num_latents": 6, "num_self_attends_per_block": 2, "num_self_attention_heads": 4,
                  "num_cross_attention_heads": 4, "max_position_embeddings": 9}, text),
    "blip": ("Blip", "ForConditionalGeneration", {"text_config": FALCON | {"encoder_hidden_size": 32} | ENDS,
             "vision_config": VISION, "projection_dim": 16}, lambda: text("") | image()),
    "git": ("Git", "ForCausalLM", BERT | {"vision_config": VISION} | ENDS, lambda: text("") | image()),
    "vilt": ("Vilt", "Model", BERT | {"image_size": 32, "patch_size": 16}, lambda: text() | image()),
    "swinv2": ("Swinv2", "Model", {"image_size": 64, "patch_size": 4, "embed_dim": 16, "depths": [2, 2],
               "num_heads": [2, 4], "window_size": 4}, lambda: image(64)),
    "layoutlmv3": ("LayoutLMv3", "Model", BERT | {"coordinate_size": 6, "shape_size": 4, "visual_embed": False,
                   "has_relative_attention_bias": True, "has_spatial_attention_bias": True},
                   lambda: text() | boxes()),
    "siglip": ("SiglipVision", "Model", VISION, image),
}  # fmt: skip


def build(name: str, implementation: str | None = None) -> nn.Module:
    """A tiny model with weights so large that its attention is far from uniform."""
    family, kind, settings, _ = MODELS[name]
    config = getattr(transformers, f"{family}Config")(**settings)
    chosen = {"attn_implementation": implementation} if implementation else {}
    model = getattr(transformers, family + kind)._from_config(config, **chosen)
    draws = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.ndim > 1):
            parameter.copy_(torch.randn(parameter.shape, generator=draws) * 0.25)
    return model.eval()


def run(model: nn.Module, inputs: dict, **asked) -> transformers.utils.ModelOutput:
    torch.manual_seed(5)  # ViLT shuffles its patches
    with torch.no_grad():
        return model(**inputs, **asked)


def traced(
    model: nn.Module, inputs: dict
) -> tuple[transformers.utils.ModelOutput, list[tuple[Capture, ...]]]:
    with tracing(model) as calls:
        output = run(model, inputs)
    return output, calls


def weights(capture: Capture) -> Tensor:
    """softmax(scale · Q Kᵀ + bias) where allowed, in float32; a row with nothing to attend to gives zeros."""
    key = capture.key.repeat_interleave(len(capture.query) // len(capture.key), dim=0)
    scores = capture.query @ key.mT * capture.scale
    if capture.softcap is not None:
        scores = capture.softcap * torch.tanh(scores / capture.softcap)
    if capture.bias is not None:
        scores = scores + capture.bias
    return scores.masked_fill(~allowed(capture), -math.inf).softmax(dim=-1).nan_to_num(0.0)


def allowed(capture: Capture) -> Tensor:
    shape = (len(capture.query), capture.query.shape[1], capture.key.shape[1])
    return torch.ones(shape, dtype=torch.bool) if capture.mask is None else capture.mask.expand(shape)


def live(capture: Capture) -> Tensor:
    """Rows that may attend to something: (head, q)."""
    return allowed(capture).any(dim=-1)


def context_error(capture: Capture) -> float:
    value = capture.value.repeat_interleave(len(capture.query) // len(capture.value), dim=0)
    return (weights(capture) @ value - capture.context)[live(capture)].abs().max().item()


def weight_error(call: tuple[Capture, ...], reference: Tensor) -> float:
    shown = torch.stack([weights(capture) for capture in call])
    if shown.numel() != reference.numel():
        return math.inf
    rows = torch.stack([live(capture) for capture in call])
    return (shown - reference.reshape(shown.shape))[rows].abs().max().item()


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


class Attention(nn.Module):
    """Attention written by hand, in many manners."""

    def __init__(self, manner: dict, heads: int, size: int) -> None:
        super().__init__()
        self.manner = manner
        self.slopes = nn.Parameter(torch.rand(heads, 1, 1) + 0.5, requires_grad=False)
        self.alibi = nn.Parameter(torch.randn(heads, 1, size), requires_grad=False)
        self.seen: Tensor | None = None

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        scale = 1 / math.sqrt(query.shape[-1])
        if self.manner["scale"] == "query":
            query = query * scale
        if self.manner["scale"] == "key":
            key = key / math.sqrt(query.shape[-1])
        scores = self.product(query, key)
        if self.manner["scale"] == "after":
            scores *= scale
        if self.manner["scale"] == "head":
            scores = scores * self.slopes
        if self.manner["cap"]:
            scores = torch.tanh(scores / 5.0) * 5.0
        if self.manner["alibi"]:
            scores = scores + self.alibi
        self.seen = self.masked(scores, mask).softmax(dim=-1)
        return self.mix(self.seen, value)

    def product(self, query: Tensor, key: Tensor) -> Tensor:
        match self.manner["product"]:
            case "matmul":
                return torch.matmul(query, key.transpose(-1, -2))
            case "@":
                return query @ key.mT
            case "einsum":
                return torch.einsum("bhid,bhjd->bhij", query, key)
            case "swapped einsum":
                return torch.einsum("...jd, ...id -> ...ij", key, query)
            case "bmm":
                return torch.bmm(query.flatten(0, 1), key.flatten(0, 1).mT).view(*query.shape[:3], -1)
        empty = torch.zeros(1, 1, 1)
        flat = torch.baddbmm(empty, query.flatten(0, 1), key.flatten(0, 1).mT, beta=0, alpha=1.0)
        return flat.view(*query.shape[:3], -1)

    def masked(self, scores: Tensor, mask: Tensor) -> Tensor:
        match self.manner["mask"]:
            case "fill":
                return scores.masked_fill(~mask, -math.inf)
            case "where":
                return torch.where(mask, scores, torch.finfo(scores.dtype).min)
            case "add":
                return scores + torch.zeros(mask.shape).masked_fill(~mask, -1e9)
            case "subtract":
                return scores - 1e30 * (~mask).float()
            case "multiply":
                return scores * mask.float() + -1e4 * (~mask)
        return scores

    def mix(self, weights: Tensor, value: Tensor) -> Tensor:
        match self.manner["mix"]:
            case "einsum":
                return torch.einsum(
                    "bhij,bhjd->bihd", nn.functional.dropout(weights, 0.5, training=False), value
                )
            case "transposed":
                return (value.mT @ weights.transpose(-2, -1)).mT
        return weights.to(value.dtype) @ value


MANNERS = st.fixed_dictionaries(
    {
        "product": st.sampled_from(["matmul", "@", "einsum", "swapped einsum", "bmm", "baddbmm"]),
        "scale": st.sampled_from(["query", "key", "after", "head", "none"]),
        "cap": st.booleans(),
        "alibi": st.booleans(),
        "mask": st.sampled_from(["fill", "where", "add", "subtract", "multiply", "none"]),
        "mix": st.sampled_from(["matmul", "einsum", "transposed"]),
    }
)


@given(MANNERS, st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(0, 99))
def test_hand_written_attention_is_recorded_in_any_manner(manner, batch, heads, size, seed):
    manner = manner | {"cap": manner["cap"] and manner["scale"] != "head"}
    manner = manner | {"alibi": manner["alibi"] and manner["mask"] != "multiply"}
    torch.manual_seed(seed)
    query, key, value = torch.randn(3, batch, heads, size, 4).unbind(0)
    mask = torch.ones(size, size, dtype=torch.bool).tril()
    model = Attention(manner, heads, size)
    with tracing(model) as calls:
        model(query, key, value, mask)
    (call,) = calls
    assert [len(capture.query) for capture in call] == [heads] * batch
    assert model.seen is not None
    assert weight_error(call, model.seen) <= 1e-5
    assert max(context_error(capture) for capture in call) <= 1e-5


class Altered(nn.Module):
    """Attention that is not softmax of scores times value."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        scores = query @ key.mT
        if self.way == "heads mixed":
            scores = torch.einsum("hij,hg->gij", scores, torch.ones(2, 2))
        if self.way == "scores clamped":
            scores = scores.clamp(-1, 1)
        if self.way == "zeros not forbidden":
            scores = scores * torch.ones(3, 3).tril()
        if self.way == "key axis":
            return scores.softmax(dim=-2) @ value
        if self.way == "written past the tracer":
            scores.view(-1)[:2] = 7.0
        weights = scores.softmax(dim=-1)
        if self.way == "weights halved":
            weights = weights * 0.5
        return weights @ value


@pytest.mark.parametrize(
    "way",
    [
        "heads mixed",
        "scores clamped",
        "zeros not forbidden",
        "key axis",
        "weights halved",
        "written past the tracer",
    ],
)
def test_what_is_no_plain_attention_gives_no_capture(way):
    model = Altered(way)
    with tracing(model) as calls:
        model(*torch.randn(3, 2, 3, 4).unbind(0))
    assert calls == []


class Overwriting(nn.Module):
    """Attention that writes into its own tensors afterwards, as Nyströmformer does."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        context = (query @ key.mT).softmax(dim=-1) @ value
        context += 1.0
        value[0] = 0.0
        return context


def test_what_the_model_overwrites_later_stays_recorded():
    model = Overwriting()
    query, key, value = (torch.randn(2, 3, 4) for _ in range(3))
    kept = value.clone()
    with tracing(model) as calls:
        model(query, key, value)
    ((capture,),) = calls
    assert torch.equal(capture.value, kept)
    assert context_error(capture) <= 1e-6
    assert capture.query.data_ptr() == query.data_ptr()  # a reference where nothing was written


@pytest.mark.parametrize("need_weights", [True, False])
def test_multi_head_attention_of_torch_is_seen_inside(need_weights):
    module = nn.MultiheadAttention(32, 4, batch_first=True).eval()
    hidden = torch.randn(1, 7, 32)
    padding = torch.tensor([[False] * 5 + [True] * 2])
    arguments = {"key_padding_mask": padding, "need_weights": need_weights, "average_attn_weights": False}
    plain, weights_of_torch = module(hidden[:, :3], hidden, hidden, **arguments)
    with tracing(module) as calls:
        seen, _ = module(hidden[:, :3], hidden, hidden, **arguments)
    ((capture,),) = calls
    assert torch.equal(plain, seen)
    assert capture.route == "module"
    assert context_error(capture) <= 1e-5
    if need_weights:
        assert weight_error((capture,), weights_of_torch) <= 1e-6


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
