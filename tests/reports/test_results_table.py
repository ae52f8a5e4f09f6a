"""The README's table is made from published runs and nothing else."""

import pytest

from signlib.errors import RunError
from signlib.reports import results_table
from signlib.runs import publishing
from signlib.runs.run import Metric, start
from signlib.settings import presets


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Publishes a run with the given top-1 on 10 clips."""
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("signlib.paths.results_root", lambda: tmp_path / "results")

    def publish(name: str, value: float, *overrides: str) -> None:
        run = start("landmarks-small", name, presets.build("landmarks/small", overrides=overrides))
        run.trained()
        run.open_test()
        metric = Metric(
            "top-1", value, 10, "test", "%", (value - 5, min(value + 5, 100)), "a note | with a bar"
        )
        publishing.publish(run.finish([metric]), restricted=True)

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
    assert 60 < row["low"] < 85 < row["high"] < 96
    assert "70.0 to 100.0 % a fold" in row["note"]


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
