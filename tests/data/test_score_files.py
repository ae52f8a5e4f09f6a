"""Scores of several streams: read safely, checked, of runs, and made up with a known truth."""

import numpy as np
import pandas as pd
import pytest

from signlib.data.score_files import (
    ACCURACY,
    AUTSL,
    AUTSL_WEIGHTS,
    CLEAN,
    FINAL,
    TUNED,
    Stream,
    StreamScores,
    load_scores,
    made_up_scores,
    read_scores,
    scores_of_runs,
)
from signlib.errors import InputError, SettingsError
from signlib.evaluation.metrics import top_k
from signlib.runs.run import Metric, start
from signlib.settings.base import Settings

NAMES = np.array(["signer1_sample1", "signer1_sample2", "signer2_sample1"])
LABEL = np.array([0, 1, 0])
JOINT = np.array([[2.0, 1], [0, 3], [1, 2]], np.float16)


def save(path, **changes):
    arrays = {
        "names": NAMES,
        "label": LABEL,
        "gcn_bone": -JOINT,
        "gcn_joint": JOINT,
        "other": 2 * JOINT,
    }
    np.savez(
        path, **{name: array for name, array in (arrays | changes).items() if array is not None}
    )
    return path


def test_a_file_is_read_with_what_is_known_of_its_streams(tmp_path):
    given = read_scores(save(tmp_path / "scores.npz"))
    assert given.scores.shape == (3, 3, 2)
    assert given.scores.dtype == np.float32
    assert [str(stream) for stream in given.streams] == [
        "joint",
        "bone",
        "other",
    ]  # in the order of `AUTSL`
    assert given.scores[0].tolist() == JOINT.tolist()
    assert (given.clips, given.targets.tolist()) == (tuple(NAMES), [0, 1, 0])
    assert given.signers.tolist() == ["signer1", "signer1", "signer2"]
    assert not given.made_up
    assert given.origin == "published test scores, scores.npz"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": None}, "needs `names`, `label`"),
        ({"gcn_joint": JOINT[:, :1]}, "arrays of one shape"),
        ({"gcn_joint": JOINT.astype(object)}, "cannot be read as plain arrays"),
        (
            {"names": np.array(["signer1_sample1", "clip2", "signer2_sample1"])},
            "clip 'clip2' is not 'signerX_sampleY'",
        ),
        ({"names": NAMES[[0, 1, 1]]}, "a clip appears twice"),
        ({"label": np.array([0, 1, 2])}, r"a target is not a class number of 0\.\.1"),
        ({"label": np.array([0.0, 1, 0])}, "a target is not a class number"),
        ({"label": LABEL[:2]}, "3 clips need one target"),
        ({"gcn_joint": JOINT * np.nan}, "joint hold scores that are not finite"),
        ({"gcn_bone": JOINT[:2], "gcn_joint": JOINT[:2], "other": JOINT[:2]}, "do not fit"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        read_scores(save(tmp_path / "scores.npz", **changes))


def test_a_missing_or_cut_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.npz: cannot be read"):
        read_scores(tmp_path / "nowhere.npz")
    whole = save(tmp_path / "scores.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="copy the file again"):
        read_scores(tmp_path / "cut.npz")


def test_sources_by_name(tmp_path, monkeypatch):
    (tmp_path / "autsl").mkdir()
    save(tmp_path / "autsl" / "test_scores.npz")
    assert load_scores("autsl", tmp_path / "autsl").clips == tuple(NAMES)
    assert load_scores(str(tmp_path / "autsl" / "test_scores.npz")).clips == tuple(NAMES)
    assert load_scores("generated").made_up
    monkeypatch.setenv("SIGNLIB_DATA", str(tmp_path))
    assert load_scores("autsl").clips == tuple(NAMES)
    with pytest.raises(SettingsError, match="'wlasl' are unknown"):
        load_scores("wlasl")


def test_streams_are_found_by_what_they_are():
    table = made_up_scores(clips=60)
    assert len(table.where(group=CLEAN)) == len(table.where(group=TUNED)) == 4
    final = table.pick(table.where(group=FINAL, depth=True))
    assert [str(stream) for stream in final.streams] == ["depth (HHA)*", "depth flow*"]
    assert final.scores.shape == (2, 60, 60)
    assert not any(
        stream.saw_validation
        for name, stream in AUTSL.items()
        if "val" not in name and "fine" not in name
    )
    assert all(
        stream.saw_validation for name, stream in AUTSL.items() if "val" in name or "fine" in name
    )


def test_published_weights_fit_their_streams():
    table = made_up_scores(clips=60)
    assert len(AUTSL_WEIGHTS["without depth"]) == len(table.where(group=FINAL, depth=False))
    assert len(AUTSL_WEIGHTS["with depth"]) == len(table.where(group=FINAL))


def run_of(root, name, order, scores, targets="XYX", classes=("X", "Y")):
    """A finished run that scored clips a, b, c in an order of its own."""
    run = start("experiment", name, Settings())
    run.trained()
    run.open_test()
    target = dict(zip("abc", targets, strict=True))
    table = pd.DataFrame(
        {"clip": list(order), "signer": [f"s{clip}" for clip in order], "score": 1.0}
    )
    table["target"] = table["prediction"] = [target[clip] for clip in order]
    metric = Metric("top-1", 100, len(order), "test", "%", (0.0, 100.0))
    return run.finish([metric], table, (np.array(scores, np.float32), list(order), list(classes)))


def test_runs_are_joined_by_clip(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    given = {
        "one": run_of(tmp_path, "1", "abc", [[1, 0], [2, 0], [3, 0]]),
        "two": run_of(tmp_path, "2", "ca", [[30, 0], [10, 0]]),  # b could not be used
    }
    table = scores_of_runs(given, {"two": Stream("two", sensor="colour+depth")})
    assert table.clips == ("a", "c")
    assert table.targets.tolist() == [0, 0]
    assert table.signers.tolist() == ["sa", "sc"]
    assert table.scores[:, :, 0].tolist() == [[1, 3], [10, 30]]
    assert [stream.depth for stream in table.streams] == [False, True]


@pytest.mark.parametrize("changes", [{"targets": "XYY"}, {"classes": ("Y", "X")}])
def test_runs_of_other_truths_are_refused(tmp_path, monkeypatch, changes):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    scores = [[1, 0], [2, 0], [3, 0]]
    given = {
        "one": run_of(tmp_path, "1", "abc", scores),
        "two": run_of(tmp_path, "2", "abc", scores, **changes),
    }
    with pytest.raises(InputError, match="runs one, two share no test clips"):
        scores_of_runs(given)


def test_made_up_streams_are_as_accurate_and_as_correlated_as_asked():
    table = made_up_scores(
        clips=12_000, classes=20, signers=3_000, alike=0.6, across=0.3, signer_spread=0.5, seed=1
    )
    right = np.array([top_k(scores, table.targets, 1).mean() for scores in table.scores])
    assert right == pytest.approx(ACCURACY, abs=0.02)
    others = np.arange(20) != table.targets[:, None]
    noise = np.corrcoef(table.scores[:, others])
    sensor = np.array([stream.sensor for stream in table.streams])
    expected = np.where(sensor[:, None] == sensor, 0.6, 0.3)
    np.fill_diagonal(expected, 1)
    assert noise == pytest.approx(expected, abs=0.01)


def test_made_up_signers_differ_by_their_spread():
    spread = {}
    for signer_spread in (0, 1.5):
        table = made_up_scores(clips=6_000, signers=12, signer_spread=signer_spread)
        right = top_k(table.scores[0], table.targets, 1)
        spread[signer_spread] = pd.Series(right).groupby(table.signers).mean().std()
    assert spread[0] < 0.03 < 0.1 < spread[1.5]


def test_made_up_scores_are_the_same_again_and_loudness_changes_no_ranking():
    one, again = made_up_scores(clips=60), made_up_scores(clips=60)
    assert np.array_equal(one.scores, again.scores)
    loud = made_up_scores(clips=60, loudness=[100.0] * 13)
    assert np.array_equal(one.scores.argsort(), loud.scores.argsort())
    assert not np.array_equal(one.scores, made_up_scores(clips=60, seed=1).scores)


@pytest.mark.parametrize(
    "wrong",
    [
        {"accuracy": [0.5]},
        {"accuracy": [1.0] * 13},
        {"accuracy": [0.01] * 13},
        {"alike": 1.1},
        {"across": 0.9},
    ],
)
def test_made_up_scores_that_cannot_be_are_refused(wrong):
    with pytest.raises(SettingsError):
        made_up_scores(**wrong)


def test_the_published_file(real_data):
    table = read_scores(real_data("autsl") / "test_scores.npz")
    assert table.scores.shape == (13, 3742, 226)
    assert len(np.unique(table.signers)) == 6
    clean = table.pick(table.where(group=CLEAN))
    highest = [
        round(100 * (scores.argmax(axis=1) == table.targets).mean(), 2) for scores in clean.scores
    ]
    assert highest == [95.35, 95.70, 93.21, 93.29]
    # One joint-motion clip is a tie in the file's half precision; ours count a tie as wrong.
    alone = [round(100 * top_k(scores, table.targets, 1).mean(), 2) for scores in clean.scores]
    assert alone == [95.35, 95.70, 93.19, 93.29]


def test_sizes_are_checked_before_use():
    with pytest.raises(InputError, match="do not fit"):
        StreamScores(
            np.zeros((2, 3, 2)),
            (Stream("one"),),
            ("a", "b", "c"),
            np.zeros(3, int),
            np.array(list("xyz")),
            "t",
        )
