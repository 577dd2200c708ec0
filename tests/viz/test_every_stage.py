"""Every stage of tiny models from their configuration classes, computed again from their own parameters."""

import pytest
import torch

from tests.viz.proof.runs import TINY, tiny_run
from tests.viz.proof.table import faults

torch.set_num_threads(1)


@pytest.mark.parametrize("name", TINY)
def test_every_stage_is_computed_again(name):
    found = list(faults(tiny_run(name)))
    assert not found, "\n".join(found)
