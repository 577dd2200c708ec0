"""Runs of the shipped model that many tests look at, each made once."""

import pytest
import torch

from models import Request

torch.set_num_threads(1)

REQUESTS = {
    "English to French": Request(
        "builtin/translator", "The animal didn't cross the street because it was too tired."
    ),
    "English to Chinese": Request("builtin/translator", "The weather is nice today.", language="zh"),
    "a given target": Request("builtin/translator", "今天\"天气'很好", target="<en> the weather isn't"),
}


@pytest.fixture(scope="session", params=REQUESTS)
def request_made(request):
    return REQUESTS[request.param]


@pytest.fixture(scope="session")
def trace(request_made):
    return request_made.run()
