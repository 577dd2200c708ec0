"""A sink that each query has of its own (Inkling 2), against softmax over one more column."""

import numpy as np
import pytest
import torch
from torch import nn

from models.head import Head
from models.huggingface.calls import captured
from models.huggingface.interface import Call, Watch

HEADS, QUERIES, WIDTH = 3, 5, 4


def call(sink, items=1):
    """Attention as the model would compute it: the sink is a column of scores, and has no value."""
    query, key, value = torch.randn(
        3, items, HEADS, QUERIES, WIDTH, generator=torch.Generator().manual_seed(0)
    ).unbind()
    column = sink.reshape(1, -1, 1, 1) if sink.ndim == 1 else sink
    scores = query @ key.mT * 0.5
    joined = torch.cat([scores, column.expand(items, HEADS, QUERIES, 1)], dim=-1)
    context = (joined.softmax(dim=-1)[..., :-1] @ value).transpose(1, 2)
    return Call(nn.Identity(), query, key, value, None, {"scaling": 0.5, "sinks": sink}, context, own=True)


@pytest.mark.parametrize("items", [1, 2])
@pytest.mark.parametrize("shape", [(HEADS,), (1, HEADS, QUERIES, 1), (2, HEADS, QUERIES, 1)])
def test_heads_with_a_sink_are_proved(shape, items):
    if shape[0] == 2 != items:
        shape = (1, *shape[1:])
    sink = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 2
    made = call(sink, items)
    for item, capture in enumerate(captured(Watch(calls=[made]), {})[0]):
        assert capture.sink is not None
        for number in range(HEADS):
            scores = capture.sink[number].numpy()
            head = Head(
                query=capture.query[number].numpy(),
                key=capture.key[number].numpy(),
                value=capture.value[number].numpy(),
                mask=np.ones((QUERIES, QUERIES), bool),
                scale=capture.scale,
                model_context=capture.context[number].numpy(),
                sink_score=scores if scores.ndim else float(scores),
            )
            assert head.proved
            whole = sink.reshape(1, -1, 1, 1) if sink.ndim == 1 else sink
            wanted = whole.expand(items, HEADS, QUERIES, 1)[item, number, :, 0]
            assert [head.sink_at(query) for query in range(QUERIES)] == wanted.tolist()
            np.testing.assert_allclose(head.weights.sum(axis=1) + head.sink, 1, atol=1e-6)
