"""Clips of landmarks as a network for sentences reads them, in training and in prediction."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from signlib.data.manifest import RATE
from signlib.data.skeletons import Skeleton
from signlib.errors import ClipError, SettingsError
from signlib.features import dynamics, normalise
from signlib.features.reduce import Reduction
from signlib.settings.sentences import SentenceExperiment
from signlib.training.batches import left_leads, prepare
from signlib.training.sentences import Sentence, landmark_sentence

PARTS = {"pose": ("pose",), "hands": ("left_hand", "right_hand"), "face": ("face",)}
# x, y, z and visibility: `dynamics` of 543 landmarks have 543 x 4 x 3 = 6,516 numbers a frame.
CHANNELS = 4


def part_joints(chosen: Skeleton) -> dict[str, list[int]]:
    """Joints of pose, hands and face, as far as the skeleton has them."""
    joints_of: dict[str, list[int]] = {}
    for name, parts in PARTS.items():
        joints = [joint for part in parts for joint in chosen.parts.get(part, ())]
        if joints:
            joints_of[name] = joints
    return joints_of


def rates_of(table: pd.DataFrame) -> pd.Series:
    """Frames a second of each row of a manifest; NaN = nobody knows it."""
    rates = pd.to_numeric(table["fps"], errors="coerce")
    return rates.where(rates > 0)


def usual_rate(table: pd.DataFrame) -> float:
    """Frames a second that most clips have (their median); 25 where nobody says."""
    rates = rates_of(table).dropna()
    return RATE if rates.empty else float(rates.quantile(interpolation="nearest"))


@dataclass(frozen=True)
class SentenceClips:
    """Landmarks to `Sentence`s, as a rule all at one frame rate.

    Attributes:
        settings: which joints, as streams or as dynamics.
        skeleton: of the landmarks.
        reduction: gives the principal components of features; None without `ctc.reduce`.
        rate: frames a second that every clip is brought to; 0 = each keeps its own.
    """

    settings: SentenceExperiment
    skeleton: Skeleton
    reduction: Callable[[], Reduction] | None = None
    rate: float = RATE

    @property
    def late(self) -> Callable[[Sentence], Sentence] | None:
        """What is done to a sentence only when it is asked for, or None.

        6,516 features of every frame would not fit into memory.
        """
        streams = self.settings.ctc.input == "streams"
        return None if streams or self.reduction is not None else self._with_features

    def sentence(
        self,
        points: np.ndarray,
        aspect: float,
        fps: float,
        target: np.ndarray,
        spans: np.ndarray | None = None,
    ) -> Sentence:
        """A clip ready for batches, once `late` is done to it.

        Args:
            points: (T, J, C) raw landmarks, NaN = missing.
            aspect: width / height of the picture; NaN = unknown.
            fps: frames a second of the clip; NaN = unknown, taken as 25.
            target, spans: as of `Sentence`; `spans` in frames of the clip.

        Raises:
            SettingsError: when the landmarks lack numbers that the settings read.
            ClipError: when nothing that is read was seen.
        """
        points = self._at_rate(points, fps)
        if spans is not None:
            moments = np.asarray(spans) * (self.rate_of(fps) / _known(fps))
            spans = np.clip(np.rint(moments), 0, len(points)).astype(np.asarray(spans).dtype)
        if self.settings.ctc.input == "streams":
            chosen = prepare(points, self.skeleton, self.settings.features, aspect)
            return landmark_sentence(chosen, target, spans)
        sentence = Sentence({"points": self._chosen(points, aspect)}, target, spans)
        return sentence if self.reduction is None else self._with_features(sentence)

    def dynamics(self, points: np.ndarray, aspect: float, fps: float) -> np.ndarray:
        """(T, F) features of a clip before they are reduced; arguments as of `sentence`."""
        return dynamics.dynamics(self._chosen(self._at_rate(points, fps), aspect))

    def rate_of(self, fps: float) -> float:
        """Frames a second that a clip of `fps` frames a second has once it is a sentence."""
        return self.rate or _known(fps)

    def _at_rate(self, points: np.ndarray, fps: float) -> np.ndarray:
        return normalise.at_rate(points, _known(fps), self.rate_of(fps))

    def _chosen(self, points: np.ndarray, aspect: float) -> np.ndarray:
        # (T, J', C) with every channel that the landmarks have, NaN = missing.
        features = self.settings.features
        if points.shape[-1] != CHANNELS:
            raise SettingsError(
                "ctc.input=dynamics needs x, y, z and visibility; these landmarks have"
                f" {points.shape[-1]} numbers"
            )
        if not normalise.seen(points).any():
            raise ClipError("no point of the clip was seen in any frame; leave the clip out")
        out = np.array(points, np.float32)
        if features.normalise:
            ratio = aspect if aspect > 0 else 1.0
            out = normalise.normalise(
                points, self.skeleton, ratio, features.rotate, features.longest_gap
            )
        if features.dominant and left_leads(out, self.skeleton):
            out = normalise.mirror(out, self.skeleton, 0.0 if features.normalise else 0.5)
        return out[:, self.skeleton.selection(features.joints)]

    def _with_features(self, sentence: Sentence) -> Sentence:
        # The sentence with features and which parts are seen, instead of its prepared points.
        points = sentence.frames["points"]
        parts = part_joints(self.skeleton.select(self.settings.features.joints)).values()
        present = np.stack([normalise.seen(points[:, joints]).any(-1) for joints in parts], axis=-1)
        numbers = dynamics.dynamics(points)
        features = numbers if self.reduction is None else self.reduction()(numbers)
        frames = {"features": np.nan_to_num(features).astype(np.float32), "present": present}
        return replace(sentence, frames=frames)


def _known(fps: float) -> float:
    return fps if fps > 0 else RATE
