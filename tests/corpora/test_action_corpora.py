"""Action corpora behind one interface: who acts, which split, a store that is made once, files that
are broken.
"""

import numpy as np
import pytest

from signlib.corpora import clips as corpora
from signlib.corpora.bodies import actors
from signlib.corpora.clips import load_actions
from signlib.corpora.registry import corpus_of
from signlib.data import ntu60
from signlib.data.ntu60 import read_skeleton
from signlib.errors import InputError, SettingsError
from signlib.settings import config
from signlib.synthesis.actions import ActionCorpus
from signlib.synthesis.layouts import write_ntu60
from signlib.tasks.task import notes_of

SIZES = {"data.glosses": 3, "data.signers": 4, "data.repetitions": 1}
WORLD = ActionCorpus(3, 4, 3, 1)


@pytest.fixture(autouse=True)
def runs_root(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    return write_ntu60(WORLD, tmp_path_factory.mktemp("ntu") / "ntu60", progress=False)


def data(corpus, **more):
    return config.build(
        {"data.corpus": corpus, **SIZES, **{f"data.{k}": v for k, v in more.items()}}
    ).data


def test_generated_actions_come_with_both_splits():
    xsub, xview = (
        load_actions(data("generated-actions", split_type=kind)) for kind in ("", "xview")
    )
    table = xsub.labelled
    assert table["split"].value_counts().to_dict() == {"train": 18, "val": 9, "test": 9}
    assert table.groupby("signer")["split"].nunique().max() == 1
    assert xview.labelled.groupby("camera")["split"].unique().map(list).to_dict() == {
        1: ["test"],
        2: ["train"],
        3: ["train"],
    }
    clip = table["clip"].iloc[0]
    assert xsub.read(clip).shape[1:] == (2, 25, 3)
    np.testing.assert_array_equal(xsub.read(clip), actors(WORLD.clip(clip)))
    assert xsub.skeleton.name == "ntu-25"
    assert corpora.load_manifest(data("generated-actions")).equals(table)


def test_skeleton_files_are_read_once_for_both_splits(layout, monkeypatch, runs_root):
    source = load_actions(data("ntu60", root=str(layout)))
    table = source.labelled
    assert len(table) == len(WORLD)
    assert set(table["split"]) == {"train", "test"}, "there is no official validation split"
    for clip in table["clip"].iloc[::7]:
        expected = actors(read_skeleton(layout / "nturgb+d_skeletons" / f"{clip}.skeleton").joints)
        np.testing.assert_array_equal(source.read(clip), expected)

    def never(_):
        raise AssertionError("the store is there")

    monkeypatch.setattr(ntu60, "read_skeleton", never)
    again = load_actions(data("ntu60", root=str(layout), split_type="xview"))
    assert set(again.labelled.loc[again.labelled["camera"] == 1, "split"]) == {"test"}
    assert again.read(clip).shape == source.read(clip).shape
    assert len(list((runs_root / "skeletons").iterdir())) == 1


def test_a_broken_file_is_left_out_and_nobody_is_no_clip(layout, tmp_path, monkeypatch):
    folder = tmp_path / "ntu60" / "nturgb+d_skeletons"
    folder.mkdir(parents=True)
    files = sorted((layout / "nturgb+d_skeletons").glob("*.skeleton"))[:4]
    for path in files[1:]:
        (folder / path.name).write_text(path.read_text())
    (folder / files[0].name).write_text("3\n1\n")
    source = load_actions(data("ntu60", root=str(tmp_path / "ntu60")))
    assert source.labelled["clip"].tolist() == [path.stem for path in files[1:]]
    (reason,) = source.reasons.values()
    assert f"{files[0].name}, line 3" in reason
    # What is published counts; only the screen is told which clip.
    (note,), (example,) = notes_of(source)
    assert note == "1 of 4 clips have no features"
    assert example.startswith(f"{note}, the first {files[0].stem}: ")

    # Mended, it is tried again; the others are not read a second time.
    (folder / files[0].name).write_text(files[0].read_text())
    read = []
    whole = ntu60.read_skeleton
    monkeypatch.setattr(ntu60, "read_skeleton", lambda path: read.append(path) or whole(path))
    mended = load_actions(data("ntu60", root=str(tmp_path / "ntu60")))
    assert mended.labelled["clip"].tolist() == [path.stem for path in files]
    assert mended.reasons == {}
    assert notes_of(mended) == ([], [])
    again = load_actions(data("ntu60", root=str(tmp_path / "ntu60")))
    np.testing.assert_array_equal(again.read(files[0].stem), mended.read(files[0].stem))
    assert [path.stem for path in read] == [files[0].stem]

    # A clip that was there and changed is never answered from what was kept.
    (folder / files[1].name).write_text(files[2].read_text())
    changed = load_actions(data("ntu60", root=str(tmp_path / "ntu60")))
    assert [path.stem for path in read] == [files[0].stem, files[1].stem]
    np.testing.assert_array_equal(changed.read(files[1].stem), changed.read(files[2].stem))
    assert np.isnan(actors(np.full((5, 3, 25, 3), np.nan))).all()


def test_arrays_are_read_into_a_store_too(tmp_path):
    clips = np.zeros((2, 40, 150), np.float32)
    for row, name in zip(clips, WORLD.manifest["clip"], strict=False):
        joints = np.nan_to_num(WORLD.clip(name)[:40]).reshape(-1, 150)
        row[: len(joints)] = joints
    np.savez(
        tmp_path / "NTU60_CS.npz", x_train=clips[:1], y_train=[0], x_test=clips[1:], y_test=[0]
    )
    for root in (tmp_path, tmp_path / "NTU60_CS.npz"):
        source = load_actions(data("ntu60", root=str(root)))
        assert source.labelled["split"].tolist() == ["train", "test"]
        assert np.isfinite(source.read("test-00000")[:, 0]).all()
    np.savez(
        tmp_path / "NTU60_CS.npz", x_train=clips[1:], y_train=[0], x_test=clips[:1], y_test=[0]
    )
    changed = load_actions(data("ntu60", root=str(tmp_path)))
    np.testing.assert_array_equal(changed.read("train-00000"), source.read("test-00000"))
    far = np.full((2, 40, 150), 1e30)
    np.savez(tmp_path / "NTU60_CS.npz", x_train=far[:1], y_train=[0], x_test=far[1:], y_test=[0])
    with pytest.raises(InputError, match=r"none of its 2 clips can be used \(2 clips, the first"):
        load_actions(data("ntu60", root=str(tmp_path)))
    with pytest.raises(InputError, match="is a pickle"):
        load_actions(data("ntu60", root=str(tmp_path / "ntu60.pkl")))


def test_splits_of_other_corpora_are_refused():
    nw_ucla = corpus_of("nw-ucla")
    assert nw_ucla.split_type(data("nw-ucla")) == "official"
    with pytest.raises(SettingsError, match="nw-ucla has official and view-1 and view-2"):
        nw_ucla.split_type(data("nw-ucla", split_type="xsub"))
    with pytest.raises(SettingsError, match="has no actions of whole bodies"):
        load_actions(data("generated"))
    with pytest.raises(SettingsError, match="holds whole bodies in action: take a graph network"):
        corpora.load_corpus(data("nw-ucla"))


def test_real_views_train_either_way(real_data):
    real_data("nw-ucla")
    one, two = (load_actions(data("nw-ucla", split_type=f"view-{k}")) for k in (1, 2))
    assert (
        one.labelled["split"].map({"train": "test", "test": "train"}).tolist()
        == two.labelled["split"].tolist()
    )
    lengths = [len(one.read(clip)) for clip in one.labelled["clip"]]
    assert min(lengths) == 1
    assert sum(lengths) == 44144


def test_the_real_ntu_folder_is_read(real_data):
    source = load_actions(data("ntu60", root=str(real_data("ntu60"))))
    assert source.labelled["clip"].tolist() == ["S001C001P001R001A001"]
    assert source.read("S001C001P001R001A001").shape == (103, 2, 25, 3)


def test_a_joint_that_cannot_be_is_told_by_clip(tmp_path):
    """In skeleton files, and in arrays of other people; who acts is asked afterwards."""
    table = WORLD.manifest[:3]
    joints = [np.repeat(WORLD.clip(clip)[:40], 2, axis=1)[:, :2] for clip in table["clip"]]
    joints[1][5, 0, 7] = [0, 1e30, 0]
    arrays = np.stack([np.nan_to_num(clip[:20]).transpose(3, 0, 2, 1) for clip in joints])
    np.save(tmp_path / "train_data_joint.npy", arrays)
    np.savez(
        tmp_path / "train_label.npz", name=table["clip"].to_numpy(str), label=table["action"] - 1
    )
    source = load_actions(data("ntu60", root=str(tmp_path)))
    name = table["clip"].iloc[1]
    assert list(source.notes) == [name]
    assert "1 of 1000 points are taken as missing: 1 lie beyond 30 metres" in source.notes[name]
    assert np.argwhere(np.isnan(source.read(name)[:, 0]).all(axis=-1)).tolist() == [[5, 7]]
