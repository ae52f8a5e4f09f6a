"""A corpus, an extractor and a task of somebody else go the whole way on the command line."""

import pytest
from outside import film_lights, registered

from signlib import paths
from signlib.__main__ import main
from signlib.runs.run import Run

pytestmark = pytest.mark.xdist_group("outside")


@pytest.fixture(scope="module")
def lights(tmp_path_factory):
    """The corpus's folder, with all three registered and runs in a folder of their own."""
    folder = tmp_path_factory.mktemp("outside")
    film_lights(folder / "films")
    patch = pytest.MonkeyPatch()
    patch.setenv("SIGNLIB_RUNS", str(folder / "runs"))
    patch.setattr(paths, "results_root", lambda: folder / "results")
    with registered():
        films = folder / "films"
        command = ["extract", str(films), "--extractor", "halves", "--out", str(films / "halves")]
        assert main(command) == 0
        yield films
    patch.undo()


def trained(lights, *more):
    return main(["train", "lights/linear", "--data-root", str(lights), *more])


def test_a_finished_store_is_extracted_again_without_a_change(lights, capsys):
    before = {file.name: file.read_bytes() for file in (lights / "halves").iterdir()}
    assert main(["extract", str(lights), "--extractor", "halves", "--out", f"{lights}/halves"]) == 0
    assert "20 clips of two halves" in capsys.readouterr().out
    assert {file.name: file.read_bytes() for file in (lights / "halves").iterdir()} == before


def test_an_interrupted_training_is_resumed_to_the_same_result(lights, capsys):
    assert trained(lights, "--run-name", "whole") == 0
    assert trained(lights, "--run-name", "parts", "--set", "training.hours=1e-9") == 0
    assert "time budget ended" in capsys.readouterr().out
    assert trained(lights, "--run-name", "parts", "--resume") == 0
    whole, parts = (Run(paths.runs_root() / "lights-linear" / name) for name in ("whole", "parts"))
    assert whole.finished
    assert parts.finished
    assert (whole.scores[0] == parts.scores[0]).all()
    assert whole.metrics[0].metric == "top-1"


def test_its_cost_is_estimated_before_it_starts(lights, capsys):
    assert trained(lights, "--estimate") == 0
    assert "8 clips an epoch (corpus lights)" in capsys.readouterr().out


def test_its_run_predicts_a_store(lights, capsys):
    assert trained(lights, "--run-name", "whole") == 0
    run = paths.runs_root() / "lights-linear" / "whole"
    assert main(["predict", str(run), str(lights / "halves"), "--split", "test"]) == 0
    assert "of 8 clips whose gloss is known are right" in capsys.readouterr().out


def test_its_run_starts_another_one(lights, capsys):
    assert trained(lights, "--run-name", "whole") == 0
    first = paths.runs_root() / "lights-linear" / "whole"
    assert trained(lights, "--run-name", "second", "--init-from", str(first)) == 0
    assert Run(first.with_name("second")).facts["init_from"] == "lights-linear/whole"


def test_its_presets_are_swept_and_compared(lights, capsys):
    names, root = ["lights/linear", "lights/wide"], f"data.root={lights}"
    assert main(["sweep", *names, "--seeds", "0", "1", "--set", root]) == 0
    assert "lights/wide" in capsys.readouterr().out
    runs = sorted(str(path) for path in paths.runs_root().glob("lights-*/full-seed*-*"))
    assert len(runs) == 4
    assert main(["compare", *runs]) == 0
    assert "top-1" in capsys.readouterr().out


def test_its_run_is_published_without_predictions_of_single_clips(lights):
    assert trained(lights, "--run-name", "whole") == 0
    assert main(["publish", str(paths.runs_root() / "lights-linear" / "whole")]) == 0
    published = Run(paths.results_root() / "lights-linear" / "whole")
    assert published.metrics
    assert not (published.path / "predictions.csv").exists()


def test_its_model_stands_in_the_table(lights, capsys):
    assert main(["models", "--format", "csv"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("lights/")]
    assert len(rows) == 2
