"""Where a model is put. Without a GPU nothing changes; that a GPU computes is not shown here."""

import pytest
import torch

from models.huggingface import device
from models.huggingface.device import beside, first_device, placed, placement
from tests.huggingface.zoo import IDS, built


class Model:
    """Remembers where it was sent."""

    where = "cpu"

    def to(self, where):
        self.where = where
        return self


@pytest.mark.parametrize(
    ("gpu", "accelerate", "told", "where"),
    [
        (False, False, {}, "cpu"),
        (False, True, {}, "cpu"),
        (True, True, {"device_map": "auto"}, "cuda"),
        (True, False, {}, "cuda"),
    ],
)
def test_a_gpu_is_used_where_there_is_one(monkeypatch, gpu, accelerate, told, where):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(device, "find_spec", lambda name: accelerate or None)
    assert placement() == told
    assert placed(Model()).where == where


def test_what_accelerate_has_placed_stays_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    model = Model()
    model.hf_device_map = {"": 0}  # pyright: ignore[reportAttributeAccessIssue]
    assert placed(model).where == "cpu"


def test_inputs_stand_beside_the_first_weights():
    model = torch.nn.Linear(2, 2, device="meta")
    inputs = beside(model, {"input_ids": IDS, "use_cache": False})
    assert inputs["input_ids"].device == first_device(model) == torch.device("meta")
    assert inputs["use_cache"] is False
    assert beside(built("gpt2"), {"input_ids": IDS})["input_ids"] is IDS
