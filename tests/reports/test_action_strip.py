"""Whole bodies frame by frame at one scale, generated and recorded."""

import numpy as np
import pytest

from signlib.data.ntu60 import read_skeleton
from signlib.data.skeletons import NTU_25
from signlib.features.actors import main_actors
from signlib.reports.plots import action_strip
from signlib.synthesis.actions import ActionCorpus

CLIP = main_actors(ActionCorpus([58], 3, 1, 1).clip("S001C001P001R001A058"))


def test_everybody_is_drawn_at_one_scale_with_heads_up():
    axes = action_strip(CLIP, NTU_25, count=3).axes
    assert [axis.get_title() for axis in axes] == [
        "frame 0",
        f"frame {(len(CLIP) - 1) / 2:.0f}",
        f"frame {len(CLIP) - 1}",
    ]
    assert len({axis.get_xlim() + axis.get_ylim() for axis in axes}) == 1
    for axis in axes:
        assert [len(points.get_offsets()) for points in axis.collections] == [25, 25]
        assert len(axis.lines) == 2 * len(NTU_25.bones)
    bottom, top = axes[0].get_ylim()
    heads = axes[0].collections[0].get_offsets()[NTU_25.index("head")]
    assert abs(heads[1] - top) < abs(heads[1] - bottom)


def test_who_is_not_there_is_not_drawn():
    clip = CLIP.copy()
    clip[:, 1] = np.nan
    assert [len(axis.collections) for axis in action_strip(clip, NTU_25, 2).axes] == [1, 1]


def test_the_real_recording_is_drawn_whole(real_data):
    joints = main_actors(read_skeleton(real_data("ntu60") / "S001C001P001R001A001.skeleton").joints)
    axes = action_strip(joints, NTU_25).axes
    (left, right), (bottom, top) = axes[0].get_xlim(), axes[0].get_ylim()
    for axis in axes:
        (person,) = axis.collections
        x, y = np.asarray(person.get_offsets()).T
        assert left < x.min() < x.max() < right
        assert top < y.min() < y.max() < bottom
    # He drinks: one hand comes near the head.
    head, hand = NTU_25.index("head"), [NTU_25.index("left_hand"), NTU_25.index("right_hand")]
    gap = np.linalg.norm(joints[:, 0, hand] - joints[:, 0, [head]], axis=-1).min()
    assert gap == pytest.approx(0.2, abs=0.1)
