"""What is right, against scikit-learn and answers worked out by hand."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, top_k_accuracy_score

from signlib.errors import RunError
from signlib.evaluation.metrics import (
    are_numbers,
    check_scores,
    confusion,
    per_class_accuracy,
    top_k,
)


def test_top_k_worked_out_by_hand():
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    targets = np.array([2, 0, 0])
    assert top_k(scores, targets, 1).tolist() == [False, True, False]
    assert top_k(scores, targets, 2).tolist() == [True, True, False]
    assert top_k(scores, targets, 3).tolist() == [True, True, True]


def test_ties_count_against_the_target():
    scores = np.array([[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    targets = np.array([0, 1])
    assert top_k(scores, targets, 1).tolist() == [False, False]
    assert top_k(scores, targets, 2).tolist() == [True, False]
    assert top_k(scores, targets, 3).tolist() == [True, True]


def test_top_k_is_that_of_scikit_learn_without_ties():
    rng = np.random.default_rng(0)
    scores, targets = rng.normal(size=(200, 9)), rng.integers(0, 9, 200)
    for k in (1, 2, 5):
        assert top_k(scores, targets, k).mean() == top_k_accuracy_score(
            targets, scores, k=k, labels=range(9)
        )


def test_scores_that_are_no_numbers_are_no_hits():
    with pytest.raises(ValueError, match="scores hold NaN"):
        top_k(np.array([[np.nan, np.nan], [0.1, 0.9]]), np.array([0, 1]), 1)
    assert top_k(np.array([[-np.inf, 0.0]]), np.array([1]), 1).tolist() == [True]


def test_every_class_that_occurs_counts_once():
    correct, targets = np.array([1, 0, 1, 1, 1, 0], bool), np.array([0, 0, 2, 2, 2, 5])
    assert per_class_accuracy(correct, targets).tolist() == [50, 100, 0]


def test_confusion_counts_targets_by_row():
    predictions, targets = np.array([1, 1, 2, 0, 1]), np.array([0, 0, 2, 2, 1])
    expected = [[0, 2, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert confusion(predictions, targets, 4).tolist() == expected
    np.testing.assert_array_equal(
        confusion(predictions, targets, 4), confusion_matrix(targets, predictions, labels=range(4))
    )


def test_scores_that_are_no_numbers_name_their_clips():
    """A class that cannot be is fine; a row without a highest score is not."""
    good, bad, none = np.array([0.5, -np.inf]), np.array([0.5, np.nan]), np.array([-np.inf] * 2)
    check_scores([good, np.stack([good, good])], ["a", "b"])
    with pytest.raises(RunError, match=r"2 of 3 clips have scores .*\(b, c\), so nothing"):
        check_scores([good, bad, none], ["a", "b", "c"])
    assert not are_numbers(np.stack([good, bad]))
    assert not are_numbers(np.array([np.inf, 0]))
