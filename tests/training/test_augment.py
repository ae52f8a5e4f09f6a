"""Augmentation changes what another camera, hand or drop-out would change, and nothing else."""

from dataclasses import fields

import pytest
import torch

from signlib.data.skeletons import HANDS_42, MEDIAPIPE_75
from signlib.settings.training import AugmentSettings
from signlib.training.augment import Augment, mixup, rotations

HANDS = (tuple(range(21)), tuple(range(21, 42)))
OFF = {entry.name: 0.0 for entry in fields(AugmentSettings)}


def batch(
    size: int = 6, frames: int = 12, coordinates: int = 3, joints: int = 42, whole: bool = False
) -> dict[str, torch.Tensor]:
    """Clips with missing points and padding; `whole` ones have neither."""
    generator = torch.Generator().manual_seed(3)
    lengths = torch.arange(size) % 3 + frames - 2
    mask = torch.rand(size, frames, joints, generator=generator) > 0.1
    mask[:, :, ::21] = True
    mask &= (torch.arange(frames) < lengths[:, None])[..., None]
    mask |= torch.tensor(whole)
    points = torch.randn(size, frames, joints, coordinates, generator=generator) * mask[..., None]
    return {"points": points, "mask": mask, "lengths": lengths, "target": torch.arange(size)}


def augment(coordinates: int = 3, skeleton=HANDS_42, hands=HANDS, **strengths: float) -> Augment:
    return Augment(AugmentSettings(**{**OFF, **strengths}), skeleton.mirror, hands, coordinates)


def assert_same(
    one: dict[str, torch.Tensor], two: dict[str, torch.Tensor], **tolerance: float
) -> None:
    assert one.keys() == two.keys()
    for key in one:
        torch.testing.assert_close(
            one[key], two[key], **(tolerance or {"atol": 1e-5, "rtol": 1e-5})
        )


@pytest.mark.parametrize("coordinates", [2, 3])
def test_strengths_of_zero_are_the_identity(coordinates):
    assert_same(
        augment(coordinates)(batch(coordinates=coordinates)), batch(coordinates=coordinates)
    )


# All that acts in `Augment`; warp, crop and mixup act elsewhere.
STRENGTHS = {
    "mirror": 0.5,
    "yaw": 20,
    "pitch": 20,
    "roll": 20,
    "scale": 0.2,
    "shear": 0.2,
    "hand_yaw": 20,
    "hand_pitch": 20,
    "hand_roll": 20,
    "hand_scale": 0.2,
    "finger": 0.2,
    "joint": 0.1,
    "shift": 0.1,
    "jitter": 0.1,
    "drop_hand": 0.5,
    "drop_second": 0.5,
    "depth": 0.3,
    "body": 0.1,
}


def test_every_strength_is_tried_below():
    assert set(STRENGTHS) | {"warp", "crop", "mixup"} == set(OFF)


@pytest.mark.parametrize(
    ("strength", "coordinates"),
    [(s, c) for s in STRENGTHS for c in (2, 3) if (s, c) != ("depth", 2)],
)
def test_every_strength_changes_points_keeps_missing_ones_at_zero_and_repeats_under_a_seed(
    strength, coordinates
):
    # One point more than the hands have: it is the body.
    given = batch(coordinates=coordinates, joints=43)
    change = augment(coordinates, **{strength: STRENGTHS[strength]})
    change = Augment(change.settings, [*HANDS_42.mirror, 42], HANDS, coordinates)
    untouched = {key: value.clone() for key, value in given.items()}
    torch.manual_seed(5)
    out = change(given)
    assert (out["points"] - given["points"]).abs().max() > 1e-3
    assert (out["points"][~out["mask"]] == 0).all()
    assert out["points"].dtype == torch.float32
    assert_same(
        {k: out[k] for k in ("lengths", "target")}, {k: given[k] for k in ("lengths", "target")}
    )
    for key in given:
        assert torch.equal(given[key], untouched[key]), f"{strength} wrote into {key} of its input"
    torch.manual_seed(5)
    again = change(given)
    assert all(torch.equal(out[key], again[key]) for key in out)
    torch.manual_seed(6)
    assert not torch.equal(change(given)["points"], out["points"])


@pytest.mark.parametrize(
    "strength", [s for s in STRENGTHS if s not in ("mirror", "drop_hand", "drop_second")]
)
def test_what_is_seen_changes_by_mirroring_and_hiding_only(strength):
    out = augment(**{strength: STRENGTHS[strength]})(batch())
    assert torch.equal(out["mask"], batch()["mask"])


@pytest.mark.parametrize("coordinates", [2, 3])
def test_mirroring_twice_is_the_identity_and_once_swaps_the_hands(coordinates):
    always, given = augment(coordinates, mirror=1.0), batch(coordinates=coordinates)
    once = always(given)
    assert torch.equal(once["mask"][:, :, :21], given["mask"][:, :, 21:])
    torch.testing.assert_close(once["points"][:, :, :21, 0], -given["points"][:, :, 21:, 0])
    torch.testing.assert_close(once["points"][:, :, :21, 1:], given["points"][:, :, 21:, 1:])
    assert_same(always(once), given)


def test_each_clip_is_mirrored_with_its_own_chance():
    given = batch(size=400)
    torch.manual_seed(0)
    out = augment(mirror=0.25)(given)
    flipped = (out["points"][:, 0, 0, 0] != given["points"][:, 0, 0, 0]).float().mean()
    assert 0.18 < flipped < 0.32


@pytest.mark.parametrize("limits", [(30, 0, 0), (0, 30, 0), (0, 0, 30), (180, 90, 180)])
def test_rotations_in_space_are_rotations(limits):
    torch.manual_seed(0)
    turn = rotations(50, *limits, coordinates=3, device=torch.device("cpu"))
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).expand(50, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones(50))
    assert turn.std(dim=0).max() > 0.05


def test_each_angle_turns_about_its_own_axis_within_its_limit():
    for axis, limits in ((1, (30, 0, 0)), (0, (0, 30, 0)), (2, (0, 0, 30))):
        turn = rotations(2000, *limits, coordinates=3, device=torch.device("cpu"))
        assert torch.equal(turn[:, axis], torch.eye(3)[axis].expand(2000, 3))
        angle = torch.rad2deg(
            torch.arccos(((turn.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1))
        )
        assert 29 < angle.max() <= 30.01


def test_in_the_plane_only_roll_turns_and_the_others_narrow():
    roll = rotations(20, 0, 0, 45, coordinates=2, device=torch.device("cpu"))
    torch.testing.assert_close(roll @ roll.mT, torch.eye(2).expand(20, 2, 2), atol=1e-6, rtol=0)
    yaw = rotations(20, 60, 0, 0, coordinates=2, device=torch.device("cpu"))
    assert (yaw[:, 0, 1] == 0).all()
    assert (yaw[:, 1] == torch.tensor([0.0, 1])).all()
    assert 0.5 <= yaw[:, 0, 0].min() < 0.9


def test_the_camera_keeps_distances_up_to_one_scale_a_clip():
    given = batch(whole=True)
    turned = augment(yaw=90, pitch=90, roll=180)(given)["points"]
    torch.testing.assert_close(
        turned.norm(dim=-1), given["points"].norm(dim=-1), atol=1e-5, rtol=1e-4
    )
    ratio = augment(scale=0.3)(given)["points"] / given["points"].where(given["points"] != 0, 1.0)
    ratio = ratio[:, 0].flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), atol=1e-4, rtol=1e-3)
    assert ratio[:, 0].std() > 0.05


@pytest.mark.parametrize(
    "strengths", [{"hand_yaw": 90, "hand_pitch": 90, "hand_roll": 180}, {"hand_roll": 45}]
)
def test_a_hand_turns_about_its_wrist(strengths):
    given = batch(whole=True)
    torch.manual_seed(1)
    out = augment(**strengths)(given)["points"]
    for wrist in (0, 21):
        before, after = given["points"][:, :, wrist : wrist + 21], out[:, :, wrist : wrist + 21]
        torch.testing.assert_close(after[:, :, 0], before[:, :, 0], atol=1e-5, rtol=0)
        torch.testing.assert_close(
            (after - after[:, :, :1]).norm(dim=-1),
            (before - before[:, :, :1]).norm(dim=-1),
            atol=1e-5,
            rtol=1e-4,
        )
        assert (after - before).abs().max() > 0.1


@pytest.mark.parametrize("strength", ["hand_scale", "finger"])
def test_size_of_hand_and_fingers_keeps_wrist_and_directions(strength):
    given = batch(whole=True)
    torch.manual_seed(1)
    out = augment(**{strength: 0.3})(given)["points"]
    before = given["points"][:, :, 1:21] - given["points"][:, :, :1]
    after = out[:, :, 1:21] - out[:, :, :1]
    torch.testing.assert_close(out[:, :, 0], given["points"][:, :, 0], atol=1e-5, rtol=0)
    ratio = after.norm(dim=-1) / before.norm(dim=-1)
    torch.testing.assert_close(after, before * ratio[..., None], atol=1e-4, rtol=1e-3)
    by_finger = ratio.unflatten(2, (5, 4))
    torch.testing.assert_close(
        by_finger, by_finger[:, :1, :, :1].expand_as(by_finger), atol=1e-3, rtol=1e-3
    )
    assert (by_finger[:, 0, 0, 0] - by_finger[:, 0, 1, 0]).abs().max() > (
        0.01 if strength == "finger" else -1
    )
    if strength == "hand_scale":
        torch.testing.assert_close(
            by_finger, by_finger[:, :, :1].expand_as(by_finger), atol=1e-3, rtol=1e-3
        )


def test_jitter_differs_by_frame_and_shape_does_not():
    given = batch(whole=True)
    for strength, steady in (("joint", True), ("shift", True), ("jitter", False)):
        moved = augment(**{strength: 0.1})(given)["points"] - given["points"]
        assert (moved.std(dim=1).max() < 1e-5) == steady, strength
        assert moved.abs().max() > 0.01
    shifted = augment(shift=0.1)(given)["points"] - given["points"]
    torch.testing.assert_close(
        shifted[:, :, :21], shifted[:, :, :1].expand(-1, -1, 21, -1), atol=1e-5, rtol=0
    )


def test_points_outside_the_hands_stay():
    hands = tuple(
        tuple(MEDIAPIPE_75.selection(f"{side}_hand").tolist()) for side in ("left", "right")
    )
    given = batch(joints=75)
    kinds = ("hand", "finger", "joint", "shift", "jitter", "drop")
    strong = {name: value for name, value in STRENGTHS.items() if name.startswith(kinds)}
    out = augment(skeleton=MEDIAPIPE_75, hands=hands, **strong)(given)
    torch.testing.assert_close(out["points"][:, :, :33], given["points"][:, :, :33])
    assert torch.equal(out["mask"][:, :, :33], given["mask"][:, :, :33])
    without = augment(skeleton=MEDIAPIPE_75, hands=(), **strong)(given)
    assert_same(without, given)


def test_the_body_moves_for_a_whole_clip_and_the_hands_stay():
    given = batch(joints=45, whole=True)
    change = Augment(
        AugmentSettings(**{**OFF, "body": 0.1}), [*HANDS_42.mirror, 43, 42, 44], HANDS, 3
    )
    torch.manual_seed(0)
    moved = change(given)["points"] - given["points"]
    torch.testing.assert_close(moved[:, :, :42], torch.zeros(6, 12, 42, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        moved[:, :, 42:], moved[:, :1, 42:].expand(-1, 12, -1, -1), atol=1e-5, rtol=0
    )
    assert 0.05 < moved[:, 0, 42:].std() < 0.15


def test_depth_stretches_z_alone_by_one_factor_a_clip():
    given = batch(whole=True)
    torch.manual_seed(0)
    out = augment(depth=0.3)(given)["points"]
    torch.testing.assert_close(out[..., :2], given["points"][..., :2], atol=1e-5, rtol=1e-4)
    factor = (out[..., 2] * given["points"][..., 2]).sum((1, 2)) / given["points"][
        ..., 2
    ].square().sum((1, 2))
    torch.testing.assert_close(
        out[..., 2], factor[:, None, None] * given["points"][..., 2], atol=1e-4, rtol=1e-3
    )
    assert factor.std() > 0.05
    flat = batch(coordinates=2)
    assert_same(augment(2, depth=0.3)(flat), flat)


def test_the_second_hand_alone_is_dropped_as_a_whole():
    given = batch(size=300)
    torch.manual_seed(0)
    out = augment(drop_second=0.3)(given)
    gone = ~out["mask"][:, :, :21].any(dim=(1, 2))
    assert 0.22 < gone.float().mean() < 0.38
    assert torch.equal(out["mask"][~gone], given["mask"][~gone])
    assert torch.equal(out["mask"][:, :, 21:], given["mask"][:, :, 21:])
    assert (out["points"][gone][:, :, :21] == 0).all()
    alone = augment(hands=HANDS[1:], drop_second=1.0)(given)
    assert torch.equal(alone["mask"], given["mask"])


def test_a_hidden_hand_is_hidden_in_one_piece_and_not_longer_than_asked():
    given = batch(size=300, frames=20)
    given["mask"] = (torch.arange(20) < given["lengths"][:, None])[..., None].repeat(1, 1, 42)
    torch.manual_seed(0)
    out = augment(drop_hand=0.4)(given)
    hidden = (given["mask"] & ~out["mask"])[:, :, 0]
    assert torch.equal(
        hidden[:, :, None].expand(-1, -1, 21), (given["mask"] & ~out["mask"])[:, :, :21]
    )
    starts = (hidden[:, 1:] & ~hidden[:, :-1]).sum(1) + hidden[:, 0]
    assert starts.max() == 1
    share = hidden.sum(1) / given["lengths"]
    # A span of n frames can touch one frame more.
    assert 0.3 < share.max() <= 0.4 + 1 / 18
    assert not (out["mask"] & ~given["mask"]).any()


def test_mixup_blends_clips_masks_and_targets_by_one_share():
    given, targets = batch(size=16), torch.eye(16)
    torch.manual_seed(2)
    mixed, soft = mixup(given, targets, alpha=1.0)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(16))
    blended = soft.diagonal() < 1
    assert blended.sum() >= 8
    share = soft.diagonal()[blended][0]
    assert 0.5 <= share < 0.99
    torch.testing.assert_close(soft.diagonal()[blended], share.expand(int(blended.sum())))
    for i, row in enumerate(soft):
        other = int((row - targets[i] * row[i]).argmax()) if blended[i] else i
        torch.testing.assert_close(
            mixed["points"][i], share * given["points"][i] + (1 - share) * given["points"][other]
        )
        assert torch.equal(mixed["mask"][i], given["mask"][i] | given["mask"][other])
    assert torch.equal(given["points"], batch(size=16)["points"])
