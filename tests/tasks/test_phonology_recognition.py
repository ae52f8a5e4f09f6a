"""Runs on readable features.

Pre-training, a classifier that starts from it, what is refused, predictions.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from signlib.corpora.splits import split_clips
from signlib.data.manifest import complete
from signlib.data.skeletons import MEDIAPIPE_543
from signlib.data.video import write_video
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ClipError, ManifestError, RunError, SettingsError
from signlib.experiments.experiment import train
from signlib.experiments.extraction import extract
from signlib.experiments.prediction import predict
from signlib.extraction.exchange import write_pose
from signlib.extraction.holistic import LandmarkSettings
from signlib.features.phonology import GROUPS
from signlib.settings import presets
from signlib.stores.store import Extraction
from signlib.stores.writer import StoreWriter
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.portrait import portrait_clip
from signlib.tasks.phonology import PhonologyTask, features_of
from signlib.tasks.registry import load_recogniser
from signlib.tasks.task import Recogniser

SMALL = [
    "data.glosses=3",
    "data.signers=4",
    "data.repetitions=1",
    "training.epochs=2",
    "phonology.width=8",
]
BOOKS = "phonology.codebooks=[4,4,4,4,4]"


def settings(variant, *more):
    return presets.build(f"phonology/{variant}", "smoke", 0, [*SMALL, *more])


@pytest.fixture
def first(tmp_path, monkeypatch):
    """A run of pre-training."""
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    return train(settings("pretraining", BOOKS, "phonology.projection=16"), "first", quiet=True)


def test_pretraining_then_a_classifier_that_starts_from_it(first):
    rows = (first.path / "history.csv").read_text(encoding="utf-8").splitlines()
    assert "contrast_chance" in rows[0]
    assert "codes_chance" in rows[0]
    notes = next(metric.note for metric in first.metrics if metric.metric == "top-1")
    assert "nearest training clip" in notes
    run = train(settings("ctc"), "second", quiet=True, init_from=first)
    assert run.finished
    assert run.facts["init_from"] == first.name
    with pytest.raises(
        RunError, match=r"phonology width=8, layers=1, .*, this model one of width=6, layers=1"
    ):
        train(settings("ctc", "phonology.width=6"), "other", quiet=True, init_from=first)
    with pytest.raises(
        RunError, match=r"form=corrected, scale=True, this model one of .*form=original"
    ):
        train(settings("ctc", "phonology.form=original"), "other", quiet=True, init_from=first)
    recogniser = load_recogniser(run)
    source = PhonologyTask(run.settings).source
    clips = source.labelled["clip"].tolist()[:3]
    shares, prepared = PhonologyTask.recognise(recogniser, source, clips)
    assert shares.shape == (3, 3)
    assert shares.sum(1) == pytest.approx(1, abs=1e-4)
    assert not prepared.unusable
    with pytest.raises(RunError, match="names no gloss"):
        load_recogniser(first)


def parts_of(run):
    """Names of the parts that a run's weights have."""
    return {key.partition(".")[0] for key in load_file(run.path / "model.safetensors")}


def test_both_readers_start_from_pretraining_and_one_from_the_other(first):
    pooled = train(settings("pooled"), "pooled", quiet=True, init_from=first)
    ctc = train(settings("ctc"), "ctc", quiet=True, init_from=pooled)
    again = train(settings("pooled"), "again", quiet=True, init_from=pooled)
    outputs = {run.settings.phonology.network: parts_of(run) for run in (pooled, ctc)}
    assert outputs == {"pooled": {"encoder", "classifier"}, "ctc": {"encoder", "head"}}
    # Rows of glosses go only to the same reader: by CTC the first row is the blank.
    for run, glosses in ((pooled, 0), (ctc, 0), (again, 3)):
        assert f"encoder of phonology, {glosses} of 3 glosses" in run.facts["carried"]
    source = PhonologyTask(pooled.settings).source
    clips = source.labelled["clip"].tolist()[:4]
    shares, prepared = PhonologyTask.recognise(load_recogniser(pooled), source, clips)
    assert (shares.shape, prepared.clips) == ((4, 3), clips)
    assert shares.sum(1) == pytest.approx(1, abs=1e-4)


def test_clips_that_nobody_labelled_pretrain_an_encoder(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    world = GeneratedCorpus(3, 4, 1)
    films = world.manifest[["clip"]].assign(
        file="", signer=["me"] * 6 + ["you"] * 6
    )  # not even a column of glosses
    made = Extraction("holistic", "1", (543, 4), skeleton="mediapipe-543")
    with StoreWriter(tmp_path / "films", made, complete(films)) as writer:
        for clip in films["clip"]:
            writer.add(clip, world.clip(clip), width=1, height=1, fps=25.0)
        writer.finish()
    store = [
        "data.corpus=store",
        f"data.root='{tmp_path / 'films'}'",
        "data.split=folds",
        "data.folds=2",
    ]
    run = train(
        settings("pretraining", BOOKS, "phonology.projection=16", *store), "films", quiet=True
    )
    assert {metric.metric for metric in run.metrics} == {"top-1", "top-1 by signer", "top-5"}
    assert "which clip the nearest other view is of" in run.metrics[0].note
    table = run.predictions
    assert table["target"].tolist() == table["clip"].tolist()
    assert set(table["prediction"]) <= set(table["clip"])
    assert run.scores[0].shape == (6, 6)
    assert train(settings("ctc"), "after", quiet=True, init_from=run).facts["init_from"] == run.name
    with pytest.raises(ManifestError, match="has no gloss"):
        train(settings("ctc", *store), "cannot", quiet=True)


def test_the_sources_form_trains(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    run = train(
        settings("pretraining-original", BOOKS, "phonology.projection=16", "phonology.layers=1"),
        quiet=True,
    )
    assert "codes_chance" not in (run.path / "history.csv").read_text(encoding="utf-8")


def test_features_are_led_by_one_hand_and_scaled():
    world = GeneratedCorpus(3, 3, 1, hardness=0.0)
    asked = settings("ctc")
    clip = world.clip(world.manifest["clip"][0])
    swapped = clip.copy()
    swapped[:, list(range(len(MEDIAPIPE_543)))] = clip[:, list(MEDIAPIPE_543.mirror)]
    swapped[..., 0] = 1 - swapped[..., 0]
    found, other = (features_of(points, MEDIAPIPE_543, asked) for points in (clip, swapped))
    np.testing.assert_allclose(found[:, :31], other[:, :31], atol=2e-2)
    clip[:, 501:] = np.nan
    with pytest.raises(ClipError, match="no hand was seen"):
        features_of(clip, MEDIAPIPE_543, asked)


@pytest.mark.parametrize("clips", [10, 20, 30])
def test_eighty_ten_ten(clips):
    """Of each gloss, where nobody knows the signers; by hand 8, 1 and 1 of ten clips."""
    names = [f"{gloss}{n}" for gloss in "ab" for n in range(clips)]
    table = pd.DataFrame({"clip": names, "gloss": [name[0] for name in names]})
    data = presets.build("phonology/wlasl-500").data
    splits = split_clips(table.assign(signer="", split=""), data)
    for part, tenths in ((splits.train, 8), (splits.val, 1), (splits.test, 1)):
        assert part["gloss"].value_counts().tolist() == [tenths * clips // 10] * 2


def test_a_placeholder_is_there_where_its_part_is():
    """In the original form movement ends with a column of zeros, in frames without hands too."""
    world = GeneratedCorpus(3, 3, 1, hardness=0.0)
    clip = world.clip(world.manifest["clip"][0])
    clip[3, 501:] = np.nan
    asked = presets.build("phonology/ctc-original", "smoke", overrides=SMALL)
    table = features_of(clip, MEDIAPIPE_543, asked)
    assert np.isnan(table[3, GROUPS["M"]]).all()
    assert (table[np.isfinite(table[:, 22:30]).any(1), 30] == 0).all()
    assert np.isfinite(table[:, 30]).any()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.teacher=runs/a/b", "teacher='?runs/a/b'? is not read by task=phonology"),
        ("training.mirror_at_test=true", "mirror_at_test=True is not read"),
        ("phonology.codebooks=[4,4]", r"give 5 numbers within 2\.\.100000"),
        ("gcn.variant=nano", "belongs to task graph, these settings have task=phonology"),
    ],
)
def test_what_does_not_go_together_is_refused(override, message):
    with pytest.raises(SettingsError, match=message):
        settings("ctc", override)


def test_stores_of_features_are_read_in_their_own_form(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    world = GeneratedCorpus(3, 3, 1, hardness=0.0)
    made = Extraction("holistic", "1", (543, 4), skeleton="mediapipe-543")
    with StoreWriter(tmp_path / "landmarks", made, world.manifest) as writer:
        for clip in world.manifest["clip"]:
            writer.add(clip, world.clip(clip), width=1, height=1, fps=25.0)
        writer.finish()
    extract(tmp_path / "landmarks", tmp_path / "features", "phonology")
    overrides = (
        "data.corpus=store",
        f"data.root={tmp_path / 'features'}",
        "features.dominant=false",
    )
    task = PhonologyTask(settings("ctc", *overrides))
    rows = task.table.iloc[:2]
    data = task.prepare(rows, Vocabulary.from_glosses(task.table["gloss"]))
    plain = settings("ctc", "features.dominant=false", "features.longest_gap=0")
    expected = features_of(world.clip(rows["clip"].iloc[0]), MEDIAPIPE_543, plain)
    np.testing.assert_allclose(data.data[0][0], expected, atol=1e-5)
    with pytest.raises(SettingsError, match="made with form=corrected"):
        PhonologyTask(settings("ctc", *overrides, "phonology.form=original")).prepare(
            rows, Vocabulary.from_glosses(task.table["gloss"])
        )


def landmark_store(path, world, fps=25.0):
    with StoreWriter(path, LandmarkSettings().extraction, world.manifest) as writer:
        for clip in world.manifest["clip"]:
            writer.add(clip, world.clip(clip), width=512, height=512, fps=fps)
        writer.finish()
    return path


PLAIN = ("features.dominant=false", "features.longest_gap=0")


def shares_of(table):
    return {row.clip: dict(row.top) for row in table.itertuples()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for clip, shares in one.items():
        assert other[clip] == pytest.approx(shares, abs=1e-4)


def test_landmarks_and_their_features_are_predicted_alike(tmp_path, monkeypatch):
    """By a run on landmarks and by one on stored features: both take both."""
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    world = GeneratedCorpus(3, 4, 1, hardness=0.0)
    landmarks = landmark_store(tmp_path / "landmarks", world)
    features = extract(landmarks, tmp_path / "features", "phonology").path
    clip = world.manifest["clip"][0]
    write_pose(tmp_path / "clip.pose", world.clip(clip), MEDIAPIPE_543, 512, 512, 25)
    np.save(tmp_path / "clip.npy", world.clip(clip))
    for name, store, more in (
        ("of landmarks", landmarks, PLAIN),
        # A store of features has no gap filled, whatever the settings say: so do its files.
        ("of features", features, ()),
    ):
        where = ("data.corpus=store", f"data.root={store}", "data.split=official")
        run = train(settings("ctc", *where, *more), name.replace(" ", "-"), quiet=True)
        shares = shares_of(predict(run, [store], top=3))
        rows = run.predictions.set_index("clip")
        for tested in rows.index:
            best = max(shares[tested], key=shares[tested].get)
            assert best == rows.loc[tested, "prediction"], name
        for other in (landmarks, features):
            table = predict(run, [other], top=3)
            assert_same(shares, shares_of(table))
            assert set(table["note"]) == {""}
        told = predict(run, [tmp_path / "clip.pose", tmp_path / "clip.npy"], top=3)
        assert told["note"].iloc[0] == ""
        assert "taken as 25 a second" in told["note"].iloc[1]
        for file in (".pose", ".npy"):
            (found,) = (row for row in told.itertuples() if row.clip.endswith(file))
            assert dict(found.top) == pytest.approx(shares[clip], abs=1e-3)
    write_video(tmp_path / "film.mp4", portrait_clip(4), fps=50)
    filmed = predict(run, [tmp_path / "film.mp4"]).iloc[0]
    assert (len(filmed["top"]), filmed["problem"], filmed["note"]) == (3, "", "")
    other = extract(landmarks, tmp_path / "other", "phonology", ["form=original"]).path
    with pytest.raises(RunError, match="reads features in the form corrected, this store has orig"):
        predict(run, [other])


def test_stored_features_are_not_what_a_run_saw_that_mirrors_left_handers(first, tmp_path):
    run = train(settings("ctc"), "mirrors", quiet=True)
    features = extract(
        landmark_store(tmp_path / "l", GeneratedCorpus(3, 4, 1)), tmp_path / "f", "phonology"
    )
    assert set(predict(run, [features.path])["note"]) == {
        "stored features are read as they are: no gap is filled, no left-hander mirrored"
    }


def test_movement_is_the_same_at_any_frame_rate(tmp_path):
    """A clip filmed at 50 frames a second, and every second of its frames, at 25."""
    world = GeneratedCorpus(3, 3, 1, hardness=0.0)
    clip = world.clip(world.manifest["clip"][0])
    clip = clip[: len(clip) // 2 * 2 - 1]
    files = {"fast": (clip, 50), "slow": (clip[::2], 25)}
    for name, (points, fps) in files.items():
        write_pose(tmp_path / f"{name}.pose", points, MEDIAPIPE_543, 512, 512, fps)
        np.save(tmp_path / f"{name}.npy", points)
    asked = settings("ctc", *PLAIN, "phonology.scale=false")
    told = Recogniser(None, asked, None, MEDIAPIPE_543, None, None)

    def movement(suffix, fps):
        paths = [tmp_path / f"{name}{suffix}" for name in files]
        (source,), problems = PhonologyTask.sources(replace(told, fps=fps), paths)
        assert not problems
        prepared = PhonologyTask.read(source, [str(path) for path in paths], asked)
        return [table[:, GROUPS["M"]] for table in prepared.points]

    fast, slow = movement(".pose", 0.0)
    # Velocity over two frames of 1/50 s is the mean of the velocities over each.
    mean = (fast[1::2] + fast[2::2])[:, :6] / 2
    there = np.isfinite(mean) & np.isfinite(slow[1:, :6])
    assert there.mean() > 0.5
    size = np.abs(slow[1:, :6][there]).mean()
    assert size > 0.01
    np.testing.assert_allclose(slow[1:, :6][there], mean[there], atol=0.05 * size)
    # What turns: how fast on the whole; a way straight across is a little shorter.
    for column in (6, 7, 8):
        ratio = np.nanmean(slow[:, column]) / np.nanmean(fast[:, column])
        assert 0.85 < ratio < 1.02
    # A file without a rate takes the one that is given, else 25.
    given, _ = movement(".npy", 50.0)
    np.testing.assert_allclose(given, fast, atol=1e-4)
    assumed, _ = movement(".npy", 0.0)
    np.testing.assert_allclose(2 * assumed, given, atol=1e-5)
