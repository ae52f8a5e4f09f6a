"""Every preset builds, does one forward and backward, and has its stated parameter count."""

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from signlib.data.skeletons import FACE_HANDS_43, HANDS_42, MEDIAPIPE_543
from signlib.experiments.sizes import model_table
from signlib.models.classifier import LandmarkClassifier, parameter_count
from signlib.models.counting import video_macs
from signlib.settings import presets
from signlib.settings.registry import all_presets
from signlib.tasks.registry import build_model, task_of
from signlib.tasks.task import Inputs

CORPORA = {"dgs-30": (FACE_HANDS_43, 30), "asl-letters": (HANDS_42, 27)}
STATED = {
    "landmarks/small": 466_790,
    "landmarks/base": 11_446_118,
    "landmarks/original": 10_802_304 + 417_408 + 226 * 385,
    "dgs-30/small": 391_458,
}


class Sum(nn.Module):
    """An encoder that adds up each clip's points."""

    size = 2

    def forward(self, batch):
        return batch["points"].sum(dim=(1, 2))


def test_the_head_scores_what_the_encoder_says():
    model = LandmarkClassifier(Sum(), classes=3, dropout=0.5).eval()
    with torch.no_grad():
        model.head.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1]]))
        model.head.bias.copy_(torch.tensor([0.0, 0, 10]))
    points = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert model({"points": points}).tolist() == [[4, 6, 20]]
    assert parameter_count(model) == 9


def by_hand(settings, joints: int, classes: int) -> int:
    """The size of a classifier with two hands, added up from its settings."""
    model, axes = settings.model, settings.features.coordinates
    sizes = {
        "point": joints * axes,
        "velocity": joints * axes,
        "local": 42 * axes,
        "bone": 40 * axes,
        "pair": 90,
    }
    features = sum(sizes[stream] for stream in model.streams) + 2
    if model.layout == "original":
        features = sizes["point"]
    d, inner = model.width, model.intermediate
    layer = 4 * (d * d + d) + (d * inner + inner) + (inner * d + d) + 4 * d
    if model.layout == "original":
        return (
            features * d
            + d
            + (1 + 1 + 16) * d
            + 2 * d
            + model.layers * layer
            + d * d
            + d
            + d * classes
            + classes
        )
    stem = (
        2 * features
        + features * d
        + d
        + model.stem_blocks * (d * model.stem_kernel + d + 2 * d + d * d + d)
    )
    bert = (1 + 1 + model.max_positions) * d + 2 * d + model.layers * layer
    return stem + d + bert + 2 * d * classes + classes


def test_every_stated_size_is_that_of_a_preset():
    assert set(STATED) <= set(all_presets())


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in all_presets()
        if name.startswith(("landmarks/", "dgs-30/", "wlasl-50/", "asl-letters/"))
        and "landmark-" not in name
    ],
)
def test_a_preset_builds_and_does_one_forward_and_backward(name):
    settings = presets.build(name)
    base, classes = CORPORA.get(settings.data.corpus, (MEDIAPIPE_543, 226))
    torch.manual_seed(0)
    model = build_model(settings, base, classes)
    frames, joints = settings.features.frames or 20, len(base.select(settings.features.joints))
    assert (
        parameter_count(model)
        == by_hand(settings, joints, classes)
        == STATED.get(name, parameter_count(model))
    )
    batch = {
        "points": torch.randn(2, frames, joints, settings.features.coordinates),
        "mask": torch.ones(2, frames, joints, dtype=torch.bool),
        "lengths": torch.tensor([frames, frames]),
    }
    scores = model(batch)
    assert scores.shape == (2, classes)
    scores.square().sum().backward()
    assert model.head.weight.grad.abs().sum() > 0
    first = (
        model.encoder.project if settings.model.layout == "original" else model.encoder.stem.project
    )
    assert first.weight.grad.abs().sum() > 0


def test_the_table_of_models_names_every_preset_and_size():
    table = model_table().set_index("preset")
    # Classifiers on frozen features stand there once more for other sizes of a feature.
    assert {name for name in table.index if "-D" not in name} == set(all_presets())
    # The table counts with the twenty glosses of the presets' own corpus, STATED with AUTSL's.
    fewer = {"landmarks/small": 257, "landmarks/base": 769, "landmarks/original": 385}
    for name, count in STATED.items():
        assert table["parameters"][name] == count - (226 - 20) * fewer.get(name, 0)
    assert table.loc["landmarks/original", "encoder"] == 10_802_304
    whole = table.loc["autsl/rgb+depth+skeleton"]
    assert whole["parameters"] == 123_797_989
    assert whole[["rgb", "depth", "encoder", "projection", "fusion", "classifier"]].tolist() == [
        86_225_664,
        25_477_632,
        10_802_304,
        417_408,
        640_131,
        234_850,
    ]
    assert table.loc["autsl/current", ["encoder", "projection"]].tolist() == [2_179_328, 278_272]
    assert table.loc["landmarks/small", "depth"] == ""
    assert table["classes"][["landmarks/original", "dgs-30/small"]].tolist() == [20, 30]


def test_multiply_accumulates_of_the_source_are_those_worked_out_by_hand():
    settings = presets.build("landmarks/original")
    frames, d, inner = 16, 384, 1536
    layer = frames * (4 * d * d + 2 * d * inner) + 2 * frames * frames * d
    counted = task_of(settings).count_macs(settings, Inputs(MEDIAPIPE_543), 226)
    assert counted == frames * 1086 * d + 6 * layer + d * d + d * 226


def test_multiply_accumulates_of_a_video_encoder_are_those_torch_counts():
    sizes = [
        "rgb.width=32",
        "rgb.layers=2",
        "rgb.heads=2",
        "rgb.intermediate=48",
        "rgb.weights=",
        "pictures.size=32",
        "pictures.patch=8",
        "pictures.frames=4",
    ]
    settings = presets.build("autsl/rgb", overrides=sizes)
    encoder = build_model(settings, MEDIAPIPE_543, 5).encoders["rgb"]
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        encoder.eval()(torch.zeros(1, 4, 3, 32, 32))
    assert video_macs(settings.rgb, settings.pictures, 3) == counter.get_total_flops() // 2
