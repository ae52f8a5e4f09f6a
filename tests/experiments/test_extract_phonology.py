"""Stores of phonological features, made from stores of landmarks."""

import numpy as np
import pandas as pd
import pytest

from signlib.__main__ import main
from signlib.errors import InputError
from signlib.experiments.extraction import extract
from signlib.features.phonology import NAMES, phonology
from signlib.stores.store import Extraction, FeatureStore
from signlib.stores.writer import StoreWriter
from signlib.synthesis.clips import GeneratedCorpus


@pytest.fixture
def landmarks(tmp_path):
    """A store of three clips, one of which failed."""
    world = GeneratedCorpus(3, 3, 1, hardness=0.0)
    table = pd.DataFrame({"clip": world.manifest["clip"][:3], "gloss": ["A", "B", "C"]})
    made = Extraction("holistic", "1", (543, 4), skeleton="mediapipe-543")
    with StoreWriter(tmp_path / "landmarks", made, table) as writer:
        for clip in table["clip"][:2]:
            writer.add(clip, world.clip(clip), width=640, height=480, fps=50.0)
        writer.fail(table["clip"][2], "nobody was found")
        return writer.finish()


def test_features_of_every_clip_with_its_shape_and_rate(landmarks, tmp_path):
    store = extract(landmarks.path, tmp_path / "out", "phonology")
    assert (store.extraction.channels, store.extraction.shape) == (NAMES["corrected"], (36,))
    assert store.clips == landmarks.clips
    for clip in store.clips:
        expected = phonology(landmarks.read(clip), landmarks.skeleton, "corrected", 640 / 480, 50.0)
        np.testing.assert_array_equal(store.read(clip), expected)
    assert store.failed["reason"].tolist() == ["nobody was found"]
    assert store.manifest["gloss"].tolist() == ["A", "B", "C"]


def test_a_finished_store_is_kept_and_another_form_is_another_store(landmarks, tmp_path):
    out = tmp_path / "out"
    extract(landmarks.path, out, "phonology", ["form=seed"])
    before = (out / "frames.npy").stat().st_mtime_ns
    again = extract(landmarks.path, out, "phonology", ["form=seed"])
    assert again.extraction.channels == NAMES["original"]
    assert (out / "frames.npy").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="changed setting is another store"):
        extract(landmarks.path, out, "phonology")


def test_the_verb(landmarks, tmp_path, capsys):
    call = [
        "extract",
        str(landmarks.path),
        "--extractor",
        "phonology",
        "--out",
        str(tmp_path / "out"),
    ]
    # A part failed.
    assert main([*call, "--set", "form=seed"]) == 3
    assert "2 clips done, 1 failed" in capsys.readouterr().out
    assert FeatureStore(tmp_path / "out").extraction.settings["form"] == "seed"
    assert main([*call, "--shard", "1/2"]) == 2
    assert "phonology makes its store in one piece" in capsys.readouterr().err
    assert main([*call[:-1], str(tmp_path / "other"), "--set", "form=best"]) == 2
    assert "choose from original, corrected" in capsys.readouterr().err
    assert main(["extract", str(tmp_path / "nothing"), *call[2:]]) == 2
