"""A translation written token by token, with a key-value cache, and the trace of it put together from its passes.

Each pass computes only what is new: one position, whose keys and values join those of the positions before. What the
passes noted stands below each other in the end, as if the whole text had been read at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.builtin.encoder_decoder import Cache, EncoderDecoder, Ids
from models.recorder import Recorder, recording
from models.sampling import Writing
from models.sites import AXES, Axis, Site

Where = tuple[Site, str]
_GROWS = (Axis.QUERY, Axis.POSITION)
_OF_SOURCE = frozenset({Site.KEY_INPUT, Site.KEY, Site.VALUE})


@dataclass(frozen=True)
class Passes:
    """What the encoder noted, and what each pass of the decoder did."""

    encoder: Recorder
    decoder: Sequence[Recorder]

    def joined(self, path: Sequence[int]) -> dict[Where, Tensor]:
        """Everything that was noted on the way of one text: which row of each pass it was; batches of one."""
        found = {where: tensor[:1] for where, tensor in self.encoder.tensors.items()}
        for where in self.decoder[0].tensors:
            parts = [
                _row(recorder.tensors[where], row)
                for recorder, row in zip(self.decoder, path, strict=False)
                if where in recorder.tensors
            ]
            found[where] = _below(where, parts)
        return found


def _row(tensor: Tensor, row: int) -> Tensor:
    """One hypothesis of all, as a batch of one; what all share is there once."""
    at = min(row, len(tensor) - 1)
    return tensor[at : at + 1]


def _below(where: Where, parts: Sequence[Tensor]) -> Tensor:
    """The rows of all passes; what is of the source is the same in each. A row sees nothing that came after it."""
    site, place = where
    axes = AXES[site]
    if len(parts) == 1 or (place.endswith(".cross") and site in _OF_SOURCE):
        return parts[0]
    if Axis.KEY in axes and Axis.QUERY in axes:
        width = parts[-1].shape[-1]
        parts = [torch.nn.functional.pad(part, (0, width - part.shape[-1])) for part in parts]
    axis = next((at for at, axis in enumerate(axes, 1) if axis in (*_GROWS, Axis.KEY)), 1)
    return torch.cat(list(parts), dim=axis)


def write(
    network: EncoderDecoder, source: Ids, start: Ids, steps: int, writing: Writing, *, sites: Collection[Site]
) -> tuple[list[int], Passes]:
    """The ids that a network writes after `start`, and what was noted meanwhile; `writing` knows what ends them."""
    encoder, passes = Recorder((), sites), list[Recorder]()
    with torch.no_grad(), recording(encoder):
        encoded = network.encode(source)
    rows = writing.strategy.rows
    encoded, source, target = (each.expand(rows, *each.shape[1:]) for each in (encoded, source, start))
    cache = Cache()
    while True:
        passes.append(Recorder((), sites))
        with torch.no_grad(), recording(passes[-1]):
            logits = network.decode(target, encoded, source, cache)[:, -1]
        chosen = _searched(logits, writing) if writing.growth else _chosen(logits, writing)
        if writing.growth and writing.growth.is_over:
            return list(writing.growth.best()), Passes(encoder, passes)
        parents, tokens = (torch.tensor(each) for each in zip(*chosen, strict=True))
        target = torch.cat([target[parents], tokens[:, None]], dim=1)
        if writing.growth:
            cache.reorder(parents)
        elif len(passes) == steps or int(tokens) in writing.ends or writing.stops():
            return target[0, start.shape[1] :].tolist(), Passes(encoder, passes)


def _chosen(logits: Tensor, writing: Writing) -> list[tuple[int, int]]:
    return [(0, int(writing.weighed(logits).argmax()))]


def _searched(logits: Tensor, writing: Writing) -> list[tuple[int, int]]:
    """The hypotheses to go on with: row and token of each."""
    growth = writing.growth
    assert growth is not None
    log_probabilities = writing.weighed(logits.log_softmax(dim=-1))
    sums = (log_probabilities + torch.from_numpy(growth.totals)[:, None]).flatten()
    best = sums.topk(min(growth.looks_at, len(sums))).indices
    writing.stops()
    size = logits.shape[-1]
    return writing.branched([(int(each) // size, int(each) % size) for each in best])
