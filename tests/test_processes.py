"""How programs end, what one process does alone, and what dead ones leave."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from killing import in_child

from signlib import processes
from signlib.errors import DiskError, InputError, RunError, StoreError
from signlib.files import write_text
from signlib.processes import Terminated, alone, clean, exit_code, piped, scratch, temporary
from signlib.stores.store import Extraction
from signlib.stores.writer import StoreWriter


@pytest.fixture(autouse=True)
def looked_at_anew():
    clean.cache_clear()


def send(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(1)
    raise AssertionError("the signal did not arrive")


def refused() -> int:
    raise InputError("no")


def test_a_program_ends_with_the_code_of_what_happened(capsys):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    assert exit_code("verb", lambda: None) == 0
    assert exit_code("verb", lambda: 3) == 3
    assert exit_code("verb", refused) == 2
    assert capsys.readouterr().err == "verb: no\n"
    assert exit_code("verb", lambda: send(signal.SIGINT), "go on so") == 130
    assert capsys.readouterr().err == "\nverb: interrupted; go on so\n"
    assert exit_code("verb", lambda: send(signal.SIGTERM), "go on so") == 143
    assert capsys.readouterr().err == "\nverb: terminated; go on so\n"
    # afterwards SIGTERM is what it was
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    signal.signal(signal.SIGINT, before)


def test_debug_shows_what_happened():
    with pytest.raises(InputError):
        exit_code("verb", refused, debug=True)
    with pytest.raises(Terminated):
        exit_code("verb", lambda: send(signal.SIGTERM), debug=True)


def test_who_handles_the_signal_already_goes_on_doing_so():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    assert exit_code("verb", lambda: os.kill(os.getpid(), signal.SIGTERM)) == 0
    signal.signal(signal.SIGTERM, before)
    assert seen == [1]


CLOSED = """
import os, signal, sys
sys.path.insert(0, {root!r})
from signlib.processes import exit_code, piped
def work():
    {work}
sys.exit(piped(lambda: exit_code("verb", work)))
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("work", "both"),
    [
        ("print('x' * 10)", False),
        ("print('x' * 100_000)", False),
        ("print('x'); raise SystemExit(0)", False),
        ("[print('x', file=sys.stderr) for _ in range(9)]; print('x')", True),
    ],
)
def test_a_closed_pipe_is_no_traceback(work, both, unbuffered):
    root = str(Path(processes.__file__).parent.parent)
    code = CLOSED.format(root=root, work=work)
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-c", code],
        stdout=writing,
        stderr=writing if both else subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        check=False,
    )
    os.close(writing)
    assert ended.returncode == 1
    assert not ended.stderr


def test_another_broken_pipe_is_not_hidden():
    def work():
        raise BrokenPipeError("of a worker")

    with pytest.raises(BrokenPipeError, match="of a worker"):
        piped(work)


def test_one_process_at_a_time(tmp_path):
    lock = tmp_path / "lock"
    refusal = RunError("another one")

    def second():
        with pytest.raises(RunError, match="another one"), alone(lock, refusal):
            pass

    with alone(lock, refusal):
        assert in_child(second) == 0
        assert lock.exists()
    assert not lock.exists()

    def killed():
        with alone(lock, refusal):
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(killed) == -signal.SIGKILL
    with alone(lock, refusal):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_worker_of_a_killed_process_keeps_no_lock(tmp_path):
    lock = tmp_path / "lock"

    def works_on():
        with alone(lock, RunError("taken")):
            if os.fork() == 0:
                time.sleep(30)
            (tmp_path / "forked").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(works_on) == -signal.SIGKILL
    with alone(lock, RunError("taken")):
        pass


def test_without_locks_a_line_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(processes, "fcntl", None)
    with alone(tmp_path / "lock", RunError("taken")):
        assert "has no locks on files" in capsys.readouterr().out


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_on_a_disk_without_locks_a_line_says_so_and_a_store_is_refused(
    tmp_path, monkeypatch, capsys, number
):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(processes.fcntl, "flock", flock)
    with alone(tmp_path / "lock", RunError("taken")):
        assert "its disk has no locks on files" in capsys.readouterr().out
    assert not (tmp_path / "lock").exists()
    table = pd.DataFrame({"clip": ["a"]})
    with pytest.raises(StoreError, match=r"store .* its disk has no locks on files.*another disk"):
        StoreWriter(tmp_path / "store", Extraction("toy", "1", (1,)), table)


def test_a_lock_that_fails_is_no_disk_without_locks(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(processes.fcntl, "flock", flock)
    with pytest.raises(OSError, match="Input/output"), alone(tmp_path / "lock", RunError("taken")):
        pass
    with pytest.raises(DiskError, match="cannot write"):
        StoreWriter(tmp_path / "store", Extraction("toy", "1", (1,)), pd.DataFrame({"clip": ["a"]}))


def test_containers_of_one_name_are_told_apart_by_their_processes_numbers(tmp_path):
    spaces = [tmp_path / name for name in ("a", "b")]
    for space in spaces:
        space.touch()
    names = {processes._host(str(space)) for space in (*spaces, tmp_path / "none")}
    assert len(names) == 3
    assert processes._host() == processes._HOST


def dead_process() -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def test_only_what_dead_processes_of_ours_left_is_deleted(tmp_path, monkeypatch):
    mine = temporary(tmp_path / "a.csv")
    with monkeypatch.context() as patch:
        dead = dead_process()
        patch.setattr("os.getpid", lambda: dead)
        left = [temporary(tmp_path / "a.csv"), temporary(tmp_path / "film.mp4", ".mp4")]
        folder = temporary(tmp_path / "run", "")
        patch.setattr(processes, "_HOST", "00000000")
        elsewhere = temporary(tmp_path / "a.csv")
    others = [tmp_path / f".a.csv.{dead}.tmp", tmp_path / ".hidden", tmp_path / f"a.{dead}.tmp"]
    for path in (mine, *left, elsewhere, *others):
        path.write_text("half")
    (folder / "figures").mkdir(parents=True)
    write_text(tmp_path / "b.csv", "whole")
    stay = {mine, elsewhere, *others, tmp_path / "b.csv"}
    assert {*tmp_path.iterdir()} == stay


def test_a_long_name_is_written_too(tmp_path):
    path = tmp_path / ("n" * 251 + ".csv")
    write_text(path, "whole")
    assert path.read_text() == "whole"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_killed_file_and_folder_go_when_the_next_process_starts(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def killed():
        with scratch() as folder:
            (folder / "arrays").write_text("large")
            monkeypatch.setattr("os.replace", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            write_text(tmp_path / "a.csv", "text")

    assert in_child(killed) == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    with scratch() as folder:
        assert [*tmp_path.iterdir()] == [folder]
    assert [*tmp_path.iterdir()] == []


def test_a_typed_name_that_no_file_can_have_is_one_line(tmp_path, capsys):
    assert exit_code("verb", (tmp_path / ("n" * 300)).is_dir) == 2
    assert capsys.readouterr().err.endswith("File name too long; give another path\n")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert exit_code("verb", lambda: loop.stat().st_size) == 2
    assert "Too many levels of symbolic links" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError):
        exit_code("verb", (tmp_path / "nothing").stat)
