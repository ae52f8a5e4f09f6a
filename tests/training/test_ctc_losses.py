"""Losses of sentences worked out by hand, and against every alignment of small alphabets."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from signlib.decoding.ctc import collapse, needed_frames
from signlib.errors import ClipError, SettingsError
from signlib.training.losses import (
    SentenceLoss,
    fading,
    focal,
    frame_cross_entropy,
    frame_distillation,
    frame_labels,
    frames_needed,
    sentence_losses,
    uniform_cross_entropy,
)


def scores(frames: int, classes: int, seed: int = 0, clips: int = 1) -> torch.Tensor:
    return torch.randn(
        clips, frames, classes, generator=torch.Generator().manual_seed(seed)
    ).log_softmax(-1)


def test_one_gloss_by_hand():
    # half blank, half A in both frames: of four paths three say A
    half = torch.full((1, 2, 2), 0.5).log()
    found = sentence_losses(half, torch.tensor([2]), torch.tensor([[1]]), torch.tensor([1]))
    assert found.tolist() == pytest.approx([-math.log(0.75)])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.lists(st.integers(1, 2), min_size=1, max_size=3), st.integers(0, 1000))
def test_a_loss_is_the_sum_over_all_alignments(frames, target, seed):
    if needed_frames(target) > frames:
        return
    given_scores = scores(6, 3, seed)
    total = sum(
        math.exp(sum(given_scores[0, t, k].item() for t, k in enumerate(path)))
        for path in product(range(3), repeat=frames)
        if collapse(path) == target
    )
    found = sentence_losses(
        given_scores,
        torch.tensor([frames]),
        torch.tensor([target + [7, 7]]),
        torch.tensor([len(target)]),
    )
    assert found.item() == pytest.approx(-math.log(total), rel=1e-4)


@given(st.lists(st.lists(st.integers(1, 3), max_size=5), min_size=1, max_size=4))
def test_needed_frames_of_a_batch(targets):
    padded = torch.tensor([target + [1] * (6 - len(target)) for target in targets])
    sizes = torch.tensor([len(target) for target in targets])
    assert frames_needed(padded, sizes).tolist() == [needed_frames(target) for target in targets]


def test_a_target_that_does_not_fit_is_an_error_not_an_infinity():
    targets, sizes = torch.tensor([[1, 2], [1, 1]]), torch.tensor([2, 2])
    sentence_losses(scores(3, 3, clips=2), torch.tensor([2, 3]), targets, sizes)
    with pytest.raises(
        ClipError, match="1 of 2 targets are longer than their clips: 2 frames for 2 glosses"
    ):
        sentence_losses(scores(3, 3, clips=2), torch.tensor([2, 2]), targets, sizes)


def test_focal_by_hand():
    # two glosses at likelihood 1/4 a gloss, one at 1/2: weights (3/4)^2 and (1/2)^2
    losses, sizes = torch.tensor([2 * math.log(4), math.log(2)]), torch.tensor([2, 1])
    expected = (0.75**2 * math.log(4) + 0.5**2 * math.log(2)) / 2
    assert focal(losses, sizes, 2).item() == pytest.approx(expected)
    assert focal(losses, sizes, 0).item() == pytest.approx((math.log(4) + math.log(2)) / 2)


def test_the_seeds_formula_indexes_time():
    """`probs[targets]` of (T, B, V) picks frames 1 and 2 for the glosses 1 and 2, of every clip and
    class.
    """
    log_probs = scores(4, 5, clips=3).transpose(0, 1)
    targets = torch.tensor([1, 2])
    assert torch.equal(log_probs.exp()[targets], log_probs.exp()[1:3])
    with pytest.raises(IndexError):
        log_probs.exp()[torch.tensor([4])]  # gloss 4 is a class, and there is no frame 4


def test_smoothing_by_hand():
    given_scores = torch.tensor(
        [[[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3], [0.9, 0.05, 0.05]]]
    ).log()
    expected = ((math.log(2) + 2 * math.log(4)) / 3 + math.log(3)) / 2  # the third frame is padding
    assert uniform_cross_entropy(given_scores, torch.tensor([2])).item() == pytest.approx(expected)


def test_the_mixture_is_its_parts():
    given_scores, frames = scores(6, 4, clips=2), torch.tensor([6, 4])
    targets, sizes = torch.tensor([[1, 2, 3], [2, 0, 0]]), torch.tensor([3, 1])
    losses = sentence_losses(given_scores, frames, targets, sizes)
    plain = (losses / sizes).mean()
    # torch's own mean reduction divides by the target lengths, too
    assert plain.item() == pytest.approx(
        torch.nn.functional.ctc_loss(given_scores.transpose(0, 1), targets, frames, sizes).item()
    )
    both = 0.7 * plain + 0.3 * focal(losses, sizes, 2.0)
    assert SentenceLoss(0.0, 2.0, 0.0)(
        given_scores, frames, targets, sizes
    ).item() == pytest.approx(plain.item())
    assert SentenceLoss(0.3, 2.0, 0.0)(
        given_scores, frames, targets, sizes
    ).item() == pytest.approx(both.item())
    smooth = 0.9 * both + 0.1 * uniform_cross_entropy(given_scores, frames)
    assert SentenceLoss()(given_scores, frames, targets, sizes).item() == pytest.approx(
        smooth.item()
    )


def test_padding_costs_nothing():
    loss, frames = SentenceLoss(), torch.tensor([5, 3])
    targets, sizes = torch.tensor([[1, 2], [2, 3]]), torch.tensor([2, 1])
    given_scores = scores(5, 4, clips=2).requires_grad_()
    value = loss(given_scores, frames, targets, sizes)
    value.backward()
    assert given_scores.grad[1, 3:].abs().sum() == 0
    longer = torch.nn.functional.pad(given_scores.detach(), (0, 0, 0, 4), value=-1.0)
    other = targets.clone()
    other[1, 1] = 1
    assert loss(longer, frames, other, sizes).item() == pytest.approx(value.item())


def test_what_is_refused():
    for wrong in ({"focal_share": 1.5}, {"smoothing": -0.1}, {"focal_power": -1.0}):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            SentenceLoss(**wrong)


def test_distillation_by_hand():
    student = torch.tensor([[[0.5, 0.5], [0.9, 0.1], [0.1, 0.9]]]).log()
    teacher = torch.tensor([[[0.8, 0.2], [0.9, 0.1], [0.5, 0.5]]]).log()
    divergence = 0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5)
    # two real frames, of which the second agrees; the third is padding
    assert frame_distillation(student, teacher, torch.tensor([2]), 1.0).item() == pytest.approx(
        divergence / 2
    )
    # at T = 2 probabilities become roots: 2/3 and 1/3 against 1/2
    soft = 4 * (2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3))
    assert frame_distillation(student, teacher, torch.tensor([1]), 2.0).item() == pytest.approx(
        soft
    )


def test_a_long_clip_pulls_no_harder_frame_by_frame():
    student, teacher = scores(8, 5, seed=1, clips=2), scores(8, 5, seed=2, clips=2)
    frames = torch.tensor([8, 2])
    alone = [
        frame_distillation(student[k : k + 1], teacher[k : k + 1], frames[k : k + 1], 3.0).item()
        for k in range(2)
    ]
    assert frame_distillation(student, teacher, frames, 3.0).item() == pytest.approx(
        np.average(alone, weights=[8, 2])
    )


def test_frames_between_signs_are_blank_by_hand():
    # Three frames make one; the middles are frames 1, 4, 7 and 10.
    spans = torch.tensor([[[1, 2], [4, 8]], [[-1, -1], [-1, -1]], [[0, 11], [-1, -1]]])
    targets = torch.tensor([[5, 2], [1, 1], [4, 0]])
    labels = frame_labels(spans, targets, torch.tensor([4, 4, 3]), longest=4, stride=3)
    assert labels.tolist() == [[5, 2, 2, 0], [-1, -1, -1, -1], [4, 4, 4, -1]]


def test_frames_cost_what_their_labels_say_by_hand():
    scores = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [1.0, 0.0, 0.0]]]).log()
    labels = torch.tensor([[1, 2, -1]])
    cost = (math.log(4) + math.log(1.25)) / 2
    assert frame_cross_entropy(scores, labels).item() == pytest.approx(cost)
    nothing = frame_cross_entropy(scores.requires_grad_(), torch.full((1, 3), -1))
    assert nothing.item() == 0
    nothing.backward()
    assert not scores.grad.any()


def test_labels_of_frames_are_an_alignment_that_says_the_sentence():
    spans, targets = torch.tensor([[[0, 5], [6, 9], [9, 14]]]), torch.tensor([[2, 2, 1]])
    labels = frame_labels(spans, targets, torch.tensor([16]), longest=16, stride=1)
    assert collapse(labels[0].tolist()) == [2, 2, 1]


def test_the_blank_comes_back():
    assert fading(0.2, -6, 0.4) == pytest.approx(-3)
    assert fading(0.0, -6, 0.0) == 0
    values = [fading(done / 20, -6, 0.8) for done in range(21)]
    assert values == sorted(values)
    assert values[-1] == 0
