"""Whether files are still those that something was made of."""

import os

import pytest

from signlib.data.origins import Files, newest, state_of


def test_a_state_is_the_size_and_time_of_a_file_or_of_all_files_of_a_folder(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, size, time in (("a.png", 3, 7), ("b.png", 4, 5)):
        (folder / name).write_bytes(b"x" * size)
        os.utime(folder / name, ns=(0, time * 10**9))
    gone, loop = folder / "gone.png", tmp_path / "loop"
    gone.symlink_to(tmp_path / "nothing")
    loop.symlink_to(loop)
    assert state_of(folder) == "2-7-7000000000"
    assert state_of(folder / "b.png", gone, loop, folder) == "4-5000000000 2-7-7000000000"
    assert state_of(folder / "a.png" / "below", tmp_path / "none") == ""
    assert newest([folder / "a.png", folder / "b.png", gone, loop]) == 7
    assert newest([gone]) == 0


def test_each_file_is_asked_once(tmp_path, monkeypatch):
    asked, ask = [], os.stat
    (tmp_path / "a").write_text("x")

    def counted(path, *options, **more):
        asked.append(path)
        return ask(path, *options, **more)

    monkeypatch.setattr(os, "stat", counted)
    assert state_of(tmp_path / "a").startswith("1-")
    assert asked == [tmp_path / "a"]


def test_a_file_that_may_not_be_asked_is_no_missing_file(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", refused)
    with pytest.raises(PermissionError):
        state_of(tmp_path / "a")


def test_a_file_that_may_not_be_asked_stops_no_job(tmp_path):
    (tmp_path / "a").write_text("x")
    files = Files({"a": [tmp_path / "a"], "b": [tmp_path / ("b" * 300)]})
    assert {clip: state[:2] for clip, state in files.states("ab").items()} == {"a": "1-", "b": ""}
    assert files.digest("a")
    assert not files.digest("b")
