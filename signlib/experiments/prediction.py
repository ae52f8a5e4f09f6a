"""A trained run put to work on clips of one's own."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from signlib.runs.run import Run
from signlib.tasks.registry import load_recogniser, task_of


def predict(
    run: Run, clips: Sequence[str | Path], split: str = "", top: int = 5, tower: str = ""
) -> pd.DataFrame:
    """The likeliest glosses of clips.

    Args:
        run: a run with weights.
        clips: videos, `.npy` or `.pose` files, or stores made with the run's extractor. A run on
            several modalities finds depth in `X_depth.mp4` beside `X_color.mp4`, takes a store of
            pictures and one of landmarks, and makes do with the modalities that a clip has. A
            graph network takes `.skeleton` files, `.npy` files (T, M, J, 3) and stores of
            skeletons.
        split: of stores, only the clips of this split.
        top: how many glosses a clip.
        tower: for a run on frozen features, where its encoder lies now; "" = where it lay when
            they were made.

    Returns:
        One row a clip: clip, gloss ("" where nobody says), top = [(gloss, share of confidence),
        ...], problem ("" unless the clip could not be used), missing (modalities that it lacks,
        with commas), and warning (in what it is unlike the training clips, "" where nothing is or
        the run does not tell).

    Raises:
        RunError: when the run was trained on other points or pictures than these clips give, or
            its task names no single glosses.
    """
    return task_of(run.settings).predict(load_recogniser(run), clips, split, top, tower)


def long_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row a clip and rank: clip, rank, gloss, confidence; for a csv."""
    return pd.DataFrame(
        [
            {"clip": row.clip, "rank": rank, "gloss": gloss, "confidence": round(share, 4)}
            for row in predictions.itertuples()
            for rank, (gloss, share) in enumerate(row.top, start=1)
        ],
        columns=["clip", "rank", "gloss", "confidence"],
    )
