"""The classifier on frozen visual features: two branches, a fusion, two layers.

It is the network of source 004 to the last parameter. What a tower has seen does not change any
more, so an epoch costs little.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from signlib.errors import ClipError, SettingsError
from signlib.models.layers import masked_mean, real_frames
from signlib.models.network import Batch, Classifier, MomentEncoder

# Of a branch: vector (B, W), moments (B, T, W), which of them are real (B, T).
Seen = tuple[Tensor, Tensor, Tensor]
INPUTS = ("visual", "landmarks")
# Numbers a frame of Gemma 3's vision tower; the 2,048 of source 004 are a fallback of its code.
GEMMA_WIDTH = 1152


def layer(inputs: int, width: int, dropout: float = 0.0) -> nn.Sequential:
    """Linear, norm, ReLU, and drop-out where there is some."""
    parts = [nn.Linear(inputs, width), nn.LayerNorm(width), nn.ReLU()]
    return nn.Sequential(*parts, *([nn.Dropout(dropout)] if dropout else []))


class VisualBranch(nn.Module):
    """Features (B, T, D) to one vector, and to one a frame.

    Args:
        size: D.
        width, heads: W, and of the attention.
        dropout: after the projection.
        positions: longest clip in frames.

    Source: source 004: projection, learned positions, self-attention without residual, mean.
    """

    def __init__(
        self, size: int, width: int = 256, heads: int = 4, dropout: float = 0.3, positions: int = 64
    ) -> None:
        super().__init__()
        self.project = layer(size, width, dropout)
        self.places = nn.Parameter(torch.randn(positions, width) * 0.02)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.out = layer(width, width)

    def forward(self, features: Tensor, real: Tensor) -> Seen:
        """(B, W), (B, T, W) and `real` for features (B, T, D) and which frames are real (B, T)."""
        x = self.project(features) + _places(self.places, features.shape[1])
        mixed, _ = self.attention(x, x, x, key_padding_mask=~real, need_weights=False)
        return self.out(masked_mean(mixed, real)), self.out(mixed), real


class LandmarkBranch(nn.Module):
    """Points (B, T, J, C) to one vector, and to one a frame.

    Args:
        size: J times C; source 004 has 162.
        width, layers, heads, intermediate: of the transformer (norm after each part, ReLU).
        dropout: inside it and before it.
        positions: longest clip in frames.

    Source: source 004. Missing points are zeros.
    """

    def __init__(
        self,
        size: int,
        width: int = 256,
        layers: int = 2,
        heads: int = 4,
        intermediate: int = 1024,
        dropout: float = 0.3,
        positions: int = 64,
    ) -> None:
        super().__init__()
        self.project = layer(size, width, dropout)
        self.places = nn.Parameter(torch.randn(positions, width) * 0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, intermediate, dropout, batch_first=True)
            for _ in range(layers)
        )
        self.out = layer(width, width)

    def forward(self, points: Tensor, mask: Tensor, real: Tensor) -> Seen:
        """(B, W), (B, T, W) and `real` of a clip.

        Args:
            points, mask: (B, T, J, C), and (B, T, J) True where a point was seen.
            real: (B, T) which frames are real.
        """
        x = self.project(points.masked_fill(~mask[..., None], 0).flatten(2))
        x = x + _places(self.places, points.shape[1])
        for encoder in self.layers:
            x = encoder(x, src_key_padding_mask=~real)
        return self.out(masked_mean(x, real)), self.out(x), real


class EncodedLandmarks(nn.Module):
    """The landmark encoder of `models.landmarks` instead of the branch of source 004.

    Args:
        encoder: with `size` and `encode`.
        width: W.

    Differs: hands about their own wrists, velocities, convolutions in time and a CLS token, where
        the branch of source 004 has the points alone.
    """

    def __init__(self, encoder: MomentEncoder, width: int) -> None:
        super().__init__()
        self.encoder, self.out = encoder, layer(encoder.size, width)

    def forward(self, points: Tensor, mask: Tensor, real: Tensor) -> Seen:
        """As `LandmarkBranch`; moments may be fewer than frames."""
        batch = {"points": points, "mask": mask, "lengths": real.sum(1)}
        vector, moments, real = self.encoder.encode(batch)
        return self.out(vector), self.out(moments), real


def _places(places: Tensor, frames: int) -> Tensor:
    if frames > len(places):
        raise ClipError(
            f"{frames} frames are more than this model's {len(places)}; set features.frames, or"
            " frozen.positions"
        )
    return places[:frames]


class Concat(nn.Module):
    """Both vectors side by side through one layer. Source: source 004, `concat`."""

    def __init__(self, width: int, heads: int = 4, dropout: float = 0.3) -> None:
        super().__init__()
        self.mix = layer(2 * width, width, dropout)

    def forward(self, visual: Seen, landmarks: Seen) -> Tensor:
        """(B, W)."""
        return self.mix(torch.cat([visual[0], landmarks[0]], -1))


class SingleKeyAttention(nn.Module):
    """Each vector attends to the other one. Source: source 004, `attention`.

    A softmax over one key is 1 whatever the query says, so this is a linear map of the other
    vector: half of the attention's weights do nothing. It is kept as the source has it;
    `AttentionOverTime` is what the source may have meant.
    """

    over_time = False

    def __init__(self, width: int, heads: int = 4, dropout: float = 0.3) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mix = layer(2 * width, width, dropout)

    def forward(self, visual: Seen, landmarks: Seen) -> Tensor:
        """(B, W)."""
        attended = [self._attend(visual, landmarks), self._attend(landmarks, visual)]
        return self.mix(torch.cat(attended, -1))

    def _attend(self, one: Seen, other: Seen) -> Tensor:
        keys, hidden = (other[1], ~other[2]) if self.over_time else (other[0][:, None], None)
        query = one[0][:, None]
        mixed, _ = self.attention(query, keys, keys, key_padding_mask=hidden, need_weights=False)
        return mixed[:, 0]


class AttentionOverTime(SingleKeyAttention):
    """Each vector attends to the moments of the other stream.

    So one stream says when to look at the other.

    Differs: source 004 attends to one key, its mean. Same parameters, same parts; neither has
        proved to be better (docs/frozen.md).
    """

    over_time = True


class Gated(nn.Module):
    """Each number is mixed from both streams by a gate that has seen both.

    Source: source 004, `gated`.
    """

    def __init__(self, width: int, heads: int = 4, dropout: float = 0.3) -> None:
        super().__init__()
        self.gate, self.mix = nn.Linear(2 * width, width), layer(width, width, dropout)

    def forward(self, visual: Seen, landmarks: Seen) -> Tensor:
        """(B, W)."""
        share = self.gate(torch.cat([visual[0], landmarks[0]], -1)).sigmoid()
        return self.mix(torch.lerp(landmarks[0], visual[0], share))


FROZEN_FUSIONS: dict[str, Callable[[int, int, float], nn.Module]] = {
    "concat": Concat,
    "attention": SingleKeyAttention,
    "attention-over-time": AttentionOverTime,
    "gated": Gated,
}


class FrozenClassifier(Classifier):
    """Class scores (B, K) from frozen features, landmarks or both.

    Args:
        visual: branch of features, or None.
        landmarks: branch of points, or None.
        fusion: of both; not read with one branch.
        width: W.
        classes: K.
        dropout: in the classifier.

    Raises:
        SettingsError: without any branch, or with two and no fusion.
    """

    def __init__(
        self,
        visual: VisualBranch | None,
        landmarks: LandmarkBranch | EncodedLandmarks | None,
        fusion: nn.Module | None,
        width: int,
        classes: int,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        branches = [branch for branch in (visual, landmarks) if branch is not None]
        if not branches or (len(branches) == 2 and fusion is None):
            raise SettingsError(
                f"{len(branches)} branches and no fusion: give a branch, or two and a fusion"
            )
        self.visual, self.landmarks = visual, landmarks
        self.fusion = fusion if len(branches) == 2 else None
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, classes)
        )
        self.classes = classes

    def forward(self, batch: Batch) -> Tensor:
        """Scores (B, K), not normalised.

        Args:
            batch: `features` (B, T, D) and `shown` (B, T) bool for the visual branch; `points` (B,
                T', J, C), `mask` (B, T', J) and `lengths` (B,) for landmarks.
        """
        seen: list[Seen] = []
        if self.visual is not None:
            seen.append(self.visual(batch["features"], batch["shown"]))
        if self.landmarks is not None:
            points = batch["points"]
            real = real_frames(batch["lengths"], points.shape[1])
            seen.append(self.landmarks(points, batch["mask"], real))
        return self.head(seen[0][0] if self.fusion is None else self.fusion(*seen))

    @torch.no_grad()
    def predict(
        self, features: Tensor | None = None, landmarks: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predictions (B,), confidence (B,) and probabilities (B, K) of whole clips.

        These are the three results of the model of source 004.

        Args:
            features: (B, T, D), for the visual branch.
            landmarks: (B, T, J * C), zeros = not found, in the order in which the model was trained
                (see `frozen_files.points_of` for files in the order of source 004).
        """
        batch: dict[str, Tensor] = {}
        if features is not None:
            batch["features"] = features
            batch["shown"] = features.new_ones(features.shape[:2], dtype=torch.bool)
        if landmarks is not None:
            points = landmarks[:, :, None]
            batch["points"] = points
            batch["mask"] = torch.ones_like(points[..., 0], dtype=torch.bool)
            batch["lengths"] = torch.full((len(points),), points.shape[1], device=points.device)
        training = self.training
        probabilities = self.eval()(batch).softmax(-1)
        self.train(training)
        confidence, predictions = probabilities.max(-1)
        return predictions, confidence, probabilities


def frozen_model(
    inputs: Sequence[str],
    fusion: str,
    size: int,
    points: int,
    classes: int,
    width: int = 256,
    layers: int = 2,
    heads: int = 4,
    intermediate: int = 1024,
    dropout: float = 0.3,
    positions: int = 64,
    encoder: MomentEncoder | None = None,
) -> FrozenClassifier:
    """The classifier of these sizes.

    Args:
        inputs: `visual`, `landmarks` or both.
        fusion: a name of `FROZEN_FUSIONS`.
        size: D of the features.
        points: J times C of the landmarks.
        classes: K.
        width, layers, heads, intermediate, dropout, positions: see the branches.
        encoder: of landmarks, instead of the branch of source 004, whose sizes then do not count.

    >>> from signlib.models.classifier import parameter_count
    >>> parameter_count(frozen_model(INPUTS, "concat", 2048, 162, 100))
    2798692
    >>> parameter_count(frozen_model(INPUTS, "attention", 2048, 162, 100))
    3061860
    >>> parameter_count(frozen_model(INPUTS, "gated", 2048, 162, 100))
    2864484
    """
    # The branches are built in this order, the fusion last: random weights are drawn in it.
    visual = None
    if "visual" in inputs:
        visual = VisualBranch(size, width, heads, dropout=dropout, positions=positions)
    landmarks: LandmarkBranch | EncodedLandmarks | None = None
    if "landmarks" in inputs and encoder is not None:
        landmarks = EncodedLandmarks(encoder, width)
    elif "landmarks" in inputs:
        sizes = (width, layers, heads, intermediate)
        landmarks = LandmarkBranch(points, *sizes, dropout=dropout, positions=positions)
    mix = FROZEN_FUSIONS[fusion](width, heads, dropout)
    return FrozenClassifier(visual, landmarks, mix, width=width, classes=classes, dropout=dropout)
