"""How sure a share or a mean is: over clips, over a few signers, over whole groups of clips."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from signlib.statistics.resampling import (
    LEVEL,
    counted_sums,
    group_sums,
    percentile_interval,
    redrawn,
)

FEW_SIGNERS = 20


def few_signers(signers: int) -> str:
    """What to mind with so few signers; empty when there are enough, or nobody knows them."""
    if not 1 < signers < FEW_SIGNERS:
        return ""
    return (
        f"only {signers} signers: the bootstrap of whole signers comes out too narrow below about"
        f" {FEW_SIGNERS}"
    )


def wilson_interval(correct: np.ndarray) -> tuple[float, float]:
    """95 % interval of a share, in per cent, when clips are independent.

    Args:
        correct: (N,) bool.

    Source: Wilson 1927; scipy's binomtest.
    """
    low, high = stats.binomtest(int(correct.sum()), len(correct)).proportion_ci(LEVEL, "wilson")
    return 100 * low, 100 * high


def answer_of(interval: tuple[float, float]) -> str:
    """`better`, `worse` or `no difference shown`: where the interval of a gain lies."""
    low, high = interval
    if low > 0:
        return "better"
    return "worse" if high < 0 else "no difference shown"


def t_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of a few independent values (G,), one a signer.

    Source: Student's t with G - 1 degrees of freedom.
    """
    values = np.asarray(values, float)
    half = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def cluster_interval(
    correct: np.ndarray, groups: Sequence[str], resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a share, in per cent, when clips of a group rise and fall together.

    Whole groups (signers, glosses, recordings) are drawn with replacement; the share is the ratio
    of sums.

    Args:
        correct: (N,) bool, or the gain of each clip.
        groups: (N,) group of each clip.
        resamples, seed: of the bootstrap.

    Raises:
        ValueError: with fewer than two groups, from which no spread can be read.
    """
    table = group_sums([correct, np.ones(len(groups))], groups)
    count = table.shape[1]
    if count < 2:
        raise ValueError(f"a cluster bootstrap needs at least two groups, not {count}")
    sums = counted_sums(table, np.ones(count), resamples, np.random.default_rng(seed))
    return percentile_interval(100 * sums[:, 0] / sums[:, 1])


def mean_interval(
    values: np.ndarray, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of values (N,), one a gloss, a signer or a seed."""
    rng = np.random.default_rng(seed)
    return percentile_interval(redrawn(np.asarray(values), resamples, rng).mean(axis=1))
