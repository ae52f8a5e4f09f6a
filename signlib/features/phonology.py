"""Thirty-six numbers a frame that a linguist can read: hands, their movement, the face.

H10 | L6 | O6 | M9 | N5 (handshape, location, orientation, movement, face), as source 002 orders
them, in two forms. `original` is what it specifies,
placeholders and all; `corrected` keeps every name's promise: a gaze is a gaze, an aperture an
aperture, and no column is dead.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from signlib.data.skeletons import HAND_JOINTS, Skeleton
from signlib.errors import ClipError, SettingsError
from signlib.features.normalise import median, signer_frame

SIDES, FINGERS = ("left", "right"), ("thumb", "index", "middle", "ring", "pinky")
GROUPS = {
    "H": slice(0, 10),
    "L": slice(10, 16),
    "O": slice(16, 22),
    "M": slice(22, 31),
    "N": slice(31, 36),
}
_MANUAL = (
    *(f"H.{side}_{finger}" for side in SIDES for finger in FINGERS),
    *(f"L.{side}_{axis}" for side in SIDES for axis in "xyz"),
    *(f"O.{side}_{axis}" for side in SIDES for axis in "xyz"),
    *(f"M.{side}_{axis}" for side in SIDES for axis in "xyz"),
    *(f"M.{side}_turn" for side in SIDES),
)
_GAZE = tuple(f"N.gaze_{axis}" for axis in "xyz")
# Form -> the 36 names; x to the signer's left, y down, z away from the camera.
NAMES = {
    "original": (*_MANUAL, "M.placeholder", *_GAZE, "N.aperture", "N.placeholder"),
    "corrected": (*_MANUAL, "M.fingers", *_GAZE, "N.aperture", "N.brow"),
}


@dataclass(frozen=True)
class PhonologySettings:
    """What a store of these features is made with.

    Attributes:
        form: `original` or `corrected`.
    """

    form: str = "corrected"


# Frames a second at which movement is counted, in the corrected form.
RATE = 25.0
# Points of a hand that are read, in this order: the palm, the tips, the knuckles; a finger's way
# starts in the palm.
_READ = (0, 5, 9, 13, 17, 4, 8, 12, 16, 20, 5, 5, 9, 13, 17)
# Points of the face mesh, outer before inner; lips, ends of the face: upper before lower.
_FACE = {
    "left_eye": (263, 362),
    "right_eye": (33, 133),
    "left_brow": (334, 296),
    "right_brow": (105, 66),
    "corners": (61, 291),
    "lips": (13, 14),
    "ends": (10, 152),
}
_EYES, _BROWS, _CORNERS, _LIPS, _ENDS = slice(0, 2), slice(2, 4), 4, 5, 6
# Centres of right and left iris in the mesh of 478 points; the mesh of 468 has none.
_IRISES = (468, 473)


def phonology(
    points: np.ndarray,
    skeleton: Skeleton,
    form: str = "corrected",
    aspect: float = 1.0,
    fps: float = RATE,
) -> np.ndarray:
    """The 36 features of every frame of a clip, (T, 36) float32, in the order of `NAMES[form]`.

    NaN = not seen.

    `original`: each frame by itself moves the nose to zero, levels the shoulders and divides by
    their distance in space (a frame without shoulders stays as it is). Angles of fingers; palm
    centres; palm normals; differences to the frame before (0 in the first); the line between the
    eyes under the name of gaze, the width of the mouth under the name of aperture; two columns of
    zeros. Invariant to shifting, scaling and rolling the picture.

    `corrected`: the clip is normalised as everywhere here (between the shoulders, upright, turned
    to the camera), in square pixels, with each hand's depth at its wrist. Palm normals point out of
    the palm on both hands; movement is counted per 1/25 s whatever the frame rate; M.fingers is how
    fast the fingers' angles change; the gaze is where the face points (and where the irises do, if
    the mesh has them), the aperture is between the lips, the brow above the eye, both in heights of
    the face.

    Args:
        points: (T, J, C >= 3) raw landmarks, NaN = missing.
        skeleton: of the points; needs hands. Without shoulders L, O and M stay missing in the
            corrected form, without a face mesh N does.
        form: `original` or `corrected`.
        aspect: width / height of the picture; the form `original` takes fractions as they come.
        fps: frames a second; NaN = unknown, taken as 25.

    Raises:
        SettingsError: for another form, or a skeleton without hands.
        ClipError: for points without depth.

    Source: Hernandez Juarez 2025, section 2, as source 002 uses it.
    Differs: in the form `original` missing parts are NaN too, where the source has zeros;
        `np.nan_to_num` gives the source's numbers.
    """
    if form not in FORMS:
        raise SettingsError(f"form {form!r} is unknown; choose from {', '.join(FORMS)}")
    if points.ndim != 3 or points.shape[-1] < 3:
        raise ClipError(
            f"points of shape {points.shape} have no depth; phonology needs (T, J, 3) at least"
        )
    layout = _layout(skeleton.joints, skeleton.name)
    out = np.full((len(points), 36), np.nan, np.float32)
    hands = _planes(points, layout.hands).reshape(3, -1, 2, len(_READ))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        FORMS[form](out, hands, _planes(points, layout.others), layout, aspect, fps)
    # A face without height, or shoulders in one point, measure nothing.
    out[np.isinf(out)] = np.nan
    return out


def _planes(points: np.ndarray, joints: np.ndarray) -> np.ndarray:
    # (3, T, K) float32: x, y and z apart; arithmetic on whole planes is several times faster.
    return np.ascontiguousarray(points.take(joints, 1)[:, :, :3].transpose(2, 0, 1), np.float32)


@dataclass(frozen=True)
class _Layout:
    """Where the joints stand that phonology reads.

    Attributes:
        hands: of what is read of both hands in the skeleton that is given; others: of the points of
            arms and face.
        frame: a skeleton of the others, which tells where the body is.
        face: the pairs of `_FACE` among the others; None without a face mesh.
        irises: right and left among the others; empty in the mesh of 468 points.
    """

    hands: np.ndarray
    others: np.ndarray
    frame: Skeleton
    face: slice | None
    irises: list[int]


@lru_cache
def _layout(joints: tuple[str, ...], name: str) -> _Layout:
    columns = {joint: i for i, joint in enumerate(joints)}
    if not columns.keys() >= {f"{side}_hand_{joint}" for side in SIDES for joint in HAND_JOINTS}:
        raise SettingsError(
            f"skeleton {name!r} has no two hands of 21 points; phonology needs them"
        )
    mesh = [f"face_{i}" for pair in _FACE.values() for i in pair]
    names = [
        "nose",
        *(f"{side}_{joint}" for joint in ("shoulder", "wrist") for side in SIDES),
        *(mesh if columns.keys() >= set(mesh) else ()),
        *(f"face_{i}" for i in _IRISES),
    ]
    others = [joint for joint in names if joint in columns]
    frame = Skeleton("phonology", tuple(others), (), tuple(range(len(others))), {})
    start = frame.index(mesh[0]) if frame.has(mesh[0]) else None
    irises = [frame.index(f"face_{i}") for i in _IRISES if frame.has(f"face_{i}")]
    return _Layout(
        np.array([columns[f"{side}_hand_{HAND_JOINTS[k]}"] for side in SIDES for k in _READ]),
        np.array([columns[joint] for joint in others], int),
        frame,
        None if start is None else slice(start, start + len(mesh)),
        irises if len(irises) == 2 else [],
    )


def _original(
    out: np.ndarray,
    hands: np.ndarray,
    others: np.ndarray,
    layout: _Layout,
    aspect: float,
    fps: float,
) -> None:
    _fingers(out, hands)
    palms = _palms(hands)
    if layout.frame.has("nose", "left_shoulder", "right_shoulder"):
        _place_by_frame(palms, others, layout.frame)
    _manual(out, palms, 1.0, 1.0)
    out[:, 30] = 0
    if layout.face:
        first, second = _pairs(others, layout.face)
        eyes = first[..., _EYES] + second[..., _EYES]
        out[:, 31:34] = _unit(eyes[..., 1] - eyes[..., 0]).T
        out[:, 34] = _length(first[..., _CORNERS] - second[..., _CORNERS])
        out[:, 35] = 0 * out[:, 34]


def _corrected(
    out: np.ndarray,
    hands: np.ndarray,
    others: np.ndarray,
    layout: _Layout,
    aspect: float,
    fps: float,
) -> None:
    if aspect != 1:
        # To heights of the picture, as everywhere here.
        hands[::2] *= aspect
        others[::2] *= aspect
    rate = (RATE if np.isnan(fps) else fps) / RATE
    left, right = _length(_steps(_fingers(out, hands).transpose(2, 0, 1))).T
    both = (left + right) / 2
    out[:, 30] = rate * np.where(np.isnan(both), np.fmax(left, right), both)
    if not layout.frame.has("left_shoulder", "right_shoulder"):
        return
    palms = _palms(hands)
    if layout.frame.has("left_wrist", "right_wrist"):
        # A hand's depth counts from its own wrist.
        wrists = [layout.frame.index(f"{side}_wrist") for side in SIDES]
        palms[2] += others[2][:, wrists, None]
    try:
        _place_clip(palms, others, layout.frame)
    except ClipError:
        # No frame shows the shoulders: nothing tells where the body is.
        return
    # The same cross product points out of the palm of a right hand and into that of a left one.
    _manual(out, palms, rate, -1.0)
    if layout.face:
        _face(out, others, layout, layout.face)


# Form -> fills the features (T, 36) from hands (3, T, 2, 21) and others (3, T, K), which it may
# overwrite.
FORMS: dict[str, Callable] = {"original": _original, "corrected": _corrected}


def _fingers(out: np.ndarray, hands: np.ndarray) -> np.ndarray:
    # Write H: (T, 2, 5) radians in [0, pi]. Of the thumb against the palm's edge, and of each
    # finger between its bone in the palm and the way from its knuckle to its tip. Moving, scaling
    # and turning a hand changes none.
    bones = hands[..., 10:] - hands[..., :1]
    ways = hands[..., 5:10] - hands[..., :5]
    angles = np.arctan2(_length(_cross(bones, ways)), (bones * ways).sum(0))
    out[:, GROUPS["H"]] = angles.reshape(-1, 10)
    return angles


def _palms(hands: np.ndarray) -> np.ndarray:
    # (3, T, 2, 4) of each hand: the palm's centre, wrist, knuckles of index and little finger.
    palms = np.empty((*hands.shape[:3], 4), np.float32)
    np.multiply(hands[..., :5].sum(-1), 0.2, out=palms[..., 0])
    palms[..., 1:3], palms[..., 3] = hands[..., :2], hands[..., 4]
    return palms


def _manual(out: np.ndarray, palms: np.ndarray, rate: float, left: float) -> None:
    # Write L, O and M but its last: centres, normals, and how both change. The sign of the left
    # normal is multiplied by `left`.
    centres = palms[..., 0]
    edges = palms[..., 2:] - palms[..., 1:2]
    normals = _unit(_cross(edges[..., 0], edges[..., 1]))
    normals[..., 0] *= left
    for start, planes in ((10, centres), (16, normals), (22, rate * _steps(centres))):
        out[:, start : start + 6].reshape(-1, 2, 3)[...] = planes.transpose(1, 2, 0)
    out[:, 28:30] = rate * _length(_steps(normals))


def _place_by_frame(palms: np.ndarray, others: np.ndarray, frame: Skeleton) -> None:
    # As in source 002, in each frame: nose at zero, shoulders level, their distance in space 1.
    nose, left, right = (
        others[:, :, frame.index(name)] for name in ("nose", "left_shoulder", "right_shoulder")
    )
    across = left - right
    size = _length(across)
    placed = (size >= 1e-6) & np.isfinite(nose[2])
    angle = np.where(placed, np.arctan2(across[1], across[0]), 0)
    scale = 1 / np.where(placed, size, 1)
    origin = np.where(placed, nose, 0)
    for points in (others, palms.reshape(*palms.shape[:2], 8)):
        points -= origin[..., None]
        _turn(points, 0, 1, (scale * np.cos(angle))[:, None], (scale * np.sin(angle))[:, None])
        points[2] *= scale[:, None]


def _place_clip(palms: np.ndarray, others: np.ndarray, frame: Skeleton) -> None:
    # As `normalise.normalise`, then `normalise.face_camera`, once for the whole clip.
    origin, size, tilt = signer_frame(others.transpose(1, 2, 0), frame)
    both = (others, palms.reshape(*palms.shape[:2], 8))
    for points in both:
        points -= origin[:, None, None].astype(np.float32)
        _turn(points, 0, 1, np.cos(tilt) / size, np.sin(tilt) / size)
        points[2] /= size
    across = (
        others[:, :, frame.index("left_shoulder")] - others[:, :, frame.index("right_shoulder")]
    )
    x, _, z = median(across.T[np.isfinite(across).all(0)])
    width = x**2 + z**2  # turned by the angle, divided by the width
    for points in both:
        _turn(points, 0, 2, x / width, z / width)
        points[1] /= np.sqrt(width)


def _turn(
    points: np.ndarray, first: int, second: int, cos: np.ndarray | float, sin: np.ndarray | float
) -> None:
    # Turn planes back by an angle, from the second axis to the first. Cosine and sine may hold a
    # scale.
    turned = cos * points[first] + sin * points[second]
    points[second] = cos * points[second] - sin * points[first]
    points[first] = turned


def _pairs(others: np.ndarray, face: slice) -> tuple[np.ndarray, np.ndarray]:
    # The first and the second points (3, T, 7) of the pairs of `_FACE`.
    places = others[:, :, face]
    return places[..., ::2], places[..., 1::2]


def _face(out: np.ndarray, others: np.ndarray, layout: _Layout, face: slice) -> None:
    # Write N: where the face points and looks, and openings of mouth and brows. The openings are
    # measured in heights of the face.
    first, second = _pairs(others, face)
    down = second[..., _ENDS] - first[..., _ENDS]
    lengths, middles = _length(second - first), first + second
    across = first[..., 0] - first[..., 1]
    forward = _unit(_cross(down, across))
    if layout.irises:
        forward = _looking(others, layout, middles, lengths, forward=forward, across=_unit(across))
    left, right = _length(middles[..., _BROWS] - middles[..., _EYES]).T
    height = lengths[:, _ENDS]
    out[:, 31:34] = forward.T
    out[:, 34], out[:, 35] = lengths[:, _LIPS] / height, (left + right) / (4 * height)


def _looking(
    others: np.ndarray,
    layout: _Layout,
    middles: np.ndarray,
    lengths: np.ndarray,
    forward: np.ndarray,
    across: np.ndarray,
) -> np.ndarray:
    # The face's direction, turned by how far the irises are off the middle of their eyes.
    down, aside = _cross(across, forward), np.zeros_like(forward)
    for eye, iris in zip((1, 0), layout.irises, strict=True):
        off = others[:, :, iris] - middles[..., eye] / 2
        off = (off * across).sum(0) * across + (off * down).sum(0) * down
        # the diameter of an eyeball is 0.8 widths of the eye between its corners: 24 mm of 30
        aside = aside + off / (0.8 * lengths[:, eye])
    return _unit(np.sqrt(np.maximum(1 - (aside * aside).sum(0), 0)) * forward + aside)


def _steps(planes: np.ndarray) -> np.ndarray:
    # Difference to the frame before, along axis 1; in the first frame 0 where there is a value.
    out = np.empty_like(planes)
    np.subtract(planes[:, 1:], planes[:, :-1], out=out[:, 1:])
    out[:, :1] = 0 * planes[:, :1]
    return out


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    (ax, ay, az), (bx, by, bz) = a, b
    out = np.empty(a.shape, a.dtype)
    out[0], out[1], out[2] = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    return out


def _length(planes: np.ndarray) -> np.ndarray:
    total = planes[0] * planes[0]
    for plane in planes[1:]:
        total += plane * plane
    return np.sqrt(total, out=total)


def _unit(planes: np.ndarray) -> np.ndarray:
    # The same directions with length 1; one without length has none and is missing.
    length = _length(planes)
    length[length == 0] = np.nan
    return planes / length
