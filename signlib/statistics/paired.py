"""Two systems on the same clips: how much better, and would another signer agree?

Clips of one signer rise and fall together, and a test has few signers. So beside the exact test
over clips stand two intervals over signers, one of which knows how few they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from signlib.errors import InputError
from signlib.statistics.intervals import (
    LEVEL,
    answer_of,
    cluster_interval,
    few_signers,
    group_sums,
    numbers,
    t_interval,
)


@dataclass(frozen=True)
class Paired:
    """What two systems differ by on the same clips: points of per cent, second minus first.

    Attributes:
        difference: of the two accuracies over all clips.
        clips, signers: how many it stands on.
        only_first, only_second: clips that one of them got and the other did not.
        p: exact McNemar test, two-sided: clips are taken as independent.
        bootstrap: 95 % interval from drawing whole signers with replacement.
        by_signer: 95 % t interval of the mean of the signers' differences, with `signers - 1`
            degrees of freedom.
        signer_mean: the middle of `by_signer`: every signer weighs the same.
        each_signer: the signers' differences, in the order of their names.
        without_one: lowest and highest difference when any one signer is left out.
    """

    difference: float
    clips: int
    signers: int
    only_first: int
    only_second: int
    p: float
    bootstrap: tuple[float, float]
    by_signer: tuple[float, float]
    signer_mean: float
    each_signer: tuple[float, ...]
    without_one: tuple[float, float]

    @property
    def warning(self) -> str:
        """What to mind with so few signers; empty when there are enough."""
        text = few_signers(self.signers)
        return f"{text}; read the t interval over signers" if text else ""

    @property
    def answer(self) -> str:
        """`better`, `worse` or `no difference shown`, by the t interval over signers."""
        return answer_of(self.by_signer)

    @property
    def p_signers(self) -> float:
        """Two-sided p of the t test over signers: below 0.05 where `by_signer` leaves out 0."""
        each = np.array(self.each_signer)
        error = each.std(ddof=1) / np.sqrt(len(each))
        if error == 0:
            return float(self.signer_mean == 0)
        return float(2 * stats.t.sf(abs(self.signer_mean) / error, len(each) - 1))

    def __str__(self) -> str:
        return (
            f"{self.difference:+.2f} points [{self.by_signer[0]:+.2f}, {self.by_signer[1]:+.2f}],"
            f" {self.answer}"
        )


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p of the exact McNemar test.

    Are the clips that only one of two systems got split evenly?

    Source: McNemar 1947; the exact form is a binomial test of the discordant pairs with share 1/2.

    >>> mcnemar(0, 4)
    0.125
    """
    if only_first + only_second == 0:
        return 1.0
    return float(stats.binomtest(only_first, only_first + only_second).pvalue)


@dataclass(frozen=True)
class Bounds:
    """What two totals alone say about McNemar's p: the least and the most that it can be."""

    least: float
    most: float

    @property
    def answer(self) -> str:
        """At 0.05, for independent clips: `shown`, `cannot be shown`, `the totals do not tell`."""
        if self.most < 1 - LEVEL:
            return "shown"
        return "cannot be shown" if self.least >= 1 - LEVEL else "the totals do not tell"


def mcnemar_given_totals(first: int, second: int, clips: int) -> Bounds:
    """Bounds of McNemar's p when only the totals of right clips are known, not which clips.

    With d clips between the totals and b lost there are b + d gained, and p grows with b: from no
    loss at all up to all losses that the totals allow.

    Args:
        first, second: right clips of either system, of the same `clips`.

    Raises:
        InputError: for totals that are no number of these clips.

    >>> mcnemar_given_totals(10, 12, 46).least
    0.5
    """
    if not 0 <= min(first, second) <= max(first, second) <= clips:
        raise InputError(
            f"{first} and {second} right of {clips} clips: give two totals from 0 to {clips}"
        )
    low, high = sorted((first, second))
    lost = min(low, clips - high)
    return Bounds(mcnemar(0, high - low), mcnemar(lost, lost + high - low))


def paired(
    first: np.ndarray,
    second: np.ndarray,
    signers: Sequence[str],
    resamples: int = 10_000,
    seed: int = 0,
) -> Paired:
    """Hold the second system against the first.

    Args:
        first, second: (N,) bool, is the clip right?
        signers: (N,) who signs it.
        resamples, seed: of the bootstrap.

    Raises:
        ValueError: when lengths differ, or there are fewer than two signers.
    """
    first, second = numbers(first, bool), numbers(second, bool)
    if not len(first) == len(second) == len(signers):
        raise ValueError(
            f"{len(first)}, {len(second)} and {len(signers)} clips: the two are not of the same"
            " clips"
        )
    gain = second.astype(float) - first
    bootstrap = cluster_interval(gain, signers, resamples, seed)
    sums, sizes = group_sums([gain, np.ones(len(gain))], signers)
    without = 100 * (sums.sum() - sums) / (sizes.sum() - sizes)
    means = 100 * sums / sizes
    lost, won = int((gain < 0).sum()), int((gain > 0).sum())
    return Paired(
        difference=100 * gain.mean(),
        clips=len(gain),
        signers=len(means),
        only_first=lost,
        only_second=won,
        p=mcnemar(lost, won),
        bootstrap=bootstrap,
        by_signer=t_interval(means),
        signer_mean=float(means.mean()),
        each_signer=tuple(means.tolist()),
        without_one=(float(without.min()), float(without.max())),
    )


def per_signer(first: np.ndarray, second: np.ndarray, signers: Sequence[str]) -> pd.DataFrame:
    """One row a signer: clips, both accuracies (%), their difference, clips that only one got.

    Args:
        first, second: (N,) bool, is the clip right?
        signers: (N,) who signs it.
    """
    first, second = numbers(first, bool), numbers(second, bool)
    only = {"only first": first & ~second, "only second": second & ~first}
    table = pd.DataFrame({"first": first, "second": second, **only})
    grouped = table.groupby(np.asarray(signers))
    out = 100 * grouped[["first", "second"]].mean()
    out.insert(0, "clips", grouped.size())
    out["difference"] = out["second"] - out["first"]
    return out.join(grouped[list(only)].sum())


def holm(values: Sequence[float]) -> np.ndarray:
    """p values of a family of tests, raised so that any false one among them stays unlikely.

    The chance of calling even one of them wrongly a difference stays below the level.

    Source: Holm 1979.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = numbers(values, float)
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    # back into the order in which the values came
    return np.minimum(raised, 1)[np.argsort(order)]
