"""How people move when they sign: speed, acceleration, open hands, bent fingers, lost hands.

Measures of one clip that mean the same in every corpus, so that corpora can be compared; bodies are
measured in shoulder widths (or two palms where there are no shoulders), hands in their own palm.
"""

import numpy as np

from signlib.data.skeletons import Skeleton
from signlib.features.normalise import seen, signer_frame, to_square_pixels


def bend(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Degrees by which the way a -> b -> c turns at b: 0 = straight on. Points (..., D).

    >>> float(bend(np.array([0.0, 0]), np.array([1.0, 0]), np.array([1.0, 1])))
    90.0
    """
    first, second = b - a, c - b
    length = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (first * second).sum(-1) / length
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def finger_bends(hand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Degrees at knuckles and middle joints of the four fingers: two arrays (T, 4).

    NaN = hand not seen.

    Args:
        hand: (T, 21, 3) in the same unit along all axes, MediaPipe's order.
    """
    first = np.array([5, 9, 13, 17])
    return bend(hand[:, [0]], hand[:, first], hand[:, first + 1]), bend(
        hand[:, first], hand[:, first + 1], hand[:, first + 2]
    )


def openness(hand: np.ndarray) -> np.ndarray:
    """(T,) mean distance of the four fingertips from the wrist, in palm lengths.

    It is about 2 for an open hand, about 1 for a fist.

    Args:
        hand: (T, 21, 3) as for `finger_bends`.
    """
    tips = np.linalg.norm(hand[:, [8, 12, 16, 20]] - hand[:, [0]], axis=-1).mean(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return tips / np.linalg.norm(hand[:, 9] - hand[:, 0], axis=-1)


def derivatives(path: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Speed and acceleration (absolute values) of a path (T, D), per second: (T - 2,) each.

    Source: central differences of second order; at 25 frames a second a stroke of 0.4 s has ten
    frames.
    """
    velocity = (path[2:] - path[:-2]) * (fps / 2)
    acceleration = (path[2:] - 2 * path[1:-1] + path[:-2]) * fps**2
    return np.linalg.norm(velocity, axis=-1), np.linalg.norm(acceleration, axis=-1)


def clip_measures(
    points: np.ndarray, skeleton: Skeleton, aspect: float = 1.0, fps: float = np.nan
) -> dict[str, np.ndarray]:
    """Measure -> its values in one clip, without NaN.

    Empty where the skeleton or the frame rate does not tell. `seconds` (1,), and for both hands
    together: `speed` (sizes/s), `acceleration` (sizes/s^2), `openness` (palms), `knuckle` and
    `middle joint` (degrees), `missing` (share of frames without that hand, one value a hand), `gap`
    (frames of each run without it that starts and ends inside the clip).

    Args:
        points: (T, J, C) raw, NaN = missing.
        aspect: width / height of the picture.
        fps: frames a second; NaN = unknown.

    Raises:
        ClipError: when the clip has no scale.
    """
    square = to_square_pixels(points.astype(float), aspect)
    _, size, _ = signer_frame(square, skeleton)
    of_hands: dict[str, list[np.ndarray]] = {}
    for part in [name for name in ("left_hand", "right_hand") if name in skeleton.parts]:
        hand = square[:, list(skeleton.parts[part]), :3]
        there = seen(hand).all(axis=1)
        speed, acceleration = derivatives(hand[:, 0, :2] / size, fps)
        knuckles, middle = finger_bends(hand)
        first, last = (there.argmax(), len(there) - there[::-1].argmax()) if there.any() else (0, 0)
        measured = {
            "speed": speed,
            "acceleration": acceleration,
            "openness": openness(hand),
            "knuckle": knuckles,
            "middle joint": middle,
            "missing": np.array([1 - there.mean()]),
            "gap": gaps(there[first:last]),
        }
        for name, values in measured.items():
            of_hands.setdefault(name, []).append(np.ravel(values).astype(float))
    merged = {name: np.concatenate(values) for name, values in of_hands.items()}
    merged["seconds"] = np.array([len(points) / fps])
    return {name: values[np.isfinite(values)] for name, values in merged.items()}


def gaps(present: np.ndarray) -> np.ndarray:
    """Lengths of the runs of frames in which a part is missing, in their order.

    Args:
        present: (T,) bool.

    >>> gaps(np.array([True, False, False, True, False])).tolist()
    [2, 1]
    """
    edges = np.diff(np.concatenate([[True], present, [True]]).astype(int))
    return np.flatnonzero(edges == 1) - np.flatnonzero(edges == -1)
