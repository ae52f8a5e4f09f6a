"""The BERT encoder on landmarks, in two layouts that share the transformer.

`original` is the network of source 000 to the last parameter; `cls` is the one to use: a learned
CLS token, attention masks, a temporal stem and streams of the hands.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from signlib.errors import ClipError
from signlib.models.layers import LandmarkStreams, TemporalStem, masked_mean, real_frames
from signlib.models.network import Batch, MomentEncoder


def bert(
    width: int,
    layers: int,
    heads: int,
    intermediate: int,
    positions: int,
    dropout: float,
    pooler: bool,
) -> BertModel:
    """A BERT that is fed with embeddings and so has a vocabulary of one."""
    return BertModel(
        BertConfig(
            vocab_size=1,
            type_vocab_size=1,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=intermediate,
            max_position_embeddings=positions,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        ),
        add_pooling_layer=pooler,
    )


class OriginalLandmarkEncoder(MomentEncoder):
    """The encoder of source 000: projection of each frame, BERT, the first frame's state read out.

    Args:
        joints, coordinates: J and C; the source has 543 and 2.
        width, layers, heads, intermediate: the source has 384, 6, 6 and 1,536.
        frames: T, fixed; the source has 16.
        dropout: inside BERT.

    Source: source 000, "Skeleton Encoder": 10,802,304 parameters (unused pooler and vocabulary of
        one included) + 417,408 of the projection.
    Differs: missing points are zeros, not 999; the projection is trained (the source's optimiser
        forgot it).
    """

    def __init__(
        self,
        joints: int,
        coordinates: int,
        width: int,
        layers: int,
        heads: int,
        intermediate: int,
        frames: int = 16,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.frames, self.size = frames, width
        self.project = nn.Linear(joints * coordinates, width)
        sizes = (width, layers, heads, intermediate)
        self.encoder = bert(*sizes, positions=frames, dropout=dropout, pooler=True)

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        # The first frame's state (B, D), all states (B, T, D), which frames are real (B, T).
        points, mask = batch["points"], batch["mask"]
        if points.shape[1] > self.frames:
            raise ClipError(
                f"{points.shape[1]} frames are more than this encoder's {self.frames}; resample the"
                " clips"
            )
        real = real_frames(batch["lengths"], points.shape[1])
        x = self.project(points.masked_fill(~mask[..., None], 0).flatten(2))
        states = self.encoder(inputs_embeds=x, attention_mask=real.long()).last_hidden_state
        return states[:, 0], states, real


class LandmarkEncoder(MomentEncoder):
    """Streams, temporal stem, CLS token, BERT.

    The CLS state beside the mean of the others comes out.

    Args:
        joints, coordinates: J and C.
        hands: indices of each hand's 21 joints.
        streams: see `LandmarkStreams`.
        width, layers, heads, intermediate, positions, dropout: of the transformer.
        stem_blocks, stem_kernel, stem_stride, stem_dropout: of the stem.
    """

    def __init__(
        self,
        joints: int,
        coordinates: int,
        hands: Sequence[Sequence[int]],
        streams: Sequence[str],
        width: int,
        layers: int,
        heads: int,
        intermediate: int,
        positions: int = 256,
        dropout: float = 0.1,
        stem_blocks: int = 2,
        stem_kernel: int = 5,
        stem_stride: int = 2,
        stem_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.positions, self.size = positions, 2 * width
        self.streams = LandmarkStreams(joints, coordinates, hands, streams)
        self.stem = TemporalStem(
            self.streams.size,
            width,
            blocks=stem_blocks,
            kernel=stem_kernel,
            stride=stem_stride,
            dropout=stem_dropout,
        )
        self.cls = nn.Parameter(torch.randn(width) * 0.02)
        sizes = (width, layers, heads, intermediate)
        self.encoder = bert(*sizes, positions=positions, dropout=dropout, pooler=False)

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The vector of each clip, with its moments.

        Returns:
            CLS state beside the mean of the others (B, 2 D); those others, each beside the CLS
            state (B, T', 2 D); which of them are real (B, T').
        """
        points, mask = batch["points"], batch["mask"]
        real = real_frames(batch["lengths"], points.shape[1])
        tokens, real = self.stem(self.streams(points, mask & real[..., None]), real)
        if tokens.shape[1] >= self.positions:
            raise ClipError(
                f"{tokens.shape[1]} tokens are more than model.max_positions={self.positions}"
                " allows (one is the CLS token): set features.frames, a larger stem_stride or more"
                " positions"
            )
        x = torch.cat([self.cls.expand(len(tokens), 1, -1), tokens], dim=1)
        attention = torch.cat([real.new_ones(len(real), 1), real], dim=1)
        states = self.encoder(inputs_embeds=x, attention_mask=attention.long()).last_hidden_state
        cls, others = states[:, 0], states[:, 1:]
        beside = torch.cat([cls[:, None].expand_as(others), others], dim=-1)
        return torch.cat([cls, masked_mean(others, real)], dim=-1), beside, real
