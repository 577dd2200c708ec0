"""The words in another order, with positions and without."""

import numpy as np
import pytest

from models import Request, Site
from models.errors import BadRequest
from models.orders import parsed, reordered

TEXT = "the weather is nice today"
ORDER = "3,0,4,2,1,5"


def last(**given):
    return Request("builtin/translator", TEXT, language="fr", **given).run().array(Site.RESIDUAL, "encoder.1")


def test_an_order_is_a_list_of_places():
    assert parsed(None) is None
    assert parsed("2,0,1") == (2, 0, 1)
    assert reordered("abc", (2, 0, 1)) == ("c", "a", "b")
    assert reordered("abc", None) == ("a", "b", "c")
    for wrong in ("", "a,b", "1;2"):
        with pytest.raises(BadRequest):
            parsed(wrong)
    for wrong in ((0, 1), (0, 1, 1), (0, 1, 3)):
        with pytest.raises(BadRequest, match="each of which"):
            reordered("abc", wrong)


def test_without_positions_the_outputs_are_those_of_before_in_another_order():
    order = list(parsed(ORDER) or ())
    first, other = last(positions="off"), last(positions="off", order=ORDER)
    assert np.abs(first[order] - other).max() < 1e-5
    assert np.abs(first - last()).max() > 0.1


def test_with_positions_they_are_not():
    assert np.abs(last()[list(parsed(ORDER) or ())] - last(order=ORDER)).max() > 0.1


def test_without_positions_nothing_is_added():
    trace = Request("builtin/translator", TEXT, language="fr", positions="off").run()
    for stream in ("encoder", "decoder"):
        assert not trace.array(Site.POSITION_ENCODING, stream).any()
        added = trace.array(Site.RESIDUAL, stream) - trace.array(Site.TOKEN_EMBEDDING, stream)
        assert not added.any()


def test_a_key_holds_the_order_and_an_ordinary_key_says_nothing_of_it():
    mixed = Request("builtin/translator", TEXT, order=ORDER, positions="off")
    assert Request.from_key(mixed.key) == mixed
    assert mixed.key != Request("builtin/translator", TEXT).key
    assert "order" not in Request("builtin/translator", TEXT)._said()


def test_positions_are_off_or_as_ever():
    with pytest.raises(BadRequest, match="say off"):
        Request("builtin/translator", TEXT, positions="sometimes").run()


def test_a_recurrent_network_has_no_positions_to_switch_off():
    with pytest.raises(Exception, match="PositionsOff"):
        Request("builtin/seq2seq", TEXT, positions="off").run()
