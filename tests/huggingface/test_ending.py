"""What makes the logits: the model's own map, recomputed in float64 from the vectors that were recorded."""

import numpy as np
import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, MarianConfig, MarianMTModel

from models import Site, wrap
from tests.huggingface.architectures import examined
from tests.huggingface.zoo import IDS, TARGET, ZOO
from viz import logits

WITHOUT = {
    *("albert", "beit", "chinese_clip", "clip", "deit", "dinov2", "dinov2 registers", "dinov3"),
    *("electra", "siglip", "wav2vec2"),
}
"""Built here without a head."""


def recomputed(trace):
    """(row, column) logits in float64, and those of the model."""
    arrays = {site: np.asarray(array, float) for (site, place), array in trace.arrays.items() if place == ""}
    made = arrays[Site.OUTPUT_VECTOR] @ arrays[Site.UNEMBEDDING].T + arrays.get(Site.UNEMBEDDING_BIAS, 0.0)
    made = made * arrays.get(Site.LOGIT_SCALE, 1.0)
    cap = arrays.get(Site.LOGIT_CAP)
    assert trace.logits is not None
    return (made if cap is None else cap * np.tanh(made / cap)), np.asarray(trace.logits)


@pytest.mark.parametrize("name", sorted(ZOO.keys() - WITHOUT))
def test_every_model_with_a_head_has_the_map_that_makes_its_logits(name):
    shown = examined(name)
    assert logits.told(shown.trace)
    assert shown.logits is not None
    wanted = shown.logits[0] if shown.logits.ndim == 3 else shown.logits
    np.testing.assert_allclose(recomputed(shown.trace)[0], wanted, atol=1e-5 * max(1, np.abs(wanted).max()))


def test_a_cap_is_found_however_large_the_logits_are():
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, final_logit_softcapping=2.0,
    )  # fmt: skip
    model = Gemma2ForCausalLM(config)
    with torch.no_grad():
        model.lm_head.weight.mul_(200)
    trace = wrap(model).record(inputs={"input_ids": IDS})
    assert logits.told(trace) == "logits_cap"
    assert float(trace.array(Site.LOGIT_CAP, "")) == 2.0
    made, given = recomputed(trace)
    assert np.abs(given).max() > 1.9
    np.testing.assert_allclose(made, given, atol=1e-5)


def test_what_is_added_beside_the_map_is_part_of_the_bias():
    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=50, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, pad_token_id=0,
        decoder_start_token_id=0, eos_token_id=1,
    )  # fmt: skip
    model = MarianMTModel(config)
    model.get_buffer("final_logits_bias").normal_()
    trace = wrap(model).record(inputs={"input_ids": IDS, "decoder_input_ids": TARGET})
    assert logits.told(trace) == "logits_bias"
    np.testing.assert_allclose(
        np.asarray(trace.array(Site.UNEMBEDDING_BIAS, "")), model.get_buffer("final_logits_bias")[0]
    )
    np.testing.assert_allclose(*recomputed(trace), atol=1e-5)


def test_a_pickled_trace_keeps_what_makes_its_logits():
    import pickle

    trace = examined("llama").trace
    again = pickle.loads(pickle.dumps(trace))
    np.testing.assert_array_equal(
        np.asarray(again.array(Site.UNEMBEDDING, "")), np.asarray(trace.array(Site.UNEMBEDDING, ""))
    )
