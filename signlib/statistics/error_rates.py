"""How sure a word error rate is, and a difference of two.

Sentences, or whole signers, are drawn again: only cached counts of each sentence are needed, never
the sentences. Sentences of one signer rise and fall together, so beside the interval over sentences
stands one over signers.

Matched pairs of sentence segments are how speech recognition tells two rates apart. A sentence is
cut where both systems are right for two words running; errors on one side of such a cut have little
to do with those on the other. So segments are nearer to independent than words, and more of them
than sentences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from signlib.errors import InputError
from signlib.evaluation.wer import HIT, INSERTION, Sentences, alignment, error_rate
from signlib.statistics.intervals import (
    few_signers,
    numbers,
    percentile_interval,
    resampled_sums,
    swap_test,
)

# So many words right in both systems end a segment, as sclite's companion sc_stats has it.
GOOD_WORDS = 2


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
    errors, words = numbers(errors), numbers(words)
    error_rate(errors, words)
    return percentile_interval(_ratio(*resampled_sums([errors, words], groups, resamples, seed)))


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
    first, second, words = (numbers(column, np.int64) for column in (first, second, words))
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


@dataclass(frozen=True)
class Mapsswe:
    """Errors of two systems, segment by segment.

    Attributes:
        segments: how many, each with an error of at least one system.
        first, second: errors of each system in all of them: all errors there are.
        mean: of second less first in a segment; z: that over its standard error.
        p: two-sided, normal.
    """

    segments: int
    first: int
    second: int
    mean: float
    z: float
    p: float


def mapsswe(
    references: Sentences, first: Sentences, second: Sentences, good: int = GOOD_WORDS
) -> Mapsswe:
    """The test on two sets of hypotheses for the same references, aligned as sclite aligns them.

    Raises:
        InputError: when the sentences are not as many.

    Source: Gillick and Cox 1989; Pallett et al. 1990.
    """
    errors = segment_errors(references, first, second, good)
    gains = errors["second"] - errors["first"]
    mean = float(gains.mean()) if len(gains) else 0.0
    error = gains.std() / np.sqrt(len(gains)) if len(gains) > 1 else 0.0
    z = mean / error if error > 0 else 0.0
    # Without spread there is nothing to judge by: sc_stats says z = 0 then, and so does this.
    return Mapsswe(
        segments=len(gains),
        first=int(errors["first"].sum()),
        second=int(errors["second"].sum()),
        mean=mean,
        z=float(z),
        p=float(2 * stats.norm.sf(abs(z))),
    )


def segment_errors(
    references: Sentences, first: Sentences, second: Sentences, good: int = GOOD_WORDS
) -> pd.DataFrame:
    """One row a segment: its sentence, and the errors of either system in it.

    Args:
        good: a run of so many words, right in both systems and nothing put in between, ends a
            segment.

    Raises:
        InputError: when the sentences are not as many.

    Differs: sc_stats overlooks words that the second system puts in after the last word of a
    sentence.
    """
    if not len(references) == len(first) == len(second):
        raise InputError(
            f"{len(references)} references, {len(first)} and {len(second)} hypotheses; give one for"
            " each"
        )
    each = [_errors(references, first, "first"), _errors(references, second, "second")]
    errors = pd.concat(each).groupby(["sentence", "place"], as_index=False).sum().astype(int)
    # Whole words strictly between two positions: an odd one is a word, an even one the gap before.
    position, same = errors["place"].to_numpy(), errors["sentence"].diff().eq(0).to_numpy()
    between = position[1:] // 2 - (position[:-1] + 1) // 2
    errors["segment"] = np.cumsum(np.append(True, ~same[1:] | (between >= good))[: len(errors)])
    return (
        errors.groupby("segment")
        .agg({"sentence": "first", "first": "sum", "second": "sum"})
        .reset_index(drop=True)
    )


def _errors(references: Sentences, hypotheses: Sentences, name: str) -> pd.DataFrame:
    # One row an error: sentence, place, and 1 under `name`.
    # The place is 2 i + 1 for word i, and 2 i for the gap before it.
    steps = alignment(references, hypotheses)
    inserted = (steps["kind"] == INSERTION).to_numpy()
    # words up to and with this step
    word = pd.Series(~inserted).groupby(steps["sentence"]).cumsum().to_numpy()
    steps["place"] = np.where(inserted, 2 * word, 2 * word - 1)
    wrong = steps.loc[steps["kind"] != HIT, ["sentence", "place"]]
    return wrong.assign(**{other: int(other == name) for other in ("first", "second")})


def segment_summary(test: Mapsswe, names: Sequence[str]) -> str:
    """The test in words."""
    fewer = names[1] if test.second < test.first else names[0]
    text = (
        f"MAPSSWE: {test.segments} segments, {test.first} and {test.second} errors, z ="
        f" {test.z:+.2f}, p = {test.p:.2g}"
    )
    return text if test.first == test.second else f"{text}; {fewer} has fewer"
