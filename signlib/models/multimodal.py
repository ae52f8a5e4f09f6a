"""One encoder a modality, a fusion, a small classifier: any subset of modalities to class scores.

The batch says which of colour, depth and landmarks a clip has (`present`); a clip that lacks one is
scored from the others.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from signlib.errors import SettingsError
from signlib.models.fusion import Fusion, drop_modalities
from signlib.models.network import Batch, Classifier, Encoder, MomentEncoder
from signlib.models.video import VideoEncoder, colour_input, depth_input

# In the order in which fusions meet them.
MODALITIES = ("rgb", "depth", "skeleton")


def mlp_head(width: int, classes: int, dropout: float) -> nn.Sequential:
    """Two linear layers with GELU and drop-out between them. Source: source 000, "Classifier"."""
    return nn.Sequential(
        nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, classes)
    )


class MultimodalClassifier(Classifier):
    """Class scores (B, K) from whatever a batch holds.

    Args:
        encoders: modality -> encoder with `size` and `encode` (vector, moments, and for landmarks
            their mask); names from `MODALITIES`.
        fusion: from `models.fusion`, for the encoders' sizes in the order of `MODALITIES`.
        classes: K.
        dropout: in the classifier.
        drop_modality: chance of forgetting a modality of a training clip.

    Raises:
        SettingsError: for no encoder or an unknown modality.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        fusion: Fusion,
        classes: int,
        dropout: float = 0.1,
        drop_modality: float = 0.0,
    ) -> None:
        super().__init__()
        unknown = set(encoders) - set(MODALITIES)
        if unknown or not encoders:
            raise SettingsError(
                f"modalities {sorted(encoders)} must be some of {', '.join(MODALITIES)}"
            )
        self.modalities = tuple(name for name in MODALITIES if name in encoders)
        self.encoders = nn.ModuleDict({name: encoders[name] for name in self.modalities})
        self.fusion, self.classes = fusion, classes
        self.drop_modality = drop_modality
        self.classifier = mlp_head(fusion.size, classes, dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Scores (B, K), not normalised.

        Args:
            batch: `present` (B, M) bool in the order of `modalities`, and for each of them its
                input: `colour` (B, T, H, W, 3) or `depth` (B, T, H, W) uint8; `points`, `mask`,
                `lengths` for landmarks.
        """
        present = batch["present"]
        if self.training:
            present = drop_modalities(present, self.drop_modality)
        encoded = [self._encoded(name, batch) for name in self.modalities]
        vectors, moments, masks = zip(*encoded, strict=True)
        if self.fusion.over_time:
            return self.classifier(self.fusion(moments, present, masks))
        return self.classifier(self.fusion(vectors, present))

    def _encoded(self, name: str, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        # Vector, moments and which moments are real (None: all) of a modality.
        encoder = self.encoders[name]
        if isinstance(encoder, VideoEncoder):
            video = colour_input(batch["colour"]) if name == "rgb" else depth_input(batch["depth"])
            return *encoder.encode(video), None
        if isinstance(encoder, MomentEncoder):
            return encoder.encode(batch)
        raise SettingsError(f"modality {name}: {type(encoder).__name__} gives no moments")
