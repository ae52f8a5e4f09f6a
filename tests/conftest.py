"""What every test may ask for: real data where it stands, and a word on what was skipped."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from signlib import paths

# Several workers share the cores: more threads each only makes them wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def real_data():
    """A function: `real_data("slovak")` is that corpus's folder, or the test is skipped."""

    def find(name: str) -> Path:
        folder = paths.data_root() / name
        if not folder.exists():
            pytest.skip(f"real data: {name!r} is not under SIGNLIB_DATA ({paths.data_root()})")
        return folder

    return find


@pytest.fixture
def runs_root(tmp_path, monkeypatch) -> Path:
    """The folder of the runs of this test alone."""
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def _slovak(signs: int, real_data, tmp_path_factory, request):
    # A folder of that many real signs, two films each, with its manifest, and the store of their
    # landmarks, made once a test session as a person would.
    root = real_data("slovak")
    # Under xdist every worker has its own base folder inside one that they share.
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if hasattr(request.config, "workerinput") else shared
    videos, store = shared / f"slovak-{signs}", shared / f"slovak-{signs}-store"
    with open(shared / f"slovak-{signs}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not videos.is_dir():
            videos.mkdir()
            header, *rows = (root / "manifest.csv").read_text().splitlines(keepends=True)
            chosen = rows[: 2 * signs]
            (videos / "manifest.csv").write_text("".join([header, *chosen]))
            for row in chosen:
                file = row.split(",")[1]
                shutil.copyfile(root / file, videos / file)
        call = [sys.executable, "-m", "signlib", "extract", str(videos), "--out", str(store)]
        done = subprocess.run(
            [*call, "--workers", "2"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    from signlib.stores.store import FeatureStore

    return videos, FeatureStore(store)


@pytest.fixture(scope="session")
def slovak(real_data, tmp_path_factory, request):
    """Ten real signs, seen from the front and from the side: their folder and their store."""
    return _slovak(10, real_data, tmp_path_factory, request)


@pytest.fixture(scope="session")
def whole_slovak(real_data, tmp_path_factory, request):
    """All thirty of them, which takes two minutes of two cores: for slow tests."""
    return _slovak(30, real_data, tmp_path_factory, request)


@pytest.fixture(scope="session")
def portrait_film(tmp_path_factory) -> Path:
    """A film of 24 frames on which everything is found at first and the left hand is lost later."""
    pytest.importorskip("signlib.extraction.holistic")
    from signlib.data.video import write_video
    from signlib.synthesis.portrait import portrait_clip

    path = tmp_path_factory.mktemp("portrait") / "portrait.mp4"
    write_video(path, portrait_clip(24), fps=25)
    return path


def pytest_collection_modifyitems(config, items):
    for item in items:
        if "real_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real)
    if not config.option.markexpr:
        slow = pytest.mark.skip(reason="slow: run with -m slow")
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(slow)


def pytest_terminal_summary(terminalreporter):
    ran = [
        r
        for r in terminalreporter.stats.get("passed", [])
        if "real" in r.keywords and r.when == "call"
    ]
    failed = [r for r in terminalreporter.stats.get("failed", []) if "real" in r.keywords]
    skipped = [r for r in terminalreporter.stats.get("skipped", []) if "real" in r.keywords]
    terminalreporter.write_sep("-", "real data")
    terminalreporter.write_line(
        f"{len(ran)} tests ran on real data ({paths.data_root()}), {len(failed)} of them failed, "
        f"{len(skipped)} were skipped"
    )
    for report in ran + failed + skipped:
        terminalreporter.write_line(f"  {report.outcome:8s} {report.nodeid}")
