"""A trained run recognises clips as it did when it was tested."""

import csv
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from usual import SMALL_NETWORK

from signlib.cli import verbs
from signlib.corpora import clips as corpora
from signlib.data.points import FileNumbers
from signlib.errors import RunError, SettingsError, one_line
from signlib.evaluation.metrics import NO_NUMBERS
from signlib.experiments import prediction
from signlib.experiments.experiment import train
from signlib.experiments.prediction import long_table, predict, report
from signlib.paths import readable
from signlib.runs.run import start
from signlib.settings import presets
from signlib.stores.store import Extraction, LoadedClips
from signlib.stores.writer import write_store
from signlib.tasks import registry
from signlib.tasks.landmarks import LandmarkTask
from signlib.tasks.registry import load_recogniser
from signlib.tasks.task import Reading, table_of

TINY = [
    "data.glosses=3",
    "data.signers=3",
    "data.repetitions=1",
    "model.max_positions=8",
    "model.stem_blocks=1",
    *SMALL_NETWORK,
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNLIB_RUNS", str(tmp_path_factory.mktemp("runs")))
        return train(presets.build("landmarks/small", "smoke", 0, TINY), quiet=True)


@pytest.fixture(scope="module")
def source(run):
    return corpora.load_corpus(run.settings.data)


def test_test_clips_get_the_scores_of_the_run(run, source):
    scores, clips, classes = run.scores
    recogniser = load_recogniser(run)
    shares, prepared = LandmarkTask.recognise(recogniser, source, clips)
    assert prepared.clips == clips
    assert prepared.unusable == {}
    assert recogniser.vocabulary.glosses == tuple(classes)
    np.testing.assert_allclose(np.log(shares), scores, atol=1e-5)
    assert (
        recogniser.vocabulary.decode(shares.argmax(axis=1))
        == run.predictions["prediction"].tolist()
    )


def test_probabilities_sum_to_one_and_do_not_depend_on_company(run, source):
    recogniser = load_recogniser(run)
    clips = source.labelled["clip"].tolist()
    shares, prepared = LandmarkTask.recognise(recogniser, source, clips)
    assert shares.shape == (9, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert np.ptp(shares, axis=0).max() > 1e-3
    backwards, _ = LandmarkTask.recognise(recogniser, source, clips[::-1])
    np.testing.assert_allclose(backwards[::-1], shares, atol=1e-6)
    for k in (0, 4):
        alone, _ = LandmarkTask.recognise(recogniser, source, [prepared.clips[k]])
        np.testing.assert_allclose(alone[0], shares[k], atol=1e-6)


def test_clips_that_cannot_be_used_are_named(run, source):
    recogniser = load_recogniser(run)
    clips = source.labelled["clip"].tolist()[:3]
    broken = LoadedClips(
        source.labelled,
        lambda c: np.full_like(source.read(c), np.nan) if c == clips[1] else source.read(c),
        source.extraction,
    )
    shares, prepared = LandmarkTask.recognise(recogniser, broken, clips)
    assert prepared.clips == [clips[0], clips[2]]
    assert "no point of the clip was seen" in prepared.unusable[clips[1]]
    np.testing.assert_allclose(
        shares, LandmarkTask.recognise(recogniser, source, [clips[0], clips[2]])[0], atol=1e-6
    )
    nothing, prepared = LandmarkTask.recognise(recogniser, broken, [clips[1]])
    assert nothing.shape == (0, 3)
    assert prepared.clips == []
    assert list(prepared.unusable) == [clips[1]]


def test_numbers_that_are_no_numbers_are_never_a_result(run, source, tmp_path, monkeypatch):
    """All z infinite, one point infinite, and a model whose weights are NaN."""
    clips = source.labelled["clip"].tolist()[:3]
    points = {clip: np.array(source.read(clip)) for clip in clips}
    points[clips[0]][..., 2] = np.inf
    points[clips[1]][2, 5, 2] = np.inf
    files = [tmp_path / f"clip{number}.npy" for number in range(3)]
    for file, clip in zip(files, clips, strict=True):
        np.save(file, points[clip])
    table = prediction.predict(run, files).set_index("clip")
    problem = table.loc[str(files[0]), "problem"]
    assert "no point can be used" in problem
    note = table.loc[str(files[1]), "note"]
    assert "points are taken as missing: 1 are not finite" in note
    assert table.loc[str(files[2]), "note"] == ""
    assert table.loc[str(files[1]), "top"][0][1] > 0
    # The same clips in a store that nobody looked at.
    made = source.extraction
    rows = source.labelled[source.labelled["clip"].isin(clips)]
    store = write_store(tmp_path / "store", made, rows, ((c, source.read(c)) for c in clips))
    frames = np.load(store.path / "frames.npy")
    offset, length = store.span(clips[0])
    frames[offset : offset + length, ..., 2] = np.inf
    np.save(store.path / "frames.npy", frames)
    told = prediction.predict(run, [store.path])
    assert list(told["problem"] != "") == [False, False, True]
    assert "not finite" in told["problem"].iloc[2]
    assert "nan" not in prediction.report(told)
    # Broken weights: every clip has a problem, none is right.
    recogniser = load_recogniser(run)
    torch.nn.init.constant_(next(recogniser.model.head.parameters()), torch.nan)
    monkeypatch.setattr(registry, "load_recogniser", lambda _: recogniser)
    told = prediction.predict(run, [store.path])
    assert told["problem"].str.contains("no finite numbers").tolist() == [True, True, False]
    assert "are right" not in prediction.report(told)


def test_a_table_of_any_task_tells_notes_and_no_gloss_without_numbers():
    table = table_of(
        [
            Reading("a", "X", [("X", 0.75), ("Y", 0.25)], note="assumed"),
            Reading("b", "X", [("X", np.nan), ("Y", np.nan)]),
            Reading("c", problem="broken"),
        ]
    )
    told = prediction._told(table, {"a": "taken", "b": "taken", "c": "taken"})
    assert told["note"].tolist() == ["assumed; taken", "", ""]
    assert told["top"].tolist() == [[("X", 0.75), ("Y", 0.25)], [], []]
    assert told["problem"].tolist() == ["", NO_NUMBERS, "broken"]
    assert prediction.report(told).splitlines()[-1].startswith("1 of 1 clips")


def test_zeros_in_files_are_told_or_missing(run, source, tmp_path, capsys):
    clip = np.array(source.read(source.labelled["clip"].iloc[0]))
    hand = list(source.skeleton.parts["left_hand"])
    clip[:, hand] = 0
    np.save(tmp_path / "a.npy", clip)
    (as_given,) = prediction.predict(run, [tmp_path / "a.npy"]).itertuples()
    assert "lie exactly at zero" in as_given.note
    numbers = FileNumbers(zeros="missing")
    (missing,) = prediction.predict(run, [tmp_path / "a.npy"], numbers=numbers).itertuples()
    assert missing.note == ""
    clip[:, hand] = np.nan
    np.save(tmp_path / "b.npy", clip)
    (expected,) = prediction.predict(run, [tmp_path / "b.npy"]).itertuples()
    assert missing.top == expected.top != as_given.top
    capsys.readouterr()
    call = ["predict", str(run.path), str(tmp_path / "a.npy"), "--set"]
    assert verbs.main([*call, "zeros=missing"]) == 0
    assert "lie exactly at zero" not in capsys.readouterr().out
    assert verbs.main([*call, "scale=pixels"]) == 2
    assert "pass --set width=W height=H" in capsys.readouterr().out
    assert verbs.main([*call, "scale=miles"]) == 2
    assert "choose fractions or pixels" in capsys.readouterr().err


def test_a_body_that_jumps_is_told_cut_or_left_out(run, source, tmp_path):
    """In files and in stores; the gloss of an ordinary clip is as before."""
    clip = source.labelled["clip"].iloc[0]
    points = source.read(clip)
    moved = points.copy()
    moved[len(points) // 2 :, :, 0] += 0.9
    np.save(tmp_path / "moved.npy", moved)
    np.save(tmp_path / "one.npy", points[:1])
    store = write_store(
        tmp_path / "store", source.extraction, source.labelled.iloc[:1], [(clip, moved)]
    )
    for given in (tmp_path / "moved.npy", store.path):
        kept, split, drop = (
            predict(run, [given], numbers=FileNumbers(on_jump=how)).iloc[0]
            for how in ("keep", "split", "drop")
        )
        frame = f"in frame {len(points) // 2}"
        assert frame in kept["note"]
        assert "are read" in split["note"]
        assert kept["top"]
        assert split["top"]
        assert frame in drop["problem"]
    assert "it has one frame" in predict(run, [tmp_path / "one.npy"]).iloc[0]["note"]


def test_a_run_without_weights_cannot_recognise(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    fresh = start("landmarks-small", "fresh", presets.build("landmarks/small", "smoke"))
    with pytest.raises(RunError, match=r"has no model\.safetensors; its training is not over"):
        load_recogniser(fresh)


def store_of(run, source, tmp_path, skeleton: str = ""):
    """A store of the run's corpus, one of whose clips shows no hand."""
    from signlib.stores.writer import write_store

    made = source.extraction
    table = source.labelled
    points = {clip: np.array(source.read(clip)) for clip in table["clip"]}
    lost = table["clip"].iloc[1]
    points[lost][:, 501:] = np.nan
    if skeleton:
        points = {clip: array[:, 468:] for clip, array in points.items()}
        made = Extraction(made.extractor, made.version, (75, 4), made.channels, skeleton)
    about = {"width": 512, "height": 512, "fps": 25.0}
    write_store(
        tmp_path / "store", made, table.drop(columns=["width", "height"]), points.items(), **about
    )
    return tmp_path / "store", lost


def test_a_store_is_predicted_clip_by_clip(run, source, tmp_path):
    path, lost = store_of(run, source, tmp_path)
    table = predict(run, [path], top=2).set_index("clip")
    scores, clips, classes = run.scores
    assert set(table.index) == set(source.labelled["clip"])
    for clip, row in zip(clips, scores, strict=True):
        best = np.argsort(-row)[:2]
        assert [gloss for gloss, _ in table.loc[clip, "top"]] == [classes[k] for k in best]
        np.testing.assert_allclose(
            [share for _, share in table.loc[clip, "top"]], np.exp(row[best]), atol=1e-5
        )
    assert "features.joints=hands" in table.loc[lost, "problem"]
    assert table.loc[lost, "top"] == []
    known = source.labelled.set_index("clip")["gloss"].drop(lost)
    pd.testing.assert_series_equal(table.loc[known.index, "gloss"], known, check_names=False)
    only = predict(run, [path], split="test")
    assert set(only["clip"]) == set(clips)


def test_clips_of_another_skeleton_are_refused(run, source, tmp_path):
    path, _ = store_of(run, source, tmp_path, "mediapipe-75")
    with pytest.raises(
        RunError, match=r"trained on skeleton 'mediapipe-543', these clips have 'mediapipe-75'"
    ):
        predict(run, [path])


def test_a_file_of_another_skeleton_is_read_where_it_has_the_joints(run, source, tmp_path):
    """The run reads hands, which are placed by the shoulders: it needs no face."""
    clip = source.labelled["clip"].iloc[0]
    points = np.array(source.read(clip))
    np.save(tmp_path / "whole.npy", points)
    np.save(tmp_path / "body.npy", points[:, 468:])
    np.save(tmp_path / "hands.npy", points[:, 501:])
    names = ("whole", "body", "hands")
    table = predict(run, [tmp_path / f"{name}.npy" for name in names], top=3)
    whole, body, hands = (table.iloc[k] for k in range(3))
    assert dict(whole["top"]) == pytest.approx(dict(body["top"]))
    assert hands["top"] == []
    assert "has 42 points a frame, those of skeleton 'hands-42', which lacks 5" in hands["problem"]
    assert hands["problem"].endswith("left_shoulder, left_wrist, nose, ...")


def test_readings_are_reported_in_lines():
    table = table_of(
        [
            Reading("a", "X", [("X", 0.75), ("Y", 0.25)], missing="depth", warning="long"),
            Reading("b", "Y", [("X", 0.6)], note="a rate"),
            Reading("c", problem="broken"),
        ]
    )
    assert report(table).splitlines() == [
        "a: X 75%, Y 25% (without depth)",
        "  unlike the training clips, so do not trust this: long",
        "b: X 60%",
        "  note: a rate",
        "c: not usable: broken",
        "1 of 2 clips whose gloss is known are right",
    ]


def test_what_many_clips_share_is_told_once():
    """2,037 clips that fail alike are one line, and so is a note that many clips have."""
    lost = [Reading(f"v{n}", problem=f"videos/v{n}.mp4 does not exist") for n in range(2037)]
    noted = [Reading(f"n{n}", top=[("X", 1.0)], note="nothing tells its rate") for n in range(4)]
    alone = Reading("z", top=[("X", 1.0)], note="its own")
    assert report(table_of([*lost, *noted, alone])).splitlines() == [
        *(f"n{n}: X 100%" for n in range(4)),
        "z: X 100%",
        "  note: its own",
        "2,037 clips, the first v0: not usable: videos/v0.mp4 does not exist",
        "note: 4 clips, the first n0: nothing tells its rate",
    ]


def test_a_frame_rate_that_no_clip_has_is_refused(run):
    with pytest.raises(SettingsError, match="fps=5000 must lie within"):
        predict(run, ["x.npy"], fps=5000)


def test_the_long_table_has_a_row_for_each_rank():
    table = pd.DataFrame(
        [("a", "", [("X", 0.75), ("Y", 0.25)], ""), ("b", "", [], "broken")],
        columns=["clip", "gloss", "top", "problem"],
    )
    assert long_table(table).to_dict("list") == {
        "clip": ["a", "a"],
        "rank": [1, 2],
        "gloss": ["X", "Y"],
        "confidence": [0.75, 0.25],
    }


# Blanks, 255 bytes, a line end that makes a false line, dashes, bytes that are no UTF-8, commas.
ODD_NAMES = (
    "with blanks.npy",
    "x" * 251 + ".npy",
    "\u00e9" * 125 + ".npy",
    "a\nb.npy: NOTHING 100%.npy",
    "a\rb.npy",
    "-x.npy",
    "--top.npy",
    "\udcff\udce9.npy",
    "a,\"b'.npy",
    "=1+1.npy",
    "bell\x07.npy",
)
NOT_THERE = ("gone\nfile.npy", "y" * 252 + ".npy", "-y\udcff.mp4")


@pytest.mark.parametrize("folder", ["landmarks-seed", "sentences-compact"])
def test_files_of_odd_names_are_answered_or_fail_by_name(folder, tmp_path, monkeypatch, capsys):
    kept = Path(__file__).parent.parent / "data" / "kept"
    monkeypatch.chdir(tmp_path)
    for name in ODD_NAMES:
        shutil.copy(kept / "clips" / "clip.npy", name)
    words = ["predict", str(kept / "runs" / folder / "finished"), "--out", "table.csv", "--"]
    assert verbs.main([*words, *ODD_NAMES, *NOT_THERE]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if not line.startswith(("  ", "note: "))]
    # A line each, in their order, those that cannot be used last.
    for name, line in zip((*ODD_NAMES, *NOT_THERE), told, strict=True):
        assert line.startswith(f"{one_line(name)}: ")
        assert ("not usable: " in line) == (name in NOT_THERE)
    # What was answered reads back by its name, and one clip says the same under all of them.
    with open("table.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    said = defaultdict(list)
    for row in rows:
        said[row.pop("clip")].append(tuple(row.values()))
    assert list(said) == [readable(name) for name in ODD_NAMES]
    assert len(set(map(tuple, said.values()))) == 1
    assert verbs.main([*words, *NOT_THERE]) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith("predict: gone\\nfile.npy and 2 more: no such file or folder")
