"""Norms and feed-forward networks: computed again in float64 from what was recorded and the model's own parameters."""

import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional

from models import Site, Trace
from models.huggingface.wrap import wrap
from tests.huggingface.zoo import IDS, ZOO, built

LAYER_NORMS = ("gpt2", "bert", "distilbert", "opt", "bloom", "phi", "vit")
ROOT_NORMS = ("llama", "qwen3", "gemma", "t5", "mixtral", "deepseek_v3")
NETWORKS = {
    "gpt2": lambda x: functional.gelu(x, approximate="tanh"),
    "bert": functional.gelu,
    "vit": functional.gelu,
    "opt": functional.relu,
    "t5": functional.relu,
    "llama": functional.silu,
    "qwen3": functional.silu,
    "gemma": lambda x: functional.gelu(x, approximate="tanh"),
    "deepseek_v3": functional.silu,
}


def trace_of(name: str) -> Trace:
    return wrap(built(name)).record(inputs=ZOO[name].inputs())


def double(trace: Trace, site: Site, place: str) -> torch.Tensor:
    return torch.tensor(trace.array(site, place), dtype=torch.float64)


def near(made: torch.Tensor, wanted: torch.Tensor) -> bool:
    return torch.allclose(made, wanted, rtol=0, atol=2e-5 * max(1.0, float(wanted.abs().max())))


def given_to_norms(trace: Trace) -> list[tuple[Site, str]]:
    """Each norm of the trace by what it received: before a sublayer or at the end, or after a sublayer the sum."""
    before = {place for site, place in trace.arrays if site is Site.NORM_INPUT}
    places = {place for site, place in trace.arrays if site is Site.NORM_WEIGHT}
    return [(Site.NORM_INPUT if place in before else Site.RESIDUAL_SUM, place) for place in sorted(places)]


@pytest.mark.parametrize("name", LAYER_NORMS)
def test_layer_norm_is_computed_again(name):
    trace = trace_of(name)
    norms = given_to_norms(trace)
    assert {place.rsplit(".", 1)[-1] for _, place in norms} >= {"self"}
    for site, place in norms:
        x, gamma, beta = (double(trace, one, place) for one in (site, Site.NORM_WEIGHT, Site.NORM_BIAS))
        centred = x - x.mean(dim=1, keepdim=True)
        root = (centred.square().mean(dim=1, keepdim=True) + double(trace, Site.NORM_EPSILON, place)).sqrt()
        assert near(gamma * centred / root + beta, double(trace, Site.NORM, place)), place


@pytest.mark.parametrize("name", ROOT_NORMS)
def test_rms_norm_is_computed_again_and_has_no_shift(name):
    trace = trace_of(name)
    norms = given_to_norms(trace)
    assert norms
    for site, place in norms:
        x, gamma = double(trace, site, place), double(trace, Site.NORM_WEIGHT, place)
        root = (x.square().mean(dim=1, keepdim=True) + double(trace, Site.NORM_EPSILON, place)).sqrt()
        assert near(gamma * x / root, double(trace, Site.NORM, place)), place
        assert (Site.NORM_BIAS, place) not in trace.arrays


@pytest.mark.parametrize("name", NETWORKS)
def test_a_feed_forward_network_is_computed_again_from_what_enters_it(name):
    trace = trace_of(name)
    places = [place for site, place in trace.arrays if site is Site.UP]
    assert places
    for place in places:
        x = double(trace, Site.MLP_INPUT, place)
        up = x @ double(trace, Site.UP_WEIGHT, place) + double(trace, Site.UP_BIAS, place)
        assert near(up, double(trace, Site.UP, place))
        is_gated = (Site.GATE, place) in trace.arrays
        if is_gated:
            gate = x @ double(trace, Site.GATE_WEIGHT, place) + double(trace, Site.GATE_BIAS, place)
            assert near(gate, double(trace, Site.GATE, place))
            hidden = NETWORKS[name](gate) * up
        else:
            hidden = NETWORKS[name](up)
        assert near(hidden, double(trace, Site.HIDDEN, place))
        made = hidden @ double(trace, Site.DOWN_WEIGHT, place) + double(trace, Site.DOWN_BIAS, place)
        assert near(made, double(trace, Site.MLP_OUTPUT, place))


def test_the_matrices_are_the_model_s_own():
    model = ZOO["llama"].build()  # changed below, so not the shared one
    trace = wrap(model).record(inputs={"input_ids": IDS})
    mlp, place = model.model.layers[1].mlp, "decoder.1.mlp"
    for site, module in (
        (Site.GATE_WEIGHT, mlp.gate_proj),
        (Site.UP_WEIGHT, mlp.up_proj),
        (Site.DOWN_WEIGHT, mlp.down_proj),
    ):
        np.testing.assert_array_equal(trace.array(site, place), module.weight.detach().numpy().T)
    with torch.no_grad():
        mlp.up_proj.weight += 1
    np.testing.assert_array_equal(trace.array(Site.UP_WEIGHT, place), mlp.up_proj.weight.detach().numpy().T)


def test_an_activation_that_is_not_known_is_not_told():
    model = ZOO["opt"].build()
    for layer in model.model.decoder.layers:
        layer.activation_fn = torch.nn.Tanh()
    trace = wrap(model).record(inputs={"input_ids": IDS})
    assert not [place for site, place in trace.arrays if site is Site.UP]
    assert [place for site, place in trace.arrays if site is Site.MLP_OUTPUT]


def test_a_pickled_trace_holds_its_parameters_as_plain_arrays():
    trace = trace_of("llama")
    again = pickle.loads(pickle.dumps(trace))
    for site in (Site.NORM_WEIGHT, Site.NORM_EPSILON):
        stored = again.arrays[site, "decoder.0.self"]
        assert isinstance(stored, np.ndarray)
        np.testing.assert_array_equal(stored, trace.array(site, "decoder.0.self"))


def test_no_one_changes_a_model_through_its_trace():
    trace = trace_of("gpt2")
    with pytest.raises(ValueError, match="read-only"):
        trace.array(Site.UP_WEIGHT, "decoder.0.mlp")[0, 0] = 1
