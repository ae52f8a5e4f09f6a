"""Batches of features: what is missing, views, codebooks, the nearest clip."""

import numpy as np
import pytest
import torch

from signlib.errors import ClipError
from signlib.models.pretext import ProductQuantiser
from signlib.training.phonology import (
    PhonologyDataset,
    collate,
    fit_codebooks,
    nearest_glosses,
    view,
)


def table(frames, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, 36)).astype(np.float32)


def test_a_batch_tells_what_is_missing():
    first = table(4)
    first[1, 3] = np.nan  # one finger: the handshape is not seen
    batch = collate([(first, 2), (table(2), 0)])
    assert batch["features"].shape == (2, 4, 36)
    assert batch["present"][0].tolist() == [
        [True] * 5,
        [False, *[True] * 4],
        [True] * 5,
        [True] * 5,
    ]
    assert not batch["present"][1, 2:].any()
    assert (batch["features"][1, 2:] == 0).all()
    assert (batch["lengths"].tolist(), batch["target"].tolist()) == ([4, 2], [2, 0])


def test_a_view_that_changes_nothing():
    batch = collate([(table(14), 0), (table(9, 1), 1)])
    found = view(batch, 1.0, 0.0, 0.0)
    torch.testing.assert_close(found["features"], batch["features"])
    assert found["lengths"].tolist() == [14, 9]


def test_views_are_cut_and_played_at_other_speeds():
    torch.manual_seed(0)
    ramp = np.arange(40, dtype=np.float32)[:, None].repeat(36, 1)
    batch = collate([(ramp, 0)] * 200)
    found = view(batch, 0.7, 0.2, 0.0)
    lengths = found["lengths"]
    assert lengths.min() < 26
    assert lengths.max() > 42
    for row, length in zip(found["features"], lengths, strict=True):
        steps = torch.diff(row[:length, 0])
        torch.testing.assert_close(steps, steps[:1].expand(len(steps)), atol=1e-3, rtol=0)
        assert 0.79 < steps[0] < 1.22
        assert (row[length:] == 0).all()
    assert (
        view(collate([(table(8), 0)]), 0.1, 0.0, 0.0)["lengths"] == 8
    ).all()  # ten frames, or all there are


def test_noise_never_fills_what_is_missing():
    torch.manual_seed(0)
    lost = table(20)
    lost[:, 31:] = np.nan
    lost[5:9, :10] = np.nan
    found = view(collate([(lost, 0)]), 1.0, 0.0, 0.1)
    assert (found["features"][0, :, 31:] == 0).all()
    assert (found["features"][0, 5:9, :10] == 0).all()
    moved = (found["features"][0, 10:, :31] - torch.from_numpy(lost[10:, :31])).std()
    assert float(moved) == pytest.approx(0.1, abs=0.02)


def test_codebooks_are_the_means_of_what_was_seen():
    rng = np.random.default_rng(0)
    frames = np.where(np.arange(60)[:, None] < 45, 0.0, 5.0) + rng.normal(0, 0.01, (60, 36))
    frames = frames.astype(np.float32)
    frames[:, 31:] = np.nan  # no face
    quantiser = ProductQuantiser((2, 2, 2, 2, 2))
    face = quantiser.books[4].data.clone()
    chance = fit_codebooks(quantiser, [frames[:20], frames[20:]], 0)
    assert sorted(round(float(v), 1) for v in quantiser.books[0].data.mean(1)) == [0.0, 5.0]
    assert torch.equal(quantiser.books[4], face)
    assert chance == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    with pytest.raises(ClipError, match="smaller codebooks"):
        fit_codebooks(ProductQuantiser((64,) * 5), [frames[:3]], 0)


def test_the_nearest_clip_names_the_gloss():
    known, targets = np.eye(3, dtype=np.float32), np.array([1, 0, 1])
    scores = nearest_glosses(
        np.array([[0.1, 0.9, 0], [0, 0, 1]], np.float32), known, targets, 2, 0.5
    )
    assert scores.argmax(1).tolist() == [0, 1]
    assert np.exp(scores).sum(1) == pytest.approx(1)
    assert scores[0, 0] - scores[0, 1] == pytest.approx((0.9 - 0.1) / 0.5, rel=1e-5)


def test_repeats():
    data = PhonologyDataset([table(3), table(4)], [0, 1], repeats=2)
    assert len(data) == 4
    assert [len(item[0]) for item in data] == [3, 4, 3, 4]
