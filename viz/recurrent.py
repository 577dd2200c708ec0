"""The recurrent networks before the Transformer: their places on the page, which have states and no heads.

A place "encoder.0.recurrent" stands beside the attention blocks: it has stages of its own, and one vector for each
token, made from the token and from the vector before it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.trace import TOLERANCE, Array, Site, Trace
from viz import choice, logits
from viz.selection import Fact, Selection

GATES = ("reset", "update", "candidate")
"""The order of the gates in gate_input and gate_state."""


def is_recurrent(trace: Trace) -> bool:
    """Whether this run's tokens were read one after the other."""
    return any(site == Site.STATE for site, _ in trace.arrays)


def places(trace: Trace) -> Iterator[tuple[str, str]]:
    """(place, stream) of each recurrent network, in the order in which they run."""
    yield from (
        (f"{stream}.0.recurrent", stream) for stream in trace.tokens if (Site.STATE, stream) in trace.arrays
    )


def stages_of_network(trace: Trace, stream: str) -> dict[str, str]:
    """Stage id → id of the text that tells it. Without attention a decoder has the one vector that it reads."""
    stages = {"tokens": "tokens", "embedding": "embedding_recurrent", "gates": "gates", "state": "state"}
    if stream != trace.predicting:
        return stages
    ends = {"logits": logits.told(trace), "output": "output", "choice": "choice"}
    here = {"bottleneck": "" if trace.blocks else "bottleneck"} | ends
    return stages | {stage: text for stage, text in here.items() if text}


def before(trace: Trace, stream: str) -> Array:
    """(position, unit): the state that each token met. The encoder starts from zero, the decoder where it ended."""
    states = trace.array(Site.STATE, stream)
    first = np.zeros_like(states[:1]) if stream == "encoder" else trace.array(Site.STATE, "encoder")[-1:]
    return np.concatenate([first, states[:-1]])


def recurrence(trace: Trace, stream: str) -> dict[str, NDArray]:
    """What one network computed, and how far it is from the formula.

    Raises:
        KeyError: no such network.
    """
    word, carried = trace.array(Site.GATE_INPUT, stream), trace.array(Site.GATE_STATE, stream)
    arrays = {f"word_{gate}": word[:, i] for i, gate in enumerate(GATES)}
    arrays |= {f"carried_{gate}": carried[:, i] for i, gate in enumerate(GATES)}
    arrays |= {
        site.value: trace.array(site, stream)
        for site in (Site.RESET, Site.UPDATE, Site.CANDIDATE, Site.STATE)
    }
    arrays["before"] = before(trace, stream)
    if (Site.CONTEXT_VECTOR, stream) in trace.arrays:
        arrays["encoder_state"] = trace.array(Site.STATE, "encoder")
        arrays["last_state"] = arrays["encoder_state"][-1:]
        arrays["context_vector"] = trace.array(Site.CONTEXT_VECTOR, stream)
    error = _error(trace, arrays)
    return arrays | {"error": np.array([error, error <= TOLERANCE, TOLERANCE], np.float32)}


def facts(trace: Trace, at: Selection) -> dict[str, Fact]:
    """Every fact of one unit of one state.

    Raises:
        KeyError, IndexError: the selection is not in this trace.
    """
    stream = at.block.partition(".")[0]
    arrays, embedding = recurrence(trace, stream), trace.array(Site.TOKEN_EMBEDDING, stream)
    token, units = trace.tokens[stream][at.query], arrays["state"].shape[1]
    if at.channel >= units or at.dimension >= embedding.shape[1]:
        raise IndexError(
            f"no unit {at.channel} of {units}, or no dimension {at.dimension} of {embedding.shape[1]}"
        )
    parts = (f"{part}_{gate}" for part in ("word", "carried") for gate in GATES)
    names = (*parts, *GATES, "before", "state")
    predicts = stream == trace.predicting and at.query < len(trace.predictions)
    said: dict[str, Fact] = {name: float(arrays[name][at.query, at.channel]) for name in names}
    if predicts:
        said |= choice.ending(trace, "next", at)
    if "context_vector" in arrays:
        said["context"] = float(arrays["context_vector"][at.query, at.channel])
    return said | {
        "model": trace.model.name,
        "block": at.block,
        "stream": stream,
        "query": at.query,
        "key": at.key,
        "channel": at.dimension if at.stage == "embedding" else at.channel,
        "query_token": token.text,
        "last_token": trace.tokens["encoder"][-1].text,
        "predicted_token": trace.predictions[at.query].text if predicts else "",
        "token_id": token.id,
        "n_query": len(trace.tokens[stream]),
        "n_key": len(trace.tokens["encoder"]),
        "d_model": embedding.shape[1],
        "units": units,
        "vocabulary": trace.model.vocabulary,
        "embedding": float(embedding[at.query, at.dimension]),
        "kept_percent": 100 * float(said["update"]),
        "error": float(arrays["error"][0]),
        "tolerance": TOLERANCE,
    }


def _error(trace: Trace, arrays: dict[str, NDArray]) -> float:
    """Largest difference between gates and states as recorded and as the formula makes them of what they come from."""
    exact = {name: array.astype(np.float64) for name, array in arrays.items()}
    reset, update = (_sigmoid(exact[f"word_{gate}"] + exact[f"carried_{gate}"]) for gate in GATES[:2])
    candidate = np.tanh(exact["word_candidate"] + exact["reset"] * exact["carried_candidate"])
    state = (1 - exact["update"]) * exact["candidate"] + exact["update"] * exact["before"]
    made = {"reset": reset, "update": update, "candidate": candidate, "state": state}
    if "context_vector" in exact and not trace.blocks:
        made["context_vector"] = np.broadcast_to(exact["encoder_state"][-1], exact["context_vector"].shape)
    return max(float(np.abs(made[name] - exact[name]).max(initial=0.0)) for name in made)


def _sigmoid(x: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-x))
