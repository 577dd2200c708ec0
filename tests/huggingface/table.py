"""The table of architectures: a row for each, computed from its recorded run, as Markdown between two comments.

Nothing in a row is typed: what is special is read from the arrays of the trace, and what is absent is what a trace of
that shape could hold and this one does not.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.huggingface.windows import WindowGrid
from models.trace import Block, Site, Trace
from tests.huggingface.architectures import ARCHITECTURES, Examined, examined

ROOT = Path(__file__).resolve().parents[2]
START, END = "<!-- architectures -->", "<!-- /architectures -->"
WRITE = "WRITE_TABLE"
TOLERANCE = 1e-5

ROUTES = {"interface": "fast"}
MAPS = (Site.QUERY_WEIGHT, Site.KEY_WEIGHT, Site.VALUE_WEIGHT, Site.OUTPUT_WEIGHT)
CODES = {
    Site.TOKEN_EMBEDDING: "embedding",
    Site.POSITION_ENCODING: "position",
    Site.RESIDUAL: "residual",
    Site.QUERY_INPUT: "input",
    Site.KEY_INPUT: "input",
    Site.ANGLE: "angle",
    Site.PAIR: "angle",
    Site.ATTENTION_OUTPUT: "output",
    Site.NORM: "norm",
    Site.RESIDUAL_SUM: "sum",
    Site.HIDDEN: "hidden",
    Site.MLP_OUTPUT: "mlp",
    Site.LOGITS: "logits",
} | dict.fromkeys(MAPS, "maps")
"""What a missing site is called in the table."""

HEADERS = {
    "README.md": ("architecture", "kind", "route", "positions", "special", "Δ", "absent"),
    "README.zh-CN.md": ("架构", "类型", "记录方式", "位置", "特别之处", "Δ", "没有的量"),
}


def line(name: str) -> str:
    """One row of the table."""
    seen = examined(name)
    trace = seen.trace
    routes = (ROUTES.get(block.route, block.route) for block in trace.blocks)
    cells = (
        name,
        trace.model.kind,
        ", ".join(dict.fromkeys(routes)),
        ", ".join(dict.fromkeys(encoding.kind for encoding in trace.positions)),
        ", ".join(special(trace)),
        verdict(seen.difference),
        ", ".join(absent(seen)),
    )
    return f"| {' | '.join(cell or '–' for cell in cells)} |"


def verdict(difference: float | None) -> str:
    """✓ within rounding of eager, ≠ where eager shows something else, – where it shows nothing."""
    return "" if difference is None else "✓" if difference <= TOLERANCE else "≠"


def special(trace: Trace) -> Iterator[str]:
    """The parts of attention that not every model has."""
    yield from sorted({f"K/V {b.kv_heads}/{b.heads}" for b in trace.blocks if b.kv_heads < b.heads})
    of_blocks = {
        "rotated": Site.QUERY_UNROTATED,
        "bias": Site.BIAS,
        "sink": Site.SINK,
    }
    for word, site in of_blocks.items():
        yield from _share(word, [(site, block.name) in trace.arrays for block in trace.blocks])
    yield from _share("cap", [block.softcap is not None for block in trace.blocks])
    shapes = [_shape(trace, block) for block in trace.blocks]
    for word in ("window", "slide", "sparse"):
        yield from _share(word, [shape == word for shape in shapes])
    yield from ["experts"] if any(site is Site.ROUTER for site, _ in trace.arrays) else []
    yield from _hybrid(trace)


def _hybrid(trace: Trace) -> Iterator[str]:
    """In how many of its layers a model of one stack attends, where not in all."""
    stacks = {"encoder": 1, "decoder": 1, "encoder-decoder": 2}.get(trace.model.kind, 0)
    attended = {block.name.split(".")[1].split(":")[0] for block in trace.blocks}
    if len(attended) * stacks < trace.model.layers and stacks:
        yield f"attention in {len(attended)}/{trace.model.layers // stacks} layers"


def _share(word: str, found: list[bool]) -> Iterator[str]:
    """The word where every block has the part; with how many have it where only some do."""
    if any(found):
        yield word if all(found) else f"{word} {sum(found)}/{len(found)}"


def _shape(trace: Trace, block: Block) -> str:
    """Which keys a mask leaves out beside those that come later and those that are padding."""
    mask = trace.arrays[Site.MASK, block.name]
    if isinstance(mask, WindowGrid):
        return "window"
    allowed = np.asarray(trace.arrays.get((Site.MASK_PATTERN, block.name), mask))
    if allowed.shape[-2] != allowed.shape[-1] or block.kind == "cross":
        return ""
    rows, keys = np.atleast_1d(allowed.any(axis=(0, 2))), np.atleast_1d(allowed.any(axis=(0, 1)))
    distance = np.subtract.outer(np.arange(len(rows)), np.arange(len(keys)))
    causal = not allowed[:, distance < 0].any()
    looked = rows[:, None] & keys[None, :] & (distance >= 0 if causal else True)
    if allowed[:, looked].all():
        return ""
    even = all(len(set(allowed[:, looked & (distance == d)].flat)) <= 1 for d in np.unique(distance[looked]))
    return "slide" if even else "sparse"


def absent(seen: Examined) -> Iterator[str]:
    """What this trace lacks of what it could hold, why where its numbers tell, and how often where not always."""
    trace = seen.trace
    could = list(possible(trace))
    total = Counter(CODES[site] for site, _ in could)
    missing = Counter(
        (CODES[site], why(trace, site, place)) for site, place in could if (site, place) not in trace.arrays
    )
    for (code, reason), count in sorted(missing.items(), key=lambda item: list(total).index(item[0][0])):
        yield f"{code}{reason}" if count == total[code] else f"{code}{reason} {count}/{total[code]}"
    if seen.unrecorded:
        yield f"attention {len(seen.unrecorded)}/{len(seen.unrecorded) + len(trace.blocks)}"


def possible(trace: Trace) -> Iterator[tuple[Site, str]]:
    """Every site that a trace with these streams, layers and blocks could hold."""
    added = {encoding.where for encoding in trace.positions if encoding.kind in {"learned", "sinusoidal"}}
    for stream in (stream for stream in trace.tokens if ":" not in stream):
        yield Site.TOKEN_EMBEDDING, stream
        yield Site.RESIDUAL, stream
        yield from [(Site.POSITION_ENCODING, stream)] if stream in added else []
    for layer in dict.fromkeys(block.name.rsplit(".", 1)[0] for block in trace.blocks):
        yield Site.RESIDUAL, layer
        yield from ((site, f"{layer}.mlp") for site in (Site.MLP_OUTPUT, Site.HIDDEN, Site.NORM))
    for block in trace.blocks:
        sites = [Site.QUERY_INPUT, *MAPS, Site.ATTENTION_OUTPUT, Site.RESIDUAL_SUM, Site.NORM]
        sites += [Site.KEY_INPUT] if block.kind == "cross" else []
        sites += [Site.ANGLE, Site.PAIR] if (Site.QUERY_UNROTATED, block.name) in trace.arrays else []
        yield from ((site, block.name) for site in sites)
    yield Site.LOGITS, ""


def why(trace: Trace, site: Site, place: str) -> str:
    """The reason that the numbers give: a superscript of the legend."""
    if site is Site.LOGITS:
        return "¹"
    if site is Site.HIDDEN and (Site.ROUTER, place) in trace.arrays:
        return "²"
    if site is Site.RESIDUAL_SUM:
        return _why_no_sum(trace, place.rsplit(".", 1)[0])
    return ""


def _why_no_sum(trace: Trace, layer: str) -> str:
    """Whether the layer adds attention and MLP to the stream at once, or changes what they wrote before adding it."""
    tower, number = layer.split(".", 1)
    before = tower if number == "0" else f"{tower}.{int(number.split(':')[0]) - 1}"
    places = [
        (Site.RESIDUAL, layer),
        (Site.RESIDUAL, before),
        (Site.ATTENTION_OUTPUT, f"{layer}.self"),
        (Site.MLP_OUTPUT, f"{layer}.mlp"),
    ]
    found = [trace.arrays[place] for place in places if place in trace.arrays]
    if len(found) < len(places) or len({array.shape for array in found}) > 1:
        return ""
    after, *parts = found
    return "³" if np.allclose(after, sum(parts), atol=1e-3 * max(1.0, float(np.abs(after).max()))) else "⁴"


def table(readme: str) -> str:
    """The Markdown of all rows under the headers of one README."""
    header = HEADERS[readme]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|", *map(line, sorted(ARCHITECTURES))]
    return "\n".join(lines)


def between(readme: str) -> str:
    """What stands between the two comments of a README."""
    return (ROOT / readme).read_text(encoding="utf-8").split(START)[1].split(END)[0].strip()


def write(readme: str) -> None:
    """Put the table in its place."""
    before, rest = (ROOT / readme).read_text(encoding="utf-8").split(START)
    after = rest.split(END)[1]
    (ROOT / readme).write_text(f"{before}{START}\n\n{table(readme)}\n\n{END}{after}", encoding="utf-8")


def is_to_be_written() -> bool:
    return bool(os.environ.get(WRITE))
