"""`.pose` files of every version and layout: points by name, and what a file lacks is missing."""

import io
import struct

import numpy as np
import pytest
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderDimensions
from pose_format.utils.generic import pose_hide_legs, reduce_holistic
from pose_format.utils.openpose import OpenPose_Components
from pose_format.utils.openpose_135 import OpenPose_Components as Components135

from signlib import reading
from signlib.data.skeletons import MEDIAPIPE_543
from signlib.errors import ClipError
from signlib.extraction.exchange import write_pose
from signlib.extraction.pose_files import joint_of, read_pose

HANDS = [joint for joint in MEDIAPIPE_543.joints if "_hand_" in joint]
LEGS = [
    f"{side}_{name}"
    for side in ("left", "right")
    for name in ("hip", "knee", "ankle", "heel", "foot_index")
]


def place(joints):
    return [MEDIAPIPE_543.index(joint) for joint in joints]


def numbered(components, width=200, height=100, frames=2):
    """A file's content: point k of frame t lies at (k, t) pixels, confidence 0.5."""
    count = sum(len(component.points) for component in components)
    axes = len(components[0].format) - 1
    data = np.zeros((frames, 1, count, axes), np.float32)
    data[..., 0], data[..., 1] = np.arange(count), np.arange(frames)[:, None, None]
    return data, np.full(data.shape[:3], 0.5, np.float32), PoseHeaderDimensions(width, height, 0)


def save(path, components, data, confidence, size, fps=25.0):
    buffer = io.BytesIO()
    Pose(PoseHeader(0.2, size, components), NumPyPoseBody(fps, data, confidence)).write(buffer)
    path.write_bytes(buffer.getvalue())
    return path


def read_back(path, components, *options):
    """Joint -> number of its point in the file, as `numbered` wrote it, of the points seen."""
    clip = read_pose(path, *options)
    x = clip.array[0, :, 0] * clip.width
    seen = np.flatnonzero(np.isfinite(x))
    return {MEDIAPIPE_543.joints[joint]: round(float(x[joint])) for joint in seen}


def names_of(components):
    return [f"{c.name}/{point}" for c in components for point in c.points]


def test_openpose_is_read_by_name(tmp_path):
    path = save(tmp_path / "a.pose", OpenPose_Components, *numbered(OpenPose_Components))
    joints = read_back(path, OpenPose_Components)
    names = names_of(OpenPose_Components)
    assert names[joints["left_shoulder"]] == "pose_keypoints_2d/LShoulder"
    assert names[joints["right_foot_index"]] == "pose_keypoints_2d/RBigToe"
    assert names[joints["left_hand_wrist"]] == "hand_left_keypoints_2d/BASE"
    assert names[joints["right_hand_index_tip"]] == "hand_right_keypoints_2d/I_DIP"
    assert names[joints["right_hand_thumb_ip"]] == "hand_right_keypoints_2d/T_MCP"
    # its face has other points than a mesh, its neck and small toes are nobody's
    assert set(joints) >= {*HANDS, "nose", "left_ear", "right_hip"}
    assert not any(joint.startswith("face_") for joint in joints)
    clip = read_pose(path)
    assert clip.note == "it has no depth: z is 0"
    np.testing.assert_allclose(
        clip.array[:, place(["nose"])[0]], [[0, 0, 0, 0.5], [0, 0.01, 0, 0.5]]
    )


def test_openpose_with_135_points_has_one_wrist_for_body_and_hand(tmp_path):
    path = save(tmp_path / "a.pose", Components135, *numbered(Components135))
    joints, names = read_back(path, Components135), names_of(Components135)
    assert names[joints["left_hand_index_mcp"]] == "BODY_135/LIndex1Knuckles"
    assert names[joints["right_hand_thumb_cmc"]] == "BODY_135/RThumb1CMC"
    assert joints["left_hand_wrist"] == joints["left_wrist"]
    assert set(joints) >= set(HANDS)


@pytest.mark.parametrize(
    ("component", "point", "joint"),
    [
        ("BODY_133", "left_big_toe", "left_foot_index"),
        ("LEFT_HAND_133", "hand_8", "left_hand_index_tip"),
        ("RIGHT_HAND", "hand_0", "right_hand_wrist"),
        ("POSE_WORLD_LANDMARKS", "NOSE", ""),
        ("POSE_LANDMARKS", "LEFT_EYE_INNER", "left_eye_inner"),
        ("FACE_LANDMARKS", "467", "face_467"),
        ("FACE_LANDMARKS", "470", ""),
        ("face_keypoints_2d", "FB_3", ""),
        ("pose_keypoints_2d", "Neck", ""),
        ("RIGHT_HAND_LANDMARKS", "MIDDLE_FINGER_PIP", "right_hand_middle_pip"),
    ],
)
def test_names(component, point, joint):
    assert joint_of(component, point) == joint


@pytest.fixture
def whole(tmp_path):
    """A file of all points, and what is in it."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0.1, 0.9, (3, 543, 4)).astype(np.float32)
    write_pose(tmp_path / "whole.pose", points, MEDIAPIPE_543, 640, 360, 25)
    return Pose.read((tmp_path / "whole.pose").read_bytes()), points


def test_reduced_and_hidden_points_are_missing_and_the_others_where_they_were(tmp_path, whole):
    pose, points = whole
    reduced = reduce_holistic(pose)
    for name, changed in {
        "hidden": pose_hide_legs(pose.copy()),
        "removed": pose_hide_legs(pose.copy(), remove=True),
        "reduced": reduced,
    }.items():
        buffer = io.BytesIO()
        changed.write(buffer)
        (tmp_path / f"{name}.pose").write_bytes(buffer.getvalue())
        found = read_pose(tmp_path / f"{name}.pose").array
        seen = np.isfinite(found).all(axis=(0, 2))
        np.testing.assert_allclose(found[:, seen], points[:, seen], atol=1e-6)
        assert not seen[place(LEGS if name != "reduced" else LEGS[1:5])].any()
        assert seen[place([*HANDS, "left_shoulder"])].all()
    assert seen[place(["face_0", "left_hip"])].all()
    assert not seen[place(["face_1", "nose"])].any(), "reduced"


def version_0(components, frames, fps=25):
    """The bytes of a version 0.0 file; a frame is a list of people, a person one of arrays."""
    buffer = io.BytesIO()
    PoseHeader(0.2, PoseHeaderDimensions(200, 100, 0), components).write(buffer)
    body = struct.pack("<HH", fps, len(frames))
    for people in frames:
        body += struct.pack("<H", len(people))
        for number, person in enumerate(people):
            body += struct.pack("<h", number)
            body += b"".join(np.asarray(part, "<f4").tobytes() for part in person)
    return struct.pack("<f", 0.0) + buffer.getvalue()[4:] + body


def test_version_0_0_holds_people_frame_by_frame(tmp_path):
    body, hand = OpenPose_Components[0], OpenPose_Components[2]
    first = [np.full((25, 3), 10.0), np.full((21, 3), 20.0)]
    second = [np.full((25, 3), 99.0), np.full((21, 3), 99.0)]
    content = version_0([body, hand], [[first, second], [], [first]])
    (tmp_path / "a.pose").write_bytes(content)
    clip = read_pose(tmp_path / "a.pose")
    assert (len(clip.array), clip.width, clip.height, clip.fps) == (3, 200, 100, 25)
    nose, wrist = place(["nose", "left_hand_wrist"])
    np.testing.assert_allclose(
        clip.array[0, [nose, wrist]], [[0.05, 0.1, 0, 10], [0.1, 0.2, 0, 20]]
    )
    assert np.isnan(clip.array[1]).all(), "a frame without anybody"
    for cut in (content[:-4], content + b"\0\0", content[: -2 * 46 * 12]):
        (tmp_path / "cut.pose").write_bytes(cut)
        with pytest.raises(ClipError, match=r"cut\.pose is cut off or has no frame: .* 3 frames"):
            read_pose(tmp_path / "cut.pose")


def test_what_is_no_file_or_too_long_is_refused_before_it_is_read(tmp_path, monkeypatch):
    with pytest.raises(ClipError, match=r"zero is no readable \.pose file \(it is a pipe"):
        read_pose("/dev/zero")
    (tmp_path / "a.pose").write_bytes(b"\0" * 101)
    monkeypatch.setattr(reading, "PLAIN_BYTES", 100)
    with pytest.raises(ClipError, match=r"a\.pose is too long: it has 101 bytes, more than 100"):
        read_pose(tmp_path / "a.pose")


def test_a_file_without_any_part_is_refused(tmp_path):
    header = struct.pack("<fHHHH", 0.2, 200, 100, 0, 0)
    (tmp_path / "a.pose").write_bytes(header + struct.pack("<fIH", 25, 3, 1) + bytes(48))
    with pytest.raises(ClipError, match=r"a\.pose is no readable \.pose file"):
        read_pose(tmp_path / "a.pose")


def test_a_size_that_the_file_lacks_is_asked_for_and_one_that_it_has_counts(tmp_path):
    data, confidence, _ = numbered(OpenPose_Components)
    for name, size in (("none", (0, 0)), ("some", (200, 100))):
        file = tmp_path / f"{name}.pose"
        save(file, OpenPose_Components, data, confidence, PoseHeaderDimensions(*size))
    with pytest.raises(ClipError, match=r"width and height.*--set width=640 --set height=480"):
        read_pose(tmp_path / "none.pose")
    given = read_pose(tmp_path / "none.pose", 200, 100)
    # the library keeps headers: the size of one file is not the next one's
    again = read_pose(tmp_path / "none.pose", 400, 100)
    assert (given.width, again.width) == (200, 400)
    said = read_pose(tmp_path / "some.pose", 400, 100)
    assert "it says 200 x 100 pixels, not 400 x 100: taken at its word" in said.note
    np.testing.assert_array_equal(said.array, given.array)


def test_other_names_and_rates_are_refused(tmp_path):
    face = OpenPose_Components[1]
    path = save(tmp_path / "a.pose", [face], *numbered([face]))
    with pytest.raises(ClipError, match="components face_keypoints_2d, none of whose points has a"):
        read_pose(path)
    path = save(tmp_path / "b.pose", OpenPose_Components, *numbered(OpenPose_Components), fps=1e30)
    with pytest.raises(ClipError, match=r"says 1e\+30 frames a second, which must lie within"):
        read_pose(path)
