"""Gains over the best member, counted by hand on six clips of two or three signers."""

import numpy as np
import pandas as pd
import pytest

from signlib.errors import RunError
from signlib.reports import ablation
from signlib.runs.run import Metric, start
from signlib.settings import presets

SIGNERS = ["a", "a", "b", "b", "c", "c"]


@pytest.fixture(autouse=True)
def runs_root(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))


def made(name, hits, validation, signers=SIGNERS):
    """A finished run whose clip i is right where hits[i] is 1."""
    run = start(name.replace("/", "-"), f"run{len(hits)}-{hits}", presets.build("landmarks/small"))
    (run.path / "history.csv").write_text(
        f"epoch,validation_accuracy\n1,{validation - 5}\n2,{validation}\n3,\n"
    )
    run.note(parameters=7, training_seconds=60)
    run.trained()
    run.open_test()
    hits = np.array([int(h) for h in hits])
    table = pd.DataFrame(
        {
            "clip": [f"c{i}" for i in range(len(hits))],
            "signer": signers[: len(hits)],
            "target": "yes",
            "prediction": np.where(hits, "yes", "no"),
            "score": 0.5,
        }
    )
    return run.finish([Metric("top-1", 100 * hits.mean(), len(hits), "test")], table)


def test_a_condition_is_the_mean_over_seeds_with_an_interval_over_signers():
    table = ablation.condition_table(
        {"x/rgb": [made("x/rgb", "110000", 40), made("x/rgb", "111100", 50)]}
    )
    row = table.loc["x/rgb"]
    # Signers: a 1, b 1/2, c 0: mean 50 %, deviation 50 points, t(2 degrees) 4.303.
    assert row["value"] == pytest.approx(50)
    assert row["low"] == pytest.approx(50 - 4.3026527 * 50 / np.sqrt(3))
    assert row["seeds"] == [33.3, 66.7]
    assert row["validation"] == 45
    assert (row["clips"], row["signers"], row["parameters"], row["minutes"]) == (6, 3, 7, 1)


def test_a_fusion_is_held_against_the_member_that_validation_likes_best():
    conditions = {
        "x/rgb": [made("x/rgb", "100000", 60)],
        "x/skeleton": [made("x/skeleton", "111110", 50)],
        "x/rgb+skeleton": [made("x/rgb+skeleton", "111010", 70)],
        "x/rgb+depth": [made("x/rgb+depth", "100000", 70)],
    }
    table = ablation.against_best_member(conditions)
    assert list(table.index) == ["x/rgb+skeleton", "x/rgb+depth"]
    assert table["member"].tolist() == ["x/rgb", "x/rgb"]
    assert table["gain"].tolist() == pytest.approx([50, 0])
    # Every signer gains one of two clips, so there is no spread.
    assert (
        table.loc["x/rgb+skeleton", "low"],
        table.loc["x/rgb+skeleton", "high"],
    ) == pytest.approx((50, 50))
    assert table["answer"].tolist() == ["better", "no difference shown"]
    assert table.loc["x/rgb+skeleton", "seeds"] == [50]


def test_runs_on_other_clips_or_none_at_all_are_refused():
    with pytest.raises(RunError, match="not tested on the same clips"):
        ablation.shares({"a": [made("a", "111111", 1)], "b": [made("b", "11111", 1)]})
    with pytest.raises(RunError, match="no finished run"):
        ablation.shares({"a": []})
    with pytest.raises(RunError, match="needs two"):
        ablation.condition_table({"d": [made("d", "11", 1, ["a", "a"])]})
