"""Pictures that a training made are made again when their film changes, and only then."""

import numpy as np
import pandas as pd
import pytest

from signlib.data.video import write_video
from signlib.settings import config
from signlib.tasks.modalities import ModalitiesTask


def film(path, level):
    write_video(path, [np.full((32, 32, 3), level, np.uint8)] * 4, 25)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    for name, level in (("one", 50), ("two", 200)):
        for gloss in ("A", "B"):
            film(tmp_path / name / gloss / "c.mp4", level)
    return tmp_path


def level_of(root, clip="A_c"):
    settings = config.build(
        {
            "task": "modalities",
            "fusion.modalities": ["rgb"],
            "data.corpus": "folder",
            "data.root": str(root),
            "pictures.frames": 2,
            "pictures.size": 32,
            "pictures.patch": 16,
            "pictures.workers": 1,
        }
    )
    return float(ModalitiesTask(settings).pictures.read(clip, "colour").mean())


def test_pictures_are_those_of_the_films_as_they_are(folders, capsys):
    assert level_of(folders / "one") == pytest.approx(50, abs=8)
    assert level_of(folders / "two") == pytest.approx(200, abs=8), "of another folder"
    film(folders / "one" / "A" / "c.mp4", 120)
    assert level_of(folders / "one") == pytest.approx(120, abs=8), "the film changed"
    assert level_of(folders / "one", "B_c") == pytest.approx(50, abs=8)
    stores = folders / "runs" / "pictures"
    assert len(list(stores.iterdir())) == 2
    before = [path.stat().st_mtime_ns for path in sorted(stores.glob("*/pictures.json"))]
    level_of(folders / "one")
    after = [path.stat().st_mtime_ns for path in sorted(stores.glob("*/pictures.json"))]
    assert before == after, "nothing is made twice"
    film(folders / "one" / "B" / "c.mp4", 120)
    capsys.readouterr()
    level_of(folders / "one")
    assert "the file of clip 'B_c' changed: store " in capsys.readouterr().err


def test_a_store_that_an_earlier_version_made_is_taken_for_its_own_films_only(folders):
    level_of(folders / "one")
    stores = folders / "runs" / "pictures"
    (ours,) = stores.iterdir()
    before = ours.rename(ours.with_name(ours.name.rpartition("-")[0]))
    # Earlier versions did not keep the state of files.
    table = pd.read_csv(before / "manifest.csv")
    table.drop(columns="file_state").to_csv(before / "manifest.csv", index=False)
    assert level_of(folders / "one") == pytest.approx(50, abs=8)
    assert list(stores.iterdir()) == [before], "taken"
    assert level_of(folders / "two") == pytest.approx(200, abs=8), "same names, other films"
    assert len(list(stores.iterdir())) == 2
    film(folders / "one" / "A" / "c.mp4", 120)
    assert level_of(folders / "one") == pytest.approx(120, abs=8), "newer than the store"
