"""How sure a word error rate is, and a difference of two: sentences, or whole signers, drawn again.

Only cached counts of each sentence are needed, never the sentences. Sentences of one signer rise
and fall together, so beside the interval over sentences stands one over signers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from signlib.errors import InputError
from signlib.evaluation.wer import error_rate
from signlib.statistics.intervals import few_signers
from signlib.statistics.resampling import percentile_interval, resampled_sums, swap_test


def rate_interval(
    errors: np.ndarray,
    words: np.ndarray,
    groups: Sequence[str] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of a word error rate, in per cent.

    Args:
        errors, words: (N,) of each sentence.
        groups: (N,) who signs it: whole signers are drawn; None: sentences are drawn.
        resamples, seed: of the bootstrap.

    Raises:
        InputError: for fewer than two groups, or references without words.
    """
    error_rate(errors, words)
    sums = resampled_sums([errors, words], groups, resamples, seed)
    return percentile_interval(_ratio(sums[0], sums[1]))


@dataclass(frozen=True)
class PairedRates:
    """Two systems on the same sentences: second minus first, in points; below 0 is better.

    Attributes:
        first, second: word error rates.
        sentences, signers: how many they stand on; 0 signers where they are unknown.
        interval: 95 %, sentences drawn again.
        signer_interval: 95 %, whole signers drawn again; None with fewer than two.
        p: two-sided: how often a difference as large comes up when each sentence's two hypotheses
            are swapped at random.
        better: share of resamples in which the second one makes fewer errors; as many count half.
        improved, worsened: sentences with fewer and with more errors.
    """

    first: float
    second: float
    sentences: int
    signers: int
    interval: tuple[float, float]
    signer_interval: tuple[float, float] | None
    p: float
    better: float
    improved: int
    worsened: int

    @property
    def difference(self) -> float:
        """Points of word error rate that the second one has more."""
        return self.second - self.first

    @property
    def warning(self) -> str:
        """What to mind with so few signers; empty when there are enough or none are known."""
        return few_signers(self.signers)


def compare_rates(
    first: np.ndarray,
    second: np.ndarray,
    words: np.ndarray,
    signers: Sequence[str] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedRates:
    """Hold the second system against the first.

    Args:
        first, second: (N,) errors of each sentence under the two systems.
        words: (N,) of its reference.
        signers: (N,) who signs it, or None.
        resamples, seed: of bootstrap and permutation.

    Raises:
        InputError: when lengths differ or the references hold no words.

    Source: paired bootstrap of the difference and share of improvement: Bisani and Ney 2004. p:
        approximate randomisation, Noreen 1989.
    """
    first, second, words = (np.asarray(column, np.int64) for column in (first, second, words))
    if not len(first) == len(second) == len(words):
        raise InputError(
            f"{len(first)}, {len(second)} and {len(words)} sentences: the two are not of the same"
            " ones"
        )
    rates = error_rate(first, words), error_rate(second, words)
    gain = second - first

    def differences(groups: Sequence[str] | None) -> np.ndarray:
        low, high, total = resampled_sums([first, second, words], groups, resamples, seed)
        return _ratio(high - low, total)

    drawn = differences(None)
    signer_count = 0 if signers is None or "" in set(signers) else len(set(signers))
    return PairedRates(
        *rates,
        sentences=len(words),
        signers=signer_count,
        interval=percentile_interval(drawn),
        signer_interval=percentile_interval(differences(signers)) if signer_count > 1 else None,
        p=swap_test(gain, resamples, seed),
        better=float((drawn < 0).mean() + 0.5 * (drawn == 0).mean()),
        improved=int((gain < 0).sum()),
        worsened=int((gain > 0).sum()),
    )


def _ratio(errors: np.ndarray, words: np.ndarray) -> np.ndarray:
    # Per cent; draws without a word say nothing and are left out.
    return 100 * errors[words > 0] / words[words > 0]
