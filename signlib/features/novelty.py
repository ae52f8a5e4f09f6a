"""Is this clip like the ones a model was trained on? Its length, the hands that were not found, its
visual features.

A classifier names a gloss for any clip, also for one that shows no sign; what is far from training
deserves a warning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SLACK_LENGTH, SLACK_UNSEEN, SLACK_DISTANCE = 1.5, 0.2, 1.25
"""How far beyond the training clips' 1 % and 99 % a clip may lie: in times (length, distance) and
share of frames.
"""


@dataclass(frozen=True)
class Familiar:
    """Ranges of the training clips.

    Attributes:
        length: frames of a clip, 1 % and 99 % quantile; None without landmarks.
        unseen: share of a clip's frames without any hand, 99 % quantile; None without hands.
        mean, deviation: of the clips' mean features (D,); None without features.
        distance: of a clip from that mean in deviations, root mean square over D, 99 % quantile.
    """

    length: tuple[float, float] | None = None
    unseen: float | None = None
    mean: np.ndarray | None = None
    deviation: np.ndarray | None = None
    distance: float | None = None

    @classmethod
    def of(
        cls,
        points: Sequence[np.ndarray] | None,
        hands: Sequence[Sequence[int]],
        features: Sequence[np.ndarray] | None,
    ) -> "Familiar":
        """The ranges of training clips.

        Args:
            points: N arrays (T, J, C), NaN = not found, or None.
            hands: joints of each hand.
            features: N arrays (T, D), or None.
        """
        about: dict[str, Any] = {}
        if points:
            low, high = np.quantile([len(clip) for clip in points], (0.01, 0.99))
            about["length"] = (float(low), float(high))
            if hands:
                about["unseen"] = float(np.quantile([unseen(clip, hands) for clip in points], 0.99))
        if features:
            means = np.stack([np.asarray(clip, float).mean(0) for clip in features])
            spread = means.std(0)
            # A number that never changes must not count for infinitely much when it does.
            about |= {
                "mean": means.mean(0),
                "deviation": np.maximum(spread, 0.05 * np.sqrt((spread**2).mean()) + 1e-12),
            }
            about["distance"] = float(
                np.quantile(_distances(means, about["mean"], about["deviation"]), 0.99)
            )
        return cls(**about)

    def warnings(
        self, points: np.ndarray | None, hands: Sequence[Sequence[int]], features: np.ndarray | None
    ) -> list[str]:
        """What is unlike training in one clip, a few words each; empty when nothing is. Arguments
        as for `of`.
        """
        found = []
        if points is not None and self.length is not None:
            low, high = self.length
            if not low / SLACK_LENGTH <= len(points) <= high * SLACK_LENGTH:
                found.append(f"{len(points)} frames, training clips have {low:.0f} to {high:.0f}")
            if (
                self.unseen is not None
                and hands
                and unseen(points, hands) > self.unseen + SLACK_UNSEEN
            ):
                found.append(
                    f"no hand in {unseen(points, hands):.0%} of the frames, in training at most"
                    f" {self.unseen:.0%}"
                )
        if features is not None and self.mean is not None:
            distance = float(
                _distances(np.asarray(features, float).mean(0)[None], self.mean, self.deviation)[0]
            )
            if distance > SLACK_DISTANCE * self.distance:
                found.append(
                    f"it looks different: {distance / self.distance:.1f} times as far as training"
                    " clips lie apart"
                )
        return found

    def content(self) -> dict[str, Any]:
        """As JSON keeps it."""
        lists = {
            key: None if value is None else np.round(value, 6).tolist()
            for key, value in (("mean", self.mean), ("deviation", self.deviation))
        }
        return {"length": self.length, "unseen": self.unseen, "distance": self.distance, **lists}

    @classmethod
    def from_content(cls, content: dict[str, Any]) -> "Familiar":
        """From what `content` gave."""
        arrays = {
            key: None if content[key] is None else np.array(content[key])
            for key in ("mean", "deviation")
        }
        length = None if content["length"] is None else tuple(content["length"])
        return cls(**{**content, **arrays, "length": length})


def unseen(points: np.ndarray, hands: Sequence[Sequence[int]]) -> float:
    """The share of a clip's frames (T, J, C) in which no joint of any hand was found."""
    joints = [joint for hand in hands for joint in hand]
    return float(np.isnan(points[:, joints, 0]).all(axis=1).mean())


def _distances(means: np.ndarray, centre: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    return np.sqrt((((means - centre) / deviation) ** 2).mean(axis=1))
