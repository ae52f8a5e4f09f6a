"""Who trains, who validates and who tests, and what may leak between them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

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
from signlib.errors import ManifestError, SettingsError, listed
from signlib.settings.base import DataSettings
from signlib.synthesis.seeding import generator

# Signers that a note names; of more it says how many.
LISTED = 5


@dataclass
class Splits:
    """Which clips train, validate and test, and how they were chosen.

    Attributes:
        train, val, test: rows of the manifest; val may be empty.
        notes: how the split was made, who may leak.
        untested: why nothing is tested, "" where something is.
    """

    train: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame
    notes: list[str]
    untested: str = ""

    @property
    def table(self) -> pd.DataFrame:
        """All three as one manifest whose column `split` says which."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return pd.concat(
            [part.assign(split=name) for name, part in parts.items()], ignore_index=True
        )


def settled(settings: DataSettings, table: pd.DataFrame | None = None) -> DataSettings:
    """The settings with the split that is taken: holdout, where a person's manifest names none.

    Args:
        settings: as they were given.
        table: the manifest, from somebody who has it already.

    Raises:
        InputError: for a manifest that is missing or damaged.
        SettingsError: for what only holdout reads, where the manifest names a split.
    """
    corpus = corpus_of(settings)
    if settings.split != "official" or not corpus.personal:
        return settings
    table = corpus.manifest(settings) if table is None else table
    if not (table["split"] != "").any():
        return replace(settings, split="holdout")
    for name in ("holdout",) if settings.validation else ("holdout", "fold_seed"):
        value, default = getattr(settings, name), getattr(DataSettings(), name)
        SettingsError.raise_if(
            value != default,
            f"data.{name}={value} is not read, because the clips of {settings.root} have a split;"
            f" leave it at its default, {default}, or set data.split=holdout",
        )
    return settings


def settled_before(settings: DataSettings, split: str) -> DataSettings:
    """The settings as `settled` gave them to a run whose split is `split`; looks at no clip."""
    held_out = (settings.split, split) == ("official", "holdout") and corpus_of(settings).personal
    return replace(settings, split=split) if held_out else settings


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
    splits = _WAYS[settings.split](table, settings)
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
            "data.split=folds cannot be stratified over sentences; take official, signer or holdout"
        )
    ways = _WAYS | {"holdout": partial(_holdout, of="sentences")}
    splits = ways[settings.split](table, settings)
    _check_clips(splits, settings, of="sentences")
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
        train, val, test: rows of the manifest; without a test nothing leaks.
    """
    notes: list[str] = []
    if test.empty:
        return notes
    shared = sorted((set(train["signer"]) | set(val["signer"])) & set(test["signer"]) - {""})
    if shared:
        notes.append(f"signers in training and test: {listed(shared, LISTED)}")
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


def _official(table: pd.DataFrame, settings: DataSettings) -> Splits:
    corpus_of(settings).split_type(settings)
    train, val, test = (table[table["split"] == name] for name in ("train", "val", "test"))
    return Splits(train, val, test, [corpus_of(settings).split_note(table)])


def _signers(table: pd.DataFrame, settings: DataSettings) -> Splits:
    # The test signers against all others.
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


def _holdout(table: pd.DataFrame, settings: DataSettings, of: str = "clips") -> Splits:
    # A share of each gloss's clips as the test; all others train.
    held, signers = _held_out(table, settings.holdout, settings.fold_seed, of, by_signer=True)
    train, test, nobody = table[~held], table[held], table.iloc[:0]
    if test.empty:
        untested = f"{_TOO_FEW[of]}, so all clips train and nothing is tested"
        return Splits(train, nobody, nobody, [untested], untested)
    reason = "no clip has a split: " if (table["split"] == "").all() else ""
    who = _who(settings.holdout, held, signers, of)
    notes = [f"{reason}{who} test (data.split=holdout)"]
    glosses, tested = train["gloss"].nunique(), test["gloss"].nunique()
    if of == "clips" and tested < glosses:
        why = "no test signer signs them" if signers else "they have one clip"
        notes.append(f"{glosses - tested} of {glosses} glosses only train: {why}")
    return Splits(train, nobody, test, notes)


def _held_out(
    table: pd.DataFrame, share: float, seed: int, of: str, by_signer: bool
) -> tuple[np.ndarray, list[str]]:
    """Which clips are held out; none where no gloss has two clips.

    Whole signers, if asked for and where that leaves each of their glosses another clip, and at
    least half of all; else a share of the clips of each gloss. Sentences count as of one gloss.

    Args:
        table: the clips.
        share: of them.
        seed: of the choice, which does not depend on the order of the clips.
        of: `clips` or `sentences`.
        by_signer: whole signers, where that can be.

    Returns:
        (N,) bool, and the signers; [] where they were not chosen by signer.
    """
    gloss = table["gloss"] if of == "clips" else pd.Series("", table.index)
    signers = _held_signers(gloss, table["signer"], share, seed) if by_signer else []
    if signers:
        return table["signer"].isin(signers).to_numpy(), signers
    held: list[str] = []
    for name, clips in table["clip"].groupby(gloss):
        if len(clips) > 1:
            count = int(np.clip(round(share * len(clips)), 1, len(clips) - 1))
            order = generator(seed, "held out", name).permutation(len(clips))
            held += np.sort(clips.to_numpy(str))[order[:count]].tolist()
    return table["clip"].isin(held).to_numpy(), []


def _held_signers(gloss: pd.Series, signer: pd.Series, share: float, seed: int) -> list[str]:
    # Those who together sign about that share of the clips, and no gloss alone; [] = nobody.
    if (signer == "").any():
        return []
    counts = pd.crosstab(gloss, signer)
    every, total = counts.sum(axis=1).to_numpy(), len(signer)

    def possible(names: list[str]) -> bool:
        theirs = counts[names].sum(axis=1).to_numpy()
        return bool((theirs < every).all() and 2 * theirs.sum() <= total)

    def distance(names: list[str]) -> float:
        return abs(float(counts[names].to_numpy().sum()) - share * total)

    columns = sorted(counts.columns)
    order = [columns[k] for k in generator(seed, "signers held out").permutation(len(columns))]
    singles = [[name] for name in order if possible([name])]
    # First who comes nearest alone, then others while they bring it nearer.
    chosen = min(singles, key=distance, default=[])
    for name in order if chosen else []:
        more = [*chosen, name]
        if name not in chosen and possible(more) and distance(more) < distance(chosen):
            chosen = more
    return sorted(chosen)


def _who(share: float, held: np.ndarray, signers: list[str], of: str) -> str:
    # What is held out, in words.
    if signers:
        return f"signers {listed(signers, LISTED)} ({held.mean():.0%} of the {of})"
    return f"{share:.0%} of {_UNITS[of]}, at least one of two,"


# What a share is taken of, and why it cannot be.
_UNITS = {"clips": "each gloss's clips", "sentences": "the sentences"}
_TOO_FEW = {"clips": "no gloss has two clips", "sentences": "there is only one sentence"}
# How clips are divided, by `data.split`.
_WAYS = {"official": _official, "folds": _fold, "signer": _signers, "holdout": _holdout}


def _check_clips(splits: Splits, settings: DataSettings, of: str = "clips") -> None:
    # Refuse to train or test on nothing, unless there is nothing that could test.
    for name, part in (("train", splits.train), ("test", splits.test)):
        if not part.empty or (name == "test" and splits.untested):
            continue
        counts = (
            f"train {len(splits.train)}, validation {len(splits.val)}, test {len(splits.test)}"
            f" {of}; split={settings.split}"
        )
        remedy = corpus_of(settings).split_remedy(name)
        others = "data.split=folds or data.split=holdout" if of == "clips" else "data.split=holdout"
        raise ManifestError(f"the {name} split has no {of} ({counts}): {remedy}, or set {others}")


def _take_validation(splits: Splits, settings: DataSettings, of: str = "clips") -> Splits:
    # The splits with a share of the training clips, or sentences, moved to validation.
    if settings.split == "holdout":
        return _hold_out_validation(splits, settings, of)
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
    notes = [*splits.notes, note]
    return replace(splits, train=train.iloc[fitting], val=train.iloc[held], notes=notes)


def _hold_out_validation(splits: Splits, settings: DataSettings, of: str) -> Splits:
    # As the test was held out; too few clips are no reason to refuse a small folder.
    train, share, by_signer = splits.train, settings.validation, settings.validation_by == "signer"
    held, signers = _held_out(train, share, settings.fold_seed, of, by_signer)
    note = f"{_who(share, held, signers, of)} validate"
    if not held.any():
        note = f"{_TOO_FEW[of]} to train on, so none validates and nothing is selected"
    return replace(splits, train=train[~held], val=train[held], notes=[*splits.notes, note])
