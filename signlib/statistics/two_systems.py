"""Two systems on the same clips by every test that the data allow, and the verdict in words.

One clip after another? McNemar, or an exchange of predictions. Another signer? Whole signers.
Another training? Seeds. All at once is the widest question and gives the widest interval; the
verdict is read from that one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from signlib.errors import InputError
from signlib.statistics import intervals, paired, seed_tests, variation


@dataclass(frozen=True)
class Row:
    """One question: the t interval, the interval of the bootstrap, a test without a normal law."""

    estimate: variation.Estimate
    bootstrap: tuple[float, float] | None
    test: str
    p: float


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same clips. Differences are second minus first, in points.

    Attributes:
        first, second: rate of each seed, per cent.
        clips, signers: how many; 0 signers where they are unknown.
        rows: what varies -> its row; the last one is the widest question, and decides.
        seeds: tests over seeds alone; None unless both have two.
        gained, lost: shares of clips that only the second, and only the first, gets (means over
            pairs of seeds).
        worth: independent clips that would tell as much as these do; NaN where signers are unknown.
        rope: points that do not matter.
        higher: a higher rate is better (accuracy), or worse (errors).
    """

    first: tuple[float, ...]
    second: tuple[float, ...]
    clips: int
    signers: int
    rows: dict[str, Row]
    seeds: seed_tests.SeedTests | None
    gained: float
    lost: float
    worth: float
    rope: float
    higher: bool = True

    @property
    def deciding(self) -> variation.Estimate:
        """The estimate whose interval decides."""
        return list(self.rows.values())[-1].estimate

    def answer(self, p: float | None = None) -> str:
        """`better`, `worse`, `practically the same` or `no difference shown`, of the second one.

        Args:
            p: of the deciding estimate after all comparisons of a family are minded (Holm); None:
                it stands alone.
        """
        estimate = self.deciding
        if (estimate.p if p is None else p) < 1 - intervals.LEVEL:
            return "better" if (estimate.value > 0) == self.higher else "worse"
        inside = -self.rope < estimate.low and estimate.high < self.rope
        return "practically the same" if inside else "no difference shown"

    @property
    def warnings(self) -> list[str]:
        """What a reader must mind."""
        warnings = []
        if self.signers == 0:
            warnings.append(
                "nobody knows who signs: clips are taken as independent, and intervals are too"
                " narrow where several clips are of one signer"
            )
        elif self.signers == 1:
            warnings.append(
                "all clips are of one signer: nothing here says how another signer would do"
            )
        elif text := intervals.few_signers(self.signers):
            warnings.append(
                f"{text}; read the t interval, which has"
                f" {self.rows['signers'].estimate.df:.1f} degrees of freedom"
            )
        if self.worth < 0.9 * self.clips:
            warnings.append(
                f"clips of one signer are alike: these {self.clips:,} tell as much as about"
                f" {self.worth:,.0f} independent ones"
            )
        trained = len(self.first), len(self.second)
        if self.seeds is None:
            which = "each" if max(trained) == 1 else "one of the two"
            warnings.append(
                f"one training of {which}: another seed may change it by as much as this"
                " difference, and no interval here knows by how much"
            )
        elif min(trained) < 5:
            warnings.append(
                f"{trained[0]} and {trained[1]} seeds: a test of ranks over them cannot give a p"
                f" below {self.seeds.ranks.smallest:.2g}"
            )
        return warnings


def compare(
    first: np.ndarray,
    second: np.ndarray,
    signers: Sequence[str] | None = None,
    words: np.ndarray | None = None,
    rope: float = seed_tests.ROPE,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Hold the second system against the first by every test that the data allow.

    Args:
        first, second: (S, N), a row a seed: whether each clip is right, or the errors of each
            sentence.
        signers: (N,) whose clip it is; None, or all "", where nobody knows.
        words: (N,) of each reference: the rate is a word error rate. None: it is an accuracy.
        rope: points that do not matter.
        resamples, seed: of every bootstrap and drawn exchange.

    Raises:
        InputError: for values of other clips.
    """
    first, second = (np.atleast_2d(intervals.numbers(values, float)) for values in (first, second))
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"{first.shape[1]} and {second.shape[1]} clips: these are not values of the same clips"
        )
    who = list(signers) if signers is not None and all(signers) else []
    count = len(set(who))
    groups = who if count > 1 else None

    def row(over: Sequence[str] | None, seeds: bool, test: str, p: float) -> Row:
        estimate = variation.difference(first, second, over, seeds, sizes=words)
        drawn = variation.bootstrap(
            first, second, over, seeds=seeds, sizes=words, resamples=resamples, seed=seed
        )
        return Row(estimate, drawn, test, p)

    # whole numbers, so that exchanges that tie are seen to tie
    gains = np.rint(second.sum(0) * len(first) - first.sum(0) * len(second)).astype(np.int64)
    if words is None and len(first) == len(second) == 1:
        test, p = "exact McNemar", paired.mcnemar(int((gains < 0).sum()), int((gains > 0).sum()))
    else:
        test, p = "exchange of predictions", variation.sign_flip(gains, None, resamples, seed)
    rows = {"clips": row(None, False, test, p)}
    if groups:
        p = variation.sign_flip(gains, groups, resamples, seed)
        rows["signers"] = row(groups, False, "sign flips of signers", p)
    total = first.shape[1] if words is None else np.sum(words)
    rates = [(100 * values.sum(1) / total).tolist() for values in (first, second)]
    over_seeds = None
    if min(len(first), len(second)) > 1:
        over_seeds = seed_tests.compare_seeds(*rates)
        alone = variation.difference(first, second, units=False, sizes=words)
        rows["seeds"] = Row(alone, None, "Mann-Whitney", over_seeds.ranks.p)
    if max(len(first), len(second)) > 1:
        rows["seeds and signers" if groups else "seeds and clips"] = row(groups, True, "", np.nan)
    gain = second[None] - first[:, None]
    alike = groups and len(gains) > count
    return Comparison(
        first=tuple(rates[0]),
        second=tuple(rates[1]),
        clips=first.shape[1],
        signers=count,
        rows=rows,
        seeds=over_seeds,
        gained=float(np.maximum(gain, 0).mean()),
        lost=float(np.maximum(-gain, 0).mean()),
        worth=variation.independent_worth(gains, who) if alike else float("nan"),
        rope=rope,
        higher=words is None,
    )


def family_p(comparisons: Mapping[str, Comparison]) -> dict[str, float]:
    """Comparison -> p of its deciding estimate, all of them minded as one family (Holm)."""
    p = paired.holm([comparison.deciding.p for comparison in comparisons.values()])
    return dict(zip(comparisons, p.tolist(), strict=True))


def verdict(
    comparison: Comparison, names: tuple[str, str], p: float | None = None, family: int = 1
) -> str:
    """One comparison in a few sentences, without stars.

    Args:
        names: of the first and the second system.
        p, family: of the deciding estimate after Holm, over so many comparisons.
    """
    best, unit = comparison.deciding, "points" + " of word error rate" * (not comparison.higher)
    interval = (
        f"95 % interval [{best.low:+.2f}, {best.high:+.2f}] over {best.over}, p = {best.p:.2g}"
    )
    if family > 1:
        interval += f", {p:.2g} with all {family} comparisons minded (Holm)"
    answer, worst = comparison.answer(p), max(abs(best.low), abs(best.high))
    text = (
        f"{names[1]} against {names[0]}: {answer}. It differs by {best.value:+.2f} {unit}"
        f" ({interval})."
    )
    if answer == "no difference shown":
        alone = ", and this p stood alone below 0.05" if best.p < 1 - intervals.LEVEL else ""
        text += (
            f" That is not the same as equal: differences of up to {worst:.1f} points fit these"
            f" data{alone}."
        )
    elif answer == "practically the same":
        text += (
            f" All of the interval lies within {comparison.rope:g} points, which was said not to"
            " matter."
        )
    elif worst < comparison.rope:
        text += f" It is less than the {comparison.rope:g} points that were said to matter."
    narrow = [
        name
        for name, row in comparison.rows.items()
        if row.estimate.p < 1 - intervals.LEVEL <= best.p
    ]
    if narrow:
        text += (
            f" Over {' and over '.join(narrow)} alone the interval would leave out 0: that forgets"
            " the rest."
        )
    return text
