"""The two layouts of the landmark encoder: sizes to the last parameter, padding, missing points,
learning.
"""

import pytest
import torch
from torch.nn import functional

from signlib.errors import ClipError
from signlib.models.classifier import LandmarkClassifier, landmark_classifier, parameter_count
from signlib.models.landmarks import OriginalLandmarkEncoder, bert
from signlib.settings import config
from signlib.settings.landmarks import STREAMS

JOINTS, FRAMES, CLASSES = 44, 8, 4
HANDS = (tuple(range(2, 23)), tuple(range(23, 44)))
TINY = {
    "model.width": 16,
    "model.layers": 1,
    "model.heads": 2,
    "model.intermediate": 32,
    "model.max_positions": 12,
}
LAYOUTS = {
    "cls": {"model.streams": list(STREAMS), "model.stem_stride": 2},
    "cls, stride 3": {
        "model.streams": ["local", "velocity"],
        "model.stem_stride": 3,
        "model.stem_blocks": 1,
    },
    "original": {"model.layout": "original", "model.stem_stride": 1, "features.frames": FRAMES},
}


def network(layout: str, **differences: float) -> LandmarkClassifier:
    settings = config.assembled(TINY, LAYOUTS[layout], differences)
    # The source's layout does not read all of them.
    config.put_back(settings)
    config.check(settings)
    torch.manual_seed(0)
    return landmark_classifier(settings.model, JOINTS, 2, HANDS, FRAMES, CLASSES)


def clips(size: int = 8, frames: int = FRAMES, seed: int = 1) -> dict[str, torch.Tensor]:
    """Clips of differing lengths with a tenth of the points and some whole hands missing."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.arange(size) % 4 + frames - 3
    points = torch.randn(size, frames, JOINTS, 2, generator=generator)
    mask = torch.rand(size, frames, JOINTS, generator=generator) > 0.1
    mask[::3, :3, list(HANDS[0])] = False
    mask &= (torch.arange(frames) < lengths[:, None])[..., None]
    target = torch.arange(size) % CLASSES
    return {"points": points * mask[..., None], "mask": mask, "lengths": lengths, "target": target}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_padding_changes_nothing(layout):
    model = network(layout).eval()
    batch = clips()
    batch["lengths"] = batch["lengths"] - 1
    batch["mask"] &= (torch.arange(FRAMES) < batch["lengths"][:, None])[..., None]
    batch["points"] = batch["points"] * batch["mask"][..., None]
    with torch.no_grad():
        together = model(batch)
        for row in range(8):
            length = int(batch["lengths"][row])
            alone = {key: value[row : row + 1] for key, value in batch.items()}
            alone = {
                **alone,
                "points": alone["points"][:, :length],
                "mask": alone["mask"][:, :length],
            }
            torch.testing.assert_close(model(alone)[0], together[row], atol=1e-5, rtol=1e-4)
    assert together.std(dim=0).min() > 1e-4


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_order_of_the_batch_changes_nothing(layout):
    model = network(layout).eval()
    batch, order = clips(), torch.tensor([5, 2, 7, 0, 1, 6, 3, 4])
    with torch.no_grad():
        torch.testing.assert_close(
            model({key: value[order] for key, value in batch.items()}),
            model(batch)[order],
            atol=1e-6,
            rtol=1e-5,
        )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("training", [False, True])
def test_values_of_missing_points_do_not_matter_and_those_of_seen_ones_do(layout, training):
    zero = {"model.dropout": 0.0, "model.stem_dropout": 0.0, "model.head_dropout": 0.0}
    model = network(layout, **zero).train(training)
    batch = clips()
    missing = ~batch["mask"][..., None]
    with torch.no_grad():
        scores = model(batch)
        for junk in (1e6, float("nan")):
            torch.testing.assert_close(
                model({**batch, "points": batch["points"].masked_fill(missing, junk)}), scores
            )
        changed = batch["points"].clone()
        seen = batch["mask"][:, 1, HANDS[1][4]]
        assert seen.any()
        changed[:, 1, HANDS[1][4]] += 1.0
        differs = (model({**batch, "points": changed}) - scores).abs().amax(1) > 1e-6
        assert differs[seen].all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_reach_every_parameter_that_learns(layout):
    model = network(layout, **{"model.max_positions": 6 if layout != "original" else 12}).train()
    functional.cross_entropy(model(clips()), clips()["target"]).backward()
    silent = {
        n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    }
    # The vocabulary of one is never looked up, and nobody reads the source's pooler.
    expected = {"encoder.encoder.embeddings.word_embeddings.weight"}
    if layout == "original":
        expected |= {"encoder.encoder.pooler.dense.weight", "encoder.encoder.pooler.dense.bias"}
    # A bias that a norm follows or that softmax cancels gets gradients of rounding size only; they
    # are not silent.
    assert silent - {n for n in silent if n.endswith("key.bias")} == expected


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_overfits_eight_clips(layout):
    zero = {"model.dropout": 0.0, "model.stem_dropout": 0.0, "model.head_dropout": 0.0}
    model, batch = network(layout, **zero), clips()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    first = None
    for _ in range(60):
        loss = functional.cross_entropy(model(batch), batch["target"])
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert first > 1.0
    assert loss.item() < 0.05
    with torch.no_grad():
        assert (model.train()(batch).argmax(1) == batch["target"]).all()


def test_the_seed_has_its_stated_parameters():
    encoder = OriginalLandmarkEncoder(
        543, 2, width=384, layers=6, heads=6, intermediate=1536, frames=16
    )
    assert parameter_count(encoder.encoder) == 10_802_304
    assert parameter_count(encoder.project) == 417_408
    assert parameter_count(encoder) == 10_802_304 + 417_408
    assert encoder.size == 384
    assert encoder.encoder.config.vocab_size == 1


def test_the_current_origin_has_its_stated_parameters():
    encoder = OriginalLandmarkEncoder(
        543, 2, width=256, layers=4, heads=4, intermediate=512, frames=16
    )
    assert parameter_count(encoder.encoder) == 2_179_328
    assert parameter_count(encoder.project) == 278_272


def test_a_layer_of_bert_is_counted_by_hand():
    width, inner = 8, 20
    layer = (
        4 * (width * width + width)
        + 2 * 2 * width
        + (width * inner + inner)
        + (inner * width + width)
    )
    embeddings = width * (1 + 1 + 5) + 2 * width
    assert parameter_count(bert(width, 3, 2, inner, 5, 0.0, pooler=False)) == 3 * layer + embeddings
    assert parameter_count(bert(width, 3, 2, inner, 5, 0.0, pooler=True)) == (
        3 * layer + embeddings + width * width + width
    )


def test_the_seed_reads_its_first_frame_out():
    model = network("original").eval()
    batch = clips(2)
    with torch.no_grad():
        frames = model.encoder.project(batch["points"].flatten(2))
        real = (torch.arange(FRAMES) < batch["lengths"][:, None]).long()
        states = model.encoder.encoder(inputs_embeds=frames, attention_mask=real).last_hidden_state
        torch.testing.assert_close(model(batch), model.head(states[:, 0]))


def test_too_many_frames_name_the_remedy():
    long = clips(2, frames=40)
    with pytest.raises(ClipError, match=r"40 frames are more than this encoder's 8"):
        network("original")(long)
    with pytest.raises(ClipError, match=r"20 tokens.*model\.max_positions=12.*features\.frames"):
        network("cls")(long)
    # Eleven tokens and the CLS token fill twelve positions exactly.
    assert network("cls")(clips(2, frames=22)).shape == (2, CLASSES)
