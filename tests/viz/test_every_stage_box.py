"""Every stage of the models in the box, computed again from their own parameters."""

import pytest
import torch

from models.catalog import BUILTIN
from tests.viz.proof.runs import BOX, box_run
from tests.viz.proof.table import faults

torch.set_num_threads(1)


@pytest.mark.parametrize("name", [name.removeprefix("builtin/") for name in BUILTIN])
def test_every_stage_is_computed_again(name):
    found = list(faults(box_run(name)))
    assert not found, "\n".join(found)
