"""Accuracy and how sure it is: intervals over clips, or over signers or glosses as whole groups."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

LEVEL = 0.95


def top_k(scores: np.ndarray, targets: np.ndarray, k: int) -> np.ndarray:
    """(N,) bool: is the target among the k highest of its row of scores (N, K)? Ties count against
    it.

    Raises:
        ValueError: for scores that are not numbers, which no rank can be read from.

    >>> top_k(np.array([[0.1, 0.7, 0.2]]), np.array([2]), 2).tolist()
    [True]
    """
    if np.isnan(scores).any():
        raise ValueError(
            "scores hold NaN: the model's weights or its input are broken; nothing was counted"
        )
    own = np.take_along_axis(scores, targets[:, None], axis=1)
    return (scores >= own).sum(axis=1) <= k


def wilson_interval(correct: np.ndarray) -> tuple[float, float]:
    """95 % interval of a share, in per cent, when clips are independent.

    Source: Wilson 1927; scipy's binomtest.
    """
    interval = stats.binomtest(int(correct.sum()), len(correct)).proportion_ci(
        LEVEL, method="wilson"
    )
    return 100 * interval.low, 100 * interval.high


def cluster_interval(
    correct: np.ndarray, groups: Sequence[str], resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a share, in per cent, when clips of a group rise and fall together.

    Whole groups (signers, glosses, recordings) are drawn with replacement; the share is the ratio
    of sums.

    Args:
        correct: (N,) bool.
        groups: (N,) group of each clip.
        resamples, seed: of the bootstrap.

    Raises:
        ValueError: with fewer than two groups, from which no spread can be read.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"a cluster bootstrap needs at least two groups, not {len(names)}")
    hits = np.bincount(member, weights=correct)
    sizes = np.bincount(member)
    draws = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), resamples
    )
    shares = 100 * (draws @ hits) / (draws @ sizes)
    low, high = np.quantile(shares, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mean_interval(
    values: np.ndarray, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of values (N,), each of them one draw (a gloss, a signer,
    a seed).
    """
    draws = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    low, high = np.quantile(
        np.asarray(values)[draws].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    )
    return float(low), float(high)


def per_class_accuracy(correct: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Accuracy of each class that occurs, in per cent, in the order of the class numbers."""
    classes = np.unique(targets)
    return np.array([100 * correct[targets == k].mean() for k in classes])


def confusion(predictions: np.ndarray, targets: np.ndarray, classes: int) -> np.ndarray:
    """(K, K) counts: row = target, column = prediction."""
    return np.bincount(targets * classes + predictions, minlength=classes * classes).reshape(
        classes, classes
    )
