"""What a run takes from another one: parts whole or not at all, rows of outputs by their gloss."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from signlib.errors import RunError
from signlib.experiments.warm_start import carry
from signlib.runs.run import Run
from signlib.tasks.registry import open_task

KEPT = Path(__file__).parents[1] / "data" / "kept"
OUTPUTS = {
    "landmarks-small": "head.",
    "generated-rgb+skeleton": "classifier.3.",
    "wlasl-concat": "head.3.",
    "ntu60-nano": "network.head.classifier.",
    "phonology-ctc": "head.",
    "sentences-compact": "network.output.scores.",
}
"""Experiment of a kept run -> its output layer."""
BLANK = {"phonology-ctc": 1, "sentences-compact": 1}


@pytest.fixture(autouse=True)
def _in_a_copy(tmp_path, monkeypatch):
    shutil.copytree(KEPT, tmp_path / "kept")
    monkeypatch.chdir(tmp_path / "kept")
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "kept" / "runs"))


def opened(name):
    """A kept run, its task and an untrained model of it."""
    run = Run(f"runs/{name}/finished")
    task = open_task(run.settings)
    torch.manual_seed(7)
    return run, task, task.model(len(task.vocabulary))


def renamed(run, glosses):
    """The run as if its classes were these."""
    file = run.path / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"classes": glosses}))


@pytest.mark.parametrize("name", OUTPUTS)
def test_rows_of_the_output_go_by_gloss(name):
    run, task, model = opened(name)
    ours, blank = list(task.vocabulary.glosses), BLANK.get(name, 0)
    # Turned by one, and one of them is a gloss that we do not know.
    theirs = [*ours[1:], ours[0]]
    theirs[0] = "(another)"
    renamed(run, theirs)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    given = load_file(run.path / "model.safetensors")
    carried = carry(task, model, run)
    after = model.state_dict()
    for kind in ("weight", "bias"):
        key = OUTPUTS[name] + kind
        torch.testing.assert_close(after[key][:blank], given[key][:blank])
        for row, gloss in enumerate(ours):
            source = given[key][blank + theirs.index(gloss)] if gloss in theirs else None
            expected = before[key][blank + row] if source is None else source
            torch.testing.assert_close(after[key][blank + row], expected)
    assert carried.glosses == len(ours) - 1
    assert carried.anew == ()
    row = given[OUTPUTS[name] + "weight"].shape[1] + 1
    assert carried.parameters == carried.total - row, "all but one row"
    assert f"{len(ours) - 1} of {len(ours)} glosses" in str(carried)


def test_more_rows_than_ours_are_no_obstacle():
    run, task, model = opened("sentences-compact")
    key, ours = "network.output.scores", list(task.vocabulary.glosses)
    tensors = load_file(run.path / "model.safetensors")
    # Three glosses more, before those that we know.
    for kind in ("weight", "bias"):
        value = tensors[f"{key}.{kind}"]
        more = torch.full((3, *value.shape[1:]), 9.0)
        tensors[f"{key}.{kind}"] = torch.cat([value[:1], more, value[1:]])
    save_file(tensors, run.path / "model.safetensors")
    renamed(run, ["(a)", "(b)", "(c)", *ours])
    assert carry(task, model, run).glosses == len(ours)
    bias = tensors[f"{key}.bias"]
    torch.testing.assert_close(model.state_dict()[f"{key}.bias"], torch.cat([bias[:1], bias[4:]]))


def test_a_fusion_takes_the_encoders_that_it_shares():
    fused, task, model = opened("generated-rgb+skeleton")
    theirs = load_file(fused.path / "model.safetensors")
    text = (fused.path / "settings.yaml").read_text()
    (fused.path / "settings.yaml").write_text(text.replace("kind: weighted", "kind: gated"))
    carried = carry(task, model, Run(fused.path))
    assert carried.parts == ("colour encoder", "landmark encoder")
    assert carried.anew == ("fusion", "hidden layer")
    assert carried.glosses == 0, "what the output reads is another fusion"
    encoders = {key for key in theirs if key.startswith("encoders.")}
    after = model.state_dict()
    assert all(torch.equal(after[key], theirs[key]) for key in encoders)
    assert not torch.equal(after["classifier.3.weight"], theirs["classifier.3.weight"])
    assert str(carried).endswith("; anew: fusion, hidden layer")


def test_other_streams_are_fused_anew():
    run, task, model = opened("ntu60-nano")
    file = run.path / "settings.yaml"
    file.write_text(file.read_text().replace("- joint\n", "- bone\n"))
    carried = carry(task, model, Run(run.path))
    assert carried.anew == ("norm of streams", "fusion of streams")
    assert carried.glosses == 0
    assert "blocks" in carried.parts


def test_a_task_may_refuse(monkeypatch):
    run, task, model = opened("phonology-ctc")
    monkeypatch.setattr(type(task), "refusals", {"warm start": "begins anew each time"})
    with pytest.raises(RunError, match="task=phonology begins anew each time"):
        carry(task, model, run)


def test_nothing_in_common_is_refused():
    _, task, model = opened("phonology-ctc")
    with pytest.raises(RunError, match="it has no encoder of phonology; make the encoders"):
        carry(task, model, Run("runs/ntu60-nano/finished"))
