"""Runs held against one of them, on small tables whose answer is counted by hand."""

import pandas as pd
import pytest

from signlib.errors import RunError
from signlib.reports.comparison import compare, readable
from signlib.runs.run import Metric, start
from signlib.settings.base import Settings
from signlib.statistics.intervals import cluster_interval


def finished(root, name, predictions, clips="abcd", targets="XXYY"):
    """A run whose test predictions are given letter by letter."""
    run = start("experiment", name, Settings())
    run.note(parameters=1234)
    run.trained()
    run.open_test()
    table = pd.DataFrame(
        {
            "clip": list(clips),
            "signer": "s",
            "target": list(targets),
            "prediction": list(predictions),
        }
    )
    right = 100 * (table["target"] == table["prediction"]).mean()
    return run.finish(
        [Metric("top-1", right, len(table), "test", "%", (0.0, 100.0))],
        table.assign(score=1.0),
    )


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    return tmp_path


def test_gain_is_paired_over_the_same_clips(root):
    found = {
        "ours": finished(root, "a", "XXYX"),
        "other": finished(root, "b", "XYYY"),
    }  # 3 of 4 right, each elsewhere
    table = compare(found, "ours")
    assert table["value"].tolist() == [75, 75]
    assert table["gain"].tolist() == [0, 0]
    assert (table.loc["ours", "gain_low"], table.loc["ours", "gain_high"]) == (0, 0)
    expected = cluster_interval(pd.Series([0.0, -1.0, 0.0, 1.0]).to_numpy(), list("XXYY"))
    assert (table.loc["other", "gain_low"], table.loc["other", "gain_high"]) == expected
    assert expected == (-50, 50)


def test_order_of_clips_does_not_matter_and_missing_ones_are_left_out(root):
    found = {
        "ours": finished(root, "a", "XXYY"),
        "other": finished(
            root, "b", "YXY", clips="dab", targets="YXX"
        ),  # d and a right, b wrong, c not usable
    }
    table = compare(found, "ours")
    assert table["shared"].tolist() == [3, 3]
    assert table["n"].tolist() == [4, 3]
    assert table.loc["other", "gain"] == pytest.approx(-100 / 3)


def test_runs_of_different_truths_are_refused(root):
    found = {
        "ours": finished(root, "a", "XXYY"),
        "other": finished(root, "b", "XXYY", targets="XXYX"),
    }
    with pytest.raises(RunError, match="one corpus and split"):
        compare(found, "ours")
    found["other"] = finished(root, "c", "XXYY", clips="efgh")
    with pytest.raises(RunError, match="one corpus and split"):
        compare(found, "ours")


def test_readable_shows_value_interval_and_size(root):
    found = {"ours": finished(root, "a", "XXYY"), "other": finished(root, "b", "YYYY")}
    text = readable(compare(found, "ours"), "ours")
    assert text.loc["ours"].tolist() == ["100.0 [0, 100]", "-", 4, "1,234"]
    assert text.loc["other", "points against ours"] == "-50.0 [-100, +0]"
