"""Two systems on several corpora: is the second better in general, or only here and there?

One number a corpus goes in. A test of ranks says whether the differences point one way; the
Bayesian test says how likely the second is better, worse, or practically the same on a further
corpus of the kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from signlib.errors import InputError
from signlib.statistics.seed_tests import Ranks, signed_rank

# Points below which two systems are practically the same, unless somebody says otherwise.
ROPE = 0.5
_CHUNK = 4096


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
    gains = np.append(0.0, np.asarray(gains, float))
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
