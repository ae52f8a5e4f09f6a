"""What is refused is refused at once: torch, which takes many seconds to load, stays out."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from signlib.errors import SettingsError
from signlib.experiments import early, sweep
from signlib.settings import presets

KEPT = Path(__file__).parents[1] / "data" / "kept"
FINISHED = KEPT / "runs" / "landmarks-small" / "finished"
# Quoted as for a shell: a folder may have a space in its name.
RUN, CLIP = shlex.quote(str(FINISHED)), shlex.quote(str(KEPT / "clips" / "clip.npy"))
# What is typed, and a part of the answer.
REFUSED = [
    ("predict nowhere clip.mp4", "nowhere holds no run"),
    (f"predict {RUN} gone.mp4 gone.npy", "gone.mp4 and 1 more: no such file"),
    (f"predict {RUN} {CLIP} --split test", "only stores have splits"),
    (f"predict {RUN} {CLIP} --fps 1e9", "fps=1e+09 must lie within"),
    ("predict unfinished clip.npy", "clip.npy: no such file"),
    (f"predict unfinished {CLIP}", "has no model.safetensors"),
    ("train --set training.epochs=x", "training.epochs"),
    ("train --set training.logger=wandb", "training.logger"),
    ("train landmarks/smal", "did you mean landmarks/small"),
    ("train --data-root nowhere", "nowhere"),
    ("train --corpus phoenix-2041", "phoenix-2041"),
    ("train --init-from nowhere", "nowhere holds no run"),
    ("train --mode smoke --set training.teacher=nowhere", "nowhere holds no run"),
    ("sweep generatd", "did you mean generated"),
    ("sweep landmarks/small --seeds 0 0", "each once"),
    ("sweep dgs-30/small --set data.root=nowhere", "nowhere"),
    ("compare nowhere nowhere", "nowhere holds no run"),
    ("ensemble nowhere nowhere", "nowhere holds no run"),
    ("publish nowhere", "nowhere holds no run"),
    ("extract nowhere --out store", "nowhere does not exist"),
    ("wer nowhere hypothesis.ctm", "nowhere"),
]
# Prints one list: exit code, answer and the heavy modules of each command line so far.
CODE = """
import contextlib, io, json, shlex, sys
from signlib.cli.verbs import main
heavy = ("torch", "lightning", "transformers")
rows = []
for line in sys.argv[1:]:
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = main(shlex.split(line))
    rows.append((code, said.getvalue(), [name for name in heavy if name in sys.modules]))
print(json.dumps(rows))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Of all command lines, from one process."""
    folder = tmp_path_factory.mktemp("early")
    unfinished = folder / "unfinished"
    unfinished.mkdir()
    for file in ("settings.yaml", "status.json"):
        (unfinished / file).write_bytes((FINISHED / file).read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", CODE, *(line for line, _ in REFUSED)],
        cwd=folder,
        env=os.environ | {"SIGNLIB_RUNS": str(folder / "runs"), "SIGNLIB_DATA": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / "runs").exists()
    return json.loads(done.stdout)


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=lambda number: REFUSED[number][0][:30])
def test_it_is_refused_in_one_line_without_torch(number, answers):
    code, said, heavy = answers[number]
    assert (code, heavy) == (2, [])
    assert said.count("\n") == 1
    assert REFUSED[number][1] in said


def test_a_smoke_form_takes_what_its_full_form_reads_but_no_folder():
    def asked(preset, mode, *overrides):
        early.check_asked(presets.build(preset, mode, overrides=overrides), overrides)

    asked("wlasl/concat", "smoke", "data.annotations=nslt_300.json", "data.cut=true")
    assert sweep.plan(["wlasl/concat"], [0], "smoke", ["data.cut=true"])[0][1] == "smoke-seed0"
    for preset, mode, *overrides in (
        ("wlasl/concat", "smoke", "data.root=films"),
        ("wlasl/concat", "smoke", "data.corpus=store", "data.annotations=nslt_300.json"),
        ("generated/rgb", "smoke", "data.annotations=nslt_300.json"),
        ("wlasl/concat", "full", "data.glosses=6"),
    ):
        with pytest.raises(SettingsError, match=f"{overrides[-1]} is not read by data.corpus="):
            asked(preset, mode, *overrides)


def test_a_run_is_opened_and_tables_are_made_without_torch():
    code = (
        "import sys, signlib; print(signlib.open_run(sys.argv[1]), signlib.presets().shape,"
        " signlib.corpora().shape, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(FINISHED)], capture_output=True, text=True, check=False
    )
    assert done.stdout.rstrip().endswith(" False"), done.stderr
