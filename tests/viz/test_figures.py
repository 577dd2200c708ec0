"""Figures are pure functions: the same arrays give the same figure, and every cell says what it is."""

import numpy as np
import pytest

from models import Head, Token
from viz.figures import heatmap
from viz.scales import DARK, LIGHT


def head(query=((2.0,), (0.0,)), mask=((True, True, False), (True, True, True))):
    """Two queries, three keys; the first query may not see the third key."""
    key = np.array([[1], [-1], [0]], np.float32)
    nowhere = np.zeros((2, 1), np.float32)
    return Head(np.array(query, np.float32), key, key, np.array(mask), 1.0, nowhere)


QUERIES = (Token(0, "it"), Token(1, "it"))
KEYS = (Token(0, "<fr>"), Token(1, "chat"), Token(2, "&"))


def drawn(**options):
    return heatmap(head(), QUERIES, KEYS, **options).to_dict()


def test_the_weights_of_a_hand_case_are_drawn_so():
    figure = drawn(title="one head")
    cells, masked, broken = figure["data"]
    e = np.exp(np.float32(-4))
    third = np.float32(1) / np.float32(3)
    shown = [[1 / (1 + e), e / (1 + e), None], [third, third, third]]
    for row, expected in zip(cells.pop("z"), shown, strict=True):
        assert row == [pytest.approx(value, abs=1e-6) if value is not None else None for value in expected]
    assert cells == {
        "type": "heatmap",
        "customdata": [[["it", "&lt;fr&gt;"], ["it", "chat"], ["it", "&amp;"]]] * 2,
        "hovertemplate": "%{customdata[0]} → %{customdata[1]}: %{z:.6f}<extra></extra>",
        "hoverongaps": False,
        "colorbar": {"title": {"text": "weights"}},
        "colorscale": [[0, LIGHT.paper], [1, LIGHT.weight]],
        "zmin": 0,
        "zmax": 1,
    }
    assert (masked["name"], masked["x"], masked["y"], masked["marker"]["symbol"]) == (
        "−∞",
        [2],
        [0],
        "x-thin",
    )
    assert (broken["x"], broken["y"]) == ([], [])
    layout = figure["layout"]
    assert layout["title"] == {"text": "one head"}
    assert layout["xaxis"]["ticktext"] == ["&lt;fr&gt;", "chat", "&amp;"]
    assert layout["xaxis"]["tickvals"] == [0, 1, 2]
    assert layout["yaxis"]["ticktext"] == ["it", "it"], "a word that comes twice has two rows"
    assert layout["yaxis"]["autorange"] == "reversed", "the first query is on top"
    assert (layout["xaxis"]["title"]["text"], layout["yaxis"]["title"]["text"]) == ("key", "query")
    assert (layout["paper_bgcolor"], layout["font"]["color"]) == (LIGHT.paper, LIGHT.ink)


def test_scores_are_centred_at_zero_and_shown_before_the_mask():
    cells, masked, _ = drawn(site="scores")["data"]
    assert cells["z"] == [[2, -2, 0], [0, 0, 0]]
    assert (cells["zmin"], cells["zmax"]) == (-2, 2)
    assert [stop for stop, _ in cells["colorscale"]] == [0, 0.5, 1]
    assert [colour for _, colour in cells["colorscale"]] == [LIGHT.negative, LIGHT.paper, LIGHT.score]
    assert masked["x"] == []


def test_masked_scores_leave_forbidden_cells_empty_with_a_mark():
    cells, masked, broken = drawn(site="masked_scores")["data"]
    assert cells["z"] == [[2, -2, None], [0, 0, 0]]
    assert (cells["zmin"], cells["zmax"]) == (-2, 2)
    assert (masked["x"], masked["y"]) == ([2], [0])
    assert broken["x"] == []


def test_what_is_not_a_number_has_a_mark_of_its_own():
    broken_head = head(query=((np.nan,), (0.0,)))
    for site in ("masked_scores", "weights"):
        cells, masked, broken = heatmap(broken_head, QUERIES, KEYS, site=site).to_dict()["data"]
        assert cells["z"][0] == [None, None, None]
        assert (broken["x"], broken["y"]) == ([0, 1], [0, 0])
        assert (masked["x"], masked["y"]) == ([2], [0])
        assert broken["marker"]["symbol"] != masked["marker"]["symbol"]
    assert cells["z"][1] == [pytest.approx(1 / 3)] * 3


def test_a_row_of_equal_scores_has_a_scale_all_the_same():
    cells = heatmap(head(query=((0.0,), (0.0,))), QUERIES, KEYS, site="scores").to_dict()["data"][0]
    assert (cells["zmin"], cells["zmax"]) == (-1, 1)


def test_a_figure_is_pure():
    one = head()
    before = one.weights.copy()
    assert heatmap(one, QUERIES, KEYS).to_dict() == heatmap(one, QUERIES, KEYS).to_dict()
    np.testing.assert_array_equal(one.weights, before)
    assert drawn(palette=DARK)["layout"]["paper_bgcolor"] == DARK.paper


def test_an_array_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="pattern"):
        drawn(site="pattern")


def test_a_head_of_a_run_can_be_drawn_and_written_down(trace):
    queries, keys = trace.tokens["decoder"], trace.tokens["encoder"]
    figure = heatmap(trace.head("decoder.1.cross", 0), queries, keys)
    shown = np.array(figure.to_dict()["data"][0]["z"], float)
    np.testing.assert_array_equal(shown, trace.weights("decoder.1.cross")[0])
    assert '"heatmap"' in str(figure.to_json())
