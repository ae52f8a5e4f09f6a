"""How large every preset's model is: parameters by part, and multiply-accumulates of one clip.

Weights are neither drawn nor loaded for it, so the largest model is counted in a second.
"""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from signlib.data.skeletons import Skeleton, skeleton
from signlib.models.classifier import LandmarkClassifier, parameter_count
from signlib.models.ctc_front import SentenceModel
from signlib.models.frozen import GEMMA_WIDTH, FrozenClassifier
from signlib.models.gcn import VARIANTS, GraphSizes
from signlib.models.gcn_gates import reduced
from signlib.models.multimodal import MultimodalClassifier
from signlib.models.phonology import FEATURES, GlossReader
from signlib.models.pretext import PretextNetwork
from signlib.settings import presets
from signlib.settings.config import Settings
from signlib.tasks.recognition import build_model
from signlib.tasks.sentences import CHANNELS
from signlib.training.actions import ActionClassifier

CORPORA = {
    "dgs-30": ("face-hands-43", 30),
    "asl-letters": ("hands-42", 27),
    "wlasl-50": ("upper-53", 50),
    "ntu60": ("ntu-25", 60),
    "nw-ucla": ("kinect-20", 10),
    "store": ("mediapipe-543", 1231),
    "generated-sentences": ("mediapipe-543", 121),
    "stitched-asl-words": ("mediapipe-75", 32),
    "wlasl": ("mediapipe-543", 100),
}
"""Corpus -> its skeleton and number of glosses (a store's are PHOENIX-2014's); all others: 543
points, AUTSL's 226.
"""
SENTENCE_FRAMES = 150
"""What a sentence counts as: about the mean of PHOENIX-2014 and of generated sentences."""
READER_FRAMES = 64
"""What a clip of one sign counts as."""
FEATURE_SIZES = (GEMMA_WIDTH, 2560, 2048)
"""Numbers a frame for which classifiers on frozen features are counted: Gemma 3's tower, its 4b's
projected tokens, and what seed 004 states."""


def model_table() -> pd.DataFrame:
    """One row a preset with the sizes of its model's parts; on frozen features one a feature size,
    Gemma 3's first.

    `rgb` and `depth` are the video encoders, `encoder` the transformer on landmarks, `projection`
    what leads into it, `fusion` the projections and weights of the modalities, `classifier` the
    rest; "" where there is none. Of a graph network, `encoder` is its blocks and `fusion` that of
    its streams; of one for sentences, `projection` is what works on every frame, `encoder` what
    works on pooled ones.
    """
    rows = []
    for name, preset in presets.PRESETS.items():
        settings = presets.build(name)
        layout, classes = CORPORA.get(settings.data.corpus, ("mediapipe-543", 226))
        base, classes = (
            skeleton(settings.data.skeleton or layout),
            settings.data.limit_classes or classes,
        )
        frozen = settings.frozen.fusion and "visual" in settings.frozen.inputs
        for size in FEATURE_SIZES if frozen else (GEMMA_WIDTH,):
            with torch.device("meta"):
                model = build_model(unweighted(settings), base, classes, size)
            shown = name if size == GEMMA_WIDTH else f"{name}, {size:,}-D"
            rows.append(
                {"preset": shown, "parameters": parameter_count(model), **_parts(model)}
                | {
                    "MACs": count_macs(settings, base, classes, size),
                    "classes": classes,
                    "about": preset.question,
                }
            )
    return pd.DataFrame(rows)


def unweighted(settings: Settings) -> Settings:
    """Settings of a model with as many parameters, for pictures of one patch and random weights.

    Positions of a video encoder are not learned, so its size does not depend on the pictures;
    nothing is downloaded.
    """
    video = replace(settings.rgb, weights=""), replace(settings.depth, weights="")
    pictures = replace(settings.pictures, size=settings.pictures.patch, frames=2)
    return replace(settings, rgb=video[0], depth=video[1], pictures=pictures)


def _parts(
    model: (
        LandmarkClassifier
        | MultimodalClassifier
        | ActionClassifier
        | SentenceModel
        | GlossReader
        | PretextNetwork
        | FrozenClassifier
    ),
) -> dict[str, int | str]:
    parts: dict[str, nn.Module | None] = dict.fromkeys(
        ("rgb", "depth", "encoder", "projection", "fusion", "classifier")
    )
    landmarks = None
    if isinstance(model, ActionClassifier):
        network = model.network
        parts |= {
            "encoder": network.blocks,
            "fusion": nn.ModuleList([network.norm, network.fusion]),
        }
        parts["classifier"] = nn.ModuleList([network.pool, network.head])
    elif isinstance(model, SentenceModel):
        network = model.network
        parts |= {
            "projection": network.encoder,
            "encoder": network.stages,
            "classifier": network.output,
        }
    elif isinstance(model, GlossReader | PretextNetwork):
        encoder = model.encoder
        parts |= {
            "encoder": nn.ModuleList([encoder.recurrent, encoder.norm]),
            "projection": encoder.project,
        }
        own = [part for name, part in model.named_children() if name != "encoder"]
        parts["classifier"] = nn.ModuleList(own)
    elif isinstance(model, MultimodalClassifier):
        parts |= {"fusion": model.fusion, "classifier": model.classifier}
        parts |= {name: model.encoders[name] for name in ("rgb", "depth") if name in model.encoders}
        landmarks = dict(model.encoders).get("skeleton")
    elif isinstance(model, FrozenClassifier):
        parts |= {"encoder": model.landmarks, "projection": model.visual, "fusion": model.fusion}
        parts["classifier"] = model.head
    else:
        landmarks, parts["classifier"] = model.encoder, model.head
    counts: dict[str, int | str] = {
        name: "" if part is None else parameter_count(part) for name, part in parts.items()
    }
    if landmarks is not None:
        counts["encoder"] = parameter_count(landmarks.encoder)
        counts["projection"] = parameter_count(landmarks) - counts["encoder"]
    return counts


def count_macs(
    settings: Settings, base: Skeleton, classes: int, feature_size: int = GEMMA_WIDTH
) -> int:
    """Multiply-accumulates of one clip's forward pass, counted by torch; matrix products and
    convolutions only.

    A graph network is counted for one body, see `graph_macs`; on frozen features, the encoder that
    made them is not.
    """
    if settings.gcn.variant:
        inputs = 3 * len(settings.gcn.streams)
        return graph_macs(
            VARIANTS[settings.gcn.variant], settings.action.frames, len(base), inputs, classes
        )
    if settings.ctc.network:
        return sentence_macs(settings, base, classes)
    if settings.phonology.network:
        return reader_macs(settings, classes)
    chosen = base.select(settings.features.joints)
    frames = settings.features.frames or 64
    points = {
        "points": torch.zeros(1, frames, len(chosen), settings.features.coordinates),
        "mask": torch.ones(1, frames, len(chosen), dtype=torch.bool),
        "lengths": torch.tensor([frames]),
    }
    total = sum(
        video_macs(settings, name) for name in settings.fusion.modalities if name != "skeleton"
    )
    if not settings.fusion.modalities:
        points["features"] = torch.zeros(1, settings.frozen.frames, feature_size)
        points["shown"] = torch.ones(1, settings.frozen.frames, dtype=torch.bool)
        model = build_model(settings, base, classes, feature_size).eval()
        return _counted(lambda: model(points))
    if "skeleton" in settings.fusion.modalities:
        alone = replace(settings.fusion, modalities=["skeleton"])
        light = build_model(replace(settings, fusion=alone), base, classes).eval()
        total += _counted(lambda: light.encoders["skeleton"].encode(points))
    return total


def sentence_macs(settings: Settings, base: Skeleton, classes: int) -> int:
    """Those of a sentence of `SENTENCE_FRAMES` frames; recurrent layers are counted by hand, torch
    leaves them out.
    """
    chosen, ctc = base.select(settings.features.joints), settings.ctc
    with torch.device("meta"):
        model = build_model(settings, base, classes).eval()
    # Values do not matter: making 40 million of them would take longer than counting.
    model.to_empty(device="cpu")
    for own in (*model.parameters(), *model.buffers()):
        own.data.zero_()
    lengths = torch.tensor([SENTENCE_FRAMES])
    batch = {"lengths": lengths}
    if ctc.input == "streams":
        batch["points"] = torch.zeros(
            1, SENTENCE_FRAMES, len(chosen), settings.features.coordinates
        )
        batch["mask"] = torch.ones(1, SENTENCE_FRAMES, len(chosen), dtype=torch.bool)
    else:
        batch["features"] = torch.zeros(
            1, SENTENCE_FRAMES, ctc.reduce or 3 * CHANNELS * len(chosen)
        )
    recurrent = [part for part in model.modules() if isinstance(part, nn.LSTM)]
    each = sum(
        p.numel() for part in recurrent for name, p in part.named_parameters() if "weight" in name
    )
    return _counted(lambda: model(batch)) + int(model.frames(lengths)) * each


def reader_macs(settings: Settings, classes: int) -> int:
    """Those of a clip of `READER_FRAMES` frames, by hand: torch does not count recurrent layers."""
    p, each = settings.phonology, 0
    for layer in range(p.layers):
        each += 2 * 4 * p.width * ((2 * p.width if layer else p.width) + p.width)
    head = 2 * p.width * (classes + 1) if p.network == "ctc" else 0
    return READER_FRAMES * (FEATURES * p.width + each + head)


def graph_macs(sizes: GraphSizes, frames: int, joints: int, inputs: int, classes: int) -> int:
    """Those of one body through a graph network in the seed's order, so that its table and ours
    compare.

    The seed mixes channels before all shares of all joints are multiplied out; gathering first, as
    the model does, needs 2 to 4 % fewer. The auxiliary maps of the seed's head are not among them:
    scores do not need them.

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
            time = (
                points * 2 * out**2
                + later * (10 * out + 2 * out**2)
                + (stride > 1) * later * out**2
            )
            gates = (5 if bands else 2) * out * narrow + 2 * (frames + joints) * out * narrow
            shortcut = 0 if (channels, stride) == (out, 1) else later * channels * out
            total += graph + time + gates + shortcut
            channels = out
    return total + channels * classes


def video_macs(settings: Settings, name: str) -> int:
    """Those of one clip through the video encoder `name`: patch embedding, then products of each
    layer.
    """
    video, pictures = getattr(settings, name), settings.pictures
    tokens = pictures.frames // 2 * (pictures.size // pictures.patch) ** 2
    width, channels = video.width, 3 if name == "rgb" else 1
    layer = tokens * (4 * width**2 + 2 * width * video.intermediate) + 2 * tokens**2 * width
    return tokens * channels * 2 * pictures.patch**2 * width + video.layers * layer


def _counted(forward: Callable[[], object]) -> int:
    # The fused attention of a CPU is not counted; the plain one is.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        forward()
    return counter.get_total_flops() // 2
