"""Rows of a sweep over networks for sentences, counted by hand on four sentences of two signers."""

import numpy as np
import pandas as pd
import pytest

from signlib.errors import RunError
from signlib.reports.sentence_table import readable, sentence_table, spoken
from signlib.runs.run import Metric, Run, start
from signlib.settings import presets

TARGETS = ["A B", "A B", "C D", "C D"]


@pytest.fixture(autouse=True)
def runs_root(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))


def made(preset: str, heard: list[str], seed: int = 0, targets: list[str] = TARGETS) -> Run:
    run = start(preset.replace("/", "-"), f"seed{seed}", presets.build(preset, "full", seed))
    (run.path / "history.csv").write_text(f"epoch,validation_wer\n1,90\n2,{40 + seed}\n3,50\n")
    run.note(parameters=7, training_seconds=60, epochs=3, clips={"train": 100, "val": 4})
    run.trained()
    run.open_test()
    table = pd.DataFrame(
        {
            "clip": list("abcd"),
            "signer": ["x", "x", "y", "y"],
            "target": targets,
            "hypothesis": heard,
        }
    )
    metrics = [
        Metric("WER (greedy)", 30.0 + seed, 4, "test", "%"),
        Metric("frames read a second", 1000.0, 4, "test", "frames/s"),
    ]
    return run.finish(metrics, table)


def test_rows_by_hand():
    first = [
        made("sentences/baseline", ["A B", "A", "C", "C X"]),
        made("sentences/baseline", TARGETS, 1),
    ]
    better = [made("sentences/baseline+residual", ["A B", "A B", "C D", "C"])]
    table = sentence_table({"base": first, "more": better})
    assert spoken({"base": first})
    base, more = table.loc["base"], table.loc["more"]
    # three errors of eight words with one seed, none with the other; signer x has one of eight, y
    # two of eight
    assert (base["WER"], more["WER"]) == (18.75, 12.5)
    assert (base["low"], base["high"]) == (12.5, 25)
    assert base["seeds"] == [37.5, 0.0]
    assert (base["sub"], base["del"], base["ins"]) == (0.5, 1.0, 0.0)
    assert (base["greedy"], base["validation"], base["read"]) == (30.5, 40.5, 1000)
    assert (base["sentences"], base["words"], base["signers"], base["parameters"]) == (4, 8, 2, 7)
    assert (base["minutes"], base["trained"]) == (1, 5)
    assert np.isnan(base["points"])
    # signer x gains 12.5 points, y none
    assert (more["points"], more["points_low"], more["points_high"]) == (-6.25, -12.5, 0)
    text = readable(table)
    assert text.loc["more", "against the first"] == "-6.2 [-12.5, +0.0]"
    assert text.loc["base", "sub/del/ins"] == "0/1/0"


def test_signs_by_hand():
    """Nine times A: two are taken for B, one for C. Twice B: one is left out."""
    run = made(
        "sentences/baseline",
        ["A B", "B A A", "A B C", "A A"],
        targets=["A B", "A A A", "A A A", "A A B"],
    )
    row = sentence_table({"only": [run]}).iloc[0]
    assert (row["found"], row["by_gloss"]) == pytest.approx((100 * 7 / 11, (100 * 6 / 9 + 50) / 2))
    assert row["confused"] == "A as B (2), A as C (1)"


def test_runs_of_other_sentences_are_refused():
    first = made("sentences/baseline", TARGETS)
    assert not spoken({})
    TARGETS.reverse()
    try:
        other = made("sentences/baseline+residual", TARGETS)
    finally:
        TARGETS.reverse()
    with pytest.raises(RunError, match="share no test clips"):
        sentence_table({"base": [first], "more": [other]})
