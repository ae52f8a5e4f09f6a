"""Batches of whole bodies: frames sampled as worked out by hand, mirror, cameras, mix-up, noise,
absent bodies.
"""

import numpy as np
import pytest
import torch

from signlib.data.skeletons import KINECT_20, NTU_25
from signlib.features.streams import parents_of, streams_of
from signlib.settings import config
from signlib.training.actions import (
    ActionAugment,
    ActionClassifier,
    ActionDataset,
    ActionInputs,
    collate,
    middle,
    random_part,
    sample_frames,
)
from signlib.training.augment import mirror_joints, mixup
from signlib.training.augment_video import mirror_batch

PARENTS = parents_of(NTU_25)
STILL = {
    **{f"augment.{name}": 0.0 for name in ("mirror", "yaw", "pitch", "roll", "scale", "shear")},
    **{f"action.noise_{name}": 0.0 for name in ("joint", "bone", "velocity", "bone_velocity")},
}


def settings(**more):
    return config.build(
        {"task": "graph", "gcn.streams": ["joint", "velocity", "bone", "bone_velocity"]},
        {"action.frames": 8, **{key.replace("__", "."): value for key, value in more.items()}},
    )


def batch(persons=2, lengths=(30, 11), seed=0):
    """Clips of random bodies; the last clip has one person only."""
    rng = np.random.default_rng(seed)
    items = []
    for number, length in enumerate(lengths):
        bodies = np.arange(persons) < (persons if number + 1 < len(lengths) else 1)
        clip = rng.normal(size=(length, persons, 25, 3)).astype(np.float32) * bodies[:, None, None]
        items.append((clip, bodies, number))
    return collate(items)


def inputs(made, streams=("joint", "velocity", "bone")):
    return ActionInputs(made.action, streams, PARENTS)


def augment(made, streams=("joint", "velocity", "bone")):
    return ActionAugment(made.action, streams, PARENTS, made.augment, NTU_25.mirror)


def test_frames_are_sampled_as_worked_out_by_hand():
    ramp = torch.arange(10.0)[None, :, None, None, None].repeat(2, 1, 1, 1, 3)
    lengths = torch.tensor([10, 5])
    ramp[1, 5:] = -1
    start, end = torch.tensor([1.0, 0.0]), torch.tensor([7.0, 4.0])
    found = sample_frames(ramp, lengths, 5, start, end)[:, :, 0, 0, 0]
    assert found.tolist() == [[1, 2.5, 4, 5.5, 7], [0, 1, 2, 3, 4]]
    whole = sample_frames(ramp, lengths, 9, *middle(lengths, 1.0))[1, :, 0, 0, 0]
    assert whole.tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4], "padding is never seen"


def test_the_middle_is_in_the_middle():
    start, end = middle(torch.tensor([101, 21, 1]), 0.95)
    assert start.tolist() == pytest.approx([2.5, 0.5, 0])
    assert end.tolist() == pytest.approx([97.5, 19.5, 0])


def test_a_random_part_keeps_its_least_share_and_enough_frames():
    torch.manual_seed(0)
    lengths = torch.tensor([201, 40, 10, 1]).repeat(500)
    start, end = random_part(lengths, 0.5, 21)
    assert (start >= 0).all()
    assert (end <= lengths - 1 + 1e-4).all()
    shares = ((end - start) / (lengths - 1).clamp(min=1)).view(500, 4)
    assert shares[:, 0].min() >= 0.5
    assert shares[:, 0].min() < 0.52
    assert shares[:, 0].max() > 0.98
    assert ((end - start).view(500, 4)[:, 1] >= 20 - 1e-3).all(), "no fewer than are asked for"
    torch.testing.assert_close(shares[:, 2], torch.ones(500), msg="a short clip is seen whole")
    assert start.view(500, 4)[:, 0].std() > 10, "it starts anywhere"


def test_the_test_view_is_the_streams_of_the_middle_and_draws_nothing():
    made, given = settings(), batch()
    state = torch.get_rng_state()
    found = inputs(made)(given)
    assert torch.equal(torch.get_rng_state(), state)
    assert found["streams"].shape == (2, 2, 3, 8, 25, 3)
    assert "clips" not in found
    clips = sample_frames(given["clips"], given["lengths"], 8, *middle(given["lengths"], 0.95))
    expected = streams_of(clips.transpose(1, 2), PARENTS, ("joint", "velocity", "bone"))
    torch.testing.assert_close(found["streams"], expected)
    assert found["bodies"].tolist() == [[True, True], [True, False]]


def test_without_strengths_training_sees_what_the_test_sees():
    made = settings(
        action__crop=1.0,
        action__test_crop=1.0,
        **{k.replace(".", "__"): v for k, v in STILL.items()},
    )
    torch.testing.assert_close(
        augment(made)(batch())["streams"], inputs(made)(batch())["streams"], atol=1e-5, rtol=0
    )


def test_padding_and_the_order_of_clips_change_nothing():
    made, given = settings(), batch(lengths=(30, 11, 17))
    alone = {key: value[1:2] for key, value in given.items()} | {"clips": given["clips"][1:2, :11]}
    torch.testing.assert_close(inputs(made)(alone)["streams"], inputs(made)(given)["streams"][1:2])


@pytest.mark.parametrize(
    ("strength", "kept"),
    [("yaw", 90.0), ("pitch", 90.0), ("roll", 90.0), ("mirror", 1.0)],
)
def test_turns_and_mirrors_keep_distances(strength, kept):
    torch.manual_seed(0)
    made = settings(
        **{k.replace(".", "__"): v for k, v in (STILL | {f"augment.{strength}": kept}).items()}
    )
    found = augment(made, ("bone",))(batch())["streams"][:, :, 0]
    plain = settings(**{k.replace(".", "__"): v for k, v in STILL.items()})
    torch.manual_seed(0)
    expected = augment(plain, ("bone",))(batch())["streams"][:, :, 0]
    assert not torch.allclose(found, expected, atol=1e-2)
    lengths = found.norm(dim=-1).sum(-1)
    torch.testing.assert_close(lengths, expected.norm(dim=-1).sum(-1), atol=1e-3, rtol=1e-4)


def test_bodies_of_one_clip_are_turned_together():
    torch.manual_seed(0)
    made = settings(**{k.replace(".", "__"): v for k, v in (STILL | {"augment.yaw": 90.0}).items()})
    given = batch(lengths=(20, 20))
    given["clips"][0, :, 1] = given["clips"][0, :, 0]
    found = augment(made, ("joint",))(given)["streams"]
    torch.testing.assert_close(found[0, 0], found[0, 1])


def test_each_stream_gets_its_own_noise_and_absent_bodies_none():
    torch.manual_seed(0)
    wanted = {"joint": 0.3, "bone": 0.2, "velocity": 0.1, "bone_velocity": 0.05}
    quiet, names = {k.replace(".", "__"): v for k, v in STILL.items()}, tuple(wanted)
    loud = quiet | {f"action__noise_{name}": value for name, value in wanted.items()}
    crop = {"action__crop": 1.0, "action__frames": 64}
    given = batch(lengths=(64,) * 8)
    noise = (
        augment(settings(**crop, **loud), names)(given)["streams"]
        - augment(settings(**crop, **quiet), names)(given)["streams"]
    )
    for stream, name in enumerate(names):
        assert noise[:-1, :, stream].std().item() == pytest.approx(wanted[name], rel=0.02)
    assert (noise[-1, 1] == 0).all()


def test_a_mirror_twice_is_nothing_and_works_on_batches():
    given = batch()
    flip = torch.tensor([True, False])
    once = mirror_batch(given, flip, NTU_25.mirror)
    left, right = NTU_25.index("left_hand"), NTU_25.index("right_hand")
    torch.testing.assert_close(
        once["clips"][0, :, 0, left], given["clips"][0, :, 0, right] * torch.tensor([-1.0, 1, 1])
    )
    torch.testing.assert_close(once["clips"][1], given["clips"][1])
    torch.testing.assert_close(mirror_joints(once["clips"], flip, NTU_25.mirror), given["clips"])


def test_mixup_blends_streams_and_unites_bodies():
    torch.manual_seed(1)
    given = inputs(settings())(batch(lengths=(20, 20, 20)))
    targets = torch.eye(3)
    mixed, soft = mixup(given, targets, 1.0)
    torch.testing.assert_close(soft.sum(1), torch.ones(3))
    for row in range(3):
        expected = sum(soft[row, k] * given["streams"][k] for k in range(3))
        torch.testing.assert_close(mixed["streams"][row], expected, atol=1e-5, rtol=1e-4)
        assert mixed["bodies"][row].tolist() == given["bodies"][soft[row] > 0].any(0).tolist()


class Sums(torch.nn.Module):
    """Scores by the sum of the streams."""

    classes = 2

    def forward(self, given):
        total = given["streams"].sum((1, 2, 3, 4, 5))
        return torch.stack([total, -total], 1)


def test_the_classifier_takes_clips_and_streams_alike():
    made, given = settings(), batch()
    model = ActionClassifier(Sums(), inputs(made))
    assert model.classes == 2
    torch.testing.assert_close(model(given), model(inputs(made)(given)))


def test_the_dataset_repeats_and_ends():
    clips = [np.zeros((4, 1, 20, 3), np.float32), np.ones((2, 1, 20, 3), np.float32)]
    data = ActionDataset(clips, [np.array([True])] * 2, [5, 6], repeats=2)
    assert [item[2] for item in data] == [5, 6, 5, 6]
    found = data.collate([data[0], data[1]])
    assert found["clips"].shape == (2, 4, 1, 20, 3)
    assert found["lengths"].tolist() == [4, 2]
    assert found["clips"][1, :, 0, 0, 0].tolist() == [1, 1, 0, 0]
    assert len(KINECT_20) == found["clips"].shape[3]
