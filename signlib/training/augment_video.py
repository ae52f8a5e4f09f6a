"""Changes of a multimodal training batch that leave its signs the same, on the whole batch at once.

A clip is mirrored in all modalities or in none; pictures are cut out, and their light and levels
change.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from signlib.settings.modalities import VideoAugmentSettings
from signlib.settings.training import AugmentSettings
from signlib.stores.pictures import COLOUR, DEPTH
from signlib.training.augment import Augment, mirror_joints, mirrored
from signlib.training.batches import Batch

_GREY = (0.299, 0.587, 0.114)
# Holes in depth are squares, so many to a side of the picture.
_HOLE = 28


class MultimodalAugment:
    """A function from batch to batch, on whatever device the batch is.

    Args:
        settings: of the landmarks; its `mirror` is the chance for the whole clip.
        video: of the pictures.
        mirror: for each joint, its mirror image; hands, coordinates: as for `Augment`. Not used
            without landmarks.

    Differs: source 000 varies no clip.
    """

    def __init__(
        self,
        settings: AugmentSettings,
        video: VideoAugmentSettings,
        mirror: Sequence[int] = (),
        hands: Sequence[Sequence[int]] = (),
        coordinates: int = 3,
    ) -> None:
        self.chance, self.video = settings.mirror, video
        self.joints = list(mirror)
        # A clip is mirrored in all modalities at once, so not by the part for landmarks.
        self.points = Augment(replace(settings, mirror=0.0), mirror, hands, coordinates)

    def __call__(self, batch: Batch) -> Batch:
        """The batch with points, mask and pictures (still uint8) changed.

        A missing modality stays zero.
        """
        size, device = len(batch["present"]), batch["present"].device
        batch = mirror_batch(batch, torch.rand(size, device=device) < self.chance, self.joints)
        batch = self.points(batch)
        crop, aspect = self.video.crop, self.video.aspect
        box = boxes(size, crop, aspect, device) if crop or aspect else None
        if COLOUR in batch:
            batch[COLOUR] = self._colour(batch[COLOUR], box)
        if DEPTH in batch:
            batch[DEPTH] = self._depth(batch[DEPTH], box)
        return batch

    def _colour(self, frames: Tensor, box: Tensor | None) -> Tensor:
        v = self.video
        if box is None and not (v.brightness or v.contrast or v.saturation):
            return frames
        planes = frames.movedim(-1, 2).float()
        if box is not None:
            planes = cut(planes, box, "bilinear")
        if v.brightness or v.contrast or v.saturation:
            planes = self._jittered(planes)
        return _levels(planes, 0).movedim(2, -1).contiguous()

    def _jittered(self, planes: Tensor) -> Tensor:
        # Brightness, contrast about the clip's mean grey, saturation: as one matrix a clip.
        v, device = self.video, planes.device
        strengths = torch.tensor([v.brightness, v.contrast, v.saturation], device=device)
        draws = 1 + (torch.rand(len(planes), 3, device=device) * 2 - 1) * strengths
        bright, contrast, colour = draws[:, :, None, None].unbind(1)
        grey = torch.tensor(_GREY, device=device)
        saturate = colour * torch.eye(3, device=device) + (1 - colour) * grey.expand(3, 3)
        turn = bright * contrast * saturate
        middle = bright * (1 - contrast) * (planes.mean((1, 3, 4)) @ grey)[:, None, None]
        return (turn[:, None] @ planes.flatten(3) + middle[:, None]).view_as(planes)

    def _depth(self, frames: Tensor, box: Tensor | None) -> Tensor:
        v, device = self.video, frames.device
        size = len(frames)
        levels = frames.float()
        if box is not None:
            levels = cut(levels[:, :, None], box, "nearest")[:, :, 0]
        # Level 0 says that the sensor measured nothing there.
        measured = levels > 0
        if v.depth_shift or v.depth_scale:
            shift, scale = (torch.rand(2, size, 1, 1, 1, device=device) * 2 - 1).unbind()
            stretched = 128 + (1 + v.depth_scale * scale) * (levels - 128)
            levels = stretched + 255 * v.depth_shift * shift
        if v.holes:
            side = max(1, frames.shape[-1] // _HOLE)
            squares = [-(-length // side) for length in frames.shape[-2:]]
            draws = torch.rand(*frames.shape[:2], *squares, device=device)
            lost = draws < v.holes * torch.rand(size, 1, 1, 1, device=device)
            lost = lost.repeat_interleave(side, 2).repeat_interleave(side, 3)
            measured = measured & ~lost[:, :, : frames.shape[2], : frames.shape[3]]
        return torch.where(measured, _levels(levels, 1), 0)


def mirror_batch(batch: Batch, flip: Tensor, joints: Sequence[int]) -> Batch:
    """The batch with the clips of `flip` (B,) as a mirror shows them, in every modality.

    Args:
        joints: for each joint, its mirror image.
    """
    out = dict(batch)
    if "points" in batch:
        out["points"], out["mask"] = mirrored(batch["points"], batch["mask"], flip, joints)
    if "clips" in batch:
        out["clips"] = mirror_joints(batch["clips"], flip, joints)
    for key in (COLOUR, DEPTH):
        if key in batch and flip.any():
            out[key] = batch[key].clone()
            out[key][flip] = batch[key][flip].flip(3)
    return out


def boxes(size: int, crop: float, aspect: float, device: torch.device) -> Tensor:
    """Random cut-outs (B, 4): left, top, width and height as shares of the picture."""
    area, shape, left, top = torch.rand(4, size, device=device)
    area, shape = 1 - crop * area, torch.exp(aspect * (2 * shape - 1))
    width, height = (area * shape).sqrt().clamp(max=1), (area / shape).sqrt().clamp(max=1)
    return torch.stack([left * (1 - width), top * (1 - height), width, height], 1)


def cut(planes: Tensor, box: Tensor, mode: str) -> Tensor:
    """Each clip's cut-out, as large as the picture was.

    Args:
        planes: (B, T, C, H, W) float.
        box: (B, 4) as `boxes` gives them.
        mode: `bilinear`, or `nearest` where levels must not mix.
    """
    left, top, width, height = box.T
    zero = torch.zeros_like(left)
    # Two rows a clip: x and y of the source, from -1 to 1, as `affine_grid` wants them.
    to_source = torch.stack(
        [width, zero, 2 * left + width - 1, zero, height, 2 * top + height - 1], 1
    ).view(-1, 2, 3)
    flat = planes.flatten(1, 2)
    grid = functional.affine_grid(to_source, list(flat.shape), align_corners=False)
    return functional.grid_sample(flat, grid, mode, "border", align_corners=False).view_as(planes)


def _levels(values: Tensor, lowest: int) -> Tensor:
    return values.round_().clamp_(lowest, 255).to(torch.uint8)
