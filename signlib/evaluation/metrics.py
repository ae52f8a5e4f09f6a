"""How good: clips whose target is on top, by class, and what is taken for what."""

from collections.abc import Iterable, Sequence

import numpy as np

from signlib.errors import RunError

# Why a clip has no prediction.
NO_NUMBERS = (
    "its scores are no finite numbers: look at its numbers; where all clips are like that, the"
    " weights are broken, train again"
)


def are_numbers(scores: np.ndarray) -> bool:
    """Can scores (..., K) be ranked: is the highest of every row finite? It is NaN where one is."""
    return bool(np.isfinite(scores.max(axis=-1)).all())


def check_scores(scores: Iterable[np.ndarray], clips: Sequence[str]) -> None:
    """Refuse scores that are no numbers, before anything is counted of them.

    Args:
        scores: one array a clip.
        clips: their ids.

    Raises:
        RunError: naming the clips.
    """
    broken = [clip for clip, each in zip(clips, scores, strict=True) if not are_numbers(each)]
    RunError.raise_if(
        broken,
        f"{len(broken)} of {len(clips)} clips have scores that are no finite numbers"
        f" ({', '.join(broken[:3])}{', ...' * (len(broken) > 3)}), so nothing is counted: look at"
        " these clips; where it is all of them, the weights are broken: train again",
    )


def top_k(scores: np.ndarray, targets: np.ndarray, k: int) -> np.ndarray:
    """(N,) bool: is the target among the k highest of its row of scores (N, K)?

    Ties count against it.

    Raises:
        ValueError: for scores that are not numbers, which no rank can be read from.

    >>> top_k(np.array([[0.1, 0.7, 0.2]]), np.array([2]), 2).tolist()
    [True]
    """
    if np.isnan(scores).any():
        raise ValueError(
            "scores hold NaN: the model's weights or its input are broken; nothing was counted"
        )
    of_target = np.take_along_axis(scores, targets[:, None], axis=1)
    return (scores >= of_target).sum(axis=1) <= k


def per_class_accuracy(correct: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Accuracy of each class that occurs, in per cent, in the order of the class numbers."""
    return np.array([100 * correct[targets == k].mean() for k in np.unique(targets)])


def confusion(predictions: np.ndarray, targets: np.ndarray, classes: int) -> np.ndarray:
    """(K, K) counts: row = target, column = prediction."""
    # one number for each pair of classes, so that one bincount counts them all
    counts = np.bincount(targets * classes + predictions, minlength=classes * classes)
    return counts.reshape(classes, classes)
