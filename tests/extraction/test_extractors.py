"""Extractors: one row each, and a toy one from outside the package works like those inside."""

from dataclasses import MISSING, dataclass, fields

import numpy as np
import pytest

from signlib.__main__ import main
from signlib.data.video import read_frames, write_video
from signlib.errors import SettingsError, StoreError
from signlib.experiments.extraction import extract, summary
from signlib.extraction import registry
from signlib.extraction.filming import FilmedClips
from signlib.extraction.registry import EXTRACTORS, ExtractorRow, Reads
from signlib.extraction.shards import part_of
from signlib.extraction.workers import rows_of
from signlib.stores.store import Extraction, FeatureStore
from signlib.stores.writer import StoreWriter


@dataclass(frozen=True)
class ToySettings:
    """How bright a frame is.

    Attributes:
        scale: factor of the brightness.
    """

    scale: float = 1.0

    def __post_init__(self):
        if self.scale <= 0:
            raise SettingsError(f"scale={self.scale} must be above 0")


class ToyExtractor:
    """Videos to one number a frame: the mean brightness."""

    settings = ToySettings

    def extract(self, source, out, settings, *, workers, shard, retry_failed):
        table, root = source.videos()
        table, out = part_of(FilmedClips(table, root).manifest, out, shard)
        extraction = Extraction("toy", "1", (1,), settings={"scale": settings.scale})
        with StoreWriter(out, extraction, table, retry_failed) as writer:
            for row in rows_of(table[table["clip"].isin(writer.pending)]):
                frames = read_frames(root / row.file).astype(np.float32)
                writer.add(row.clip, settings.scale * frames.mean((1, 2, 3))[:, None])
            return writer.finish()

    def summary(self, store):
        return f"{len(store)} clips, brightness"


@pytest.fixture
def toy():
    registry.register(
        ExtractorRow("toy", "mean brightness", (Reads.VIDEOS,), ToyExtractor, parallel=False)
    )
    yield
    registry.unregister("toy")


@pytest.fixture
def videos(tmp_path):
    """Two clips of one gloss, black and white."""
    for name, grey in (("black", 0), ("white", 255)):
        path = tmp_path / "videos" / "HELLO" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, np.full((5, 32, 32, 3), grey, np.uint8), fps=25)
    return tmp_path / "videos"


def test_a_toy_from_outside_makes_resumes_and_merges_a_store(toy, videos, tmp_path):
    store = extract(videos, tmp_path / "store", "toy", ["scale=0.5"])
    assert isinstance(store, FeatureStore)
    assert store.clips == ["HELLO_black", "HELLO_white"]
    np.testing.assert_allclose(store.read("HELLO_white"), 127.5, atol=1)
    assert summary(store, "toy") == "2 clips, brightness"
    before = {file.name: file.stat().st_mtime_ns for file in store.path.glob("frames.npy")}
    content = {file.name: file.read_bytes() for file in store.path.iterdir()}
    again = extract(videos, tmp_path / "store", "toy", ["scale=0.5"])
    assert {file.name: file.stat().st_mtime_ns for file in again.path.glob("frames.npy")} == before
    assert {file.name: file.read_bytes() for file in again.path.iterdir()} == content
    with pytest.raises(StoreError, match="changed setting is another store"):
        extract(videos, tmp_path / "store", "toy")
    for part in ("1/2", "2/2"):
        extract(videos, tmp_path / "parts", "toy", ["scale=0.5"], shard=part)
    merged = extract(videos, tmp_path / "parts", "toy", merge=True)
    assert merged.frames.tobytes() == store.frames.tobytes()


def test_the_command_line_knows_the_toy(toy, videos, tmp_path, capsys):
    call = ["extract", str(videos), "--out", str(tmp_path / "store"), "--extractor", "toy"]
    assert main(call) == 0
    assert "2 clips, brightness" in capsys.readouterr().out
    assert main([*call, "--set", "scale=0"]) == 2
    assert "scale=0 must be above 0" in capsys.readouterr().err
    assert main([*call, "--set", "sale=2"]) == 2
    assert "did you mean 'scale'" in capsys.readouterr().err


def test_a_name_is_registered_once(toy):
    with pytest.raises(SettingsError, match="'toy' is registered already"):
        registry.register(ExtractorRow("toy", "again", (), ToyExtractor))


def test_an_unknown_name_lists_those_that_there_are(tmp_path):
    with pytest.raises(SettingsError, match="choose from holistic, pictures, phonology, frozen"):
        extract(tmp_path, tmp_path / "store", "hollistic")


@pytest.mark.parametrize("name", ["pictures", "phonology"])
def test_what_is_made_in_one_piece_takes_no_shard(name, tmp_path):
    for choice in ({"shard": "1/2"}, {"merge": True}):
        with pytest.raises(SettingsError, match=f"{name} makes its store in one piece"):
            extract(tmp_path, tmp_path / "store", name, **choice)


@pytest.mark.parametrize("name", registry.names())
def test_every_row_says_what_it_makes_reads_and_can_be_set(name):
    row = EXTRACTORS[name]
    assert row.name == name
    assert row.help
    assert "\n" not in row.help
    assert row.reads
    assert set(row.reads) <= set(Reads)
    kind = row.load().settings
    # What it inherits is documented where it stands.
    texts = [each.__doc__ or "" for each in kind.__mro__]
    documented = " ".join(text.partition("Attributes:")[2] for text in texts)
    for entry in fields(kind):
        assert entry.default is not MISSING, f"{entry.name} has no default"
        assert entry.name in documented, f"{entry.name} is not documented"


def test_names_are_known_without_the_libraries_behind_them():
    """Every verb builds the command line, and none of them should wait for torch or MediaPipe."""
    import subprocess
    import sys

    code = (
        "import sys; from signlib.extraction import registry; registry.names();"
        " print({'torch', 'mediapipe', 'pandas', 'numpy', 'cv2'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
