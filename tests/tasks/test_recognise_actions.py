"""A graph network recognises files as it recognised the same clips when it was tested."""

import numpy as np
import pandas as pd
import pytest

from signlib.corpora.bodies import actors
from signlib.corpora.registry import corpus_of
from signlib.data.skeletons import NTU_25
from signlib.errors import RunError, StoreError
from signlib.experiments.experiment import train
from signlib.experiments.prediction import predict
from signlib.settings import presets
from signlib.stores.store import Extraction
from signlib.stores.writer import write_store
from signlib.synthesis import layouts

TINY = [
    "data.glosses=3",
    "data.signers=3",
    "action.frames=8",
    "training.epochs=2",
    "training.warmup_epochs=1",
    "training.threads=1",
    "training.accelerator=cpu",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNLIB_RUNS", str(tmp_path_factory.mktemp("runs")))
        return train(presets.build("ntu60/nano", "smoke", 0, TINY), quiet=True)


def of_the_run(run):
    """Clip -> its likeliest actions when the run was tested."""
    scores, clips, classes = run.scores
    return {
        clip: [(classes[k], np.exp(row[k])) for k in np.argsort(-row)]
        for clip, row in zip(clips, scores, strict=True)
    }


def same(found, expected):
    assert [gloss for gloss, _ in found] == [gloss for gloss, _ in expected]
    np.testing.assert_allclose(
        [share for _, share in found], [share for _, share in expected], atol=2e-3
    )


def test_arrays_and_skeleton_files_get_the_scores_of_the_run(run, tmp_path):
    world = corpus_of(run.settings.data).world(run.settings.data)
    expected = of_the_run(run)
    for clip in expected:
        np.save(tmp_path / f"{clip}.npy", world.clip(clip))
    layouts.write_ntu60(world, tmp_path / "ntu60", list(expected), progress=False)
    files = sorted(path for path in tmp_path.rglob("*") if path.suffix in (".npy", ".skeleton"))
    assert {file.suffix for file in files} == {".npy", ".skeleton"}
    table = predict(run, files)
    assert table["problem"].eq("").all()
    assert len(table) == 2 * len(expected)
    for row in table.itertuples():
        same(row.top, expected[row.clip.rsplit("/")[-1].rsplit(".")[0]])


def test_a_store_is_read_by_split_and_names_its_glosses(run, tmp_path):
    world = corpus_of(run.settings.data).world(run.settings.data)
    expected = of_the_run(run)
    table = world.manifest
    extraction = Extraction("made", "1", (2, 25, 3), ("x", "y", "z"), NTU_25.name, {})
    clips = ((clip, actors(world.clip(clip))) for clip in table["clip"])
    write_store(tmp_path / "store", extraction, table, clips, fps=30)
    found = predict(run, [tmp_path / "store"], split="test").set_index("clip")
    assert set(found.index) == set(expected)
    assert found["gloss"].to_dict() == table.set_index("clip")["gloss"].loc[found.index].to_dict()
    for clip, top in found["top"].items():
        same(top, expected[clip])
    with pytest.raises(StoreError, match="no clip of split 'val2'"):
        predict(run, [tmp_path / "store"], split="val2")
    other = Extraction("made", "1", (2, 20, 3), ("x", "y", "z"), "kinect20", {})
    row = pd.DataFrame({"clip": ["a"], "gloss": ["x"]})
    write_store(
        tmp_path / "other", other, row, [("a", np.zeros((3, 2, 20, 3), np.float32))], fps=30
    )
    with pytest.raises(RunError, match="was trained on skeleton"):
        predict(run, [tmp_path / "other"])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 20, 3), np.float32), r"takes \(T, M, 25, 3\)"),
        (np.zeros((0, 25, 3), np.float32), r"takes \(T, M, 25, 3\)"),
        (np.zeros((4, 25, 3), int), "int64"),
        (np.full((4, 25, 3), np.nan, np.float32), "nobody is seen"),
        (np.array([{}], object), "no readable"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_row_with_its_reason(run, tmp_path, array, message):
    np.save(tmp_path / "clip.npy", array, allow_pickle=True)
    (tmp_path / "broken.skeleton").write_text("three\n")
    table = predict(run, [tmp_path / "clip.npy", tmp_path / "broken.skeleton"])
    assert table["top"].tolist() == [[], []]
    assert table["problem"].str.contains(message).tolist() == [True, False]
    assert "broken.skeleton" in table["problem"].iloc[1]


def test_a_video_is_refused(run):
    with pytest.raises(RunError, match=r"give \.skeleton or \.npy files"):
        predict(run, ["clip.mp4"])


def test_a_real_file_gets_a_prediction(run, real_data):
    file = real_data("ntu60/S001C001P001R001A001.skeleton")
    (row,) = predict(run, [file]).itertuples()
    assert (row.problem, len(row.top)) == ("", 3)
    assert sum(share for _, share in row.top) == pytest.approx(1, abs=1e-5)
