"""Everything measured in one run: a table for people and a line of `results.jsonl` for comparing."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks import bertviz_view, crowd, explorer, recording, stages, writing
from benchmarks.measure import Figure
from models import record
from models.catalog import BUILTIN
from tests.browser.server import ARGUMENTS, ROOT, AppServer, browser_path

RESULTS = Path(__file__).parent / "results.jsonl"
TEXT = "The animal didn't cross the street because it was too tired."


@dataclass
class Results:
    """What was measured: times, sizes in bytes, how many times smaller or faster we are, and remarks."""

    figures: list[Figure] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def time(self, figure: Figure) -> Figure:
        """Keep and print a time."""
        self.figures.append(figure)
        print(row(figure), flush=True)
        return figure

    def compare(self, name: str, theirs: float, ours: float) -> None:
        """Keep a ratio; above 1 it is in our favour."""
        self.ratios[name] = round(theirs / ours, 1)


def machine() -> dict[str, str | int | float]:
    """Where this was measured, and how busy it was."""
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else -1.0
    return {
        "cpus": os.cpu_count() or 0,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "load": load,
    }


def revision() -> str:
    """The commit, with a mark if the files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip()


def row(figure: Figure) -> str:
    """A line of the table."""
    aim = f"{figure.aim:.0f}" if figure.aim else ""
    return f"{figure.name:<52}{figure.median:>9.1f}{figure.p95:>9.1f}{figure.n:>6}{aim:>7}"


def ours(browser: Browser, server: AppServer, results: Results, scale: int) -> None:
    """The figures that have an aim."""
    results.time(explorer.cold(browser, server, 5 * scale))
    results.time(explorer.runs(browser, server, 10 * scale))
    for figure in explorer.hover(browser, server, 100 * scale):
        results.time(figure)
    sizes = explorer.weight(browser, server)
    results.sizes |= {f"cold page, {name}": size for name, size in sizes.items()}
    results.sizes["cold page, all"] = sum(sizes.values())


def beside_bertviz(browser: Browser, results: Results, folder: Path) -> None:
    """All heads of one run in BertViz's head view, beside our page with the same run."""
    html = bertviz_view.of_trace(record(BUILTIN[0], TEXT, language="fr"))
    opened, pointed = view(browser, results, folder, name="BertViz, 24 heads of one run", html=html)
    cold, run, hover, *_ = results.figures
    results.compare("24 heads, first picture: BertViz opened ÷ our cold page", opened.median, cold.median)
    results.compare("24 heads, new sentence: BertViz opened ÷ our Run", opened.median, run.median)
    results.compare("24 heads, hover p95: BertViz ÷ ours", pointed.p95, hover.p95)
    results.compare(
        "24 heads, bytes: BertViz ÷ our arrays", len(html.encode()), results.sizes["cold page, arrays"]
    )


def crowded(browser: Browser, server: AppServer, results: Results, folder: Path, repeats: int) -> None:
    """144 heads of 64 tokens, on our page and in BertViz's head view."""
    run, hover, sent = crowd.crowd(browser, server, repeats)
    results.sizes[results.time(run).name] = sent
    results.time(hover)
    tokens = [token.text for token in record(BUILTIN[0], crowd.TEXT, language="fr").tokens["encoder"]]
    html = bertviz_view.of_weights(crowd.weights(), tokens)
    opened, pointed = view(browser, results, folder, name="BertViz, 144 heads × 64 tokens", html=html)
    results.compare("144 heads, new text: BertViz opened ÷ our Run", opened.median, run.median)
    results.compare("144 heads, hover p95: BertViz ÷ ours", pointed.p95, hover.p95)
    results.compare("144 heads, bytes: BertViz ÷ ours", len(html.encode()), sent)


def view(browser: Browser, results: Results, folder: Path, *, name: str, html: str) -> tuple[Figure, Figure]:
    """BertViz: the time to its first picture, and its answer to the pointer."""
    file = folder / "view.html"
    file.write_text(html, encoding="utf-8")
    results.sizes[name] = file.stat().st_size
    opened = results.time(bertviz_view.drawn(browser, file, f"{name}: opened → drawn", 5))
    return opened, results.time(bertviz_view.hover(browser, file, f"{name}: hover → painted", 100))


def measure(scale: int) -> Results:
    """Everything, on a server and in a browser of their own."""
    results = Results()
    server = AppServer()
    server.start()
    try:
        with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
            browser = playwright.chromium.launch(executable_path=browser_path(), args=ARGUMENTS)
            ours(browser, server, results, scale)
            if bertviz_view.fetch_libraries(Path(folder)):
                beside_bertviz(browser, results, Path(folder))
                crowded(browser, server, results, Path(folder), 5 * scale)
            else:
                results.remarks.append("no BertViz: npm could not fetch d3 and jquery")
            browser.close()
    finally:
        server.close()
    return results


def report(results: Results, where: dict, seconds: float) -> None:
    """The rest of the table."""
    print("\nbytes")
    for name, size in results.sizes.items():
        print(f"  {name:<60}{size:>14,}")
    print("\nratios (above 1 is in our favour)")
    for name, ratio in results.ratios.items():
        print(f"  {name:<60}{ratio:>14,}")
    for remark in results.remarks:
        print(remark)
    print(f"\n{closing(where, seconds)}")


def closing(where: dict, seconds: float) -> str:
    """Where it was measured, and how long that took."""
    return f"{where['cpus']} CPUs, load {where['load']}, {where['platform']}, Python {where['python']}; {seconds:.0f} s"


def page(quick: bool) -> dict:
    """The page, in a real browser."""
    where, started = machine(), time.monotonic()
    print(f"{'milliseconds':<52}{'median':>9}{'p95':>9}{'n':>6}{'aim':>7}")
    results = measure(1 if quick else 2)
    report(results, where, time.monotonic() - started)
    return {
        "machine": where,
        "times_ms": [figure.as_json() for figure in results.figures],
        "bytes": results.sizes,
        "ratios": results.ratios,
        "remarks": results.remarks,
    }


def record_models(quick: bool) -> dict:
    """Recording large models, without a browser."""
    where, started = machine(), time.monotonic()
    cases = recording.measure(quick)
    print(f"\n{closing(where, time.monotonic() - started)}, load {machine()['load']} afterwards")
    return {"machine": where, "recording": [case.as_json() for case in cases]}


def change_stages(quick: bool) -> dict:
    """From stage to stage of the walk, in a real browser."""
    where, started, results = machine(), time.monotonic(), Results()
    print(f"{'milliseconds':<52}{'median':>9}{'p95':>9}{'n':>6}{'aim':>7}")
    server = AppServer()
    server.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path(), args=ARGUMENTS)
            figures = [results.time(figure) for figure in stages.changes(browser, server, 1 if quick else 2)]
            browser.close()
    finally:
        server.close()
    ratios = {
        figure.name: round(figure.p95 / plain.p95, 1)
        for *visits, plain in zip(*(figures[part::3] for part in range(3)), strict=True)
        for figure in visits
    }
    print("\np95 ÷ that of the plain frame")
    for name, ratio in ratios.items():
        print(f"  {name:<50}{ratio:>9}")
    print(f"\n{closing(where, time.monotonic() - started)}")
    return {"machine": where, "times_ms": [figure.as_json() for figure in figures], "ratios": ratios}


def write_text(quick: bool) -> dict:
    """Generation with recording, without a browser."""
    where, started = machine(), time.monotonic()
    cases = writing.measure(quick)
    print(f"\n{closing(where, time.monotonic() - started)}, load {machine()['load']} afterwards")
    return {"machine": where, "generation": [case.as_json() for case in cases]}


def main() -> None:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(prog="python scripts/bench.py")
    parser.add_argument("what", nargs="?", choices=("page", "stages", "record", "generate"), default="page")
    parser.add_argument(
        "--quick", action="store_true", help="the fewest repeats that give a median; fewer sizes"
    )
    asked = parser.parse_args()
    measure_what = {"page": page, "stages": change_stages, "record": record_models, "generate": write_text}
    measured = measure_what[asked.what](asked.quick)
    line = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": revision(),
        **measured,
    }
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
