"""Ready inputs: what a model takes simply works, and everything else is refused in words before it runs."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BartConfig,
    BartForSequenceClassification,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Siglip2VisionConfig,
    Siglip2VisionModel,
)

from models import errors
from models.huggingface.wrap import wrap
from tests.huggingface.zoo import GROUPED, IDS, IMAGE, PAIR, TARGET, ZOO, built

IMAGE_TOKEN = 60
PAIRS = pytest.mark.parametrize("name", ["bart", "t5", "marian"])


def refused(name, inputs):
    with pytest.raises(errors.BadRequest) as caught:
        wrap(built(name)).record(inputs=inputs)
    return str(caught.value)


def all_proved(trace):
    assert trace.blocks
    return all(trace.head(block.name, head).proved for block in trace.blocks for head in range(block.heads))


@PAIRS
@pytest.mark.parametrize("hidden", [0, 2])
def test_the_decoder_reads_labels_one_place_later(name, hidden):
    model, labels = built(name), TARGET.clone()
    labels[:, -1 - hidden : -1] = -100
    trace = wrap(model).record(inputs={"input_ids": IDS, "labels": labels})
    read = [token.id for token in trace.tokens["decoder"]]
    pad = [model.config.pad_token_id] * hidden
    start = model.config.decoder_start_token_id
    assert read == [start, *TARGET[0, : -1 - hidden].tolist(), *pad]
    with torch.no_grad():
        logits = model(input_ids=IDS, labels=labels).logits[0].numpy()
    np.testing.assert_array_equal(trace.logits, logits)


@PAIRS
@pytest.mark.parametrize("wrapped", [lambda state: (state,), lambda state: state, lambda state: [state]])
def test_what_an_encoder_gave_may_stand_for_its_text(name, wrapped):
    model = built(name)
    with torch.no_grad():
        state = model.get_encoder()(input_ids=IDS).last_hidden_state
    own = wrap(model)
    whole = own.record(inputs={"input_ids": IDS})
    trace = own.record(inputs={"encoder_outputs": wrapped(state)})
    assert [block.name for block in trace.blocks] == [
        block.name for block in whole.blocks if block.query_stream == "decoder"
    ]
    assert trace.logits is not None
    assert whole.logits is not None
    np.testing.assert_allclose(trace.logits, whole.logits, atol=1e-5)
    assert all_proved(trace)
    forced = own.record(inputs={"encoder_outputs": wrapped(state), "decoder_input_ids": TARGET})
    assert [token.id for token in forced.tokens["decoder"]] == TARGET[0].tolist()


@PAIRS
def test_a_decoder_reads_ready_vectors(name):
    model = built(name)
    vectors = model.get_decoder().get_input_embeddings()(TARGET).detach()
    trace = wrap(model).record(inputs={"input_ids": IDS, "decoder_inputs_embeds": vectors})
    with torch.no_grad():
        logits = model(input_ids=IDS, decoder_inputs_embeds=vectors).logits[0].numpy()
    np.testing.assert_array_equal(trace.logits, logits)
    assert len(trace.tokens["decoder"]) == TARGET.shape[1]


@pytest.mark.parametrize(
    "ids", ["hello", None, [[1, 2], [3]], ["a"], [None], {"a": 1}, np.array(["a"]), 7, [[[1]]]], ids=str
)
def test_what_are_no_ids_is_refused(ids):
    assert "input_ids" in refused("gpt2", {"input_ids": ids})
    assert "decoder_input_ids" in refused("bart", {"input_ids": IDS, "decoder_input_ids": ids})


@pytest.mark.parametrize(
    "mask", [[1] * 9, [[1] * 11], torch.ones(1, 1, 10, 9), "all", [[1], [1, 1]]], ids=str
)
def test_a_mask_of_another_length_is_refused(mask):
    assert "attention_mask" in refused("gpt2", {"input_ids": IDS, "attention_mask": mask})
    assert "attention_mask" in refused("bart", {"input_ids": IDS, "attention_mask": mask})
    vectors = torch.zeros(1, 10, 32)
    assert "attention_mask" in refused("gpt2", {"inputs_embeds": vectors, "attention_mask": mask})


def test_other_lengths_are_refused_by_name():
    assert "wanted a number for each of the 10 tokens" in refused(
        "bert", {"input_ids": IDS, "token_type_ids": [[0] * 4]}
    )
    wrong = {"input_ids": IDS, "decoder_input_ids": TARGET, "decoder_attention_mask": [[1] * 5]}
    assert "each of the 6 tokens" in refused("bart", wrong)
    assert "batch of one" in refused("gpt2", {"inputs_embeds": torch.zeros(2, 10, 32)})
    assert "outside the vocabulary" in refused("bart", {"input_ids": IDS, "labels": [[3, 999]]})


def test_what_is_none_is_not_given():
    model = wrap(built("bert"))
    plain = model.record(inputs={"input_ids": IDS})
    trace = model.record(inputs={"input_ids": IDS, "attention_mask": None, "token_type_ids": [0] * 10})
    np.testing.assert_array_equal(trace.logits, plain.logits)


def seeing():
    """A tiny Qwen2-VL, whose positions have three axes and whose images are patches in one row."""
    torch.manual_seed(0)
    text = {
        **GROUPED,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]},
    }
    text.pop("head_dim")
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 4, "patch_size": 4, "mlp_ratio": 2}
    config = Qwen2VLConfig(text_config=text, vision_config=vision, image_token_id=IMAGE_TOKEN)
    model = Qwen2VLForConditionalGeneration(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def pictured(images):
    """So many images of 4 × 4 patches, of which the text sees 2 × 2 each."""
    ids = torch.tensor([[7, 62, *[IMAGE_TOKEN] * 4, 63, 9] * images])
    return {
        "input_ids": ids,
        "mm_token_type_ids": (ids == IMAGE_TOKEN).int(),
        "pixel_values": torch.randn(16 * images, 3 * 2 * 4 * 4, generator=torch.Generator().manual_seed(0)),
        "image_grid_thw": torch.tensor([[1, 4, 4]] * images),
    }


@pytest.mark.parametrize("images", [1, 2])
def test_images_beside_a_text_pass_as_their_model_wants_them(images):
    model, inputs = seeing(), pictured(images)
    ready: Any = inputs
    with torch.no_grad():
        logits = model(**inputs).logits[0].numpy()
        places = model.model.get_rope_index(
            ready["input_ids"],
            mm_token_type_ids=ready["mm_token_type_ids"],
            image_grid_thw=ready["image_grid_thw"],
        )[0]
    assert places.shape == (3, 1, 8 * images)
    own = wrap(model)
    for given in (inputs, inputs | {"position_ids": places}):
        trace = own.record(inputs=given)
        np.testing.assert_array_equal(trace.logits, logits)
        assert all_proved(trace)
        angles = next(one.values for one in trace.positions if one.where == "decoder")
        axes = places[[0, 1, 2, 2], 0].T.numpy()  # as mrope_section parts the pairs
        wanted = axes * 1e4 ** (-np.arange(4) / 4)
        np.testing.assert_allclose(np.cos(angles), np.cos(wanted), atol=1e-5)


def test_patches_in_a_row_keep_their_batch():
    torch.manual_seed(0)
    model = Siglip2VisionModel(Siglip2VisionConfig(**IMAGE, num_patches=16))
    inputs = {
        "pixel_values": torch.randn(1, 16, 3 * 8 * 8),
        "pixel_attention_mask": torch.ones(1, 16),
        "spatial_shapes": torch.tensor([[4, 4]]),
    }
    assert all_proved(wrap(model).record(inputs=inputs))


def test_an_image_without_a_batch_gets_one_and_several_are_refused():
    model, image = wrap(built("vit")), ZOO["vit"].inputs()["pixel_values"]
    with_batch, without = (model.record(inputs={"pixel_values": one}) for one in (image, image[0]))
    name = with_batch.blocks[-1].name
    np.testing.assert_array_equal(with_batch.weights(name), without.weights(name))
    assert "batch of one" in refused("vit", {"pixel_values": torch.cat([image, image])})


def test_text_beside_inputs_is_refused(tokenizer):
    with pytest.raises(errors.BadRequest, match="text beside inputs="):
        wrap(built("gpt2"), tokenizer).record("the cat", inputs={"input_ids": IDS})


def test_a_target_is_refused_where_no_decoder_would_read_it(tokenizer):
    for name in ("gpt2", "bert"):
        with pytest.raises(errors.BadRequest, match="no decoder"):
            wrap(built(name), tokenizer).record("the cat", target="the dog")
    with pytest.raises(errors.BadRequest, match="beside decoder_input_ids"):
        wrap(built("t5"), tokenizer).record(
            inputs={"input_ids": IDS, "decoder_input_ids": TARGET}, target="the dog"
        )


@pytest.mark.parametrize("name", ["t5", "bart"])
@pytest.mark.parametrize("target", ["", " "])
def test_an_empty_target_is_the_start_token_alone(name, target, tokenizer):
    model = wrap(built(name), tokenizer)
    trace = model.record("the cat", target=target)
    assert [token.id for token in trace.tokens["decoder"]] == [model.model.config.decoder_start_token_id]


def test_labels_of_a_class_are_not_read_by_the_decoder():
    torch.manual_seed(0)
    model = BartForSequenceClassification(BartConfig(**PAIR))
    ids = torch.cat([IDS, torch.tensor([[2]])], dim=1)
    assert all_proved(wrap(model).record(inputs={"input_ids": ids, "labels": [1]}))
