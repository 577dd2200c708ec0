"""The document of a generation says, for every step, what adds up to the word that was chosen."""

import json
import math

import pytest

from models import generate
from models.trace import Site
from viz.generated import SHOWN, generated

TEXT = "the black cat sleeps"


@pytest.fixture(
    scope="module",
    params=[{}, {"strategy": "sample", "temperature": 0.7, "top_k": 8, "top_p": 0.95, "seed": 3}],
)
def written(request):
    return generate("builtin/translator", TEXT, **request.param)


@pytest.fixture(scope="module")
def said(written):
    return json.loads(json.dumps(generated(written, "g0.key"), allow_nan=False))


def test_every_token_is_its_logit_divided_exponentiated_and_shared(written, said):
    heat = said["strategy"]["temperature"]
    for step, told in zip(written.steps, said["steps"], strict=True):
        for token in told["shown"]:
            assert token["logit"] == pytest.approx(float(step.logits[token["id"]]))
            assert token["divided"] == pytest.approx(token["logit"] / heat, rel=1e-5)
            if not token["cut"]:
                exponential = math.exp(token["divided"] - told["largest"])
                assert token["exponential"] == pytest.approx(exponential, rel=1e-4)
                assert token["after"] == pytest.approx(exponential / told["total"], rel=1e-4)
            else:
                assert token["after"] == token["exponential"] == 0
        assert sum(token["before"] for token in told["shown"]) + told["restBefore"] == pytest.approx(
            1, abs=1e-4
        )
        assert sum(token["after"] for token in told["shown"]) + told["restAfter"] == pytest.approx(
            1, abs=1e-4
        )


def test_the_choice_is_among_what_is_shown(written, said):
    for step, told in zip(written.steps, said["steps"], strict=True):
        assert told["text"] == step.choice.text
        assert told["id"] in [token["id"] for token in told["shown"]]
        assert SHOWN <= len(told["shown"]) <= SHOWN + 1


def test_a_cache_holds_keys_and_values_and_only_the_new_row_is_computed(written, said):
    card = written.trace.model
    each = card.d_model * 2 * 2  # keys and values of two layers
    source = len(written.trace.tokens["encoder"])
    assert said["cache"] == {"perPosition": each, "fixed": each * source}
    assert [(step["kept"], step["computed"]) for step in said["steps"]] == [
        (number, 1) for number in range(len(written.steps))
    ]


def test_the_manifest_inside_is_that_of_the_whole_text(written, said):
    tokens = [token["text"] for token in said["run"]["tokens"][said["stream"]]]
    assert tokens[said["first"] + 1 :] == [step["text"] for step in said["steps"][:-1]]
    assert said["run"]["key"] == "g0.key"
    assert said["output"] == written.text


def test_a_tree_crosses_whole():
    written = generate("builtin/translator", TEXT, strategy="beam", beams=2)
    tree = json.loads(json.dumps(generated(written, "g0.key"), allow_nan=False))["tree"]
    for step, number in enumerate(tree["winner"]):
        assert tree["steps"][step][number]["text"] == written.steps[step].choice.text
    last = tree["steps"][len(tree["winner"]) - 1][tree["winner"][-1]]
    assert last["score"] == pytest.approx(last["total"] / len(tree["winner"]), rel=1e-5)
    assert tree["finished"][0] == [len(tree["winner"]) - 1, tree["winner"][-1]]


def test_a_recurrent_network_keeps_one_state():
    written = generate("builtin/seq2seq", TEXT)
    units = written.trace.array(Site.STATE, "decoder").shape[1]
    assert generated(written, "g0.key")["cache"] == {"perPosition": 0, "fixed": units}
