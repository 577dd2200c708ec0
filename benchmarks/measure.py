"""How a time is taken: inside the page, from what the person does to the frame in which its result is painted."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

PAINTED = """
window.painted = (then) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => then(performance.now());
  channel.port2.postMessage(0);
});
"""
"""Calls `then` with the time just after the next frame was painted: a message is delivered after its frame."""

FIRST = (
    PAINTED
    + """
window.firstDrawn = new Promise((resolve) => {
  const look = () => (window.isDrawn() ? window.painted(resolve) : requestAnimationFrame(look));
  requestAnimationFrame(look);
});
"""
)
"""`firstDrawn`: milliseconds from the start of the navigation to the first frame in which `isDrawn()` holds."""

HOVER = (
    PAINTED
    + """
window.moves = [];
window.work = [];
window.addEventListener("pointermove", (event) => {
  const [before, start] = [window.shown(), performance.now()];
  window.addEventListener("pointermove", () => window.work.push(performance.now() - start), { once: true });
  window.painted((now) => window.shown() !== before && window.moves.push(now - event.timeStamp));
}, { capture: true });
"""
)
"""`moves`: milliseconds from each movement of the pointer that changed `shown()` to the frame that shows the change.
`work`: milliseconds that the page's own code took for each movement."""


@dataclass(frozen=True)
class Figure:
    """A measured time in milliseconds: the median and the 95th percentile of `n`, and what it should stay below."""

    name: str
    median: float
    p95: float
    n: int
    aim: float | None = None

    @classmethod
    def of(cls, name: str, times: Sequence[float], aim: float | None = None) -> Figure:
        """The figure of some times.

        Raises:
            ValueError: fewer than five.
        """
        if len(times) < 5:
            raise ValueError(f"{name}: {len(times)} times; a median of at least five is wanted")
        ordered = sorted(times)
        last = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
        return cls(name, round(statistics.median(ordered), 1), round(last, 1), len(ordered), aim)

    def as_json(self) -> dict:
        return asdict(self)
