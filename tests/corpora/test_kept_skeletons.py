"""Skeletons that were kept are read anew when a file that they came from changes, and no other."""

import numpy as np
import pytest

from signlib.corpora.clips import load_actions
from signlib.data import ntu60_arrays
from signlib.errors import StoreError
from signlib.settings import config
from signlib.stores.renewal import made_alone


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    (tmp_path / "ntu").mkdir()
    return config.build({"data.corpus": "ntu60", "data.root": str(tmp_path / "ntu")}).data


def write(folder, metres):
    clips = np.full((1, 3, 4, 25, 2), metres, np.float32)
    # Frames differ: a clip that stands still is one frame.
    clips *= np.arange(1, 5)[:, None, None]
    for part in ("train", "val"):
        np.save(folder / f"{part}_data_joint.npy", clips)
        np.save(folder / f"{part}_label.npy", np.zeros(1, int))


def test_only_files_that_are_opened_make_it_anew_and_a_line_says_so(tmp_path, settings, capsys):
    folder = tmp_path / "ntu"
    write(folder, 0.25)
    first = load_actions(settings).read("train-00000")
    np.save(folder / "of_somebody_else.npy", np.zeros(3))
    assert (load_actions(settings).read("train-00000") == first).all()
    assert "made again" not in capsys.readouterr().err
    write(folder, 0.5)
    (store,) = (tmp_path / "runs" / "skeletons").iterdir()
    with made_alone(store), pytest.raises(StoreError, match="by another process; wait for it"):
        load_actions(settings)
    assert (load_actions(settings).read("train-00000") == 2 * first).all()
    said = capsys.readouterr().err
    words = f"the file of clip 'train-00000' and of 1 more changed: store {store} is made again\n"
    assert said.count(words) == 1
    assert list(store.parent.iterdir()) == [store]


def skeleton(path, metres):
    joints = [(metres * (1 + joint), 0.1 * frame, 3) for frame in range(3) for joint in range(25)]
    lines = ["3"]
    for frame in range(3):
        lines += ["1", "72057594037944738 0 1 1 0 0 0 0.0 0.0 2", "25"]
        lines += [
            f"{x} {y} {z} 0 0 0 0 0 0 0 0 2" for x, y, z in joints[25 * frame : 25 * frame + 25]
        ]
    path.write_text("\n".join(lines) + "\n")


def test_of_files_of_skeletons_only_those_that_changed_are_read(tmp_path, settings, capsys):
    folder = tmp_path / "ntu"
    names = [f"S001C001P00{person}R001A001" for person in (1, 2, 3)]
    for name in names:
        skeleton(folder / f"{name}.skeleton", 0.01)
    first = load_actions(settings)
    before = {name: first.read(name).copy() for name in names}
    skeleton(folder / f"{names[1]}.skeleton", 0.02)
    (store,) = (tmp_path / "runs" / "skeletons").iterdir()
    capsys.readouterr()
    again = load_actions(settings)
    words = f"'{names[1]}' changed: store {store} makes 1 of its clips again and keeps 2\n"
    assert words in capsys.readouterr().err
    now = {name: again.read(name) for name in names}
    same = [name for name in names if np.array_equal(now[name], before[name], equal_nan=True)]
    assert same == [names[0], names[2]]
    # One that is gone cannot be kept while another one changes: the store is made again.
    (folder / f"{names[0]}.skeleton").unlink()
    skeleton(folder / f"{names[2]}.skeleton", 0.03)
    assert set(load_actions(settings).labelled["clip"]) == set(names[1:])
    assert f"store {store} is made again\n" in capsys.readouterr().err


def test_files_that_change_while_a_store_is_unfinished_make_it_anew(
    tmp_path, settings, monkeypatch, capsys
):
    folder, whole = tmp_path / "ntu", ntu60_arrays.bodies
    write(folder, 0.25)
    read = []

    def killed(joints):
        read.append(whole(joints))
        if len(read) == 2:
            raise KeyboardInterrupt
        return read[-1]

    monkeypatch.setattr(ntu60_arrays, "bodies", killed)
    with pytest.raises(KeyboardInterrupt):
        load_actions(settings)
    write(folder, 0.5)
    source = load_actions(settings)
    # The first was kept already, of the file as it was.
    np.testing.assert_array_equal(source.read("train-00000"), source.read("val-00000"))
    assert np.nanmax(source.read("train-00000")) == 2.0
    assert "changed: store " in capsys.readouterr().err
