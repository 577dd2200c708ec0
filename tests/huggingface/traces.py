"""One trace of each model of the zoo, for all tests that only look at it."""

from functools import cache

from models.huggingface.wrap import wrap
from models.trace import Trace
from tests.huggingface.zoo import ZOO, built


@cache
def recorded(name: str) -> Trace:
    """The trace of one run on the inputs of its kind."""
    return wrap(built(name)).record(inputs=ZOO[name].inputs())
