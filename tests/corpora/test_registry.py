"""The rows of the registry, and a corpus that somebody brings along."""

import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from signlib import paths
from signlib.__main__ import main
from signlib.corpora.clips import corpus_root, load_actions, load_corpus, load_manifest
from signlib.corpora.corpus import OF_SOME, Corpus
from signlib.corpora.gallery import clip_frames, clip_strip
from signlib.corpora.registry import (
    CORPORA,
    check_read,
    corpus_in,
    corpus_of,
    manifest_of,
    register,
)
from signlib.corpora.splits import split_clips
from signlib.data.manifest import complete
from signlib.data.skeletons import HANDS_42, skeleton
from signlib.errors import InputError, ManifestError, SettingsError
from signlib.settings.base import DataSettings
from signlib.stores.store import Extraction, LoadedClips
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.layouts import write_autsl, write_wlasl

WITHOUT_CARD = {"store", "folder", "dgs-30", "asl-letters", "asl-words"}
"""`docs/corpora.md` says of these what they are."""


@pytest.mark.parametrize("name", CORPORA)
def test_every_row_says_what_others_ask(name):
    corpus = corpus_of(name)
    assert corpus.name == name
    assert corpus.kind in ("video", "landmarks", "skeletons")
    assert skeleton(corpus.skeleton).name == corpus.skeleton
    assert corpus.glosses is None or corpus.glosses > 1
    assert corpus.licence
    assert corpus.open == corpus.generated, "predictions of people are not published"
    assert bool(corpus.split_types) == (corpus.kind == "skeletons")
    documents = paths.REPOSITORY / "docs"
    if name in WITHOUT_CARD:
        assert not corpus.card
        assert f"`{name}`" in (documents / "corpora.md").read_text(encoding="utf-8")
    else:
        assert (documents / "cards" / corpus.card).is_file()


def test_every_corpus_of_single_signs_can_be_stitched():
    words, sentences = corpus_of("asl-words"), corpus_of("stitched-asl-words")
    assert sentences.name == "stitched-asl-words"
    assert sentences.sentences
    assert not words.sentences
    for fact in ("licence", "card", "folder", "skeleton"):
        assert getattr(sentences, fact) == getattr(words, fact)
    assert (words.glosses, sentences.glosses) == (32, 31), "what is no sign is in no sentence"
    assert not corpus_of("stitched-generated").open
    with pytest.raises(SettingsError, match="'nowhere' is unknown"):
        corpus_of("stitched-nowhere")
    with pytest.raises(SettingsError, match=r"data\.corpus=autsl has no landmarks yet"):
        load_corpus(DataSettings(corpus="stitched-autsl"))
    with pytest.raises(SettingsError, match=r"data\.corpus=ntu60 holds whole bodies"):
        load_corpus(DataSettings(corpus="stitched-ntu60"))


def test_a_folder_holds_a_store_or_the_usual_corpus(tmp_path):
    assert corpus_in(tmp_path, "autsl") == "autsl"
    assert corpus_in(tmp_path, "stitched-asl-words") == "stitched-asl-words"
    assert corpus_in(tmp_path, "generated") == "store", "nothing of it lies in a folder"
    (tmp_path / "extraction.json").write_text("{}")
    assert corpus_in(tmp_path, "autsl") == "store"


def test_an_unknown_name_lists_all_that_are_known():
    with pytest.raises(SettingsError) as refused:
        corpus_of(DataSettings(corpus="autls"))
    assert str(refused.value) == (
        "data.corpus='autls' is unknown; choose from generated, generated-sentences, store, dgs-30,"
        " asl-letters, asl-words, wlasl-50, autsl, wlasl, phoenix-2014, phoenix-2014-si5, ntu60,"
        " folder, generated-actions, nw-ucla"
    )


def test_official_counts_are_known_without_files():
    assert sum(corpus_of("autsl").split_counts.values()) == 36_302
    assert corpus_of("autsl").glosses == 226


def test_true_values_are_those_of_generated_corpora():
    for name in CORPORA:
        corpus, settings = corpus_of(name), DataSettings(corpus=name, glosses=4, signers=4)
        if corpus.generated:
            assert len(corpus.world(settings).manifest)
        else:
            with pytest.raises(SettingsError, match=f"{name} is not generated"):
                corpus.world(settings)


@pytest.fixture
def layouts(tmp_path):
    world = GeneratedCorpus(2, 3, 1)
    write_autsl(world, tmp_path / "autsl", size=32, progress=False)
    write_wlasl(world, tmp_path / "wlasl", size=32, progress=False)
    return tmp_path


def test_a_source_is_recognised_by_its_layout(layouts):
    for name in ("autsl", "wlasl"):
        table, root = manifest_of(layouts / name)
        assert root == layouts / name
        assert table.equals(load_manifest(DataSettings(corpus=name, root=str(root))))
    (listed,) = (layouts / "wlasl").glob("nslt_*.json")
    table, root = manifest_of(listed)
    assert root == layouts / "wlasl"
    assert table.equals(manifest_of(root)[0])
    film = next((layouts / "wlasl" / "videos").glob("*.mp4"))
    table, root = manifest_of(film)
    assert table[["clip", "file"]].to_numpy().tolist() == [[film.stem, film.name]]
    assert root == film.parent
    table, root = manifest_of(layouts / "wlasl" / "..")
    assert len(table) == len(list(layouts.rglob("*.mp4")))
    with pytest.raises(ManifestError, match=r"nowhere does not exist"):
        manifest_of(layouts / "nowhere")


def test_phoenix_is_recognised_in_both_editions(tmp_path):
    multisigner = "phoenix-2014-multisigner/annotations/manual/train.corpus.csv"
    si5 = "phoenix-2014-signerindependent-SI5/annotations/manual/train.SI5.corpus.csv"
    for clip, file in (("a", multisigner), ("b", si5)):
        path = tmp_path / "phoenix2014-release" / file
        path.parent.mkdir(parents=True)
        path.write_text(f"id|folder|signer|annotation\n{clip}|{clip}/1/*.png|Signer01|ICH  DU\n")
    release = tmp_path / "phoenix2014-release"
    one_out = release / "phoenix-2014-signerindependent-SI5"
    for source, clip, root in (
        (tmp_path, "a", release / "phoenix-2014-multisigner"),
        (release, "a", release / "phoenix-2014-multisigner"),
        (release / "phoenix-2014-multisigner", "a", release / "phoenix-2014-multisigner"),
        (one_out, "b", one_out),
    ):
        table, folder = manifest_of(source)
        assert folder == root
        row = table.iloc[0]
        assert (len(table), row["clip"], row["signer"]) == (1, clip, "Signer01")
        assert (row["glosses"], row["split"]) == ("ICH DU", "train")
        assert row["file"] == f"features/fullFrame-210x260px/train/{clip}/1"
    settings = DataSettings(corpus="phoenix-2014-si5", root=str(tmp_path))
    with pytest.raises(SettingsError) as refused:
        load_corpus(settings)
    assert f"`python -m signlib extract {one_out} --out STORE`" in str(refused.value)


@pytest.mark.parametrize(
    ("corpus", "list_there", "missing", "step"),
    [
        (
            "phoenix-2014-si5",
            "phoenix-2014-multisigner/annotations/manual/train.corpus.csv",
            "no train.SI5.corpus.csv",
            "data.split=signer data.test_signers=[Signer05]",
        ),
        (
            "phoenix-2014",
            "phoenix-2014-signerindependent-SI5/annotations/manual/train.SI5.corpus.csv",
            "no train.corpus.csv",
            "set data.corpus=phoenix-2014-si5",
        ),
    ],
)
def test_half_a_download_of_phoenix_says_which_half_is_missing(
    tmp_path, corpus, list_there, missing, step
):
    path = tmp_path / list_there
    path.parent.mkdir(parents=True)
    path.write_text("id|folder|signer|annotation\na|a/1/*.png|Signer01|ICH  DU\n")
    with pytest.raises(SettingsError) as refused:
        load_corpus(DataSettings(corpus=corpus, root=str(tmp_path)))
    text = str(refused.value)
    assert missing in text
    assert step in text
    assert "extract " not in text.partition(" Put ")[0]
    assert len(text) - len(str(tmp_path)) < 400


class Toy(Corpus):
    """Two people, three glosses, hands that stand still; files named `*.toy`."""

    def clips(self, settings):
        names = [f"{gloss}_{signer}_{take}" for gloss in "ABC" for signer in "xy" for take in "12"]
        table = complete(
            pd.DataFrame(
                {
                    "clip": names,
                    "gloss": [name[0] for name in names],
                    "signer": [name[2] for name in names],
                    "split": ["train" if name[2] == "x" else "test" for name in names],
                }
            )
        )
        extraction = Extraction("toy", shape=(42, 3), skeleton=self.skeleton)
        return LoadedClips(table, lambda clip: np.full((5, 42, 3), 0.5, np.float32), extraction)

    def recognises(self, source: Path):
        return any(source.glob("*.toy"))

    def pictures(self, settings, row, frames, size):
        return {"colour": [np.zeros((size, size, 3), np.uint8) for _ in frames]}


@pytest.fixture
def toy():
    corpus = Toy(
        name="toy", kind="landmarks", licence="ours", folder="toys", skeleton=HANDS_42.name
    )
    register(corpus)
    yield corpus
    del CORPORA["toy"]


def test_a_name_that_is_taken_is_refused(toy):
    for name in ("toy", "autsl", "stitched-toy"):
        with pytest.raises(SettingsError, match=f"corpus '{name}' is there already"):
            register(Toy(name=name, kind="landmarks", licence="ours"))
    assert list(CORPORA)[-1] == "toy"


def test_a_corpus_from_outside_is_like_any_other(toy, tmp_path, monkeypatch):
    settings = DataSettings(corpus="toy")
    assert corpus_of(settings) is corpus_of("toy") is toy
    source = load_corpus(settings)
    assert source.skeleton is HANDS_42
    splits = split_clips(load_manifest(settings), settings)
    assert (len(splits.train), len(splits.test)) == (6, 6)
    row = next(source.labelled.itertuples())
    strip = clip_strip(settings, row, count=3, size=16)
    assert strip.frames == [0, 2, 4]
    assert {kind: len(pictures) for kind, pictures in strip.rows.items()} == {
        "colour": 3,
        "landmarks": 3,
    }
    assert (clip_frames(settings, source.labelled) == 5).all()
    monkeypatch.setenv("SIGNLIB_DATA", str(tmp_path))
    assert corpus_root(settings) == tmp_path / "toys"
    (tmp_path / "a.toy").touch()
    table, root = manifest_of(tmp_path)
    assert table.equals(source.labelled)
    assert root == tmp_path
    with pytest.raises(SettingsError, match=r"toy has no actions of whole bodies.*ntu60, gen"):
        load_actions(settings)
    with pytest.raises(SettingsError, match=r"is unknown; choose from .*, nw-ucla, toy$"):
        corpus_of("joy")


def test_without_the_fixture_the_toy_is_gone():
    assert "toy" not in CORPORA


def reads(corpus, tmp_path):
    """The settings at which code of `corpora/` looks before it has clips, or misses their files."""
    looked_at = set()

    class Noting(DataSettings):
        def __getattribute__(self, name):
            if sys._getframe(1).f_globals.get("__name__", "").startswith("signlib.corpora"):
                looked_at.add(name)
            return object.__getattribute__(self, name)

    settings = Noting(corpus=corpus.name, root=str(tmp_path), glosses=3, signers=3, repetitions=2)
    settings.sentences, settings.longest = 3, 2
    with suppress(InputError):
        corpus.manifest(settings)
    with suppress(InputError):
        corpus.clips(settings)
    return looked_at & set(OF_SOME)


@pytest.mark.parametrize("name", [*CORPORA, "stitched-generated", "stitched-store"])
def test_each_corpus_says_which_settings_it_reads(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    corpus = corpus_of(name)
    declared = set(OF_SOME) - set(corpus.unread)
    looked_at = reads(corpus, tmp_path)
    assert looked_at <= declared
    if corpus.generated or name == "stitched-generated":
        assert looked_at == declared
    assert ("annotations" in declared) == (name == "wlasl")


@pytest.mark.parametrize(
    ("corpus", "setting", "readers"),
    [
        ("store", {"glosses": 5}, "generated, generated-sentences, generated-actions"),
        ("wlasl", {"split_type": "xsub"}, "ntu60, generated-actions, nw-ucla"),
        ("generated", {"root": "films"}, "store, dgs-30"),
        ("store", {"cut": True}, "autsl, wlasl, phoenix-2014, phoenix-2014-si5, folder"),
        ("generated", {"annotations": "nslt_300.json"}, "wlasl"),
        ("generated-sentences", {"sentences": 9}, "stitched-NAME"),
        ("stitched-store", {"hardness": 2.0}, "generated, "),
    ],
)
def test_settings_that_the_corpus_does_not_read_are_refused_by_name(corpus, setting, readers):
    settings = DataSettings(corpus=corpus, **setting)
    ((name, value),) = setting.items()
    with pytest.raises(SettingsError) as refused:
        check_read(settings, ["training.epochs", f"data.{name}"])
    assert f"data.{name}={value} is not read by data.corpus={corpus}, only by {readers}" in str(
        refused.value
    )
    assert len(str(refused.value)) < 500
    # A preset's word is no request, nor is the default.
    check_read(settings, ["training.epochs"])
    check_read(DataSettings(corpus=corpus), [f"data.{name}"])


def test_a_corpus_from_outside_reads_what_it_names(toy):
    unread = corpus_of("toy").unread
    assert "root" not in unread
    assert {"glosses", "split_type", "annotations"} <= set(unread)
    with pytest.raises(SettingsError, match=r"data\.seed=3 is not read by data\.corpus=toy"):
        check_read(DataSettings(corpus="toy", seed=3), ["data.seed"])


@pytest.mark.parametrize("verb", ["train", "sweep"])
def test_the_command_line_refuses_them_before_it_trains(verb, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    call = [verb, "landmarks/small", "--mode", "smoke", "--set", "data.annotations=x.json"]
    assert main(call) == 2
    assert "data.annotations=x.json is not read by data.corpus=generated" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
