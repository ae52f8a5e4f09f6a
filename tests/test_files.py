"""A reader sees the old file or the new one, never half of it."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from signlib import files, reading
from signlib.errors import DiskError, InputError, RunError


def test_a_file_is_written_below_folders_that_are_made(tmp_path):
    files.write_text(tmp_path / "a" / "b" / "c.txt", "one\ntwo – drei\n")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "one\ntwo – drei\n".encode()
    files.write_text(tmp_path / "a" / "b" / "c.txt", "new")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c.txt"]


def test_a_table_of_any_names_is_read_back(tmp_path):
    table = pd.DataFrame({"clip": ["a", "b,c"], "n": [1, 2], "fps": [30000 / 1001, np.nan]})
    files.write_table(tmp_path / "plain.csv", table)
    assert (tmp_path / "plain.csv").read_text() == table.to_csv(index=False)
    # A carriage return without quotes would begin a row.
    table["clip"] = ["a\rb", 'c\n"d"']
    files.write_table(tmp_path / "odd.csv", table)
    read = reading.read_csv(tmp_path / "odd.csv", keep_default_na=False, na_values={"fps": [""]})
    pd.testing.assert_frame_equal(read, table, check_dtype=False)


def test_a_part_of_a_page_is_replaced_and_the_rest_kept(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before <a>\nold\n<b> after\n")
    assert files.with_part(page, "<a>", "<b>", "new") == "before <a>\nnew\n<b> after\n"
    assert "old" in page.read_text()
    page.write_text("<a> <a> <b>")
    with pytest.raises(RunError, match=r"page\.md must hold <a> and <b> once each"):
        files.with_part(page, "<a>", "<b>", "new")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    files.write_text(tmp_path / "a.txt", "old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(DiskError, match=r"a\.txt.*disk is full.*make room"):
        files.write_text(tmp_path / "a.txt", "new" * 1000)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_real_limit_on_the_file_size_is_named_and_leaves_the_old_file(tmp_path):
    files.write_text(tmp_path / "a.txt", "old")
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from signlib import errors, files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    files.write_text(Path(sys.argv[1]), 'x' * 5000)\n"
        "except errors.DiskError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.txt"], capture_output=True, text=True, check=True
    )
    assert "file-size limit" in done.stdout
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_in_the_place_of_a_folder_is_an_error_one_can_act_on(tmp_path):
    (tmp_path / "a").write_text("I am a file")
    with pytest.raises(DiskError, match=r"cannot write .*b\.txt"):
        files.write_text(tmp_path / "a" / "b.txt", "text")
    with pytest.raises(DiskError):
        files.write_text(tmp_path / "a" / "b" / "c.txt", "text")
    assert (tmp_path / "a").read_text() == "I am a file"


def test_json_is_always_valid(tmp_path):
    content = {
        "nan": float("nan"),
        "list": [np.float32(0.5), np.int64(3), float("inf")],
        "text": "ä",
        "pair": (1, None),
        "deep": {"flag": True, "minus": -np.inf},
    }
    files.write_json(tmp_path / "a.json", content)

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads((tmp_path / "a.json").read_text(), parse_constant=refuse) == {
        "nan": None,
        "list": [0.5, 3, None],
        "text": "ä",
        "pair": [1, None],
        "deep": {"flag": True, "minus": None},
    }


def test_every_error_a_user_can_act_on_is_an_input_error():
    from signlib import errors

    names = vars(errors).values()
    kinds = [
        kind for kind in names if isinstance(kind, type) and kind.__module__ == errors.__name__
    ]
    assert len(kinds) >= 8
    assert all(issubclass(kind, InputError) for kind in kinds)
    assert not issubclass(InputError, OSError | ValueError)
