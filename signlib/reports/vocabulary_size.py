"""Option A of source 002: what a larger vocabulary needs, and what a result on it means there.

Sizes are counted, not guessed; the verdict is computed from a result and its interval.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from signlib.errors import InputError

# Glosses -> width and layers (the most that source 002 names), parameters and samples it states. 20
# is its own model.
SOURCE_SIZES = {
    20: (64, 1, 71_893, 0),
    100: (128, 2, 130_000, 500),
    300: (128, 2, 260_000, 1_500),
    500: (256, 2, 1_000_000, 2_500),
    1_000: (256, 3, 1_000_000, 5_000),
    2_000: (512, 3, 4_000_000, 10_000),
}
# Least top-1 in per cent -> what the source calls it; it names no case from 5 to 8.
CASES = (
    (15.0, "best case"),
    (8.0, "realistic case"),
    (5.0, "between the source's cases"),
    (0.0, "worst case"),
)


def reader_parameters(width: int, layers: int, glosses: int, features: int = 36) -> int:
    """Numbers that a `models.phonology.GlossReader` learns, by hand.

    >>> reader_parameters(64, 1, 20)
    71893
    """
    project = (features + 1) * width
    lstm = sum(
        2 * 4 * width * ((width if layer == 0 else 2 * width) + width + 2)
        for layer in range(layers)
    )
    return project + lstm + 2 * 2 * width + (2 * width + 1) * (glosses + 1)


def size_table(training_clips: Mapping[int, int] | None = None) -> pd.DataFrame:
    """One row a vocabulary: the source's guess, the true count, and parameters a training clip.

    Args:
        training_clips: glosses -> clips of a training split, where they are known; else the
            source's own least number.
    """
    rows = []
    for glosses, (width, layers, stated, least) in SOURCE_SIZES.items():
        counted = reader_parameters(width, layers, glosses)
        of_split = (training_clips or {}).get(glosses)
        clips = of_split or least
        rows.append(
            {
                "glosses": glosses,
                "width": width,
                "layers": layers,
                "source says": stated,
                "counted": counted,
                "times as many": round(counted / stated, 1),
                "training clips": clips,
                "of": "the split" if of_split else "the source's least",
                "parameters a clip": round(counted / clips) if clips else pd.NA,
                # source 002 allows 1,000 parameters a clip; it recommends 300 to 500
                "within its limit": "yes" if counted < 1_000 * clips else "no",
            }
        )
    table = pd.DataFrame(rows)
    # without a number of clips nothing can be said of them
    table.loc[table["training clips"] == 0, ["of", "within its limit"]] = ""
    return table


def case_of(top_1: float) -> str:
    """What source 002 calls a result.

    >>> [case_of(value) for value in (21.7, 8.0, 6.0, 0.6)]
    ['best case', 'realistic case', "between the source's cases", 'worst case']

    Raises:
        InputError: for a value that is no per cent.
    """
    if not 0 <= top_1 <= 100:
        raise InputError(f"top-1 {top_1} is no per cent; give a value from 0 to 100")
    return next(case for least, case in CASES if top_1 >= least)


def verdict(top_1: float, interval: Sequence[float], glosses: int) -> str:
    """The source's case for a result, what its interval leaves open, and what guessing would get.

    Args:
        top_1: per cent; interval: its low and high end.
        glosses: of the vocabulary; the source's marks mean 500 of them.
    """
    low, high = (case_of(float(end)) for end in interval)
    ends = f"[{interval[0]:.1f}, {interval[1]:.1f}]"
    sure = f"stays there ({ends})" if low == high else f"{ends} reaches from {low} to {high}"
    chance = f"guessing would get {100 / glosses:.2g} %"
    other = f"; the source's marks are for 500 glosses, these are {glosses:,}"
    return (
        f"top-1 {top_1:.1f} %: {case_of(top_1)}; its interval {sure}; {chance}"
        f"{other * (glosses != 500)}"
    )
