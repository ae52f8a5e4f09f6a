"""Clips of whole bodies to what a graph network reads, on whole batches, and its fitting.

Frames are sampled, cameras varied, streams made. The network is wrapped with its test view, so that
validation and test hand it clips like any other model.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from signlib.features.streams import streams_of
from signlib.models.gcn import GraphNetwork
from signlib.models.network import Classifier
from signlib.settings.graph import ActionSettings, GraphExperiment
from signlib.settings.training import AugmentSettings
from signlib.training.augment import mirror_joints, rotations
from signlib.training.batches import Batch, ClipData, Targets, padded
from signlib.training.classification import ClassificationFitting

# Clip (T, P, J, 3), bodies (P,), class number.
ActionItem = tuple[np.ndarray, np.ndarray, int]


def collate(items: Sequence[ActionItem]) -> Batch:
    """Items to one batch, padded with zeros.

    Returns:
        clips (B, T, P, J, 3), lengths (B,), bodies (B, P) bool, target (B,).
    """
    clips, bodies, targets = zip(*items, strict=True)
    return {
        "clips": padded(clips).float(),
        "lengths": torch.tensor([len(clip) for clip in clips]),
        "bodies": torch.from_numpy(np.stack(bodies)),
        "target": torch.tensor(targets),
    }


class ActionDataset(ClipData[ActionItem]):
    """Clips with their targets.

    Args:
        clips: N arrays (T, P, J, 3) without gaps.
        bodies: N arrays (P,), True where there is one.
        targets: (N,) class numbers.
        repeats: how often a pass goes through all of them.
    """

    collate = staticmethod(collate)

    def __init__(
        self,
        clips: Sequence[np.ndarray],
        bodies: Sequence[np.ndarray],
        targets: Targets,
        repeats: int = 1,
    ) -> None:
        super().__init__(zip(clips, bodies, map(int, targets), strict=True), targets, repeats)


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
    moments = (start[:, None] + (end - start)[:, None] * time).clamp(min=0)
    moments = torch.minimum(moments, lengths[:, None] - 1.0)
    before = moments.floor().long()
    after = torch.minimum(before + 1, lengths[:, None] - 1)
    rows = torch.arange(len(clips), device=clips.device)[:, None]
    share = (moments - before)[..., None, None, None].to(clips.dtype)
    return torch.lerp(clips[rows, before], clips[rows, after], share)


def middle(lengths: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """First and last moment of that share of each clip, in the middle of it."""
    last = lengths - 1.0
    return last * (1 - share) / 2, last * (1 + share) / 2


def random_part(lengths: Tensor, least: float, frames: int) -> tuple[Tensor, Tensor]:
    """First and last moment of a random part of each clip.

    Args:
        least: the part is a share U(least, 1) of the clip,
        frames: but no fewer frames than that.

    Source: the practice of CTR-GCN (Chen et al. 2021).
    """
    share, position = torch.rand(2, len(lengths), device=lengths.device)
    last = lengths - 1.0
    length = torch.maximum(last * (least + (1 - least) * share), last.clamp(max=frames - 1.0))
    start = position * (last - length)
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
        self.settings = settings
        self.streams, self.parents = tuple(streams), tuple(parents)

    def __call__(self, batch: Batch) -> Batch:
        """The middle of each clip."""
        lengths = batch["lengths"]
        span = middle(lengths, self.settings.test_crop)
        clips = sample_frames(batch["clips"], lengths, self.settings.frames, *span)
        return self.with_streams(batch, clips)

    def with_streams(self, batch: Batch, clips: Tensor) -> Batch:
        """The batch with the streams of these clips (B, T, P, J, 3) instead of its clips."""
        streams = streams_of(clips.transpose(1, 2), self.parents, self.streams)
        kept = {key: value for key, value in batch.items() if key not in ("clips", "lengths")}
        return {**kept, "streams": _of_bodies(streams, batch)}


class ActionAugment(ActionInputs):
    """As training sees them: another part, camera and size each time, mirrored or not, with noise.

    Args:
        augment: strengths of mirror, yaw, pitch, roll, scale and shear; the others are for signing.
        mirror: for each joint, its mirror image.

    Source: the code of source 003 (crop, yaw, scale, shear, noise a stream).
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
        a, lengths = self.augment, batch["lengths"]
        size, device = len(lengths), batch["clips"].device
        span = random_part(lengths, self.settings.crop, self.settings.frames)
        clips = sample_frames(batch["clips"], lengths, self.settings.frames, *span)
        clips = mirror_joints(clips, torch.rand(size, device=device) < a.mirror, self.mirror)
        factor = torch.exp(torch.randn(size, 1, 1, device=device) * a.scale)
        large = factor * torch.eye(3, device=device)
        bent = large + torch.randn(size, 3, 3, device=device) * a.shear
        turn = rotations(size, a.yaw, a.pitch, a.roll, coordinates=3, device=device) @ bent
        changed = self.with_streams(batch, clips @ turn[:, None, None])
        streams = changed["streams"]
        spread = streams.new_tensor(
            [getattr(self.settings, f"noise_{name}") for name in self.streams]
        )
        if spread.any():
            noise = torch.randn_like(streams)
            noisy = torch.addcmul(streams, noise, spread[:, None, None, None])
            changed["streams"] = _of_bodies(noisy, batch)
        return changed


def _of_bodies(streams: Tensor, batch: Batch) -> Tensor:
    # Streams (B, P, S, T, J, 3) with zeros where there is no body.
    return streams * batch["bodies"][:, :, None, None, None, None]


class ActionClassifier(Classifier):
    """A network that reads streams; clips that come without streams get their test view.

    Args:
        network: batch with streams and bodies -> (B, K).
        inputs: the test view.
    """

    def __init__(self, network: GraphNetwork, inputs: ActionInputs) -> None:
        super().__init__()
        self.network, self.inputs = network, inputs
        self.classes = network.classes

    def forward(self, batch: Batch) -> Tensor:
        """Scores (B, K)."""
        if "streams" not in batch:
            with torch.autocast(batch["clips"].device.type, enabled=False):
                batch = self.inputs(batch)
        return self.network(batch)

    def auxiliary_loss(self, targets: Tensor) -> Tensor:
        """The network's own loss after a training forward; 0 for a head without one."""
        return self.network.auxiliary_loss(targets)


class ActionFitting(ClassificationFitting):
    """Fits an `ActionClassifier`: its head has a loss of its own beside the cross-entropy."""

    model: ActionClassifier
    settings: GraphExperiment

    def auxiliary_loss(self, targets: Tensor) -> Tensor:
        # The head's loss, weighed; `infogcn` has its weights inside.
        gcn = self.settings.gcn
        weight = gcn.ib_loss_weight if gcn.head == "original" else 1.0
        return self.model.auxiliary_loss(targets) * weight
