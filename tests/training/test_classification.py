"""The loss against torch's own, class weights, scores at test time."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from signlib.settings import config
from signlib.training.classification import class_weights, log_probabilities, soft_cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_for_hard_targets_is_torchs(smoothing, weighted):
    torch.manual_seed(0)
    scores, target = torch.randn(12, 5) * 3, torch.arange(12) % 4
    weights = torch.tensor([0.5, 1, 2, 4, 8]) if weighted else None
    ours = soft_cross_entropy(scores, functional.one_hot(target, 5).float(), smoothing, weights)
    theirs = functional.cross_entropy(scores, target, weight=weights, label_smoothing=smoothing)
    torch.testing.assert_close(ours, theirs)


def test_the_loss_for_soft_targets_is_worked_out_by_hand():
    probabilities = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    targets = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    plain = soft_cross_entropy(probabilities.log(), targets)
    assert plain.item() == pytest.approx((0.5 * 0.693147 + 0.5 * 1.386294 + 0.223144) / 2, rel=1e-5)
    weighted = soft_cross_entropy(
        probabilities.log(), targets, class_weights=torch.tensor([1.0, 3.0, 2.0])
    )
    # Weights of the two clips: 0.5 x 1 + 0.5 x 3 = 2 and 2.
    expected = (0.5 * 1 * 0.693147 + 0.5 * 3 * 1.386294 + 2 * 0.223144) / 4
    assert weighted.item() == pytest.approx(expected, rel=1e-5)


def test_class_weights_let_every_class_count_the_same():
    weights = class_weights(torch.tensor([2, 6, 0, 4]))
    assert weights.tolist() == pytest.approx([12 / (4 * 2), 12 / (4 * 6), 0, 12 / (4 * 4)])
    assert weights.dtype == torch.float32
    assert class_weights(torch.tensor([5, 5])).tolist() == [1, 1]


class LeansRight(nn.Module):
    """Scores by the first point's x: (x, 2)."""

    def forward(self, batch):
        x = batch["points"][:, 0, 0, 0]
        return torch.stack([x, torch.full_like(x, 2.0)], dim=1)


def batches():
    mask = torch.ones(3, 1, 2, dtype=torch.bool)
    points = torch.tensor([[[1.0, 5], [3, 5]], [[0, 0], [4, 4]], [[-1, 0], [1, 2]]])[:, None]
    whole = {
        "points": points,
        "mask": mask,
        "lengths": torch.ones(3, dtype=torch.long),
        "target": torch.zeros(3),
    }
    return [
        {key: value[:2] for key, value in whole.items()},
        {key: value[2:] for key, value in whole.items()},
    ]


def test_scores_are_log_probabilities_in_the_order_of_the_clips():
    settings = config.build({"training.mirror_at_test": False, "features.frames": 0})
    found = log_probabilities(
        LeansRight().train(), batches(), settings, [1, 0], torch.device("cpu")
    )
    expected = torch.tensor([[1.0, 2], [0, 2], [-1, 2]]).log_softmax(dim=1)
    torch.testing.assert_close(found, expected)


def test_scores_average_the_probabilities_of_both_mirror_images():
    settings = config.build({"training.mirror_at_test": True, "features.frames": 4})
    found = log_probabilities(LeansRight(), batches(), settings, [1, 0], torch.device("cpu"))
    one = torch.tensor([[1.0, 2], [0, 2], [-1, 2]]).softmax(dim=1)
    two = torch.tensor([[-3.0, 2], [-4, 2], [-1, 2]]).softmax(dim=1)
    torch.testing.assert_close(found, ((one + two) / 2).log())
