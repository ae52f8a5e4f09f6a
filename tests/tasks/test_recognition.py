"""Several modalities from end to end.

Generated clips, an official layout on disk, and what is refused.
"""

import numpy as np
import pytest
import torch
from usual import built

from signlib.data.vocabulary import Vocabulary
from signlib.errors import SettingsError
from signlib.experiments.experiment import train
from signlib.extraction.exchange import import_folder, write_npy
from signlib.models.video import VideoEncoder, videomae
from signlib.settings import presets
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.layouts import write_autsl
from signlib.tasks.registry import open_task
from signlib.tasks.sentences import SentenceTask
from signlib.training.batches import resample

TINY = [
    "data.glosses=3",
    "data.signers=3",
    "data.repetitions=1",
    "pictures.size=32",
    "pictures.frames=4",
    "rgb.layers=1",
    "depth.layers=1",
    "training.epochs=1",
    "training.batch_size=4",
    "training.threads=1",
]


@pytest.fixture(autouse=True)
def _own_runs(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path_factory.getbasetemp() / "recognition"))


def settings(name, *more, usual=TINY):
    """Settings of a preset: what it reads of the usual ones, and more, all of which it reads."""
    return built(f"autsl/{name}", usual, more)


@pytest.mark.parametrize("name", ["rgb", "rgb+depth+skeleton"])
def test_a_generated_corpus_is_trained_and_tested_in_all_modalities(name):
    run = train(settings(name), f"whole-{name}", quiet=True)
    assert run.finished
    assert run.metrics[0].n == 3
    assert run.scores[0].shape == (3, 3)
    np.testing.assert_allclose(np.exp(run.scores[0]).sum(1), 1, atol=1e-4)
    again = train(settings(name), f"again-{name}", quiet=True)
    np.testing.assert_array_equal(again.scores[0], run.scores[0])


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """Nine clips in AUTSL's layout, and the landmarks of all but one of them in a store."""
    folder = tmp_path_factory.mktemp("layout")
    world = GeneratedCorpus(3, 3, 1)
    write_autsl(world, folder / "autsl", size=64, progress=False)
    from signlib.data import autsl

    table = autsl.read_manifest(folder / "autsl")
    (folder / "points").mkdir()
    for row, name in list(zip(table.itertuples(), world.manifest["clip"], strict=True))[1:]:
        write_npy(folder / "points" / f"{row.clip}.npy", world.clip(name))
    import_folder(folder / "points", folder / "store", table.iloc[1:].assign(file=""))
    return folder


def from_disk(layout, name, *more):
    chosen = [
        "data.corpus=autsl",
        f"data.root='{layout / 'autsl'}'",
        f"data.landmarks='{layout / 'store'}'",
    ]
    return settings(name, *more, usual=[*TINY, *chosen])


def test_the_same_presets_read_an_official_layout(layout):
    task = open_task(from_disk(layout, "rgb+depth+skeleton"))
    assert len(task.table) == 9
    assert set(task.pictures.kinds) == {"colour", "depth"}
    rows = task.table[task.table["split"] == "train"]
    clips = task.prepare(rows, Vocabulary.from_glosses(task.table["gloss"]), quiet=True)
    assert clips.clips == rows["clip"].tolist()
    assert clips.data.present.all(axis=0).tolist() == [
        True,
        True,
        False,
    ], "one clip has no landmarks"
    batch = resample(
        clips.data.collate([clips.data[i] for i in range(3)]), task.settings.features.frames
    )
    scores = task.model(3).eval()(batch)
    assert scores.shape == (3, 3)
    assert torch.isfinite(scores).all()


def test_a_run_on_an_official_layout_says_on_how_many_clips_it_stands(layout):
    for split in ("train", "val", "test"):
        assert list((layout / "autsl" / split).glob("*_color.mp4"))
    broken = next((layout / "autsl" / "test").glob("*_color.mp4"))
    kept = broken.read_bytes()
    broken.write_bytes(b"")
    try:
        run = train(from_disk(layout, "rgb", "pictures.frames=2"), "broken", quiet=True)
    finally:
        broken.write_bytes(kept)
    assert run.facts["missing"] == 1
    assert run.metrics[0].n == 2
    assert "2 of 3 clips" in run.metrics[0].note


def test_landmarks_of_a_video_corpus_must_be_named(layout):
    with pytest.raises(SettingsError, match=r"data\.landmarks=STORE"):
        open_task(from_disk(layout, "skeleton", "data.landmarks="))


def test_what_does_not_go_together_is_refused():
    with pytest.raises(SettingsError, match=r"features\.dominant=True is read only with"):
        open_task(settings("rgb", "features.dominant=true"))
    with pytest.raises(SettingsError, match="needs rgb among"):
        open_task(settings("rgb", "fusion.modalities=[depth]", "depth.weights=colour")).model(3)


def test_a_network_for_sentences_gets_sentences():
    tiny = ["data.glosses=3", "data.signers=4", "data.repetitions=1"]
    found = open_task(presets.build("sentences/compact", "smoke", overrides=tiny))
    assert isinstance(found, SentenceTask)


def test_weights_of_another_picture_size_are_refused(tmp_path):
    videomae(16, 1, 2, 32, 3, size=48, frames=4).save_pretrained(tmp_path)
    wanted = settings("rgb", f"rgb.weights='{tmp_path}'")
    with pytest.raises(SettingsError, match="image_size=48, these settings 32"):
        open_task(wanted).model(3)


def test_depth_starts_from_colour_and_frozen_encoders_do_not_learn():
    model = open_task(settings("depth-from-colour", "rgb.frozen=true")).model(3)
    colour, depth = model.encoders["rgb"], model.encoders["depth"]
    assert isinstance(depth, VideoEncoder)
    key = "embeddings.patch_embeddings.projection.weight"
    torch.testing.assert_close(
        depth.model.state_dict()[key], colour.model.state_dict()[key].sum(1, keepdim=True)
    )
    assert not any(p.requires_grad for p in colour.parameters())
    assert all(p.requires_grad for p in depth.parameters())
