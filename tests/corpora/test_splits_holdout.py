"""Clips that nobody has divided: a share is held out, and who only trains is said."""

from dataclasses import replace

import pandas as pd
import pytest

from signlib.corpora.corpus import Corpus
from signlib.corpora.registry import CORPORA
from signlib.corpora.splits import settled, split_clips, split_sentences
from signlib.data.manifest import complete
from signlib.errors import ManifestError, SettingsError
from signlib.settings.base import PERSONAL, DataSettings
from signlib.stores.store import Extraction
from signlib.stores.writer import write_store

HOLDOUT = DataSettings(split="holdout")


def table_of(rows, **columns):
    """A manifest of (gloss, signer), one row each."""
    clips = [f"c{k:02d}" for k in range(len(rows))]
    glosses, signers = zip(*rows, strict=True)
    return complete(pd.DataFrame({"clip": clips, "gloss": glosses, "signer": signers, **columns}))


def counts(part):
    return part["gloss"].value_counts().to_dict()


def test_each_gloss_with_two_clips_gives_a_share_and_the_others_only_train():
    # 2, 3, 10 and 1 clips: a fifth is 0.4, 0.6, 2 and nothing.
    table = table_of([("A", "")] * 2 + [("B", "")] * 3 + [("C", "")] * 10 + [("D", "")])
    splits = split_clips(table, HOLDOUT)
    assert counts(splits.test) == {"A": 1, "B": 1, "C": 2}
    assert counts(splits.train) == {"A": 1, "B": 2, "C": 8, "D": 1}
    assert splits.val.empty
    assert splits.notes == [
        "no clip has a split: 20% of each gloss's clips, at least one of two, test"
        " (data.split=holdout)",
        "1 of 4 glosses only train: they have one clip",
        "signers unknown: the split may leak signers",
    ]
    half = split_clips(table, DataSettings(split="holdout", holdout=0.9))
    # Never all of them.
    assert counts(half.test) == {"A": 1, "B": 2, "C": 9}


def test_the_choice_is_the_seed_s_and_not_the_order_s():
    table = table_of([("A", ""), ("B", "")] * 10)
    first = split_clips(table, HOLDOUT)
    backwards = split_clips(table.iloc[::-1].reset_index(drop=True), HOLDOUT)
    assert set(first.test["clip"]) == set(backwards.test["clip"])
    other = split_clips(table, DataSettings(split="holdout", fold_seed=1))
    assert set(first.test["clip"]) != set(other.test["clip"])
    # Clips of another gloss change nothing for these.
    more = table_of([("A", ""), ("B", "")] * 10 + [("C", "")] * 5)
    rest = split_clips(more, HOLDOUT).test
    assert set(rest.loc[rest["gloss"] != "C", "clip"]) == set(first.test["clip"])


def test_signers_are_apart_where_every_tested_gloss_keeps_a_clip():
    # anna alone signs C, so she has to train; of the others one is a third of the clips.
    rows = [(gloss, signer) for signer in ("anna", "bea", "cem") for gloss in "AB"]
    splits = split_clips(table_of([*rows, ("C", "anna")]), HOLDOUT)
    (tested,) = set(splits.test["signer"])
    assert tested in ("bea", "cem")
    assert len(splits.test) == 2
    assert tested not in set(splits.train["signer"])
    assert splits.notes == [
        f"no clip has a split: signers {tested} (29% of the clips) test (data.split=holdout)",
        "1 of 3 glosses only train: no test signer signs them",
    ]


def test_as_many_signers_test_as_come_nearest_to_the_share():
    # Ten signers of one clip a gloss each: a fifth of them.
    rows = [(gloss, f"s{signer}") for signer in range(10) for gloss in "AB"]
    splits = split_clips(table_of(rows), HOLDOUT)
    assert splits.test["signer"].nunique() == 2
    assert counts(splits.test) == {"A": 2, "B": 2}
    # One signer has most clips and would leave little to train on.
    rows = [("A", "much")] * 8 + [("A", "little")] * 2
    assert set(split_clips(table_of(rows), HOLDOUT).test["signer"]) == {"little"}


@pytest.mark.parametrize(
    "rows",
    [
        [("A", "anna"), ("A", "anna"), ("B", "bea"), ("B", "bea")],
        [("A", "anna"), ("A", "bea"), ("A", "")],
        [("A", "anna"), ("A", "anna")],
    ],
    ids=["each gloss has one signer", "a signer is unknown", "there is one signer"],
)
def test_else_clips_are_held_out_and_the_signers_named(rows):
    splits = split_clips(table_of(rows), HOLDOUT)
    assert len(splits.test) == len({gloss for gloss, _ in rows})
    said = "; ".join(splits.notes)
    assert "of each gloss's clips" in said
    assert "signers in training and test" in said or "may leak signers" in said


def test_where_no_gloss_has_two_clips_nothing_is_tested_and_it_says_so():
    settings = DataSettings(split="holdout", validation=0.3)
    splits = split_clips(table_of([("A", ""), ("B", "")]), settings)
    assert (len(splits.train), len(splits.val), len(splits.test)) == (2, 0, 0)
    assert splits.untested == "no gloss has two clips, so all clips train and nothing is tested"
    assert splits.notes == [
        splits.untested,
        "no gloss has two clips to train on, so none validates and nothing is selected",
    ]


@pytest.mark.parametrize("by", ["clip", "signer"])
def test_validation_is_taken_from_glosses_with_enough_clips(by):
    settings = DataSettings(split="holdout", validation=0.3, validation_by=by)
    # A keeps one clip, which must train; B keeps four.
    table = table_of([("A", "")] * 2 + [("B", "")] * 5)
    splits = split_clips(table, settings)
    assert counts(splits.train) == {"A": 1, "B": 3}
    assert counts(splits.val) == counts(splits.test.iloc[1:]) == {"B": 1}
    assert "30% of each gloss's clips, at least one of two, validate" in splits.notes


def test_validation_by_signer_keeps_whole_signers():
    rows = [(gloss, f"s{signer}") for signer in range(5) for gloss in "AB"]
    settings = DataSettings(split="holdout", validation=0.25, validation_by="signer")
    splits = split_clips(table_of(rows), settings)
    signers = [set(part["signer"]) for part in (splits.train, splits.val, splits.test)]
    assert [len(names) for names in signers] == [3, 1, 1]
    assert len(set().union(*signers)) == 5


def test_clips_with_a_split_can_be_divided_anew():
    rows = [("A", "")] * 4
    splits = split_clips(table_of(rows, split=["train", "train", "", "test"]), HOLDOUT)
    assert len(splits.train) + len(splits.test) == 4
    assert splits.notes[0].startswith("20% of each gloss's clips")


def sentences_of(*signers):
    rows = [("", signer) for signer in signers]
    return table_of(rows, glosses=[f"G{k % 2} G" for k in range(len(rows))])


def test_a_share_of_the_sentences_is_held_out_with_signers_apart_where_known():
    settings = DataSettings(split="holdout", validation=0.2)
    splits = split_sentences(sentences_of(*[""] * 10), settings)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [6, 2, 2]
    assert splits.notes[:2] == [
        "no clip has a split: 20% of the sentences, at least one of two, test (data.split=holdout)",
        "20% of the sentences, at least one of two, validate",
    ]
    splits = split_sentences(sentences_of("anna", "anna", "bea"), HOLDOUT)
    assert set(splits.test["signer"]) == {"bea"}
    assert "signers bea (33% of the sentences) test" in splits.notes[0]
    alone = split_sentences(sentences_of("anna"), HOLDOUT)
    assert len(alone.train) == 1
    assert alone.untested == "there is only one sentence, so all clips train and nothing is tested"


def test_only_a_person_s_own_manifest_without_any_split_is_held_out(tmp_path):
    personal = tuple(name for name, corpus in CORPORA.items() if corpus.personal)
    assert personal == PERSONAL == ("store", "folder")
    videos = tmp_path / "videos"
    for gloss in "AB":
        (videos / gloss).mkdir(parents=True)
        (videos / gloss / "x.mp4").touch()
    settings = DataSettings(corpus="folder", root=str(videos))
    assert settled(settings).split == "holdout"
    (videos / "manifest.csv").write_text("clip,file,gloss,split\na,A/x.mp4,A,\nb,B/x.mp4,B,train")
    assert settled(settings) == settings
    for odd in ({"holdout": 0.3}, {"fold_seed": 3}):
        (key,) = odd
        with pytest.raises(SettingsError, match=f"data.{key}=.* is not read, because the clips of"):
            settled(replace(settings, **odd))
    validated = replace(settings, fold_seed=3, validation=0.1)
    assert settled(validated) == validated
    folds = DataSettings(corpus="folder", root=str(videos), split="folds")
    assert settled(folds) == folds
    made = Extraction("test", shape=(1,))
    table = pd.DataFrame({"clip": ["a"], "gloss": ["A"]})
    write_store(tmp_path / "store", made, table, [("a", [[0.0]])])
    store = DataSettings(corpus="store", root=str(tmp_path / "store"))
    assert settled(store).split == "holdout"
    # Nobody opens what is not a person's own.
    assert settled(DataSettings(corpus="wlasl", root="nowhere")).split == "official"
    assert Corpus.personal is False


@pytest.mark.parametrize("corpus", ["ntu60", "store"])
def test_an_official_split_that_is_missing_keeps_its_error_which_names_holdout(corpus):
    table = table_of([("A", "")] * 3, split=["train"] * 3)
    with pytest.raises(ManifestError, match=r"set data.split=folds or data.split=holdout$"):
        split_clips(table, DataSettings(corpus=corpus))
    spoken = sentences_of("", "").assign(split="train")
    with pytest.raises(ManifestError, match=r"the test split has no sentences .*=holdout$"):
        split_sentences(spoken, DataSettings(corpus=corpus))
