"""Who trains, validates and tests: the same folds everywhere, and what may leak is said."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedKFold

from signlib.corpora.clips import load_corpus
from signlib.corpora.splits import split_clips, split_sentences
from signlib.data.manifest import complete
from signlib.errors import ManifestError, SettingsError
from signlib.settings import presets
from signlib.settings.base import DataSettings


def corpus(clips=20, glosses=2, signers=4, **columns):
    """`clips` clips of each gloss, signers in turn."""
    n = clips * glosses
    made = {
        "clip": [f"c{i:03d}" for i in range(n)],
        "gloss": [f"G{i % glosses}" for i in range(n)],
        "signer": [f"s{(i // glosses) % signers}" for i in range(n)],
        **columns,
    }
    return complete(pd.DataFrame(made))


def ids(part):
    return part["clip"].tolist()


def check_disjoint(splits, table):
    parts = [set(ids(splits.train)), set(ids(splits.val)), set(ids(splits.test))]
    assert sum(map(len, parts)) == len(set().union(*parts))
    assert set().union(*parts) <= set(table["clip"])


def test_folds_of_dgs_30_are_scikit_learns(real_data):
    real_data("dgs-30")
    table = load_corpus(DataSettings(corpus="dgs-30")).labelled
    arrays = np.load(real_data("dgs-30") / "clips.npz")
    glosses, clips = arrays["gloss"], arrays["clip"]
    assert table["clip"].tolist() == clips.tolist()
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for fold, (train, test) in enumerate(folds.split(np.zeros(len(glosses)), glosses)):
        splits = split_clips(
            table, presets.build("dgs-30/small", overrides=[f"data.fold={fold}"]).data
        )
        assert ids(splits.test) == clips[test].tolist()
        assert ids(splits.train) == clips[train].tolist()
        assert splits.val.empty
        assert splits.test["gloss"].nunique() == 30
        assert f"fold {fold} of 5, stratified by gloss" in splits.notes
        assert "signers unknown: the split may leak signers" in splits.notes


def test_splits_are_one_manifest_again():
    table = corpus()
    splits = split_clips(table, DataSettings(split="folds", validation=0.25))
    whole = splits.table
    assert sorted(whole["clip"]) == sorted(table["clip"])
    for name in ("train", "val", "test"):
        assert ids(whole[whole["split"] == name]) == ids(getattr(splits, name)) != []


def test_the_official_test_of_the_letters_is_the_other_signer(real_data):
    real_data("asl-words-letters")
    splits = split_clips(
        load_corpus(DataSettings(corpus="asl-letters")).labelled, DataSettings(corpus="asl-letters")
    )
    assert (len(splits.train), len(splits.val), len(splits.test)) == (1950, 0, 480)
    assert set(splits.train["signer"]) == {"signer1"}
    assert set(splits.test["signer"]) == {"signer2"}
    assert splits.notes == ["the manifest's split"]


@pytest.mark.parametrize("seed", [0, 7])
def test_every_clip_is_tested_in_exactly_one_fold(seed):
    table = corpus(23, 3)
    tested = []
    for fold in range(4):
        splits = split_clips(table, DataSettings(split="folds", folds=4, fold=fold, fold_seed=seed))
        check_disjoint(splits, table)
        assert len(splits.train) + len(splits.test) == len(table)
        tested += ids(splits.test)
    assert sorted(tested) == ids(table)
    other = split_clips(table, DataSettings(split="folds", folds=4, fold=3, fold_seed=seed + 1))
    assert ids(other.test) != ids(splits.test)


def test_validation_comes_from_training_stratified_and_never_from_the_test():
    table = corpus(20, 5)
    without = split_clips(table, DataSettings(split="folds"))
    splits = split_clips(table, DataSettings(split="folds", validation=0.25))
    check_disjoint(splits, table)
    assert ids(splits.test) == ids(without.test)
    assert sorted(ids(splits.train) + ids(splits.val)) == sorted(ids(without.train))
    assert splits.val["gloss"].value_counts().to_dict() == {f"G{k}": 4 for k in range(5)}
    assert "25% of the training clips held out for validation by clip" in splits.notes
    again = split_clips(table, DataSettings(split="folds", validation=0.25))
    assert ids(again.val) == ids(splits.val)


def test_validation_by_signer_holds_out_whole_signers():
    table = corpus(20, 2, signers=5)
    splits = split_clips(
        table,
        DataSettings(split="signer", test_signers=["s0"], validation=0.25, validation_by="signer"),
    )
    check_disjoint(splits, table)
    assert set(splits.test["signer"]) == {"s0"}
    assert len(set(splits.val["signer"])) == 1
    assert len(set(splits.train["signer"])) == 3
    assert not set(splits.val["signer"]) & set(splits.train["signer"])
    assert not [note for note in splits.notes if "signers in training and test" in note]


def test_an_official_validation_split_is_taken_as_it_is():
    table = corpus(10, 2, split=(["train"] * 12 + ["val"] * 4 + ["test"] * 4))
    splits = split_clips(table, DataSettings(validation=0.5))
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [12, 4, 4]


def test_clips_without_a_split_are_left_out_and_said_so():
    table = corpus(10, 2, split=["train"] * 12 + [""] * 3 + ["test"] * 5)
    splits = split_clips(table, DataSettings())
    assert len(splits.train) + len(splits.test) == 17
    assert "3 clips have no split and are left out" in splits.notes


def test_leaking_signers_are_named_and_unknown_ones_mentioned():
    table = corpus(10, 2, signers=3, split=["train"] * 14 + ["test"] * 6)
    notes = split_clips(table, DataSettings()).notes
    assert "signers in training and test: s0, s1, s2" in notes
    assert not [note for note in notes if "unknown" in note]
    table.loc[0, "signer"] = ""
    notes = split_clips(table, DataSettings()).notes
    assert "signers unknown: the split may leak signers" in notes
    assert "signers in training and test: s0, s1, s2" in notes
    table["signer"] = ""
    assert split_clips(table, DataSettings()).notes == [
        "the manifest's split",
        "signers unknown: the split may leak signers",
    ]


def test_of_many_leaking_signers_the_rest_is_counted():
    table = corpus(20, 2, signers=7, split=["train"] * 26 + ["test"] * 14)
    assert (
        "signers in training and test: s0, s1, s2, s3, s4 and 2 more"
        in split_clips(table, DataSettings()).notes
    )


def test_a_validation_signer_that_is_also_tested_leaks_too():
    table = corpus(10, 1, signers=1, split=["train"] * 4 + ["val"] * 3 + ["test"] * 3)
    table["signer"] = ["a"] * 4 + ["b"] * 6
    assert "signers in training and test: b" in split_clips(table, DataSettings()).notes


@pytest.mark.parametrize(
    ("table", "settings", "words"),
    [
        (
            corpus(),
            DataSettings(),
            "the train split has no clips (train 0, validation 0, test 0 clips; split=official)",
        ),
        (
            corpus(10, 1, split=["train"] * 10),
            DataSettings(),
            "fill the manifest's column 'split', or set data.split",
        ),
        (
            corpus(10, 1, split=["train"] * 10),
            DataSettings(corpus="ntu60"),
            (
                "the test split has no clips (train 10, validation 0, test 0 clips;"
                " split=official): add the files that its official split takes for test, or choose"
                " another data.split_type"
            ),
        ),
        (
            corpus(10, 1, signers=1),
            DataSettings(split="signer", test_signers=["s0"]),
            "the train split has no clips",
        ),
        (corpus(4, 2), DataSettings(split="folds"), "data.folds=5: a gloss has only 4 clips"),
        (corpus(gloss=["G"] * 39 + [""]), DataSettings(split="folds"), "clip 'c039' has no gloss"),
        (
            corpus(4, 1, gloss=["A", "A", "B", "C"], split=["train", "train", "test", "test"]),
            DataSettings(),
            "2 glosses of the test split have no training clip (first 'B')",
        ),
        (
            corpus(4, 1, gloss=["A", "A", "B", "A"], split=["train", "train", "val", "test"]),
            DataSettings(),
            "1 glosses of the validation split have no training clip (first 'B')",
        ),
        (
            corpus(3, 1, gloss=["A", "B", "A"], split=["train", "train", "test"]),
            DataSettings(validation=0.5),
            "a gloss has only one training clip, so none can be held out; set data.validation=0",
        ),
        (
            corpus(10, 1, signers=2),
            DataSettings(
                split="signer", test_signers=["s1"], validation=0.2, validation_by="signer"
            ),
            "data.validation_by=signer needs two known training signers",
        ),
        (
            corpus(10, 1, signer=[""] * 10),
            DataSettings(split="folds", validation=0.2, validation_by="signer"),
            "needs two known training signers",
        ),
    ],
)
def test_a_split_that_cannot_be_made_says_why_and_what_to_do(table, settings, words):
    with pytest.raises(ManifestError) as refused:
        split_clips(table, settings)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        DataSettings(split="folds", folds=2, validation=0.1),
        DataSettings(split="signer", test_signers=["s0"], validation=0.9, validation_by="signer"),
    ],
    ids=["fewer clips than glosses", "no signer left"],
)
def test_a_share_that_cannot_be_held_out_is_an_error_one_can_act_on(settings):
    with pytest.raises(
        SettingsError,
        match=r"data\.validation=0\.[19] of \d+ training clips with \d+ glosses cannot",
    ):
        split_clips(corpus(4, 10, signers=3), settings)


def test_a_test_signer_that_is_not_there_lists_who_is():
    with pytest.raises(SettingsError, match="'anna' signs no clip; signers are s0, s1, s2, s3"):
        split_clips(corpus(), DataSettings(split="signer", test_signers=["s1", "anna"]))


def test_the_signers_named_are_tested_and_nobody_else():
    splits = split_clips(corpus(), DataSettings(split="signer", test_signers=["s1", "s3"]))
    assert set(splits.test["signer"]) == {"s1", "s3"}
    assert set(splits.train["signer"]) == {"s0", "s2"}
    assert "tested on signers s1, s3" in splits.notes


def test_the_glosses_kept_are_those_with_most_training_clips():
    # A has most clips, but C and B most training clips.
    glosses = ["A"] * 10 + ["B"] * 4 + ["C"] * 5
    parts = ["train"] * 2 + ["test"] * 8 + ["train"] * 3 + ["test"] + ["train"] * 4 + ["test"]
    table = corpus(19, 1, gloss=glosses, split=parts)
    splits = split_clips(table, DataSettings(limit_classes=2))
    assert set(splits.train["gloss"]) == set(splits.test["gloss"]) == {"B", "C"}
    one = split_clips(table, DataSettings(limit_classes=1))
    assert set(one.train["gloss"]) == {"C"}
    assert len(split_clips(table, DataSettings(limit_classes=9)).train) == 9
    assert set(split_clips(table, DataSettings(fewest=3)).train["gloss"]) == {"B", "C"}
    assert set(split_clips(table, DataSettings(fewest=2, limit_classes=1)).train["gloss"]) == {"C"}
    with pytest.raises(ManifestError, match=r"data.fewest=5: no gloss has so many training clips"):
        split_clips(table, DataSettings(fewest=5))


def test_equal_glosses_are_kept_by_name_whatever_the_order():
    table = corpus(10, 4)
    for order in (table, table.iloc[::-1].reset_index(drop=True)):
        splits = split_clips(order, DataSettings(split="folds", limit_classes=2))
        assert set(splits.train["gloss"]) == {"G0", "G1"}


def test_the_generated_corpus_is_split_by_signer_and_open():
    settings = presets.build("landmarks/small", "smoke").data
    source = load_corpus(settings)
    splits = split_clips(source.labelled, settings)
    signers = [set(part["signer"]) for part in (splits.train, splits.val, splits.test)]
    assert all(signers)
    assert not signers[0] & signers[1] | signers[0] & signers[2] | signers[1] & signers[2]
    assert len(source.labelled) == settings.glosses * settings.signers * settings.repetitions
    points = source.read(source.labelled["clip"][0])
    assert points.shape[1:] == source.extraction.shape == (543, 4)
    assert len(source.skeleton) == 543
    assert (source.labelled["width"] > 0).all()


def sentences(count=20, **columns):
    """Sentences of two glosses, signers in turn, all of them of training but the last four."""
    made = {
        "clip": [f"c{i:03d}" for i in range(count)],
        "glosses": [f"G{i % 3} G{i % 2}" for i in range(count)],
        "signer": [f"s{i % 4}" for i in range(count)],
        "split": ["train"] * (count - 4) + ["test"] * 4,
        **columns,
    }
    return complete(pd.DataFrame(made))


@pytest.mark.parametrize(("by", "kind"), [("clip", ShuffleSplit), ("signer", GroupShuffleSplit)])
def test_sentences_are_held_out_as_scikit_learn_does(by, kind):
    settings = DataSettings(validation=0.25, validation_by=by, fold_seed=3)
    splits = split_sentences(sentences(), settings)
    train = sentences().iloc[:16]
    splitter = kind(1, test_size=0.25, random_state=3)
    fitting, held = next(splitter.split(train, groups=train["signer"] if by == "signer" else None))
    assert ids(splits.train) == train["clip"].iloc[fitting].tolist()
    assert ids(splits.val) == train["clip"].iloc[held].tolist()
    assert splits.notes[:2] == [
        "the manifest's split",
        f"25% of the training sentences held out by {by}",
    ]


def test_sentences_that_cannot_be_held_out_say_what_to_do():
    table = sentences(5)
    with pytest.raises(SettingsError, match=r"0\.5 of 1 training sentences cannot be held out"):
        split_sentences(table, DataSettings(validation=0.5))
    with pytest.raises(ManifestError, match="needs two known training signers"):
        split_sentences(table, DataSettings(validation=0.5, validation_by="signer"))
    with pytest.raises(ManifestError, match="the train split has no sentences"):
        split_sentences(sentences(4), DataSettings(validation=0.5))


def test_a_signer_who_is_not_there_is_named_with_those_who_are():
    with pytest.raises(SettingsError, match="'anna' signs no clip; signers are s0, s1, s2, s3"):
        split_sentences(sentences(), DataSettings(split="signer", test_signers=["anna"]))


def test_glosses_that_differ_only_in_case_are_asked_about():
    table = corpus(gloss=["HELLO", "hello"] * 20, split=["train", "train", "test", "test"] * 10)
    assert any(
        "'HELLO' and 'hello'; write" in note for note in split_clips(table, DataSettings()).notes
    )
