"""Several modalities to one vector, and to scores: an encoder each, a fusion, a small classifier.

Every fusion knows which modalities a clip has (`present`), so that any subset works at test time;
what a missing modality would have held changes nothing. A clip is scored from those that it has.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from signlib.errors import SettingsError
from signlib.models.network import Batch, Classifier, Encoder, MomentEncoder
from signlib.models.video import VideoEncoder, colour_input, depth_input

# In the order in which fusions meet them.
MODALITIES = ("rgb", "depth", "skeleton")


class Fusion(nn.Module):
    """Modalities to one vector of `size` numbers.

    Args:
        sizes: D of each modality.
        width: F.

    Attributes:
        size: F.
        over_time: it reads the moments of each modality, not one vector of each.
    """

    over_time = False

    def __init__(self, sizes: Sequence[int], width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.size = width

    def projected(self, features: Sequence[Tensor]) -> Tensor:
        """(B, M, F): each modality (B, D_m) through its layer."""
        return torch.stack([head(x) for head, x in zip(self.heads, features, strict=True)], dim=1)


class WeightedFusion(Fusion):
    """Each modality projected, then their weighted mean.

    Each has one learned weight; a softmax over those present makes them shares.

    Source: source 000, "Fusion": modality weights start equal.
    """

    def __init__(self, sizes: Sequence[int], width: int) -> None:
        super().__init__(sizes, width)
        self.weights = nn.Parameter(torch.ones(len(sizes)))

    def forward(self, features: Sequence[Tensor], present: Tensor) -> Tensor:
        """(B, F) for M tensors (B, D_m) and present (B, M) bool, at least one True a row."""
        share = self.shares(present)
        projected = self.projected(features)
        return (share[..., None] * projected.masked_fill(~present[..., None], 0)).sum(1)

    def shares(self, present: Tensor) -> Tensor:
        """(B, M) weights that sum to 1 over the modalities that are there."""
        return self.weights.expand(present.shape).masked_fill(~present, -torch.inf).softmax(-1)


class ConcatFusion(Fusion):
    """Projected modalities side by side through a linear layer.

    A learned vector stands for a missing one.
    """

    def __init__(self, sizes: Sequence[int], width: int) -> None:
        super().__init__(sizes, width)
        self.absent = nn.Embedding.from_pretrained(torch.zeros(len(sizes), width), freeze=False)
        self.mix = nn.Linear(len(sizes) * width, width)

    def forward(self, features: Sequence[Tensor], present: Tensor) -> Tensor:
        """(B, F) for M tensors (B, D_m) and present (B, M) bool."""
        projected = self.projected(features)
        absent = self.absent.weight.to(projected.dtype)
        return self.mix(torch.where(present[..., None], projected, absent).flatten(1))


class GatedFusion(Fusion):
    """Each modality's every number is let through by a gate that has seen all modalities.

    Source: Arevalo et al. 2017, gated multimodal units, with a softmax over the modalities that are
        there.
    """

    def __init__(self, sizes: Sequence[int], width: int) -> None:
        super().__init__(sizes, width)
        self.gate = nn.Linear(len(sizes) * width, len(sizes) * width)

    def forward(self, features: Sequence[Tensor], present: Tensor) -> Tensor:
        """(B, F) for M tensors (B, D_m) and present (B, M) bool."""
        projected = self.projected(features)
        projected = projected.masked_fill(~present[..., None], 0)
        gate = self.gate(projected.flatten(1)).unflatten(1, (len(self.heads), -1))
        gate = gate.masked_fill(~present[..., None], -torch.inf).softmax(1)
        return (gate * projected.tanh()).sum(1)


class CrossAttentionFusion(Fusion):
    """A learned query attends to every moment of every modality at once.

    Args:
        sizes, width: as for `Fusion`.
        heads: of the attention; must divide the width.
        dropout: on the attention.

    Moments carry a learned mark of their modality and their place in time (sine and cosine of the
    share of the clip that has passed), so that modalities with different rates meet.
    """

    over_time = True

    def __init__(
        self, sizes: Sequence[int], width: int, heads: int = 6, dropout: float = 0.0
    ) -> None:
        if width % heads:
            raise SettingsError(
                f"fusion width {width} cannot be shared by {heads} heads; heads must divide the"
                " width"
            )
        super().__init__(sizes, width)
        mark = torch.randn(len(sizes), width) * 0.02
        self.mark = nn.Embedding.from_pretrained(mark, freeze=False)
        self.query = nn.Embedding.from_pretrained(torch.randn(1, width) * 0.02, freeze=False)
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        features: Sequence[Tensor],
        present: Tensor,
        masks: Sequence[Tensor | None] | None = None,
    ) -> Tensor:
        """(B, F).

        Args:
            features: M tensors (B, T_m, D_m).
            present: (B, M) bool, at least one True a row.
            masks: M tensors (B, T_m), True where a moment is real, or None where all are.
        """
        tokens, hidden = [], []
        for m, (head, x) in enumerate(zip(self.heads, features, strict=True)):
            mask = None if masks is None else masks[m]
            real = x.new_ones(x.shape[:2], dtype=torch.bool) if mask is None else mask
            tokens.append(head(x) + self.mark.weight[m] + _time_code(real, self.size).to(x.dtype))
            hidden.append(~(real & present[:, m, None]))
        keys = torch.cat(tokens, 1)
        query = self.query.weight.expand(len(keys), 1, -1).to(keys.dtype)
        mixed, _ = self.attention(query, keys, keys, torch.cat(hidden, 1), need_weights=False)
        return self.norm(mixed[:, 0])


def _time_code(real: Tensor, width: int) -> Tensor:
    # (B, T, F) sine and cosine of the share of a clip that has passed; padding does not count.
    passed = (real.cumsum(1) - 0.5) / real.sum(1, keepdim=True).clamp(min=1)
    # From half a turn a clip upwards, doubled each time, to 32 turns.
    rate = torch.pi * 2.0 ** torch.arange((width + 1) // 2, device=real.device).clamp(max=6)
    angle = passed[..., None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=-1)[..., :width]


FUSIONS = {
    "weighted": WeightedFusion,
    "concat": ConcatFusion,
    "gated": GatedFusion,
    "cross-attention": CrossAttentionFusion,
}


def drop_modalities(present: Tensor, chance: float) -> Tensor:
    """Forget each modality of each clip with that chance; a clip keeps at least one.

    Args:
        present: (B, M) bool.
        chance: 0 .. 1.
    """
    if not chance:
        return present
    noise = torch.rand(present.shape, device=present.device).masked_fill(~present, -1)
    kept = present & (noise >= chance)
    # What is not there has noise -1 and is never saved.
    saved = nn.functional.one_hot(noise.argmax(1), present.shape[1]).bool()
    return torch.where(kept.any(1, keepdim=True), kept, saved)


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
        fusion: for the encoders' sizes in the order of `MODALITIES`.
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
