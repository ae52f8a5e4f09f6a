"""Phases of the schedule, and batches that count for nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from signlib.settings import presets
from signlib.training.sentences import SentenceFitting, distils, phase_factor


def settings(*overrides: str):
    return presets.build("sentences/compact", "smoke", 0, ["ctc.short_signs=0", *overrides])


def test_the_rate_follows_the_phases_by_hand():
    factor = phase_factor(settings("ctc.phases=[1,2,1,1]", "ctc.finetune_rate=0.2").ctc, 50)
    # ten steps up, twenty down by a half cosine to a fifth, then steady
    assert factor(0) == pytest.approx(0.1)
    assert factor(9) == pytest.approx(1)
    assert factor(20) == pytest.approx(0.6)
    assert [factor(step) for step in (30, 40, 49)] == pytest.approx([0.2] * 3)


def test_the_last_phase_distils():
    phases = [5, 50, 20, 10]
    assert [distils(phases, epoch, 85) for epoch in (0, 74, 75, 84)] == [False, False, True, True]
    # phases are shares: in a training of 17 epochs the last two distil
    assert [epoch for epoch in range(17) if distils(phases, epoch, 17)] == [15, 16]
    assert not distils([1, 1, 1, 0], 11, 12)
    assert not distils(settings().ctc.phases, 11, settings().training.epochs)


class Says(nn.Module):
    """The same scores for every frame."""

    classes = 3

    def __init__(self, scores) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.tensor(scores))
        self.network = SimpleNamespace(blank_bonus=0.0)

    def frames(self, lengths):
        return lengths

    def forward(self, batch):
        return self.scores.log_softmax(-1).expand(
            len(batch["lengths"]), int(batch["lengths"].max()), 3
        )


def task(scores, counts: bool, *overrides: str) -> SentenceFitting:
    made = SentenceFitting(Says(scores), settings(*overrides), lambda batch: batch)
    sampler = SimpleNamespace(counts=lambda index: counts)
    made._trainer = SimpleNamespace(
        estimated_stepping_batches=10,
        global_step=0,
        current_epoch=0,
        sanity_checking=True,
        train_dataloader=SimpleNamespace(batch_sampler=sampler),
        val_dataloaders=SimpleNamespace(batch_sampler=sampler),
        strategy=SimpleNamespace(reduce=lambda value, reduce_op: value),
        precision_plugin=SimpleNamespace(),
    )
    made._jit_is_scripting = False
    return made


def batch():
    return {
        "lengths": torch.tensor([4, 3]),
        "targets": torch.tensor([[1, 2], [2, 0]]),
        "sizes": torch.tensor([2, 1]),
    }


def test_a_filler_batch_moves_nothing_and_is_in_no_mean():
    plain, filler = task([0.0, 1.0, 0.5], True), task([0.0, 1.0, 0.5], False)
    for own in (plain, filler):
        own.training_step(batch(), 3).backward()
        with torch.no_grad():
            own.validation_step(batch(), 3)
    assert plain.model.scores.grad.abs().max() > 0
    assert filler.model.scores.grad.abs().max() == 0
    assert (len(plain._losses), len(filler._losses)) == (1, 0)
    assert (len(plain._seen), len(filler._seen)) == (1, 0)
    # every frame says class 1: sentence "1 2" lacks one, sentence "2" has a wrong one
    assert plain._seen[0].tolist() == [1, 1]
    assert plain._words[0].tolist() == [2, 1]


def test_a_step_that_is_no_number_is_counted_and_moves_nothing():
    broken = task([0.0, float("nan"), 0.0], True)
    loss = broken.training_step(batch(), 0)
    assert broken.broken == 1
    assert broken._losses == []
    loss.backward()
    broken.on_before_optimizer_step(None)
    assert broken.model.scores.grad.abs().max() == 0


def test_while_half_precision_looks_for_its_scale_nothing_is_counted():
    own = task([0.0, 1.0, 0.0], True)
    for scale, counted in ((1024.0, 0), (1.0, 1)):
        own._trainer.precision_plugin = SimpleNamespace(
            scaler=SimpleNamespace(get_scale=lambda scale=scale: scale)
        )
        own.model.scores.grad = torch.full((3,), float("inf"))
        own.on_before_optimizer_step(None)
        assert own.broken == counted


def test_early_frames_have_their_share_of_the_loss():
    """By hand: one of three classes, all as likely, in one frame; early frames know the answer."""
    said = {
        "lengths": torch.tensor([1]),
        "targets": torch.tensor([[2]]),
        "sizes": torch.tensor([1]),
    }
    plain = ("ctc.focal_share=0", "training.label_smoothing=0")
    own = task([0.0, 0.0, 0.0], True, "ctc.early_share=0.25", *plain)
    early = torch.tensor([[[0.1, 0.1, 0.8]]]).log()
    own.model.twice = lambda batch: (own.model(batch), early)
    loss = own.training_step(said, 0)
    assert loss.item() == pytest.approx(0.75 * np.log(3) + 0.25 * np.log(1.25))


def test_single_frames_have_a_share_that_fades():
    """By hand: the only frame, of three classes as likely, has label 2 as its target does."""
    said = {
        "lengths": torch.tensor([1]),
        "targets": torch.tensor([[2]]),
        "sizes": torch.tensor([1]),
        "spans": torch.tensor([[[0, 8]]]),
    }
    plain = ("ctc.focal_share=0", "training.label_smoothing=0", "ctc.stride=1")
    own = task([0.0, 2.0, 1.0], True, "ctc.frame_share=0.5", "ctc.frame_until=0.4", *plain)
    # CTC, and the cross-entropy of the frame, are the same -log p here; a span elsewhere is blank.
    scores = own.model.scores.log_softmax(-1)
    losses = []
    unknown, elsewhere = [[[-1, -1]]], [[[5, 8]]]
    for step, spans in (
        (0, [[[0, 8]]]),
        (0, elsewhere),
        (2, elsewhere),
        (4, elsewhere),
        (0, unknown),
    ):
        own._trainer.global_step = step
        losses.append(own.training_step(said | {"spans": torch.tensor(spans)}, 0).item())
    target, blank = -scores[2].item(), -scores[0].item()
    # Where the corpus does not tell when signs begin, CTC is the whole loss.
    expected = [target, (target + blank) / 2, 0.75 * target + 0.25 * blank, target, target]
    assert losses == pytest.approx(expected)


def test_the_blank_is_held_down_at_first_only():
    own = task([0.0, 1.0, 0.0], True, "ctc.blank_start=-4.0", "ctc.blank_until=0.5")
    seen = []
    for step in (0, 4, 5, 9):
        own._trainer.global_step = step
        own.training_step(batch(), 0)
        seen.append(own.model.network.blank_bonus)
    assert seen == pytest.approx([-4.0, -0.8, 0.0, 0.0])


def test_clips_are_short_at_first_only():
    own = task([0.0, 1.0, 0.0], True, "ctc.short_signs=1", "ctc.short_until=0.4")
    seen = []
    own.augment = lambda batch: seen.append(batch["sizes"].tolist()) or batch
    timed = batch() | {
        "spans": torch.tensor([[[0, 2], [2, 4]], [[0, 3], [-1, -1]]]),
        "points": torch.zeros(2, 4, 1, 2),
    }
    for step in (0, 3, 4):
        own._trainer.global_step = step
        own.training_step(timed, 0)
    assert seen == [[1, 1], [1, 1], [2, 1]]
