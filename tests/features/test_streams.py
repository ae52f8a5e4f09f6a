"""Streams of a skeleton, worked out by hand on four joints, and the tree of its bones."""

import numpy as np
import pytest
import torch

from signlib.data.skeletons import HANDS_42, KINECT_20, MEDIAPIPE_543, NTU_25, SKELETONS
from signlib.errors import SettingsError
from signlib.features.streams import STREAMS, parents_of, streams_of, tree

# 0 - 1 - 2 - 3: the middle is 1 (as near to all as 2, and lower), so 2 hangs on 1 and 3 on 2.
PARENTS = tree([(0, 1), (1, 2), (2, 3)], 4)
POINTS = np.zeros((3, 4, 3), np.float32)
POINTS[:, :, 0] = [[0, 1, 3, 6], [0, 1, 3, 7], [2, 1, 3, 7]]


def test_the_four_streams_are_worked_out_by_hand():
    assert PARENTS == (1, 1, 1, 2)
    found = dict(zip(STREAMS, streams_of(POINTS, PARENTS, STREAMS)[..., 0], strict=True))
    np.testing.assert_array_equal(found["joint"], POINTS[..., 0])
    np.testing.assert_array_equal(found["bone"], [[-1, 0, 2, 3], [-1, 0, 2, 4], [1, 0, 2, 4]])
    np.testing.assert_array_equal(found["velocity"], [[0, 0, 0, 1], [2, 0, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(
        found["bone_velocity"], [[0, 0, 0, 1], [2, 0, 0, 0], [0, 0, 0, 0]]
    )


def test_arrays_and_tensors_give_the_same_in_the_order_asked_for():
    points = np.random.default_rng(0).normal(size=(2, 2, 5, 25, 3)).astype(np.float32)
    names = ("bone_velocity", "joint")
    parents = parents_of(NTU_25)
    ours, theirs = (
        streams_of(points, parents, names),
        streams_of(torch.from_numpy(points), parents, names),
    )
    assert ours.shape == (2, 2, 2, 5, 25, 3)
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(ours[:, :, 1], points)
    np.testing.assert_array_equal(ours[:, :, 0], streams_of(points, parents, STREAMS)[:, :, 3])


def test_bones_do_not_know_where_a_body_is_nor_velocities_where_it_stands_still():
    points = np.random.default_rng(0).normal(size=(5, 20, 3))
    parents = parents_of(KINECT_20)
    moved = streams_of(points + (3, -1, 2), parents, ("bone", "velocity", "bone_velocity"))
    np.testing.assert_allclose(
        moved, streams_of(points, parents, ("bone", "velocity", "bone_velocity")), atol=1e-12
    )


@pytest.mark.parametrize("name", SKELETONS)
def test_every_joint_hangs_on_a_bone_and_every_way_ends_in_a_root(name):
    skeleton = SKELETONS[name]
    parents = parents_of(skeleton)
    bones = {frozenset(bone) for bone in skeleton.bones}
    for joint, parent in enumerate(parents):
        assert joint == parent or frozenset((joint, parent)) in bones
        for _ in range(len(skeleton)):
            joint = parents[joint]
        assert parents[joint] == joint, "a root"


def test_middles_of_known_bodies():
    roots = {
        s.name: [s.joints[i] for i, p in enumerate(parents_of(s)) if i == p]
        for s in (NTU_25, KINECT_20, HANDS_42)
    }
    assert roots == {
        "ntu-25": ["spine_shoulder"],
        "kinect-20": ["spine"],
        "hands-42": ["left_hand_wrist", "right_hand_wrist"],
    }
    assert sum(i == p for i, p in enumerate(parents_of(MEDIAPIPE_543))) == 1
    for skeleton in (NTU_25, KINECT_20, HANDS_42):
        parents = parents_of(skeleton)
        assert [parents[m] for m in skeleton.mirror] == [skeleton.mirror[p] for p in parents], (
            "left is as right"
        )


@pytest.mark.parametrize("names", [("joint", "point"), ()])
def test_unknown_streams_are_refused(names):
    with pytest.raises(SettingsError, match="must be some of joint, velocity, bone, bone_velocity"):
        streams_of(POINTS, PARENTS, names)
