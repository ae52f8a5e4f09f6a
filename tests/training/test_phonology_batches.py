"""Batches of features: what is missing, views, codebooks, the nearest clip."""

import numpy as np
import pytest
import torch

from signlib.errors import ClipError
from signlib.models.pretext import ProductQuantiser
from signlib.settings import presets
from signlib.tasks.phonology import phonology_model
from signlib.training.batches import at_moments
from signlib.training.phonology import (
    PhonologyDataset,
    collate,
    fit_codebooks,
    nearest_glosses,
    pretext_losses,
    reader_loss,
    view,
)


def table(frames, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, 36)).astype(np.float32)


# Columns of the left hand: handshape, location, orientation, movement, turning.
LEFT = [*range(5), *range(10, 13), *range(16, 19), *range(22, 25), 28]


def one_handed(frames):
    """Features of a sign of the right hand, without a face; what is there is the frame's number."""
    clip = np.arange(1, frames + 1, dtype=np.float32)[:, None].repeat(36, 1)
    clip[:, [*LEFT, *range(31, 36)]] = np.nan
    return clip


def test_a_batch_tells_what_is_missing():
    first = table(4)
    first[1, 3] = np.nan  # one finger: the others are seen
    batch = collate([(first, 2), (table(2), 0)])
    assert batch["features"].shape == (2, 4, 36)
    assert torch.nonzero(~batch["present"][0]).tolist() == [[1, 3]]
    assert batch["features"][0, 1, 3] == 0
    assert batch["features"][0, 1, 4] == first[1, 4]
    assert not batch["present"][1, 2:].any()
    assert (batch["features"][1, 2:] == 0).all()
    assert (batch["lengths"].tolist(), batch["target"].tolist()) == ([4, 2], [2, 0])


def test_a_view_that_changes_nothing():
    batch = collate([(table(14), 0), (table(9, 1), 1), (one_handed(12), 1)])
    same = view(batch, 1.0, 0.0, 0.0)
    torch.testing.assert_close(same["features"], batch["features"])
    assert torch.equal(same["present"], batch["present"])
    assert same["lengths"].tolist() == [14, 9, 12]


def test_a_sign_of_one_hand_keeps_it_in_every_view():
    torch.manual_seed(0)
    right = [k for k in range(31) if k not in LEFT]
    batch = collate([(one_handed(20), 0)] * 50)
    views = view(batch, 0.7, 0.2, 0.0)
    for row, seen, length in zip(*map(views.get, ("features", "present", "lengths")), strict=True):
        # A ramp that goes up from frame to frame, as in the clip.
        assert (row[:length, right] > 0).all()
        assert (torch.diff(row[:length, right], dim=0) > 0).all()
        assert seen[:length, right].all()
        assert not seen[:, LEFT].any()
        assert (row[:, LEFT] == 0).all()


def test_between_two_frames_each_number_counts_where_it_is_seen():
    """By hand: moment 0.5 lies between frames 0 and 1."""
    clip = one_handed(3)
    clip[1, 5] = np.nan  # the right thumb is lost in the middle frame
    batch = collate([(clip, 0)])
    moments = torch.tensor([[0.0, 0.5, 1.0, 1.5, 2.0]])
    values, seen = at_moments(batch["features"], batch["present"], moments, lambda share: share)
    assert values[0, :, 6].tolist() == [1, 1.5, 2, 2.5, 3]
    # The thumb has only its neighbour to go by, and in the middle nothing.
    assert values[0, :, 5].tolist() == [1, 1, 0, 3, 3]
    assert seen[0, :, 5].tolist() == [True, True, False, True, True]


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


def test_codes_are_fitted_on_signs_of_one_hand_too():
    """Two shapes of the right hand alone, and one of both: three codes, missing numbers are 0."""
    frames = np.full((30, 36), np.nan, np.float32)
    rows = [[0] * 5 + [1] * 5] * 10 + [[0] * 5 + [2] * 5] * 10 + [[4] * 10] * 10
    frames[:, :10] = rows
    frames[:20, :5] = np.nan
    quantiser = ProductQuantiser((3, 2, 2, 2, 2))
    fit_codebooks(quantiser, [frames], 0)
    codes = sorted(map(tuple, quantiser.books[0].tolist()))
    np.testing.assert_allclose(codes, sorted({tuple(row) for row in rows}), atol=1e-5)


def test_a_hidden_frame_of_one_hand_has_codes_to_tell():
    torch.manual_seed(0)
    sizes = ["phonology.width=4", "phonology.projection=8", "phonology.codebooks=[2,2,2,2,2]"]
    hiding = ["phonology.hidden=0.9", "phonology.span=1"]
    settings = presets.build("phonology/pretraining", overrides=[*sizes, *hiding])
    model = phonology_model(settings, 2)
    batch = collate([(one_handed(12), 0), (one_handed(9), 0)])
    assert model.quantiser.seen(batch["present"])[0, 0].tolist() == [True] * 4 + [False]
    pretext_losses(model, batch, batch, settings.phonology)[1].backward()
    taught = [head.weight.grad is not None and bool(head.weight.grad.any()) for head in model.heads]
    assert taught == [True] * 4 + [False]  # no face is seen


class Fixed(torch.nn.Module):
    """A reader by CTC whose frames say what they are told."""

    def __init__(self, scores):
        super().__init__()
        self.scores = scores

    def frames(self, batch):
        return self.scores


def test_ctc_is_smoothed_towards_uniform_in_real_frames():
    """By hand: one frame, blank and two glosses with 1/2, 1/4, 1/4; what pads it has no say."""
    scores = torch.tensor([[[0.5, 0.25, 0.25], [0.98, 0.01, 0.01]]]).log()
    batch = {"lengths": torch.tensor([1]), "target": torch.tensor([1])}
    ctc = np.log(4)
    divergence = (np.log(2) + 2 * np.log(4)) / 3 - np.log(3)
    for share in (0.0, 0.1, 0.5):
        loss = reader_loss(Fixed(scores), batch, smoothing=share)
        assert float(loss) == pytest.approx((1 - share) * ctc + share * divergence, rel=1e-5)
    uniform = torch.full((1, 2, 3), 1 / 3).log()
    assert float(reader_loss(Fixed(uniform), batch, smoothing=0.5)) == pytest.approx(
        0.5 * np.log(3), rel=1e-5
    )
    weighed = reader_loss(Fixed(scores), batch, blank_weight=2.0, smoothing=0.1)
    assert float(weighed) == pytest.approx(0.9 * ctc + 0.1 * divergence + 2 * 0.5, rel=1e-5)


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
