"""Reading `.pose` files (library pose-format) of any version, whatever estimated their points.

Points are found by name: those of MediaPipe Holistic, whole or reduced, of OpenPose, and of the
whole bodies of COCO and AlphaPose. What a file lacks is missing.
"""

import re
import struct
from itertools import accumulate
from pathlib import Path

import numpy as np
from pose_format import Pose
from pose_format.pose_header import PoseHeader
from pose_format.utils.reader import BufferReader

from signlib import reading
from signlib.data.manifest import FASTEST, SLOWEST
from signlib.data.skeletons import MEDIAPIPE_543
from signlib.errors import ClipError
from signlib.extraction.holistic import CHANNELS
from signlib.stores.store import StoredClip

# What a `.pose` file's body starts with: of version 0.0 rate and frames, of 0.1 also people, of 0.2
# with wider numbers.
_BODY_0, _BODY_1, _BODY_2 = struct.Struct("<HH"), struct.Struct("<HHH"), struct.Struct("<fIH")
# What the library raises on bytes that are no such file.
_FAULTS = (struct.error, ValueError, TypeError, OverflowError, NotImplementedError)
# Points of one hand in MediaPipe's order, which is OpenPose's, too.
_HAND = [
    name.removeprefix("left_hand_")
    for name in MEDIAPIPE_543.joints
    if name.startswith("left_hand_")
]
_OPENPOSE_HAND = (
    "BASE T_STT T_BCMC T_MCP T_IP I_CMC I_MCP I_PIP I_DIP M_CMC M_MCP M_PIP M_DIP"
    " R_CMC R_MCP R_PIP R_DIP P_CMC P_MCP P_PIP P_DIP"
).split()
_JOINTS = frozenset(MEDIAPIPE_543.joints)
_SIDES = {"L": "left", "R": "right"}
# A finger's point in OpenPose's layout of 135 points: `LIndex2PIP`.
_FINGER = re.compile(r"([LR])(Thumb|Index|Middle|Ring|Pinky)\d(CMC|Knuckles|IP|PIP|DIP|FingerTip)")
_FINGER_PARTS = {"knuckles": "mcp", "fingertip": "tip"}


def joint_of(component: str, point: str) -> str:
    """The joint of MediaPipe's 543 that a point of a `.pose` file is, "" for none of them.

    >>> joint_of("pose_keypoints_2d", "LShoulder"), joint_of("LEFT_HAND_LANDMARKS", "WRIST")
    ('left_shoulder', 'left_hand_wrist')
    """
    name = _named(component.upper(), point)
    return name if name in _JOINTS else ""


def _named(component: str, point: str) -> str:
    # The name that a point would have among MediaPipe's.
    if "WORLD" in component:
        return ""
    if "FACE" in component:
        return f"face_{point}" if component == "FACE_LANDMARKS" else ""
    if "HAND" in component:
        side = "left" if "LEFT" in component else "right"
        number = re.fullmatch(r"hand_(\d{1,2})", point)
        if number and int(number[1]) < len(_HAND):
            point = _HAND[int(number[1])]
        elif point in _OPENPOSE_HAND:
            point = _HAND[_OPENPOSE_HAND.index(point)]
        return f"{side}_hand_{point.lower().replace('_finger', '')}"
    finger = _FINGER.fullmatch(point)
    if finger:
        part = finger[3].lower()
        return f"{_SIDES[finger[1]]}_hand_{finger[2].lower()}_{_FINGER_PARTS.get(part, part)}"
    side, rest = _SIDES.get(point[:1], ""), point[1:]
    # `LWrist`, but `LEFT_WRIST` and `left_wrist`.
    if side and rest[:1].isupper() and rest[1:2].islower():
        point = f"{side}_{rest}"
    return re.sub(r"big_?toe$", "foot_index", point.lower())


def read_pose(path: str | Path, width: float = 0, height: float = 0) -> StoredClip:
    """The points of one `.pose` file: (T, 543, 4) with the picture's size and frame rate.

    Points are taken by name and those it lacks are NaN; of several people the first. Points without
    a depth get z = 0, and the note says so.

    Args:
        path: of the file.
        width, height: of the picture in pixels, where the file does not say it; 0 = unknown.

    Raises:
        ClipError: for a missing, cut off or unreadable file, names that nobody knows, a picture
            without a size, or no point in any frame.
    """
    path = Path(path)
    header, fps, data, confidence = _parsed(path)
    told = []
    wide, high = header.dimensions.width, header.dimensions.height
    if not (wide and high):
        wide, high = int(width), int(height)
    elif (width and width != wide) or (height and height != high):
        told.append(
            f"it says {wide} x {high} pixels, not {width:g} x {height:g}: taken at its word"
        )
    if not (wide and high):
        raise ClipError(
            f"{path} does not say the picture's width and height, so its pixels mean nothing; give"
            " both (--set width=640 --set height=480, or columns of manifest.csv)"
        )
    points = np.full((len(data), len(MEDIAPIPE_543), len(CHANNELS)), np.nan, np.float32)
    # Some files have a fourth number, which nobody says the meaning of.
    axes = min(data.shape[-1], 3)
    scale = np.array([wide, high, 1])[:axes]
    columns = _columns(header, path)
    joints = list(columns)
    chosen = list(columns.values())
    points[:, joints, :axes] = data[:, chosen, :axes] / scale
    points[:, joints, 3] = confidence[:, chosen]
    if axes < 2:
        raise ClipError(f"{path}: its points have {axes} numbers; x and y are needed")
    if axes == 2:
        points[:, joints, 2] = 0
        told.append("it has no depth: z is 0")
    # Also where the confidence is NaN.
    points[~(points[..., 3] > 0)] = np.nan
    if np.isnan(points).all():
        raise ClipError(
            f"{path}: no point is seen in any of its {len(points)} frames; leave the clip out"
        )
    return StoredClip(points, wide, high, fps, "; ".join(told))


def _columns(header: PoseHeader, path: Path) -> dict[int, int]:
    # Joint -> where it stands among all points of the file.
    columns: dict[int, int] = {}
    counts = [len(component.points) for component in header.components]
    for component, start in zip(header.components, accumulate(counts, initial=0), strict=False):
        for place, point in enumerate(component.points, start):
            joint = joint_of(component.name, point)
            if joint:
                columns.setdefault(MEDIAPIPE_543.index(joint), place)
    # In a layout with one wrist for body and hand that is where the hand begins.
    for side in ("left", "right"):
        hand, body = (MEDIAPIPE_543.index(f"{side}_{name}") for name in ("hand_wrist", "wrist"))
        fingers = set(MEDIAPIPE_543.parts[f"{side}_hand"]) & set(columns)
        if fingers and hand not in columns and body in columns:
            columns[hand] = columns[body]
    if not columns:
        names = ", ".join(component.name for component in header.components)
        raise ClipError(
            f"{path} has the components {names[:100]}, none of whose points has a known name; those"
            " of MediaPipe Holistic, OpenPose, COCO and AlphaPose are known"
        )
    return columns


def _parsed(path: Path) -> tuple[PoseHeader, float, np.ndarray, np.ndarray]:
    # Header, frames a second (0 = unknown), points (T, P, 2 or 3) and confidence (T, P) of the
    # first person.
    try:
        content = reading.regular(path, reading.PLAIN_BYTES).read_bytes()
        reader = BufferReader(content)
        header = PoseHeader.read(reader)
        if header.version == 0:
            fps, data, confidence = _version_0(content, reader.read_offset, header, path)
        else:
            _check_length(content, reader.read_offset, header, path)
            body = Pose.read(content).body
            fps, data = float(body.fps), np.asarray(body.data.data)[:, 0]
            confidence = np.asarray(body.confidence)[:, 0]
    except FileNotFoundError:
        raise ClipError(f"{path} does not exist; every clip needs a file <clip>.pose") from None
    except reading.TooLarge as error:
        raise ClipError(f"{path} is too long: {error}; cut it into several clips") from None
    except (OSError, *_FAULTS) as error:
        raise ClipError(f"{path} is no readable .pose file ({error}); copy it again") from None
    if fps and not SLOWEST <= fps <= FASTEST:
        raise ClipError(
            f"{path} says {fps:g} frames a second, which must lie within {SLOWEST}..{FASTEST};"
            " write it again"
        )
    return header, fps, data, confidence


def _check_length(content: bytes, start: int, header: PoseHeader, path: Path) -> None:
    # Refuse a file whose length is not what its header promises; the library would guess a number
    # of frames instead.
    # Version 0.1 keeps 16 bits of the number of frames.
    form, limit = (_BODY_1, 1 << 16) if header.version < 0.15 else (_BODY_2, 1 << 32)
    _, frames, people = form.unpack_from(content, start)
    joints = sum(len(component.points) for component in header.components)
    per_frame = people * joints * (header.num_dims() + 1) * 4
    body = len(content) - start - form.size
    whole = per_frame > 0 and body % per_frame == 0
    if not whole or (body // per_frame) % limit != frames or not body:
        raise _cut_off(path, frames)


def _cut_off(path: Path, frames: int) -> ClipError:
    return ClipError(
        f"{path} is cut off or has no frame: its header promises {frames} frames; copy it again"
    )


def _version_0(
    content: bytes, start: int, header: PoseHeader, path: Path
) -> tuple[float, np.ndarray, np.ndarray]:
    # Frames a second, points (T, P, 2 or 3) and confidence (T, P) of the first person; a frame
    # holds its number of people, and of each a number and the points of all components.
    fps, frames = _BODY_0.unpack_from(content, start)
    place = start + _BODY_0.size
    sizes = [(len(component.points), len(component.format)) for component in header.components]
    numbers = sum(points * values for points, values in sizes)
    data = np.zeros((frames, header.total_points(), header.num_dims()), np.float32)
    confidence = np.zeros(data.shape[:2], np.float32)
    for frame in range(frames):
        (people,) = struct.unpack_from("<H", content, place)
        place += 2
        after = place + people * (2 + 4 * numbers)
        if after > len(content):
            raise _cut_off(path, frames)
        if people:
            values = np.frombuffer(content, "<f4", numbers, place + 2)
            point = 0
            for count, width in sizes:
                part, values = (
                    values[: count * width].reshape(count, width),
                    values[count * width :],
                )
                data[frame, point : point + count, : width - 1] = part[:, :-1]
                confidence[frame, point : point + count] = part[:, -1]
                point += count
        place = after
    if not frames or place != len(content):
        raise _cut_off(path, frames)
    return float(fps), data, confidence
