"""What several feature tests share: a filmed portrait."""

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
