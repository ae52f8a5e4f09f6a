"""Source 004's command lines work as written but for the program's name.

Every flag has its effect.
"""

import json
import shlex

import numpy as np
import pytest

from signlib.__main__ import main
from signlib.cli import source_flags
from signlib.cli.parser import parser
from signlib.data.video import write_video
from signlib.errors import SettingsError
from signlib.experiments.prediction import predict
from signlib.extraction import frozen_files
from signlib.extraction.towers import random_tower
from signlib.runs.run import Run
from signlib.settings import config, presets
from signlib.settings.base import Settings
from signlib.stores.store import Extraction, FeatureStore
from signlib.stores.writer import write_store

LANDMARKS = (
    "--data_dir data/wlasl --output_dir data/wlasl/landmarks --subset nslt_100.json --num_frames 16"
)
FEATURES = (
    "--data_dir data/wlasl --output_dir data/wlasl/gemma_features --subset nslt_100.json --device"
    " cuda --num_frames 16"
)
TRAIN = (
    "--data_dir data/wlasl --gemma_features_dir data/wlasl/gemma_features --landmarks_dir"
    " data/wlasl/landmarks --subset nslt_100.json --batch_size 32 --epochs 50 --device cuda"
)
"""The source's three steps, after the names of its scripts."""


def asked(line: str) -> source_flags.Asked:
    """What a command line of the verb `extract` comes to."""
    return source_flags.extraction_of(parser().parse_args(["extract", *shlex.split(line)]))


def built(line: str) -> Settings:
    """The settings that a command line of the verb `train` comes to."""
    options = parser().parse_args(["train", *shlex.split(line)])
    preset = source_flags.preset_of(options)
    return presets.build(
        preset, options.mode, options.seed, source_flags.settings_of(options, preset)
    )


def test_the_sources_lines_come_to_what_they_say():
    points = asked(LANDMARKS)
    assert (points.source.as_posix(), points.out) == (
        "data/wlasl/nslt_100.json",
        "data/wlasl/landmarks",
    )
    assert (points.overrides, points.files) == ([], 16)
    seen = asked(f"--extractor frozen {FEATURES}")
    assert (seen.source.as_posix(), seen.out) == (
        "data/wlasl/nslt_100.json",
        "data/wlasl/gemma_features",
    )
    assert (seen.overrides, seen.files) == (["frames=16", "device=cuda"], 16)
    found = config.flat(built(TRAIN))
    wanted = {
        "preset": "wlasl/concat",
        "data.corpus": "wlasl",
        "data.root": "data/wlasl",
        "frozen.fusion": "concat",
        "data.annotations": "nslt_100.json",
        "frozen.store": "data/wlasl/gemma_features",
        "training.epochs": 50,
        "data.landmarks": "data/wlasl/landmarks",
        "training.batch_size": 32,
        "training.accelerator": "gpu",
        "training.learning_rate": 1e-3,
        "training.weight_decay": 0.01,
        "training.min_lr": 1e-6,
        "frozen.width": 256,
    }
    assert {key: found[key] for key in wanted} == wanted


@pytest.mark.parametrize(
    ("line", "override"),
    [
        ("--model_name google/gemma-3-12b-it", "model=google/gemma-3-12b-it"),
        ("--model-name there", "model=there"),
        ("--num_frames 8", "frames=8"),
        ("--device mps", "device=mps"),
        ("--use_flash_attention", "attention=flash"),
    ],
)
def test_every_flag_of_extraction_becomes_a_setting_and_set_wins(line, override):
    found = asked(f"videos --out s --extractor frozen {line} --set batch=4")
    assert found.overrides == [override, "batch=4"]
    assert found.files == 0, "the source's files are written for --output_dir only"


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("--fusion_type gated", "preset", "wlasl/gated"),
        ("--fusion_type attention", "preset", "wlasl/attention"),
        ("--gemma_features_dir f", "preset", "wlasl/concat"),
        ("wlasl/original --fusion-type gated", "frozen.fusion", "gated"),
        ("wlasl/concat --hidden_dim 64", "frozen.width", 64),
        ("wlasl/concat --learning_rate 0.01", "training.learning_rate", 0.01),
        ("wlasl/concat --subset nslt_300.json", "data.annotations", "nslt_300.json"),
        ("wlasl/concat --gemma_features_dir f", "frozen.store", "f"),
        ("wlasl/concat --landmarks_dir f", "data.landmarks", "f"),
        ("wlasl/concat --data_dir f", "data.root", "f"),
        ("wlasl/concat --device cpu", "training.accelerator", "cpu"),
        ("wlasl/concat --checkpoint_dir f", "training.save_interval", 5),
    ],
)
def test_every_flag_of_training_has_its_effect(line, key, value):
    assert config.flat(built(line))[key] == value
    assert config.flat(built("wlasl/concat"))[key] != value or (key, value) == (
        "preset",
        "wlasl/concat",
    )


def test_set_wins_over_flags_and_flags_over_the_preset():
    found = built(
        "--fusion_type gated --hidden_dim 64 --epochs 3 --set frozen.width=32 frozen.fusion=concat"
    )
    assert (found.frozen.width, found.frozen.fusion, found.training.epochs) == (32, "concat", 3)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--out s", "give SOURCE or --data_dir"),
        ("v --data_dir v --out s", "only one of SOURCE"),
        ("v", "give --out or --output_dir"),
        ("v --out s --num_frames 4", r"num_frames does nothing .* or --output_dir"),
        ("v --out s --model_name x", "model_name does nothing"),
        ("v --out s --use_flash_attention", "add --extractor frozen"),
        (
            "v --output_dir s --extractor pictures",
            "output_dir does nothing with --extractor pictures",
        ),
        ("v --output_dir s --num_frames -1", "at least 1"),
    ],
)
def test_flags_that_would_do_nothing_are_refused(line, told):
    with pytest.raises(SettingsError, match=told):
        asked(line)


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """WLASL's own files with nine clips that show nothing, and a tiny encoder."""
    root, noise = tmp_path_factory.mktemp("source") / "data", np.random.default_rng(0)
    listed = {}
    for n, split in enumerate(["train"] * 5 + ["val"] * 2 + ["test"] * 2):
        clip = f"{n:05d}"
        write_video(
            root / "wlasl" / "videos" / f"{clip}.mp4",
            list(noise.integers(0, 256, (20, 48, 48, 3), np.uint8)),
            25,
        )
        listed[clip] = {"subset": split, "action": [n % 2, 1, -1 if n % 2 else 18]}
    (root / "wlasl" / "nslt_100.json").write_text(json.dumps(listed))
    (root / "wlasl" / "wlasl_class_list.txt").write_text("0\tbook\n1\tdrink\n")
    random_tower(root / "tower")
    return root


def test_the_three_steps_run_as_written(layout, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(layout.parent)
    clips = sorted(json.loads((layout / "wlasl" / "nslt_100.json").read_text()))
    points = np.random.default_rng(0).random((12, 543, 4)).astype(np.float32)
    (layout / "points").mkdir()
    for clip in clips:
        np.save(layout / "points" / f"{clip}.npy", points)
    # Drawn people have no landmarks that could be found: here they come as files.
    line = LANDMARKS.replace("--data_dir data/wlasl", "--data_dir data/points").replace(
        " --subset nslt_100.json", ""
    )
    assert main(["extract", *shlex.split(line)]) == 0
    seen = FEATURES.replace("--device cuda", "--device cpu --model_name data/tower --skip_existing")
    assert main(["extract", "--extractor", "frozen", *shlex.split(seen)]) == 0
    assert (
        f"{len(clips)} files of source 004's kind in data/wlasl/gemma_features"
        in capsys.readouterr().out
    )
    assert np.load(layout / "wlasl" / "landmarks" / f"{clips[0]}_landmarks.npy").shape == (16, 162)
    assert np.load(layout / "wlasl" / "gemma_features" / f"{clips[0]}_gemma.npy").shape == (16, 32)
    about = json.loads(
        (layout / "wlasl" / "gemma_features" / "extraction_metadata.json").read_text()
    )
    assert (about["subset"], about["feature_dim"], about["success_count"]) == (
        "nslt_100.json",
        32,
        len(clips),
    )
    short = TRAIN.replace("--epochs 50 --device cuda", "--epochs 6 --device cpu --hidden_dim 16")
    more = (
        "--checkpoint_dir checkpoints_simple --gemma_feature_dim 32 --run-name r --set"
        " frozen.intermediate=16"
    )
    assert main(["train", *shlex.split(f"{short} {more}")]) == 0
    assert "training.accelerator = cpu" in capsys.readouterr().out
    run = Run("checkpoints_simple/wlasl-concat/r")
    assert run.finished
    assert sorted(file.name for file in run.path.glob("epoch-*.ckpt")) == ["epoch-005.ckpt"]
    with pytest.raises(SettingsError, match=r"2048, but .* has 32 numbers a frame"):
        built(TRAIN + " --gemma_feature_dim 2048")
    with pytest.raises(SettingsError, match="needs --gemma_features_dir"):
        built("wlasl/concat --gemma_feature_dim 2048")


@pytest.fixture(scope="module")
def by_files(layout, tmp_path_factory):
    """A folder with only the source's files of all clips, and a run that was trained on it."""
    rng, root = np.random.default_rng(1), tmp_path_factory.mktemp("files")
    files = root / "files"
    files.mkdir()
    for clip in json.loads((layout / "wlasl" / "nslt_100.json").read_text()):
        np.save(files / f"{clip}_gemma.npy", rng.normal(size=(16, 32)).astype(np.float32))
        np.save(files / f"{clip}_landmarks.npy", rng.random((16, 162)).astype(np.float32))
    about = {"model_name": str(layout / "tower"), "num_frames": 16, "feature_dim": 32}
    (files / "extraction_metadata.json").write_text(json.dumps(about))
    line = [
        "train",
        "--data_dir",
        str(layout / "wlasl"),
        "--gemma_features_dir",
        str(files),
        "--landmarks_dir",
        str(files),
        "--hidden_dim",
        "16",
        "--epochs",
        "1",
        "--device",
        "cpu",
        "--run-name",
        "r",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNLIB_RUNS", str(root / "runs"))
        assert main([*line, "--set", "frozen.intermediate=16"]) == 0
        yield files, Run(root / "runs" / "wlasl-concat" / "r")


def test_folders_with_nothing_but_the_sources_files_stand_for_stores(by_files, tmp_path, capsys):
    files, run = by_files
    stores = sorted((run.path.parent.parent / "frozen").glob("files-*"))
    assert len(stores) == 2, "of features and of landmarks"
    before = [store.stat().st_mtime_ns for store in stores]
    for kind, extractor in (("gemma", "frozen"), ("landmarks", "holistic")):
        assert (
            main(["extract", str(files), "--out", str(tmp_path / kind), "--extractor", extractor])
            == 0
        )
    clips = FeatureStore(tmp_path / "gemma").clips
    capsys.readouterr()
    assert (
        main(["predict", str(run.path), str(tmp_path / "gemma"), str(tmp_path / "landmarks")]) == 0
    )
    assert capsys.readouterr().out.count("%") >= 2 * len(clips)
    # A store of whole landmarks is first made into what the files hold.
    made = Extraction(
        "holistic", shape=(543, 4), channels=("x", "y", "z", "visibility"), skeleton="mediapipe-543"
    )
    table, rng = FeatureStore(tmp_path / "gemma").manifest, np.random.default_rng(2)
    # People who stand still: a jump has another size among fewer frames.
    still = {clip: rng.random((1, 543, 4)).astype(np.float32) for clip in clips}
    moved = [(clip, np.repeat(points, 30, axis=0)) for clip, points in still.items()]
    whole = write_store(tmp_path / "whole", made, table, moved, width=640, height=480, fps=25.0)
    frozen_files.write_landmarks(whole, tmp_path / "short")
    told = []
    for points in (whole.path, tmp_path / "short"):
        assert main(["predict", str(run.path), str(tmp_path / "gemma"), str(points)]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert [store.stat().st_mtime_ns for store in stores] == before, "they were made once"


def test_a_run_on_the_sources_files_takes_a_video(by_files, tmp_path):
    pytest.importorskip("mediapipe")
    from signlib.synthesis.portrait import portrait_clip

    film = tmp_path / "portrait.mp4"
    write_video(film, portrait_clip(4), fps=25)
    found = predict(by_files[1], [film]).iloc[0]
    assert found["problem"] == ""
    assert {gloss for gloss, _ in found["top"]} == {"book", "drink"}
    assert "frames, training clips have" not in found["warning"], (
        "four frames become the files' sixteen"
    )
