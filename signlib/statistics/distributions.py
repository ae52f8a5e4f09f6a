"""Scores of several seeds beyond their mean: interquartile mean, profile, order at every level.

The mean hangs on a few lucky seeds and the median forgets most of them; the interquartile mean
stands between. Over several tasks (corpora, folds, signers) seeds are drawn again inside each task,
so a task with few seeds stays one task.

A system dominates another when each quantile of its scores is higher, and not only their average.
Real ones nearly do: the share of the distance between the two that points the wrong way says how
nearly.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from signlib.errors import InputError
from signlib.statistics.intervals import LEVEL, numbers, percentile_interval, redrawn

# Below this bound the second is called better; below 0.5 it leans that way. Source: Ulmer et al.
# 2022.
CLEAR = 0.2


def iqm(scores: np.ndarray) -> float:
    """Mean of the middle half of all scores (S, T): a row a seed, a column a task.

    Source: Agarwal et al. 2021, section 4.3.

    >>> iqm(np.array([[0.0, 1], [2, 100]]))
    1.5
    """
    return float(stats.trim_mean(numbers(scores, float), 0.25, axis=None))


def profile(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """(H,) share of scores (S, T) above each of H thresholds: the performance profile.

    Source: Agarwal et al. 2021, section 4.2.
    """
    above = numbers(scores, float)[None] > np.asarray(thresholds, float)[:, None, None]
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
) -> np.ndarray:
    """(2, H) low and high: 95 % percentile band of `profile`, threshold by threshold."""
    drawn = _stratified(scores, resamples, seed)
    shares = np.stack([(drawn > threshold).mean(1) for threshold in np.asarray(thresholds, float)])
    return np.quantile(shares, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)


def _stratified(scores: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    # (R, S x T): the seeds of each task drawn again, with replacement.
    scores = numbers(scores, float)
    if scores.ndim != 2 or len(scores) < 2:
        raise InputError(
            f"scores of shape {scores.shape}: give a row a seed (two at least) and a column a task"
        )
    return redrawn(scores, resamples, np.random.default_rng(seed)).reshape(resamples, -1)


def _iqms(scores: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    return stats.trim_mean(_stratified(scores, resamples, seed), 0.25, axis=1)


def violation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(R,) share of the distance between two sets of quantiles that points the wrong way.

    That is: of the squared distance, the share in which the second is below the first. 0: the
    second is at least as good everywhere; 1: nowhere better; 0.5 for two that are the same.

    Args:
        first, second: (R, n) and (R, m) scores, higher is better.

    Source: del Barrio, Cuesta-Albertos and Matran 2018; Dror, Shlomov and Reichart 2019,
        equation 5. Exact: quantile functions of samples are steps.
    """
    first, second = (np.sort(np.atleast_2d(numbers(scores)), axis=1) for scores in (first, second))
    n, m = first.shape[1], second.shape[1]
    # Steps end at i / n and at j / m; counted in units of 1 / (n m) they are whole numbers.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    widths = np.diff(ends, prepend=0) / (n * m)
    gaps = second[:, (ends - 1) // n] - first[:, (ends - 1) // m]
    # squared distance between the two, and the part of it where the second is below
    whole = (gaps**2 * widths).sum(1)
    wrong = (np.minimum(gaps, 0) ** 2 * widths).sum(1)
    return np.divide(wrong, whole, out=np.full(len(whole), 0.5), where=whole > 0)


def almost_stochastic_order(
    first: Sequence[float],
    second: Sequence[float],
    comparisons: int = 1,
    resamples: int = 10_000,
    seed: int = 0,
) -> float:
    """Upper bound (95 %) of the share in which the second is *not* better.

    Below 0.5 it is better, below `CLEAR` clearly so.

    Args:
        first, second: scores, one a seed (or a clip), higher is better; not necessarily as many.
        comparisons: tests in the family; the level is split among them (Bonferroni).
        resamples, seed: of the bootstrap behind the bound.

    Raises:
        InputError: with fewer than two scores of either.

    Source: Dror, Shlomov and Reichart 2019.
    Differs: exact integrals instead of sums over a grid of 0.005.
    """
    a, b = numbers(first, float), numbers(second, float)
    if min(len(a), len(b)) < 2 or comparisons < 1:
        raise InputError(
            f"{len(a)} and {len(b)} scores, {comparisons} comparisons: give two scores each at"
            " least"
        )
    rng = np.random.default_rng(seed)
    drawn = violation(redrawn(a, resamples, rng), redrawn(b, resamples, rng))
    bound = violation(a, b)[0] + drawn.std() * stats.norm.ppf(1 - (1 - LEVEL) / comparisons)
    return float(np.clip(bound, 0, 1))
