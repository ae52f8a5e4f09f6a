"""The classifier on frozen features: the source's counts, what its attention is worth, and what
must change nothing.
"""

import pytest
import torch
from torch.nn import functional

from signlib.errors import ClipError, SettingsError
from signlib.experiments import sizes
from signlib.models.classifier import parameter_count
from signlib.models.frozen import FROZEN_FUSIONS, INPUTS, FrozenClassifier, frozen_model
from signlib.settings.registry import all_presets

COUNTS = {
    2048: {
        "concat": 2_798_692,
        "attention": 3_061_860,
        "attention-over-time": 3_061_860,
        "gated": 2_864_484,
    },
    2560: {
        "concat": 2_929_764,
        "attention": 3_192_932,
        "attention-over-time": 3_192_932,
        "gated": 2_995_556,
    },
    1152: {
        "concat": 2_569_316,
        "attention": 2_832_484,
        "attention-over-time": 2_832_484,
        "gated": 2_635_108,
    },
}
every_fusion = pytest.mark.parametrize("fusion", FROZEN_FUSIONS)


def tiny(fusion="concat", inputs=INPUTS):
    torch.manual_seed(0)
    return frozen_model(
        inputs, fusion, 6, 9, 4, width=8, heads=2, layers=1, intermediate=16, positions=8
    ).eval()


def batch_of(clips=3, frames=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(clips, frames, 3, 3, generator=generator)
    return {
        "features": torch.randn(clips, frames, 6, generator=generator),
        "shown": torch.ones(clips, frames, dtype=torch.bool),
        "points": points,
        "mask": torch.ones(clips, frames, 3, dtype=torch.bool),
        "lengths": torch.full((clips,), frames),
    }


@pytest.mark.parametrize("size", COUNTS)
def test_the_seeds_counts_to_the_last_parameter(size):
    for fusion, count in COUNTS[size].items():
        assert parameter_count(frozen_model(INPUTS, fusion, size, 162, 100)) == count


def test_the_parts_are_what_they_are_and_not_what_the_seed_says():
    """The source's four numbers (800 + 900 + 260 + 130 thousand) are not 2.8 million; these are."""
    model = frozen_model(INPUTS, "concat", 2048, 162, 100)
    parts = [
        parameter_count(part) for part in (model.visual, model.landmarks, model.fusion, model.head)
    ]
    assert parts == [870_912, 1_704_448, 131_840, 91_492]
    assert sum(parts) == 2_798_692


def test_the_table_of_models_has_every_size(monkeypatch):
    chosen = {name: row for name, row in all_presets().items() if name.startswith("wlasl/")}
    monkeypatch.setattr(sizes.registry, "all_presets", lambda: chosen)
    table = sizes.model_table().set_index("preset")["parameters"]
    for size, counts in COUNTS.items():
        width = "" if size == 1152 else f", {size:,}-D"
        assert {fusion: table[f"wlasl/{fusion}{width}"] for fusion in counts} == counts


def test_attention_over_one_key_does_not_look_at_its_query():
    generator = torch.Generator().manual_seed(0)
    seen = [
        (
            torch.randn(2, 8, generator=generator),
            torch.randn(2, 5, 8, generator=generator),
            torch.ones(2, 5, dtype=torch.bool),
        )
        for _ in range(3)
    ]
    for fusion, looks in (("attention", False), ("attention-over-time", True)):
        attend = tiny(fusion).fusion._attend
        assert torch.allclose(attend(seen[0], seen[2]), attend(seen[1], seen[2])) is not looks
    single = tiny("attention").fusion
    double = tuple(2 * part if part.dtype.is_floating_point else part for part in seen[2])
    zero = (seen[2][0] * 0, *seen[2][1:])
    shift = single._attend(seen[0], zero)
    assert torch.allclose(
        single._attend(seen[0], double) - shift, 2 * (single._attend(seen[0], seen[2]) - shift)
    )


@every_fusion
def test_padding_and_company_change_nothing(fusion):
    model, batch = tiny(fusion), batch_of()
    alone = model({key: value[:1] for key, value in batch.items()})
    padded = {
        key: functional.pad(value, [0, 0] * (value.ndim - 2) + [0, 3]) if value.ndim > 1 else value
        for key, value in batch.items()
    }
    padded["features"][:, 5:], padded["points"][:, 5:] = 7.0, 7.0
    with torch.no_grad():
        assert torch.allclose(model(batch)[:1], alone, atol=1e-6)
        assert torch.allclose(model(padded), model(batch), atol=1e-5)
        backwards = {key: value.flip(0) for key, value in batch.items()}
        assert torch.allclose(model(backwards).flip(0), model(batch), atol=1e-6)


@every_fusion
def test_every_fusion_reads_both_streams_and_the_order_of_frames(fusion):
    model, batch = tiny(fusion), batch_of()
    with torch.no_grad():
        before = model(batch)
        for key in ("features", "points"):
            assert not torch.allclose(model({**batch, key: batch[key] + 1}), before, atol=1e-4)
            assert not torch.allclose(model({**batch, key: batch[key].flip(1)}), before, atol=1e-5)


def test_predict_gives_what_the_seeds_model_gives():
    model = tiny().train()
    predictions, confidence, probabilities = model.predict(
        torch.randn(3, 5, 6), torch.randn(3, 5, 9)
    )
    assert (predictions.shape, confidence.shape, probabilities.shape) == ((3,), (3,), (3, 4))
    torch.testing.assert_close(probabilities.sum(1), torch.ones(3))
    assert torch.equal(probabilities.max(1).values, confidence)
    assert torch.equal(probabilities.argmax(1), predictions)
    assert model.training, "it is left as it was"
    features = torch.randn(2, 5, 6)
    alone = tiny(inputs=["visual"])
    wanted = alone({"features": features, "shown": torch.ones(2, 5, dtype=torch.bool)}).softmax(-1)
    torch.testing.assert_close(alone.predict(features)[2], wanted)


@every_fusion
def test_eight_clips_are_learned_by_heart(fusion):
    torch.manual_seed(1)
    model, batch = tiny(fusion).train(), batch_of(8, seed=1)
    target = torch.arange(8) % 4
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        functional.cross_entropy(model(batch), target).backward()
        optimizer.step()
    assert (model(batch).argmax(1) == target).all()


def test_what_cannot_be_built_or_read_is_refused():
    with pytest.raises(SettingsError, match="0 branches"):
        FrozenClassifier(None, None, None, 8, 4)
    with pytest.raises(ClipError, match="9 frames are more than this model's 8"):
        tiny()(batch_of(frames=9))


def test_our_landmark_encoder_can_stand_in_the_branchs_place():
    from signlib.models.landmarks import LandmarkEncoder

    torch.manual_seed(0)
    encoder = LandmarkEncoder(3, 3, [], ["point", "velocity"], 8, 1, 2, 16, positions=8)
    model = frozen_model(
        INPUTS, "attention-over-time", 6, 9, 4, 8, 1, 2, 16, positions=8, encoder=encoder
    ).eval()
    batch = batch_of()
    padded = {
        key: functional.pad(value, [0, 0] * (value.ndim - 2) + [0, 3]) if value.ndim > 1 else value
        for key, value in batch.items()
    }
    with torch.no_grad():
        scores = model(batch)
        assert scores.shape == (3, 4)
        assert torch.allclose(model(padded), scores, atol=1e-5)
        assert not torch.allclose(
            model({**batch, "points": batch["points"].flip(1)}), scores, atol=1e-5
        )
