"""Train the models in the box anew: `python scripts/train.py translator [--only guided|plain] [--steps N] [--seed N]`.

Two models, one core each: about five minutes on two free cores. Then the held-out figures of both are printed
beside what is asked of them, and `assets/checkpoints/builtin/` holds the new models.
"""

from __future__ import annotations

import sys

import _environment as environment

if __name__ == "__main__":
    environment.prepare("requirements.txt")
    environment.become("-m", "scripts._translators", *sys.argv[1:], OMP_NUM_THREADS="1")
