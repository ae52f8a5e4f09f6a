"""MediaPipe's model files, and the pose model without the mask that nobody reads.

The pose model draws a mask of the person at 256 x 256 pixels in every frame, whether or not the
graph was told to keep it: 9 % of its multiplications, but a sixth of a frame's processor time. It
is cut out in memory; no file changes.
"""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np

from signlib.errors import extra

with extra("extract"):
    import mediapipe
    from mediapipe.tasks.metadata import schema_py_generated as tflite

MODULES = Path(mediapipe.__file__).parent / "modules"
HAND_MODEL = "hand_landmark/hand_landmark_{}.tflite"
POSE_MODEL = "pose_landmark/pose_landmark_full.tflite"
# Which output of the pose model is the mask.
POSE_MASK = 2

# Part -> its model files below mediapipe's folder `modules`; both hands share theirs.
MODELS = {
    "pose": ("pose_detection/pose_detection.tflite", POSE_MODEL),
    "left_hand": ("holistic_landmark/hand_recrop.tflite", HAND_MODEL),
    "face": (
        "face_detection/face_detection_short_range.tflite",
        "face_landmark/face_landmark.tflite",
    ),
}


@cache
def models_hash(parts: tuple[str, ...], hand_model: str) -> str:
    """sha256 over the model files that these parts use, in a fixed order."""
    digest = hashlib.sha256()
    for part in parts:
        for template in MODELS.get(part, ()):
            name = template.format(hand_model)
            digest.update(name.encode() + b"\0" + (MODULES / name).read_bytes())
    return digest.hexdigest()


@cache
def pose_model() -> bytes:
    """The model of the pose without its mask; its other outputs stay the same bits."""
    return without_output((MODULES / POSE_MODEL).read_bytes(), POSE_MASK)


def without_output(model: bytes, output: int) -> bytes:
    """A TensorFlow Lite model that no longer computes one output.

    Its first graph keeps as many outputs as before: the lost one is replaced by another. What only
    the lost one needed is no longer run; its weights stay behind, unread.

    Raises:
        IndexError: for an output that is not there.
    """
    changed = bytearray(model)
    graph = tflite.Model.GetRootAs(changed, 0).Subgraphs(0)
    outputs = graph.OutputsAsNumpy()
    if not 0 <= output < len(outputs):
        raise IndexError(f"output {output} of a model with {len(outputs)}")
    outputs[output] = outputs[output - 1]
    operators = [graph.Operators(number) for number in range(graph.OperatorsLength())]
    makes = {
        int(tensor): number
        for number, operator in enumerate(operators)
        for tensor in operator.OutputsAsNumpy()
    }
    # From the outputs back to what they are computed from.
    needed: set[int] = set()
    tensors = [int(tensor) for tensor in outputs]
    while tensors:
        maker = makes.get(tensors.pop())
        if maker is not None and maker not in needed:
            needed.add(maker)
            tensors += [int(tensor) for tensor in operators[maker].InputsAsNumpy()]
    _keep_operators(changed, graph, sorted(needed))
    return bytes(changed)


def _keep_operators(model: bytearray, graph: tflite.SubGraph, kept: list[int]) -> None:
    """Shorten the graph's list of operators in place.

    FlatBuffers stores a list as its length and one 4-byte distance an entry, counted from the
    distance's own position to the entry; the entries stay where they are.
    """
    # A graph's table names its operators in field 3 of `SubGraph`, at 4 + 2 x 3.
    # Source: TensorFlow Lite's schema.
    start = graph._tab.Vector(graph._tab.Offset(10))
    distances = np.frombuffer(model, "<u4", graph.OperatorsLength(), start)
    positions = 4 * np.arange(len(distances), dtype=np.uint32)
    distances[: len(kept)] = (distances + positions)[kept] - positions[: len(kept)]
    np.frombuffer(model, "<u4", 1, start - 4)[0] = len(kept)
