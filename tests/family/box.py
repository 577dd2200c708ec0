"""What is in the box of the family, and which of its figures fall short."""

import pytest

from models.catalog import BUILTIN

SHORT = {
    "builtin/bert": {"sense.bank"},
    "builtin/gpt": {"exact.svo", "exact.unknown"},
    "builtin/moe": {"exact.svo"},
    "builtin/moe-sparse": {"exact.svo"},
}
"""Figures below what is asked, by some sentences in a hundred; README and the cards say so. No other may join them."""


def needs(name):
    """Skip a test of a model that is not in the box yet."""
    if name not in BUILTIN:
        pytest.skip(f"{name} is not in the box")
