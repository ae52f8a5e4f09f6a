"""Who trains, who validates and who tests, and what may leak between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    GroupShuffleSplit,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
)

from signlib.corpora.registry import corpus_of
from signlib.data.vocabulary import Vocabulary, alike_notes
from signlib.errors import ManifestError, SettingsError
from signlib.settings.base import DataSettings

# Signers that a note names; of more it says how many.
LISTED = 5


@dataclass
class Splits:
    """Which clips train, validate and test, and how they were chosen.

    Attributes:
        train, val, test: rows of the manifest; val may be empty.
        notes: how the split was made, who may leak.
    """

    train: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame
    notes: list[str]

    @property
    def table(self) -> pd.DataFrame:
        """All three as one manifest whose column `split` says which."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return pd.concat(
            [part.assign(split=name) for name, part in parts.items()], ignore_index=True
        )


def split_clips(table: pd.DataFrame, settings: DataSettings) -> Splits:
    """The splits of single signs or actions that the settings ask for.

    Validation comes from the training clips where the manifest has none; test glosses that were
    never trained are refused.

    Raises:
        ManifestError: for a split without clips, or with glosses that training lacks.
        SettingsError: for test signers that the corpus does not have.
    """
    if (table["gloss"] == "").any():
        lost = table.loc[table["gloss"] == "", "clip"].iloc[0]
        raise ManifestError(
            f"clip {lost!r} has no gloss; fill the column 'gloss' or name its sub-folder"
        )
    if settings.limit_classes or settings.fewest:
        table = table[table["gloss"].isin(_most_trained(table, settings))]
        if table.empty:
            raise ManifestError(
                f"data.fewest={settings.fewest}: no gloss has so many training clips; lower it"
            )
    divide = _fold if settings.split == "folds" else _official_or_signers
    splits = divide(table, settings)
    splits.notes += alike_notes(splits.table["gloss"])
    unused = len(table) - len(splits.train) - len(splits.val) - len(splits.test)
    if unused:
        splits.notes.append(f"{unused} clips have no split and are left out")
    _check_clips(splits, settings)
    if splits.val.empty and settings.validation:
        splits = _take_validation(splits, settings)
    for name, part in (("validation", splits.val), ("test", splits.test)):
        unknown = sorted(set(part["gloss"]) - set(splits.train["gloss"]))
        if unknown:
            raise ManifestError(
                f"{len(unknown)} glosses of the {name} split have no training clip (first"
                f" {unknown[0]!r}); drop them, or set data.limit_classes"
            )
    splits.notes += signer_notes(splits.train, splits.val, splits.test)
    return splits


def split_sentences(table: pd.DataFrame, settings: DataSettings) -> Splits:
    """The splits of sentences; glosses that training lacks are counted, not refused.

    Raises:
        ManifestError: for a split without sentences, or a sentence without glosses.
        SettingsError: for a split by folds, or test signers that the corpus does not have.
    """
    if (table["glosses"] == "").any():
        lost = table.loc[table["glosses"] == "", "clip"].iloc[0]
        raise ManifestError(f"clip {lost!r} has no glosses; fill the column 'glosses'")
    if settings.split == "folds":
        raise SettingsError(
            "data.split=folds cannot be stratified over sentences; take official or signer"
        )
    splits = _official_or_signers(table, settings)
    for name, part in (("train", splits.train), ("test", splits.test)):
        if part.empty:
            raise ManifestError(
                f"the {name} split has no sentences (split={settings.split}); fill the column"
                " 'split'"
            )
    if splits.val.empty and settings.validation:
        splits = _take_validation(splits, settings, of="sentences")
    trained = set(_signs(splits.train))
    splits.notes += alike_notes(trained)
    for name, part in (("validation", splits.val), ("test", splits.test)):
        unknown = [gloss for gloss in _signs(part) if gloss not in trained]
        if unknown:
            splits.notes.append(
                f"{len(set(unknown))} glosses of {name} ({len(unknown)} signs) are unknown to"
                " training: errors"
            )
    splits.notes += signer_notes(splits.train, splits.val, splits.test)
    return splits


def signer_notes(train: pd.DataFrame, val: pd.DataFrame, test: pd.DataFrame) -> list[str]:
    """What to say of signers beside every number: who also trained, and whether anybody can tell.

    Args:
        train, val, test: rows of the manifest.
    """
    notes = []
    shared = sorted((set(train["signer"]) | set(val["signer"])) & set(test["signer"]) - {""})
    if shared:
        more = f" and {len(shared) - LISTED} more" if len(shared) > LISTED else ""
        notes.append(f"signers in training and test: {', '.join(shared[:LISTED])}{more}")
    if any((part["signer"] == "").any() for part in (train, val, test)):
        notes.append("signers unknown: the split may leak signers")
    return notes


def class_numbers(rows: pd.DataFrame, clips: Sequence[str], vocabulary: Vocabulary) -> np.ndarray:
    """(N,) class numbers of clips, by the glosses of their rows in a manifest."""
    gloss = rows.set_index("clip")["gloss"]
    return np.asarray(vocabulary.encode(gloss.loc[list(clips)].tolist()))


def _signs(sentences: pd.DataFrame) -> list[str]:
    # The glosses of all sentences, one after the other.
    return [gloss for text in sentences["glosses"] for gloss in text.split()]


def _most_trained(table: pd.DataFrame, settings: DataSettings) -> list[str]:
    """The glosses with most training clips, and enough of them; equal ones by name.

    Test clips have no say.
    """
    if settings.split == "official":
        table = table[table["split"] == "train"]
    elif settings.split == "signer":
        table = table[~table["signer"].isin(settings.test_signers)]
    counts = table["gloss"].value_counts()
    enough = [gloss for gloss in counts.index if counts[gloss] >= settings.fewest]
    ranked = sorted(enough, key=lambda gloss: (-counts[gloss], gloss))
    return ranked[: settings.limit_classes or None]


def _official_or_signers(table: pd.DataFrame, settings: DataSettings) -> Splits:
    # The manifest's split, or the test signers against all others.
    if settings.split == "official":
        corpus_of(settings).split_type(settings)
        train, val, test = (table[table["split"] == name] for name in ("train", "val", "test"))
        return Splits(train, val, test, [corpus_of(settings).split_note(table)])
    lost = sorted(set(settings.test_signers) - set(table["signer"]))
    if lost:
        raise SettingsError(
            f"data.test_signers: {lost[0]!r} signs no clip; signers are"
            f" {', '.join(sorted(set(table['signer']) - {''})) or 'unknown: take data.split=folds'}"
        )
    held = table["signer"].isin(settings.test_signers)
    note = f"tested on signers {', '.join(settings.test_signers)}"
    return Splits(table[~held], table.iloc[:0], table[held], [note])


def _fold(table: pd.DataFrame, settings: DataSettings) -> Splits:
    # One of several folds as the test; all others train.
    fewest = table["gloss"].value_counts().min()
    if fewest < settings.folds:
        raise ManifestError(
            f"data.folds={settings.folds}: a gloss has only {fewest} clips; take fewer folds or"
            " drop rare glosses"
        )
    folds = StratifiedKFold(settings.folds, shuffle=True, random_state=settings.fold_seed)
    train, test = list(folds.split(table, table["gloss"]))[settings.fold]
    note = f"fold {settings.fold} of {settings.folds}, stratified by gloss"
    return Splits(table.iloc[train], table.iloc[:0], table.iloc[test], [note])


def _check_clips(splits: Splits, settings: DataSettings) -> None:
    # Refuse to train or test on nothing.
    for name, part in (("train", splits.train), ("test", splits.test)):
        if not part.empty:
            continue
        counts = (
            f"train {len(splits.train)}, validation {len(splits.val)}, test {len(splits.test)}"
            f" clips; split={settings.split}"
        )
        remedy = corpus_of(settings).split_remedy(name)
        raise ManifestError(
            f"the {name} split has no clips ({counts}): {remedy}, or set data.split=folds"
        )


def _take_validation(splits: Splits, settings: DataSettings, of: str = "clips") -> Splits:
    # The splits with a share of the training clips, or sentences, moved to validation.
    train, share, strata, groups = splits.train, settings.validation, None, None
    shuffle = {"n_splits": 1, "test_size": share, "random_state": settings.fold_seed}
    glosses = f" with {train['gloss'].nunique()} glosses" if of == "clips" else ""
    if settings.validation_by == "signer":
        if train["signer"].nunique() < 2 or (train["signer"] == "").any():
            raise ManifestError(
                "data.validation_by=signer needs two known training signers; use clip"
            )
        splitter, groups = GroupShuffleSplit(**shuffle), train["signer"]
    elif of == "sentences":
        # Hardly two sentences are equal, so there is nothing to stratify by.
        splitter = ShuffleSplit(**shuffle)
    else:
        fewest = train["gloss"].value_counts().min()
        if fewest < 2:
            raise ManifestError(
                f"data.validation={share}: a gloss has only one training clip, so none can be held"
                " out; set data.validation=0 (nothing is selected then)"
            )
        splitter, strata = StratifiedShuffleSplit(**shuffle), train["gloss"]
    try:
        fitting, held = next(splitter.split(train, strata, groups))
    except ValueError as error:
        raise SettingsError(
            f"data.validation={share} of {len(train)} training {of}{glosses} cannot be held out"
            f" ({error}); take another share"
        ) from None
    purpose = " for validation" if of == "clips" else ""
    note = f"{share:.0%} of the training {of} held out{purpose} by {settings.validation_by}"
    return Splits(train.iloc[fitting], train.iloc[held], splits.test, [*splits.notes, note])
