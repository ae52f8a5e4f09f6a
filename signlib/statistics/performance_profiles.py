"""Scores of several seeds on several tasks (corpora, folds, signers) as one number or one curve.

The mean hangs on a few lucky seeds and the median forgets most of them; the interquartile mean
stands between. Seeds are drawn again inside each task, so a task with few seeds stays one task.
"""

import numpy as np
from scipy import stats

from signlib.errors import InputError
from signlib.statistics.resampling import LEVEL, percentile_interval, redrawn


def iqm(scores: np.ndarray) -> float:
    """Mean of the middle half of all scores (S, T): a row a seed, a column a task.

    Source: Agarwal et al. 2021, section 4.3.

    >>> iqm(np.array([[0.0, 1], [2, 100]]))
    1.5
    """
    return float(stats.trim_mean(np.asarray(scores, float), 0.25, axis=None))


def profile(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """(H,) share of scores (S, T) above each of H thresholds: the performance profile.

    Source: Agarwal et al. 2021, section 4.2.
    """
    above = np.asarray(scores, float)[None] > np.asarray(thresholds, float)[:, None, None]
    return above.mean((1, 2))


def iqm_interval(scores: np.ndarray, resamples: int = 10_000, seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of `iqm`, seeds drawn again inside each task.

    Raises:
        InputError: with fewer than two seeds.
    """
    return percentile_interval(_iqms(scores, resamples, seed))


def iqm_difference(
    first: np.ndarray, second: np.ndarray, resamples: int = 10_000, seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Second less first interquartile mean, and its 95 % interval.

    The seeds of the two are drawn apart from each other.
    """
    gains = _iqms(second, resamples, seed + 1) - _iqms(first, resamples, seed)
    return iqm(second) - iqm(first), percentile_interval(gains)


def profile_band(
    scores: np.ndarray, thresholds: np.ndarray, resamples: int = 2_000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(H,) low and (H,) high: 95 % percentile band of `profile`, threshold by threshold."""
    drawn = _stratified(scores, resamples, seed)
    shares = np.stack([(drawn > threshold).mean(1) for threshold in np.asarray(thresholds, float)])
    low, high = np.quantile(shares, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    return low, high


def _stratified(scores: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    # (R, S x T): the seeds of each task drawn again, with replacement.
    scores = np.asarray(scores, float)
    if scores.ndim != 2 or len(scores) < 2:
        raise InputError(
            f"scores of shape {scores.shape}: give a row a seed (two at least) and a column a task"
        )
    return redrawn(scores, resamples, np.random.default_rng(seed)).reshape(resamples, -1)


def _iqms(scores: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    return stats.trim_mean(_stratified(scores, resamples, seed), 0.25, axis=1)
