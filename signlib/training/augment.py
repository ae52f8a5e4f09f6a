"""Changes of a training batch that leave its signs the same, on the whole batch at once.

Geometry about the signer (another camera), about each wrist (another hand), and in what is seen.
"""

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor

from signlib.data.skeletons import Skeleton
from signlib.settings.training import AugmentSettings
from signlib.training.batches import Batch


def hands_of(chosen: Skeleton) -> list[tuple[int, ...]]:
    """Both hands' joints; the leading one, the right, is the last."""
    hands = [chosen.parts.get("left_hand", ()), chosen.parts.get("right_hand", ())]
    return [hand for hand in hands if len(hand) == 21]


class Augment:
    """A function from batch to batch.

    Args:
        settings: strengths; 0 switches one off.
        mirror: for each joint, its mirror image.
        hands: indices of each hand's 21 joints, the leading hand last.
        coordinates: C, 2 or 3; rotations out of the picture need 3.
    """

    def __init__(
        self,
        settings: AugmentSettings,
        mirror: Sequence[int],
        hands: Sequence[Sequence[int]],
        coordinates: int,
    ) -> None:
        self.settings, self.coordinates = settings, coordinates
        self.mirror = list(mirror)
        self.hands = [list(hand) for hand in hands]
        in_hands = set(chain.from_iterable(self.hands))
        self.body = [joint for joint in range(len(self.mirror)) if joint not in in_hands]

    def __call__(self, batch: Batch) -> Batch:
        """The batch with points and mask changed, if it has some; everything else stays."""
        if "points" not in batch:
            return batch
        flip = (
            torch.rand(len(batch["points"]), device=batch["points"].device) < self.settings.mirror
        )
        points, mask = mirrored(batch["points"], batch["mask"], flip, self.mirror)
        points = points @ self._camera(len(points), points.device)[:, None]
        points = self._reshape_hands(self._move_body(points))
        mask = self._hide_hands(mask, batch["lengths"])
        return {**batch, "points": points * mask[..., None], "mask": mask}

    def _camera(self, size: int, device: torch.device) -> Tensor:
        # (B, C, C): rotation, scale and shear about the signer.
        s = self.settings
        factor = torch.exp(torch.randn(size, 1, 1, device=device) * s.scale)
        scale = factor * torch.eye(self.coordinates, device=device)
        if s.depth and self.coordinates == 3:
            scale[:, 2, 2] *= torch.exp(torch.randn(size, device=device) * s.depth)
        shear = torch.randn(size, self.coordinates, self.coordinates, device=device) * s.shear
        turn = rotations(size, s.yaw, s.pitch, s.roll, coordinates=self.coordinates, device=device)
        return turn @ (scale + shear)

    def _move_body(self, points: Tensor) -> Tensor:
        if not self.settings.body or not self.body:
            return points
        points = points.clone()
        # One offset a joint for the whole clip: another build of body.
        offset = torch.randn(len(points), 1, len(self.body), self.coordinates, device=points.device)
        points[:, :, self.body] += offset * self.settings.body
        return points

    def _reshape_hands(self, points: Tensor) -> Tensor:
        s, device = self.settings, points.device
        size = len(points)
        points = points.clone()
        for hand in self.hands:
            wrist = points[:, :, hand[:1]]
            turn = rotations(
                size,
                s.hand_yaw,
                s.hand_pitch,
                s.hand_roll,
                coordinates=self.coordinates,
                device=device,
            )
            turn = turn * torch.exp(torch.randn(size, 1, 1, device=device) * s.hand_scale)
            local = (points[:, :, hand] - wrist) @ turn[:, None]
            # One factor a finger, for its four joints.
            fingers = torch.exp(torch.randn(size, 1, 5, 1, device=device) * s.finger)
            joints = local[:, :, 1:] * fingers.repeat_interleave(4, dim=2)
            local = torch.cat([local[:, :, :1], joints], dim=2)
            # From the wrist to the knuckle of the middle finger, its longest view in the clip.
            palm = local[:, :, 9].norm(dim=-1).amax(1)[:, None, None, None]
            shape = torch.randn(size, 1, 21, self.coordinates, device=device) * s.joint
            noise = torch.randn(local.shape, device=device) * s.jitter
            offset = torch.randn(size, 1, 1, self.coordinates, device=device) * s.shift
            points[:, :, hand] = wrist + offset + local + (shape + noise) * palm
        return points

    def _hide_hands(self, mask: Tensor, lengths: Tensor) -> Tensor:
        s, size = self.settings, len(mask)
        mask = mask.clone()
        time = torch.arange(mask.shape[1], device=mask.device)
        for order, hand in enumerate(self.hands):
            span = torch.rand(size, 1, device=mask.device) * s.drop_hand * lengths[:, None]
            start = torch.rand(size, 1, device=mask.device) * (lengths[:, None] - span)
            hidden = (time >= start) & (time < start + span)
            # The first of two hands is the one that does not lead: it may be missing in all frames.
            if order == 0 and len(self.hands) == 2:
                hidden |= torch.rand(size, 1, device=mask.device) < s.drop_second
            mask[:, :, hand] &= ~hidden[..., None]
        return mask


def mirrored(
    points: Tensor, mask: Tensor, flip: Tensor, joints: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Points (B, T, J, C) and mask (B, T, J) with the clips of `flip` (B,) as a mirror shows them.

    Args:
        joints: for each joint, its mirror image.
    """
    if not flip.any():
        return points, mask
    mask = mask.clone()
    mask[flip] = mask[flip][:, :, list(joints)]
    return mirror_joints(points, flip, joints), mask


def mirror_joints(points: Tensor, flip: Tensor, joints: Sequence[int]) -> Tensor:
    """Points (B, ..., J, C) with the clips of `flip` (B,) as a mirror shows them."""
    if not flip.any():
        return points
    points = points.clone()
    swapped = points[flip][..., list(joints), :]
    swapped[..., 0] *= -1
    points[flip] = swapped
    return points


def rotations(
    size: int, yaw: float, pitch: float, roll: float, coordinates: int, device: torch.device
) -> Tensor:
    """Random rotations (B, C, C) for row vectors, each angle uniform within its limit in degrees.

    With two coordinates only the roll turns; yaw narrows x and pitch narrows y, as a turned plane
    looks.
    """
    limits = torch.tensor([pitch, yaw, roll], device=device)
    angles = torch.deg2rad((torch.rand(size, 3, device=device) * 2 - 1) * limits)
    (cx, cy, cz), (sx, sy, sz) = angles.cos().T, angles.sin().T
    zero, one = torch.zeros_like(cx), torch.ones_like(cx)
    about_z = torch.stack([cz, sz, zero, -sz, cz, zero, zero, zero, one], 1).view(size, 3, 3)
    about_y = torch.stack([cy, zero, -sy, zero, one, zero, sy, zero, cy], 1).view(size, 3, 3)
    about_x = torch.stack([one, zero, zero, zero, cx, sx, zero, -sx, cx], 1).view(size, 3, 3)
    return (about_x @ about_y @ about_z)[:, :coordinates, :coordinates]


def mixup(batch: Batch, targets: Tensor, alpha: float) -> tuple[Batch, Tensor]:
    """Each clip blended with another of the batch, and the targets (B, K) with it.

    Source: Zhang et al. 2018, mixup, eq. 1; the share is at least one half, so the first clip
    leads.
    """
    share = torch.distributions.Beta(alpha, alpha).sample().item()
    share = max(share, 1 - share)
    other = torch.randperm(len(targets), device=targets.device)
    values, there = ("streams", "bodies") if "streams" in batch else ("points", "mask")
    blend = share * batch[values] + (1 - share) * batch[values][other]
    mixed = {**batch, values: blend, there: batch[there] | batch[there][other]}
    return mixed, share * targets + (1 - share) * targets[other]
