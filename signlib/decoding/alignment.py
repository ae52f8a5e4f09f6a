"""When each gloss of a reading was signed, and how likely the reading is over all alignments.

Between, before and after the glosses of a reading a path may rest in the blank; it must do so only
between equal neighbours.
"""

from collections.abc import Callable, Sequence

import numpy as np

from signlib.decoding.ctc import BLANK, needed_frames
from signlib.errors import ClipError

# (3, S) scores of the ways into each state to (S,).
Join = Callable[[np.ndarray], np.ndarray]


def align(log_probabilities: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """(U, 2) first and past-last frame of each gloss in the likeliest path that says them.

    Of a reading by `greedy` that is the path which it was read from.

    Args:
        log_probabilities: (T, V), natural logarithms.
        classes: U class numbers, without blanks.

    Raises:
        ClipError: when the frames are too few to say them.
    """
    ends, sources = _passed(log_probabilities, classes, lambda ways: ways.max(axis=0))
    state = len(ends) - 1 - int(len(ends) > 1 and ends[-2] > ends[-1])
    states = np.empty(len(log_probabilities), int)
    for frame in reversed(range(len(states))):
        states[frame] = state
        state -= sources[frame, state]
    # Glosses are the odd states; each is entered once and left for good.
    odd = 2 * np.arange(len(classes)) + 1
    return np.stack(
        [np.searchsorted(states, odd, "left"), np.searchsorted(states, odd, "right")], axis=1
    )


def log_probability(log_probabilities: np.ndarray, classes: Sequence[int]) -> float:
    """Natural logarithm of a reading's probability over all its alignments; -inf = it has none.

    Args:
        log_probabilities: (T, V), natural logarithms.
        classes: of the reading, without blanks.

    Source: Graves et al. 2006, section 4.1, the forward variables.
    """
    if len(log_probabilities) < needed_frames(classes):
        return -np.inf
    ends, _ = _passed(log_probabilities, classes, lambda ways: np.logaddexp.reduce(ways, axis=0))
    return float(np.logaddexp.reduce(ends[-2:]))


def _passed(
    log_probabilities: np.ndarray, classes: Sequence[int], join: Join
) -> tuple[np.ndarray, np.ndarray]:
    # Scores (S,) of the states blank, gloss, blank, gloss, ..., blank after the last frame, and
    # for each frame (T, S) how many states before the best way into a state began: 0, 1 or 2.
    frames, target = np.asarray(log_probabilities, float), np.asarray(classes, int)
    if len(frames) < needed_frames(classes):
        raise ClipError(
            f"{len(frames)} frames of scores cannot say {len(classes)} glosses, which need"
            f" {needed_frames(classes)}"
        )
    labels = np.full(2 * len(target) + 1, BLANK)
    labels[1::2] = target
    # The blank between may be left out where the neighbours differ.
    skips = np.zeros(len(labels), bool)
    skips[3::2] = target[1:] != target[:-1]
    scores = frames[:, labels]
    passed = np.where(np.arange(len(labels)) < 2, scores[0], -np.inf)
    sources = np.zeros(scores.shape, int)
    for frame in range(1, len(scores)):
        ways = np.full((3, len(labels)), -np.inf)
        ways[0], ways[1, 1:] = passed, passed[:-1]
        ways[2, 2:] = np.where(skips[2:], passed[:-2], -np.inf)
        sources[frame] = ways.argmax(axis=0)
        passed = join(ways) + scores[frame]
    return passed, sources
