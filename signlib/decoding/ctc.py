"""Scores of every frame to glosses: the best path, and a search over prefixes in its plainest form.

Class 0 is the blank; class k > 0 is gloss k - 1 of the vocabulary. A gloss that is signed twice
needs a blank between: `A blank A` is `A A`, and `A A` alone is `A`.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from signlib.decoding.language_model import END, START, NGramModel
from signlib.errors import ClipError

BLANK = 0
# Class numbers of glosses, without blanks.
Prefix = tuple[int, ...]
_NEVER = -math.inf


@dataclass(frozen=True)
class Hypothesis:
    """One reading of a clip.

    Attributes:
        classes: its glosses as class numbers, without blanks.
        score: natural logarithm of its probability over all alignments, with the language model's
            part.
    """

    classes: tuple[int, ...]
    score: float


def collapse(path: Sequence[int]) -> list[int]:
    """What a path of classes, one a frame, says: runs become one, then blanks go.

    >>> collapse([0, 3, 3, 0, 3, 5, 5, 0])
    [3, 3, 5]
    """
    classes = np.asarray(path)
    starts = np.diff(classes, prepend=BLANK) != 0
    return classes[starts & (classes != BLANK)].tolist()


def greedy(log_probabilities: np.ndarray, lengths: Sequence[int]) -> list[list[int]]:
    """The reading of the likeliest path of each clip.

    Args:
        log_probabilities: (B, T, V), or any scores with the same order.
        lengths: (B,) frames that are real.

    Raises:
        ValueError: for a real frame that is NaN or where no class can be.
    """
    scores = np.asarray(log_probabilities)
    for frames, length in zip(scores, lengths, strict=True):
        check_scores(frames[:length])
    paths = scores.argmax(-1)
    return [collapse(path[:length]) for path, length in zip(paths, lengths, strict=True)]


def check_scores(frames: np.ndarray) -> None:
    """Refuse scores (T, V) that say nothing: argmax would read the class that is NaN.

    Raises:
        ValueError: for a frame that is NaN or where no class can be.
    """
    if frames.size and not np.isfinite(frames.max(axis=-1)).all():
        raise ValueError(
            "log probabilities are NaN or all -inf in a frame: the model or its input is broken"
        )


def needed_frames(target: Sequence[int]) -> int:
    """Fewest frames that can say a target: one a gloss, and a blank between equal neighbours.

    >>> needed_frames([1, 1, 2])
    4
    """
    classes = np.asarray(target)
    return len(classes) + int(np.count_nonzero(classes[1:] == classes[:-1]))


def check_lengths(
    frames: Sequence[int], targets: Sequence[Sequence[int]], clips: Sequence[str]
) -> None:
    """Refuse targets that no path can say, before training: their loss would be infinite.

    Args:
        frames: frames of each clip as the loss sees them, after all down-sampling.
        targets: class numbers of each clip.
        clips: their names.

    Raises:
        ClipError: with the first clip that is too short, its frames and what they would have to be.
    """
    short = [
        (clip, have, need)
        for clip, have, target in zip(clips, frames, targets, strict=True)
        if have < (need := needed_frames(target))
    ]
    if short:
        clip, have, need = short[0]
        raise ClipError(
            f"clip {clip!r} has {have} frames after down-sampling, its glosses need {need}"
            f" ({len(short)} such clips): lower the stride, or leave these clips out"
        )


def prefix_search(
    log_probabilities: np.ndarray,
    beam: int,
    glosses: Sequence[str] = (),
    model: NGramModel | None = None,
    alpha: float = 0.0,
    beta: float = 0.0,
) -> list[Hypothesis]:
    """Beam search over prefixes, written to be read; `BeamSearch` does the same fast.

    A prefix keeps two probabilities: of all its alignments that end in a blank, and of those that
    end in its last gloss. Only from the first can the same gloss be signed again.

    Args:
        log_probabilities: (T, V), natural logarithms.
        beam: prefixes that are kept after each frame.
        glosses: name of class k + 1, for the language model.
        model, alpha, beta: a reading's score is log P(frames) + alpha log P(glosses) + beta times
            its glosses.

    Returns:
        At most `beam` readings, the best first.

    Raises:
        ValueError: as for `check_scores`.

    Source: Graves 2012, prefix search; Hannun et al. 2014 for the language model.
    """
    check_scores(np.asarray(log_probabilities))

    def bonus(prefix: Prefix) -> float:
        # What the last gloss of a prefix adds beside the frames.
        if model is None:
            return beta
        words = [START, *(glosses[k - 1] for k in prefix)]
        return beta + alpha * model.log_probability(words[-1], words[:-1])

    # Log probability of a prefix's alignments that end in a blank, and in its last gloss.
    beams: dict[Prefix, tuple[float, float]] = {(): (0.0, _NEVER)}
    bonuses: dict[Prefix, float] = {(): 0.0}
    for frame in np.asarray(log_probabilities, float):
        grown: dict[Prefix, list[float]] = defaultdict(lambda: [_NEVER, _NEVER])
        for prefix, (after_blank, after_gloss) in beams.items():
            either = np.logaddexp(after_blank, after_gloss)
            here = grown[prefix]
            here[0] = np.logaddexp(here[0], either + frame[BLANK])
            if prefix:
                here[1] = np.logaddexp(here[1], after_gloss + frame[prefix[-1]])
            for k in range(1, len(frame)):
                longer = (*prefix, k)
                if longer not in bonuses:
                    bonuses[longer] = bonuses[prefix] + bonus(longer)
                # Without a blank between, the same gloss again is still the same sign.
                source = after_blank if prefix and prefix[-1] == k else either
                grown[longer][1] = np.logaddexp(grown[longer][1], source + frame[k])
        possible = {
            prefix: (blank, gloss)
            for prefix, (blank, gloss) in grown.items()
            if max(blank, gloss) > _NEVER
        }
        totals = _totals(possible, bonuses)
        best = sorted(possible, key=lambda prefix: -totals[prefix])[:beam]
        beams = {prefix: possible[prefix] for prefix in best}
    return finish(_totals(beams, bonuses), glosses, model, alpha)


def _totals(
    scores: dict[Prefix, tuple[float, float]], bonuses: dict[Prefix, float]
) -> dict[Prefix, float]:
    return {
        prefix: np.logaddexp(blank, gloss) + bonuses[prefix]
        for prefix, (blank, gloss) in scores.items()
    }


def finish(
    scores: dict[Prefix, float],
    glosses: Sequence[str],
    model: NGramModel | None,
    alpha: float,
) -> list[Hypothesis]:
    """Readings with the end of the sentence taken into account, the best first."""
    ended = dict(scores)
    if model is not None:
        for prefix in ended:
            words = [START, *(glosses[k - 1] for k in prefix)]
            ended[prefix] += alpha * model.log_probability(END, words)
    best = sorted(ended.items(), key=lambda item: -item[1])
    return [Hypothesis(prefix, float(score)) for prefix, score in best]
