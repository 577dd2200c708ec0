"""Check style, types and architecture: `python scripts/check.py [--fix]`.

`--fix` lets ruff repair and format what it can before the checks run.
"""

from __future__ import annotations

import sys

import _environment as environment

REPAIRS = (("ruff", "check", "--fix", "--quiet", "."), ("ruff", "format", "--quiet", "."))
CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("pyright",),
    ("pytest", "--quiet", "tests/test_architecture.py"),
)


def passes(command: tuple[str, ...]) -> bool:
    """Whether one tool, run from the project's own environment, is content."""
    environment.say(" ".join(command))
    return environment.run("-m", *command) == 0


def main() -> None:
    """Every check, even after one has failed, so that one run shows all there is to mend."""
    environment.prepare("requirements-dev.txt")
    if "--fix" in sys.argv[1:]:
        for command in REPAIRS:
            passes(command)
    failed = [" ".join(command) for command in CHECKS if not passes(command)]
    if failed:
        environment.stop(f"checks failed: {', '.join(failed)}")
    environment.say("all checks passed")


if __name__ == "__main__":
    main()
