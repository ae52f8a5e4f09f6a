"""What recognition costs nothing: the gloss of the most similar training clip.

A corpus on which this does well has little to teach; the gap between raw and normalised landmarks
says how much of a corpus's variety is camera and body.
"""

import numpy as np


def flatten(points: np.ndarray, moments: int = 16) -> np.ndarray:
    """(moments x J x D,) of a clip (T, J, D): interpolated in time at evenly spaced moments.

    A point that is missing is interpolated between the frames around it; one that is never seen
    is 0.
    """
    time = np.linspace(0, len(points) - 1, moments)
    flat = points.reshape(len(points), -1).astype(float)
    frames = np.arange(len(points))
    seen = np.isfinite(flat)
    out = np.zeros((moments, flat.shape[1]))
    # columns without a gap are interpolated together, the few others one by one
    whole = seen.all(axis=0)
    before = np.floor(time).astype(int)
    weight = (time - before)[:, None]
    after = np.minimum(before + 1, len(points) - 1)
    out[:, whole] = (1 - weight) * flat[before][:, whole] + weight * flat[after][:, whole]
    for column in np.flatnonzero(~whole & seen.any(axis=0)):
        present = seen[:, column]
        out[:, column] = np.interp(time, frames[present], flat[present, column])
    return out.ravel()


def class_distances(
    train: np.ndarray, classes: np.ndarray, test: np.ndarray, count: int
) -> np.ndarray:
    """(M, count) Euclidean distance of each test row to the nearest training row of each class.

    It is inf for a class without a training row.

    Args:
        train: (N, D); classes: (N,) class numbers below `count`; test: (M, D).
    """
    # |a - b|^2 = |a|^2 - 2 a b + |b|^2: one product of matrices instead of all differences
    squared = (test**2).sum(1)[:, None] - 2 * test @ train.T + (train**2).sum(1)[None]
    out = np.full((count, len(test)), np.inf)
    np.minimum.at(out, classes, np.maximum(squared, 0).T)
    return np.sqrt(out).T
