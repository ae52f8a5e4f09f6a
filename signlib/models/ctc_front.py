"""Landmarks of each part of the body to features of each frame, before a network for sentences."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from signlib.models.ctc import CtcNetwork
from signlib.models.layers import LandmarkStreams, MaskedNorm, real_frames
from signlib.models.network import Batch, Classifier

HAND_STREAMS, OTHER_STREAMS = ("point", "local", "bone", "velocity"), ("point", "velocity")


class PartStreams(nn.Module):
    """Points (B, T, J, C) to features (B, T, F) and which parts are seen (B, T, P).

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
        self.joints = [list(joints) for joints in parts.values()]
        self.streams = nn.ModuleList()
        self.ranges: dict[str, list[tuple[int, int]]] = {}
        self.size = 0
        for name, joints in zip(parts, self.joints, strict=True):
            whole = [hand for hand in hands if set(hand) <= set(joints)]
            # Joints are numbered within their part here.
            hands_within = [list(map(joints.index, hand)) for hand in whole]
            names = HAND_STREAMS if whole else OTHER_STREAMS
            streams = LandmarkStreams(len(joints), coordinates, hands_within, names)
            self.streams.append(streams)
            self.ranges[name] = [(self.size, self.size + streams.size)]
            self.size += streams.size

    def forward(self, points: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Features and parts of points (B, T, J, C); mask (B, T, J), True where one was seen."""
        features = [
            streams(points[:, :, joints], mask[:, :, joints])
            for streams, joints in zip(self.streams, self.joints, strict=True)
        ]
        present = [mask[:, :, joints].any(-1) for joints in self.joints]
        return torch.cat(features, dim=-1), torch.stack(present, dim=-1)


class SentenceModel(Classifier):
    """A batch of landmarks or of features to log probabilities (B, T', V).

    Args:
        front: makes features of landmarks; None where batches hold `features`.
        network: reads them.
        noise: spread that is added to every feature in training.
        standardised: F, to bring all features to the same mean and spread first; 0 = as they are.
    """

    def __init__(
        self,
        front: PartStreams | None,
        network: CtcNetwork,
        noise: float = 0.0,
        standardised: int = 0,
    ) -> None:
        super().__init__()
        self.front, self.network = front, network
        self.noise, self.classes = noise, network.classes
        # Learns nothing but where features lie and how far they spread.
        self.norm = MaskedNorm(standardised, affine=False) if standardised else None

    def frames(self, lengths: Tensor) -> Tensor:
        """(B,) frames that come out of clips of so many frames."""
        return self.network.frames(lengths)

    def forward(self, batch: Batch) -> Tensor:
        """Log probabilities (B, T', V); those of padded frames mean nothing.

        Args:
            batch: `lengths` (B,), and `points` (B, T, J, C) with `mask` (B, T, J), or `features`
                (B, T, F) with `present` (B, T, P).
        """
        return self.network(self.features(batch))

    def twice(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log probabilities of the network's last and of its early frames; see `CtcNetwork`."""
        return self.network.twice(self.features(batch))

    def features(self, batch: Batch) -> Batch:
        """What the network reads: `features`, `lengths`, and where parts may be missing `present`.

        Args:
            batch: as of `forward`.
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
        return batch
