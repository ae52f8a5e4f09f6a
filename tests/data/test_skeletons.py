"""Names, parts, bones and mirror images fit together in every layout."""

import numpy as np
import pytest

from signlib.data.skeletons import (
    FACE_HANDS_43,
    HANDS_42,
    KINECT_20,
    MEDIAPIPE_75,
    MEDIAPIPE_543,
    NTU_25,
    SKELETONS,
    UPPER_53,
    Skeleton,
    face_regions,
    shared_points,
    skeleton,
)
from signlib.errors import SettingsError

SELECTED = [
    MEDIAPIPE_543.select(name)
    for name in ("118", "upper", "hands", "body", "face", "pose+left_hand+right_hand")
]
every_skeleton = pytest.mark.parametrize(
    "layout", [*SKELETONS.values(), *SELECTED], ids=lambda s: s.name
)


def square():
    """Four joints: 0-1, 1-2, 1-3; 2 and 3 are left and right."""
    return Skeleton(
        "square",
        ("hip", "neck", "left_arm", "right_arm"),
        ((0, 1), (1, 2), (3, 1)),
        (0, 1, 3, 2),
        {"trunk": (0, 1), "arms": (2, 3)},
    )


def test_adjacency_of_four_joints_by_hand():
    matrix = square().adjacency
    assert matrix.tolist() == [[0, 1, 0, 0], [1, 0, 1, 1], [0, 1, 0, 0], [0, 1, 0, 0]]
    assert matrix.dtype == np.float32
    assert square().mirrored_pairs == ((2, 3),)


def test_a_selection_of_four_joints_is_renumbered_by_hand():
    chosen = square().select("arms")
    assert (chosen.joints, chosen.bones, chosen.mirror) == (("left_arm", "right_arm"), (), (1, 0))
    assert chosen.parts == {"arms": (0, 1)}
    assert chosen.name == "square/arms"
    assert chosen.adjacency.tolist() == [[0, 0], [0, 0]]
    assert square().select("arms+trunk").joints == square().joints


def test_mediapipe_is_face_pose_and_two_hands():
    sizes = {part: len(joints) for part, joints in MEDIAPIPE_543.parts.items()}
    assert sizes == {"face": 468, "pose": 33, "left_hand": 21, "right_hand": 21}
    assert len(MEDIAPIPE_543) == 468 + 33 + 21 + 21 == 543
    firsts = {part: joints[0] for part, joints in MEDIAPIPE_543.parts.items()}
    assert firsts == {"face": 0, "pose": 468, "left_hand": 501, "right_hand": 522}
    assert MEDIAPIPE_543.index("nose") == 468
    assert MEDIAPIPE_543.index("right_wrist") == 468 + 16
    assert MEDIAPIPE_543.index("left_hand_pinky_tip") == 521


def test_the_names_of_mediapipes_own_pose_and_hand_are_ours():
    solutions = pytest.importorskip(
        "mediapipe.python.solutions", reason="needs the extra `extract`"
    )
    pose = [landmark.name.lower() for landmark in solutions.pose.PoseLandmark]
    assert list(MEDIAPIPE_75.joints[:33]) == pose
    # MediaPipe says INDEX_FINGER_MCP where we say index_mcp.
    hand = [
        landmark.name.lower().replace("_finger", "") for landmark in solutions.hands.HandLandmark
    ]
    assert [name.removeprefix("left_hand_") for name in MEDIAPIPE_75.joints[33:54]] == hand
    bones = {frozenset(bone) for bone in MEDIAPIPE_75.bones}
    assert {frozenset(bone) for bone in solutions.pose.POSE_CONNECTIONS} <= bones
    assert {frozenset((a + 33, b + 33)) for a, b in solutions.hands.HAND_CONNECTIONS} <= bones
    theirs = {frozenset(bone) for bone in solutions.face_mesh_connections.FACEMESH_TESSELATION}
    ours = {frozenset(bone) for bone in MEDIAPIPE_543.bones if max(bone) < 468}
    # Six of their 1,322 edges have no mirror image; the mesh here leaves them out.
    lonely = {
        edge for edge in theirs if frozenset(MEDIAPIPE_543.mirror[i] for i in edge) not in theirs
    }
    assert ours == theirs - lonely
    assert (len(theirs), len(lonely)) == (1322, 6)


@every_skeleton
def test_parts_cover_every_joint_once_and_names_are_unique(layout):
    assert sorted(i for joints in layout.parts.values() for i in joints) == list(range(len(layout)))
    assert len(set(layout.joints)) == len(layout) == len(layout.mirror)


@every_skeleton
def test_bones_join_two_joints_that_exist(layout):
    assert all(0 <= a < len(layout) and 0 <= b < len(layout) and a != b for a, b in layout.bones)
    matrix = layout.adjacency
    assert (matrix == matrix.T).all()
    assert np.trace(matrix) == 0
    assert matrix.sum() == 2 * len({frozenset(bone) for bone in layout.bones})


@every_skeleton
def test_a_mirror_image_of_a_mirror_image_is_the_joint_itself(layout):
    mirror = np.array(layout.mirror)
    assert (mirror[mirror] == np.arange(len(layout))).all()
    assert (mirror != np.arange(len(layout))).any()
    assert len(layout.mirrored_pairs) == (mirror != np.arange(len(layout))).sum() // 2


@every_skeleton
def test_a_mirror_image_has_the_same_bones(layout):
    mirror = layout.mirror
    bones = {frozenset(bone) for bone in layout.bones}
    assert {frozenset((mirror[a], mirror[b])) for a, b in layout.bones} == bones


@every_skeleton
def test_left_becomes_right_by_name(layout):
    swap = {"left": "right", "right": "left"}
    for name, image in zip(layout.joints, layout.mirror, strict=True):
        if not name.startswith("face"):
            assert layout.joints[image] == "_".join(
                swap.get(word, word) for word in name.split("_")
            )


def test_the_corners_of_the_mouth_swap():
    left, right = MEDIAPIPE_543.index("mouth_left"), MEDIAPIPE_543.index("mouth_right")
    assert MEDIAPIPE_543.mirror[left] == right
    assert MEDIAPIPE_543.mirror[right] == left
    # Outer corners of eyes and lips in the face mesh: 33 and 263, 61 and 291.
    assert (MEDIAPIPE_543.mirror[33], MEDIAPIPE_543.mirror[61]) == (263, 291)
    assert MEDIAPIPE_543.mirror[1] == 1


def test_face_regions_cover_the_mesh_and_mirror_onto_one_another():
    regions = face_regions()
    assert sorted(i for points in regions.values() for i in points) == list(range(468))
    assert set(regions) == {
        "lips",
        "left_eye",
        "right_eye",
        "left_brow",
        "right_brow",
        "oval",
        "nose",
        "skin",
    }
    swap = {"left": "right", "right": "left"}
    for region, points in regions.items():
        image = "_".join(swap.get(word, word) for word in region.split("_"))
        assert {MEDIAPIPE_543.mirror[i] for i in points} == set(regions[image]), region
    # The signer's left eye is the one on the pose's left side: point 263 is its outer corner.
    assert 263 in regions["left_eye"]
    assert 33 in regions["right_eye"]


@pytest.mark.parametrize(
    "layout", [MEDIAPIPE_543, MEDIAPIPE_75, NTU_25, KINECT_20], ids=lambda s: s.name
)
def test_the_graph_is_connected(layout):
    matrix = layout.adjacency > 0
    reached = np.zeros(len(layout), bool)
    reached[0] = True
    for _ in range(len(layout)):
        reached |= matrix[reached].any(axis=0)
    assert reached.all()


@pytest.mark.parametrize(
    ("layout", "joints", "bones"),
    [(NTU_25, 25, 24), (KINECT_20, 20, 19), (HANDS_42, 42, 2 * 23)],
    ids=lambda s: str(s),
)
def test_sizes_of_the_small_layouts(layout, joints, bones):
    assert (len(layout), len(layout.bones)) == (joints, bones)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("all", 543),
        ("118", 118),
        ("body", 75),
        ("upper", 50),
        ("hands", 42),
        ("pose", 33),
        ("left_hand", 21),
        ("face", 468),
        ("pose+hands", 75),
        ("left_hand+right_hand", 42),
        ("hands+hands", 42),
        ("upper+118", 126),
    ],
)
def test_sizes_of_selections(name, size):
    chosen = MEDIAPIPE_543.selection(name)
    assert len(chosen) == size
    assert (np.diff(chosen) > 0).all()


def test_selections_of_other_layouts():
    assert MEDIAPIPE_543.select("body").joints == MEDIAPIPE_75.joints
    assert {frozenset(b) for b in MEDIAPIPE_543.select("body").bones} == {
        frozenset(b) for b in MEDIAPIPE_75.bones
    }
    assert MEDIAPIPE_543.select("hands").joints == HANDS_42.joints
    assert len(FACE_HANDS_43.selection("body")) == 43
    assert MEDIAPIPE_75.select("all") is MEDIAPIPE_75
    assert len(MEDIAPIPE_75.select("upper")) == 50


@pytest.mark.parametrize("name", ["", "feet", "pose+feet", "hands+", "543", "face-pose"])
def test_an_unknown_selection_names_itself_and_the_known_ones(name):
    with pytest.raises(SettingsError) as refused:
        MEDIAPIPE_543.selection(name)
    assert f"joints={name!r}" in str(refused.value)
    assert "118" in str(refused.value)


def test_a_layout_without_the_part_refuses_the_selection():
    for name in ("118", "face", "left_foot"):
        with pytest.raises(SettingsError, match="'mediapipe-75' has no selection"):
            MEDIAPIPE_75.selection(name)
    with pytest.raises(SettingsError, match="'ntu-25' has no selection 'hands'"):
        NTU_25.selection("hands")


def test_one_side_alone_cannot_be_mirrored_and_says_so():
    with pytest.raises(SettingsError, match="keep both sides"):
        MEDIAPIPE_543.select("left_hand")
    with pytest.raises(SettingsError, match="keep both sides"):
        MEDIAPIPE_543.select("pose+right_hand")


def test_layouts_are_found_by_name_with_their_selection():
    assert skeleton("ntu-25") is NTU_25
    assert skeleton("mediapipe-543/hands").joints == HANDS_42.joints
    assert skeleton(MEDIAPIPE_543.select("118").name).joints == MEDIAPIPE_543.select("118").joints
    with pytest.raises(
        SettingsError, match="skeleton 'openpose' is unknown; choose from mediapipe-543"
    ):
        skeleton("openpose/hands")
    with pytest.raises(SettingsError, match="no selection 'feet'"):
        skeleton("mediapipe-543/feet")


def test_joints_by_name():
    assert NTU_25.index("head") == 3
    assert NTU_25.has("head", "neck")
    assert not NTU_25.has("head", "tail")
    with pytest.raises(SettingsError, match=r"'ntu-25' has no joint 'tail'; it has spine_base"):
        NTU_25.index("tail")


def test_another_skeleton_takes_its_joints_by_name():
    points = np.arange(543.0)[None, :, None].repeat(2, axis=2)
    small = shared_points(points, MEDIAPIPE_543, UPPER_53)
    assert small.shape == (1, 53, 2)
    assert small[0, :3, 0].tolist() == [468, 468 + 11, 468 + 12]
    assert small[0, 11:, 0].tolist() == list(range(501, 543))
    faced = shared_points(points, MEDIAPIPE_543, FACE_HANDS_43)
    assert faced[0, 0, 0] == MEDIAPIPE_543.index("nose"), "a single face point is the nose"
    np.testing.assert_array_equal(shared_points(small, UPPER_53, UPPER_53), small)


def test_a_skeleton_without_the_joints_is_refused():
    with pytest.raises(SettingsError, match=r"hands-42.*'nose'.*choose"):
        shared_points(np.zeros((1, 42, 3)), HANDS_42, UPPER_53)
