"""Finished runs read sentences in clips of one's own, with times and other readings."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from signlib.__main__ import main
from signlib.data.skeletons import MEDIAPIPE_543
from signlib.data.video import write_video
from signlib.data.vocabulary import Vocabulary
from signlib.decoding.alignment import log_probability
from signlib.decoding.beam import BeamSearch
from signlib.decoding.language_model import train_model
from signlib.errors import InputError, RunError
from signlib.experiments.experiment import train
from signlib.experiments.prediction import long_table, predict, report
from signlib.extraction.exchange import write_pose
from signlib.extraction.holistic import LandmarkSettings
from signlib.runs.run import STATUS, Run
from signlib.runs.weights import MODEL, load_model_facts
from signlib.settings import presets
from signlib.stores.writer import StoreWriter, write_store
from signlib.synthesis.portrait import portrait_clip
from signlib.tasks import registry
from signlib.tasks.registry import load_recogniser, open_task
from signlib.tasks.sentence_reading import SentenceReader, SentenceReading, Sign
from signlib.tasks.sentence_report import LANGUAGE_MODEL, READINGS, Decoders, read_emissions
from signlib.tasks.task import table_of

TINY = [
    "data.glosses=4",
    "data.signers=4",
    "data.repetitions=3",
    "data.shortest=1",
    "data.longest=2",
    "ctc.width=8",
    "ctc.beam=3",
    "ctc.alphas=[0.5]",
    "ctc.betas=[0.0]",
    "training.epochs=3",
    "training.batch_size=4",
    "training.threads=1",
    "training.accelerator=cpu",
]
SMALL = ["features.joints=hands", "training.validate_every=1.0", "training.warmup=0.0"]
# Frames of scores of blank, A and B: blank A A blank A B.
SCORES = np.log(
    [
        [0.8, 0.1, 0.1],
        [0.1, 0.8, 0.1],
        [0.2, 0.7, 0.1],
        [0.6, 0.3, 0.1],
        [0.1, 0.8, 0.1],
        [0.1, 0.1, 0.8],
    ]
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNLIB_RUNS", str(tmp_path_factory.mktemp("runs")))
        asked = [*TINY, "ctc.layers=1", "ctc.heads=2"]
        return train(presets.build("sentences/compact", "smoke", 0, asked), quiet=True)


@pytest.fixture(scope="module")
def source(run):
    return open_task(run.settings).source


@pytest.fixture(scope="module")
def store(source, tmp_path_factory):
    """The run's clips; the first one shows nobody."""
    path, clips = tmp_path_factory.mktemp("store") / "store", source.labelled["clip"].tolist()
    points = {clip: np.array(source.read(clip)) for clip in clips}
    points[clips[0]][:] = np.nan
    table = source.labelled.drop(columns=["width", "height"])
    facts = {"width": 512, "height": 512, "fps": 25.0}
    write_store(path, LandmarkSettings().extraction, table, points.items(), **facts)
    return path


def reader(chosen=READINGS[0], top=3):
    decoders = Decoders(BeamSearch("AB", 1000), None, 0.0, 0.0, {chosen: 0.0})
    return SentenceReader(decoders, Vocabulary(("A", "B")), stride=4, top=top)


def test_times_and_confidence_are_those_worked_out_by_hand():
    # Four frames of the clip a frame of scores, of which the clip ends inside the last one.
    read = reader().read("clip", SCORES, frames=22, fps=25.0, glosses="A A", note="")
    assert [sign.gloss for sign in read.signs] == ["A", "A", "B"]
    starts, ends = [4 / 25, 16 / 25, 20 / 25], [12 / 25, 20 / 25, 22 / 25]
    assert [sign.start for sign in read.signs] == pytest.approx(starts)
    assert [sign.end for sign in read.signs] == pytest.approx(ends)
    assert [sign.confidence for sign in read.signs] == pytest.approx([0.75, 0.8, 0.8])
    assert read.confidence == pytest.approx(np.exp(log_probability(SCORES, [1, 1, 2])))
    assert len(read.best) == 3
    assert dict(read.best)["A A B"] == pytest.approx(np.log(read.confidence))
    assert [score for _, score in read.best] == sorted(dict(read.best).values(), reverse=True)
    # The same frames in half the time.
    fast = reader().read("clip", SCORES, frames=22, fps=50.0, glosses="", note="")
    assert [sign.end for sign in fast.signs] == pytest.approx([end / 2 for end in ends])


def test_nothing_signed_is_a_reading_too():
    silent = np.log([[0.8, 0.1, 0.1]] * 2)
    read = reader().read("clip", silent, frames=8, fps=25.0, glosses="", note="")
    assert read.signs == []
    assert read.confidence == pytest.approx(0.64)
    assert read.best[0] == ("", pytest.approx(np.log(0.64)))


def test_sentences_are_reported_in_lines_and_as_a_table():
    readings = [
        SentenceReading("a", "A B", [Sign("A", 0.16, 0.48, 0.75)], 0.5, [("A", -0.7), ("", -2)]),
        SentenceReading(
            "b", "B", [Sign("B", 0, 1, 1)], 0.2, [("A", -0.1), ("B", -1.6)], note="a rate"
        ),
        SentenceReading("c", problem="broken"),
    ]
    table = table_of(readings, SentenceReading)
    assert report(table).splitlines() == [
        "a: A 0.16-0.48 s 75%; the whole 50%",
        "  or (nothing) (-2.00)",
        "b: B 0.00-1.00 s 100%; the whole 20%",
        "  or A (-0.10)",
        "  note: a rate",
        "c: not usable: broken",
        "1 of 2 sentences whose glosses are known are right; word error rate 33.3 %",
    ]
    assert long_table(table).iloc[0].to_dict() == {
        "clip": "a",
        "sentence": "A",
        "start": "0.160",
        "end": "0.480",
        "confidence_of_signs": "0.7500",
        "confidence": 0.5,
        "best": "A (-0.7000);  (-2.0000)",
    }
    assert long_table(table)["clip"].tolist() == ["a", "b"]


def sentences_of(table):
    return {row.clip: " ".join(sign.gloss for sign in row.signs) for row in table.itertuples()}


def test_a_run_reads_its_own_clips_as_it_did_in_its_test(run, source, store):
    tested = run.predictions.set_index("clip")
    table = predict(run, [store], split="test").set_index("clip", drop=False)
    assert sentences_of(table) == tested["hypothesis"].to_dict()
    assert table["glosses"].to_dict() == tested["target"].to_dict()
    emissions, clips, vocabulary = read_emissions(run, "test")
    for clip, scores in zip(clips, emissions, strict=True):
        row = table.loc[clip]
        classes = (1 + vocabulary.encode([sign.gloss for sign in row["signs"]])).tolist()
        # Kept with sixteen bits.
        expected = np.exp(log_probability(scores, classes))
        assert row["confidence"] == pytest.approx(expected, rel=0.05)
        times = [time for sign in row["signs"] for time in (sign.start, sign.end)]
        assert times == sorted(times)
        assert not times or times[-1] <= len(source.read(clip)) / 25 + 1e-9
        assert 1 <= len(row["best"]) <= 3, "as many as the beam keeps"


def numbers(signs):
    return [number for sign in signs for number in (sign.start, sign.end, sign.confidence)]


def test_files_are_read_like_the_store_and_their_rates_count(run, source, store, tmp_path):
    row = source.labelled.iloc[1]
    points = np.array(source.read(row["clip"]))
    np.save(tmp_path / "clip.npy", points)
    # Each frame twice in the same time.
    doubled = points.repeat(2, axis=0)
    write_pose(tmp_path / "clip.pose", doubled, MEDIAPIPE_543, 512, 512, fps=50)
    write_video(tmp_path / "clip.mp4", portrait_clip(12), fps=10)
    whole = predict(run, [store]).set_index("clip")
    nobody = source.labelled["clip"].iloc[0]
    assert "nothing was found in any of its" in whole.loc[nobody, "problem"]
    files = [tmp_path / f"clip.{suffix}" for suffix in ("npy", "pose", "mp4")]
    npy, pose, film = predict(run, files).itertuples()
    kept = whole.loc[row["clip"]]
    assert kept["note"] == pose.note == film.note == ""
    assert "taken as 25 a second" in npy.note
    assert numbers(npy.signs) == pytest.approx(numbers(kept["signs"]), abs=1e-3)
    assert (film.problem, film.glosses) == ("", "")
    assert all(sign.end <= 1.2 for sign in film.signs)
    assert load_model_facts(run)["fps"] == 25
    assert numbers(pose.signs) == pytest.approx(numbers(npy.signs), abs=1e-3)
    np.save(tmp_path / "doubled.npy", doubled)
    given = predict(run, [tmp_path / "doubled.npy"], fps=50).iloc[0]
    assert given["note"] == ""
    assert numbers(given["signs"]) == pytest.approx(numbers(npy.signs), abs=1e-6)
    # Without its rate it lasts twice as long.
    slow = predict(run, [tmp_path / "doubled.npy"]).iloc[0]
    assert numbers(slow["signs"]) != pytest.approx(numbers(npy.signs), abs=1e-3)


def test_a_run_that_tells_no_rate_reads_each_clip_at_its_own(run, source, tmp_path):
    copy = Run(shutil.copytree(run.path, tmp_path / "copy"))
    facts = json.loads((copy.path / MODEL).read_text())
    del facts["fps"]
    (copy.path / MODEL).write_text(json.dumps(facts))
    np.save(tmp_path / "clip.npy", np.array(source.read(source.labelled["clip"].iloc[1])))
    # At 25 frames a second the run takes it as it is; so the copy does at any rate.
    (plain,) = predict(run, [tmp_path / "clip.npy"]).itertuples()
    (other,) = predict(copy, [tmp_path / "clip.npy"], fps=50).itertuples()
    assert plain.signs
    assert [sign.gloss for sign in other.signs] == [sign.gloss for sign in plain.signs]
    halves = [(sign.start / 2, sign.end / 2, sign.confidence) for sign in plain.signs]
    assert numbers(other.signs) == pytest.approx(np.ravel(halves), abs=1e-6)


def test_a_run_learns_at_the_rate_of_its_training_clips_and_reads_all_at_it(
    source, tmp_path, monkeypatch
):
    # The same clips filmed at 50 frames a second, one of them at 25, as a store.
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    table = source.labelled.drop(columns=["width", "height", "fps"])
    points = {clip: np.array(source.read(clip)) for clip in table["clip"]}
    with StoreWriter(tmp_path / "store", LandmarkSettings().extraction, table) as writer:
        for number, clip in enumerate(list(writer.pending)):
            fps = 25 if number == 0 else 50
            frames = points[clip].repeat(fps // 25, axis=0)
            writer.add(clip, frames, width=512, height=512, fps=fps)
        writer.finish()
    asked = [*TINY, "ctc.layers=1", "ctc.heads=2", "training.epochs=1"]
    asked = [text for text in asked if not text.startswith("data.")]
    asked += ["data.corpus=store", f"data.root={tmp_path / 'store'}"]
    run = train(presets.build("sentences/compact", "full", 0, [*asked, *SMALL]), quiet=True)
    assert load_model_facts(run)["fps"] == 50
    task = open_task(run.settings)
    clips = task.prepare(task.table, task.vocabulary, 1, True)
    lengths = dict(zip(clips.clips, map(len, clips.data.items), strict=True))
    # An interpolated clip ends with its last frame, which is held.
    assert lengths == {clip: 2 * len(points[clip]) for clip in table["clip"]}
    first, *_ = table["clip"]
    np.save(tmp_path / "clip.npy", points[first])
    read = predict(run, [tmp_path / "store"]).set_index("clip").loc[first]
    (alone,) = predict(run, [tmp_path / "clip.npy"]).itertuples()
    assert numbers(alone.signs) == pytest.approx(numbers(read["signs"]), abs=1e-3)
    assert all(sign.end <= len(points[first]) / 25 + 1e-9 for sign in read["signs"])


def copied(run, tmp_path, reading):
    """The run, as if it had been tested with another decoder."""
    shutil.copytree(run.path, tmp_path / "copy")
    status = json.loads((tmp_path / "copy" / STATUS).read_text())
    status |= {"reading": reading, "alpha": 0.5, "validation": {reading: 0.0}}
    (tmp_path / "copy" / STATUS).write_text(json.dumps(status))
    return Run(tmp_path / "copy")


@pytest.mark.parametrize("reading", READINGS)
def test_the_decoder_is_the_one_that_the_run_was_tested_with(run, store, tmp_path, reading):
    copy = copied(run, tmp_path, reading)
    emissions, clips, vocabulary = read_emissions(run, "test")
    texts = [text.split() for text in open_task(run.settings).splits.train["glosses"]]
    glosses = vocabulary.glosses
    model_beam = BeamSearch(glosses, 3, train_model(texts, run.settings.ctc.order), 0.5, 0.0)
    decoders = Decoders(BeamSearch(glosses, 3), model_beam, 0.5, 0.0, {})
    expected = {
        clip: " ".join(vocabulary.decode(k - 1 for k in classes))
        for clip, classes in zip(clips, decoders.read(emissions, reading), strict=True)
    }
    table = predict(copy, [store], split="test", top=2)
    assert sentences_of(table) == expected
    if reading != READINGS[0]:
        assert [row.best[0][0] for row in table.itertuples()] == list(expected.values())
    if reading == READINGS[2]:
        # An older run kept no n-grams: they are counted again.
        (copy.path / LANGUAGE_MODEL).unlink()
        assert sentences_of(predict(copy, [store], split="test")) == expected


def test_scores_that_are_no_numbers_are_no_sentence(run, store, monkeypatch):
    recogniser = load_recogniser(run)
    torch.nn.init.constant_(next(recogniser.model.network.output.parameters()), torch.nan)
    monkeypatch.setattr(registry, "load_recogniser", lambda _: recogniser)
    table = predict(run, [store])
    assert table["problem"].str.contains("no finite numbers|every value is NaN").all()
    assert "are right" not in report(table)


def test_a_run_that_was_not_tested_has_no_decoder(run, store, tmp_path):
    copy = copied(run, tmp_path, READINGS[0])
    status = json.loads((copy.path / STATUS).read_text())
    del status["reading"]
    (copy.path / STATUS).write_text(json.dumps(status))
    with pytest.raises(RunError, match="has not been tested, which chooses its decoder"):
        predict(Run(copy.path), [store])


def test_the_verb_prints_and_writes_what_is_read(run, store, tmp_path, capsys):
    command = ["predict", str(run.path), str(store), "--split", "test"]
    assert main([*command, "--out", str(tmp_path / "read.csv")]) == 0
    shown = capsys.readouterr().out
    assert "sentences whose glosses are known are right; word error rate" in shown
    written = pd.read_csv(tmp_path / "read.csv", dtype=str, keep_default_na=False)
    tested = run.predictions.set_index("clip")["hypothesis"]
    assert written.set_index("clip")["sentence"].to_dict() == tested.to_dict()


@pytest.mark.parametrize("more", [["ctc.reduce=5"], ["features.joints=upper", "ctc.reduce=0"]])
def test_networks_on_dynamics_read_as_in_their_test(more, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    asked = [*TINY, "training.epochs=1", *more]
    run = train(presets.build("phoenix/hierarchical", "smoke", 0, asked), quiet=True)
    source, tested = open_task(run.settings).source, run.predictions.set_index("clip")
    paths = [tmp_path / f"{clip}.npy" for clip in tested.index]
    for clip, path in zip(tested.index, paths, strict=True):
        np.save(path, source.read(clip))
    expected = {str(tmp_path / f"{clip}.npy"): text for clip, text in tested["hypothesis"].items()}
    assert sentences_of(predict(run, paths)) == expected
    if run.settings.ctc.reduce:
        (run.path / "reduction.npz").unlink()
        assert sentences_of(predict(run, paths)) == expected


def test_a_run_is_not_resumed_on_clips_that_its_reduction_was_not_fitted_on(tmp_path, monkeypatch):
    settings = presets.build("phoenix/hierarchical", "smoke", 0, [*TINY, "ctc.reduce=5"])

    def resumed(change=lambda points: points):
        task = open_task(settings)
        read, first = task.source.read, task.splits.train["clip"].iloc[0]
        monkeypatch.setattr(
            task.source, "read", lambda clip: change(read(clip)) if clip == first else read(clip)
        )
        task.learn(None, SimpleNamespace(data=None), None, None, None, tmp_path, True, True)
        return first

    fitted = []
    monkeypatch.setattr("signlib.tasks.sentences.SentenceTask.fitting", lambda *_: None)
    monkeypatch.setattr("signlib.tasks.task.fit.fit", lambda *_: fitted.append(1))
    resumed()
    before = (tmp_path / "reduction.npz").read_bytes()
    clip = resumed()
    with pytest.raises(
        InputError, match=r"reduction\.npz: 1 of \d+ training clips .* \(first '"
    ) as refused:
        resumed(lambda points: points[::-1])
    assert repr(clip) in str(refused.value)
    assert len(fitted) == 2
    assert (tmp_path / "reduction.npz").read_bytes() == before
