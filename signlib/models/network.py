"""What networks have in common, for code that need not know which one it has."""

from collections.abc import Mapping

from torch import Tensor, nn

# Named tensors of B clips, such as `points` (B, T, J, C).
Batch = Mapping[str, Tensor]


class Encoder(nn.Module):
    """A network that makes a vector of `size` numbers of each clip or frame."""

    size: int


class MomentEncoder(Encoder):
    """An encoder of landmarks that also gives a vector for each moment of a clip."""

    def forward(self, batch: Batch) -> Tensor:
        """(B, size) for points (B, T, J, C), mask (B, T, J) and lengths (B,)."""
        return self.encode(batch)[0]

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors (B, size), moments (B, T', size), and which moments are real (B, T')."""
        raise NotImplementedError


class Classifier(nn.Module):
    """A network that gives a batch of clips scores (B, K); `classes` is K."""

    classes: int
