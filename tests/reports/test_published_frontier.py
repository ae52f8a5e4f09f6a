"""The published frontier: what nobody beats, and a page that shows theirs and ours."""

import pandas as pd
import pytest

from signlib.reports.published_frontier import frontier, frontier_plot, published


def test_the_frontier_is_what_nobody_beats():
    table = pd.DataFrame({"size": [1, 2, 2, 3, 4, None], "value": [5, 4, 7, 7, 9, 99]})
    assert frontier(table, "size", "value").index.tolist() == [0, 2, 4]


def test_published_rows_are_plausible_and_ensembles_count_all_their_networks():
    table = published()
    assert table["top-1"].between(86, 94).all()
    assert (table["source"] != "").all()
    ctr = table[table["model"] == "CTR-GCN"].set_index("networks")
    assert ctr.loc[4, "parameters in all"] == pytest.approx(5.8)
    assert ctr.loc[4, "compute in all"] == pytest.approx(7.76)
    best = frontier(table, "parameters in all", "top-1")
    assert best["model"].iloc[0] == "EfficientGCN-B0", "the smallest that is published"
    assert best["top-1"].is_monotonic_increasing


def test_the_page_marks_our_sizes_and_shows_our_intervals():
    ours = pd.DataFrame(
        {"parameters": [7e4, 9e5], "value": [50.0, 60.0], "low": [40, 50], "high": [61, 70]},
        ["a", "b"],
    )
    left, right = frontier_plot({"a": 75_596, "b": 911_376}, ours, "made up").axes
    assert {text.get_text().strip() for text in left.texts} >= {"a", "b", "CTR-GCN x4", "SGN"}
    assert [text.get_text() for text in right.texts] == ["a", "b"]
    assert right.get_title() == "measured here, made up"
