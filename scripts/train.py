"""Train the models in the box anew: `python scripts/train.py all`, or one: `python scripts/train.py gpt [--seed N]`.

At most ten minutes a model on two cores; those that need but one train side by side. Each tells its loss, some
held-out figures and the time left; Ctrl-C stops, and the same command goes on where it stopped. At the end all held-out figures are printed
beside what is asked, and `assets/checkpoints/builtin/` holds the new models.
"""

from __future__ import annotations

import sys

import _environment as environment

if __name__ == "__main__":
    environment.prepare("requirements.txt")
    environment.become("-m", "scripts._training", *sys.argv[1:], OMP_NUM_THREADS="1")
