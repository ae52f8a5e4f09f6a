"""What varies, and what that does to an interval: clips, whole signers, seeds, seeds and signers.

Clips of one signer rise and fall together, and so do clips of one training. An interval that
forgets either is too narrow. Everything here works on sums over signers, so that few signers count
as few.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from signlib.errors import InputError
from signlib.statistics.intervals import (
    LEVEL,
    drawer,
    group_sums,
    numbers,
    percentile_interval,
    swap_test,
)

_CHUNK = 512


@dataclass(frozen=True)
class Estimate:
    """A mean or a difference of means, in per cent or points, and how sure it is.

    Attributes:
        value: over all clips.
        low, high: ends of its 95 % interval.
        error: standard error.
        df: degrees of freedom of the t distribution behind the interval.
        p: two-sided, of "it is zero".
        over: what is taken as drawn by chance.
    """

    value: float
    low: float
    high: float
    error: float
    df: float
    p: float
    over: str

    @property
    def half(self) -> float:
        """Half of the interval's width: about the smallest difference that it can show."""
        return (self.high - self.low) / 2

    def __str__(self) -> str:
        return f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}] over {self.over}"


def difference(
    first: np.ndarray | None,
    second: np.ndarray,
    groups: Sequence[str] | None = None,
    seeds: bool = True,
    units: bool = True,
    sizes: np.ndarray | None = None,
    name: str = "signers",
) -> Estimate:
    """Second minus first, with a t interval over clips or whole signers, over seeds, or over both.

    The variance over units (clips, or groups of them) is the sandwich CR2 with Bell and McCaffrey's
    degrees of freedom: `groups - 1` when all are of one size, fewer when one of them is most of the
    clips. The variance over seeds is added less what the units already hold of it. Over seeds alone
    it is Welch's test.

    Args:
        first, second: (S, N) or (N,), a row a seed: 1 for a right clip, or a sentence's errors. The
            two may have different numbers of seeds; `first` None asks for the mean of `second`
            alone.
        groups: (N,) whose clip it is; None takes clips as independent.
        seeds, units: what is taken as drawn by chance; a system with one seed has no variance over
            seeds.
        sizes: (N,) what a clip counts, such as its words; None counts one each.
        name: of the groups.

    Raises:
        InputError: for other clips, or fewer than two units or seeds where they are asked for.

    Source: CR2 and its degrees of freedom: Bell and McCaffrey 2002. Crossed factors: Satterthwaite
        1946.
    """
    systems, sizes = _summed(first, second, groups, sizes)
    name = "clips" if groups is None else name
    value = sum(sign * sums.sum(1).mean() for sign, sums in systems) / sizes.sum()
    parts: list[tuple[float, float]] = []
    if units:
        # what each unit has more than the overall difference gives it
        left = sum(sign * sums.mean(0) for sign, sums in systems) - value * sizes
        parts.append(_over_units(left, sizes, name))
    trained = [sums for _, sums in systems if len(sums) > 1] if seeds else []
    for sums in trained:
        between, shared = _over_seeds(sums, sizes)
        if not units:
            parts.append((between, len(sums) - 1))
        # the units' variance holds the seeds' shared part already, so it is taken off
        elif between > shared:
            parts += [(between, len(sums) - 1), (-shared, (len(sums) - 1) * parts[0][1])]
    if not parts:
        raise InputError(
            "an interval over seeds needs a system with two of them; train it with another seed"
        )
    return _estimate(value, parts, " and ".join(["seeds"] * bool(trained) + [name] * units))


def _summed(
    first: np.ndarray | None,
    second: np.ndarray,
    groups: Sequence[str] | None,
    sizes: np.ndarray | None,
) -> tuple[list[tuple[int, np.ndarray]], np.ndarray]:
    # Sums (S, G) of each system over the units, with the sign that it has in the difference, and
    # the units' sizes (G,).
    given = [(-1, first), (1, second)] if first is not None else [(1, second)]
    systems = [(sign, np.atleast_2d(np.asarray(values, float))) for sign, values in given]
    sizes = np.ones_like(systems[0][1][0]) if sizes is None else np.asarray(sizes, float)
    columns = [sizes] if groups is None else [sizes, groups]
    lengths = [values.shape[1] for _, values in systems] + list(map(len, columns))
    if len(set(lengths)) > 1:
        raise InputError(
            f"{', '.join(map(str, lengths))} clips: these are not values of the same clips"
        )
    numbers(sizes)
    if not sizes.sum() > 0:
        raise InputError("there is no clip, or no word in any of them; nothing can be compared")
    systems = [(sign, group_sums(list(values), groups)) for sign, values in systems]
    return systems, group_sums([sizes], groups)[0]


def _over_units(left: np.ndarray, sizes: np.ndarray, name: str) -> tuple[float, float]:
    # Variance of a mean from what its units (G,) have left over, and the degrees of freedom.
    share = sizes / sizes.sum()
    if share.max() >= 1:
        raise InputError(
            f"an interval over {name} needs two of them at least; here one of them is all there is"
        )
    variance = float((left**2 / (1 - share)).sum() / sizes.sum() ** 2)
    # Bell and McCaffrey's products of vectors, for a mean whose clips are independent under the
    # working model
    across = share**2 / (1 - share)
    return variance, float(1 / ((share**2).sum() + across.sum() ** 2 - (across**2).sum()))


def _over_seeds(sums: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    # Variance of the mean of seeds' rates, and the part of it that the units' variance holds too.
    # sums: (S, G) of one system; sizes: (G,).
    rates = sums.sum(1) / sizes.sum()
    # what is left of each seed on each unit when both of their means are taken off
    left = sums - rates[:, None] * sizes - (sums.mean(0) - rates.mean() * sizes)
    count, share = len(sums), sizes / sizes.sum()
    # a unit that is all there is shares nothing: only seeds are drawn then
    parts = np.divide(left**2, 1 - share, out=np.zeros(left.shape), where=share < 1)
    shared = parts.sum() / (sizes.sum() ** 2 * count * (count - 1))
    return float(rates.var(ddof=1) / count), float(shared)


def _estimate(value: float, parts: Sequence[tuple[float, float]], over: str) -> Estimate:
    # An estimate from signed parts of its variance and their degrees of freedom.
    variance = sum(part for part, _ in parts)
    # Satterthwaite: the degrees of freedom of a sum of variances
    weight = sum(part**2 / df for part, df in parts)
    df = max(1.0, variance**2 / weight) if weight > 0 else parts[0][1]
    error = float(np.sqrt(variance))
    half = special.stdtrit(df, (1 + LEVEL) / 2) * error
    p = 2 * special.stdtr(df, -abs(value) / error) if error > 0 else value == 0
    return Estimate(
        value=float(100 * value),
        low=float(100 * (value - half)),
        high=float(100 * (value + half)),
        error=float(100 * error),
        df=float(df),
        p=float(p),
        over=over,
    )


def bootstrap(
    first: np.ndarray | None,
    second: np.ndarray,
    groups: Sequence[str] | None = None,
    seeds: bool = True,
    sizes: np.ndarray | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % percentile interval of second minus first, in points: clips and seeds drawn again.

    Clips (or whole signers) and seeds are drawn apart from each other, each with replacement, and
    every drawn seed meets every drawn clip. With few signers or seeds it comes out too narrow;
    `difference` is meant for them.

    Args:
        first, second, groups, seeds, sizes: as for `difference`.
        resamples, seed: of the bootstrap.

    Raises:
        InputError: for other clips, or a single unit.

    Source: Owen 2007, the pigeonhole bootstrap.
    """
    systems, sizes = _summed(first, second, groups, sizes)
    if len(sizes) < 2:
        raise InputError("drawing whole signers needs at least two of them")
    rng, values = np.random.default_rng(seed), []
    draw = drawer(np.concatenate([sums for _, sums in systems] + [sizes[None]]), rng)
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        drawn = draw(rows)
        value, column = np.zeros(rows), 0
        for sign, sums in systems:
            count = len(sums)
            # how often each seed is drawn; 1 each where seeds are not taken as drawn
            times = rng.multinomial(count, np.full(count, 1 / count), rows) if seeds else 1
            value += sign * (drawn[:, column : column + count] * times).sum(1) / count
            column += count
        words = drawn[:, -1]
        values.append(value[words > 0] / words[words > 0])
    low, high = percentile_interval(np.concatenate(values))
    return 100 * low, 100 * high


def sign_flip(
    gains: np.ndarray, groups: Sequence[str] | None = None, resamples: int = 10_000, seed: int = 0
) -> float:
    """Two-sided p of a paired permutation test: could the two systems be exchanged?

    They are exchanged clip by clip, or signer by signer. Up to 16 units that differ every exchange
    is tried; beyond, exchanges are drawn and p is never 0. Over clips of one training each it is
    the exact McNemar test.

    Args:
        gains: (N,) whole numbers: right clips (or errors) of the second less those of the first,
            summed over seeds.
        groups: (N,) whose clip it is; whole groups are exchanged. None: clips are.
        resamples, seed: of the exchanges that are drawn.

    Source: Fisher 1935; drawn exchanges: Noreen 1989.

    >>> sign_flip(np.array([1, 1, 1, 0]))
    0.25
    """
    sums = group_sums([numbers(gains, np.int64)], groups)[0].astype(np.int64)
    sums = sums[sums != 0]
    # for more groups there are too many patterns to try
    if len(sums) > 16:
        return swap_test(sums, resamples, seed)
    # every pattern of signs, as the bits of a number
    patterns = 1 - 2 * (np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1)
    return float((abs(patterns @ sums) >= abs(sums.sum())).mean())


def alikeness(values: np.ndarray, groups: Sequence[str]) -> float:
    """How much more alike two clips of one signer are than clips of two: 0 not at all, 1 the same.

    The intraclass correlation from mean squares within and between groups; below 0 where a group is
    less alike than chance would have it.

    Args:
        values: (N,) one number a clip.
        groups: (N,) whose clip it is.

    Raises:
        InputError: with fewer than two groups, or none with two clips.

    Source: Shrout and Fleiss 1979, case 1, for groups of unequal size: Donner 1986.
    """
    values = numbers(values, float)
    member = np.unique(np.asarray(groups), return_inverse=True)[1]
    sizes = np.bincount(member)
    count, total = len(sizes), len(values)
    if count < 2 or total == count:
        raise InputError(
            f"{total} clips of {count} signers tell nothing about how alike clips of one signer are"
        )
    means = np.bincount(member, values) / sizes
    between = (sizes * (means - values.mean()) ** 2).sum() / (count - 1)
    within = ((values - means[member]) ** 2).sum() / (total - count)
    # n_0, the mean size of a group corrected for unequal ones
    typical = (total - (sizes**2).sum() / total) / (count - 1)
    spread = between + (typical - 1) * within
    return float((between - within) / spread) if spread > 0 else 0.0


def independent_worth(values: np.ndarray, groups: Sequence[str]) -> float:
    """As many independent clips as would tell as much as these do; never more than there are.

    Source: Kish 1965, the design effect 1 + (m - 1) rho, m the mean size of a clip's group.
    """
    sizes = np.unique(np.asarray(groups), return_counts=True)[1]
    typical = (sizes**2).sum() / sizes.sum()
    return float(len(values) / (1 + (typical - 1) * max(0.0, alikeness(values, groups))))
