"""Step by step or all at once: a text that was written token by token, beside one pass that reads it whole.

With a causal mask both compute the same maps. Without one they do not, except in the first layer: there keys and
values are made of the words alone, and the last row sees all of them anyway. Further up, keys and values were made by
rows that had already looked at what came after them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.catalog import Model
from models.edits import OpenMask
from models.generation import Generation, written_stream
from models.trace import Trace


def at_once(model: Model, generation: Generation) -> Trace:
    """Everything that the generation read, in one pass."""
    return model.record("", inputs=_inputs(generation.trace))


def differences(generation: Generation, whole: Trace) -> dict[str, float]:
    """Block → the largest difference of a weight between the steps and one pass over the same text."""
    rows: dict[str, float] = {}
    for step in generation.steps:
        for block, weights in step.rows.items():
            other = whole.weights(block)[:, step.position, : weights.shape[1]]
            rows[block] = max(rows.get(block, 0.0), float(np.abs(weights - other).max()))
    return rows


def unmasked(model: Model, generation: Generation) -> dict[str, float]:
    """Block → the same difference where each step reads everything written so far anew, without the causal mask.

    Raises:
        UnsupportedEdit: a model whose mask cannot be opened.
    """
    trace, stream = generation.trace, written_stream(generation.trace)
    own = [block.name for block in trace.blocks if (block.query_stream, block.key_stream) == (stream, stream)]
    rows: dict[str, float] = dict.fromkeys(own, 0.0)
    for step in generation.steps:
        open_to_all = [OpenMask(block) for block in own]
        anew = model.record("", inputs=_inputs(trace, step.position + 1), edits=open_to_all)
        for block in own:
            apart = np.abs(anew.weights(block)[:, -1] - step.rows[block])
            rows[block] = max(rows[block], float(apart.max()))
    return rows


def _inputs(trace: Trace, length: int | None = None) -> Mapping[str, Any]:
    """What was read, as ids; of what was written the first `length`."""
    stream = written_stream(trace)
    written = [[token.id for token in trace.tokens[stream]][:length]]
    if "encoder" not in trace.tokens:
        return {"input_ids": written}
    return {"input_ids": [[token.id for token in trace.tokens["encoder"]]], "decoder_input_ids": written}
