"""One input after the other, in forked processes that are watched.

An input is damaged files in a folder of their own. It ends `refused` (one of signlib's own errors),
`accepted` (and the oracle agrees), or it is a fault: another exception, a message that is too
long, too much time or memory, something written or run outside, or nonsense that was accepted.
"""

import faulthandler
import json
import os
import resource
import shutil
import signal
import sys
import time
import traceback
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from signlib.errors import InputError

from . import damage
from .readers import READERS, Reader, Silent

SECONDS, BYTES, CHARACTERS = 10, 2 * 2**30, 500
# Nothing may wait longer for something else than the processor either.
WAITING = 120
# So many inputs a forked process tries.
CHUNK = 100
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate"),
    *("shutil.rmtree", "shutil.move"),
}
_RUNS = {"pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen"}
_RUNS |= {"socket.connect"}


@dataclass(frozen=True)
class Ended:
    """How an input ended.

    Attributes:
        reader, number: which it was.
        how: `refused`, `accepted`, or a kind of fault.
        told: the message, or what was wrong, and where.
        damage: what had been done to the files.
    """

    reader: str
    number: int
    how: str
    told: str = ""
    damage: tuple[str, ...] = ()

    @property
    def fault(self) -> bool:
        """Neither refused by name nor rightly accepted."""
        return self.how not in ("refused", "accepted")


def generator(reader: str, number: int) -> np.random.Generator:
    """What decides the damage of an input."""
    return np.random.default_rng([zlib.crc32(reader.encode()), number])


# --- in the process that tries them ---------------------------------------------------------------

# What the running input may write into, and what it did else; None outside of inputs.
_watched: tuple[tuple[str, ...], list[str]] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched is None:
        return
    allowed, seen = _watched
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        flags = arguments[2]
        if isinstance(flags, int) and flags & _WRITING:
            _look(os.fsdecode(arguments[0]), allowed, seen)
    elif event in _CHANGES:
        for path in arguments[:2]:
            if isinstance(path, str | bytes | os.PathLike):
                _look(os.fsdecode(path), allowed, seen)
    elif event in _RUNS:
        seen.append(f"{event} {arguments!r:.80}")


def _look(path: str, allowed: tuple[str, ...], seen: list[str]) -> None:
    full = os.path.realpath(path)
    if not full.startswith((*allowed, "/dev/", "/proc/")):
        seen.append(f"writes {path!r:.80}")


def limited() -> None:
    """No more memory for this process than it has now and 2 GiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(_hook)
    # pytest's would tell of every process that dies here on purpose.
    faulthandler.disable()


def tried(name: str, number: int, whole: Path, scratch: Path) -> Ended:
    """Make an input, read it, and say how it ended. Number 0 is not damaged.

    Args:
        name: of the reader.
        number: of the input.
        whole: folder of its whole files.
        scratch: an empty folder for everything else; what is left there is of no use.
    """
    global _watched
    reader = READERS[name]
    given, out, here = (scratch / part for part in ("given", "out", "here"))
    shutil.copytree(whole, given)
    out.mkdir()
    here.mkdir()
    told = damage.damaged(given, generator(name, number)) if number else []
    os.chdir(here)
    os.environ.update(SIGNLIB_RUNS=str(out / "runs"), TMPDIR=str(out), HOME=str(out))
    before = _listing(scratch, reader)
    seen: list[str] = []
    allowed = (str(out), str(given)) if reader.writes else (str(out),)
    _watched = (allowed, seen)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        how, what = _read(reader, given, out)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        _watched = None
    after = _listing(scratch, reader)
    if after != before or list(here.iterdir()) or Path(damage.OUTSIDE).parent.exists():
        changed = sorted({str(path) for path, *_ in before ^ after})
        seen.append(f"changed outside: {changed[:3]} {list(here.iterdir())}")
    if seen:
        how, what = "outside", seen[0]
    if not number and how != "accepted":
        how, what = "whole files refused", f"{how}: {what}"
    return Ended(name, number, how, what.replace(str(scratch), ""), tuple(told))


def _listing(scratch: Path, reader: Reader) -> set[tuple[Path, int, int]]:
    # What lies outside of the folders that the reader may write into.
    roots = [scratch] if reader.writes else [scratch, scratch / "given"]
    found = set()
    for root in roots:
        for path in root.iterdir() if root == scratch else root.rglob("*"):
            facts = path.lstat()
            inner = path.is_dir()
            found.add((path, 0 if inner else facts.st_size, 0 if inner else facts.st_mtime_ns))
    return found


def _read(reader: Reader, given: Path, out: Path) -> tuple[str, str]:
    try:
        result = reader.read(given, out)
    except InputError as error:
        if _memory(error):
            return "memory", f"{_where(error)} {error}"
        if len(str(error).replace(str(given), "")) > CHARACTERS:
            return "long message", f"{_where(error)} {len(str(error))} characters: {error!s:.120}"
        return "refused", str(error)
    except MemoryError as error:
        return "memory", f"{_where(error)} {error}"
    except Exception as error:
        kind = "memory" if _memory(error) else "exception"
        return kind, f"{_where(error)} {type(error).__name__}: {error!s:.200}"
    try:
        reader.check(result, given)
    except Silent as wrong:
        return "accepted nonsense", str(wrong)
    except Exception as error:
        # What was read is so strange that it cannot even be looked at.
        return "accepted nonsense", f"{type(error).__name__} when looked at: {error!s:.200}"
    return "accepted", ""


def _memory(error: BaseException | None) -> bool:
    while error is not None:
        words = ("Unable to allocate", "nsufficient memory", "allocate memory", "bad_alloc")
        if isinstance(error, MemoryError) or any(word in str(error) for word in words):
            return True
        error = error.__context__
    return False


def _where(error: BaseException) -> str:
    # The innermost line of the package.
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/signlib/" in frame.filename]
    if not ours:
        return "(outside of the package)"
    frame = ours[-1]
    return f"{frame.filename.rpartition('/signlib/')[2]}:{frame.name}"


# --- in the process that watches ------------------------------------------------------------------


@dataclass
class _Job:
    # A forked process and the inputs that it still has to try.
    reader: str
    numbers: deque[int]
    pid: int = 0
    pipe: int = -1
    since: float = field(default_factory=time.monotonic)
    text: str = ""


def run(wanted: Iterable[tuple[str, range]], folder: Path, cores: int = 1) -> Iterator[Ended]:
    """How inputs ended, as they end.

    Args:
        wanted: readers with the numbers of their inputs.
        folder: for samples and scratch; removed by whoever made it.
        cores: processes at a time.
    """
    waiting = deque(
        _Job(name, deque(numbers[start : start + CHUNK]))
        for name, numbers in wanted
        for start in range(0, len(numbers), CHUNK)
    )
    running: list[_Job] = []
    while waiting or running:
        while waiting and len(running) < cores:
            job = waiting.popleft()
            _start(job, folder)
            running.append(job)
        time.sleep(0.005)
        for job in list(running):
            yield from _heard(job)
            ended, status = os.waitpid(job.pid, os.WNOHANG)
            late = time.monotonic() - job.since > WAITING
            if late and not ended:
                os.kill(job.pid, signal.SIGKILL)
                _, status = os.waitpid(job.pid, 0)
            if not ended and not late:
                continue
            yield from _heard(job)
            os.close(job.pipe)
            running.remove(job)
            if job.numbers:
                how, told = _death(status, late)
                last = (folder / f"stderr-{job.pid}").read_text(errors="replace")[-300:]
                yield Ended(job.reader, job.numbers.popleft(), how, f"{told} {last}")
            if job.numbers:
                waiting.appendleft(job)


def _death(status: int, late: bool) -> tuple[str, str]:
    code = os.waitstatus_to_exitcode(status)
    if late:
        return "time", f"it waits for more than {WAITING} s"
    if code == -signal.SIGPROF:
        return "time", f"more than {SECONDS} s of processor time"
    return "crash", f"the process ended with {code}"


def _start(job: _Job, folder: Path) -> None:
    whole = folder / "whole" / job.reader
    if not whole.exists():
        whole.mkdir(parents=True)
        READERS[job.reader].make(whole)
    _load(job.reader, whole, folder)
    receive, send = os.pipe()
    os.set_blocking(receive, False)
    job.pipe, job.since, job.text = receive, time.monotonic(), ""
    job.pid = os.fork()
    if job.pid:
        os.close(send)
        return
    try:
        os.close(receive)
        _work(job, whole, folder, send)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(99)


_loaded: set[str] = set()


def _load(name: str, whole: Path, folder: Path) -> None:
    # Read whole files once before forking, so that every process has the libraries already.
    if name in _loaded or READERS[name].writes:
        return
    _loaded.add(name)
    out = folder / "loaded" / name
    out.mkdir(parents=True)
    try:
        READERS[name].read(whole, out)
    except Exception:
        pass  # input 0 says so


def _work(job: _Job, whole: Path, folder: Path, send: int) -> None:
    scratch = folder / f"scratch-{os.getpid()}"
    told = os.open(folder / f"stderr-{os.getpid()}", os.O_WRONLY | os.O_CREAT)
    os.dup2(told, 1)
    os.dup2(told, 2)
    limited()
    for number in job.numbers:
        scratch.mkdir()
        ended = tried(job.reader, number, whole, scratch)
        os.write(send, (json.dumps(vars(ended)) + "\n").encode())
        os.chdir("/")
        shutil.rmtree(scratch, ignore_errors=True)


def _heard(job: _Job) -> Iterator[Ended]:
    while True:
        try:
            piece = os.read(job.pipe, 2**16)
        except BlockingIOError:
            return
        if not piece:
            return
        *lines, job.text = (job.text + piece.decode()).split("\n")
        for line in lines:
            facts = json.loads(line)
            job.since = time.monotonic()
            job.numbers.popleft()
            yield Ended(**{**facts, "damage": tuple(facts["damage"])})
