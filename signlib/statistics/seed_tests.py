"""Two systems by one number a seed, or one a corpus: what differs beyond luck?

These tests do not use clips and signers; `variation` counts those too. With few seeds a test cannot
be significant whatever the data: its smallest p stands beside it.

Over corpora the question is whether the second system is better in general, or only here and there.
A test of ranks says whether the differences point one way; the Bayesian test says how likely the
second is better, worse, or practically the same on a further corpus of the kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from scipy import special, stats

from signlib.errors import InputError
from signlib.statistics import intervals, variation

# Cliff's delta, from what size it is called what. Source: Romano et al. 2006.
LARGE = ((0.474, "large"), (0.33, "medium"), (0.147, "small"), (0.0, "negligible"))

# Points below which two systems are practically the same, unless somebody says otherwise.
ROPE = 0.5
_CHUNK = 4096

# One number a seed.
Values = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Ranks:
    """A test of ranks: shift (Hodges-Lehmann), 95 % interval, p, and the least p it could give.

    The interval is endless where so few values cannot give one at that level.
    """

    value: float
    low: float
    high: float
    p: float
    smallest: float


@dataclass(frozen=True)
class SeedTests:
    """Two systems over seeds. Differences are second minus first.

    Attributes:
        welch: t test that lets the two vary differently.
        ranks: Mann-Whitney and the median of all differences between a seed of one and a seed of
            the other.
        cohen: difference in pooled standard deviations, corrected for few seeds (Hedges' g).
        cliff: chance that a seed of the second beats one of the first, less the reverse.
    """

    welch: variation.Estimate
    ranks: Ranks
    cohen: float
    cliff: float

    @property
    def size(self) -> str:
        """How large Cliff's delta is called."""
        return next(word for least, word in LARGE if abs(self.cliff) >= least)


def compare_seeds(first: Values, second: Values) -> SeedTests:
    """All tests for two systems whose seeds have nothing to do with each other.

    Raises:
        InputError: with fewer than two seeds of either.
    """
    a, b = _values(first), _values(second)
    return SeedTests(
        welch=welch(a, b),
        ranks=mann_whitney(a, b),
        cohen=cohens_d(a, b) * _hedges(len(a) + len(b) - 2),
        cliff=cliffs_delta(a, b),
    )


def welch(first: Values, second: Values) -> variation.Estimate:
    """Welch's t test of two sets of seeds."""
    # `variation` counts in shares, and says it in per cent
    return variation.difference(
        _values(first)[:, None] / 100, _values(second)[:, None] / 100, units=False
    )


def mann_whitney(first: Values, second: Values) -> Ranks:
    """Mann-Whitney test and Hodges-Lehmann shift of two sets of seeds.

    p is exact; where values tie it is counted over all exchanges of seeds, or 20,000 drawn ones.
    The interval turns the test round: the shifts that it would not reject.

    Source: Hodges and Lehmann 1963; Hollander and Wolfe 1999, section 4.3.

    >>> mann_whitney([1, 2, 3], [11, 12, 13]).smallest
    0.1
    """
    a, b = _values(first), _values(second)
    # every seed of the second against every seed of the first; the shift is their median
    shifts = np.sort((b[:, None] - a).ravel())
    ties = len(np.unique(np.concatenate([a, b]))) < len(a) + len(b)
    p = stats.mannwhitneyu(b, a, method=_exchanges() if ties else "exact").pvalue
    low, high = _middle(shifts, _mann_whitney_counts(len(a), len(b)))
    return Ranks(
        value=float(np.median(shifts)),
        low=low,
        high=high,
        p=float(p),
        smallest=2 / comb(len(a) + len(b), len(a)),
    )


def signed_rank(first: Values, second: Values) -> Ranks:
    """Wilcoxon's signed rank test and Hodges-Lehmann shift of values that come in pairs.

    p is counted as for `mann_whitney`.

    Raises:
        InputError: when they are not as many, or fewer than two.

    Source: Wilcoxon 1945; Hollander and Wolfe 1999, section 3.2.

    >>> signed_rank([1, 2, 3], [2, 4, 6]).smallest
    0.25
    """
    if len(first) != len(second):
        raise InputError(
            f"{len(first)} and {len(second)} values are no pairs; leave out what has no partner"
        )
    a, b = _values(first), _values(second)
    gains, smallest = b - a, 2.0 ** (1 - len(a))
    if not gains.any():
        return Ranks(value=0.0, low=0.0, high=0.0, p=1.0, smallest=smallest)
    # Walsh averages: the mean of each pair of gains, a gain with itself among them
    sums = (gains[:, None] + gains)[np.triu_indices(len(gains))] / 2
    ties = len(np.unique(abs(gains))) < len(gains) or not gains.all()
    p = stats.wilcoxon(gains, method=_exchanges() if ties else "exact").pvalue
    low, high = _middle(np.sort(sums), _signed_rank_counts(len(gains)))
    return Ranks(value=float(np.median(sums)), low=low, high=high, p=float(p), smallest=smallest)


def _exchanges() -> stats.PermutationMethod:
    # of tied values: all exchanges of up to eight seeds each
    return stats.PermutationMethod(n_resamples=20_000, rng=np.random.default_rng(0))


def cohens_d(first: Values, second: Values) -> float:
    """Difference of means in pooled standard deviations (Cohen 1988); NaN where nothing varies."""
    a, b = _values(first), _values(second)
    squares = (len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)
    pooled = np.sqrt(squares / (len(a) + len(b) - 2))
    return float((b.mean() - a.mean()) / pooled) if pooled > 0 else float("nan")


def cliffs_delta(first: Values, second: Values) -> float:
    """Share of pairs in which the second is higher, less the share in which it is lower.

    Source: Cliff 1993.

    >>> cliffs_delta([1, 2], [2, 3])
    0.75
    """
    return float(np.sign(np.asarray(second, float)[:, None] - np.asarray(first, float)).mean())


def _hedges(df: int) -> float:
    # Factor that takes the bias of few values out of Cohen's d (Hedges 1981).
    factor = np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / np.sqrt(df / 2)
    return float(factor if df > 1 else np.nan)


def _middle(ordered: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    # Ends of the 95 % interval among ordered values. counts: how often each rank sum comes by
    # chance.
    outside = int((np.cumsum(counts) / counts.sum() <= (1 - intervals.LEVEL) / 2).sum())
    ends = float(ordered[outside - 1]), float(ordered[-outside])
    return ends if outside else (-np.inf, np.inf)


def _mann_whitney_counts(n: int, m: int) -> np.ndarray:
    # (n m + 1,) in how many orders of n + m values each Mann-Whitney count comes up.
    # row: so many ranks are chosen; column: their sum
    sums = np.zeros((n + 1, (n + m) * (n + m + 1) // 2 + 1))
    sums[0, 0] = 1
    for rank in range(1, n + m + 1):
        # a rank is chosen or not
        sums[1:, rank:] += sums[:-1, :-rank]
    least = n * (n + 1) // 2
    return sums[n, least : least + n * m + 1]


def _signed_rank_counts(n: int) -> np.ndarray:
    # (n (n + 1) / 2 + 1,) in how many patterns of signs each signed rank sum comes up.
    counts = np.ones(1)
    for rank in range(1, n + 1):
        # the rank's sign is minus, or plus
        counts = np.pad(counts, (0, rank)) + np.pad(counts, (rank, 0))
    return counts


def _values(values: Values) -> np.ndarray:
    given = np.asarray(values, float)
    if len(given) < 2 or not np.isfinite(given).all():
        raise InputError(
            f"{len(given)} values {given.tolist()}: give two seeds at least, each with a number"
        )
    return given


@dataclass(frozen=True)
class Chances:
    """How likely the second is worse, practically the same, better; and the test of ranks.

    The three chances add up to 1.
    """

    worse: float
    same: float
    better: float
    ranks: Ranks

    @property
    def answer(self) -> str:
        """What is likelier than 95 %, in words."""
        likely = max(("worse", "same", "better"), key=lambda name: getattr(self, name))
        if getattr(self, likely) < 0.95:
            return "undecided"
        return "practically the same" if likely == "same" else likely


def across_corpora(
    first: Sequence[float],
    second: Sequence[float],
    rope: float = ROPE,
    samples: int = 50_000,
    seed: int = 0,
) -> Chances:
    """Hold the second system against the first, one score a corpus each.

    Args:
        first, second: (K,) such as top-1 in per cent; higher is better.
        rope: half-width of the region of practical equivalence, in the same unit.
        samples, seed: of the posterior.

    Raises:
        InputError: for scores that are no pairs, or a negative rope.
    """
    check_rope(rope)
    ranks = signed_rank(first, second)
    return Chances(*signed_rank_posterior(np.subtract(second, first), rope, samples, seed), ranks)


def check_rope(rope: float) -> float:
    """The region of practical equivalence, refused where it is none.

    Raises:
        InputError: for a negative number or one that is not finite.
    """
    if not (np.isfinite(rope) and rope >= 0):
        raise InputError(f"rope={rope}: give the points that do not matter, 0 or more")
    return rope


def signed_rank_posterior(
    gains: np.ndarray, rope: float = ROPE, samples: int = 50_000, seed: int = 0
) -> tuple[float, float, float]:
    """Chances of worse, same, better: of a posterior's draws, how many put most weight there.

    Corpora get random weights (a Dirichlet process) together with one pseudo-corpus without a
    difference; the mean of any two gains then lies below, in or above the rope with some weight.

    Args:
        gains: (K,) second less first.

    Source: Benavoli et al. 2014 and 2017, section 4.2 (the Bayesian signed rank test).
    """
    # the pseudo-corpus comes first
    gains = np.append(0.0, intervals.numbers(gains, float))
    sums = gains[:, None] + gains
    # a pair of corpora whose mean gain lies on the edge counts half
    above, below = (np.heaviside(sign * sums - 2 * rope, 0.5) for sign in (1, -1))
    # the pseudo-corpus, on which the two do not differ, is half as strong as a corpus
    strengths = np.append(0.5, np.ones(len(gains) - 1))
    rng, wins = np.random.default_rng(seed), np.zeros(3)
    for start in range(0, samples, _CHUNK):
        weights = rng.dirichlet(strengths, min(_CHUNK, samples - start))
        low, high = (((weights @ where) * weights).sum(1) for where in (below, above))
        wins += np.bincount(np.stack([low, 1 - low - high, high]).argmax(0), minlength=3)
    worse, same, better = wins / samples
    return float(worse), float(same), float(better)
