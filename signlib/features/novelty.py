"""Is a clip like those that a model was trained on? Length, hands that were not seen, features.

A classifier names a gloss for any clip, also for one that shows no sign; what is far from training
deserves a warning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from signlib.errors import RunError

# How far beyond the training clips' 1 % and 99 % a clip may lie.
# In times for length and distance, in share of frames for what was not seen.
SLACK_LENGTH, SLACK_UNSEEN, SLACK_DISTANCE = 1.5, 0.2, 1.25


@dataclass(frozen=True)
class FeatureRange:
    """Where the mean features of training clips lie.

    Attributes:
        mean, deviation: of the clips' mean features, (D,).
        distance: of a clip from that mean in deviations, root mean square over D, 99 % quantile.
    """

    mean: np.ndarray
    deviation: np.ndarray
    distance: float

    def distances(self, means: np.ndarray) -> np.ndarray:
        """(N,) of the clips' mean features (N, D)."""
        return np.sqrt((((means - self.mean) / self.deviation) ** 2).mean(axis=1))


@dataclass(frozen=True)
class TrainingRanges:
    """What training clips were like, as far as their inputs tell.

    Attributes:
        length: frames of a clip, 1 % and 99 % quantile; None without landmarks.
        unseen: share of a clip's frames without any hand, 99 % quantile; None without hands.
        features: None without features.
    """

    length: tuple[float, float] | None = None
    unseen: float | None = None
    features: FeatureRange | None = None

    @classmethod
    def of(
        cls,
        points: Sequence[np.ndarray] | None,
        hands: Sequence[Sequence[int]],
        features: Sequence[np.ndarray] | None,
    ) -> "TrainingRanges":
        """The ranges of training clips.

        Args:
            points: N arrays (T, J, C), NaN = not seen, or None.
            hands: joints of each hand.
            features: N arrays (T, D), or None.
        """
        length = share = None
        if points:
            low, high = np.quantile([len(clip) for clip in points], (0.01, 0.99))
            length = (float(low), float(high))
            if hands:
                share = float(np.quantile([unseen_share(clip, hands) for clip in points], 0.99))
        return cls(length, share, _feature_range(features) if features else None)

    def warnings(
        self, points: np.ndarray | None, hands: Sequence[Sequence[int]], features: np.ndarray | None
    ) -> list[str]:
        """How one clip differs from training, a few words each; empty when it does not.

        Arguments are those of `of`, for one clip.
        """
        lines = []
        if points is not None and self.length is not None:
            low, high = self.length
            if not low / SLACK_LENGTH <= len(points) <= high * SLACK_LENGTH:
                lines.append(f"{len(points)} frames, training clips have {low:.0f} to {high:.0f}")
            share = unseen_share(points, hands) if hands else 0.0
            if self.unseen is not None and share > self.unseen + SLACK_UNSEEN:
                lines.append(
                    f"no hand in {share:.0%} of the frames, in training at most {self.unseen:.0%}"
                )
        if features is not None and self.features is not None:
            mean = np.asarray(features, float).mean(0)
            distance, usual = float(self.features.distances(mean[None])[0]), self.features.distance
            if distance > SLACK_DISTANCE * usual:
                lines.append(
                    f"it looks different: {distance / usual:.1f} times as far as training clips"
                    " lie apart"
                )
        return lines

    def content(self) -> dict[str, Any]:
        """As `model.json` keeps it."""
        content: dict[str, Any] = {"length": self.length, "unseen": self.unseen}
        if self.features is None:
            return content | dict.fromkeys(("distance", "mean", "deviation"))
        return content | {
            "distance": self.features.distance,
            "mean": np.round(self.features.mean, 6).tolist(),
            "deviation": np.round(self.features.deviation, 6).tolist(),
        }

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> "TrainingRanges":
        """From what `content` gave.

        Raises:
            RunError: for anything else, with what is wrong.
        """
        names = ("length", "unseen", "distance", "mean", "deviation")
        values = content if isinstance(content, dict) else {}
        length: Any = values.get("length")
        unseen: Any = values.get("unseen")
        distance: Any = values.get("distance")
        mean: Any = values.get("mean")
        deviation: Any = values.get("deviation")
        wrong = [name for name in names if name not in values]
        wrong += [
            name
            for name, right in (
                ("length", length is None or (_numbers(length, 2) and length[0] <= length[1])),
                ("unseen", unseen is None or (_numbers([unseen]) and 0 <= unseen <= 1)),
                ("distance", mean is None or (_numbers([distance]) and distance >= 0)),
                ("mean", mean is None or _numbers(mean)),
                ("deviation", mean is None or _numbers(deviation, np.size(mean))),
            )
            if not right
        ]
        if wrong:
            raise RunError(
                f"what the run says of its training clips is damaged ({wrong[0]} is"
                f" {str(values.get(wrong[0]))[:40]}); copy its model.json again, or train it again"
            )
        features = None
        if mean is not None:
            features = FeatureRange(np.array(mean), np.array(deviation), distance)
        return cls(None if length is None else tuple(length), unseen, features)


def _numbers(values: Any, count: int | None = None) -> bool:
    # A list of so many numbers.
    listed = isinstance(values, list | tuple) and len(values) > 0
    return (
        listed
        and count in (None, len(values))
        and all(isinstance(value, int | float) and np.isfinite(value) for value in values)
    )


def _feature_range(features: Sequence[np.ndarray]) -> FeatureRange:
    means = np.stack([np.asarray(clip, float).mean(0) for clip in features])
    spread = means.std(0)
    # A number that never changes must not count for infinitely much when it does.
    deviation = np.maximum(spread, 0.05 * np.sqrt((spread**2).mean()) + 1e-12)
    centre = FeatureRange(means.mean(0), deviation, np.nan)
    return replace(centre, distance=float(np.quantile(centre.distances(means), 0.99)))


def unseen_share(points: np.ndarray, hands: Sequence[Sequence[int]]) -> float:
    """The share of a clip's frames (T, J, C) in which no joint of any hand was seen."""
    return float(np.isnan(points[:, list(chain.from_iterable(hands)), 0]).all(axis=1).mean())
