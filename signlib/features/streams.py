"""What a graph network is fed with: joints, bones, and how both move, for any skeleton.

Written with slices only, so arrays and tensors both will do, on whatever device they are.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from scipy.sparse import csgraph
from torch import Tensor

from signlib.data.skeletons import Bone, Skeleton
from signlib.errors import SettingsError

Array = TypeVar("Array", np.ndarray, Tensor)
STREAMS = ("joint", "velocity", "bone", "bone_velocity")


def streams_of(points: Array, parents: Sequence[int], names: Sequence[str]) -> Array:
    """The named streams of points (..., T, J, C), stacked before the frames: (..., S, T, J, C).

    Args:
        points: of present bodies; zeros for absent ones stay zeros.
        parents: for each joint the one its bone comes from, itself for a root (see `parents_of`).
        names: some of `STREAMS`, in the order wanted.

    Raises:
        SettingsError: for a name that is not in `STREAMS`.
    """
    unknown = [name for name in names if name not in STREAMS]
    if unknown or not names:
        raise SettingsError(f"streams={list(names)} must be some of {', '.join(STREAMS)}")
    parents = list(parents)
    arrays = {"joint": points}
    if {"bone", "bone_velocity"} & set(names):
        arrays["bone"] = points - points[..., parents, :]
    if "velocity" in names:
        arrays["velocity"] = steps(points)
    if "bone_velocity" in names:
        arrays["bone_velocity"] = steps(arrays["bone"])
    chosen = [arrays[name] for name in names]
    return torch.stack(chosen, -4) if isinstance(points, Tensor) else np.stack(chosen, -4)


def steps(points: Array) -> Array:
    """From each frame to the next, of points (..., T, J, C); the last frame has none: zeros."""
    moved = 0 * points
    moved[..., :-1, :, :] = points[..., 1:, :, :] - points[..., :-1, :, :]
    return moved


def parents_of(skeleton: Skeleton) -> tuple[int, ...]:
    """For each joint its neighbour on the way to the middle of its body.

    The middle is its own parent. The middle has the shortest longest way to any other joint, then
    the shortest ways in all, then the lowest number. A skeleton in several pieces has a middle in
    each.
    """
    return tree(skeleton.bones, len(skeleton))


def tree(bones: Sequence[Bone], joints: int) -> tuple[int, ...]:
    """`parents_of` for bare bones.

    >>> tree([(0, 1), (1, 2), (2, 3), (3, 4)], 5)
    (1, 2, 2, 2, 3)
    """
    away = distances(bones, joints)
    parents = list(range(joints))
    left = set(range(joints))
    while left:
        piece = [joint for joint in sorted(left) if np.isfinite(away[min(left), joint])]
        inside = away[np.ix_(piece, piece)]
        middle = min(range(len(piece)), key=lambda k: (inside[k].max(), inside[k].sum(), k))
        depth = dict(zip(piece, inside[middle], strict=True))
        for joint in piece:
            nearer = (k for k in piece if away[joint, k] == 1 and depth[k] < depth[joint])
            parents[joint] = next(nearer, joint)
        left -= set(piece)
    return tuple(parents)


def distances(bones: Sequence[Bone], joints: int) -> np.ndarray:
    """(J, J) bones between two joints; infinity where there is no way."""
    neighbours = np.zeros((joints, joints))
    for a, b in bones:
        neighbours[a, b] = 1
    return csgraph.shortest_path(neighbours, directed=False, unweighted=True)
