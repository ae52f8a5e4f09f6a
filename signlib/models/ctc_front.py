"""Landmarks of each part of the body to features of each frame, before a network for sentences."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from signlib.models.ctc import CtcNetwork
from signlib.models.ctc_blocks import real_frames
from signlib.models.layers import LandmarkStreams, MaskedNorm

Batch = Mapping[str, Tensor]
HAND_STREAMS, OTHER_STREAMS = ("point", "local", "bone", "velocity"), ("point", "velocity")


class PartStreams(nn.Module):
    """What is fed in of each part: points (B, T, J, C) to features (B, T, F) and which parts are
    seen (B, T, P).

    Args:
        parts: name -> its joints among the J; `hands` also gives shapes about the wrists.
        coordinates: C, 2 or 3.
        hands: the 21 joints of each hand.

    Attributes:
        ranges: name -> its columns, for `PartEncoder`.
        size: F.
    """

    def __init__(
        self, parts: Mapping[str, Sequence[int]], coordinates: int, hands: Sequence[Sequence[int]]
    ) -> None:
        super().__init__()
        self.joints, streams = [list(joints) for joints in parts.values()], []
        self.ranges: dict[str, list[tuple[int, int]]] = {}
        self.size = 0
        for name, joints in zip(parts, self.joints, strict=True):
            own = [[joints.index(j) for j in hand] for hand in hands if set(hand) <= set(joints)]
            streams.append(
                LandmarkStreams(
                    len(joints), coordinates, own, HAND_STREAMS if own else OTHER_STREAMS
                )
            )
            self.ranges[name] = [(self.size, self.size + streams[-1].size)]
            self.size += streams[-1].size
        self.streams = nn.ModuleList(streams)

    def forward(self, points: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Features and parts of points (B, T, J, C) with mask (B, T, J), True where a point was
        seen.
        """
        found = [
            streams(points[:, :, joints], mask[:, :, joints])
            for streams, joints in zip(self.streams, self.joints, strict=True)
        ]
        return torch.cat(found, dim=-1), torch.stack(
            [mask[:, :, j].any(-1) for j in self.joints], dim=-1
        )


class SentenceModel(nn.Module):
    """A batch of landmarks or of features to log probabilities (B, T', V).

    Args:
        front: makes features of landmarks; None where batches hold `features`.
        network: reads them.
        noise: spread that is added to every feature in training.
        standardised: F, to bring all features to one place and spread first; 0 = take them as they
            are.
    """

    def __init__(
        self,
        front: PartStreams | None,
        network: CtcNetwork,
        noise: float = 0.0,
        standardised: int = 0,
    ) -> None:
        super().__init__()
        self.front, self.network, self.noise = front, network, noise
        # Learns nothing but where features lie and how far they spread.
        self.norm = MaskedNorm(standardised, affine=False) if standardised else None

    @property
    def classes(self) -> int:
        """V, with the blank."""
        return self.network.classes

    def frames(self, lengths: Tensor) -> Tensor:
        """(B,) frames that come out of clips of so many frames."""
        return self.network.frames(lengths)

    def forward(self, batch: Batch) -> Tensor:
        """Log probabilities (B, T', V); those of padded frames mean nothing.

        Args:
            batch: `lengths` (B,), and `points` (B, T, J, C) with `mask` (B, T, J), or `features`
                (B, T, F) with `present` (B, T, P).
        """
        frames = (batch["points"] if self.front is not None else batch["features"]).shape[1]
        real = real_frames(batch["lengths"], frames)
        if self.front is not None:
            features, present = self.front(batch["points"], batch["mask"] & real[..., None])
            batch = {"features": features, "present": present, "lengths": batch["lengths"]}
        if self.norm is not None:
            batch = {**batch, "features": self.norm(batch["features"], real)}
        if self.training and self.noise:
            features = batch["features"]
            batch = {**batch, "features": features + self.noise * torch.randn_like(features)}
        return self.network(batch)
