"""6,516 features and their reduction: by hand, against scikit-learn, and what whitening does to
noise.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from signlib.data.skeletons import MEDIAPIPE_75, MEDIAPIPE_543
from signlib.errors import ClipError, InputError, SettingsError
from signlib.features.dynamics import dynamics, part_columns
from signlib.features.reduce import Reduction, _sampled, fit_reduction

RNG = np.random.default_rng(0)


def test_position_velocity_acceleration_by_hand():
    points = np.array([[0.0, 1], [1, 1], [4, 0], [9, 5]]).reshape(4, 1, 2)
    assert dynamics(points).tolist() == [
        [0, 1, 1, 0, 2, -1],
        [1, 1, 1, 0, 2, -1],
        [4, 0, 3, -1, 2, -1],
        [9, 5, 5, 5, 2, 6],
    ]


def test_543_points_give_6516_features():
    found = dynamics(np.zeros((7, 543, 4)))
    assert found.shape == (7, 6516)
    assert found.dtype == np.float32


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_clips(frames):
    found = dynamics(np.arange(frames * 2.0).reshape(frames, 2, 1) ** 2)
    assert np.isfinite(found).all()
    if frames < 3:
        assert (found[:, 4:] == 0).all()
    with pytest.raises(ClipError, match="without frames"):
        dynamics(np.zeros((0, 2, 1)))


def test_what_is_missing_has_no_change_to_either_side():
    points = np.arange(6.0).reshape(6, 1, 1)
    points[2] = np.nan
    position, velocity, acceleration = dynamics(points).T
    assert np.isnan(position).tolist() == [False, False, True, False, False, False]
    assert np.isnan(velocity).tolist() == [False, False, True, True, False, False]
    assert np.isnan(acceleration)[2:5].all()
    assert acceleration[5] == 0


@given(st.integers(3, 12), st.floats(-5, 5))
def test_a_shift_changes_positions_only(frames, shift):
    points = np.random.default_rng(frames).normal(size=(frames, 3, 2))
    before, after = dynamics(points), dynamics(points + shift)
    np.testing.assert_allclose(after[:, 6:], before[:, 6:], atol=1e-5)
    np.testing.assert_allclose(after[:, :6] - before[:, :6], shift, atol=1e-5)


@pytest.mark.parametrize("skeleton", [MEDIAPIPE_543, MEDIAPIPE_75])
def test_each_part_reads_its_own_columns(skeleton):
    points = np.zeros((1, len(skeleton), 4))
    for value, part in enumerate(("pose", "left_hand", "right_hand", "face"), 1):
        points[:, list(skeleton.parts.get(part, ()))] = value
    frame = dynamics(np.repeat(points, 3, axis=0) * np.arange(1, 4)[:, None, None])[2]
    columns = part_columns(skeleton, 4)
    assert list(columns) == [
        part for part in ("pose", "hands", "face") if part != "face" or "face" in skeleton.parts
    ]
    own = {
        part: set(np.concatenate([frame[a:b] for a, b in ranges]))
        for part, ranges in columns.items()
    }
    assert own["pose"] == {3.0, 1.0, 0.0}  # three times the value, its change, no change of change
    assert own["hands"] == {6.0, 9.0, 2.0, 3.0, 0.0}
    covered = sorted(k for ranges in columns.values() for a, b in ranges for k in range(a, b))
    assert covered == list(range(12 * len(skeleton)))


def clips(count: int = 6, features: int = 8, rank: int = 3):
    basis = np.random.default_rng(1).normal(size=(rank, features))
    for k in range(count):
        rng = np.random.default_rng(k)
        yield (
            f"clip{k}",
            (
                rng.normal(size=(40 + k, rank)) @ basis
                + 1e-4 * rng.normal(size=(40 + k, features))
                + 5
            ),
        )


def test_it_is_scikit_learns_pca_of_standardised_frames():
    frames = np.concatenate([values for _, values in clips()])
    standard = (frames - frames.mean(0)) / frames.std(0)
    for whiten in (False, True):
        expected = PCA(4, whiten=whiten, svd_solver="full").fit_transform(standard)
        found = fit_reduction(clips(), 4, whiten)(frames)
        signs = np.sign((found * expected).sum(0))
        # float32 shows in the fourth component, which is noise
        np.testing.assert_allclose(found[:, :3] * signs[:3], expected[:, :3], atol=2e-3)


def test_whitening_makes_noise_as_large_as_signal():
    frames = np.concatenate([values for _, values in clips()])
    plain, white = (fit_reduction(clips(), 8, whiten)(frames).std(0) for whiten in (False, True))
    assert (plain[:3] > 0.3).all()
    assert (plain[3:] < 1e-3).all()
    assert white == pytest.approx(np.ones(8), abs=0.1)
    assert fit_reduction(clips(), 3).share.sum() > 0.99999


def test_missing_values_and_constants_take_no_side():
    def holed():
        for name, values in clips():
            values[::7, 2] = np.nan
            values[:, 5] = 3.0
            yield name, values

    reduction = fit_reduction(holed(), 3)
    assert reduction.mean[5] == pytest.approx(3)
    assert reduction.scale[5] == 1
    lost = reduction(np.full((2, 8), np.nan, np.float32))
    assert (lost == 0).all()
    assert np.isfinite(reduction(np.concatenate([values for _, values in holed()]))).all()


def test_every_frame_is_as_likely_to_be_looked_at():
    counts = np.zeros(60)
    for seed in range(1000):
        made = [("a", np.arange(10.0)[:, None]), ("b", np.arange(10.0, 60)[:, None])]
        rows, names = _sampled(made, 20, seed)
        assert names == ("a", "b")
        counts[rows[:, 0].astype(int)] += 1
    assert len(rows) == 20
    assert counts / 1000 == pytest.approx(np.full(60, 1 / 3), abs=0.06)


def test_it_remembers_whom_it_was_fitted_on(tmp_path):
    reduction = fit_reduction(clips(), 2, whiten=True)
    reduction.save(tmp_path / "pca.npz")
    again = Reduction.load(tmp_path / "pca.npz")
    assert again.clips == tuple(f"clip{k}" for k in range(6))
    assert (again.whiten, len(again.components)) == (True, 2)
    values = RNG.normal(size=(3, 8))
    np.testing.assert_array_equal(again(values), reduction(values))
    assert [path.name for path in tmp_path.iterdir()] == ["pca.npz"]


def test_it_tells_when_it_is_taken_for_other_clips(tmp_path):
    path = tmp_path / "pca.npz"
    fit_reduction(clips(), 2).save(path)
    before = Reduction.load(path)
    rounded = ((name, (values * (1 + 1e-7)).astype(np.float32)) for name, values in clips())
    before.check_clips(fit_reduction(rounded, 2), path)

    def changed(name, change):
        found = dict(clips())
        return fit_reduction((found | {name: change(found[name])}).items(), 2)

    for change in (
        lambda values: values[::-1],
        lambda values: -values,
        lambda values: values[1:],
        lambda values: values + 0.01 * (np.arange(values.size).reshape(values.shape) == 0),
        lambda values: np.where(np.arange(values.size).reshape(values.shape) == 3, np.nan, values),
    ):
        with pytest.raises(InputError, match=r"pca\.npz: 1 of 6 training clips .*first 'clip4'"):
            before.check_clips(changed("clip4", change), path)
    with pytest.raises(InputError, match=r"1 of 6 training clips .*first 'new'"):
        before.check_clips(fit_reduction([*clips(), ("new", np.ones((3, 8)))], 2), path)
    # One that an earlier version kept says nothing.
    with np.load(path) as file:
        np.savez(path, **{key: array for key, array in file.items() if key != "marks"})
    Reduction.load(path).check_clips(changed("clip4", lambda values: -values), path)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("marks", lambda marks: marks[1:], "5 marks of 6 clips"),
        ("marks", lambda marks: marks * np.nan, "or no numbers"),
        ("mean", lambda mean: mean * np.nan, "mean has shape .8,. and 0 finite"),
        ("mean", lambda mean: mean[1:], "mean has shape .7,. .*; components are 2 of 8"),
        ("scale", lambda scale: -scale, "scale=.* is not above 0"),
        ("spread", lambda spread: 0 * spread, "spread=0 is not above 0"),
        ("share", lambda share: 9 * share, "sum to .*, not 0 to 1"),
        ("share", lambda share: share.astype(int), "array 'share': it is int64 .*, not floats"),
        ("components", lambda rows: 2 * rows, "length 2, not 1"),
        ("components", lambda rows: rows[0], r"shape \(8,\), not floats of shape \(any, any\)"),
        ("whiten", lambda _: np.array([True]), r"'whiten': .* not booleans of shape \(\)"),
        ("clips", lambda names: names.astype(object), "pickled objects"),
    ],
)
def test_a_reduction_that_no_fit_gives_is_refused(tmp_path, name, change, words):
    fit_reduction(clips(), 2).save(tmp_path / "pca.npz")
    with np.load(tmp_path / "pca.npz") as file:
        kept = dict(file)
    np.savez(tmp_path / "pca.npz", **kept | {name: change(kept[name])})
    with pytest.raises(InputError, match=rf"pca\.npz is no stored reduction \(.*{words}"):
        Reduction.load(tmp_path / "pca.npz")


def test_what_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="have at most 8 components"):
        fit_reduction(clips(), 9)
    with pytest.raises(InputError, match="at least one training clip"):
        fit_reduction([], 2)
    (tmp_path / "broken.npz").write_bytes(b"PK")
    for name in ("gone.npz", "broken.npz"):
        with pytest.raises(InputError, match="is no stored reduction"):
            Reduction.load(tmp_path / name)
