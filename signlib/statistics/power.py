"""Before anything is trained: what could this plan show, with how many seeds, clips and signers?

A test that cannot become significant is not evidence of anything when it does not.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np
from scipy import stats

from signlib.errors import InputError
from signlib.statistics.intervals import LEVEL, numbers

# The chance of finding a difference that is really there which a plan should have.
POWER = 0.8
MOST = 10_000_000
# Kind of test -> the least p that so many pairs, or so many seeds of either system, can give.
_LEAST: dict[str, Callable[[int], float]] = {
    "pairs": lambda n: 2.0 ** (1 - n),
    "seeds": lambda n: 2 / comb(2 * n, n),
}


@dataclass(frozen=True)
class Plan:
    """What a comparison will have.

    Attributes:
        seeds: of either system.
        clips: tested by both.
        signers: of these clips; 0 where they are unknown.
    """

    seeds: int = 1
    clips: int = 0
    signers: int = 0


def smallest_p(plan: Plan) -> dict[str, float]:
    """Test -> the least two-sided p that it can give under the plan.

    No difference of the systems, however large, gives a smaller one.

    >>> smallest_p(Plan(seeds=3))
    {'signed rank over seeds (pairs)': 0.25, 'Mann-Whitney over seeds': 0.1}
    """
    # a test, its kind, how many units the plan has, and the fewest that the test takes
    tests = (
        ("signed rank over seeds (pairs)", "pairs", plan.seeds, 2),
        ("Mann-Whitney over seeds", "seeds", plan.seeds, 2),
        ("sign flips over signers", "pairs", plan.signers, 2),
        ("McNemar over clips", "pairs", plan.clips, 1),
    )
    return {test: _LEAST[kind](units) for test, kind, units, least in tests if units >= least}


def fewest(test: str, level: float = 1 - LEVEL) -> int:
    """Units that the test needs before any p can be below the level.

    Args:
        test: `pairs` (signed rank or sign flips over seeds, signers or discordant clips), or
            `seeds` (Mann-Whitney, so many seeds of either system).

    Raises:
        InputError: for other tests.

    >>> fewest("pairs"), fewest("seeds")
    (6, 4)
    """
    if test not in _LEAST:
        raise InputError(f"test {test!r} is unknown; choose from {', '.join(_LEAST)}")
    return next(n for n in range(1, 1000) if _LEAST[test](n) < level)


def power_over_seeds(points: float, spread: float, seeds: int, pairs: bool = False) -> float:
    """Chance that a t test over seeds finds a difference of so many points.

    Args:
        points: the true difference of means.
        spread: standard deviation over seeds of either system; for pairs, of the pairs'
            differences.
        seeds: of either system, 2 at least.
        pairs: seeds belong together in pairs.

    Source: the noncentral t distribution; statsmodels.
    """
    from statsmodels.stats.power import TTestIndPower, TTestPower

    numbers([points, spread])
    if seeds < 2 or spread <= 0:
        raise InputError(
            f"seeds={seeds}, spread={spread}: give two seeds at least and a spread above 0"
        )
    test = TTestPower() if pairs else TTestIndPower()
    return float(test.power(abs(points) / spread, seeds, 1 - LEVEL))


def seeds_needed(points: float, spread: float, power: float = POWER, pairs: bool = False) -> int:
    """Fewest seeds of either system with which `power_over_seeds` reaches the power."""
    numbers([points, spread, power])
    if points == 0:
        raise InputError(
            "no number of seeds finds a difference of 0 points; give one that would matter"
        )
    return _fewest(lambda n: power_over_seeds(points, spread, n, pairs), 2, power)


def power_over_clips(gained: float, lost: float, clips: int) -> float:
    """Chance that the exact McNemar test finds that one system gets more clips than the other.

    Args:
        gained, lost: true shares of clips that only the second, and only the first, gets.
        clips: independent ones; of a few signers they are worth less, see
            `variation.independent_worth`.

    Raises:
        InputError: for shares that cannot be.

    Source: Duffy 1984. Exact for up to 2,000 expected differing clips, beyond that normal (Connor
    1987).
    """
    differing = gained + lost
    if min(gained, lost) < 0 or not 0 < differing <= 1:
        raise InputError(
            f"gained={gained}, lost={lost}: give two shares between 0 and 1, one of them above 0"
        )
    if clips * differing > 2_000:
        critical = stats.norm.ppf((1 + LEVEL) / 2) * np.sqrt(differing)
        reach = abs(gained - lost) * np.sqrt(clips) - critical
        return float(stats.norm.cdf(reach / np.sqrt(differing - (gained - lost) ** 2)))
    counts = np.arange(clips + 1)
    chance = stats.binom.pmf(counts, clips, differing)
    counts = counts[chance > 1e-12]
    # the largest number of losses that is still significant among so many differing clips, and its
    # mirror image
    edge = stats.binom.ppf((1 - LEVEL) / 2, counts, 0.5)
    edge = np.where(stats.binom.cdf(edge, counts, 0.5) <= (1 - LEVEL) / 2, edge, edge - 1)
    share = lost / differing
    power = stats.binom.cdf(edge, counts, share) + stats.binom.sf(counts - edge - 1, counts, share)
    return float((chance[counts] * np.where(edge >= 0, power, 0)).sum())


def clips_needed(gained: float, lost: float, power: float = POWER) -> int:
    """Fewest independent clips with which `power_over_clips` reaches the power, to within a few.

    The exact test's power goes up and down a little with every clip; the number is where its normal
    course crosses.
    """
    numbers([gained, lost, power])
    if gained == lost:
        raise InputError(
            "no number of clips finds a difference of 0 points; give one that would matter"
        )
    return _fewest(lambda n: power_over_clips(gained, lost, n), 1, power)


def smallest_difference(spread: float, units: int, power: float = POWER) -> float:
    """Points that a t test over so many seeds, signers or pairs finds with that power.

    Args:
        spread: standard deviation of one unit's difference, in points.
        units: pairs of seeds, or signers.
    """
    from statsmodels.stats.power import TTestPower

    numbers([spread, power])
    if units < 2:
        raise InputError(f"units={units}: two at least, else nothing says how much they vary")
    return float(TTestPower().solve_power(None, units, 1 - LEVEL, power) * spread)


def _fewest(power_of: Callable[[int], float], start: int, power: float) -> int:
    # Doubling, then halving: the fewest units from which on the power is reached.
    high = start
    while power_of(high) < power:
        high *= 2
        if high > MOST:
            raise InputError(
                f"more than {MOST:,} would be needed; the difference is too small to look for"
            )
    # the power was missed at half of it and is reached here: halve the gap
    return bisect_left(range(high), power, max(start, high // 2), high, key=power_of)
