"""How sure a share or a mean is, and the draws behind every bootstrap and every drawn exchange.

Clips, sentences, seeds or whole groups are drawn again with replacement, and signs at random. Clips
of one group (a signer, a gloss) rise and fall together, so groups are summed first and then drawn
whole. Generators and the order of their draws stay as they are: published intervals must come out
the same.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from signlib.errors import InputError

# Of every interval; a p below 1 - LEVEL speaks against "no difference".
LEVEL = 0.95
# Resamples drawn together: their draws fit into the processor's cache.
_CHUNK = 256
# Bits of a column when three columns are packed into one number of 64.
_BITS = 21
# Below so many signers a bootstrap of whole signers is too narrow.
FEW_SIGNERS = 20


def numbers(values: object, kind: type | None = None) -> np.ndarray:
    """The values as an array, once all of them are finite numbers.

    A missing value must not be averaged away, nor become a number when it is cast.

    Args:
        values: of any shape.
        kind: cast to this type afterwards.

    Raises:
        InputError: naming the first that is none.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biu":
        array = array.astype(float)
        broken = np.flatnonzero(~np.isfinite(array))
        if len(broken):
            raise InputError(
                f"value {broken[0] + 1} of {array.size} is {array.flat[broken[0]]}, not a finite"
                f" number ({len(broken)} are none); compute it again, or leave out what it stands"
                " for"
            )
    return array if kind is None else array.astype(kind)


def few_signers(signers: int) -> str:
    """What to mind with so few signers; empty when there are enough, or nobody knows them."""
    text = (
        f"only {signers} signers: the bootstrap of whole signers comes out too narrow below about"
        f" {FEW_SIGNERS}"
    )
    return text if 1 < signers < FEW_SIGNERS else ""


def wilson_interval(correct: np.ndarray) -> tuple[float, float]:
    """95 % interval of a share, in per cent, when clips are independent.

    Args:
        correct: (N,) bool.

    Source: Wilson 1927; scipy's binomtest.
    """
    correct = numbers(correct)
    low, high = stats.binomtest(int(correct.sum()), len(correct)).proportion_ci(LEVEL, "wilson")
    return 100 * low, 100 * high


def answer_of(interval: tuple[float, float]) -> str:
    """`better`, `worse` or `no difference shown`: where the interval of a gain lies."""
    low, high = interval
    InputError.raise_if(
        np.isnan([low, high]).any(),
        f"the interval {low} to {high} is none: NaN is neither above nor below 0",
    )
    if low > 0:
        return "better"
    return "worse" if high < 0 else "no difference shown"


def t_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of a few independent values (G,), one a signer.

    Source: Student's t with G - 1 degrees of freedom.
    """
    values = numbers(values, float)
    InputError.raise_if(len(values) < 2, "one value says nothing about spread; give two at least")
    half = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def fold_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of all K folds of a corpus (K,), one value a fold.

    Two folds share most of their training clips, so they are not independent: the variance of
    their mean is not 1 / K of that of the folds, but 1 / K + (tested clips) / (trained clips),
    which is 1 / (K - 1) when each fold is tested once. Student's t with K - 1 degrees of freedom.

    Source: Nadeau and Bengio 2003, the corrected resampled t test.
    """
    values = numbers(values, float)
    InputError.raise_if(len(values) < 2, "one fold says nothing about spread; give all of them")
    count = len(values)
    error = values.std(ddof=1) * np.sqrt(1 / count + 1 / (count - 1))
    half = stats.t.ppf((1 + LEVEL) / 2, count - 1) * error
    return float(values.mean() - half), float(values.mean() + half)


def seeds_interval(
    values: np.ndarray, intervals: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """95 % interval of the mean of S seeds (S,) that were tested on the same clips.

    Each seed has an interval over clips (or signers, glosses), which the mean of seeds shares with
    it; how far seeds lie apart is a second reason why another training on other clips would differ.
    Both are added as squares: the root mean square of the intervals' arms, and the arm of the t
    interval over seeds. It is rather too wide than too narrow, as an interval of one seed knows a
    part of the seeds' spread already.

    Args:
        values: (S,) one a seed.
        intervals: S of them, 95 %.
    """
    values, ends = numbers(values, float), numbers(intervals, float)
    low, high = t_interval(values)
    over_seeds = (high - low) / 2
    arms = np.sqrt((np.abs(ends - values[:, None]) ** 2).mean(axis=0) + over_seeds**2)
    return float(values.mean() - arms[0]), float(values.mean() + arms[1])


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
    return percentile_interval(redrawn(numbers(values), resamples, rng).mean(axis=1))


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of values (R,), one for each resample."""
    low, high = np.quantile(numbers(values), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def group_sums(
    columns: Sequence[np.ndarray], groups: Sequence[str] | np.ndarray | None = None
) -> np.ndarray:
    """(C, G) sums of C columns (N,) over the rows of each group, in the order of the groups' names.

    Args:
        groups: (N,) the group of each row; None: each row is a group of its own.

    Raises:
        InputError: for columns that are not as long as `groups`, or values that are no numbers.
    """
    columns = [numbers(column) for column in columns]
    if groups is None:
        return np.stack(columns)
    member = np.unique(np.asarray(groups), return_inverse=True)[1]
    lengths = {len(column) for column in columns}
    if lengths != {len(member)}:
        raise InputError(
            f"{', '.join(map(str, lengths))} values of {len(member)} clips: these are not values of"
            " the same clips"
        )
    return np.stack([np.bincount(member, column) for column in columns])


def redrawn(values: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """(R, S) or (R, S, T): rows of values (S,) or (S, T) drawn again, in each column apart."""
    rows = rng.integers(len(values), size=(resamples, *values.shape))
    return np.take_along_axis(values[None], rows, axis=1)


def counted_sums(
    table: np.ndarray, times: np.ndarray, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """(R, C) sums of columns (C, K) over draws of K kinds of rows; kind k occurs `times[k]` times.

    Only how often each kind comes up is drawn, which is all that a sum needs.
    """
    count = int(times.sum())
    draws = rng.multinomial(count, times / count, resamples)
    return np.stack([draws @ column for column in table], axis=1)


def drawer(table: np.ndarray, rng: np.random.Generator) -> Callable[[int], np.ndarray]:
    """A function: so many rows of sums (rows, C) of columns (C, G), with the G drawn again.

    Clips are right or wrong, so many of the G are the same: then kinds are counted.
    """
    count = table.shape[1]
    kinds, times = np.unique(table, axis=1, return_counts=True)
    if 4 * len(times) < count:
        return lambda rows: counted_sums(kinds, times, rows, rng)

    def draw(rows: int) -> np.ndarray:
        # each row of draws counts in numbers of its own, so that one bincount counts them all
        draws = rng.integers(count, size=(rows, count)) + count * np.arange(rows)[:, None]
        return np.bincount(draws.ravel(), minlength=rows * count).reshape(rows, count) @ table.T

    return draw


def resampled_sums(
    columns: Sequence[np.ndarray],
    groups: Sequence[str] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> np.ndarray:
    """(C, R): sums of C columns of counts (N,) over N rows, or whole groups, drawn again.

    All columns see the same draws.

    Raises:
        InputError: for fewer than two groups, from which no spread can be read.
    """
    table = group_sums(columns, groups).astype(np.int64)
    size = table.shape[1]
    if groups is not None and size < 2:
        raise InputError(f"drawing whole groups needs at least two of them, not {size}")
    rng = np.random.default_rng(seed)
    packed, unpack = _pack(table)
    sums = [
        packed[:, rng.integers(size, size=(min(_CHUNK, resamples - start), size))].sum(-1)
        for start in range(0, resamples, _CHUNK)
    ]
    return unpack(np.concatenate(sums, axis=1))


def _pack(table: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    # Up to three columns as one number each row, and the function that takes sums apart again.
    # Packed columns are gathered and summed in one go.
    highest = table.max(initial=0) * table.shape[1]
    if len(table) > 3 or table.min(initial=0) < 0 or highest >= 1 << _BITS:
        return table, lambda sums: sums
    shifts = _BITS * np.arange(len(table))[:, None]
    packed = (table << shifts).sum(0, keepdims=True)
    return packed, lambda sums: (sums >> shifts) & ((1 << _BITS) - 1)


def swap_test(gain: np.ndarray, resamples: int = 10_000, seed: int = 0) -> float:
    """Two-sided p: how often does the sum of gains (N,), with random signs, get as far from zero?

    Source: Noreen 1989; the observed one counts as one of the draws, so p is never 0.

    >>> swap_test(np.zeros(5, int))
    1.0
    """
    gain = numbers(gain, np.int64)
    gain = gain[gain != 0]
    rng, reached = np.random.default_rng(seed), 0
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        # eight signs a byte: drawing bytes costs an eighth of drawing signs
        draws = rng.integers(256, size=(rows, -(-len(gain) // 8)), dtype=np.uint8)
        flips = np.unpackbits(draws, axis=1)[:, : len(gain)]
        sums = gain.sum() - 2 * (flips.astype(np.float64) @ gain)
        reached += int((np.abs(sums) >= abs(gain.sum())).sum())
    return (reached + 1) / (resamples + 1)
