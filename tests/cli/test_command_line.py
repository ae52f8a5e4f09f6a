"""The command line: every verb explains itself, and a bad input is one line and exit code 2."""

import io
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import signlib
from signlib import paths
from signlib.__main__ import main
from signlib.cli.parser import parser, verbs
from signlib.cli.verbs import COMMANDS
from signlib.settings.registry import all_presets, all_sweeps


def notebooks() -> list[str]:
    """The names of the course's notebooks."""
    return [path.stem for path in paths.notebooks_root().glob("[0-9]*.ipynb")]


def first_words(value: str | list[str]) -> str:
    """The name of a test that takes arguments and what is said of them."""
    return " ".join(value[:3]) if isinstance(value, list) else ""


def refused(capsys, *arguments) -> str:
    """The one line on stderr of a call that must end with exit code 2."""
    assert main([str(a) for a in arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error, error
    assert "Traceback" not in error
    return error


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_help_has_an_example(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    assert re.search(rf"example: python -m signlib {verb} \S", capsys.readouterr().out)


def test_without_a_verb_all_are_listed_in_a_line_each(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    width = max(map(len, COMMANDS))
    listed = [f"    {name:{width}}  {verb.text}" for name, verb in verbs().items()]
    start = lines.index(listed[0])
    assert lines[start : start + len(listed) + 1] == [*listed, ""]
    assert set(verbs()) == set(COMMANDS)


def test_the_version_is_the_package_s(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"signlib {signlib.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["trian"], "did you mean train?"),
        (["--debug", "Model"], "did you mean models?"),
        (["train", "landmark/smal"], "did you mean landmarks/small"),
        (["train", "hierarchical"], "did you mean phoenix/hierarchical or "),
        (["sweep", "generatd"], "did you mean generated"),
        (["run", "12_skeleton"], "did you mean 12_skeleton_encoder?"),
    ],
    ids=first_words,
)
def test_an_unknown_name_is_answered_with_the_nearest(arguments, answer, capsys):
    assert answer in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("arguments", "names", "lister"),
    [
        (["qqq"], list(COMMANDS), "`python -m signlib --help` lists all"),
        (["train", "qqq"], list(all_presets()), "`python -m signlib models` lists all"),
        (["train", "/"], list(all_presets()), "did you mean"),
        (["sweep", "qqq"], [*all_sweeps(), *all_presets()], "sweep --help` lists all"),
        (["run", "qqq"], notebooks(), "lists all"),
    ],
    ids=first_words,
)
def test_a_name_like_no_other_is_answered_with_ten(arguments, names, lister, capsys):
    error = refused(capsys, *arguments)
    assert lister in error
    said = re.split(r"[ ,?]+", error.partition("; ")[2])
    assert sum(word in names for word in said) == 10


@pytest.mark.parametrize("verb", ["train", "extract"])
def test_flags_of_the_sources_have_a_help_of_their_own(verb, capsys):
    flags = [
        name for group in verbs()[verb].of_sources.values() for names, _ in group for name in names
    ]
    pages = []
    for question in ("--help", "--help-sources"):
        with pytest.raises(SystemExit) as end:
            main([verb, question])
        assert end.value.code == 0
        pages.append(re.findall(r"--[\w-]+", capsys.readouterr().out))
    assert len(flags) > 9
    assert not set(flags) & set(pages[0])
    assert set(flags) <= set(pages[1])
    assert "--help-sources" in pages[0]


def test_set_takes_several_values_and_may_be_repeated():
    options = parser().parse_args("train --set a=1 b=2 --set c=3".split())
    assert options.overrides == ["a=1", "b=2", "c=3"]


def test_models_lists_every_preset_untruncated(capsys):
    assert main(["models", "--format", "csv"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    # Classifiers on frozen features stand there once more for other sizes of a feature.
    assert [name for name in table["preset"] if "-D" not in name] == list(all_presets())
    assert "wlasl/concat, 2,048-D" in set(table["preset"])
    assert table.set_index("preset").loc["landmarks/original", "encoder"] == 10_802_304
    named = table["preset"].str.partition(", ")[0]
    assert table["about"].tolist() == [all_presets()[name][1].question for name in named]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["train", "landmarks/smal"], ["landmarks/smal", "landmarks/small"]),
        (["train", "--set", "model.widht=3"], ["model.widht", "model.width"]),
        (["train", "--set", "training.epochs=x"], ["training.epochs", "'x'", "int"]),
        (["train", "--corpus", "phoenix-2041"], ["phoenix-2041", "generated", "dgs-30"]),
        (["train", "--data-root", "nowhere"], ["nowhere", "extract"]),
        (["predict", "nowhere", "clip.mp4"], ["nowhere", "train"]),
        (["publish", "nowhere"], ["nowhere"]),
        (["extract", "nowhere", "--out", "store"], ["nowhere", "folder of videos"]),
        (["extract", ".", "--out", "store", "--shard", "3/2"], ["3/2", "1/4"]),
        (["extract", ".", "--out", "store", "--set", "trakcing=false"], ["trakcing", "tracking"]),
        (
            ["extract", ".", "--out", "store", "--set", "model_complexity=2"],
            ["model_complexity=2", "1"],
        ),
        (["extract", ".", "--out", "store", "--merge"], ["shards", "--merge"]),
        (["run", "nowhere"], ["nowhere", "ls"]),
    ],
    ids=first_words,
)
def test_a_bad_argument_is_one_line_that_names_value_and_remedy(
    arguments, parts, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    error = refused(capsys, *arguments)
    for part in parts:
        assert part in error


def test_a_bad_manifest_is_named_with_its_file(capsys, tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for text, part in [
        ("clip,file\n", "no rows"),
        ("file\na.mp4\n", "no column 'clip'"),
        ("clip,file\na,a.mp4\na,b.mp4\n", "twice"),
        ("clip,file\n../a,a.mp4\n", "plain name"),
        ("clip,file\na,/etc/passwd\n", "leaves its root"),
        ("clip,file\na,../a.mp4\n", "leaves its root"),
    ]:
        (corpus / "manifest.csv").write_text(text)
        assert part in refused(capsys, "extract", corpus, "--out", tmp_path / "store")
        assert not (tmp_path / "store").exists()


def test_broken_landmark_files_are_rows_of_the_report(capsys, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    rng = np.random.default_rng(0)
    np.save(folder / "good.npy", rng.random((5, 543, 4), np.float32))
    np.save(folder / "nothing.npy", np.full((5, 543, 4), np.nan, np.float32))
    np.save(folder / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert main(["extract", str(folder), "--out", str(tmp_path / "store")]) == 3
    shown = capsys.readouterr().out
    assert "1 clips done, 2 failed" in shown
    assert "exit status 3, because 2 failed" in shown
    assert "--retry-failed" in shown
    assert re.search(r"failed: nothing: .*NaN", shown)
    assert re.search(r"failed: pickled: .*pickled objects", shown)


def test_debug_shows_the_traceback(tmp_path):
    call = [sys.executable, "-m", "signlib", "predict", str(tmp_path), "x.mp4"]
    plain = subprocess.run(call, capture_output=True, text=True, check=False)
    deep = subprocess.run([*call, "--debug"], capture_output=True, text=True, check=False)
    assert plain.returncode == 2
    assert plain.stderr.count("\n") == 1
    assert deep.returncode == 1
    assert "Traceback" in deep.stderr


def test_a_store_without_any_clip_is_no_success(tmp_path, capsys):
    (tmp_path / "torn.mp4").write_bytes(b"no film")
    command = [
        "extract",
        str(tmp_path / "torn.mp4"),
        "--out",
        str(tmp_path / "s"),
        "--extractor",
        "pictures",
    ]
    assert main([*command, "--set", "frames=2", "size=32"]) == 2
    assert "failed: torn" in capsys.readouterr().out


def test_train_then_predict_then_refuse_to_publish_a_smoke_run(capsys, tmp_path):
    """The whole way on generated clips, through the verbs that a person types."""
    from signlib.extraction.exchange import write_npy
    from signlib.synthesis.clips import GeneratedCorpus

    small = "training.epochs=1 data.glosses=6 data.signers=3 data.repetitions=1".split()
    small.append("training.threads=1")
    assert (
        main(["train", "landmarks/small", "--mode", "smoke", "--run-name", "r", "--set", *small])
        == 0
    )
    shown = capsys.readouterr().out
    assert "top-1" in shown
    assert "training.epochs = 1" in shown
    assert "smoke run" in shown
    run = tmp_path / "runs" / "landmarks-small" / "r"
    world = GeneratedCorpus(6, 3, 1)
    clip = tmp_path / "mine.npy"
    write_npy(clip, world.clip(world.manifest["clip"].iloc[-1]))
    assert (
        main(
            [
                "predict",
                str(run),
                str(clip),
                str(tmp_path / "gone.npy"),
                "--out",
                str(tmp_path / "p.csv"),
            ]
        )
        == 0
    )
    shown = capsys.readouterr()
    assert re.search(r"mine\.npy: \S+ \d+%, ", shown.out)
    assert "not usable" in shown.out
    assert "generated clips" in shown.err
    table = pd.read_csv(tmp_path / "p.csv")
    assert table["rank"].tolist() == [1, 2, 3, 4, 5]
    assert table["confidence"].is_monotonic_decreasing
    assert main(["predict", str(run), str(tmp_path / "gone.npy")]) == 2
    capsys.readouterr()
    assert "smoke run" in refused(capsys, "publish", run)
