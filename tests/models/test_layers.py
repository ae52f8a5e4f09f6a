"""The pieces of the encoders, against answers worked out by hand and against torch."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from signlib.data.skeletons import HAND_BONES
from signlib.errors import SettingsError
from signlib.models.layers import (
    FINGER_BONES,
    TIPS_AND_KNUCKLES,
    LandmarkStreams,
    MaskedNorm,
    TemporalStem,
    masked_mean,
    pool_frames,
)

KNUCKLES = (5, 9, 13, 17)


def hand_clip(frames: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """A flat hand at (10, 20): joint j lies j below the wrist, so that the palm is (5 + 9 + 13 +
    17) / 4 = 11.
    """
    points = torch.zeros(1, frames, 21, 2)
    points[..., 0], points[..., 1] = 10, 20 + torch.arange(21.0)
    return points, torch.ones(1, frames, 21, dtype=torch.bool)


def streams(
    *names: str, joints: int = 21, coordinates: int = 2, hands=(range(21),)
) -> LandmarkStreams:
    return LandmarkStreams(joints, coordinates, hands, names)


def test_finger_bones_are_those_of_the_skeleton_without_the_palm():
    assert set(FINGER_BONES) == set(HAND_BONES[:20])
    assert not set(FINGER_BONES) & set(pairwise(KNUCKLES))


def test_points_pass_as_they_are_and_the_hand_says_that_it_is_seen():
    points, mask = hand_clip()
    out = streams("point")(points, mask)
    torch.testing.assert_close(out[..., :42], points.flatten(2))
    assert (out[..., 42] == 1).all()
    assert out.shape[-1] == 43


def test_local_is_about_the_wrist_in_palms():
    points, mask = hand_clip()
    module = streams("local")
    local = module(points, mask)[..., :42].unflatten(-1, (21, 2))
    torch.testing.assert_close(local[0, 0, :, 1], torch.arange(21.0) / (11 + 1e-3))
    assert (local[..., 0] == 0).all()
    moved = module(points * 3 + 7, mask)[..., :42].unflatten(-1, (21, 2))
    torch.testing.assert_close(moved, local, atol=3e-4, rtol=0)


def test_bones_are_directions_of_length_one():
    points, mask = hand_clip()
    bones = streams("bone")(points, mask)[..., :40].unflatten(-1, (20, 2))
    # All of them point down; the shortest is one joint long, 1/11 of a palm, beside which 0.001 is
    # little.
    torch.testing.assert_close(bones[..., 1], torch.ones(1, 3, 20), atol=0.015, rtol=0)
    assert (bones[..., 0] == 0).all()
    turned = points.flip(-1)
    sideways = streams("bone")(turned, mask)[..., :40].unflatten(-1, (20, 2))
    torch.testing.assert_close(sideways, bones.flip(-1))


def test_pairs_are_distances_between_tips_and_knuckles():
    points, mask = hand_clip(1)
    pairs = streams("pair")(points, mask)[0, 0, :-1]
    expected = [
        abs(a - b) / (11 + 1e-3)
        for i, a in enumerate(TIPS_AND_KNUCKLES)
        for b in TIPS_AND_KNUCKLES[i + 1 :]
    ]
    torch.testing.assert_close(pairs, torch.tensor(expected))
    assert len(expected) == 45


def test_velocity_is_the_step_times_four_and_zero_where_a_point_appears():
    points = torch.zeros(1, 4, 2, 2)
    points[0, :, 0] = torch.tensor([[1.0, 1], [2, 1], [4, 0], [4, 5]])
    points[0, :, 1] = 9.0
    mask = torch.tensor([[[1, 1], [1, 0], [0, 1], [1, 1]]], dtype=torch.bool)
    out = streams("velocity", joints=2, hands=())(points, mask)[0].unflatten(-1, (2, 2))
    assert out[:, 0].tolist() == [[0, 0], [4, 0], [0, 0], [0, 0]]
    assert (out[:, 1] == 0).all()
    whole = streams("velocity", joints=2, hands=())(points, torch.ones_like(mask))[0].unflatten(
        -1, (2, 2)
    )
    assert whole[:, 0].tolist() == [[0, 0], [4, 0], [8, -4], [0, 20]]


@pytest.mark.parametrize("junk", [0.0, 1e6, math.nan, math.inf])
def test_a_hand_that_is_not_seen_gives_zeros_whatever_its_values(junk):
    points, mask = hand_clip()
    points, mask = points.repeat(1, 1, 2, 1), mask.repeat(1, 1, 2)
    mask[:, 1, :21] = False
    points[:, 1, :21] = junk
    module = streams(
        "point", "local", "bone", "pair", "velocity", joints=42, hands=(range(21), range(21, 42))
    )
    out = module(points, mask)
    assert out.shape[-1] == module.size == 84 + 84 + 80 + 90 + 84 + 2
    point, velocity, local, bone, pair, shown = out[0, 1].split([84, 84, 84, 80, 90, 2])
    assert shown.tolist() == [0, 1]
    for part in (point, velocity, local, bone, pair):
        assert (part[: len(part) // 2] == 0).all()
    for part in (point, local, bone, pair):
        assert (part[len(part) // 2 :] != 0).any()
    assert torch.isfinite(out).all()


def test_streams_of_hands_alone_need_hands():
    with pytest.raises(SettingsError, match=r"model\.streams=.*local.*add 'point'"):
        streams("local", "pair", hands=())


@pytest.mark.parametrize("lengths", [(5, 3, 1), (5, 5, 5)])
def test_masked_norm_is_batch_norm_of_the_real_frames(lengths):
    torch.manual_seed(0)
    x = torch.randn(3, 5, 4) * 3 + 1
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    x[~mask] = 1e4
    ours, theirs = MaskedNorm(4), nn.BatchNorm1d(4)
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.weight.copy_(torch.tensor([1.0, 2, 3, 4]))
            norm.bias.fill_(0.5)
    for _ in range(2):
        out, expected = ours(x, mask), theirs(x[mask])
        torch.testing.assert_close(out[mask], expected)
        assert (out[~mask] == 0).all()
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    assert ours.num_batches_tracked == theirs.num_batches_tracked == 2
    ours.eval(), theirs.eval()
    out = ours(x, mask)
    torch.testing.assert_close(out[mask], theirs(x[mask]))
    assert (out[~mask] == 0).all()


def test_pooling_means_real_frames_only():
    x = torch.tensor([[[1.0], [3], [5], [7], [100]], [[2], [4], [6], [8], [10]]])
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    pooled, kept = pool_frames(x, mask, 2)
    assert pooled[..., 0].tolist() == [[2, 5, 0], [3, 7, 10]]
    assert kept.tolist() == [[True, True, False], [True, True, True]]
    pooled, kept = pool_frames(x, mask, 3)
    assert pooled[..., 0].tolist() == [[3, 0], [4, 9]]
    assert kept.tolist() == [[True, False], [True, True]]
    same, unchanged = pool_frames(x, mask, 1)
    assert same is x
    assert unchanged is mask


def test_masked_mean_of_frames():
    x = torch.tensor([[[1.0], [3], [50]], [[7], [8], [9]]])
    mask = torch.tensor([[1, 1, 0], [0, 0, 0]], dtype=torch.bool)
    assert masked_mean(x, mask).tolist() == [[2], [0]]


@pytest.mark.parametrize("training", [False, True])
def test_the_stem_does_not_see_padding(training):
    torch.manual_seed(0)
    stem = TemporalStem(size=3, width=4, blocks=2, kernel=3, stride=2, dropout=0.0).train(training)
    x = torch.randn(2, 5, 3)
    mask = torch.arange(5) < torch.tensor([5, 4])[:, None]
    short, real = stem(x, mask)
    padded = torch.cat([x, torch.full((2, 4, 3), 77.0)], dim=1)
    long, long_real = stem(padded, torch.cat([mask, torch.zeros(2, 4, dtype=torch.bool)], dim=1))
    assert real.tolist() == [[True, True, True], [True, True, False]]
    assert long_real.sum() == real.sum()
    torch.testing.assert_close(long[:, :3], short)
