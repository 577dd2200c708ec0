"""Loads of experts, and the bias that evens them out."""

import math

import pytest
import torch
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

from models.family import experts
from models.family.experts import BIAS, SPEED, balance, counted, evenness, routers

IDS = torch.randint(0, 64, (2, 9), generator=torch.Generator().manual_seed(3))
READ = torch.ones(2, 9, dtype=torch.bool).index_fill(1, torch.tensor([7, 8]), False)


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = DeepseekV3Config(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        moe_intermediate_size=16,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        n_routed_experts=4,
        num_experts_per_tok=2,
        n_group=1,
        topk_group=1,
        kv_lora_rank=16,
        q_lora_rank=16,
        qk_rope_head_dim=8,
        qk_nope_head_dim=8,
        v_head_dim=8,
        first_k_dense_replace=1,
        num_mtp_layers=0,
        initializer_range=0.3,
    )
    return DeepseekV3ForCausalLM(config).eval()


def test_each_token_that_is_read_counts_once_for_each_expert_it_chose(model):
    with counted(model, READ.flatten()) as loads, torch.no_grad():
        output = model(input_ids=IDS, output_router_logits=True)
    assert list(loads) == ["model.layers.1.mlp.gate", "model.layers.2.mlp.gate"]
    for load, logits in zip(loads.values(), output.router_logits, strict=True):
        chosen = logits.sigmoid().topk(2).indices.unflatten(0, IDS.shape)  # the bias is still zero
        by_hand = [int((chosen[READ] == expert).sum()) for expert in range(4)]
        assert load.tolist() == by_hand
        assert load.sum() == 2 * READ.sum()


def test_the_bias_moves_against_the_load_and_is_felt_in_the_choice_only(model):
    def weights_and_loads():
        seen = {}
        router = routers(model)["model.layers.1.mlp.gate"]
        handle = router.register_forward_hook(lambda _, __, output: seen.update(weights=output[1]))
        with counted(model, READ.flatten()) as loads, torch.no_grad():
            model(input_ids=IDS)
        handle.remove()
        return seen["weights"], loads

    before, loads = weights_and_loads()
    balance(model, loads)
    for name, router in routers(model).items():
        mean = loads[name].float().mean()
        wanted = [SPEED if load < mean else -SPEED if load > mean else 0 for load in loads[name]]
        torch.testing.assert_close(getattr(router, BIAS), torch.tensor(wanted))
    after, same = weights_and_loads()
    assert all(torch.equal(loads[name], same[name]) for name in loads), "so little changes no choice here"
    assert torch.equal(before, after)


def test_a_neglected_expert_is_chosen_in_the_end(model, monkeypatch):
    monkeypatch.setattr(experts, "SPEED", 0.05)
    router = routers(model)["model.layers.2.mlp.gate"]
    getattr(router, BIAS)[0] = -1.0
    smallest = []
    for _ in range(40):
        with counted(model, READ.flatten()) as loads, torch.no_grad():
            model(input_ids=IDS)
        balance(model, loads)
        smallest.append(int(loads["model.layers.2.mlp.gate"].min()))
    assert smallest[0] == 0 < smallest[-1]


def test_figures_are_those_of_the_layer_that_is_used_least_evenly():
    figures = evenness({"even": torch.tensor([5, 5, 5, 5]), "uneven": torch.tensor([0, 4, 8, 8])})
    assert figures["experts.least"] == (0.0, 40)
    assert figures["experts.most"] == (pytest.approx(8 / 5), 40)
    bits = 0.2 * math.log2(1 / 0.2) + 2 * 0.4 * math.log2(1 / 0.4)
    assert figures["experts.entropy"] == (pytest.approx(bits / 2), 40)
    assert evenness({"even": torch.tensor([5, 5, 5, 5])})["experts.entropy"].value == pytest.approx(1.0)
