"""VideoMAE on colour or depth: 16 frames to one vector, and to one vector for each pair of frames.

Colour starts from weights that others trained; depth starts from nothing, or (a control) from the
colour weights with the channels of the patch embedding added up.
"""

from pathlib import Path

import torch
from torch import Tensor
from transformers import VideoMAEConfig, VideoMAEModel

from signlib.errors import SettingsError
from signlib.models.network import Encoder

# The colour encoder of source 000; its normalisation is ImageNet's.
PRETRAINED = "MCG-NJU/videomae-base-finetuned-kinetics"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def videomae(
    width: int,
    layers: int,
    heads: int,
    intermediate: int,
    channels: int,
    size: int = 224,
    patch: int = 16,
    frames: int = 16,
    tubelet: int = 2,
) -> VideoMAEModel:
    """A VideoMAE encoder with random weights.

    It has no last norm: its output is meant to be averaged.

    Args:
        width, layers, heads, intermediate: of the transformer.
        channels: 3 for colour, 1 for depth.
        size, patch: sides of picture and patch in pixels.
        frames, tubelet: T, and how many frames one token spans.

    Raises:
        SettingsError: when heads do not divide the width, patches the picture or tubelets the
            frames.
    """
    pairs = {
        "width/heads": (width, heads),
        "size/patch": (size, patch),
        "frames/tubelet": (frames, tubelet),
    }
    for names, (whole, part) in pairs.items():
        if whole % part:
            raise SettingsError(
                f"video encoder: {names} = {whole}/{part}: {whole} is not divisible by {part};"
                " choose others"
            )
    return VideoMAEModel(
        VideoMAEConfig(
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=intermediate,
            num_channels=channels,
            image_size=size,
            patch_size=patch,
            num_frames=frames,
            tubelet_size=tubelet,
            use_mean_pooling=True,
        )
    )


def pretrained_videomae(source: str = PRETRAINED) -> VideoMAEModel:
    """The weights at a local path, or of that name on the Hugging Face hub.

    Raises:
        SettingsError: when there is neither such a folder nor a network (or cache) that knows the
            name.
    """
    try:
        return VideoMAEModel.from_pretrained(source, use_safetensors=True)
    except OSError as error:
        kind = "folder" if Path(source).exists() else "name"
        first = str(error).splitlines()[0]
        raise SettingsError(
            f"video weights {source!r}: this {kind} cannot be loaded ({first}); give the path of a"
            f" downloaded copy of {PRETRAINED} (config.json and model.safetensors), or"
            " set rgb.weights= (of depth: depth.weights=) for random weights"
        ) from None


class VideoEncoder(Encoder):
    """Video (B, T, C, H, W) to its mean token, and to one token a pair of frames.

    Args:
        model: from `videomae` or `pretrained_videomae`.
        checkpointing: compute activations again in the backward pass instead of keeping them.
        motion: take away each clip's mean picture first.

    Source: source 000; mean over all 1,568 tokens, there is no CLS token.
    """

    def __init__(
        self, model: VideoMAEModel, checkpointing: bool = False, motion: bool = False
    ) -> None:
        super().__init__()
        self.model, self.size, self.motion = model, model.config.hidden_size, motion
        if checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})

    def encode(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) and (B, T / 2, D): the mean of all tokens, and of those of each pair of frames."""
        if self.motion:
            video = video - video.mean(1, keepdim=True)
        tokens = self.model(video).last_hidden_state
        moments = self.model.config.num_frames // self.model.config.tubelet_size
        by_time = tokens.unflatten(1, (moments, -1)).mean(2)
        return by_time.mean(1), by_time

    def forward(self, video: Tensor) -> Tensor:
        """(B, D)."""
        return self.encode(video)[0]


def depth_from_colour(depth: VideoMAEModel, colour: VideoMAEModel) -> None:
    """Start a one-channel encoder from a three-channel one.

    The weights become equal; the patch embedding is summed over channels. A grey picture then gives
    the same tokens as the same picture in three channels.

    Raises:
        SettingsError: when the two do not have the same shape otherwise.
    """
    state = colour.state_dict()
    key = "embeddings.patch_embeddings.projection.weight"
    state[key] = state[key].sum(dim=1, keepdim=True)
    shapes = {name: value.shape for name, value in depth.state_dict().items()}
    odd = [name for name in shapes if name not in state or shapes[name] != state[name].shape]
    if odd:
        raise SettingsError(
            f"depth cannot start from the colour weights: {odd[0]} has shape"
            f" {tuple(shapes[odd[0]])}; give the depth encoder the colour encoder's width,"
            " layers, heads, intermediate, size and patch"
        )
    depth.load_state_dict(state)


def colour_input(frames: Tensor) -> Tensor:
    """(B, T, 3, H, W) float for uint8 pictures (B, T, H, W, 3), as pre-trained weights expect."""
    mean, deviation = (
        torch.tensor(values, device=frames.device).view(3, 1, 1) for values in (MEAN, DEVIATION)
    )
    return (frames.movedim(-1, 2).float() / 255 - mean) / deviation


def depth_input(frames: Tensor) -> Tensor:
    """(B, T, 1, H, W) float in -1..1 for uint8 depth pictures (B, T, H, W)."""
    return frames.unsqueeze(2).float() / 127.5 - 1
