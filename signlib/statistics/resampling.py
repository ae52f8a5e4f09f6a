"""How sure a word error rate is, and a difference of two: sentences, or whole signers, drawn again.

Only cached counts of each sentence are needed, never the sentences. Sentences of one signer rise
and fall together, so beside the interval over sentences stands one over signers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from signlib.errors import InputError
from signlib.evaluation.metrics import LEVEL
from signlib.evaluation.wer import error_rate
from signlib.statistics.paired import FEW_SIGNERS

_CHUNK = 256
"""Resamples drawn together: their draws fit into the processor's cache."""
_BITS = 21


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
    return _interval(_ratio(sums[0], sums[1]))


@dataclass(frozen=True)
class PairedRates:
    """Two systems on the same sentences. Differences are second minus first, in points; below 0 is
    better.

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
        if not 2 <= self.signers < FEW_SIGNERS:
            return ""
        return (
            f"only {self.signers} signers: the interval over signers comes out too narrow below"
            f" about {FEW_SIGNERS}"
        )


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
    approximate
        randomisation, Noreen 1989.
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
    known = 0 if signers is None or "" in set(signers) else len(set(signers))
    return PairedRates(
        *rates,
        len(words),
        known,
        _interval(drawn),
        _interval(differences(signers)) if known > 1 else None,
        swap_test(gain, resamples, seed),
        float((drawn < 0).mean() + 0.5 * (drawn == 0).mean()),
        int((gain < 0).sum()),
        int((gain > 0).sum()),
    )


def resampled_sums(
    columns: Sequence[np.ndarray],
    groups: Sequence[str] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> np.ndarray:
    """(C, resamples): sums of C columns of counts (N,) over N rows (or G whole groups) drawn with
    replacement.

    All columns see the same draws.

    Raises:
        InputError: for fewer than two groups, from which no spread can be read.
    """
    table = np.stack([np.asarray(column, np.int64) for column in columns])
    if groups is not None:
        names, member = np.unique(np.asarray(groups), return_inverse=True)
        if len(names) < 2:
            raise InputError(f"drawing whole groups needs at least two of them, not {len(names)}")
        table = np.stack([np.bincount(member, column).astype(np.int64) for column in table])
    rng, size = np.random.default_rng(seed), table.shape[1]
    packed, unpack = _pack(table)
    sums = [
        packed[:, rng.integers(size, size=(min(_CHUNK, resamples - start), size))].sum(-1)
        for start in range(0, resamples, _CHUNK)
    ]
    return unpack(np.concatenate(sums, axis=1))


def _pack(table: np.ndarray):
    """Up to three columns as one number each row, so that they are gathered and summed in one go;
    and the way back.
    """
    if (
        len(table) > 3
        or table.min(initial=0) < 0
        or table.max(initial=0) * table.shape[1] >= 1 << _BITS
    ):
        return table, lambda sums: sums
    shifts = _BITS * np.arange(len(table))[:, None]
    packed = (table << shifts).sum(0, keepdims=True)
    return packed, lambda sums: (sums >> shifts) & ((1 << _BITS) - 1)


def swap_test(gain: np.ndarray, resamples: int = 10_000, seed: int = 0) -> float:
    """Two-sided p: how often does the sum of gains (N,), each with a random sign, get as far from
    zero as it is?

    Source: Noreen 1989; the observed one counts as one of the draws, so p is never 0.

    >>> swap_test(np.zeros(5, int))
    1.0
    """
    gain = np.asarray(gain, np.int64)
    gain = gain[gain != 0]
    rng, reached = np.random.default_rng(seed), 0
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        flips = np.unpackbits(
            rng.integers(256, size=(rows, -(-len(gain) // 8)), dtype=np.uint8), axis=1
        )
        sums = gain.sum() - 2 * (flips[:, : len(gain)].astype(np.float64) @ gain)
        reached += int((np.abs(sums) >= abs(gain.sum())).sum())
    return (reached + 1) / (resamples + 1)


def _ratio(errors: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Per cent; draws without a word say nothing and are left out."""
    return 100 * errors[words > 0] / words[words > 0]


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
