"""Clips of whole bodies to what a graph network reads: frames sampled, cameras varied, streams
made, on whole batches.

The network is wrapped with its test view, so that validation and test hand it clips like any other
model.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from signlib.features.streams import streams_of
from signlib.settings.config import ActionSettings, AugmentSettings
from signlib.training.augment import mirror_joints, rotations
from signlib.training.batches import Batch


class ActionDataset(Dataset):
    """Clips with their targets.

    Args:
        clips: N arrays (T, P, J, 3) without gaps.
        bodies: N arrays (P,), True where there is one.
        targets: (N,) class numbers.
        repeats: how often a pass goes through all of them.
    """

    def __init__(
        self,
        clips: Sequence[np.ndarray],
        bodies: Sequence[np.ndarray],
        targets: Sequence[int],
        repeats: int = 1,
    ) -> None:
        self.items, self.targets, self.repeats = (
            list(zip(clips, bodies, strict=True)),
            np.asarray(targets),
            repeats,
        )

    @staticmethod
    def collate(items: Sequence[tuple[np.ndarray, np.ndarray, int]]) -> Batch:
        """Items to one batch."""
        return collate(items)

    def __len__(self) -> int:
        return len(self.items) * self.repeats

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, int]:
        if not 0 <= index < len(self):
            raise IndexError(index)  # ends `for item in dataset`
        clip = index % len(self.items)
        return (*self.items[clip], int(self.targets[clip]))


def collate(items: Sequence[tuple[np.ndarray, np.ndarray, int]]) -> Batch:
    """Items to one batch: clips (B, T, P, J, 3) padded with zeros, lengths (B,), bodies (B, P)
    bool, target (B,).
    """
    lengths = torch.tensor([len(clip) for clip, _, _ in items])
    clips = torch.zeros(len(items), int(lengths.max()), *items[0][0].shape[1:])
    for row, (clip, _, _) in zip(clips, items, strict=True):
        row[: len(clip)] = torch.from_numpy(clip)
    bodies = torch.from_numpy(np.stack([bodies for _, bodies, _ in items]))
    target = torch.tensor([target for _, _, target in items])
    return {"clips": clips, "lengths": lengths, "bodies": bodies, "target": target}


def sample_frames(
    clips: Tensor, lengths: Tensor, frames: int, start: Tensor, end: Tensor
) -> Tensor:
    """Evenly spaced frames between two moments, interpolated linearly: (B, frames, P, J, 3).

    Args:
        clips: (B, T, P, J, 3), padded.
        lengths: (B,).
        start, end: (B,) first and last moment as frame numbers from 0, within the clip.
    """
    time = torch.linspace(0, 1, frames, device=clips.device)
    place = (start[:, None] + (end - start)[:, None] * time).clamp(min=0)
    place = torch.minimum(place, lengths[:, None] - 1.0)
    before = place.floor().long()
    after = torch.minimum(before + 1, lengths[:, None] - 1)
    rows = torch.arange(len(clips), device=clips.device)[:, None]
    share = (place - before)[..., None, None, None].to(clips.dtype)
    return torch.lerp(clips[rows, before], clips[rows, after], share)


def middle(lengths: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """First and last moment of that share of each clip, in the middle of it."""
    last = lengths - 1.0
    return last * (1 - share) / 2, last * (1 + share) / 2


def random_part(lengths: Tensor, least: float, frames: int) -> tuple[Tensor, Tensor]:
    """First and last moment of a random part: a share of U(least, 1) of each clip, but no fewer
    frames than that.

    Source: the practice of CTR-GCN (Chen et al. 2021).
    """
    share, place = torch.rand(2, len(lengths), device=lengths.device)
    last = lengths - 1.0
    length = torch.maximum(last * (least + (1 - least) * share), last.clamp(max=frames - 1.0))
    start = place * (last - length)
    return start, start + length


class ActionInputs:
    """Batch of clips -> batch with streams (B, P, S, T, J, 3), as validation and test see them.

    Args:
        settings: frames, crops, noise.
        streams: names, in the order of the network.
        parents: for each joint the one its bone comes from.
    """

    def __init__(
        self, settings: ActionSettings, streams: Sequence[str], parents: Sequence[int]
    ) -> None:
        self.settings, self.streams, self.parents = settings, tuple(streams), tuple(parents)

    def __call__(self, batch: Batch) -> Batch:
        """The middle of each clip."""
        lengths = batch["lengths"]
        span = middle(lengths, self.settings.test_crop)
        return self.made(batch, sample_frames(batch["clips"], lengths, self.settings.frames, *span))

    def made(self, batch: Batch, clips: Tensor) -> Batch:
        """The batch with the streams of clips (B, T, P, J, 3) instead of its own."""
        streams = streams_of(clips.transpose(1, 2), self.parents, self.streams)
        streams = streams * batch["bodies"][:, :, None, None, None, None]
        kept = {key: value for key, value in batch.items() if key not in ("clips", "lengths")}
        return {**kept, "streams": streams}


class ActionAugment(ActionInputs):
    """As training sees them: another part, camera and size each time, mirrored or not, with noise.

    Args:
        augment: strengths of mirror, yaw, pitch, roll, scale and shear; the others are for signing.
        mirror: for each joint, its mirror image.

    Source: seed 003's code (crop, yaw, scale, shear, noise a stream).
    Differs: size and shear are normal instead of uniform, the shear is of all axes, and there is a
    mirror.
    """

    def __init__(
        self,
        settings: ActionSettings,
        streams: Sequence[str],
        parents: Sequence[int],
        augment: AugmentSettings,
        mirror: Sequence[int],
    ) -> None:
        super().__init__(settings, streams, parents)
        self.augment, self.mirror = augment, list(mirror)

    def __call__(self, batch: Batch) -> Batch:
        """A random part of each clip."""
        a, lengths, size, device = (
            self.augment,
            batch["lengths"],
            len(batch["lengths"]),
            batch["clips"].device,
        )
        span = random_part(lengths, self.settings.crop, self.settings.frames)
        clips = sample_frames(batch["clips"], lengths, self.settings.frames, *span)
        clips = mirror_joints(clips, torch.rand(size, device=device) < a.mirror, self.mirror)
        large = torch.exp(torch.randn(size, 1, 1, device=device) * a.scale) * torch.eye(
            3, device=device
        )
        bent = large + torch.randn(size, 3, 3, device=device) * a.shear
        turn = rotations(size, a.yaw, a.pitch, a.roll, 3, device) @ bent
        made = self.made(batch, clips @ turn[:, None, None])
        made["streams"] = (
            self._noisy(made["streams"]) * batch["bodies"][:, :, None, None, None, None]
        )
        return made

    def _noisy(self, streams: Tensor) -> Tensor:
        spread = streams.new_tensor(
            [getattr(self.settings, f"noise_{name}") for name in self.streams]
        )
        if not spread.any():
            return streams
        return torch.addcmul(streams, torch.randn_like(streams), spread[:, None, None, None])


class ActionClassifier(nn.Module):
    """A network that reads streams, for batches of clips: clips that come without streams get their
    test view.

    Args:
        network: batch with streams and bodies -> (B, K).
        inputs: the test view.
    """

    def __init__(self, network: nn.Module, inputs: ActionInputs) -> None:
        super().__init__()
        self.network, self.inputs, self.classes = network, inputs, network.classes

    def forward(self, batch: Batch) -> Tensor:
        """Scores (B, K)."""
        if "streams" not in batch:
            with torch.autocast(batch["clips"].device.type, enabled=False):
                batch = self.inputs(batch)
        return self.network(batch)

    def auxiliary_loss(self, targets: Tensor) -> Tensor:
        """The network's own loss after a training forward; 0 for a head without one."""
        return self.network.auxiliary_loss(targets)
