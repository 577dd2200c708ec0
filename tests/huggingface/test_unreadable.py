"""Attention whose masks are no tensors is refused in words, when a model is wrapped and when it was changed since."""

import pytest
import torch
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoConfig,
    AutoModel,
    LlamaConfig,
    LlamaForCausalLM,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from models import errors
from models.huggingface.wrap import wrap
from tests.huggingface.zoo import GROUPED, IDS

APPROXIMATE = [
    (
        "nystromformer",
        {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
    ),
    ("pegasus_x", {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "max_position_embeddings": 32}),
]


def llama(attention):
    torch.manual_seed(0)
    return LlamaForCausalLM._from_config(LlamaConfig(**GROUPED), attn_implementation=attention)


def test_flex_attention_is_refused():
    with pytest.raises(errors.UnreadableAttention, match="sdpa") as caught:
        wrap(llama("flex_attention"))
    assert caught.value.facts == {"got": "LlamaForCausalLM"}


@pytest.mark.parametrize(("kind", "sizes"), APPROXIMATE)
def test_attention_that_is_only_approximated_is_refused(kind, sizes):
    with pytest.raises(errors.ApproximateAttention, match="landmarks") as caught:
        wrap(AutoModel.from_config(AutoConfig.for_model(kind, vocab_size=50, **sizes)))
    assert str(caught.value.facts["got"]).lower().startswith(kind.replace("_", ""))


def test_flex_attention_that_was_chosen_since_is_refused():
    model = llama("sdpa")
    wrapped = wrap(model)
    model.set_attn_implementation("flex_attention")
    for call in (wrapped.record, wrapped.generate):
        with pytest.raises(errors.UnreadableAttention):
            call(inputs={"input_ids": IDS})
    model.set_attn_implementation("eager")
    assert wrapped.record(inputs={"input_ids": IDS}).head("decoder.0.self", 0).proved


def test_any_mask_that_is_no_tensor_is_refused(monkeypatch):
    def attend(module, query, key, value, attention_mask, **options):
        return sdpa_attention_forward(module, query, key, value, None, **options)

    monkeypatch.setitem(AttentionInterface._global_mapping, "folded", attend)
    monkeypatch.setitem(AttentionMaskInterface._global_mapping, "folded", lambda *_, **__: object())
    with pytest.raises(errors.UnreadableAttention):
        wrap(llama("folded"))


def test_another_function_whose_masks_are_tensors_is_read(monkeypatch):
    monkeypatch.setitem(AttentionInterface._global_mapping, "another", sdpa_attention_forward)
    made = AttentionMaskInterface._global_mapping["sdpa"]
    monkeypatch.setitem(AttentionMaskInterface._global_mapping, "another", made)
    assert wrap(llama("another")).record(inputs={"input_ids": IDS}).head("decoder.1.self", 3).proved
