"""Run one notebook from the outside: headless, with checked parameters, in a kernel of our own.

Jupyter's table of installed kernels belongs to the user and may point anywhere, so the kernel
here is always the running interpreter with this checkout's `signlib`. A notebook that fails is a
result with an error, not an exception.
"""

import contextlib
import logging
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import psutil

from signlib import paths
from signlib.course.parameters import check_parameters
from signlib.errors import DiskError, SettingsError, extra
from signlib.files import FULL, disk_error, write_text
from signlib.processes import scratch

with extra("course"):
    import nbformat
    import papermill
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from nbclient.exceptions import CellTimeoutError
    from nbformat import NotebookNode
    from papermill.exceptions import PapermillExecutionError

# Seconds between two looks at the kernel's memory.
SAMPLING = 0.1

TRACEBACK_LINES = 20
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

# What papermill would log is in `NotebookResult`.
logging.getLogger("papermill").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class CellError:
    """Where and why a notebook stopped.

    Attributes:
        cell: number of the code cell, counted from 1: the n of `In [n]`; 0 when none had begun.
        source: its code.
        exception: `NameError: name 'x' is not defined`.
        traceback: the last lines of it, without colour codes.
    """

    cell: int
    source: str
    exception: str
    traceback: str

    def __str__(self) -> str:
        lines = enumerate(self.source.splitlines(), 1)
        listing = "\n".join(f"  {number:3d} | {line}" for number, line in lines)
        parts = [f"cell In [{self.cell}]: {self.exception}", listing, self.traceback]
        return "\n".join(part for part in parts if part)


@dataclass(frozen=True)
class NotebookResult:
    """One executed notebook.

    Attributes:
        name: stem of the notebook's file.
        executed: the notebook with its outputs, up to the cell that failed.
        seconds: wall time, with the start of the kernel.
        peak: resident bytes of the kernel and its child processes together, highest of the samples.
        error: None when every cell ran.
    """

    name: str
    executed: Path
    seconds: float
    peak: int
    error: CellError | None

    def __str__(self) -> str:
        state = "failed" if self.error else "ok"
        return f"{self.name:<32} {state:<6} {self.seconds:6.1f} s {self.peak / 1e6:6.0f} MB"


def run_notebook(
    path: str | Path,
    parameters: Mapping[str, Any] | None = None,
    output: str | Path | None = None,
    *,
    timeout: float = 0.0,
    environment: Mapping[str, str] | None = None,
) -> NotebookResult:
    """The result of a notebook that is run from its first cell to its last, or to the first error.

    Args:
        path: the notebook; its folder is the working directory, as in Jupyter.
        parameters: values in place of the defaults in its cell tagged `parameters`.
        output: where the executed notebook goes, whole, at the end; default `runs/<name>.ipynb`.
            Until then the cells executed so far are kept beside it in `.<name>.running.ipynb`,
            which stays there when the run is killed.
        timeout: seconds for the whole notebook; 0 = as long as it needs.
        environment: more variables for the kernel, such as `SIGNLIB_RUNS`.

    Raises:
        InputError: when the file is missing or is not a notebook.
        SettingsError: for an impossible limit, an unknown or impossible parameter, a notebook
            without kernel or parameters cell, or an output that would overwrite its own notebook
            or is no file.
        DiskError: when the output cannot be written; an old one stays.
    """
    if not 0 <= timeout < inf:
        raise SettingsError(f"timeout={timeout:g} must be seconds above 0, or 0 for no limit")
    path = Path(path).resolve()
    checked = check_parameters(path, parameters or {})
    output = Path(output or paths.runs_root() / path.name).resolve()
    if output == path:
        raise SettingsError(f"output {output} is the notebook itself: choose another file")
    _check_output(output)

    running = output.with_name(f".{output.stem}.running.ipynb")
    started = time.monotonic()
    begun: list[NotebookNode] = []
    failures: list[BaseException] = []

    def seconds_left(cell: NotebookNode) -> int | None:
        # nbclient may ask more than once for a cell; None is no limit.
        if not begun or begun[-1] is not cell:
            begun.append(cell)
        return max(1, round(started + timeout - time.monotonic())) if timeout else None

    def execute(manager: type[AsyncKernelManager]) -> None:
        try:
            papermill.execute_notebook(
                _literal(path),
                _literal(running),
                checked,
                cwd=path.parent,
                progress_bar=False,
                kernel_manager_class=manager,
                timeout_func=seconds_left,
            )
        except BaseException as failure:  # handed to the calling thread, which sorts it
            failures.append(failure)

    with scratch() as folder:
        log = folder / "stderr"
        peak = _watch(lambda: execute(_own_kernel(folder, environment or {})))
        # Without this file the kernel never started.
        messages = log.read_text(errors="replace") if log.exists() else ""
    try:
        error = _cell_error(failures[0], begun, timeout, messages) if failures else None
        notebook = nbformat.read(running, as_version=4)
        notebook.metadata.papermill.output_path = str(output)
        write_text(output, nbformat.writes(notebook))
    finally:
        running.unlink(missing_ok=True)
    seconds = time.monotonic() - started
    return NotebookResult(path.stem, executed=output, seconds=seconds, peak=peak, error=error)


def _check_output(output: Path) -> None:
    # Make the output's folder and see that it takes a file, before a notebook runs for minutes.
    if output.is_dir():
        raise SettingsError(
            f"output {output} is a folder: name a file in it, such as {output / 'executed.ipynb'}"
        )
    if output.exists() and not output.is_file():  # a device would be replaced by a file
        raise SettingsError(f"output {output} is a device or a pipe: name a file")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output.parent) as probe:
            probe.write(b"room?")
    except OSError as error:
        raise DiskError(
            f"cannot write {output} ({error}): choose an output that can be written, with room"
        ) from error


def _literal(path: Path) -> str:
    # A path that papermill leaves alone: it formats `{name}` inside paths.
    return str(path).replace("{", "{{").replace("}", "}}")


def _own_kernel(scratch: Path, environment: Mapping[str, str]) -> type[AsyncKernelManager]:
    """A kernel manager that starts this interpreter with this checkout.

    What the process itself writes on stderr (warnings about its sockets, a crash) goes to
    `scratch/stderr`.
    """
    imports = filter(None, [str(paths.REPOSITORY), os.environ.get("PYTHONPATH")])
    variables = {
        "PYTHONPATH": os.pathsep.join(imports),
        "PYTHONHASHSEED": "0",
        "IPYTHONDIR": str(scratch),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        **environment,
    }

    class OwnKernel(AsyncKernelManager):
        kernel_spec = KernelSpec(
            argv=[
                sys.executable,
                "-m",
                "ipykernel_launcher",
                "-f",
                "{connection_file}",
                "--log-level=ERROR",
            ],
            # Jupyter replaces `$NAME` in these values.
            env={name: value.replace("$", "$$") for name, value in variables.items()},
            display_name="signlib",
            language="python",
        )

        async def _async_launch_kernel(self, kernel_cmd: list[str], **kwargs: Any) -> None:
            with open(scratch / "stderr", "ab") as log:
                await super()._async_launch_kernel(kernel_cmd, **{**kwargs, "stderr": log})

        # jupyter_client calls it by either name.
        _launch_kernel = _async_launch_kernel

    return OwnKernel


def _watch(work: Callable[[], None]) -> int:
    """Peak resident bytes of the processes that `work` starts, while it runs in a thread.

    In a thread because nbclient takes the main thread's signals: Ctrl-C would end one notebook and
    the course would continue with the next.
    """
    me = psutil.Process()
    # Processes that were there before, such as those of a test, are not the notebook's.
    before = set(me.children(recursive=True))
    worker = threading.Thread(target=work)
    worker.start()
    peak = 0
    try:
        while worker.is_alive():
            worker.join(SAMPLING)
            started = set(me.children(recursive=True)) - before
            peak = max(peak, sum(map(_resident, started)))
    except KeyboardInterrupt:
        for process in set(me.children(recursive=True)) - before:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        worker.join()
        raise
    return peak


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def _cell_error(
    failure: BaseException, begun: list[NotebookNode], timeout: float, log: str
) -> CellError:
    # Where and why a notebook stopped; a failure of our own machinery is raised again.
    source = begun[-1].source if begun else ""
    if isinstance(failure, PapermillExecutionError):
        message = ANSI.sub("", f"{failure.ename}: {failure.evalue}")
        return CellError(len(begun), source, message, _tail("\n".join(failure.traceback)))
    if isinstance(failure, CellTimeoutError):
        return CellError(
            len(begun), source, f"stopped after {timeout:g} s, the limit for one notebook", ""
        )
    if isinstance(failure, RuntimeError):  # nbclient: the kernel died, or never answered
        message = (
            f"the kernel is gone ({failure}): native code crashed, or the system ran out of memory"
        )
        return CellError(len(begun), source, message, _tail(log))
    if isinstance(failure, OSError) and failure.errno in FULL:
        raise disk_error(failure, Path(failure.filename or tempfile.gettempdir())) from failure
    raise failure


def _tail(text: str) -> str:
    # The last lines of a traceback, without colour codes.
    lines = ANSI.sub("", text).splitlines()
    return "\n".join(["..."] * (len(lines) > TRACEBACK_LINES) + lines[-TRACEBACK_LINES:])
