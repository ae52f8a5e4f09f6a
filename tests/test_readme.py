"""What the README tells a person to type, typed."""

import doctest
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

from signlib.paths import REPOSITORY
from signlib.reports import results_table

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def four_commands() -> list[str]:
    """The lines between the README's marks, without the fences."""
    block = re.search(
        r"<!-- four commands: start -->\n```\n(.*?)```\n<!-- four commands: end -->",
        README,
        re.DOTALL,
    )
    return block[1].strip().splitlines()


def test_the_two_commands_stand_at_the_top():
    top = README[: README.index("## The course")]
    assert re.search(r"```\nmake course .*\nmake test .*\n```", top)


def test_every_make_verb_and_file_that_is_named_exists():
    makefile = (REPOSITORY / "Makefile").read_text()
    for verb in set(re.findall(r"`make (\w+)`|^make (\w+)", README, re.MULTILINE)):
        assert re.search(rf"^{''.join(verb)}:.*##", makefile, re.MULTILINE), verb
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (REPOSITORY / target).exists(), target


def test_the_notebook_table_lists_the_course():
    listed = set(re.findall(r"\(notebooks/(\d\d_\w+)\.ipynb\)", README))
    assert listed == {path.stem for path in (REPOSITORY / "notebooks").glob("[0-9]*.ipynb")}


def test_the_results_table_is_the_published_runs():
    assert results_table.update_readme(check_only=True) is False, "run: python -m signlib results"


def test_a_person_with_a_folder_of_videos_needs_four_commands(slovak_store, real_data, tmp_path):
    """30 signs seen once from the front are recognised from the side; one nearest neighbour reaches
    60 %.
    """
    commands = four_commands()
    assert len(commands) == 4
    videos = real_data("slovak")
    places = {
        "stores/my_signs": slovak_store.path,
        "my_signs/clip.mp4": videos / "1_Ahoj1.mp4",
        "my_signs": videos,
        "runs/landmarks-one-shot/my_signs": tmp_path / "runs" / "landmarks-one-shot" / "my_signs",
    }
    shown = []
    for command in commands:
        words = shlex.split(command)
        assert words[:3] == ["python", "-m", "signlib"]
        # The run's name is "my_signs" too: only words that are places are replaced.
        at_place = [
            w if words[i - 1] == "--run-name" else str(places.get(w, w))
            for i, w in enumerate(words)
        ]
        call = [sys.executable, *at_place[1:]]
        done = subprocess.run(
            call,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "SIGNLIB_RUNS": str(tmp_path / "runs")},
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        shown.append(done.stdout)
    assert "60 clips done, 0 failed" in shown[0]
    right, of = re.search(r"(\d+) of (\d+) clips whose gloss is known are right", shown[2]).groups()
    assert int(of) == 30
    assert int(right) >= 21
    assert re.search(r"1_Ahoj1\.mp4: Ahoj \d+%", shown[3])


@pytest.mark.parametrize("line", four_commands())
def test_the_four_commands_parse(line):
    from signlib.cli.parser import parser

    parser().parse_args(shlex.split(line)[3:])


def python_examples() -> list[str]:
    """The blocks of Python, in order."""
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_examples_in_python_run(tmp_path, monkeypatch):
    """For three tasks, on smoke presets; what they print is compared."""
    from signlib.corpora.clips import load_actions, load_corpus
    from signlib.settings.base import DataSettings

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNLIB_RUNS", "runs")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
    small = {"glosses": 4, "signers": 4, "repetitions": 1, "longest": 4}
    for file, read, corpus in (
        ("clip", load_corpus, "generated"),
        ("sentence", load_corpus, "generated-sentences"),
        ("action", load_actions, "generated-actions"),
    ):
        source = read(DataSettings(corpus=corpus, **small))
        np.save(f"{file}.npy", source.read(source.labelled["clip"].iloc[0]))
    examples = "\n".join(python_examples())
    assert all(preset in examples for preset in ("landmarks/", "sentences/", "ntu60/"))
    parsed = doctest.DocTestParser().get_doctest(examples, {}, "README.md", "README.md", 0)
    said: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.DocTestRunner(optionflags=flags).run(parsed, out=said.append)
    assert found.attempted > 8
    assert found.failed == 0, "".join(said)
