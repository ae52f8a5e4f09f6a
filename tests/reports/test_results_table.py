"""The README's table is made from published runs and nothing else."""

import pytest

from signlib import paths
from signlib.errors import RunError
from signlib.reports import results_table, run_groups
from signlib.runs import publishing
from signlib.runs.run import Metric, commit, start
from signlib.settings import presets

# Published runs whose commit is in no history, until they are trained again.
LOST = ["stitched-compact/full-seed0"]


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Publishes a run with the given top-1 on 10 clips."""
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("signlib.paths.results_root", lambda: tmp_path / "results")

    def publish(
        name: str,
        value: float,
        *overrides: str,
        seed: int = 0,
        seen: str = "",
        chosen: str = "nothing was selected",
    ) -> None:
        settings = presets.build("landmarks/small", seed=seed, overrides=overrides)
        run = start("landmarks-small", name, settings)
        run.trained()
        run.open_test()
        metric = Metric(
            "top-1",
            value,
            10,
            "test",
            "%",
            (value - 5, min(value + 5, 100)),
            f"a note | with a bar; {chosen}",
        )
        publishing.publish(run.finish([metric]), restricted=True, seen=seen)

    return publish


def test_a_run_is_one_line_with_its_interval(published):
    published("one", 90.0)
    table = results_table.results_table()
    assert table[["run", "metric", "value", "n"]].to_numpy().tolist() == [
        ["landmarks-small/one", "top-1", 90.0, 10]
    ]
    line = results_table.markdown(table).splitlines()[-1]
    assert "90.0 % [85.0, 95.0]" in line
    assert line.count("|") == 7


def test_folds_are_pooled_when_all_are_there(published):
    folds = [f"data.split=folds data.folds=2 data.fold={fold}".split() for fold in (0, 1)]
    published("fold0", 100.0, *folds[0])
    assert results_table.results_table()["run"].tolist() == ["landmarks-small/fold0"]
    published("fold1", 70.0, *folds[1])
    (row,) = results_table.results_table().to_dict("records")
    assert (row["run"], row["value"], row["n"]) == ("landmarks-small, seed 0", 85.0, 20)
    # Two folds say little: 15 points to either side, t with one degree of freedom.
    assert (row["low"], row["high"]) == (0, 100)
    assert "70.0 to 100.0 % a fold" in row["note"]


def test_seeds_of_one_system_are_one_row(published):
    for seed, value in enumerate((79.0, 80.0, 81.0)):
        published(f"seed{seed}", value, seed=seed)
    published("other", 50.0, "features.coordinates=2")
    other, joined = results_table.results_table().to_dict("records")
    assert other["value"] == 50
    assert (joined["value"], joined["n"]) == (80, 10)
    # Each has 5 points to either side, and seeds 2.484.
    arm = (5**2 + 2.4842**2) ** 0.5
    assert (joined["low"], joined["high"]) == pytest.approx((80 - arm, 80 + arm), abs=1e-3)
    assert joined["run"].endswith("seeds 0, 1, 2")
    assert joined["note"].startswith("mean of 79.0, 80.0, 81.0; interval over clips and seeds")


def test_folds_of_several_seeds_are_one_row(published):
    for seed in (0, 1):
        for fold, value in enumerate((90.0, 80.0)):
            overrides = f"data.split=folds data.folds=2 data.fold={fold}".split()
            published(f"{seed}-{fold}", value + 10 * seed, *overrides, seed=seed)
    (row,) = results_table.results_table().to_dict("records")
    assert (row["run"], row["value"]) == ("landmarks-small, seeds 0, 1", 90)
    assert row["n"] == 20
    assert "mean of 85.0, 95.0; 2 folds, 85.0 to 95.0 % a fold" in row["note"]


def test_runs_that_cannot_be_joined_stand_by_themselves(published):
    folds = [f"data.split=folds data.folds=2 data.fold={fold}".split() for fold in (0, 1)]
    for fold in (0, 1):
        published(f"0-{fold}", 90.0, *folds[fold])
    # Of seed 1 a fold is missing; of seed 2 one was made twice, and the other one not at all.
    published("1-0", 80.0, *folds[0], seed=1)
    published("2-0", 70.0, *folds[0], seed=2)
    published("again", 60.0, *folds[0], seed=2)
    names = results_table.results_table()["run"].tolist()
    assert names[0] == "landmarks-small, seed 0"
    alone = [f"landmarks-small/{name}" for name in ("1-0", "2-0", "again")]
    assert sorted(names[1:]) == alone


def test_every_published_run_is_in_the_table():
    published = publishing.published()
    joined = run_groups.systems_of(published).values()
    assert sorted(run.name for runs in joined for run in runs) == sorted(
        run.name for run in published
    )


def test_a_row_says_what_its_settings_had_seen(published):
    published("one", 90.0, seen="a fifth of fold 0 chose its settings")
    (row,) = results_table.results_table().to_dict("records")
    assert row["note"].endswith(
        "nothing was selected here, but a fifth of fold 0 chose its settings"
    )
    # Also where validation chose the weights, and in one line.
    published("other", 80.0, "features.coordinates=2", seen="a\nlook", chosen="best by validation")
    notes = results_table.results_table()["note"].tolist()
    assert sum(note.endswith("best by validation; but a look") for note in notes) == 1


def test_what_a_published_run_lacks_is_told(published, monkeypatch):
    published("one", 90.0)
    monkeypatch.setattr(results_table, "in_history", lambda commit: False)
    few, lost = results_table.faults()
    assert few == "landmarks-small: seed 0; train it with 3 random seeds"
    assert lost.startswith("landmarks-small/one: commit ")
    monkeypatch.setattr(results_table, "in_history", lambda commit: True)
    for seed in (1, 2):
        published(f"seed{seed}", 90.0, seed=seed)
    assert results_table.faults() == []


def test_commits_of_published_runs_are_in_the_history():
    # Of a shallow clone git cannot tell.
    whole = bool(commit()) and not (paths.REPOSITORY / ".git" / "shallow").exists()
    assert results_table.in_history("HEAD")
    # What changed after a commit is in no history.
    assert results_table.in_history("HEAD+") is not whole
    lost = [line for line in results_table.faults() if "not in the history" in line]
    assert [line.partition(":")[0] for line in lost] == LOST * whole


def test_the_readme_is_written_between_its_marks(published, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{results_table.START}\nold\n{results_table.END}\nafter\n")
    assert results_table.update_readme(readme, check_only=True) is True
    assert "old" in readme.read_text()
    assert results_table.update_readme(readme) is True
    assert results_table.update_readme(readme) is False
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "No run has been published yet" in text
    readme.write_text("no marks")
    with pytest.raises(RunError, match="results: start"):
        results_table.update_readme(readme)
