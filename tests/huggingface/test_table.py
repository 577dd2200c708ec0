"""Every architecture that is tried is proved, and the tables of both READMEs say what was found."""

import numpy as np
import pytest

from tests.huggingface.architectures import ARCHITECTURES, examined
from tests.huggingface.table import HEADERS, TOLERANCE, WRITE, between, is_to_be_written, table, write

EAGER_DIFFERS = {"granite_swa", "falcon, ALiBi"}
"""granite_swa's eager weights lack the sink's part; Falcon's eager adds ALiBi in another way than its sdpa."""


def test_at_least_seventy_architectures_are_tried():
    assert len({architecture.config for architecture in ARCHITECTURES.values()}) >= 70


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_head_of_every_architecture_is_proved(name):
    assert examined(name).trace.blocks
    assert examined(name).error <= TOLERANCE


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_weights_are_those_of_the_models_own_eager_attention(name):
    difference = examined(name).difference
    assert difference is not None
    assert (difference > TOLERANCE) == (name in EAGER_DIFFERS)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_logits_are_bit_by_bit_those_of_a_model_never_wrapped(name):
    trace, logits = examined(name).trace, examined(name).logits
    assert (trace.logits is None) == (logits is None)
    if trace.logits is not None and logits is not None:
        np.testing.assert_array_equal(trace.logits, logits.reshape(trace.logits.shape))


@pytest.mark.parametrize("readme", HEADERS)
def test_the_readme_shows_the_table_of_what_was_found(readme):
    if is_to_be_written():
        write(readme)
    assert between(readme) == table(readme), f"{WRITE}=1 python scripts/test.py {__file__} writes it anew"
