"""Matched pairs of sentence segments: how speech recognition tells two word error rates apart.

A sentence is cut where both systems are right for two words running; errors on one side of such a
cut have little to do with those on the other. So segments are nearer to independent than words, and
more of them than sentences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from signlib.errors import InputError
from signlib.evaluation.wer import HIT, INSERTION, Sentences, alignment

# So many words right in both systems end a segment, as sclite's companion sc_stats has it.
GOOD_WORDS = 2


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
    errors = pd.concat(each).groupby(["sentence", "place"], as_index=False).sum()
    errors = errors.fillna(0).astype(int)
    # Whole words strictly between two positions: an odd one is a word, an even one the gap before.
    position, same = errors["place"].to_numpy(), errors["sentence"].diff().eq(0).to_numpy()
    between = position[1:] // 2 - (position[:-1] + 1) // 2
    new = np.append(True, ~same[1:] | (between >= good))[: len(errors)]
    errors["segment"] = np.cumsum(new)
    return (
        errors.groupby("segment")
        .agg({"sentence": "first", "first": "sum", "second": "sum"})
        .reset_index(drop=True)
    )


def _errors(references: Sentences, hypotheses: Sentences, name: str) -> pd.DataFrame:
    """One row an error: sentence, place, and 1 under `name`.

    The place is 2 i + 1 for word i, and 2 i for the gap before it.
    """
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
