"""What training runs on: accelerator, precision, how many devices; and one process a device.

The processes are new ones, not copies of this one: it may have used a GPU already, as a notebook
has. Large arrays reach them through a file that all of them map into memory, so they exist once.
"""

import contextlib
import mmap
import os
import pickle
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import multiprocessing

from signlib.errors import InputError, RunError, SettingsError
from signlib.files import disk_error
from signlib.processes import scratch
from signlib.settings.training import TrainingSettings

_ALIGNED = 64
_LOGGING = "TORCH_CPP_LOG_LEVEL"
_ARRAYS, _ARGUMENTS = "arrays.bin", "arguments.pickle"
_RESULT, _ERROR = "result.pickle", "error-{}.pickle"


def choose_device(settings: TrainingSettings) -> tuple[str, str]:
    """Accelerator and precision that will really be used: ("cpu", "32"), ("gpu", "16-mixed"), ...

    Raises:
        SettingsError: for a device that is not there, one this build of torch has no kernels for,
            or a precision that the device lacks (torch would silently take another).
    """
    cuda = torch.cuda.is_available()
    if settings.accelerator == "gpu" and not cuda:
        raise SettingsError("training.accelerator=gpu: torch sees no GPU; use cpu or auto")
    accelerator = "gpu" if cuda and settings.accelerator != "cpu" else "cpu"
    if accelerator == "cpu" and settings.precision == "16-mixed":
        raise SettingsError(
            "training.precision=16-mixed would silently become bf16 on a CPU; use 32 or bf16-mixed"
        )
    if accelerator == "gpu":
        capability = torch.cuda.get_device_capability()
        name = torch.cuda.get_device_name()
        built = {
            arch.split("_")[1] for arch in torch.cuda.get_arch_list() if arch.startswith("sm_")
        }
        if built and all(int(arch.rstrip("a")) // 10 > capability[0] for arch in built):
            raise SettingsError(
                f"{name} (compute {capability}) has no kernels in this torch; ask for a T4 or newer"
            )
        if settings.precision == "bf16-mixed" and capability[0] < 8:
            raise SettingsError(
                f"training.precision=bf16-mixed: {name} has no bf16; use 16-mixed or 32"
            )
        if settings.precision == "auto":
            return accelerator, "bf16-mixed" if capability[0] >= 8 else "16-mixed"
    return accelerator, "32" if settings.precision == "auto" else settings.precision


def device_count(settings: TrainingSettings) -> int:
    """How many devices training really uses: GPUs, or on a CPU processes that share its cores.

    Raises:
        SettingsError: for more than there are.
    """
    gpu = choose_device(settings)[0] == "gpu"
    there = torch.cuda.device_count() if gpu else _cores()
    if settings.devices > there:
        gpus = f"torch sees {there} GPU{'s' if there > 1 else ''}"
        what = gpus if gpu else f"this CPU has {there} cores"
        raise SettingsError(
            f"training.devices={settings.devices}: {what}; set it to at most {there}, or to 0"
            " for all"
        )
    # One process uses all cores already.
    return settings.devices or (there if gpu else 1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def accumulation(settings: TrainingSettings, devices: int = 1) -> int:
    """Batches an optimiser step and device: as set, or what makes the effective batch.

    Raises:
        SettingsError: for an effective batch that cannot be shared evenly.
    """
    if not settings.effective_batch:
        return settings.accumulate
    batches, rest = divmod(settings.effective_batch, settings.batch_size * devices)
    if rest:
        raise SettingsError(
            f"training.effective_batch={settings.effective_batch} is not divisible by"
            f" training.batch_size={settings.batch_size} times {devices} devices; change one of the"
            " three"
        )
    return batches


def threads_each(devices: int, threads: int) -> int:
    """Threads of each of several processes on one machine: as set, or for 0 an equal part."""
    return threads or max(1, _cores() // devices)


def in_processes(function: Callable[..., Any], arguments: tuple, count: int, gpu: bool) -> Any:
    """What `function(*arguments)` returns in the first of `count` processes that all call it.

    The environment of each says what torch and Lightning ask for: LOCAL_RANK, NODE_RANK,
    MASTER_ADDR, MASTER_PORT.

    Args:
        function: of a module that can be imported; so are all classes among the arguments and
            results.
        arguments: go through a file; arrays in them are shared until somebody writes to them.
        gpu: whether the processes use GPUs.

    Raises:
        RunError: when a process was killed.
        InputError: the one that a process raised.
    """
    # A fork server that has imported everything starts processes at once, but it must never have
    # asked for a GPU.
    method = "spawn"
    if not gpu and "forkserver" in multiprocessing.get_all_start_methods():
        method = "forkserver"
        ours = function.__module__.partition(".")[0] + "."
        multiprocessing.set_forkserver_preload(
            [name for name in sys.modules if name.startswith(ours)]
        )
    with scratch() as folder:
        _save(arguments, folder)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            # Free again at once; the processes meet there.
            port = listener.getsockname()[1]
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0"}
        work = (function, folder, {**os.environ, **address})
        with _quiet_torch():
            started = multiprocessing.start_processes(
                _work, work, count, join=False, start_method=method
            )
        try:
            while not started.join():
                pass
        except (
            multiprocessing.ProcessRaisedException,
            multiprocessing.ProcessExitedException,
        ) as error:
            raise _reason(error, folder, [p.exitcode for p in started.processes]) from None
        finally:
            for process in started.processes:
                if process.is_alive():
                    process.kill()
        return pickle.loads((folder / _RESULT).read_bytes())


@contextlib.contextmanager
def _quiet_torch() -> Iterator[None]:
    # Processes started here hear nothing of torch's advice on parameters that nothing reads.
    before = os.environ.get(_LOGGING)
    os.environ[_LOGGING] = before or "ERROR"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_LOGGING]


def _work(
    rank: int, function: Callable[..., Any], folder: Path, environment: dict[str, str]
) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(environment, LOCAL_RANK=str(rank))
    try:
        result = function(*_load(folder))
    except InputError as error:
        (folder / _ERROR.format(rank)).write_bytes(pickle.dumps(error))
        raise
    if rank == 0:
        (folder / _RESULT).write_bytes(pickle.dumps(result))


def _end_with_parent() -> None:
    # Without it the processes of a killed notebook would work on, or wait half an hour for one
    # another.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _reason(error: Exception, folder: Path, codes: list[int | None]) -> Exception:
    # The error to raise: what a process refused, that one was killed, or the fault as it came.
    refused = sorted(folder.glob(_ERROR.format("*")))
    if refused:
        return pickle.loads(refused[0].read_bytes())
    if -9 in codes:
        return RunError(
            f"training process {codes.index(-9)} of {len(codes)} was killed, most likely for want"
            " of memory; lower training.batch_size or set pictures.checkpointing=true, and resume"
            " with --resume"
        )
    return error


def _save(arguments: tuple, folder: Path) -> None:
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(arguments, protocol=5, buffer_callback=buffers.append)
    # Where each array begins in the file, and its bytes; beginnings are aligned.
    places, at = [], 0
    try:
        with open(folder / _ARRAYS, "wb") as file:
            for buffer in buffers:
                raw = buffer.raw()
                file.seek(at)
                file.write(raw)
                places.append((at, raw.nbytes))
                at += -(-raw.nbytes // _ALIGNED) * _ALIGNED
        (folder / _ARGUMENTS).write_bytes(pickle.dumps((places, body)))
    except OSError as error:
        raise disk_error(error, folder) from error


def _load(folder: Path) -> tuple:
    places, body = pickle.loads((folder / _ARGUMENTS).read_bytes())
    with open(folder / _ARRAYS, "rb") as file:
        # Private: a process that writes to an array gets pages of its own. An empty file
        # cannot be mapped.
        whole = memoryview(
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            if os.fstat(file.fileno()).st_size
            else b""
        )
    return pickle.loads(body, buffers=[whole[at : at + length] for at, length in places])
