"""The whole classifier: the source's size, any subset of modalities, and batch order that changes
nothing.
"""

import pytest
import torch

from signlib.errors import SettingsError
from signlib.models.classifier import parameter_count
from signlib.models.fusion import (
    FUSIONS,
    MODALITIES,
    MultimodalClassifier,
    WeightedFusion,
    mlp_head,
)
from signlib.models.landmarks import LandmarkEncoder, OriginalLandmarkEncoder
from signlib.models.video import VideoEncoder, videomae

SUBSETS = [("rgb",), ("skeleton",), ("rgb", "depth"), ("rgb", "skeleton"), MODALITIES]
every_subset = pytest.mark.parametrize("chosen", SUBSETS, ids="+".join)
HANDS = [tuple(range(21)), tuple(range(21, 42))]


def tiny(chosen, fusion="weighted", **settings):
    torch.manual_seed(0)
    sizes = (16, 1, 2, 32)
    made = {
        "rgb": lambda: VideoEncoder(videomae(*sizes, channels=3, size=32, frames=4)),
        "depth": lambda: VideoEncoder(videomae(*sizes, channels=1, size=32, frames=4)),
        "skeleton": lambda: LandmarkEncoder(42, 3, HANDS, ["point"], 16, 1, 2, 32, stem_blocks=1),
    }
    encoders = {name: made[name]() for name in chosen}
    ordered = [encoders[name].size for name in MODALITIES if name in encoders]
    return MultimodalClassifier(encoders, FUSIONS[fusion](ordered, 12), 5, **settings).eval()


def batch_of(chosen, size=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    return {
        "colour": torch.randint(0, 256, (size, 4, 32, 32, 3), generator=g).to(torch.uint8),
        "depth": torch.randint(0, 256, (size, 4, 32, 32), generator=g).to(torch.uint8),
        "points": torch.randn(size, 6, 42, 3, generator=g),
        "mask": torch.ones(size, 6, 42, dtype=torch.bool),
        "lengths": torch.full((size,), 6),
        "present": torch.ones(size, len(chosen), dtype=torch.bool),
    }


def test_the_seeds_whole_model_has_its_124_million_parameters():
    with torch.device("meta"):
        encoders = {
            "rgb": VideoEncoder(videomae(768, 12, 12, 3072, 3)),
            "depth": VideoEncoder(videomae(512, 8, 8, 2048, 1)),
            "skeleton": OriginalLandmarkEncoder(543, 2, 384, 6, 6, 1536),
        }
        model = MultimodalClassifier(encoders, WeightedFusion([768, 512, 384], 384), 226)
        parts = (
            86_225_664
            + 25_477_632
            + 10_802_304
            + 417_408
            + 295_296
            + 196_992
            + 147_840
            + 3
            + 234_850
        )
        assert parameter_count(model) == parts == 123_797_989
        assert parameter_count(mlp_head(384, 226, 0.1)) == 234_850


@every_subset
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_subset_and_fusion_scores_a_batch_clip_by_clip(chosen, fusion):
    model, batch = tiny(chosen, fusion), batch_of(chosen)
    scores = model(batch)
    assert scores.shape == (3, 5)
    for row in range(3):
        alone = {key: value[row : row + 1] for key, value in batch.items()}
        torch.testing.assert_close(model(alone)[0], scores[row], atol=1e-5, rtol=1e-4)


@every_subset
def test_every_parameter_learns(chosen):
    model = tiny(chosen).train()
    model(batch_of(chosen)).square().sum().backward()
    still = [name for name, p in model.named_parameters() if p.grad is None]
    assert all("word_embeddings" in name for name in still)


@pytest.mark.parametrize("lost", range(3))
def test_a_missing_modality_at_test_time_is_as_if_it_had_never_been_looked_at(lost):
    model, batch = tiny(MODALITIES), batch_of(MODALITIES)
    batch["present"][:, lost] = False
    other = batch_of(MODALITIES, seed=9)
    keys = {0: ["colour"], 1: ["depth"], 2: ["points"]}[lost]
    torch.testing.assert_close(model({**batch, **{key: other[key] for key in keys}}), model(batch))


def test_dropped_modalities_are_a_matter_of_training():
    model, batch = tiny(MODALITIES, drop_modality=0.5), batch_of(MODALITIES)
    torch.testing.assert_close(model(batch), model(batch))
    model.train()
    torch.manual_seed(0)
    first = model(batch)
    assert not torch.allclose(first, model(batch))


@pytest.mark.parametrize("names", [(), ("sound",)])
def test_unknown_or_no_modalities_are_refused(names):
    with pytest.raises(SettingsError, match="rgb, depth, skeleton"):
        MultimodalClassifier(
            {name: torch.nn.Identity() for name in names}, WeightedFusion([1], 1), 2
        )
