"""Every architecture that reaches transformers' attention interface: the weights shown are the weights used."""

import numpy as np
import pytest
import torch

from models.huggingface.wrap import wrap
from tests.huggingface.zoo import ZOO, built

NAMES = list(ZOO)
RETURNED = ("attentions", "encoder_attentions", "decoder_attentions", "cross_attentions")


def eager_weights(name):
    """What the model's own eager attention returns: the attention tensors of every tower, (heads, query, key)."""
    model = ZOO[name].build("eager")
    with torch.no_grad():
        output = model(**ZOO[name].inputs(), output_attentions=True)
    towers = [output, *(output.get(part) for part in ("vision_model_output", "text_model_output"))]
    kinds = {kind: getattr(tower, kind, None) for tower in towers if tower for kind in RETURNED}
    found = {kind: [weights[0].numpy() for weights in tensors] for kind, tensors in kinds.items() if tensors}
    if "vision_model_output" in output:
        pairs = (("vision", "vision_model_output"), ("text", "text_model_output"))
        return {tower: [w[0].numpy() for w in output[part].attentions] for tower, part in pairs}
    return found


def recorded_weights(name, trace):
    """The same from the trace, by the same names."""
    found = {}
    for block in trace.blocks:
        tower = block.name.split(".")[0]
        if "vision" in trace.tokens:
            kind = tower
        elif block.kind == "cross":
            kind = "cross_attentions"
        else:
            kind = f"{tower}_attentions" if len(trace.tokens) == 2 else "attentions"
        found.setdefault(kind, []).append(trace.weights(block.name))
    return found


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    return wrap(built(name))


@pytest.fixture(scope="module")
def trace(name, model):
    return model.record(inputs=ZOO[name].inputs())


def test_the_weights_are_those_of_eager_attention(name, trace):
    if name == "granite_swa":
        pytest.skip("its eager function returns weights without the sink's part; its context has it")
    wanted, got = eager_weights(name), recorded_weights(name, trace)
    for kind, layers in wanted.items():
        assert len(got[kind]) >= len(layers)
        for ours, theirs in zip(got[kind], layers, strict=False):
            np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=0)


def test_every_head_is_proved(trace):
    assert trace.blocks
    for block in trace.blocks:
        for head in range(block.heads):
            one = trace.head(block.name, head)
            assert one.proved
            assert one.error <= 1e-5 * max(1.0, float(np.abs(one.model_context).max()))


def test_recording_changes_no_bit_of_the_logits(name, trace):
    with torch.no_grad():
        idle = built(name)(**ZOO[name].inputs())
    if trace.logits is not None:
        np.testing.assert_array_equal(trace.logits, idle.logits.reshape(trace.logits.shape).numpy())


def test_attention_is_not_uniform_so_the_proof_means_something(trace):
    assert max(trace.weights(block.name).max() for block in trace.blocks) > 0.5


def test_every_stream_has_as_many_tokens_as_its_blocks_say(trace):
    for block in trace.blocks:
        head = trace.head(block.name, 0)
        assert len(trace.tokens[block.query_stream]) == len(head.query)
        assert len(trace.tokens[block.key_stream]) == len(head.key)


def test_rotation_is_felt_only_between_different_positions(trace):
    for block in trace.blocks:
        head = trace.head(block.name, 0)
        if head.query_unrotated is not None:
            norms = np.linalg.norm(head.query, axis=1), np.linalg.norm(head.query_unrotated, axis=1)
            stretch = (norms[0] / norms[1]).mean()  # 1, unless the model stretches what it turns (YaRN)
            np.testing.assert_allclose(norms[0], norms[1] * stretch, rtol=1e-4)
            plain = head.query_unrotated @ head.key_unrotated.T * stretch**2
            turned = head.query @ head.key.T
            np.testing.assert_allclose(turned.diagonal(), plain.diagonal(), atol=1e-4)
            assert np.abs(turned - plain).max() > 1e-2
