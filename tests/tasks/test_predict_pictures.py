"""A folder of numbered pictures is a clip wherever a video is one."""

import shutil
from pathlib import Path

import cv2
import pytest

from signlib import api
from signlib.errors import RunError, StoreError
from signlib.experiments.prediction import predict
from signlib.extraction.towers import random_tower
from signlib.runs.run import Run
from signlib.synthesis.portrait import portrait_clip

KEPT = Path(__file__).parents[1] / "data" / "kept"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures") / "clip"
    folder.mkdir()
    for number, frame in enumerate(portrait_clip(3)):
        cv2.imwrite(str(folder / f"{number:04d}.png"), frame[..., ::-1])
    return folder


@pytest.fixture(autouse=True)
def _in_a_copy(tmp_path, monkeypatch):
    shutil.copytree(KEPT / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNLIB_RUNS", "runs")


def run_of(name):
    return Run(Path("runs") / name / "finished")


@pytest.mark.parametrize("name", ["landmarks-small", "generated-rgb+skeleton", "wlasl-concat"])
def test_runs_that_do_not_read_the_rate_predict_pictures(name, pictures, tmp_path):
    tower = random_tower(tmp_path / "tower") if name == "wlasl-concat" else ""
    read = predict(run_of(name), [pictures], tower=str(tower)).iloc[0]
    assert (read["clip"], read["problem"], read["note"]) == (str(pictures), "", "")
    assert sum(share for _, share in read["top"]) == pytest.approx(1, abs=1e-4)


def test_a_run_that_reads_movement_takes_25_pictures_a_second_and_says_so(pictures):
    unsaid, said = (
        predict(run_of("phonology-ctc"), [pictures], fps=fps).iloc[0] for fps in (0, 25)
    )
    assert "taken as 25 a second (--fps N says another)" in unsaid["note"]
    assert said["note"] == ""
    assert unsaid["top"] == said["top"]


def test_a_run_that_reads_sentences_counts_seconds_by_the_rate(pictures):
    run = api.open_run(run_of("sentences-compact").path)
    ends = {fps: predict(run, [pictures], fps=fps).iloc[0]["signs"][-1].end for fps in (10, 25)}
    assert 0.12 < ends[10] <= 0.3
    assert ends[25] <= 0.12
    assert run.predict(pictures)["end"].iloc[-1] == pytest.approx(ends[25])


def test_a_graph_network_says_what_it_takes_instead(pictures):
    with pytest.raises(RunError, match=r"give \.skeleton or \.npy files, or a store"):
        predict(run_of("ntu60-nano"), [pictures])


@pytest.mark.parametrize(
    "name",
    ["landmarks-small", "generated-rgb+skeleton", "wlasl-concat", "ntu60-nano"],
)
def test_a_folder_of_clips_is_no_clip(name, pictures):
    with pytest.raises(StoreError, match="holds clips: give each of them"):
        predict(run_of(name), [pictures.parent])
