"""Is one system better than another at (almost) every level, and not only on average?

A system dominates when each quantile of its scores is higher. Real ones nearly do: the share of the
distance between the two that points the wrong way says how nearly.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from signlib.errors import InputError
from signlib.statistics.resampling import LEVEL, redrawn

# Below this bound the second is called better; below 0.5 it leans that way. Source: Ulmer et al.
# 2022.
CLEAR = 0.2


def violation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(R,) share of the distance between two sets of quantiles that points the wrong way.

    That is: of the squared distance, the share in which the second is below the first. 0: the
    second is at least as good everywhere; 1: nowhere better; 0.5 for two that are the same.

    Args:
        first, second: (R, n) and (R, m) scores, higher is better.

    Source: del Barrio, Cuesta-Albertos and Matran 2018; Dror, Shlomov and Reichart 2019,
        equation 5. Exact: quantile functions of samples are steps.
    """
    first, second = np.sort(np.atleast_2d(first), axis=1), np.sort(np.atleast_2d(second), axis=1)
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
    a, b = np.asarray(first, float), np.asarray(second, float)
    if min(len(a), len(b)) < 2 or comparisons < 1:
        raise InputError(
            f"{len(a)} and {len(b)} scores, {comparisons} comparisons: give two scores each at"
            " least"
        )
    rng = np.random.default_rng(seed)
    drawn = violation(redrawn(a, resamples, rng), redrawn(b, resamples, rng))
    level = 1 - (1 - LEVEL) / comparisons
    bound = violation(a, b)[0] + drawn.std() * stats.norm.ppf(level)
    return float(np.clip(bound, 0, 1))
