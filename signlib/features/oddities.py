"""What a clip of landmarks looks like that the signing of one person is not."""

import numpy as np

from signlib.data.points import seen
from signlib.data.skeletons import FRACTIONS, Skeleton
from signlib.errors import ClipError
from signlib.features.normalise import to_square_pixels

# Shoulder widths that a body moves at most from a frame to the next.
FARTHEST = 0.5
_SHOULDERS = ("left_shoulder", "right_shoulder")


def jumps(points: np.ndarray, skeleton: Skeleton, aspect: float = 1.0) -> list[tuple[int, float]]:
    """Frames in which the body is elsewhere than before, and by how many shoulder widths.

    The body is the middle of the shoulders; over frames without it, it may move as far in each.

    Args:
        points: (T, J, C), NaN = missing.
        skeleton: of the points; nothing is told without shoulders, nor of whole bodies in metres,
            which walk and fall.
        aspect: width / height of the picture.
    """
    if skeleton.unit != FRACTIONS or not skeleton.has(*_SHOULDERS):
        return []
    square = to_square_pixels(points, aspect)
    left, right = (square[:, skeleton.index(name), :2] for name in _SHOULDERS)
    frames = np.flatnonzero(np.isfinite(left + right).all(axis=1))
    if len(frames) < 2:
        return []
    width = float(np.median(np.linalg.norm(left - right, axis=1)[frames]))
    # From the side the shoulders coincide and measure nothing.
    if width < 1e-3:
        return []
    middle = ((left + right) / 2)[frames]
    steps = np.linalg.norm(np.diff(middle, axis=0), axis=1) / width
    far = steps > FARTHEST * np.diff(frames)
    return [
        (int(frame), float(step)) for frame, step in zip(frames[1:][far], steps[far], strict=True)
    ]


def examined(
    points: np.ndarray, skeleton: Skeleton, aspect: float = 1.0, on_jump: str = "keep"
) -> tuple[slice, str]:
    """Which frames of a clip are read, and what is odd about it ("" = nothing).

    Args:
        points: (T, J, C), NaN = missing.
        skeleton: of the points.
        aspect: width / height of the picture, 0 or NaN = unknown.
        on_jump: `keep`, `split` (the longest part without a jump is read) or `drop`.

    Raises:
        ClipError: when the body jumps and `on_jump` is `drop`.
    """
    told = []
    if len(points) == 1:
        told.append("it has one frame, which shows no movement")
    hands = [joint for name, part in skeleton.parts.items() if "hand" in name for joint in part]
    if hands and not seen(points[:, hands]).any():
        told.append(f"no hand is seen in any of its {len(points)} frames")
    found = jumps(points, skeleton, aspect if aspect > 0 else 1.0)
    kept = slice(0, len(points))
    if found:
        frame, step = max(found, key=lambda jump: jump[1])
        more = f" and in {len(found) - 1} more" if len(found) > 1 else ""
        fault = (
            f"the body jumps by {step:.1f} shoulder widths in frame {frame}{more}: another person,"
            " or a cut"
        )
        if on_jump == "drop":
            raise ClipError(f"{fault}; left out, because on_jump=drop")
        advice = "--set on_jump=split reads the longest part, drop leaves it out"
        if on_jump == "split":
            edges = [0, *(frame for frame, _ in found), len(points)]
            start = int(np.argmax(np.diff(edges)))
            kept = slice(edges[start], edges[start + 1])
            advice = f"frames {kept.start} to {kept.stop - 1} of {len(points)} are read"
        told.append(f"{fault} ({advice})")
    return kept, "; ".join(told)
