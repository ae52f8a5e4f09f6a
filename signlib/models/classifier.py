"""An encoder with a head: a batch of landmarks to class scores."""

from collections.abc import Sequence

from torch import Tensor, nn

from signlib.models.landmarks import LandmarkEncoder, OriginalLandmarkEncoder
from signlib.models.network import Batch, Classifier, Encoder
from signlib.settings.landmarks import ModelSettings


class LandmarkClassifier(Classifier):
    """Class scores (B, K) for a batch of landmarks.

    Args:
        encoder: any module with `size` that turns a batch into (B, size).
        classes: K.
        dropout: before the linear head.
    """

    def __init__(self, encoder: Encoder, classes: int, dropout: float) -> None:
        super().__init__()
        self.encoder, self.dropout = encoder, nn.Dropout(dropout)
        self.head = nn.Linear(encoder.size, classes)
        self.classes = classes

    def forward(self, batch: Batch) -> Tensor:
        """Scores (B, K), not normalised."""
        return self.head(self.dropout(self.encoder(batch)))


def landmark_encoder(
    settings: ModelSettings,
    joints: int,
    coordinates: int,
    hands: Sequence[Sequence[int]],
    frames: int,
) -> LandmarkEncoder | OriginalLandmarkEncoder:
    """The encoder that the settings describe.

    Args:
        settings: layout and sizes.
        joints, coordinates: J and C of the points.
        hands: indices of each hand's 21 joints among the J.
        frames: T for the layout `original`.
    """
    if settings.layout == "original":
        return OriginalLandmarkEncoder(
            joints,
            coordinates,
            width=settings.width,
            layers=settings.layers,
            heads=settings.heads,
            intermediate=settings.intermediate,
            frames=frames,
            dropout=settings.dropout,
        )
    return LandmarkEncoder(
        joints,
        coordinates,
        hands,
        settings.streams,
        width=settings.width,
        layers=settings.layers,
        heads=settings.heads,
        intermediate=settings.intermediate,
        positions=settings.max_positions,
        dropout=settings.dropout,
        stem_blocks=settings.stem_blocks,
        stem_kernel=settings.stem_kernel,
        stem_stride=settings.stem_stride,
        stem_dropout=settings.stem_dropout,
    )


def landmark_classifier(
    settings: ModelSettings,
    joints: int,
    coordinates: int,
    hands: Sequence[Sequence[int]],
    frames: int,
    classes: int,
) -> LandmarkClassifier:
    """The classifier that the settings describe, of K classes.

    The other arguments are those of `landmark_encoder`.
    """
    encoder = landmark_encoder(settings, joints, coordinates, hands, frames=frames)
    return LandmarkClassifier(encoder, classes, settings.head_dropout)


def parameter_count(module: nn.Module) -> int:
    """How many numbers a module learns."""
    return sum(parameter.numel() for parameter in module.parameters())
