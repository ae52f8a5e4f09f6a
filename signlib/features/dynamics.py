"""Every number of every landmark with its velocity and acceleration: the input of source 001.

543 points give 6,516 features a frame. Columns come in three blocks of J x C (position, velocity,
acceleration), joints in storage order.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from signlib.data.skeletons import Skeleton
from signlib.errors import ClipError


def dynamics(points: np.ndarray) -> np.ndarray:
    """(T, 3 J C) float32: position, velocity and acceleration; NaN = missing.

    Velocity is the change since the frame before, acceleration the change of that change. The first
    frame takes the change of the second, the first two its change of change: a clip does not begin
    at rest. Clips of fewer than three frames have changes of 0 where there is nothing to take.

    Args:
        points: (T, J, C), NaN = missing. What is missing in one of two frames has no change between
            them.

    Raises:
        ClipError: for a clip without frames.

    Source: source 001 and its stored features, 543 x 4 x 3 = 6,516.
    Differs: the only extractor left in the source writes three coordinates and the position a
        second time.

    >>> dynamics(np.array([0.0, 1, 4, 9]).reshape(4, 1, 1))[:, 1:].T.tolist()
    [[1.0, 1.0, 3.0, 5.0], [2.0, 2.0, 2.0, 2.0]]
    """
    if not len(points):
        raise ClipError("a clip without frames has no dynamics; leave it out")
    position = np.asarray(points, np.float32).reshape(len(points), -1)
    velocity = _change(position, 1)
    return np.concatenate([position, velocity, _change(velocity, 2)], axis=1)


def _change(values: np.ndarray, first: int) -> np.ndarray:
    # (T, F) differences with the frame before; the first frames repeat number `first`.
    out = np.diff(values, axis=0, prepend=values[:1])
    if len(values) > first:
        out[:first] = out[first]
    else:
        out[:] = np.where(np.isnan(values), np.nan, 0)
    return out


def part_columns(
    skeleton: Skeleton,
    channels: int,
    blocks: int = 3,
    together: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, list[tuple[int, int]]]:
    """For each part of the body the first and past-last columns that are its own, in every block.

    Args:
        skeleton: whose joints the columns are.
        channels: C.
        blocks: 3 for `dynamics`, 1 for positions alone.
        together: name -> parts that are one here; pose, hands and face where it is None.

    Differs: the source stores pose, face, hands and cuts pose, hands, face, so that its hand
        encoder reads the face.
    """
    together = together or {
        "pose": ["pose"],
        "hands": ["left_hand", "right_hand"],
        "face": ["face"],
    }
    size = len(skeleton) * channels
    columns = {}
    for name, parts in together.items():
        joints = sorted(j for part in parts for j in skeleton.parts.get(part, ()))
        if joints:
            runs = np.split(joints, np.flatnonzero(np.diff(joints) != 1) + 1)
            columns[name] = [
                (
                    block * size + int(run[0]) * channels,
                    block * size + (int(run[-1]) + 1) * channels,
                )
                for block in range(blocks)
                for run in runs
            ]
    return columns
