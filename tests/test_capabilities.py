"""Every task can do what the table in `docs/architecture.md` says, or refuses with its reason.

The runs are the small kept ones of `tests/data/kept`; `tests/test_kept.py` resumes them, predicts
with them and starts others from them.
"""

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from signlib import paths
from signlib.__main__ import main
from signlib.runs.run import Run
from signlib.settings import presets
from signlib.settings.registry import TASKS, task_row
from signlib.tasks.registry import task_of
from signlib.tasks.task import CAPABILITIES

KEPT = Path(__file__).parent / "data" / "kept"
RUNS = {
    "landmarks": "landmarks-small",
    "baseline": "baseline-svm",
    "modalities": "generated-rgb+skeleton",
    "frozen": "wlasl-concat",
    "graph": "ntu60-nano",
    "phonology": "phonology-ctc",
    "sentences": "sentences-compact",
}
"""Task -> experiment of its kept run."""
every_task = pytest.mark.parametrize("task", RUNS)


@pytest.fixture(autouse=True)
def _in_a_copy(tmp_path, monkeypatch):
    """Each test has the kept files to itself; drawing, which takes longest, is left out."""
    shutil.copytree(KEPT, tmp_path / "kept")
    monkeypatch.chdir(tmp_path / "kept")
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "kept" / "runs"))
    monkeypatch.setattr(paths, "results_root", lambda: tmp_path / "results")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)


def command_of(task):
    """Preset and overrides that made a task's kept run."""
    expected = json.loads(Path(f"runs/{RUNS[task]}/expected.json").read_text(encoding="utf-8"))
    words = shlex.split(expected["command"])
    return words[1], words[words.index("--set") + 1 :]


def test_every_task_has_a_kept_run_and_says_what_it_refuses():
    page = " ".join((paths.REPOSITORY / "docs" / "architecture.md").read_text().split())
    assert set(RUNS) == set(TASKS)
    for task in TASKS:
        refusals = task_of(replace(presets.build("landmarks/small"), task=task)).refusals
        assert set(refusals) <= set(CAPABILITIES)
        for reason in refusals.values():
            assert reason[1:] in page, "the table in docs/architecture.md has no such reason"


@every_task
def test_the_cost_of_a_run_is_estimated_or_refused(task, capsys):
    preset, overrides = command_of(task)
    reason = task_of(presets.build(preset)).refusal(presets.build(preset), "estimate")
    done = main(["train", preset, "--mode", "smoke", "--estimate", "--set", *overrides])
    shown = capsys.readouterr()
    assert done == (2 if reason else 0)
    assert (reason in shown.err) if reason else ("memory a device, counted" in shown.out)


@every_task
def test_clips_are_predicted_or_refused(task, capsys):
    settings = Run(f"runs/{RUNS[task]}/finished").settings
    reason = task_of(settings).refusal(settings, "predict")
    clips = json.loads(Path(f"runs/{RUNS[task]}/expected.json").read_text())
    given = clips["predict"]["clips"] if "predict" in clips else ["clips/clip.npy"]
    done = main(["predict", f"runs/{RUNS[task]}/finished", *given])
    assert done == (2 if reason else 0)
    assert reason in capsys.readouterr().err


def test_pre_training_names_no_gloss(capsys):
    run = "runs/phonology-pretraining/finished"
    assert main(["predict", run, "clips/landmarks"]) == 2
    assert "is pre-training, which names no gloss" in capsys.readouterr().err


@every_task
def test_a_run_starts_from_another_or_is_refused(task, capsys):
    preset, overrides = command_of(task)
    reason = task_of(presets.build(preset)).refusals.get("warm start", "")
    command = ["train", preset, "--mode", "smoke", "--run-name", "another"]
    command += ["--init-from", f"runs/{RUNS[task]}/finished", "--set", *overrides]
    done = main(command)
    assert done == (2 if reason else 0)
    assert reason in capsys.readouterr().err


@every_task
def test_two_runs_at_once_share_their_stores(task):
    preset, overrides = command_of(task)
    command = ["sweep", preset, "--seeds", "1", "2", "--workers", "2", "--mode", "smoke", "--set"]
    done = main([*command, *overrides])
    names = [path for path in Path("runs").glob("*/smoke-seed*") if Run(path).finished]
    assert len(names) == 2
    # Fewer than two test signers have no interval over signers; the runs are there all the same.
    assert done in (0, 2)


def test_the_size_of_every_preset_is_counted(capsys):
    assert main(["models", "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for task in RUNS:
        for preset in task_row(task).presets:
            assert any(line.startswith(f"{preset},") for line in lines)


@every_task
def test_a_finished_run_is_published_unless_it_is_a_smoke_run(task, capsys):
    run = Path(f"runs/{RUNS[task]}/finished")
    full = Run(run).settings.mode == "full"
    assert main(["publish", str(run)]) == (0 if full else 2)
    if not full:
        assert "is a smoke run" in capsys.readouterr().err
        for name in ("settings.yaml", "status.json"):
            text = (run / name).read_text().replace("mode: smoke", "mode: full")
            (run / name).write_text(text)
        assert main(["publish", str(run)]) == 0
    assert Run(paths.results_root() / RUNS[task] / "finished").metrics
