"""The corpus: the same bytes for everybody, a body that holds together, not too easy."""

import hashlib
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest

from signlib.data.skeletons import HAND_BONES, MEDIAPIPE_543
from signlib.errors import SettingsError
from signlib.synthesis.camera import film, project
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.performance import perform
from signlib.synthesis.signers import make_signer
from signlib.synthesis.signs import MANUAL, Sign

HANDS = {"left": slice(501, 522), "right": slice(522, 543)}
SMALL = GeneratedCorpus(glosses=6, signers=4, repetitions=2, seed=1)
NAMES = list(SMALL.manifest["clip"])


def digest(corpus, names):
    return {name: hashlib.sha256(corpus.clip(name).tobytes()).hexdigest() for name in names}


def clip_digest(name):
    return digest(GeneratedCorpus(6, 4, 2, seed=1), [name])[name]


def test_a_clip_is_the_same_in_any_order_and_in_any_larger_corpus():
    chosen = NAMES[::5]
    first = digest(SMALL, chosen)
    larger = GeneratedCorpus(glosses=9, signers=7, repetitions=3, seed=1)
    assert digest(larger, chosen[::-1]) == first
    assert len(set(first.values())) == len(chosen)
    assert digest(GeneratedCorpus(6, 4, 2, seed=2), chosen[:1]) != digest(SMALL, chosen[:1])


def test_another_process_makes_the_same_bytes():
    code = (
        "import sys; from signlib.synthesis.clips import GeneratedCorpus; "
        "sys.stdout.buffer.write(GeneratedCorpus(6, 4, 2, seed=1).clip(sys.argv[1]).tobytes())"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, NAMES[-1]], capture_output=True, check=True
    ).stdout
    assert output == SMALL.clip(NAMES[-1]).tobytes()


def test_a_pool_of_processes_makes_the_same_bytes_in_another_order():
    chosen = NAMES[::6]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        output = dict(zip(chosen[::-1], pool.map(clip_digest, chosen[::-1]), strict=True))
    assert output == {name: clip_digest(name) for name in chosen}


def test_bytes_do_not_depend_on_the_number_of_threads():
    code = (
        "import hashlib; from signlib.synthesis.clips import GeneratedCorpus; c ="
        " GeneratedCorpus(6, 4, 2, seed=1); print(hashlib.sha256(b''.join(c.clip(n).tobytes() for n"
        " in c.manifest['clip'][::6])).hexdigest())"
    )
    output = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
        ).stdout
        for threads in ("1", "2")
    }
    assert len(output) == 1


def test_the_manifest_has_the_columns_of_every_manifest():
    manifest = GeneratedCorpus(glosses=3, signers=10, repetitions=2).manifest
    assert list(manifest)[:8] == ["clip", "file", "gloss", "signer", "split", "start", "end", "fps"]
    assert len(manifest) == 60
    assert manifest["clip"].is_unique
    assert (manifest["file"] == "").all()
    signers = manifest.groupby("split")["signer"].unique().map(set)
    assert [len(signers[split]) for split in ("train", "val", "test")] == [6, 2, 2]
    assert len(set.union(*signers)) == 10, "no signer is in two splits"
    assert (manifest.groupby("split")["gloss"].nunique() == 3).all()


@pytest.mark.parametrize("name", NAMES[::7])
def test_a_clip_is_points_or_whole_hands_of_nan(name):
    clip = SMALL.clip(name)
    assert clip.dtype == np.float32
    assert clip.shape[1:] == (543, 4)
    assert 25 <= len(clip) <= 150
    for hand in HANDS.values():
        gone = np.isnan(clip[:, hand])
        assert (gone.any((1, 2)) == gone.all((1, 2))).all()
        assert (clip[:, hand, 3][~gone[..., 3]] == 1).all()
    rest = clip[:, :501]
    assert np.isfinite(rest).all()
    assert ((rest[:, :, 3] >= 0) & (rest[:, :, 3] <= 1)).all()
    np.testing.assert_allclose(np.nan_to_num(clip[:, [501, 522], 2]), 0, atol=0.02)


def test_hands_are_lost_sometimes_and_never_without_hardness():
    lost = [
        np.isnan(SMALL.clip(name)[:, hand, 0]).mean() for name in NAMES for hand in HANDS.values()
    ]
    assert 0.005 < np.mean(lost) < 0.3
    calm = GeneratedCorpus(6, 4, 2, seed=1, hardness=0)
    assert not any(np.isnan(calm.clip(name)).any() for name in NAMES[::9])


@pytest.mark.parametrize("name", NAMES[::7])
def test_bones_keep_their_lengths_and_hands_stay_on_their_wrists(name):
    points = SMALL.performance(name).points
    assert points.dtype == np.float32
    chain = [(11, 13), (13, 15), (12, 14), (14, 16), (11, 12)]
    bones = [(a + 468, b + 468) for a, b in chain]
    bones += [(hand.start + a, hand.start + b) for hand in HANDS.values() for a, b in HAND_BONES]
    lengths = np.stack([np.linalg.norm(points[:, a] - points[:, b], axis=1) for a, b in bones])
    np.testing.assert_allclose(lengths, lengths[:, :1].repeat(len(points), 1), atol=1e-6)
    np.testing.assert_array_equal(points[:, [483, 484]], points[:, [501, 522]])
    assert np.linalg.norm(np.diff(points[:, 501:], axis=0), axis=2).max() < 0.30, "metres a frame"


@pytest.mark.parametrize("seed", range(3))
def test_among_ten_signers_one_is_left_handed(seed):
    assert sum(make_signer(index, seed).left_handed for index in range(10)) == 1
    assert sum(make_signer(index, seed).left_handed for index in range(37, 47)) == 1
    assert not any(make_signer(index, seed, hardness=0).left_handed for index in range(10))


def test_a_hand_behind_the_other_is_lost_and_hands_apart_are_not():
    """With nothing else that loses a hand: 0.9 for what hides behind something."""
    signer = replace(make_signer(0, hardness=0), lost=(0.0, 0.0, 0.9))
    still = Sign("A", "FLAT", "SPACE", "HOLD", "NONE", 1, "DOWN", "ONE")
    points = perform([still], signer, np.random.default_rng(0)).points.copy()
    points[:] = points[len(points) // 2]
    left, right = HANDS["left"], HANDS["right"]
    for way, lost in (
        ((0.01, 0.0, 0.08), (0.9, 0.0)),
        ((0.01, 0.0, -0.08), (0.0, 0.9)),
        ((0.4, 0.0, 0.08), (0.0, 0.0)),
    ):
        points[:, left] = points[:, right] + np.float32(way)
        many = np.tile(points, (20, 1, 1))
        clip = film(many, signer, np.random.default_rng(1), 512, 512, 25.0)
        shares = [np.isnan(clip[:, hand, 0]).any(1).mean() for hand in (left, right)]
        np.testing.assert_allclose(shares, lost, atol=0.06)


def test_a_left_handed_signer_is_the_mirror_image():
    signer, sign = replace(SMALL.signers[0], left_handed=False), SMALL.lexicon[0]
    right = perform([sign], signer, np.random.default_rng(0)).points
    left = perform([sign], replace(signer, left_handed=True), np.random.default_rng(0)).points
    np.testing.assert_array_equal(left, right[:, list(MEDIAPIPE_543.mirror)] * [-1, 1, 1])


def test_several_signs_follow_one_another():
    performance = perform(SMALL.lexicon[:3], SMALL.signers[0], np.random.default_rng(0))
    edges = [frame for span in performance.spans for frame in span]
    assert edges == sorted(edges)
    assert edges[-1] < len(performance.points)


def test_the_camera_puts_a_point_where_similar_triangles_do():
    signer = replace(make_signer(0, hardness=0), centre=(0.5, 0.8), zoom=0.6, distance=2.0)
    seen = project(np.array([[[0.5, -0.5, 0.0], [0.5, -0.5, -1.0]]]), signer, aspect=2.0)[0]
    np.testing.assert_allclose(seen, [[0.8, 0.2, 0.0], [1.1, -0.4, -0.6]])


def test_chosen_splits_stand_in_the_manifest_and_change_no_clip():
    chosen = GeneratedCorpus(6, 4, 2, seed=1, splits={"test": [0], "val": [2], "train": [3]})
    signers = chosen.manifest.groupby("split")["signer"].unique().map(list).to_dict()
    assert signers == {"test": ["signer00"], "val": ["signer02"], "train": ["signer03"]}
    assert len(chosen) == len(chosen.manifest) == 36
    np.testing.assert_array_equal(chosen.clip(NAMES[-1]), SMALL.clip(NAMES[-1]))
    with pytest.raises(SettingsError, match="not in this generated corpus of 3 signers"):
        chosen.clip("signer01_sign0000_take00")


def test_a_camera_of_twice_the_rate_sees_twice_the_frames():
    fast = GeneratedCorpus(6, 4, 2, seed=1, fps=50)
    assert len(fast.clip(NAMES[0])) == pytest.approx(2 * len(SMALL.clip(NAMES[0])), rel=0.1)
    assert (fast.manifest["fps"] == 50).all()


def test_a_corpus_travels_to_other_processes():
    assert len(pickle.loads(pickle.dumps(SMALL))) == len(SMALL)


def test_variants_are_kept_in_the_truth():
    corpus = GeneratedCorpus(glosses=30, signers=6, repetitions=1, seed=3, hardness=3)
    table = [corpus.truth(name) for name in corpus.manifest["clip"]]
    changed = [truth for truth in table if truth["variant"]]
    assert 0 < len(changed) < 0.25 * len(table)
    by_gloss = {sign.gloss: sign for sign in corpus.lexicon}
    for truth in changed:
        assert any(truth[name] != getattr(by_gloss[truth["gloss"]], name) for name in MANUAL)
    for truth in table:
        if not truth["variant"]:
            assert all(truth[name] == getattr(by_gloss[truth["gloss"]], name) for name in MANUAL)


def test_truth_says_what_was_signed_and_when():
    truth = SMALL.truth(NAMES[3])
    row = SMALL.manifest.set_index("clip").loc[NAMES[3]]
    assert truth["gloss"] == row["gloss"]
    assert truth["signer"] == row["signer"]
    assert truth["yaw"] == SMALL.seated(NAMES[3]).yaw
    assert (truth["hips_x"], truth["hips_y"]) == SMALL.seated(NAMES[3]).centre
    assert 0 < truth["stroke_start"] < truth["stroke_end"] < len(SMALL.clip(NAMES[3]))


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"glosses": 0}, "0 signs"),
        ({"signers": 2}, "signers=2"),
        ({"repetitions": 0}, "repetitions=0"),
        ({"hardness": -1}, "-1"),
        ({"hardness": float("nan")}, "nan"),
        ({"fps": 0}, "fps=0"),
        ({"fps": -25.0}, "fps=-25"),
        ({"fps": float("nan")}, "fps=nan"),
        ({"width": 0}, "width=0"),
        ({"height": -3}, "height=-3"),
        (
            {"splits": {"train": [0, 1], "val": [1], "test": [2]}},
            "signer 1 is in 'train' and in 'val'",
        ),
        ({"splits": {"train": [0], "val": [1], "test": [10]}}, "signer 10 in 'test' is unknown"),
        ({"splits": {"train": [0], "val": [], "test": [1]}}, "no signer in 'val'"),
        ({"splits": {"train": [0], "test": [1]}}, "splits of train, test"),
        ({"glosses": 3, "inventory": {"handshape": ["PAW"]}}, "PAW"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, value):
    with pytest.raises(SettingsError, match=value):
        GeneratedCorpus(**settings)


@pytest.mark.parametrize(
    "name", ["", "signer99_sign0000_take00", "signer00_sign0006_take00", "../signer00"]
)
def test_an_unknown_clip_is_refused(name):
    with pytest.raises(SettingsError, match="not in this generated corpus"):
        SMALL.clip(name)


def flat_features(clip):
    """(2, D) raw and body-normalised x, y of arms and hands at 16 moments.

    A lost hand stays where it was.
    """
    where = MEDIAPIPE_543.selection("upper")
    shoulders = clip[:, [479, 480], :2].mean(0)
    xy = clip[:, where, :2].reshape(len(clip), -1)
    time = np.arange(len(clip))
    moments = np.linspace(0, len(clip) - 1, 16)
    raw = np.stack(
        [
            np.interp(moments, time[ok], column[ok]) if ok.any() else np.zeros(16)
            for column, ok in zip(xy.T, np.isfinite(xy.T), strict=True)
        ],
        1,
    ).reshape(16, -1, 2)
    body = (raw - shoulders.mean(0)) / np.linalg.norm(shoulders[0] - shoulders[1])
    return np.stack([raw.ravel(), body.ravel()])


@pytest.fixture(scope="module")
def nearest():
    """Share of validation clips whose nearest training clip has the same gloss: raw, normalised.

    Of two worlds together.
    """
    right = []
    for seed in (1, 2):
        corpus = GeneratedCorpus(repetitions=2, seed=seed)
        rows = corpus.manifest[corpus.manifest["split"] != "test"]
        features = np.stack([flat_features(corpus.clip(name)) for name in rows["clip"]])
        held, gloss = (rows["split"] == "val").to_numpy(), rows["gloss"].to_numpy()
        for kind in (0, 1):
            distance = np.linalg.norm(
                features[held, kind][:, None] - features[~held, kind][None], axis=2
            )
            right.append((gloss[~held][distance.argmin(1)] == gloss[held]).mean())
    return np.reshape(right, (2, 2)).mean(0)


def test_normalising_helps_a_nearest_neighbour_on_unseen_signers_and_leaves_work_to_do(nearest):
    raw, normalised = nearest
    assert 0.2 < raw < normalised - 0.10
    assert 0.4 < normalised < 0.8, (
        "one of the four signers is left-handed, which this reader does not undo"
    )
