"""The loss of the lightning indexer, beside transformers' own choice of keys."""

import pytest
import torch
import torch.nn.functional as F
from transformers import DeepseekV32Config, DeepseekV32ForCausalLM

from models.family.indexer import EVERY_KEY, attentions, choose, divergence, index_scores, watched

IDS = torch.randint(0, 64, (2, 14), generator=torch.Generator().manual_seed(3))
READ = torch.ones(2, 14, dtype=torch.bool).index_fill(1, torch.tensor([12, 13]), False)
KEYS = 4


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = DeepseekV32Config(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        moe_intermediate_size=16,
        num_hidden_layers=2,
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
        index_topk=KEYS,
        index_head_dim=16,
        index_n_heads=2,
        first_k_dense_replace=1,
        initializer_range=0.3,
    )
    return DeepseekV32ForCausalLM._from_config(config, attn_implementation="eager").eval()


def test_the_keys_with_the_largest_index_scores_are_those_that_transformers_chooses(model):
    for attention in attentions(model):
        seen = {}

        def listen(_, arguments, chosen, seen=seen):
            seen.update(inputs=arguments, chosen=chosen)

        handle = attention.indexer.register_forward_hook(listen)
        with torch.no_grad():
            model(input_ids=IDS)
            scores = index_scores(attention.indexer, *seen["inputs"][:3])
        handle.remove()
        causal = torch.ones(14, 14, dtype=torch.bool).tril()
        mine = scores.masked_fill(~causal, -torch.inf).topk(KEYS).indices
        for query in range(KEYS, 14):
            assert torch.equal(mine[:, query].sort().values, seen["chosen"][:, query].sort().values.long())


@pytest.mark.parametrize("keys", [EVERY_KEY, KEYS])
def test_only_the_indexers_learn_from_their_loss_and_they_learn_nothing_else(model, keys):
    choose(model, keys)
    with watched(model, READ) as losses:
        output = model(input_ids=IDS, labels=IDS)
    assert len(losses) == 2
    torch.stack(losses).sum().backward()
    for name, parameter in model.named_parameters():
        moved = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        assert moved == (".indexer." in name), name
    model.zero_grad()
    output.loss.backward()
    assert all(
        p.grad is None or not p.grad.any() for name, p in model.named_parameters() if ".indexer." in name
    )


def test_the_loss_is_the_divergence_of_the_chosen_keys_from_the_attention_that_the_model_gives(model):
    inputs = []
    for attention in attentions(model):
        attention.indexer.register_forward_hook(lambda _, arguments, __: inputs.append(arguments[:3]))
    with watched(model, READ) as losses, torch.no_grad():
        weights = model(input_ids=IDS, output_attentions=True).attentions
    for layer, attention in enumerate(attentions(model)):
        scores = index_scores(attention.indexer, *inputs[layer]).detach()
        kept = weights[layer][:, 0] > 0
        assert kept.sum(dim=-1)[0].tolist() == [1, 2, 3, *[KEYS] * 11]
        rows = [
            F.kl_div(row_scores[seen].log_softmax(0), row[seen], reduction="sum")
            for row, row_scores, seen in zip(
                weights[layer].mean(dim=1)[READ], scores[READ], kept[READ], strict=True
            )
        ]
        torch.testing.assert_close(losses[layer].detach(), torch.stack(rows).mean())


def test_divergence_by_hand():
    attention = torch.tensor([[[0.5, 0.5, 0.0], [0.25, 0.75, 0.0]]])
    scores = torch.tensor([[[1.0, 1.0, -torch.inf], [0.0, 0.0, -torch.inf]]])
    wanted = 0.25 * torch.log(torch.tensor(0.5)) + 0.75 * torch.log(torch.tensor(1.5))
    torch.testing.assert_close(divergence(attention, scores)[0], torch.stack([torch.tensor(0.0), wanted]))
