"""Generated corpora in the official layouts, read back by the readers of the real ones."""

import json

import numpy as np
import pandas as pd
import pytest

from signlib import processes
from signlib.data import autsl, ntu60, phoenix, transcripts, wlasl
from signlib.data.manifest import check_manifest
from signlib.data.video import probe, read_frames
from signlib.errors import SettingsError
from signlib.synthesis import layouts
from signlib.synthesis.__main__ import main
from signlib.synthesis.actions import ActionCorpus
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.sentences import SentenceCorpus

SIZE = 64
SIGNS = GeneratedCorpus(glosses=2, signers=3, repetitions=1)
SENTENCES = SentenceCorpus(glosses=6, signers=3, sentences=1, lengths=(2, 3))
ACTIONS = ActionCorpus([8, 58], performers=3, cameras=2, repetitions=1)


def truths(out):
    return {path.stem: json.loads(path.read_text()) for path in (out / "truth").iterdir()}


def bytes_of(out):
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def as_autsl(tmp_path_factory):
    return layouts.write_autsl(SIGNS, tmp_path_factory.mktemp("autsl"), size=SIZE, progress=False)


def test_autsl_comes_back_from_its_reader(as_autsl):
    table = autsl.read_manifest(as_autsl)
    manifest = SIGNS.manifest.set_index("clip")
    truth = truths(as_autsl)
    assert not check_manifest(table, as_autsl).faults
    assert {truth[clip]["clip"] for clip in table["clip"]} == set(manifest.index)
    for row in table.itertuples():
        source = manifest.loc[truth[row.clip]["clip"]]
        assert (
            (row.gloss, row.split)
            == (source["gloss"], source["split"])
            == (truth[row.clip]["gloss"], row.split)
        )
        assert row.signer == f"signer{int(source['signer'][6:])}"
        for file in (row.file, row.depth_file):
            info = probe(as_autsl / file)
            assert (info.width, info.height, info.fps) == (SIZE, SIZE, 25.0)
            assert (
                info.frames == truth[row.clip]["frames"] == len(SIGNS.clip(truth[row.clip]["clip"]))
            )
    assert table.groupby("signer")["split"].first().tolist() == ["train", "val", "test"]


def test_a_depth_video_is_grey_and_shows_another_picture_than_the_colour_video(as_autsl):
    row = autsl.read_manifest(as_autsl).iloc[0]
    colour, depth = (
        read_frames(as_autsl / file).astype(int) for file in (row["file"], row["depth_file"])
    )
    assert np.ptp(depth, axis=-1).max() <= 8
    assert np.ptp(colour, axis=-1).max() > 30
    assert (depth == 0).mean() > 0.2, "the room is black"
    assert depth.max() > 100


def test_wlasl_comes_back_from_its_reader(tmp_path):
    layouts.write_wlasl(SIGNS, tmp_path, size=SIZE, progress=False)
    by_video, by_gloss = (
        wlasl.read_manifest(tmp_path, name) for name in ("nslt_2.json", "WLASL_v0.3.json")
    )
    both = by_video.merge(by_gloss, on="clip", suffixes=("", "_too"))
    truth = truths(tmp_path)
    manifest = SIGNS.manifest.set_index("clip")
    assert len(both) == len(SIGNS)
    assert not check_manifest(by_video, tmp_path).faults
    for row in both.itertuples():
        source = manifest.loc[truth[row.clip]["clip"]]
        assert (row.gloss, row.split, row.signer) == (row.gloss_too, row.split_too, row.signer_too)
        assert (row.gloss, row.split, row.signer) == (
            source["gloss"],
            source["split"],
            str(int(source["signer"][6:])),
        )
        frames = truth[row.clip]["frames"]
        assert row.start == row.start_too
        assert row.end == (frames if row.end_too == -1 else row.end_too)
        # the part of the video that the manifest names holds the whole sign
        assert row.start <= truth[row.clip]["stroke_start"]
        assert truth[row.clip]["stroke_end"] <= row.end <= frames
        assert (
            len(read_frames(tmp_path / row.file, start=row.start, end=row.end_too))
            == row.end - row.start
        )
    assert set(both["start"] > 0) == {False, True}


def test_phoenix_comes_back_from_its_reader(tmp_path):
    layouts.write_phoenix(SENTENCES, tmp_path, size=42, progress=False)
    table = phoenix.read_manifest(tmp_path)
    pd.testing.assert_frame_equal(
        table[["clip", "split", "glosses"]].sort_values("clip", ignore_index=True),
        SENTENCES.manifest[["clip", "split", "glosses"]].sort_values("clip", ignore_index=True),
    )
    assert table["signer"].tolist() == ["Signer01", "Signer02", "Signer03"]
    assert not check_manifest(table, tmp_path).missing_files
    for row in table.itertuples():
        pictures = sorted((tmp_path / row.file).glob("*.png"))
        assert (
            len(pictures) == truths(tmp_path)[row.clip]["frames"] == len(SENTENCES.clip(row.clip))
        )
        assert probe(pictures[0]).width == 42
        assert probe(pictures[0]).height == 52
    for split, name in (("train", "train"), ("val", "dev"), ("test", "test")):
        spoken = transcripts.read_stm(
            tmp_path
            / "phoenix-2014-multisigner"
            / "evaluation"
            / f"phoenix2014-groundtruth-{name}.stm"
        )
        assert spoken["glosses"].tolist() == table.loc[table["split"] == split, "glosses"].tolist()


def test_phoenix_with_features(tmp_path):
    layouts.write_phoenix(SENTENCES, tmp_path, features=True, progress=False)
    for row in phoenix.read_manifest(tmp_path).itertuples():
        landmarks = np.load(tmp_path / row.file / "landmarks.npy", allow_pickle=False)
        np.testing.assert_array_equal(landmarks, SENTENCES.clip(row.clip))


def test_ntu60_comes_back_from_its_reader(tmp_path):
    layouts.write_ntu60(ACTIONS, tmp_path, progress=False)
    table = ntu60.read_manifest(tmp_path).sort_values("clip", ignore_index=True)
    manifest = ACTIONS.manifest.sort_values("clip", ignore_index=True)
    columns = [
        "clip",
        "gloss",
        "signer",
        "fps",
        "setup",
        "camera",
        "performer",
        "replication",
        "action",
    ]
    pd.testing.assert_frame_equal(table[columns], manifest[columns])
    assert ((table["split"] == "test") == (manifest["split"] == "test")).all()
    for row in table.itertuples():
        clip = ntu60.read_skeleton(tmp_path / row.file)
        joints, states = ACTIONS.observed(row.clip)
        assert (
            len(clip.bodies)
            == (2 if row.action == 58 else 1)
            == truths(tmp_path)[row.clip]["persons"]
        )
        np.testing.assert_allclose(clip.joints, joints[:, : len(clip.bodies)], rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(clip.tracking, states[:, : len(clip.bodies)])


def test_written_skeletons_look_like_a_real_one(real_data, tmp_path):
    # pictures of a joint must fall where the real sensor's calibration puts them
    layouts.write_ntu60(ACTIONS, tmp_path, ACTIONS.manifest["clip"][:1], progress=False)
    ours = next((tmp_path / "nturgb+d_skeletons").iterdir()).read_text().splitlines()
    real = (real_data("ntu60") / "S001C001P001R001A001.skeleton").read_text().splitlines()
    assert [len(line.split()) for line in ours[:29]] == [len(line.split()) for line in real[:29]]
    x, y, z, depth_x, depth_y, colour_x, colour_y = np.array(
        [line.split()[:7] for line in real[4:29]], float
    ).T
    from signlib.synthesis.kinect import _pictures

    np.testing.assert_allclose(
        _pictures(np.stack([x, y, z], 1)),
        np.stack([depth_x, depth_y, colour_x, colour_y], 1),
        atol=4,
    )


def test_parts_in_any_order_end_as_the_whole(as_autsl, tmp_path):
    names = SIGNS.manifest["clip"].tolist()
    layouts.write_autsl(SIGNS, tmp_path, names[4:], SIZE, progress=False)
    assert len(autsl.read_manifest(tmp_path)) == 2
    layouts.write_autsl(SIGNS, tmp_path, names[:4], SIZE, progress=False)
    assert bytes_of(tmp_path) == bytes_of(as_autsl)


def test_a_stopped_run_leaves_nothing_half_and_is_resumed(as_autsl, tmp_path, monkeypatch):
    real, calls = layouts.render, []

    def stopping(*arguments, **sizes):
        calls.append(arguments)
        for number, frame in enumerate(real(*arguments, **sizes)):
            if len(calls) == 3 and number == 5:
                raise KeyboardInterrupt
            yield frame

    monkeypatch.setattr(layouts, "render", stopping)
    with pytest.raises(KeyboardInterrupt):
        layouts.write_autsl(SIGNS, tmp_path, size=SIZE, progress=False)
    assert len(truths(tmp_path)) == 2
    assert len(list(tmp_path.rglob("*.mp4"))) == 4
    # as a killed run would have left them; a hidden folder of somebody else's is none of our
    # business
    film = tmp_path / "train" / "signer0_sample9_color.mp4"
    alive = processes.temporary(film, ".mp4")
    with monkeypatch.context() as patch:
        patch.setattr("os.getpid", lambda: 99_999_999)
        left = processes.temporary(film, ".mp4")
    alive.write_bytes(b"half")
    left.write_bytes(b"half")
    (tmp_path / ".git").mkdir()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mp4")}
    layouts.write_autsl(SIGNS, tmp_path, size=SIZE, progress=False)
    assert len(calls) == 3 + 4, "finished clips are not rendered again"
    assert all(
        path.stat().st_mtime_ns == stamp
        for path, stamp in kept.items()
        if not path.name.startswith(".")
    )
    (tmp_path / ".git").rmdir()
    assert not left.exists()
    alive.unlink()
    assert bytes_of(tmp_path) == bytes_of(as_autsl)


def test_a_file_that_was_lost_is_written_again(as_autsl, tmp_path):
    layouts.write_autsl(SIGNS, tmp_path, SIGNS.manifest["clip"][:1], SIZE, progress=False)
    (tmp_path / "train" / "signer0_sample1_depth.mp4").unlink()
    layouts.write_autsl(SIGNS, tmp_path, SIGNS.manifest["clip"][:1], SIZE, progress=False)
    name = "train/signer0_sample1_depth.mp4"
    assert (tmp_path / name).read_bytes() == (as_autsl / name).read_bytes()


def test_many_workers_write_the_same_bytes(tmp_path):
    for workers in (1, 2):
        layouts.write_ntu60(ACTIONS, tmp_path / str(workers), workers=workers, progress=False)
    assert bytes_of(tmp_path / "1") == bytes_of(tmp_path / "2")


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no clips to write"):
        layouts.write_autsl(SIGNS, tmp_path, [])
    with pytest.raises(SettingsError, match="'nobody' is not in the corpus"):
        layouts.write_autsl(SIGNS, tmp_path, ["nobody"])
    with pytest.raises(
        SettingsError, match="size=63: give an even number of pixels from 32 to 2048"
    ):
        layouts.write_wlasl(SIGNS, tmp_path, size=63)
    with pytest.raises(SettingsError, match="workers=0"):
        layouts.write_ntu60(ACTIONS, tmp_path, workers=0)
    with pytest.raises(SettingsError, match="needs a corpus whose clips have 'glosses'"):
        layouts.write_phoenix(SIGNS, tmp_path)
    with pytest.raises(SettingsError, match="needs a corpus whose clips have 'gloss'"):
        layouts.write_autsl(SENTENCES, tmp_path)
    with pytest.raises(SettingsError, match="make an ActionCorpus"):
        layouts.write_ntu60(SIGNS, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_signer_in_two_splits_is_refused(tmp_path):
    leaking = GeneratedCorpus(glosses=2, signers=3, repetitions=1)
    leaking.manifest.loc[0, "split"] = "test"
    with pytest.raises(SettingsError, match="signer 'signer00' is in two splits"):
        layouts.write_autsl(leaking, tmp_path)


def test_a_folder_of_something_else_is_refused(as_autsl, tmp_path):
    with pytest.raises(SettingsError, match=r"was begun with layout='autsl' \(now 'wlasl'\)"):
        layouts.write_wlasl(SIGNS, as_autsl, size=SIZE)
    with pytest.raises(SettingsError, match=r"seed=0 \(now 3\)"):
        layouts.write_autsl(GeneratedCorpus(2, 3, 1, seed=3), as_autsl, size=SIZE)
    with pytest.raises(SettingsError, match=r"begun with signs='\w+' \(now '\w+'\);"):
        layouts.write_autsl(
            GeneratedCorpus(2, 3, 1, inventory={"hands": ["ONE"]}), as_autsl, size=SIZE
        )
    swapped = GeneratedCorpus(2, 3, 1, splits={"train": [2], "val": [1], "test": [0]})
    with pytest.raises(SettingsError, match=r"begun with splits='\w+' \(now '\w+'\);"):
        layouts.write_autsl(swapped, as_autsl, size=SIZE)
    with pytest.raises(SettingsError, match=r"options=\[64\] \(now \[32\]\)"):
        layouts.write_autsl(SIGNS, as_autsl, size=32)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SettingsError, match="is not empty and was not begun here"):
        layouts.write_autsl(SIGNS, tmp_path)
    with pytest.raises(SettingsError, match="is not empty and was not begun here"):
        layouts.write_autsl(SIGNS, tmp_path / "thesis.txt")
    (tmp_path / "generated.json").write_text("{")
    with pytest.raises(SettingsError, match=r"something unreadable in its generated\.json"):
        layouts.write_autsl(SIGNS, tmp_path)
    (tmp_path / "generated.json").write_text('{"layout": "autsl", "corpus": 3}')
    with pytest.raises(SettingsError, match=r"'corpus': 3} in its generated\.json"):
        layouts.write_autsl(SIGNS, tmp_path)


def test_the_command_line_writes_a_layout(tmp_path, capsys):
    out = tmp_path / "ntu"
    assert main(["ntu60", str(out), "--actions", "2", "--signers", "3", "--repetitions", "1"]) == 0
    assert ntu60.read_manifest(out)["gloss"].unique().tolist() == ["drink water", "walking apart"]
    assert str(out) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["autsl", "--signers", "2"], "autsl: signers=2: train, val and test need a signer each"),
        (["phoenix-2014", "--glosses", "1"], "phoenix-2014: "),
        (["wlasl", "--size", "31"], "wlasl: size=31: give an even number"),
        (
            ["phoenix-2014", "--size", "1656"],
            "phoenix-2014: size=1656: give an even number of pixels from 32 to 1654",
        ),
        (["ntu60", "--actions", "61"], "ntu60: actions=61: give 1 to 60"),
        (["ntu60", "--hardness", "9"], "ntu60: hardness=9"),
    ],
)
def test_a_bad_input_is_one_line_and_exit_code_2(tmp_path, capsys, arguments, message):
    layout, *rest = arguments
    assert main([layout, str(tmp_path / "out"), *rest]) == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_help_shows_an_example(capsys):
    with pytest.raises(SystemExit) as left:
        main(["autsl", "--help"])
    assert left.value.code == 0
    assert "example: python -m signlib.synthesis autsl" in capsys.readouterr().out
