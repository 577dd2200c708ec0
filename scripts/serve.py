"""Start the app: `python scripts/serve.py [--host ADDRESS] [--port NUMBER] ...`.

The first run makes `.venv` and installs what the app needs; later runs start at once.
All arguments are handed to `app.py`, which prints the address to open.
"""

from __future__ import annotations

import sys

import _environment as environment


def main() -> None:
    """The app, in the project's own environment."""
    environment.prepare("requirements.txt")
    environment.say("starting the app")
    environment.become("app.py", *sys.argv[1:])


if __name__ == "__main__":
    main()
