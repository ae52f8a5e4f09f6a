"""What several feature tests share: a filmed portrait, and one extraction of all real sign videos."""

import fcntl
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def portrait_film(tmp_path_factory) -> Path:
    """A film of 24 frames on which everything is found at first and the left hand is lost later."""
    pytest.importorskip("signlib.features.holistic")
    from signlib.data.video import write_video
    from signlib.synthesis.portrait import portrait_clip

    path = tmp_path_factory.mktemp("portrait") / "portrait.mp4"
    write_video(path, portrait_clip(24), fps=25)
    return path


@pytest.fixture(scope="session")
def slovak_store(real_data, tmp_path_factory, request):
    """The landmarks of all 60 real sign videos, made once a test session by two processes (about two minutes)."""
    root = real_data("slovak")
    landmarks = pytest.importorskip("signlib.features.landmarks")
    from signlib.data.manifest import load_manifest

    # Under xdist every worker has its own base folder inside one that they share.
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if hasattr(request.config, "workerinput") else shared
    with open(shared / "slovak.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return landmarks.extract_manifest(
            load_manifest(root / "manifest.csv"), root, shared / "slovak", workers=2, progress=False
        )
