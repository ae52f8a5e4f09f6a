"""Scores of several runs added: counted by hand, in any order of clips, refused where they do not
belong together.
"""

import numpy as np
import pandas as pd
import pytest

from signlib.__main__ import main
from signlib.errors import RunError
from signlib.reports.ensemble import ensemble, ensemble_table, groups_of, readable
from signlib.runs.run import Metric, Run, start
from signlib.settings.base import Settings


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    return tmp_path


def finished(name, probabilities, clips="abcd", targets="XXYY", signers="1122", classes=("X", "Y")):
    """A run with the given probabilities of the first class."""
    share = np.array(probabilities)
    scores = np.log(np.stack([share, 1 - share], 1))
    run = start("experiment", name, Settings())
    run.trained()
    run.open_test()
    table = pd.DataFrame(
        {"clip": list(clips), "signer": list(signers), "target": list(targets), "prediction": "X"}
    )
    metric = Metric("top-1", 50.0, len(table), "test", "%", (0.0, 100.0))
    return run.finish([metric], table.assign(score=1.0), (scores, list(clips), list(classes)))


def test_what_is_sure_outvotes_what_is_not():
    first = finished("a", [0.9, 0.4, 0.6, 0.1])
    second = finished("b", [0.2, 0.8, 0.1, 0.3])
    together = ensemble([first, second])
    # Products for X against Y: 0.18 > 0.08, 0.32 > 0.12, 0.06 < 0.36, 0.03 < 0.63.
    assert together.right.tolist() == [True] * 4
    table = ensemble_table(together)
    assert table["value"].tolist() == [50, 75, 100]
    assert table["gain"].tolist() == [50, 25, 0]
    assert (table.loc["experiment/a", "gain_low"], table.loc["experiment/a", "gain_high"]) == (
        50,
        50,
    )
    assert (table.loc["together", "group_low"], table.loc["together", "n"]) == (100, 4)
    assert (table["low"] <= table["value"]).all()


def test_the_order_of_clips_and_runs_does_not_matter_and_only_shared_clips_count():
    first = finished("a", [0.9, 0.4, 0.6, 0.1])
    second = finished("b", [0.1, 0.8, 0.2], clips="cba", targets="YXX", signers="211")
    one, two = ensemble([first, second]), ensemble([second, first])
    assert one.clips == ("a", "b", "c")
    np.testing.assert_allclose(
        one.scores.sum(0),
        two.scores.sum(0)[[two.clips.index(clip) for clip in one.clips]],
        rtol=1e-6,
    )
    np.testing.assert_allclose(one.scores[1, 0], np.log([0.2, 0.8]), rtol=1e-5)


def test_without_known_signers_glosses_are_drawn():
    together = ensemble(
        [finished(name, [0.9, 0.9, 0.1, 0.1], signers=["", "", "", ""]) for name in "ab"]
    )
    assert groups_of(together) == ("glosses", ("X", "X", "Y", "Y"))
    assert "[95 %, 2 glosses]" in readable(ensemble_table(together), together).columns


def test_whole_signers_are_drawn_where_there_are_enough():
    for signers, kind in (("12345", "signers"), ("12344", "glosses")):
        runs = [finished(name + signers, [0.9] * 5, "abcde", "XXYYX", signers) for name in "ab"]
        assert groups_of(ensemble(runs))[0] == kind


@pytest.mark.parametrize(
    "changed",
    [{"clips": "efgh"}, {"targets": "XXYX"}, {"classes": ("X", "Z")}],
)
def test_runs_of_other_clips_glosses_or_classes_are_refused(changed):
    first = finished("a", [0.9] * 4)
    with pytest.raises(RunError, match="share no test clips with the same glosses"):
        ensemble([first, finished("b", [0.9] * 4, **changed)])


def test_one_run_alone_or_twice_is_no_ensemble(root, capsys):
    first = finished("a", [0.9] * 4)
    for given in ([first], [first, Run(first.path)]):
        with pytest.raises(RunError, match="two or more different runs"):
            ensemble(given)
    second = finished("b", [0.4, 0.9, 0.2, 0.1])
    assert main(["ensemble", str(first.path), str(second.path)]) == 0
    shown = capsys.readouterr().out
    assert "experiment/a" in shown
    assert "together" in shown
    assert main(["ensemble", str(first.path)]) == 2
    assert "two or more" in capsys.readouterr().err
