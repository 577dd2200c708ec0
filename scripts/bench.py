"""Measure the page, the way from stage to stage, how large models are recorded, or how fast text is written while every
step is kept: `python scripts/bench.py [page | stages | record | generate] [--quick]`.

Prints a table and appends a line to `benchmarks/results.jsonl`. The measuring itself is in `benchmarks/`.
"""

from __future__ import annotations

import sys

import _environment as environment


def main() -> None:
    """The benchmark, in the project's own environment."""
    if not environment.PYTHON.exists():
        environment.prepare("requirements-dev.txt")
    environment.become("-m", "benchmarks", *sys.argv[1:], HF_HUB_OFFLINE="1")


if __name__ == "__main__":
    main()
