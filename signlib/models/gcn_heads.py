"""From features of a body to scores of a clip: pooling over bodies, and three classifiers.

Auxiliary terms stay in the head until training asks for them: a model's forward gives scores only.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from signlib.errors import SettingsError

LATENT = 128


class Pool(nn.Module):
    """Mean and maximum over frames and joints, in a learned share for each channel.

    The share begins at one half.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C) for x (N, T, J, C)."""
        share = self.gate.sigmoid()
        flat = x.flatten(1, 2)
        return share * flat.mean(1) + (1 - share) * flat.amax(1)


def mean_over_bodies(x: Tensor, bodies: Tensor) -> Tensor:
    """(B, C): the mean of x (N, C) over the bodies of each clip.

    Args:
        x: a row for each True of `bodies`, in order.
        bodies: (B, P) bool; a clip without any body gives zeros.
    """
    if bodies.shape[1] == 1 and len(x) == len(bodies):
        return x
    clip = bodies.nonzero()[:, 0]
    total = x.new_zeros(len(bodies), x.shape[1]).index_add(0, clip, x)
    return total / bodies.sum(1, keepdim=True).clamp(min=1).to(x.dtype)


class Head(nn.Module):
    """(B, C) to scores (B, K), and perhaps a loss of its own."""

    classifier: nn.Linear

    def auxiliary_loss(self, targets: Tensor | None = None) -> Tensor:
        """The head's own loss, for targets (B,) or (B, K); a scalar, 0 where it has none."""
        return self.classifier.weight.new_zeros(())


class PlainHead(Head):
    """Batch norm, dropout and a linear classifier, (B, C) to (B, K)."""

    def __init__(self, channels: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.dropout = nn.BatchNorm1d(channels), nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (B, K)."""
        return self.classifier(self.dropout(self.norm(x)))


class Bottleneck(Head):
    """What a head keeps of its last training forward until its own loss is asked for.

    A copy does not get it.
    """

    _last: tuple[Tensor, ...] | None = None

    def taken(self) -> tuple[Tensor, ...]:
        """What was kept, once.

        Raises:
            SettingsError: when there is nothing.
        """
        last, self._last = self._last, None
        if last is None:
            raise SettingsError(
                "auxiliary_loss comes once after each forward in training mode; call the model"
                " first"
            )
        return last

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_last": None}


class OriginalHead(Bottleneck, PlainHead):
    """The plain head beside an information bottleneck that its scores do not depend on.

    Mean and log-variance (B, 128) come from the pooled features; their divergence from a standard
    normal is the auxiliary loss. It pulls both maps to zero and tells the features nothing more.

    Source: source 003, `use_ib_loss` of base and large.
    """

    def __init__(self, channels: int, classes: int, dropout: float) -> None:
        super().__init__(channels, classes, dropout)
        latent = min(LATENT, channels)
        self.mean, self.log_variance = nn.Linear(channels, latent), nn.Linear(channels, latent)

    def forward(self, x: Tensor) -> Tensor:
        self._last = (self.mean(x), self.log_variance(x)) if self.training else None
        return super().forward(x)

    def auxiliary_loss(self, targets: Tensor | None = None) -> Tensor:
        # KL(N(mean, variance) || N(0, 1)) summed over the latent, mean over the batch.
        mean, log_variance = self.taken()
        return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()


class InfoGcnHead(Bottleneck):
    """An information bottleneck that scores go through: the classifier reads z = mean + noise.

    Args:
        channels, classes, dropout: C, K, and dropout on the normed features.
        noise: z = mean + eps min(exp(noise log_variance), 100) while training, z = mean else.
        centre, prior: weights of the length of the batch's mean z, and of the distance between each
            class's mean z and its direction, of K orthogonal ones of length `spread`.

    Source: Chi et al. 2022 (InfoGCN), section 3.2; weights and noise of their released settings.
    Differs: z has min(128, C) numbers as in source 003, theirs has 256 and a layer more before it.
    """

    directions: Tensor

    def __init__(
        self,
        channels: int,
        classes: int,
        dropout: float,
        noise: float = 0.5,
        centre: float = 1e-4,
        prior: float = 0.1,
        spread: float = 3.0,
    ) -> None:
        super().__init__()
        latent = min(LATENT, channels)
        self.noise, self.centre, self.prior = noise, centre, prior
        self.norm, self.dropout = nn.BatchNorm1d(channels), nn.Dropout(dropout)
        self.mean, self.log_variance = nn.Linear(channels, latent), nn.Linear(channels, latent)
        self.classifier = nn.Linear(latent, classes)
        self.register_buffer(
            "directions", nn.init.orthogonal_(torch.empty(classes, latent), spread)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scores (B, K)."""
        x = self.dropout(self.norm(x))
        z = self.mean(x)
        if self.training:
            z = z + torch.randn_like(z) * (self.noise * self.log_variance(x)).exp().clamp(max=100)
        self._last = (z,) if self.training else None
        return self.classifier(z)

    def auxiliary_loss(self, targets: Tensor | None = None) -> Tensor:
        """centre |mean z| + prior (mean square of class means of z less their directions).

        Args:
            targets: (B,) classes, or (B, K) shares of classes; a class's mean is weighted by them,
                and classes that nobody has do not count.
        """
        (z,) = self.taken()
        if targets is None:
            raise SettingsError(
                "head=infogcn: auxiliary_loss needs the batch's targets; pass (B,) or (B, K)"
            )
        shares = targets if targets.ndim == 2 else functional.one_hot(targets, len(self.directions))
        shares, z = shares.float(), z.float()
        weight = shares.sum(0)
        means = shares.T @ z / weight.clamp(min=1e-6)[:, None]
        distance = (means - self.directions).square().mean(1)
        return self.centre * z.mean(0).norm() + self.prior * distance[weight > 0].mean()


def build_head(kind: str, channels: int, classes: int, dropout: float, bottleneck: bool) -> Head:
    """The head called `kind`.

    Args:
        channels, classes, dropout: of every head.
        bottleneck: whether the original head has its own loss, as in base and large.
    """
    heads = {
        "original": OriginalHead if bottleneck else PlainHead,
        "plain": PlainHead,
        "infogcn": InfoGcnHead,
    }
    if kind not in heads:
        raise SettingsError(f"head={kind!r} is unknown; choose from {', '.join(heads)}")
    return heads[kind](channels, classes, dropout)
