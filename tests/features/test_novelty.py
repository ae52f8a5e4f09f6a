"""Warnings for clips unlike the training clips, on numbers worked out by hand."""

import json

import numpy as np
import pytest

from signlib.errors import RunError
from signlib.features.novelty import TrainingRanges, unseen_share

HANDS = [(1,), (2,)]


def clip(frames, lost=0):
    """Points of a clip: one of the body, two hands of one joint each that go missing at the end."""
    points = np.ones((frames, 3, 2), np.float32)
    if lost:
        points[-lost:, 1:] = np.nan
    return points


@pytest.fixture
def familiar():
    rng = np.random.default_rng(0)
    return TrainingRanges.of(
        [clip(20, 2), clip(30, 3)] * 50, HANDS, [rng.normal(size=(4, 5)) for _ in range(100)]
    )


def test_a_frame_counts_as_unseen_when_neither_hand_is_there():
    points = clip(10, 4)
    points[0, 1] = np.nan
    assert unseen_share(points, HANDS) == pytest.approx(0.4)


def test_clips_like_those_of_training_are_not_warned_of(familiar):
    assert (familiar.length, familiar.unseen) == ((20, 30), pytest.approx(0.1))
    rng = np.random.default_rng(1)
    told = [familiar.warnings(clip(25), HANDS, rng.normal(size=(4, 5))) for _ in range(50)]
    assert sum(map(bool, told)) <= 2


@pytest.mark.parametrize(
    ("points", "shift", "told"),
    [
        (clip(46), 0, "46 frames, training clips have 20 to 30"),
        (clip(13), 0, "13 frames"),
        (clip(20, 7), 0, "no hand in 35% of the frames, in training at most 10%"),
        (clip(25), 5, "looks different"),
    ],
)
def test_each_way_of_being_unlike_is_named(familiar, points, shift, told):
    features = familiar.features.mean + shift * familiar.features.deviation + np.zeros((4, 5))
    found = familiar.warnings(points, HANDS, features)
    assert len(found) == 1
    assert told in found[0]


def test_it_is_kept_as_json_and_knows_what_it_was_not_told(familiar):
    back = TrainingRanges.from_content(json.loads(json.dumps(familiar.content())))
    far = familiar.features.mean + 5 * familiar.features.deviation + np.zeros((4, 5))
    assert back.warnings(clip(46), HANDS, far) == familiar.warnings(clip(46), HANDS, far)
    assert len(back.warnings(clip(46), HANDS, far)) == 2
    assert TrainingRanges().warnings(clip(46), HANDS, far) == []
    assert TrainingRanges.of(None, HANDS, None).content()["length"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"length": [9, 3]},
        {"length": "long"},
        {"unseen": 1.5},
        {"distance": None},
        {"mean": ["a", "b"]},
        {"deviation": [1.0]},
    ],
)
def test_ranges_that_nobody_can_have_written_are_refused(change):
    whole = {"length": [3.0, 9.0], "unseen": 0.5, "distance": 1.0}
    whole |= {"mean": [0.0, 1.0], "deviation": [1.0, 1.0]}
    assert TrainingRanges.from_content(whole).length == (3.0, 9.0)
    with pytest.raises(RunError, match=f"is damaged .{next(iter(change))} is"):
        TrainingRanges.from_content(whole | change)
    with pytest.raises(RunError, match="is damaged"):
        TrainingRanges.from_content([1])
