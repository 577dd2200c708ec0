"""What a card says of a model's layers and of its size."""

import pytest
import torch
import transformers
from transformers import MambaConfig, MambaForCausalLM

from models import errors, load
from models.huggingface.wrap import wrap
from models.trace import GuidedHead
from tests.huggingface.zoo import GROUPED, IDS, SIZES, ZOO, Kind, built, image

HYBRIDS = {
    "qwen3_next": Kind(
        "Qwen3NextForCausalLM",
        "Qwen3NextConfig",
        {
            **GROUPED,
            "num_hidden_layers": 4,
            "layer_types": ["linear_attention", "full_attention"] * 2,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "num_experts": 0,
            "mlp_only_layers": [0, 1, 2, 3],
        },
    ),
    "zamba2": Kind(
        "Zamba2ForCausalLM",
        "Zamba2Config",
        {
            **{key: value for key, value in SIZES.items() if key != "num_hidden_layers"},
            "num_hidden_layers": 5,
            "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid", "mamba"],
            "mamba_d_state": 8,
            "mamba_headdim": 8,
            "n_mamba_heads": 8,
            "mamba_ngroups": 1,
            "num_mem_blocks": 1,
        },
    ),
    "swin": Kind(
        "SwinModel",
        "SwinConfig",
        {
            "image_size": 32,
            "patch_size": 4,
            "embed_dim": 16,
            "depths": [2, 2],
            "num_heads": [2, 4],
            "window_size": 4,
        },
        image,
    ),
}


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("jamba", ("decoder.0",)),
        ("lfm2", ("decoder.0",)),
        ("qwen3_next", ("decoder.0", "decoder.2")),
        ("zamba2", ("decoder.0", "decoder.2", "decoder.4")),
        *(
            (name, ())
            for name in ("gpt2", "t5", "albert", "clip", "siglip", "whisper", "bloom", "beit", "swin")
        ),
    ],
)
def test_layers_without_softmax_attention_are_named(name, without):
    kind = (ZOO | HYBRIDS)[name]
    model = wrap(kind.build())
    assert model.card.without == without
    shown = {block.name.rsplit(".", 1)[0] for block in model.record(inputs=kind.inputs()).blocks}
    assert not shown & set(without)
    if without:
        assert len(shown) + len(without) == model.card.layers


def test_a_model_without_softmax_attention_is_refused_with_its_layers():
    config = MambaConfig(vocab_size=32, hidden_size=16, num_hidden_layers=3, state_size=4)
    with pytest.raises(errors.NoSoftmaxAttention, match="3 × MambaBlock") as caught:
        wrap(MambaForCausalLM(config))
    assert caught.value.facts["kinds"] == "3 × MambaBlock"


def test_the_memory_is_that_of_parameters_and_buffers():
    model = wrap(built("gpt2"))
    tensors = {id(tensor): tensor for tensor in (*model.model.parameters(), *model.model.buffers())}
    assert model.card.memory == sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    assert model.card.device == "cpu"
    assert model.record(inputs={"input_ids": IDS}).model == model.card
    half = wrap(ZOO["gpt2"].build().to(torch.bfloat16))
    assert half.card.memory == model.card.memory // 2


@pytest.mark.parametrize(
    ("kind", "sizes", "positions"),
    [
        (
            "CTRL",
            {"vocab_size": 64, "n_embd": 32, "dff": 48, "n_layer": 2, "n_head": 4, "n_positions": 64},
            "not found",
        ),
        ("IBert", SIZES, "not found"),
        ("GPT2", {"vocab_size": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}, "learned"),
    ],
)
def test_positions_that_were_not_found_are_not_said_to_be_none(kind, sizes, positions):
    model = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**sizes))
    wrapped = wrap(model)
    found = {one.kind for one in wrapped.record(inputs={"input_ids": IDS}).positions}
    assert wrapped.card.positions == (", ".join(found) or positions)
    assert wrapped.card.positions == positions


GUIDED = [{"block": "decoder.1.self", "head": 1, "target": "alignment"}]


def gpt2(**settings):
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=20, n_positions=16, n_embd=8, n_layer=2, n_head=2, **settings)
    )


def test_heads_that_were_trained_towards_a_target_are_said_by_the_folder(tmp_path):
    gpt2(guided=GUIDED).save_pretrained(tmp_path)
    model = load(str(tmp_path))
    assert model.card.guided == (GuidedHead("decoder.1.self", 1, "alignment"),)
    trace = model.record("", inputs={"input_ids": [1, 2, 3]})
    assert trace.model.guided == model.card.guided
    assert {block.name for block in trace.blocks} >= {guided.block for guided in trace.model.guided}


@pytest.mark.parametrize(
    "said",
    [
        *(True, "alignment", {}, [None], ["alignment"], [{"block": "decoder.1.self", "head": 1}]),
        [{"block": "decoder.1.self", "head": 1, "target": "the moon"}],
        [{"block": "decoder.1.self", "head": "1", "target": "alignment"}],
    ],
)
def test_what_a_configuration_means_otherwise_by_guided_is_not_believed(said):
    assert not wrap(gpt2(guided=said)).card.guided
