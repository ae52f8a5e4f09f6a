"""A run's weights under source 004's names: the same numbers, and nothing that is not there."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from signlib import reading
from signlib.__main__ import main
from signlib.errors import RunError
from signlib.experiments.experiment import train
from signlib.runs.run import Run
from signlib.runs.simple_model import write_simple_model
from signlib.runs.weights import load_weights
from signlib.settings import presets

KEPT = Path(__file__).parents[1] / "data" / "kept" / "runs"
TINY = (
    "data.glosses=3 data.signers=10 data.repetitions=1 features.joints=hands features.frames=8"
    " model.width=16 model.layers=1 model.heads=2 model.intermediate=16 training.epochs=3"
    " training.batch_size=6 training.threads=1 training.accelerator=cpu training.save_interval=1"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of three epochs, each kept."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNLIB_RUNS", str(root))
        patch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
        yield train(presets.build("landmarks/small", "smoke", overrides=TINY.split()), quiet=True)


def same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_is_written_under_the_sources_names(run, tmp_path, capsys):
    assert main(["publish", str(run.path), "--as-source-004", str(tmp_path)]) == 0
    names = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert names == [
        "best_simple_model.safetensors",
        "final_simple_model.safetensors",
        *(f"checkpoint_epoch_{n}.safetensors" for n in (1, 2, 3)),
        "label_mapping.json",
    ]
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    best, final, *epochs = (load_file(tmp_path / name) for name in names[:-1])
    same(best, load_weights(run))
    # What validation saw in the last epoch: the averaged weights.
    kept = reading.checkpoint(run.path / "epoch-003.ckpt")
    same(final, kept["average"]["state"])
    same(epochs[2], final)
    name = next(name for name, value in final.items() if value.ndim == 2)
    assert not torch.equal(epochs[0][name], final[name])
    history = run.history["validation_accuracy"]
    with safe_open(tmp_path / names[3], "pt") as file:
        facts = {key: float(value) for key, value in file.metadata().items()}
    assert facts == {
        "epoch": 2,
        "val_acc": pytest.approx(history[1]),
        "best_val_acc": pytest.approx(history[:2].max()),
    }
    labels = json.loads((tmp_path / "label_mapping.json").read_text())
    assert labels == {str(n): gloss for n, gloss in enumerate(run.scores[2])}


def test_the_sources_own_form_is_written_when_it_is_asked_for(run, tmp_path):
    files, missing = write_simple_model(run, tmp_path, "pth")
    assert missing == ""
    assert {path.suffix for path in files} == {".pth", ".json"}
    same(torch.load(files[0], weights_only=True), load_weights(run))
    content = torch.load(tmp_path / "checkpoint_epoch_2.pth", weights_only=True)
    assert set(content) == {
        "epoch",
        "model_state_dict",
        "optimizer_state_dict",
        "scheduler_state_dict",
        "best_val_acc",
        "val_acc",
    }
    assert content["optimizer_state_dict"]["param_groups"]
    assert content["scheduler_state_dict"]["last_epoch"] > 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [(["--form", "pth"], "is of --as-source-004"), (["--seen", "x"], "--seen does not go with")],
)
def test_flags_that_nobody_reads_are_refused(run, tmp_path, capsys, flags, message):
    names = ["--as-source-004", str(tmp_path)] if "--seen" in flags else []
    assert main(["publish", str(run.path), *names, *flags]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_a_run_did_not_keep_is_told_and_not_made_up(tmp_path):
    files, missing = write_simple_model(Run(KEPT / "wlasl-concat" / "finished"), tmp_path)
    assert [path.name for path in files] == ["best_simple_model.safetensors", "label_mapping.json"]
    assert "did not keep its last epoch, 3" in missing
    with pytest.raises(RunError, match=r"has no model\.safetensors"):
        write_simple_model(Run(KEPT / "wlasl-concat" / "unfinished"), tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(KEPT / "wlasl-concat" / "finished", broken)
    (broken / "epoch-003.ckpt").write_bytes(b"no checkpoint")
    (broken / "epoch-copy.ckpt").write_bytes(b"none of its own")
    with pytest.raises(RunError, match=r"epoch-003\.ckpt cannot be read"):
        write_simple_model(Run(broken), tmp_path)
