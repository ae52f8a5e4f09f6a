"""MediaPipe Holistic as a function from frames to points, with nothing kept from one clip to the next.

The graph is wired here instead of by `mp.solutions` so that a part nobody asked for
is not computed; the points are those of `mp.solutions.holistic`, bit for bit.
"""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from signlib.data.skeletons import MEDIAPIPE_75, MEDIAPIPE_543
from signlib.errors import SettingsError
from signlib.features.store import Extraction

CHANNELS = ("x", "y", "z", "visibility")
PARTS = tuple(MEDIAPIPE_543.parts)
HANDS = ("left_hand", "right_hand")
MODELS = {
    "pose": ("pose_detection/pose_detection.tflite", "pose_landmark/pose_landmark_full.tflite"),
    "left_hand": ("holistic_landmark/hand_recrop.tflite", "hand_landmark/hand_landmark_full.tflite"),
    "face": ("face_detection/face_detection_short_range.tflite", "face_landmark/face_landmark.tflite"),
}
"""Model files that each part needs (both hands share theirs), below mediapipe's folder `modules`."""

FRAME_MICROSECONDS = 33_333
"""Time between frames that `mp.solutions` assumes whatever the video's rate; smoothing depends on it."""


@dataclass(frozen=True)
class LandmarkSettings:
    """What changes the points, and so stands in the store.

    Attributes:
        tracking: look for the body near where it was (and smooth); False looks afresh in each frame.
        parts: the pose, which is always needed, and what else to look for: face, left_hand and right_hand.
        min_detection_confidence, min_tracking_confidence: of the pose, 0..1.
        max_side: decode larger frames at this longest side in pixels; None = as they are.
        model_complexity: 1 only; MediaPipe would download the models of 0 and 2.
    """

    tracking: bool = True
    parts: tuple[str, ...] = PARTS
    min_detection_confidence: float = 0.5
    min_tracking_confidence: float = 0.5
    max_side: int | None = 960
    model_complexity: int = 1

    def __post_init__(self) -> None:
        unknown = sorted(set(self.parts) - set(PARTS))
        if unknown:
            raise SettingsError(f"parts: {unknown[0]!r} is unknown; choose from {', '.join(PARTS)}")
        if "pose" not in self.parts:
            raise SettingsError(f"parts={tuple(self.parts)} lacks 'pose': face and hands are found from it; add it")
        if len(set(HANDS) & set(self.parts)) == 1:
            raise SettingsError(f"parts={tuple(self.parts)} has one hand only: a mirrored clip needs both; add the other")
        if self.model_complexity != 1:
            raise SettingsError(
                f"model_complexity={self.model_complexity}: only 1 comes with mediapipe, 0 and 2 need a download; use 1"
            )
        for name in ("min_detection_confidence", "min_tracking_confidence"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name}={getattr(self, name)} must lie within 0..1")
        if self.max_side is not None and self.max_side < 64:
            raise SettingsError(f"max_side={self.max_side} leaves too little to see; use at least 64 pixels, or None")
        object.__setattr__(self, "parts", tuple(part for part in PARTS if part in self.parts))

    @property
    def skeleton(self) -> str:
        """Name of the skeleton whose points come out."""
        if self.parts == PARTS:
            return MEDIAPIPE_543.name
        if self.parts == tuple(MEDIAPIPE_75.parts):
            return MEDIAPIPE_75.name
        return f"{MEDIAPIPE_543.name}/{'+'.join(self.parts)}"

    @property
    def sizes(self) -> dict[str, int]:
        """Points of each part, in storage order."""
        return {part: len(MEDIAPIPE_543.parts[part]) for part in self.parts}

    @property
    def extraction(self) -> Extraction:
        """What a store of these points says about itself: version, settings, and a hash of the models."""
        plain = asdict(self) | {"parts": list(self.parts)}
        shape = (sum(self.sizes.values()), len(CHANNELS))
        return Extraction(
            extractor="holistic",
            version=_version(),
            shape=shape,
            channels=CHANNELS,
            skeleton=self.skeleton,
            settings=plain,
            model_hash=_model_hash(self.parts),
        )


class Holistic:
    """MediaPipe Holistic, ready to read clips. Use it as a context manager.

    Args:
        settings: what to look for and how.
        threads: of MediaPipe's graph; 0 = one a core. The points do not depend on it.
    """

    def __init__(self, settings: LandmarkSettings | None = None, threads: int = 0) -> None:
        self.settings = settings or LandmarkSettings()
        self._bindings = _bindings()
        self._graph = self._bindings.calculator_graph.CalculatorGraph(graph_config=self._config(threads))
        self._packets: dict[str, Any] = {}
        for part in self.settings.parts:
            self._graph.observe_output_stream(f"{part}_landmarks", self._packets.__setitem__)
        self._running = False

    def __enter__(self) -> "Holistic":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop a clip that was interrupted, and let go of the models."""
        if self._running:
            self._running = False
            self._graph.close()

    def points(self, frames: Iterable[np.ndarray]) -> np.ndarray:
        """The points of one clip: (T, J, 4) float32 = x, y (fractions of width, height), z, visibility; NaN = not found.

        The graph starts anew for each clip, so no clip depends on the one before.

        Args:
            frames: (H, W, 3) uint8 RGB each; the next one is fetched while the graph works on the last.
        """
        self._start()
        try:
            rows = list(self._rows(iter(frames)))
        finally:
            self.close()
        return np.stack(rows) if rows else np.empty((0, *self.settings.extraction.shape), np.float32)

    def _rows(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        number, frame = 0, next(frames, None)
        while frame is not None:
            number += 1
            with silenced() if number == 1 else _as_it_is():
                self._send(frame, number)
                frame = next(frames, None) if number > 1 else None
                self._graph.wait_until_idle()
            yield self._collect()
            if number == 1:
                frame = next(frames, None)

    def _start(self) -> None:
        create = self._bindings.packet_creator
        tracking = self.settings.tracking
        flags = {"tracking": tracking, "segmentation": False, "refine_face": False}
        side = {name: create.create_bool(value) for name, value in flags.items()}
        if "face" not in self.settings.parts:
            del side["refine_face"]
        with silenced():
            self._graph.start_run(side | {"model_complexity": create.create_int(self.settings.model_complexity)})
        self._running = True

    def _send(self, frame: np.ndarray, number: int) -> None:
        self._packets.clear()
        image = self._bindings.packet_creator.create_image_frame(frame, image_format=self._bindings.SRGB)
        self._graph.add_packet_to_input_stream("image", image.at(number * FRAME_MICROSECONDS))

    def _collect(self) -> np.ndarray:
        rows = [
            self._points_of(self._packets.get(f"{part}_landmarks"), size, part == "pose")
            for part, size in self.settings.sizes.items()
        ]
        return np.concatenate(rows)

    def _points_of(self, packet: Any, size: int, has_visibility: bool) -> np.ndarray:
        out = np.full((size, len(CHANNELS)), np.nan, np.float32)
        if packet is not None and not packet.is_empty():
            landmarks = self._bindings.packet_getter.get_proto(packet).landmark
            out[:, 0] = [point.x for point in landmarks]
            out[:, 1] = [point.y for point in landmarks]
            out[:, 2] = [point.z for point in landmarks]
            out[:, 3] = [point.visibility for point in landmarks] if has_visibility else 1.0
        return out

    def _config(self, threads: int) -> Any:
        nodes = [POSE]
        if HANDS[0] in self.settings.parts:
            nodes.append(BOTH_HANDS)
        if "face" in self.settings.parts:
            nodes.append(FACE)
        config = self._bindings.text_format.Parse(
            f'input_stream: "image" num_threads: {threads}' + "".join(nodes), self._bindings.CalculatorGraphConfig()
        )
        # The subgraphs are only visible once the graph is laid flat: then their thresholds can be set.
        flat = self._bindings.validated_graph_config.ValidatedGraphConfig()
        flat.initialize(graph_config=config)
        config = self._bindings.CalculatorGraphConfig.FromString(flat.binary_config)
        thresholds = {
            "poselandmarkcpu__posedetectioncpu__TensorsToDetectionsCalculator": (
                self._bindings.detection_options, "min_score_thresh", self.settings.min_detection_confidence,
            ),
            "poselandmarkcpu__poselandmarkbyroicpu__tensorstoposelandmarksandsegmentation__ThresholdingCalculator": (
                self._bindings.threshold_options, "threshold", self.settings.min_tracking_confidence,
            ),
        }  # fmt: skip
        for node in config.node:
            if node.name in thresholds:
                options, field, value = thresholds.pop(node.name)
                setattr(node.options.Extensions[options.ext], field, value)
        assert not thresholds, "this mediapipe wires its pose graph in another way"
        return config


POSE = """
node {
  calculator: "PoseLandmarkCpu"
  input_stream: "IMAGE:image"
  input_side_packet: "MODEL_COMPLEXITY:model_complexity"
  input_side_packet: "SMOOTH_LANDMARKS:tracking"
  input_side_packet: "USE_PREV_LANDMARKS:tracking"
  input_side_packet: "ENABLE_SEGMENTATION:segmentation"
  input_side_packet: "SMOOTH_SEGMENTATION:segmentation"
  output_stream: "LANDMARKS:pose_landmarks"
  output_stream: "ROI_FROM_LANDMARKS:pose_landmarks_roi"
  output_stream: "DETECTION:pose_detection"
}"""

BOTH_HANDS = """
node {
  calculator: "HandLandmarksLeftAndRightCpu"
  input_stream: "IMAGE:image"
  input_stream: "POSE_LANDMARKS:pose_landmarks"
  output_stream: "LEFT_HAND_LANDMARKS:left_hand_landmarks"
  output_stream: "RIGHT_HAND_LANDMARKS:right_hand_landmarks"
}"""

FACE = """
node {
  calculator: "SplitNormalizedLandmarkListCalculator"
  input_stream: "pose_landmarks"
  output_stream: "face_from_pose"
  options { [mediapipe.SplitVectorCalculatorOptions.ext] { ranges { begin: 0 end: 11 } } }
}
node {
  calculator: "FaceLandmarksFromPoseCpu"
  input_stream: "IMAGE:image"
  input_stream: "FACE_LANDMARKS_FROM_POSE:face_from_pose"
  input_side_packet: "REFINE_LANDMARKS:refine_face"
  output_stream: "FACE_LANDMARKS:face_landmarks"
}"""


@contextmanager
def silenced() -> Iterator[None]:
    """Drops what native code writes to file descriptor 2, for the start of a graph; Python's errors pass."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


class _bindings:  # noqa: N801
    pass
