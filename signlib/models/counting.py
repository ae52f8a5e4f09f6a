"""How large a network is: multiply-accumulates of one clip, and the parts of a landmark encoder."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from signlib.models.classifier import parameter_count
from signlib.models.gcn import GraphSizes
from signlib.models.gcn_layers import reduced
from signlib.models.network import Batch
from signlib.settings.modalities import PictureSettings, VideoSettings


def counted_macs(model: Callable[[Batch], object], batch: Batch) -> int:
    """Multiply-accumulates of a forward pass, as torch counts them.

    Only matrix products and convolutions count; recurrent layers do not.
    """
    # The fused attention of a CPU is not counted; the plain one is.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(batch)
    return counter.get_total_flops() // 2


def encoder_parts(encoder: nn.Module) -> dict[str, int]:
    """Parameters of a landmark encoder: its transformer, and what leads into it."""
    transformer = parameter_count(encoder.get_submodule("encoder"))
    return {"encoder": transformer, "projection": parameter_count(encoder) - transformer}


def recurrent_weights(model: nn.Module) -> int:
    """Weights of all LSTMs: what they multiply in each frame."""
    recurrent = [part for part in model.modules() if isinstance(part, nn.LSTM)]
    weights = [pair for part in recurrent for pair in part.named_parameters()]
    return sum(values.numel() for name, values in weights if "weight" in name)


def graph_macs(sizes: GraphSizes, frames: int, joints: int, inputs: int, classes: int) -> int:
    """Multiply-accumulates of one body through a graph network in the source's order.

    So the source's table and ours compare. The source mixes channels before all shares of all
    joints are multiplied out; gathering first, as the model does, needs 2 to 4 % fewer. The
    auxiliary maps of the original head are not among them: scores do not need them.

    Args:
        sizes: of the network.
        frames, joints, inputs, classes: T, J, streams times coordinates, and K.
    """
    subsets, channels = sizes.hops + 1, sizes.stem
    total = frames * joints * inputs * channels
    for stage, (out, count) in enumerate(zip(sizes.channels, sizes.blocks, strict=True)):
        narrow, bands = reduced(out), sizes.bands and stage == len(sizes.channels) - 1
        for block in range(count):
            stride = 2 if stage and not block else 1
            points, frames = frames * joints, -(-frames // stride)
            later = frames * joints
            graph = points * subsets * out * (channels + joints) + sizes.attend * subsets**2 * out
            time = sizes.expand * (points * out**2 + later * (5 * out + out**2))
            if stride > 1:
                time += later * out**2
            gates = (5 if bands else 2) * out * narrow + 2 * (frames + joints) * out * narrow
            shortcut = 0 if (channels, stride) == (out, 1) else later * channels * out
            total += graph + time + gates + shortcut
            channels = out
    return total + channels * classes


def video_macs(video: VideoSettings, pictures: PictureSettings, channels: int) -> int:
    """Multiply-accumulates of one clip through a video encoder.

    Patch embedding, then the products of each layer.

    Args:
        channels: 3 of colour, 1 of depth.
    """
    tokens = pictures.frames // 2 * (pictures.size // pictures.patch) ** 2
    width = video.width
    layer = tokens * (4 * width**2 + 2 * width * video.intermediate) + 2 * tokens**2 * width
    return tokens * channels * 2 * pictures.patch**2 * width + video.layers * layer
