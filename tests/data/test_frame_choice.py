"""Which frames make a clip, worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signlib.data.frame_choice import chosen_by_time, sample_indices
from signlib.data.manifest import complete
from signlib.errors import SettingsError, VideoError


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ({"start": 7}, [7, 8, 9]),
        ({"start": 2, "end": 5}, [2, 3, 4]),
        ({"sampling": "linspace", "count": 4}, [0, 3, 6, 9]),
        ({"sampling": "linspace", "count": 3}, [0, 5, 9]),  # 4.5 rounds up, not to even
        ({"sampling": "linspace", "count": 1}, [0]),
        ({"start": 8, "sampling": "linspace", "count": 4}, [8, 8, 9, 9]),
        ({"sampling": "contiguous", "count": 4}, [3, 4, 5, 6]),
        ({"start": 7, "sampling": "contiguous", "count": 5}, [7, 8, 9, 9, 9]),
        ({"rate": 30, "fps": 15}, [0, 2, 4, 6, 8]),
        ({"rate": 30, "fps": 20}, [0, 1, 3, 4, 6, 7, 9]),
        ({"rate": 15, "fps": 30, "end": 3}, [0, 0, 1, 1, 2, 2]),
        ({"rate": 25, "fps": float("nan"), "end": 2}, [0, 1]),
        ({"rate": 30000 / 1001, "fps": 30000 / 1001, "end": 3}, [0, 1, 2]),
        ({"rate": 30, "fps": 10, "start": 1, "sampling": "linspace", "count": 2}, [1, 7]),
        ({"start": 7, "end": 11}, [7, 8, 9]),  # ends with the source
        # 0.08 s to 0.2 s: at 15 a second the frames 1.2 to 3, at 50 the frames 4 to 10
        ({"rate": 15, "start": 2, "end": 5, "segment_fps": 25}, [1, 2]),
        ({"rate": 50, "start": 2, "end": 5, "segment_fps": 25}, [4, 5, 6, 7, 8, 9]),
        ({"rate": 25, "start": 2, "end": 5, "segment_fps": 25}, [2, 3, 4]),
        ({"rate": 50, "start": 2, "end": 5, "segment_fps": float("nan")}, [2, 3, 4]),
    ],
)
def test_indices_by_hand(options, expected):
    assert sample_indices(10, **options).tolist() == expected


@pytest.mark.parametrize(
    ("frames", "rate", "start", "end", "expected"),
    [
        (120, 30, 40, 80, range(48, 96)),  # 1.6 s to 3.2 s
        (60, 30, 0, 50, range(60)),
        (71, 24000 / 1001, 0, 74, range(71)),
        (120, 24, 40, 80, range(38, 77)),  # 38.4 is shown at 1.6 s, 76.8 at 3.2 s
        (400, 60, 40, 80, range(96, 192)),
    ],
)
def test_segments_of_wlasl_count_at_25_frames_a_second(frames, rate, start, end, expected):
    indices = sample_indices(frames, rate, start=start, end=end, segment_fps=25)
    assert indices.tolist() == list(expected)


@given(st.integers(1, 200), st.integers(1, 60), st.integers(1, 60), st.integers(0, 99))
def test_resampled_segments_keep_their_length_in_time(frames, rate, fps, seed):
    indices = sample_indices(frames, rate, fps=fps)
    assert indices[0] == 0
    assert indices[-1] < frames
    assert (np.diff(indices) >= 0).all()
    assert 0 <= len(indices) / fps - frames / rate < 1 / fps
    window = sample_indices(frames, sampling="contiguous", count=5, seed=seed)
    assert set(np.diff(window)) <= {0, 1}


def test_a_random_window_moves_with_its_seed():
    starts = {
        int(sample_indices(100, sampling="contiguous", count=10, seed=seed)[0])
        for seed in range(20)
    }
    assert len(starts) > 10
    assert max(starts) <= 90


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"start": 10}, r"start=10 .* 10 frames; use 0\.\.9"),
        ({"start": -1}, "start=-1"),
        (
            {"start": 10, "rate": 30, "segment_fps": 25},
            r"start=10 at 25 frames a second .* 10 frames; use .*--cut \(data\.cut=true\)",
        ),
        ({"start": 5, "end": 5}, "end=5 must be above start=5"),
    ],
)
def test_a_segment_outside_the_video_is_refused(options, says):
    with pytest.raises(VideoError, match=says):
        sample_indices(10, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"sampling": "middle"},
        {"sampling": "linspace"},
        {"fps": 25},
        {"rate": 25, "fps": 0},
        {"rate": 25, "fps": 1e6},
        {"rate": 25, "fps": 1e-12},
        {"rate": 25, "fps": float("inf")},
    ],
)
def test_impossible_samplings_are_refused(options):
    with pytest.raises(SettingsError):
        sample_indices(10, **options)


def test_a_store_says_where_frames_are_chosen_by_time():
    table = complete(
        pd.DataFrame({"clip": ["a", "b"], "file": ["a.mp4", "b"], "fps": [np.nan, 25]})
    )
    assert chosen_by_time(table) == {}, "the frames of a folder of pictures are counted"
    films = table.assign(file="a.MP4")
    assert chosen_by_time(films) == {"resampling": "by time stamps"}
    assert chosen_by_time(films, resampled=False) == {}
    assert chosen_by_time(table.assign(segment_fps=25.0)) == {}, "whole films"
    cut = table.assign(segment_fps=25.0, start=[0, 3])
    assert chosen_by_time(cut) == {"segments": "by time"}
    assert chosen_by_time(cut.assign(segment_fps=[25.0, np.nan])) == {}
