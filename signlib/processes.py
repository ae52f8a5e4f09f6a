"""This process: how it ends, what it does alone, what it prints, and what dead ones have left."""

import contextlib
import errno
import io
import os
import platform
import re
import select
import shutil
import signal
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import IO, Any, TextIO

from signlib.errors import InputError, one_line

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# What a disk without locks on files answers, as some that are shared are.
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}


def _host(numbers: str = "/proc/self/ns/pid") -> str:
    # This machine, in the names of what is written for a while: others may share the folder.
    # Containers may share the name, and number their processes each for itself.
    space = os.stat(numbers).st_ino if os.path.exists(numbers) else 0
    return f"{zlib.crc32(f'{platform.node()}{space or str()}'.encode()):08x}"


_HOST = _host()
# What begins the names of temporary folders.
_SCRATCH = "signlib-"
_OURS = re.compile(rf"(?:\..+\.|{_SCRATCH}){_HOST}\.(\d+)\b.*")
# Bytes of a name that a temporary one keeps: a name may have 255 in all.
_KEPT = 200


class Terminated(KeyboardInterrupt):
    """SIGTERM: a batch system or a shutdown wants this process to end, as Ctrl-C does."""


@contextmanager
def terminable() -> Iterator[None]:
    """Within it SIGTERM ends what is done as Ctrl-C does, by an error: `Terminated`.

    Whoever handles or ignores the signal already goes on doing so.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def exit_code(
    name: str,
    work: Callable[[], int | None],
    resumed: str = "the same command starts it again",
    debug: bool = False,
) -> int:
    """What a program ends with: what its work says or 0, and one line on stderr for anything else.

    Bad input is 2, Ctrl-C 130 and SIGTERM 143.

    Args:
        name: begins the line.
        work: what the program does.
        resumed: how to go on after an interruption.
        debug: errors pass.
    """
    try:
        with terminable():
            return work() or 0
    except InputError as error:
        if debug:
            raise
        print(f"{name}: {one_line(str(error))}", file=sys.stderr)
        return 2
    except OSError as error:
        # A name that was typed; files that others have named fail where they are read.
        if debug or error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
            raise
        words = f"{name}: {str(error.filename)[:80]}: {error.strerror}; give another path"
        print(words, file=sys.stderr)
        return 2
    except KeyboardInterrupt as end:
        if debug:
            raise
        terminated = isinstance(end, Terminated)
        word = "terminated" if terminated else "interrupted"
        print(f"\n{name}: {word}; {resumed}", file=sys.stderr)
        return 143 if terminated else 130


def piped(work: Callable[[], int]) -> int:
    """The exit code of a program whose output may be closed early; it is 1 then.

    Whoever reads the output has seen enough, as `head` does.
    """
    for stream in (sys.stdout, sys.stderr):
        # Names and glosses that this terminal has no signs for.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return work()
        finally:
            # Not left to the interpreter's end, which has only words for it.
            sys.stdout.flush()
    except BrokenPipeError:
        # Both, so that none is left to the interpreter's end. A pipe to a worker is another matter.
        if not any([_is_broken(sys.stdout), _is_broken(sys.stderr)]):
            raise
        return 1


def _is_broken(stream: TextIO) -> bool:
    # Whether nobody reads a stream any more; what is still to be written then goes nowhere.
    try:
        number = stream.fileno()
    except OSError:  # no file of the system, as in a notebook
        return False
    if not hasattr(select, "poll"):  # Windows
        return stream is sys.stdout
    watch = select.poll()
    watch.register(number, select.POLLOUT)
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0)):
        return False
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, number)
    os.close(nothing)
    return True


@contextmanager
def alone(path: Path, refusal: Exception) -> Iterator[None]:
    """What only one process at a time may do; a lock that goes when the process ends, however.

    Where the system, or the disk that the file lies on, has no locks on files, one line says so and
    nobody is kept out.

    Args:
        path: the file of the lock; it is gone afterwards.
        refusal: raised while another process has it.

    Raises:
        OSError: when the file cannot be written.
    """
    if fcntl is None:
        print(f"{platform.system()} has no locks on files: do not start this twice at a time")
        yield
        return
    with open(path, "ab") as lock:
        # A worker that is forked meanwhile must not keep the lock when this process is killed.
        os.register_at_fork(after_in_child=lock.close)
        try:
            locked = take_lock(lock)
        except BlockingIOError:
            raise refusal from None
        if not locked:
            print(
                f"{path.parent}: its disk has no locks on files: do not start this twice at a time"
            )
        # Who had it before may have removed the file after this process opened it.
        elif not path.exists() or not os.path.samestat(os.fstat(lock.fileno()), path.stat()):
            raise refusal
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def take_lock(file: IO[Any]) -> bool:
    """Whether this process now has the lock of an open file; False where there are no locks.

    Raises:
        BlockingIOError: while another process has it.
        OSError: when the disk fails.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def temporary(path: Path, ending: str = ".tmp") -> Path:
    """The name, beside `path`, of what is written before it gets its own name."""
    name = path.name.encode()[:_KEPT].decode(errors="ignore")
    return path.with_name(f".{name}.{_HOST}.{os.getpid()}{ending}")


@cache
def clean(folder: Path) -> None:
    """Delete what dead processes of this machine have left half written in a folder.

    Args:
        folder: an absolute path; it is looked at once in the life of a process.
    """
    with contextlib.suppress(OSError):
        for left in [path for path in folder.iterdir() if path.name.startswith((".", _SCRATCH))]:
            remove_left(left)


def remove_left(path: Path) -> None:
    """Delete a file or folder when its name says that a dead process of this machine left it."""
    owner = _OURS.fullmatch(path.name)
    if owner is None or _is_alive(int(owner[1])):
        return
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    import psutil  # needed only where something was left

    return psutil.pid_exists(process)


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder; one that a killed process has left goes when the next is asked for."""
    clean(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{_HOST}.{os.getpid()}-") as folder:
        yield Path(folder)


@contextmanager
def silenced() -> Iterator[None]:
    """Drop what native code writes to file descriptor 2, past Python; Python's errors pass."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
