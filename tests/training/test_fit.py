"""Fitting: resumed = uninterrupted, early stopping, accumulation, time budget, refusals."""

import errno
import os
import pickle
import signal
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from killing import in_child
from torch import nn

from signlib.errors import DiskError, RunError, SettingsError
from signlib.models.classifier import landmark_classifier
from signlib.settings import config
from signlib.settings.base import Settings
from signlib.settings.training import AugmentSettings
from signlib.training import fit as fitting
from signlib.training.augment import Augment
from signlib.training.batches import ClipDataset, Clips, collate, resample
from signlib.training.classification import ClassificationFitting
from signlib.training.fit import (
    CHECKPOINT,
    Fitted,
    ShuffledByEpoch,
    accumulation,
    choose_device,
    fit,
)

JOINTS, CLASSES = 21, 3
HANDS = (tuple(range(21)),)
TINY = {
    "features.frames": 6,
    "features.coordinates": 2,
    "model.width": 8,
    "model.layers": 1,
    "model.heads": 2,
    "model.intermediate": 16,
    "model.max_positions": 8,
    "model.stem_blocks": 1,
    "model.stem_kernel": 3,
    "training.epochs": 4,
    "training.batch_size": 4,
    "training.learning_rate": 1e-2,
    "training.warmup": 0.0,
    "training.average": 0.0,
    "training.threads": 1,
    "training.accelerator": "cpu",
    "augment.drop_hand": 0.2,
}
CPU = torch.device("cpu")


def dataset(size: int = 13, seed: int = 0) -> ClipDataset:
    rng = np.random.default_rng(seed)
    targets = np.arange(size) % CLASSES
    clips = [
        (rng.normal(size=(4 + i % 4, JOINTS, 2)) * 0.3 + target).astype(np.float32)
        for i, target in enumerate(targets)
    ]
    return ClipDataset(clips, targets)


def new_task(settings: Settings, model: nn.Module | None = None) -> ClassificationFitting:
    torch.manual_seed(settings.seed)
    if model is None:
        model = landmark_classifier(
            settings.model, JOINTS, 2, HANDS, settings.features.frames, CLASSES
        )
    augment = Augment(settings.augment, range(JOINTS), HANDS, settings.features.coordinates)
    return ClassificationFitting(model, settings, augment)


def run(folder: Path, validated: bool = False, resume: bool = False, task=None, **differences):
    settings = config.build(TINY, differences)
    task = task or new_task(settings)
    folder.mkdir(exist_ok=True)
    fitted = fit(
        task,
        dataset(),
        dataset(7, seed=1) if validated else None,
        settings,
        folder,
        resume,
        quiet=True,
    )
    return task, fitted


def assert_same_result(
    one: tuple[ClassificationFitting, Fitted], two: tuple[ClassificationFitting, Fitted]
) -> None:
    ours, theirs = one[0].model.state_dict(), two[0].model.state_dict()
    assert ours.keys() == theirs.keys()
    assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
    assert one[1].history == two[1].history
    assert (one[1].chosen, one[1].epochs, one[1].steps) == (
        two[1].chosen,
        two[1].epochs,
        two[1].steps,
    )


WAYS = {
    "plain": (False, {}),
    "averaged": (False, {"training.average": 0.9}),
    "validated": (True, {}),
    "validated, averaged, accumulated, mixed up": (
        True,
        {
            "training.average": 0.8,
            "training.accumulate": 2,
            "augment.mixup": 0.5,
            "training.patience": 9,
        },
    ),
    "validated twice an epoch": (True, {"training.validate_every": 2.0, "training.average": 0.8}),
    "validated every second epoch": (True, {"training.validate_every": 0.5}),
}


@pytest.mark.parametrize("way", WAYS)
def test_resumed_after_each_time_budget_is_uninterrupted_bit_for_bit(way, tmp_path):
    validated, differences = WAYS[way]
    whole = run(tmp_path / "whole", validated, **differences)
    assert whole[1].complete
    assert whole[1].epochs == 4
    parts = 0
    for parts in range(1, 9):
        # A budget of microseconds lasts for one epoch.
        part = run(
            tmp_path / "parts", validated, resume=True, **differences, **{"training.hours": 1e-9}
        )
        if part[1].complete:
            break
        assert part[1].chosen == "unfinished"
        assert part[1].epochs == parts
    assert parts == 4
    assert_same_result(part, whole)


@pytest.mark.parametrize("way", ["plain", "validated, averaged, accumulated, mixed up"])
def test_killed_in_the_middle_of_an_epoch_and_resumed_is_uninterrupted(way, tmp_path, monkeypatch):
    validated, differences = WAYS[way]
    whole = run(tmp_path / "whole", validated, **differences)
    step, calls = ClassificationFitting.training_step, []

    def killed(self, batch, index):
        calls.append(index)
        if len(calls) == 11:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, batch, index)

    monkeypatch.setattr(ClassificationFitting, "training_step", killed)
    ended = in_child(lambda: run(tmp_path / "killed", validated, **differences))
    assert ended == -signal.SIGKILL
    monkeypatch.undo()
    task, resumed = run(tmp_path / "killed", validated, resume=True, **differences)
    assert_same_result((task, resumed), whole)


def test_what_a_killed_part_took_is_counted(tmp_path):
    run(tmp_path, **{"training.hours": 1e-9})
    saved = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    (name,) = [name for name in saved["callbacks"] if name.startswith("EpochEnd")]
    assert 0 < saved["callbacks"][name]["seconds"] < 1000
    saved["callbacks"][name]["seconds"] = 1000.0
    torch.save(saved, tmp_path / CHECKPOINT)
    assert 1000 < run(tmp_path, resume=True)[1].seconds < 2000
    assert run(tmp_path)[1].seconds < 1000


def test_resuming_what_is_over_changes_nothing(tmp_path):
    whole = run(tmp_path, validated=True)
    assert_same_result(run(tmp_path, validated=True, resume=True), whole)


@pytest.mark.parametrize(
    "content", [b"", b"text", pickle.dumps({"state_dict": {}}), pickle.dumps(os.system), b"PK"]
)
def test_a_checkpoint_that_is_none_is_named_and_never_run(tmp_path, content):
    run(tmp_path, **{"training.hours": 1e-9})
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(
        RunError, match=r"\.ckpt is damaged or no checkpoint of torch .*delete it to start again"
    ):
        run(tmp_path, resume=True)


def changed(way: str, data: ClipDataset) -> ClipDataset:
    points, mask, target = data.items[3]
    if way == "one clip fewer":
        del data.items[3]
    elif way == "other clips of these names":
        data.items.reverse()
    else:
        data.items[3] = {
            "frames turned round": (points[::-1], mask, target),
            "a frame fewer": (points[1:], mask[1:], target),
            "another gloss": (points, mask, (target + 1) % CLASSES),
            "rounding": (points * np.float32(1 + 1e-7), mask, target),
        }[way]
    return data


FIRST = {
    "one clip fewer": "number (12|6)",
    "other clips of these names": "number 0",
    "frames turned round": "number 3",
    "a frame fewer": "number 3",
    "another gloss": "number 3",
}


def test_a_run_is_not_resumed_on_clips_that_have_changed(tmp_path, monkeypatch):
    usual = dataset

    def resumed(way, part):
        size = {"training": 13, "validation": 7}[part]

        def other(*size_and_seed, **seed):
            data = usual(*size_and_seed, **seed)
            return changed(way, data) if len(data) == size else data

        monkeypatch.setitem(globals(), "dataset", other)
        return run(tmp_path, validated=True, resume=True, **{"training.hours": 1e-9})[1]

    run(tmp_path, validated=True, **{"training.hours": 1e-9})
    before = (tmp_path / CHECKPOINT).read_bytes()
    for part in ("training", "validation"):
        for way, first in FIRST.items():
            refusal = rf"\d+ {part} clips are no longer those .*first '{first}'"
            with pytest.raises(RunError, match=refusal):
                resumed(way, part)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    # Other processors round otherwise.
    assert resumed("rounding", "training").epochs == 2
    # A checkpoint of an earlier version does not know its clips.
    kept = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    del kept["clips"]
    torch.save(kept, tmp_path / CHECKPOINT)
    assert resumed("another gloss", "training").epochs == 3


def test_without_resume_training_starts_anew(tmp_path):
    whole = run(tmp_path)
    assert_same_result(run(tmp_path), whole)
    assert len(whole[1].history) == 4


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    one, two, other = run(tmp_path / "a"), run(tmp_path / "b"), run(tmp_path / "c", seed=1)
    assert_same_result(one, two)
    assert one[1].history != other[1].history


def test_the_checkpoint_holds_plain_tensors_and_numbers(tmp_path):
    run(tmp_path, validated=True, **{"training.average": 0.9})
    found = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert len(found["history"]) == 4
    assert {"accuracy", "step", "state"} <= set(found["best"])
    assert found["average"]["updates"] == 12
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_history_has_one_row_an_epoch(tmp_path):
    _, fitted = run(tmp_path, validated=True)
    # 13 clips in batches of 4 leave one alone: its batch is left out.
    assert [(row["epoch"], row["step"]) for row in fitted.history] == [
        (1, 3),
        (2, 6),
        (3, 9),
        (4, 12),
    ]
    assert all(0 <= row["validation_accuracy"] <= 100 and row["loss"] > 0 for row in fitted.history)
    assert (fitted.epochs, fitted.steps, fitted.device, fitted.precision) == (4, 12, "cpu", "32")
    _, seldom = run(tmp_path / "seldom", validated=True, **{"training.validate_every": 0.5})
    assert ["validation_accuracy" in row for row in seldom.history] == [False, True, False, True]


def test_training_learns(tmp_path):
    _, fitted = run(tmp_path, **{"training.epochs": 25})
    assert fitted.history[-1]["loss"] < 0.75 * fitted.history[0]["loss"]


class Script(nn.Module):
    """Scores that are right on the validation clips in the epochs given, and a weight to train."""

    classes = CLASSES

    def __init__(self, right: set[int]) -> None:
        super().__init__()
        self.head = nn.Linear(1, CLASSES)
        self.right, self.validations = right, 0

    def forward(self, batch):
        scores = self.head(batch["points"].mean(dim=(1, 2, 3))[:, None])
        if self.training:
            return scores
        self.validations += 1
        hit = torch.nn.functional.one_hot(batch["target"], CLASSES).float()
        return hit if self.validations in self.right else -hit


def stopped(folder: Path, right: set[int], **differences) -> Fitted:
    """Thirteen clips, three steps an epoch; validation is one batch."""
    settings = config.build(TINY, {"training.epochs": 10, "training.batch_size": 4}, differences)
    folder.mkdir(exist_ok=True)
    return fit(
        new_task(settings, Script(right)),
        dataset(),
        dataset(4, seed=1),
        settings,
        folder,
        quiet=True,
    )


def test_early_stopping_waits_for_its_patience(tmp_path):
    fitted = stopped(tmp_path, {2}, **{"training.patience": 3})
    assert fitted.epochs == 5
    assert fitted.complete
    assert fitted.chosen == "best validation accuracy (100.0 % at step 6)"
    assert [row["validation_accuracy"] for row in fitted.history] == [0, 100, 0, 0, 0]


def test_early_stopping_cannot_fire_inside_the_warm_up(tmp_path):
    # Without a warm-up it would stop after epoch 3: the warm-up's 18 of 30 steps end with epoch 6.
    assert stopped(tmp_path / "without", {1}, **{"training.patience": 2}).epochs == 3
    fitted = stopped(tmp_path / "with", {1}, **{"training.patience": 2, "training.warmup": 0.6})
    # Epoch 6 ends the warm-up and is the first that counts, 7 and 8 bring no gain.
    assert fitted.epochs == 8
    assert fitted.chosen.endswith("at step 3)")


def test_no_patience_never_stops(tmp_path):
    assert stopped(tmp_path, {1}).epochs == 10


def test_a_run_that_had_stopped_early_does_not_go_on_when_resumed(tmp_path):
    differences = {
        "training.patience": 2,
        "training.average": 0.5,
        "training.learning_rate": 0.0,
        "training.epochs": 9,
    }
    whole = run(tmp_path, validated=True, **differences)
    assert whole[1].epochs < 9
    assert_same_result(run(tmp_path, validated=True, resume=True, **differences), whole)


class Linear(nn.Module):
    """A model without batch statistics and dropout."""

    classes = CLASSES

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(JOINTS * 2, CLASSES)

    def forward(self, batch):
        return self.head(batch["points"].mean(dim=1).flatten(1))


def test_an_effective_batch_says_how_many_batches_make_a_step():
    training = config.build({"training.batch_size": 8, "training.effective_batch": 32}).training
    assert accumulation(training) == 4
    assert accumulation(config.build({"training.accumulate": 3}).training) == 3


def test_automatic_precision_is_full_on_a_cpu():
    training = config.build({"training.precision": "auto", "training.accelerator": "cpu"}).training
    assert choose_device(training) == ("cpu", "32")


def test_two_batches_of_four_make_the_step_of_one_batch_of_eight(tmp_path):
    still = {f"augment.{name}": 0.0 for name in vars(AugmentSettings())}
    weights = {}
    for name, size, accumulate in (("eight", 8, 1), ("four", 4, 2), ("four alone", 4, 1)):
        settings = config.build(
            TINY,
            still,
            {
                "training.batch_size": size,
                "training.accumulate": accumulate,
                "training.epochs": 3,
                "training.clip_norm": 0.1,
                "training.label_smoothing": 0.1,
            },
        )
        task = new_task(settings, Linear())
        (tmp_path / name).mkdir()
        fitted = fit(task, dataset(16), None, settings, tmp_path / name, quiet=True)
        assert fitted.steps == (12 if name == "four alone" else 6)
        weights[name] = task.model.head.weight.detach()
    torch.testing.assert_close(weights["four"], weights["eight"], atol=1e-6, rtol=1e-5)
    assert (weights["four alone"] - weights["eight"]).abs().max() > 1e-3


def test_the_average_takes_in_every_step_and_is_what_remains(tmp_path):
    task, fitted = run(tmp_path, **{"training.average": 0.9})
    assert task.average.updates == fitted.steps == 12
    assert fitted.chosen == "last step, averaged weights; nothing was selected"
    for name, value in task.model.state_dict().items():
        assert torch.equal(value, task.average.state[name])
    live = torch.load(tmp_path / CHECKPOINT, weights_only=True)["state_dict"]
    assert not torch.equal(live["model.head.weight"], task.model.head.weight)


def test_the_average_of_the_first_step_is_worked_out_by_hand(tmp_path):
    settings = config.build(TINY, {"training.average": 0.9, "training.max_steps": 1})
    task = new_task(settings, Linear())
    start = task.model.head.weight.detach().clone()
    assert fit(task, dataset(), None, settings, tmp_path, quiet=True).steps == 1
    live = torch.load(tmp_path / CHECKPOINT, weights_only=True)["state_dict"]["model.head.weight"]
    assert (live - start).abs().max() > 1e-3
    torch.testing.assert_close(task.model.head.weight.detach(), 0.1 * start + 0.9 * live)


def test_validation_looks_at_the_average_and_the_best_of_it_is_kept(tmp_path):
    task, fitted = run(tmp_path, validated=True, **{"training.average": 0.9})
    best = max(row["validation_accuracy"] for row in fitted.history)
    first = next(row for row in fitted.history if row["validation_accuracy"] == best)
    assert fitted.chosen == f"best validation accuracy ({best:.1f} % at step {first['step']})"
    data = dataset(7, seed=1)
    task.model.eval()
    batch = resample(collate([data[i] for i in range(7)]), 6)
    right = (task.model(batch).argmax(1) == batch["target"]).float().mean()
    assert 100 * right.item() == pytest.approx(best)


def test_a_run_that_ends_with_max_steps_is_complete_whatever_the_time(tmp_path):
    _, fitted = run(tmp_path, **{"training.max_steps": 2, "training.hours": 1e-9})
    assert fitted.complete
    assert fitted.steps == 2


def test_a_time_budget_that_is_long_enough_changes_nothing(tmp_path):
    assert_same_result(run(tmp_path / "a", **{"training.hours": 1.0}), run(tmp_path / "b"))


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_an_error_at_once(poison, apart, tmp_path, monkeypatch):
    """Also where it is looked at after the backward pass, as on a GPU."""
    monkeypatch.setattr("signlib.training.fitting.runs_apart", lambda _: apart)
    # Backward passes, and optimiser steps.
    passes: list[torch.Tensor] = []
    steps: list[int] = []
    monkeypatch.setattr(
        ClassificationFitting,
        "on_before_optimizer_step",
        lambda self, _: steps.append(self.global_step),
    )
    step = ClassificationFitting.training_step

    def poisoned(self, batch, index):
        return step(self, batch, index) * (poison if self.current_epoch == 1 else 1.0)

    def note(self, batch, index):
        loss = poisoned(self, batch, index)
        self._losses[-1] = loss.detach()
        loss.register_hook(passes.append)
        return loss

    monkeypatch.setattr(ClassificationFitting, "training_step", note)
    with pytest.raises(
        RunError,
        match=r"the loss became (nan|inf) in epoch 2, step \d+: inputs and weights are finite, the"
        r" scores went first; lower training\.learning_rate \(now",
    ):
        run(tmp_path)
    # No step is taken with it, whenever it is looked at. The last good epoch stays.
    assert len(steps) == 3
    assert len(passes) == 3 + apart
    found = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert len(found["history"]) == 1
    assert all(torch.isfinite(value).all() for value in found["state_dict"].values())


def test_a_batch_that_does_not_count_says_nothing_whatever_its_loss(monkeypatch):
    task, loss = new_task(config.build(TINY)), torch.tensor(2.0, requires_grad=True)
    monkeypatch.setattr("signlib.training.fitting.counts", lambda *_: False)
    monkeypatch.setattr(ClassificationFitting, "trainer", mock.Mock())
    for value in (loss, loss * float("inf"), loss * float("nan")):
        zero = task.counted(value, 0)
        assert zero.item() == 0
        zero.backward()
    assert loss.grad == 0
    gradients = [weight.grad for weight in task.model.parameters() if weight.requires_grad]
    assert all((gradient == 0).all() for gradient in gradients)
    assert task._losses == []


def test_inputs_that_are_no_numbers_are_named_by_clip(tmp_path):
    settings, data = config.build(TINY), dataset()
    for clip in (4, 9):
        points, mask, target = data.items[clip]
        data.items[clip] = (np.where(points == points[0, 0, 0], np.inf, points), mask, target)
    Clips(data, [f"clip-{number}" for number in range(13)], {})
    with pytest.raises(RunError, match=r"its inputs went first \(points of clips clip-4, clip-9\)"):
        fit(new_task(settings), data, None, settings, tmp_path, quiet=True)


def test_gradients_that_are_no_numbers_are_told_from_a_loss_that_overflows(tmp_path):
    settings = config.build(TINY)
    task = new_task(settings)
    # 0 * sqrt(0) is a fine loss of 0, whose gradient is 0 * inf.
    task.auxiliary_loss = lambda _: 0 * (task.model.head.weight * 0).sum().sqrt()
    with pytest.raises(
        RunError,
        match=r"epoch 1, step 2: the gradients of the step before went first \(encoder\.cls",
    ):
        run(tmp_path, task=task)


def test_a_real_divergence_is_an_error(tmp_path):
    with pytest.raises(RunError, match=r"the loss became"):
        run(
            tmp_path,
            **{
                "training.learning_rate": 99.0,
                "training.weight_decay": 99.0,
                "training.epochs": 30,
            },
        )


def test_what_the_device_lacks_is_refused(monkeypatch):
    half = config.build({"training.precision": "16-mixed", "training.accelerator": "cpu"}).training
    with pytest.raises(
        SettingsError, match=r"training\.precision=16-mixed would silently become bf16 on a CPU"
    ):
        choose_device(half)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match=r"training\.accelerator=gpu: torch sees no GPU"):
        choose_device(config.build({"training.accelerator": "gpu"}).training)
    assert choose_device(config.build().training) == ("cpu", "32")
    assert choose_device(config.build({"training.precision": "bf16-mixed"}).training) == (
        "cpu",
        "bf16-mixed",
    )


@pytest.mark.parametrize(
    ("capability", "precision", "refused"),
    [
        ((7, 5), "16-mixed", ""),
        ((7, 5), "bf16-mixed", "has no bf16"),
        ((6, 0), "32", "no kernels in this torch"),
        ((8, 0), "bf16-mixed", ""),
    ],
)
def test_a_gpu_is_asked_what_it_can(monkeypatch, capability, precision, refused):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla")
    monkeypatch.setattr(
        torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80", "sm_90a", "compute_120"]
    )
    training = config.build({"training.precision": precision}).training
    if refused:
        with pytest.raises(SettingsError, match=refused):
            choose_device(training)
    else:
        assert choose_device(training) == ("gpu", precision)


def test_bf16_trains_on_a_cpu(tmp_path):
    _, fitted = run(
        tmp_path, validated=True, **{"training.precision": "bf16-mixed", "training.epochs": 2}
    )
    assert (fitted.precision, fitted.epochs) == ("bf16-mixed", 2)


def test_epochs_are_shuffled_each_in_its_own_way():
    sampler = ShuffledByEpoch(10, seed=3)
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert list(ShuffledByEpoch(10, seed=4)) != orders[0]
    assert len(sampler) == 10


def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path, monkeypatch):
    run(tmp_path, **{"training.epochs": 1})
    before = (tmp_path / CHECKPOINT).read_bytes()

    def full(self, path, *_, **__):
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fitting.lightning.Trainer, "save_checkpoint", full)
    with pytest.raises(DiskError, match="the disk is full"):
        run(tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
