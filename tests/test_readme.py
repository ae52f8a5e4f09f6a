"""What the README tells a person to type, typed."""

import doctest
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

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


def words_of(command: str) -> list[str]:
    """What comes after `python -m signlib`."""
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "signlib"]
    return words[3:]


@pytest.fixture
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIGNLIB_RUNS", raising=False)
    # The nearest folder with `runs/` is this one.
    Path("runs").mkdir()
    Path("stores").mkdir()


def type_the_four_commands(videos, store, signs: int, fewest: int) -> None:
    """Word for word. Signs seen once from the front are recognised from the side."""
    shutil.copytree(videos, "my_signs")
    shutil.copyfile(videos / "1_Ahoj1.mp4", "my_signs/clip.mp4")
    Path("stores/my_signs").symlink_to(store.path)
    printed = []
    for command in four_commands():
        call = [sys.executable, "-m", "signlib", *words_of(command)]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        printed.append(done.stdout)
    assert len(printed) == 4
    assert f"{2 * signs} clips done, 0 failed" in printed[0]
    right, of = re.search(
        r"(\d+) of (\d+) clips whose gloss is known are right", printed[2]
    ).groups()
    assert int(of) == signs
    assert int(right) >= fewest
    assert re.search(r"my_signs/clip\.mp4: Ahoj \d+%", printed[3])


@pytest.mark.usefixtures("_in_an_empty_folder")
def test_a_person_with_a_folder_and_a_manifest_needs_four_commands(slovak):
    type_the_four_commands(*slovak, signs=10, fewest=8)


@pytest.mark.slow  # the landmarks of 60 films take two minutes of two cores
@pytest.mark.usefixtures("_in_an_empty_folder")
def test_thirty_signs_are_recognised_from_the_side(whole_slovak):
    """One nearest neighbour reaches 60 %."""
    type_the_four_commands(*whole_slovak, signs=30, fewest=21)


@pytest.mark.usefixtures("_in_an_empty_folder")
def test_so_does_one_with_sub_folders(slovak, portrait_film, capsys):
    """No manifest: of two clips of a sign one is held out. The lines are the same ones."""
    from signlib.__main__ import main
    from signlib.corpora.folder import read_folder
    from signlib.stores.writer import StoreWriter

    videos, from_films = slovak
    for gloss in ("Ahoj", "Ano"):
        (folder := Path("my_signs", gloss)).mkdir(parents=True)
        for view in ("", "1"):
            shutil.copyfile(videos / f"1_{gloss}{view}.mp4", folder / f"1_{gloss}{view}.mp4")
    # The shortest film there is; the other test takes a real one.
    shutil.copyfile(portrait_film, "my_signs/clip.mp4")
    # Their landmarks are there already, as `extract` has made them.
    table = read_folder("my_signs")
    with StoreWriter("stores/my_signs", from_films.extraction, table) as writer:
        for row in table.itertuples():
            writer.add(row.clip, *from_films.stored(Path(row.file).stem))
        writer.finish()
    shown = []
    for command in four_commands():
        assert main(words_of(command)) == 0
        shown.append(capsys.readouterr().out)
    assert "4 clips done, 0 failed" in shown[0]
    assert "no clip of stores/my_signs has a split, so data.split=holdout is taken" in shown[1]
    assert re.search(r"top-1 .* \(test, n = 2\)", shown[1])
    assert re.search(r"\d of 2 clips whose gloss is known are right", shown[2])
    assert re.search(r"my_signs/clip\.mp4: \w+ \d+%", shown[3])
    # Without --split the line says who trained.
    assert main(words_of(four_commands()[2])[:3]) == 0
    assert "2 of 4 clips of the store trained this run" in capsys.readouterr().out


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
