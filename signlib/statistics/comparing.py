"""Which test answers which question, all of them for two systems on the same clips, and what they
say in words.

One clip after another? McNemar, or an exchange of predictions. Another signer? Whole signers.
Another training? Seeds. All at once is the widest question and gives the widest interval; the
verdict is read from that one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from signlib.errors import InputError
from signlib.evaluation.metrics import LEVEL
from signlib.statistics.across_corpora import ROPE
from signlib.statistics.paired import FEW_SIGNERS, mcnemar
from signlib.statistics.seeds import SeedTests, compare_seeds
from signlib.statistics.variation import (
    Estimate,
    bootstrap,
    difference,
    independent_worth,
    sign_flip,
)

FEW_SEEDS = 5


@dataclass(frozen=True)
class Row:
    """One question: the t interval, the percentile interval of the bootstrap, and a test that needs
    no normal law.
    """

    estimate: Estimate
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
    seeds: SeedTests | None
    gained: float
    lost: float
    worth: float
    rope: float
    higher: bool = True
    warnings: list[str] = field(default_factory=list)

    @property
    def deciding(self) -> Estimate:
        """The estimate whose interval decides."""
        return list(self.rows.values())[-1].estimate

    def answer(self, p: float | None = None) -> str:
        """`better`, `worse`, `practically the same` or `no difference shown`, of the second one.

        Args:
            p: of the deciding estimate after all comparisons of a family are minded (Holm); None:
                it stands alone.
        """
        found, level = self.deciding, 1 - LEVEL
        if (found.p if p is None else p) < level:
            return "better" if (found.value > 0) == self.higher else "worse"
        inside = -self.rope < found.low and found.high < self.rope
        return "practically the same" if inside else "no difference shown"


def compare(
    first: np.ndarray,
    second: np.ndarray,
    signers: Sequence[str] | None = None,
    words: np.ndarray | None = None,
    rope: float = ROPE,
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
    first, second = (np.atleast_2d(np.asarray(own, float)) for own in (first, second))
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"{first.shape[1]} and {second.shape[1]} clips: these are not values of the same clips"
        )
    known = signers is not None and all(signers)
    who = list(signers) if known else None
    count = len(set(who)) if who else 0
    trained = len(first), len(second)
    several, luck = count > 1, max(trained) > 1
    rows: dict[str, Row] = {}

    def add(name: str, groups: Sequence[str] | None, seeds: bool, test: str, p: float) -> None:
        estimate = difference(first, second, groups, seeds, sizes=words)
        drawn = bootstrap(first, second, groups, seeds, words, resamples, seed)
        rows[name] = Row(estimate, drawn, test, p)

    # whole numbers, so that exchanges that tie are seen to tie
    gains = np.rint(second.sum(0) * trained[0] - first.sum(0) * trained[1]).astype(np.int64)
    add("clips", None, False, *_over_clips(first, second, gains, words, resamples, seed))
    if several:
        add("signers", who, False, "sign flips of signers", sign_flip(gains, who, resamples, seed))
    alone = None
    rates = [
        tuple((100 * own.sum(1) / (own.shape[1] if words is None else np.sum(words))).tolist())
        for own in (first, second)
    ]
    if min(trained) > 1:
        alone = compare_seeds(*rates)
        rows["seeds"] = Row(
            difference(first, second, units=False, sizes=words), None, "Mann-Whitney", alone.ranks.p
        )
    if luck:
        add(
            "seeds and signers" if several else "seeds and clips",
            who if several else None,
            True,
            "",
            float("nan"),
        )
    shares = [
        float(np.maximum(sign * (second[None] - first[:, None]), 0).mean()) for sign in (1, -1)
    ]
    worth = independent_worth(gains, who) if several and len(gains) > count else float("nan")
    found = Comparison(
        *rates, first.shape[1], count, rows, alone, *shares, worth, rope, words is None
    )
    found.warnings.extend(_warnings(found, trained, known))
    return found


def _over_clips(
    first: np.ndarray,
    second: np.ndarray,
    gains: np.ndarray,
    words: np.ndarray | None,
    resamples: int,
    seed: int,
) -> tuple[str, float]:
    """The test over clips: exact for one training each, else by exchanging the predictions of a
    clip.
    """
    if words is None and len(first) == len(second) == 1:
        return "exact McNemar", mcnemar(int((gains < 0).sum()), int((gains > 0).sum()))
    return "exchange of predictions", sign_flip(gains, None, resamples, seed)


def _warnings(found: Comparison, trained: tuple[int, int], known: bool) -> list[str]:
    """What a reader must mind."""
    out = []
    if not known:
        out.append(
            "nobody knows who signs: clips are taken as independent, and intervals are too narrow"
            " where several clips are of one signer"
        )
    elif found.signers == 1:
        out.append("all clips are of one signer: nothing here says how another signer would do")
    elif found.signers < FEW_SIGNERS:
        df = found.rows["signers"].estimate.df
        out.append(
            f"only {found.signers} signers: the bootstrap of whole signers comes out too narrow"
            f" below about {FEW_SIGNERS}; read the t interval, which has {df:.1f} degrees of"
            " freedom"
        )
    if found.worth < 0.9 * found.clips:
        out.append(
            f"clips of one signer are alike: these {found.clips:,} tell as much as about"
            f" {found.worth:,.0f} independent ones"
        )
    if min(trained) == 1:
        out.append(
            "one training of "
            + ("each" if max(trained) == 1 else "one of the two")
            + ": another seed may "
            "change it by as much as this difference, and no interval here knows by how much"
        )
    elif min(trained) < FEW_SEEDS:
        out.append(
            f"{trained[0]} and {trained[1]} seeds: a test of ranks over them cannot give a p below "
            f"{found.seeds.ranks.smallest:.2g}"
        )
    return out


def verdict(
    found: Comparison, names: tuple[str, str], p: float | None = None, family: int = 1
) -> str:
    """One comparison in a few sentences, without stars.

    Args:
        names: of the first and the second system.
        p, family: of the deciding estimate after Holm, over so many comparisons.
    """
    best, unit = found.deciding, "points" if found.higher else "points of word error rate"
    interval = (
        f"95 % interval [{best.low:+.2f}, {best.high:+.2f}] over {best.over}, p = {best.p:.2g}"
    )
    if family > 1:
        interval += f", {p:.2g} with all {family} comparisons minded (Holm)"
    first, second = names
    answer = found.answer(p)
    text = (
        f"{second} against {first}: {answer}. It differs by {best.value:+.2f} {unit} ({interval})."
    )
    if answer == "no difference shown":
        worst = max(abs(best.low), abs(best.high))
        text += (
            f" That is not the same as equal: differences of up to {worst:.1f} points fit these"
            " data"
        )
        text += ", and this p stood alone below 0.05." if best.p < 1 - LEVEL else "."
    elif answer == "practically the same":
        text += (
            f" All of the interval lies within {found.rope:g} points, which was said not to matter."
        )
    elif max(abs(best.low), abs(best.high)) < found.rope:
        text += f" It is less than the {found.rope:g} points that were said to matter."
    narrow = [name for name, row in found.rows.items() if row.estimate.p < 1 - LEVEL <= best.p]
    if narrow:
        text += (
            f" Over {' and over '.join(narrow)} alone the interval would leave out 0: that forgets"
            " the rest."
        )
    return text


def check_rope(rope: float) -> float:
    """The region of practical equivalence, refused where it is none.

    Raises:
        InputError: for a negative number or one that is not finite.
    """
    if not (np.isfinite(rope) and rope >= 0):
        raise InputError(f"rope={rope}: give the points that do not matter, 0 or more")
    return rope
