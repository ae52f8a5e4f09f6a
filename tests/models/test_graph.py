"""Adjacency: a four-joint chain by hand, properties on every skeleton, the source's own faults
counted.
"""

import pytest
import torch

from signlib.data.skeletons import HANDS_42, KINECT_20, MEDIAPIPE_75, MEDIAPIPE_543, NTU_25
from signlib.errors import SettingsError
from signlib.models.graph import adjacency, hop_distances, most_central

CHAIN = [(0, 1), (1, 2), (2, 3)]


def test_one_hop_of_a_chain_is_worked_out_by_hand():
    # Within reach, oneself included: 2, 3, 3 and 2 joints.
    own, next_to = adjacency(CHAIN, 4, hops=1)
    torch.testing.assert_close(own, torch.diag(torch.tensor([1 / 2, 1 / 3, 1 / 3, 1 / 2])))
    end, middle = 1 / 6**0.5, 1 / 3
    expected = [[0, end, 0, 0], [end, 0, middle, 0], [0, middle, 0, end], [0, 0, end, 0]]
    torch.testing.assert_close(next_to, torch.tensor(expected))


def test_two_hops_of_a_chain_are_worked_out_by_hand():
    # Within reach: 3, 4, 4 and 3 joints.
    subsets = adjacency(CHAIN, 4, hops=2)
    torch.testing.assert_close(subsets[0].diagonal(), torch.tensor([1 / 3, 1 / 4, 1 / 4, 1 / 3]))
    two = torch.zeros(4, 4)
    two[0, 2] = two[2, 0] = two[1, 3] = two[3, 1] = 1 / 12**0.5
    torch.testing.assert_close(subsets[2], two)


@pytest.mark.parametrize("hops", [1, 2, 3])
@pytest.mark.parametrize(
    "skeleton", [KINECT_20, NTU_25, HANDS_42, MEDIAPIPE_75, MEDIAPIPE_543], ids=lambda s: s.name
)
def test_distance_subsets_are_symmetric_disjoint_and_of_radius_one(skeleton, hops):
    subsets = adjacency(skeleton.bones, len(skeleton), hops)
    assert subsets.shape == (hops + 1, len(skeleton), len(skeleton))
    assert subsets.dtype == torch.float32
    torch.testing.assert_close(subsets, subsets.transpose(1, 2))
    assert ((subsets > 0).sum(0) <= 1).all()
    torch.testing.assert_close(torch.linalg.matrix_norm(subsets.sum(0), 2), torch.tensor(1.0))


def test_the_ntu_skeleton_has_48_and_54_pairs_one_and_two_bones_apart():
    assert [int((subset > 0).sum()) for subset in adjacency(NTU_25.bones, 25, 2)] == [25, 48, 54]
    assert most_central(NTU_25.bones, 25) == NTU_25.index("spine_shoulder")


def test_the_seeds_partition_loses_what_it_lost_there():
    one, two = (adjacency(NTU_25.bones, 25, hops, "spatial", centre=20) for hops in (1, 2))
    assert [int((subset > 0).sum()) for subset in one] == [25, 39]
    assert [int((subset > 0).sum()) for subset in two] == [25, 35, 8]
    gives = one.sum(0) > 0
    assert int((gives & ~gives.T).sum()) == 7
    far = hop_distances(NTU_25.bones, 25) == 2
    assert two.sum(0)[far].max() == 0


def test_the_seeds_partition_of_a_chain_by_hand():
    # Centre 1, one hop: joint 3 is out of its reach. 1 -> 0, 1 -> 2 and 2 -> 3 lead away from it
    # and are dropped; the columns of 1 and 2 take in two joints and one, and a row weighs by its
    # own joint's column: none for 0 and 3.
    _, pairs = adjacency(CHAIN, 4, 1, "spatial", centre=1)
    expected = torch.zeros(4, 4)
    expected[2, 1] = 0.5**0.5
    torch.testing.assert_close(pairs, expected)


def test_joints_that_no_bone_joins_never_meet():
    distance = hop_distances(HANDS_42.bones, 42)
    assert distance[:21, 21:].isinf().all()
    assert adjacency(HANDS_42.bones, 42, 3).sum(0)[:21, 21:].max() == 0
    assert hop_distances([], 2).tolist() == [[0, float("inf")], [float("inf"), 0]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((CHAIN, 3, 1), "outside 3 joints"),
        ((CHAIN, 4, 0), "at least 1"),
        ((CHAIN, 4, 1, "uniform"), "distance, spatial"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, words):
    with pytest.raises(SettingsError, match=words):
        adjacency(*arguments)
