"""Every preset builds, does one forward and backward, and has its stated parameter count."""

import pytest
import torch
from torch import nn

from signlib import presets
from signlib.data.skeletons import FACE_HANDS_43, HANDS_42, MEDIAPIPE_543
from signlib.experiment import build_model, count_macs, model_table
from signlib.models.classifier import LandmarkClassifier, parameter_count

# preset: skeleton, features a frame (points, local hands, velocity, two flags), classes, parameters
STATED = {
    "landmarks/small": (MEDIAPIPE_543, 75 * 3 * 2 + 126 + 2, 226, 466_790),
    "landmarks/base": (MEDIAPIPE_543, 75 * 3 * 2 + 126 + 2, 226, 11_446_118),
    "landmarks/seed": (MEDIAPIPE_543, 543 * 2, 226, 10_802_304 + 417_408 + 226 * 385),
    "landmarks/one-shot": (MEDIAPIPE_543, 75 * 3 * 2 + 126 + 2, 226, 466_790),
    "dgs-30/small": (FACE_HANDS_43, 43 * 3 * 2 + 126 + 2, 30, 391_458),
    "asl-letters/small": (HANDS_42, 42 * 3 * 2 + 126 + 2, 27, 389_907),
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


def by_hand(model, features: int, classes: int) -> int:
    """The size of a classifier, added up from its settings."""
    d, inner = model.width, model.intermediate
    layer = 4 * (d * d + d) + (d * inner + inner) + (inner * d + d) + 4 * d
    if model.layout == "seed":
        return features * d + d + (1 + 1 + 16) * d + 2 * d + model.layers * layer + d * d + d + d * classes + classes
    stem = 2 * features + features * d + d + model.stem_blocks * (d * model.stem_kernel + d + 2 * d + d * d + d)
    bert = (1 + 1 + model.max_positions) * d + 2 * d + model.layers * layer
    return stem + d + bert + 2 * d * classes + classes


def test_every_preset_has_a_stated_size():
    assert set(STATED) == set(presets.PRESETS)


@pytest.mark.parametrize("name", STATED)
def test_a_preset_builds_and_does_one_forward_and_backward(name):
    base, features, classes, parameters = STATED[name]
    settings = presets.build(name)
    torch.manual_seed(0)
    model = build_model(settings, base, classes)
    assert parameter_count(model) == parameters == by_hand(settings.model, features, classes)
    frames, joints = settings.features.frames, len(base.select(settings.features.joints))
    batch = {
        "points": torch.randn(2, frames, joints, settings.features.coordinates),
        "mask": torch.ones(2, frames, joints, dtype=torch.bool),
        "lengths": torch.tensor([frames, frames]),
    }
    scores = model(batch)
    assert scores.shape == (2, classes)
    scores.square().sum().backward()
    assert model.head.weight.grad.abs().sum() > 0
    first = model.encoder.project if settings.model.layout == "seed" else model.encoder.stem.project
    assert first.weight.grad.abs().sum() > 0


def test_the_table_of_models_names_every_preset_and_size():
    table = model_table().set_index("preset")
    assert table["parameters"].to_dict() == {name: stated[-1] for name, stated in STATED.items()}
    assert table.loc["landmarks/seed", "encoder"] == 10_802_304
    assert table["frames"].to_dict() == {name: 16 if name == "landmarks/seed" else 32 for name in STATED}


def test_multiply_accumulates_of_the_seed_are_those_worked_out_by_hand():
    settings = presets.build("landmarks/seed")
    model = build_model(settings, MEDIAPIPE_543, 226)
    frames, d, inner = 16, 384, 1536
    layer = frames * (4 * d * d + 2 * d * inner) + 2 * frames * frames * d
    assert count_macs(model, MEDIAPIPE_543, settings) == frames * 1086 * d + 6 * layer + d * d + d * 226
