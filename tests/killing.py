"""Processes that are killed in the middle of their work, for tests of what is left behind.

`python -m tests.killing` kills everything that takes long a hundred times (`make kill`).
"""

import argparse
import contextlib
import importlib
import json
import os
import random
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType


def forked(work: Callable[[], object]) -> int:
    """The id of a forked process that runs `work`; its exit code is 0, or 99 after an error."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(99)
    return child


def in_child(work: Callable[[], object]) -> int:
    """How a forked process ended that ran `work`: minus the signal that killed it, or 0."""
    return os.waitstatus_to_exitcode(os.waitpid(forked(work), 0)[1])


def killed_at_line(number: int, work: Callable[[], object], *modules: ModuleType) -> bool:
    """`work`, killed with SIGKILL before the numbered line of the modules; True when it came so
    far.
    """
    ours, lines = {module.__file__ for module in modules}, 0

    def trace(frame, event, _):
        nonlocal lines
        if frame.f_code.co_filename not in ours:
            return None
        if event == "line":
            lines += 1
            if lines == number:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    def traced():
        sys.settrace(trace)
        work()

    ended = in_child(traced)
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


# --- `kill -9` at random moments: python -m tests.killing -----------------------------------------

KEPT = Path(__file__).parent / "data" / "kept"
TRAIN = "--mode smoke --run-name made --resume --set training.threads=1 training.accelerator=cpu"
SMALL = "training.batch_size=4 data.glosses=3 data.signers=4 data.repetitions=1"
MODEL = "model.width=8 model.intermediate=8 model.layers=1 model.heads=2 features.joints=hands"
# Files that tell how long something took, and lines of others that do.
TIMED = ("timings.json", "environment.json")
TIMES = ("started", "test_opened", "training_seconds", "seconds", "peak_memory_mb", "sessions")


@dataclass(frozen=True)
class Work:
    """Something that takes long: a command line, and the folder that it makes."""

    line: str
    made: str
    # What the folder holds before, below the kept files.
    before: str = ""


WORKS: dict[str, Work] = {
    "extraction of landmarks": Work("extract inputs/films --out stores/made", "stores/made"),
    "extraction of pictures": Work(
        "extract inputs/films --out stores/made --extractor pictures --set frames=4 size=32",
        "stores/made",
    ),
    "extraction of frozen features": Work(
        "extract inputs/films --out stores/made --extractor frozen --set frames=4"
        " model=inputs/tower",
        "stores/made",
    ),
    "merging of a store": Work(
        "extract inputs/videos --out stores/made --extractor frozen --merge",
        "stores/made",
        "stores/parts/shards",
    ),
    "training on landmarks": Work(
        f"train landmarks/seed {TRAIN} {SMALL} {MODEL} features.frames=4 training.epochs=6",
        "runs/landmarks-seed/made",
    ),
    "training on sentences": Work(
        f"train sentences/compact {TRAIN} training.batch_size=4 data.glosses=4 data.signers=4"
        " data.repetitions=3 data.longest=2 ctc.width=8 ctc.heads=2 ctc.layers=1 ctc.window=4"
        " ctc.short_signs=0 ctc.beam=3 ctc.alphas=[0.3] ctc.betas=[1.0] features.joints=hands+pose"
        " training.epochs=4",
        "runs/sentences-compact/made",
    ),
    "training on pictures": Work(
        f"train generated/rgb+skeleton {TRAIN} {SMALL} {MODEL} features.frames=8 rgb.width=8"
        " rgb.intermediate=8 rgb.layers=1 rgb.heads=2 pictures.size=32 pictures.frames=4"
        " fusion.width=8 training.validate_every=1.0 training.epochs=4",
        "runs/generated-rgb+skeleton/made",
    ),
    "training on two devices": Work(
        f"train landmarks/seed {TRAIN} {SMALL} {MODEL} features.frames=4 training.epochs=6"
        " training.devices=2",
        "runs/landmarks-seed/made",
    ),
}


def prepared(work: Work, folder: Path) -> None:
    """The files that a work reads, in a folder."""
    for name in ("videos", "tower"):
        shutil.copytree(KEPT / "inputs" / name, folder / "inputs" / name)
    films = folder / "inputs" / "films"
    films.mkdir()
    rows = ["clip,file,gloss,split,start,end,depth_file"]
    for k in range(10):
        number = k % 2
        for kind in ("color", "depth"):
            # With its time, which stores keep.
            shutil.copy2(KEPT / f"inputs/videos/clip{number}_{kind}.mp4", films)
        files = f"clip{number}_color.mp4", f"clip{number}_depth.mp4"
        rows.append(f"c{k},{files[0]},G{number},train,{k},{k + 4 + k % 3},{files[1]}")
    (films / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    if work.before:
        shutil.copytree(KEPT / work.before, folder / work.made / Path(work.before).name)


def started(work: Work, folder: Path) -> int:
    """The id of a process, with a group of its own, that does a work; 0 is its exit code."""

    def typed() -> None:
        os.setsid()
        _quiet(folder)
        from matplotlib.figure import Figure

        from signlib.__main__ import main

        # Drawing takes longest, and what is drawn are the numbers that are compared.
        Figure.savefig = lambda *_, **__: None  # type: ignore[method-assign]
        os.chdir(folder)
        os.environ["SIGNLIB_RUNS"] = "runs"
        code = main(shlex.split(work.line))
        Path("modules.txt").write_text("\n".join(sys.modules), encoding="utf-8")
        os._exit(code)

    return forked(typed)


def _quiet(folder: Path) -> None:
    told = os.open(folder / "told.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(told, 1)
    os.dup2(told, 2)


def ended(child: int, folder: Path) -> int:
    """The exit code of a process of `started`.

    Raises:
        AssertionError: unless it ended well or was killed, with what it had said.
    """
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    told = (folder / "told.txt").read_text(encoding="utf-8", errors="replace")
    assert code in (0, -signal.SIGKILL), f"exit code {code}: {told[-2000:]}"
    return code


def compared(folder: Path) -> dict[str, object]:
    """What must be the same: the bytes of every file, without what tells of time."""
    content: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name in TIMED or path.is_dir() or "shards" in name or path.suffix == ".ckpt":
            continue
        content[name] = path.read_bytes()
        if path.name == "status.json":
            facts = json.loads(path.read_bytes())
            content[name] = {key: value for key, value in facts.items() if key not in TIMES}
        if path.name == "metrics.json":
            rows = json.loads(path.read_bytes())
            content[name] = [row for row in rows if row["unit"] not in ("frames/s", "s", "MB")]
    return content


def killed(work: Work, folder: Path, after: float, alone: bool) -> bool:
    """A work that is killed after some seconds and then started again until it is done.

    Args:
        work: to be done.
        folder: empty.
        after: seconds.
        alone: kill only the process itself, not those that it has started.

    Returns:
        False when it was done before it could be killed.
    """
    prepared(work, folder)
    child = started(work, folder)
    time.sleep(after)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL) if alone else os.killpg(child, signal.SIGKILL)
    if ended(child, folder) == 0:
        return False
    again = started(work, folder)
    assert ended(again, folder) == 0, "killed by somebody else"
    return True


def loaded(folder: Path) -> None:
    """Load what a work in that folder had loaded, so that the next ones start at once with it."""
    for name in (folder / "modules.txt").read_text(encoding="utf-8").split():
        if name.partition(".")[0] in ("signlib", "torch", "lightning", "transformers", "mediapipe"):
            # Some modules are made while others load, and cannot be named from outside.
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def whole(work: Work, folder: Path) -> tuple[dict[str, object], float]:
    """What an uninterrupted work makes, and how many seconds it takes."""
    prepared(work, folder)
    start = time.monotonic()
    assert ended(started(work, folder), folder) == 0, "killed by somebody else"
    return compared(folder / work.made), time.monotonic() - start


def kills(name: str, numbers: range, base: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of each kill and the files that differ from an uninterrupted work."""
    work = WORKS[name]
    whole(work, base / "first")
    loaded(base / "first")
    expected, seconds = whole(work, base / "whole")
    for number in numbers:
        rng = random.Random(f"{name} {number}")
        for attempt in range(20):
            folder = base / f"{number}-{attempt}"
            after = rng.uniform(0, seconds)
            hit = killed(work, folder, after, alone=rng.random() < 0.5)
            got = compared(folder / work.made)
            shutil.rmtree(folder)
            if hit:
                break
        names = {*expected, *got}
        yield number, [file for file in names if expected.get(file) != got.get(file)]


def main(arguments: list[str] | None = None) -> int:
    """`python -m tests.killing`: kill each kind of work so often, and keep what came out."""
    from tests.fuzz import trust

    parser = argparse.ArgumentParser(prog="python -m tests.killing", description=main.__doc__)
    parser.add_argument("works", nargs="*", help="all when none is named")
    parser.add_argument("--kills", type=int, default=100, help="of each kind of work")
    options = parser.parse_args(arguments)
    worst = 0
    for name in options.works or WORKS:
        row = trust.load().get("kills", {}).get(name, {"kills": 0, "same": 0})
        base = Path(tempfile.mkdtemp(prefix="kills-"))
        try:
            for number, differing in kills(name, range(row["kills"], options.kills), base):
                row["kills"], row["same"] = number + 1, row["same"] + (not differing)
                trust.keep("kills", name, row)
                worst = worst or bool(differing)
                print(f"{name}: {number + 1} of {options.kills}", *differing, flush=True)
        finally:
            shutil.rmtree(base, ignore_errors=True)
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
