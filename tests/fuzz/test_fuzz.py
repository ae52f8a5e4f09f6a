"""A hundred damaged inputs of every reader; and every module that opens files has a reader."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from signlib.errors import InputError

from . import damage, inputs, trust
from .readers import READERS, Reader, must

ROOT = Path(__file__).parent.parent.parent
OPENS = re.compile(
    r"(?<![.\w])open\(|\.open\(|read_text\(|read_bytes\(|np\.load\(|read_csv\(|imdecode\(|imread\("
    r"|safe_open\(|load_file\(|torch\.load\(|nbformat\.read\(|pickle\.load|np\.memmap\(|ZipFile\("
)
# Modules that open files and have no row in the table, with the reason.
REASONS = {
    "reading": "what the readers of the table call; tests/test_reading.py",
    "files": "writes, and puts a part into a page of the docs",
    "data.origins": "a digest of bytes, whatever they are",
    "experiments.search": "the journal of its own study; tests/experiments/test_search.py",
    "data.skeletons": "its own table of face points, a part of the package",
    "experiments.sizes": "its own table of sizes, a part of the package",
    "extraction.holistic_models": "MediaPipe's own models, installed with it",
    "training.devices": "what its own process wrote a moment before, in a folder of its own",
    "processes": "its own locks, and nowhere when a pipe is closed",
    "course.notebook": "the log of its own process",
    "course.rules": "the course's own notebooks, checked before they are published",
    "course.runner": "what its own processes wrote",
    "reports.results_table": "the README",
    "experiments.experiment": "what the run that is being printed wrote a moment before",
    "reports.ablation": "the history of runs that were opened before",
    "tasks.isolated": "the history of the run that is being tested",
    "tasks.graph": "a clip's points, by the reader `weights`",
    "training.fit": "checkpoints, by the reader `checkpoint`",
    "extraction.shards": "stores, by the reader `shards`",
}


def test_a_hundred_inputs_of_every_reader_have_no_fault():
    """In a process of its own, whose memory is its own; one core, since tests run beside it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    lines = [line for line in done.stdout.splitlines() if "refused" in line]
    assert len(lines) == len(READERS)


def test_every_module_that_opens_files_is_tried_or_has_a_reason():
    opening = set()
    for path in sorted((ROOT / "signlib").rglob("*.py")):
        if OPENS.search(path.read_text(encoding="utf-8")):
            opening.add(".".join(path.relative_to(ROOT / "signlib").with_suffix("").parts))
    covered = {module for reader in READERS.values() for module in reader.modules}
    assert sorted(opening - covered - set(REASONS)) == []
    names = {*covered, *REASONS}
    assert [
        name for name in names if not (ROOT / f"signlib/{name.replace('.', '/')}.py").is_file()
    ] == []


def test_the_same_number_is_the_same_input(tmp_path):
    for copy in ("one", "two"):
        (tmp_path / copy / "given").mkdir(parents=True)
        READERS["ntu-npz"].make(tmp_path / copy / "given")
    rng = [inputs.generator("ntu-npz", 7) for _ in range(2)]
    told = [
        damage.damaged(tmp_path / copy / "given", rng[k]) for k, copy in enumerate(("one", "two"))
    ]
    assert told[0] == told[1]
    file = "given/NTU60_CS.npz"
    assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def _sleeps(folder, out):
    while True:
        pass


def _allocates(folder, out):
    return np.ones(3 * 2**27)


def _writes(folder, out):
    (out.parent / "elsewhere").write_text("x")


def _unpickles(folder, out):
    import pickle

    return pickle.loads(pickle.dumps(InputError("x")))


def _breaks(folder, out):
    return {}["gone"]


def _babbles(folder, out):
    raise type("Long", (InputError,), {"__str__": lambda _: "x" * 501})


def _accepts(folder, out):
    return float("nan")


def _refuses(folder, out):
    raise InputError("data is 3; give 4")


def _dies(folder, out):
    import ctypes

    ctypes.string_at(0)


@pytest.mark.parametrize(
    ("read", "how"),
    [
        (_allocates, "memory"),
        (_writes, "outside"),
        (_unpickles, "outside"),
        (_breaks, "exception"),
        (_babbles, "long message"),
        (_accepts, "accepted nonsense"),
        (_dies, "crash"),
        (_sleeps, "time"),
        (_refuses, "refused"),
    ],
)
def test_each_kind_of_fault_is_seen(read, how, tmp_path, monkeypatch):
    def check(value, folder):
        must(np.isfinite(value), "no number")

    def make(folder):
        (folder / "a.txt").write_text("1 2 3")

    monkeypatch.setattr(inputs, "SECONDS", 0.2)
    monkeypatch.setattr(inputs, "_load", lambda *_: None)
    monkeypatch.setitem(READERS, "toy", Reader(make, read, check, ()))
    ended = list(inputs.run([("toy", range(1, 3))], tmp_path))
    assert [each.how for each in ended] == [how, how], ended
    assert ended[0].fault == (how != "refused")


def test_whole_files_must_be_accepted(tmp_path, monkeypatch):
    def make(folder):
        (folder / "a.txt").write_text("1")

    monkeypatch.setattr(inputs, "_load", lambda *_: None)
    monkeypatch.setitem(READERS, "toy", Reader(make, _refuses, lambda *_: None, ()))
    (ended,) = inputs.run([("toy", range(0, 1))], tmp_path)
    assert ended.how == "whole files refused"


def test_a_bomb_is_small_and_claims_what_it_holds(tmp_path):
    made = damage._bomb([("a.npy", b""), ("b.txt", b"x")], 0, gib=1)
    (tmp_path / "a.npz").write_bytes(made)
    assert len(made) < 2 * 2**20
    with zipfile.ZipFile(tmp_path / "a.npz") as archive, archive.open("a.npy") as member:
        assert archive.getinfo("a.npy").file_size == 2**30
        assert np.lib.format.read_magic(member) == (1, 0)
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        assert member.tell() + shape[0] * dtype.itemsize == 2**30
        assert member.read(2**20) == bytes(2**20)


def test_the_page_says_what_was_tried():
    results = json.loads(trust.RESULTS.read_text(encoding="utf-8"))
    page = trust.PAGE.read_text(encoding="utf-8")
    between = page.partition(trust.START)[2].partition(trust.END)[0].strip()
    assert between == trust.part(results)
    assert set(results.get("fuzz", {})) <= set(READERS)
