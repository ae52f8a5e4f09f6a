"""MediaPipe Holistic as a function from frames to points; clips do not depend on each other.

The graph is wired here instead of by `mp.solutions` so that a part nobody asked for is not
computed; the points are those of `mp.solutions.holistic`, bit for bit.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np

from signlib.data.points import ON_JUMP
from signlib.data.skeletons import MEDIAPIPE_75, MEDIAPIPE_543
from signlib.errors import SettingsError, installs
from signlib.processes import silenced
from signlib.stores.store import Extraction

try:
    import mediapipe
    from google.protobuf import text_format
    from mediapipe.calculators.core.constant_side_packet_calculator_pb2 import (
        ConstantSidePacketCalculatorOptions,
    )
    from mediapipe.calculators.tensor.tensors_to_detections_calculator_pb2 import (
        TensorsToDetectionsCalculatorOptions,
    )
    from mediapipe.calculators.util.thresholding_calculator_pb2 import ThresholdingCalculatorOptions
    from mediapipe.framework.calculator_pb2 import CalculatorGraphConfig
    from mediapipe.framework.formats.landmark_pb2 import NormalizedLandmarkList
    from mediapipe.framework.thread_pool_executor_pb2 import ThreadPoolExecutorOptions
    from mediapipe.python import _framework_bindings as bindings
    from mediapipe.python import packet_creator

    from signlib.extraction.holistic_models import (
        HAND_MODEL,
        MODULES,
        models_hash,
        pose_model,
    )
except ImportError as error:
    # Training, and prediction from landmarks, do not need it.
    MISSING = str(error)
else:
    MISSING = ""

HAND_MODELS = ("full", "lite")
CHANNELS = ("x", "y", "z", "visibility")
PARTS = tuple(MEDIAPIPE_543.parts)
HANDS = ("left_hand", "right_hand")
_FIELDS = [("tag", "u1"), ("tag_length", "u1")] + [
    field for name in CHANNELS for field in ((f"tag_{name}", "u1"), (name, "<f4"))
]
# How one landmark of the face and hands (17 bytes) and of the pose (27 bytes) is serialised.
RECORDS = {17: np.dtype(_FIELDS[:-2]), 27: np.dtype([*_FIELDS, ("presence", "V5")])}

# Time between frames that `mp.solutions` assumes whatever the video's rate.
# Smoothing depends on it.
FRAME_MICROSECONDS = 33_333


@dataclass(frozen=True)
class LandmarkSettings:
    """What changes the points; the store says it.

    Attributes:
        tracking: look for the pose near where it was (and smooth); False looks for it afresh in
            each frame. Face and hands are looked for where they were last, either way, as in
            `mp.solutions`.
        parts: the pose, which is always needed, and what else to look for: face, left_hand and
            right_hand.
        min_detection_confidence, min_tracking_confidence: of the pose, 0..1.
        max_side: decode larger frames at this longest side in pixels; None = as they are.
        hand_model: `full` as in `mp.solutions`, or MediaPipe's `lite`, which takes half the time a
            hand.
        model_complexity: of the pose, 1 only; MediaPipe would download the models of 0 and 2.
        on_jump: what happens to a clip whose body jumps; see `data.points.FileNumbers`.
    """

    tracking: bool = True
    parts: tuple[str, ...] = PARTS
    min_detection_confidence: float = 0.5
    min_tracking_confidence: float = 0.5
    max_side: int | None = 960
    hand_model: str = "full"
    model_complexity: int = 1
    on_jump: str = "keep"

    def __post_init__(self) -> None:
        unknown = next((part for part in self.parts if part not in PARTS), "")
        for refused, problem in (
            (unknown, f"parts: {unknown!r} is unknown; choose from {', '.join(PARTS)}"),
            (
                self.on_jump not in ON_JUMP,
                f"on_jump={self.on_jump!r} is unknown; choose {', '.join(ON_JUMP)}",
            ),
            (
                "pose" not in self.parts,
                f"parts={tuple(self.parts)} lacks 'pose': face and hands are found from it; add it",
            ),
            (
                len(set(HANDS) & set(self.parts)) == 1,
                f"parts={tuple(self.parts)} has one hand only: a mirrored clip needs both; add the"
                " other",
            ),
            (
                self.hand_model not in HAND_MODELS,
                f"hand_model={self.hand_model!r} is unknown; choose from {', '.join(HAND_MODELS)}",
            ),
            (
                self.model_complexity != 1,
                f"model_complexity={self.model_complexity}: only 1 comes with mediapipe, 0 and 2"
                " need a download; use 1",
            ),
            *(
                (not 0 <= vars(self)[name] <= 1, f"{name}={vars(self)[name]} must lie within 0..1")
                for name in ("min_detection_confidence", "min_tracking_confidence")
            ),
            (
                self.max_side is not None and self.max_side < 64,
                f"max_side={self.max_side} leaves too little to see; use at least 64 pixels, or"
                " None",
            ),
        ):
            if refused:
                raise SettingsError(problem)
        # Storage order, each once; the dataclass is frozen.
        object.__setattr__(self, "parts", tuple(part for part in PARTS if part in self.parts))

    @property
    def sizes(self) -> dict[str, int]:
        """Points of each part, in storage order."""
        return {part: len(MEDIAPIPE_543.parts[part]) for part in self.parts}

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of one frame's points: (J, 4)."""
        return sum(self.sizes.values()), len(CHANNELS)

    @property
    def skeleton_name(self) -> str:
        """Of these points; known without MediaPipe."""
        whole = {tuple(layout.parts): layout.name for layout in (MEDIAPIPE_543, MEDIAPIPE_75)}
        return whole.get(self.parts, f"{MEDIAPIPE_543.name}/{'+'.join(self.parts)}")

    @property
    def extraction(self) -> Extraction:
        """What a store of these points says of itself: version, settings, a hash of the models."""
        check_installed()
        return Extraction(
            extractor="holistic",
            version=mediapipe.__version__,
            shape=self.shape,
            channels=CHANNELS,
            skeleton=self.skeleton_name,
            settings=self._told(),
            model_hash=models_hash(self.parts, self.hand_model),
        )

    def _told(self) -> dict[str, Any]:
        # What a store says; `keep` is what all stores did before there was a choice.
        told = asdict(self) | {"parts": list(self.parts)}
        jump = told.pop("on_jump")
        return told | ({"on_jump": jump} if jump != "keep" else {})


def check_installed() -> None:
    """Refuse to go on without MediaPipe.

    Raises:
        SettingsError: with the command that installs it.
    """
    SettingsError.raise_if(
        MISSING,
        f"landmarks are made by mediapipe 0.10.21, which does not import here ({MISSING}); it comes"
        f" with the extra 'extract': {installs('extract')}, in an environment of its own where"
        " numpy 2 is needed",
    )


class Holistic:
    """MediaPipe Holistic, ready to read clips. Use it as a context manager.

    Args:
        settings: what to look for and how.
        threads: of MediaPipe's graph; 0 = one a core, 1 = the thread that calls. The points do not
            depend on it.
    """

    def __init__(self, settings: LandmarkSettings | None = None, threads: int = 0) -> None:
        check_installed()
        self.settings = settings or LandmarkSettings()
        bindings.resource_util.set_resource_dir(str(MODULES.parent.parent))
        self._graph = bindings.calculator_graph.CalculatorGraph(
            graph_config=_graph_config(self.settings, threads)
        )
        self._pose_model = packet_creator.create_string(pose_model())
        self._packets: dict[str, Any] = {}
        for part in self.settings.parts:
            self._graph.observe_output_stream(f"{part}_landmarks", self._packets.__setitem__)
        self._running = False

    def __enter__(self) -> "Holistic":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop a clip that was interrupted; the next one starts afresh."""
        if self._running:
            self._running = False
            self._graph.close()

    def points(self, frames: Iterable[np.ndarray]) -> np.ndarray:
        """The points of one clip: (T, J, 4) float32; NaN = not found.

        Channels are x and y (fractions of width and height), z (in x's scale) and visibility. The
        graph starts anew for each clip, so no clip depends on the one before.

        Args:
            frames: (H, W, 3) uint8 RGB each; with threads of its own the graph works while the next
                one is fetched.
        """
        rows = self._rows(iter(frames))
        try:
            # Until the first frame is through, models are loaded, perhaps by other threads, which
            # print messages.
            with silenced():
                self._start()
                first = list(islice(rows, 1))
            if not first:
                return np.empty((0, *self.settings.shape), np.float32)
            return np.stack([*first, *rows])
        finally:
            self.close()

    def _start(self) -> None:
        side = {
            "tracking": packet_creator.create_bool(self.settings.tracking),
            "segmentation": packet_creator.create_bool(False),
            "model_complexity": packet_creator.create_int(self.settings.model_complexity),
            "pose_model": self._pose_model,
        }
        if "face" in self.settings.parts:
            side["refine_face"] = packet_creator.create_bool(False)
        self._graph.start_run(side)
        self._running = True

    def _rows(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        number, frame = 0, next(frames, None)
        while frame is not None:
            number += 1
            self._packets.clear()
            image = packet_creator.create_image_frame(
                frame, image_format=bindings.image_frame.ImageFormat.SRGB
            )
            self._graph.add_packet_to_input_stream("image", image.at(number * FRAME_MICROSECONDS))
            # The next frame is decoded while the graph's threads look at this one.
            frame = next(frames, None)
            self._graph.wait_until_idle()
            yield np.concatenate(
                [
                    _values(self._packets.get(f"{part}_landmarks"), part, size)
                    for part, size in self.settings.sizes.items()
                ]
            )


def _values(packet: Any, part: str, size: int) -> np.ndarray:
    # The points of one part in one frame: (size, 4), NaN throughout when it was not found.
    if packet is None or packet.is_empty():
        return np.full((size, len(CHANNELS)), np.nan, np.float32)
    values = _parsed(bindings._packet_getter._get_serialized_proto(packet), size)
    if part != "pose":
        values[:, 3] = 1.0
    return values


def _parsed(data: bytes, size: int) -> np.ndarray:
    """A serialised `NormalizedLandmarkList` as (size, 4): x, y, z, visibility.

    Reading 543 messages attribute by attribute costs 1 % of a frame; numpy reads them at once when
    every message has the length and the tags of a complete landmark.
    """
    record = RECORDS.get(len(data) // size)
    if record is not None and len(data) == size * record.itemsize:
        table = np.frombuffer(data, record)
        names = record.names or ()
        # Each message starts with its field number and length, each value with its field number.
        expected = [0x0A, record.itemsize - 2, 0x0D, 0x15, 0x1D, 0x25]
        tags = np.stack([table[name] for name in names if name.startswith("tag")], axis=1)
        if (tags == expected[: tags.shape[1]]).all():
            return np.stack(
                [table[name] if name in names else np.zeros(size) for name in CHANNELS], axis=1
            ).astype(np.float32)
    landmarks = NormalizedLandmarkList.FromString(data).landmark
    return np.array([(p.x, p.y, p.z, p.visibility) for p in landmarks], np.float32)


def _graph_config(settings: LandmarkSettings, threads: int) -> Any:
    # The graph for these parts, with its thresholds set.
    nodes = "".join(text for part, text in NODES.items() if part in settings.parts)
    shaped = text_format.Parse('input_stream: "image"' + nodes, CalculatorGraphConfig())
    if threads:
        # With one thread the caller does the work: nothing is handed over, and two workers do not
        # get in each other's way.
        kind = "ThreadPoolExecutor" if threads > 1 else "ApplicationThreadExecutor"
        executor = shaped.executor.add(type=kind)
        if threads > 1:
            executor.options.Extensions[ThreadPoolExecutorOptions.ext].num_threads = threads
    # Subgraphs keep their thresholds to themselves until the graph is laid flat.
    flat = bindings.validated_graph_config.ValidatedGraphConfig()
    flat.initialize(graph_config=shaped)
    config = CalculatorGraphConfig.FromString(flat.binary_config)
    nodes_by_name = {node.name: node for node in config.node}

    def options(node: str, kind: Any) -> Any:
        """What can be set of a node."""
        return nodes_by_name[node].options.Extensions[kind.ext]

    pose = "poselandmarkcpu__poselandmarkbyroicpu__"
    options(
        "poselandmarkcpu__posedetectioncpu__TensorsToDetectionsCalculator",
        TensorsToDetectionsCalculatorOptions,
    ).min_score_thresh = settings.min_detection_confidence
    options(
        f"{pose}tensorstoposelandmarksandsegmentation__ThresholdingCalculator",
        ThresholdingCalculatorOptions,
    ).threshold = settings.min_tracking_confidence
    for side in (1, 2) if HANDS[0] in settings.parts else ():
        loader = (
            f"handlandmarksleftandrightcpu__handlandmarksfromposecpu_{side}__handlandmarkcpu"
            "__handlandmarkmodelloader__switchcontainer__ConstantSidePacketCalculator_2"
        )
        model = options(loader, ConstantSidePacketCalculatorOptions).packet[0]
        model.string_value = f"mediapipe/modules/{HAND_MODEL.format(settings.hand_model)}"
    # The pose model comes from memory, without its mask, instead of from a file.
    loader = f"{pose}poselandmarkmodelloader__"
    nodes_by_name[f"{loader}TfLiteModelCalculator"].input_side_packet[0] = "MODEL_BLOB:pose_model"
    config.node.remove(nodes_by_name[f"{loader}ResourceProviderCalculator"])
    return config


# Part -> the nodes that look for it; both hands share theirs.
NODES = {
    "pose": """
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
}""",
    "left_hand": """
node {
  calculator: "HandLandmarksLeftAndRightCpu"
  input_stream: "IMAGE:image"
  input_stream: "POSE_LANDMARKS:pose_landmarks"
  output_stream: "LEFT_HAND_LANDMARKS:left_hand_landmarks"
  output_stream: "RIGHT_HAND_LANDMARKS:right_hand_landmarks"
}""",
    "face": """
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
}""",
}
