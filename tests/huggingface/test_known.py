"""Other inputs reach other attention: nothing that runs is missing from a trace, in whatever order inputs come."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from models.generation import Strategy
from models.huggingface.wrap import wrap
from models.trace import Site
from tests.huggingface.zoo import GROUPED, IDS, IMAGE, PAIR, SIZES

STATES = torch.randn(1, 7, 32, generator=torch.Generator().manual_seed(3))
GPT2: dict[str, Any] = {"vocab_size": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
READERS = {
    "gpt2": lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config(**GPT2, add_cross_attention=True)),
    "bert": lambda: transformers.BertLMHeadModel(
        transformers.BertConfig(**SIZES, is_decoder=True, add_cross_attention=True)
    ),
    "trocr": lambda: transformers.TrOCRForCausalLM(
        transformers.TrOCRConfig(**PAIR, cross_attention_hidden_size=32)
    ),
}
SELF = ["decoder.0.self", "decoder.1.self"]
BOTH = ["decoder.0.cross", "decoder.0.self", "decoder.1.cross", "decoder.1.self"]


def names(trace):
    return sorted(block.name for block in trace.blocks)


def errors(trace):
    return [trace.head(block.name, head).error for block in trace.blocks for head in range(block.heads)]


def llava():
    vision = transformers.CLIPVisionConfig(**IMAGE)
    text = transformers.LlamaConfig(**GROUPED)
    settings: dict[str, Any] = {"image_token_id": 60, "vision_feature_layer": -1}
    config = transformers.LlavaConfig(vision_config=vision, text_config=text, **settings)
    return transformers.LlavaForConditionalGeneration(config).eval()


def with_an_image():
    ids = torch.cat([IDS[:, :3], torch.full((1, 16), 60), IDS[:, 3:]], dim=1)
    return {
        "input_ids": ids,
        "pixel_values": torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)),
    }


@pytest.mark.parametrize("name", READERS)
def test_cross_attention_is_there_when_there_is_something_to_look_at(name):
    model = wrap(READERS[name]())
    read, looking = {"input_ids": IDS}, {"input_ids": IDS, "encoder_hidden_states": STATES}
    assert names(model.record(inputs=read)) == SELF
    trace = model.record(inputs=looking)
    assert names(trace) == BOTH
    assert trace.block("decoder.0.cross").key_stream == "encoder"
    assert trace.head("decoder.0.cross", 1).key.shape[0] == 7
    assert max(errors(trace)) < 1e-5
    assert names(model.record(inputs=read)) == SELF
    assert names(model.record(inputs=looking)) == BOTH
    assert names(wrap(READERS[name]()).record(inputs=looking)) == BOTH


def test_the_image_tower_of_a_model_that_was_first_run_on_text():
    model = wrap(llava())
    before = model.record(inputs={"input_ids": IDS})
    assert names(before) == SELF
    trace = model.record(inputs=with_an_image())
    assert names(trace) == [*SELF, "vision.0.self", "vision.1.self"]
    assert max(errors(trace)) < 1e-5
    assert trace.array(Site.RESIDUAL, "vision.1").shape == (17, 32)
    after = model.record(inputs={"input_ids": IDS})
    assert names(after) == SELF
    assert after.arrays.keys() == before.arrays.keys()
    np.testing.assert_array_equal(
        after.array(Site.TOKEN_EMBEDDING, "decoder"), before.array(Site.TOKEN_EMBEDDING, "decoder")
    )


def test_what_is_written_after_an_image_shows_both_towers():
    written = wrap(llava()).generate(inputs=with_an_image(), steps=3, strategy=Strategy())
    assert {"vision.0.self", "decoder.0.self"} <= set(names(written.trace))


def test_threads_that_bring_new_inputs_at_once_lose_nothing():
    model = wrap(READERS["gpt2"]())
    cases = [
        {"input_ids": IDS[:, : 4 + n % 5]} | ({"encoder_hidden_states": STATES} if n % 2 else {})
        for n in range(24)
    ]
    with ThreadPoolExecutor(4) as pool:
        traces = list(pool.map(lambda case: model.record(inputs=case), cases))
    for case, trace in zip(cases, traces, strict=True):
        assert names(trace) == (BOTH if "encoder_hidden_states" in case else SELF)
        assert max(errors(trace)) < 1e-5
        assert (Site.RESIDUAL, "decoder.1") in trace.arrays
