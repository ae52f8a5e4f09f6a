"""From the settings' names to clips: which corpus, and who trains, validates and tests."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

from signlib import paths
from signlib.corpora import landmark_files
from signlib.corpora.actions import SPLIT_TYPES, load_actions, split_type
from signlib.corpora.folder import read_folder
from signlib.corpora.stitched import StitchedSentences
from signlib.data import autsl, ntu60, phoenix, wlasl
from signlib.data.skeletons import shared_points, skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ManifestError, SettingsError
from signlib.extraction import frozen_files
from signlib.settings import config
from signlib.stores.store import ClipSource, Extraction, FeatureStore, LoadedClips
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.sentences import SentenceCorpus

GENERATED = {"generated": GeneratedCorpus, "generated-sentences": SentenceCorpus}
"""Corpora made on the spot; of sentences, `repetitions` is how many each signer says."""
STITCHED = "stitched-"
"""Before the name of a corpus of single signs: sentences made of its clips."""
OPEN = (*GENERATED, "generated-actions")
"""Corpora whose per-clip predictions may be published; of all others only aggregates are."""

VIDEO_READERS: dict[str, tuple[str, Callable[..., pd.DataFrame]]] = {
    "autsl": ("autsl", autsl.read_manifest),
    "wlasl": ("wlasl", wlasl.read_manifest),
    "phoenix-2014": ("phoenix-2014", phoenix.read_manifest),
    "phoenix-2014-si5": ("phoenix-2014", partial(phoenix.read_manifest, edition=phoenix.SI5)),
    "ntu60": ("ntu60", ntu60.read_manifest),
    "folder": ("", read_folder),
}
"""Corpora of videos, pictures or skeleton files: name -> folder below `SIGNLIB_DATA`, reader of the
manifest.
"""


def load_manifest(settings: config.DataSettings) -> pd.DataFrame:
    """The manifest of the corpus that the settings name, whether its videos are there or not.

    Raises:
        SettingsError: for an unknown corpus, or `folder` without a root.
        InputError: for label files that are missing or damaged.
    """
    if settings.corpus not in VIDEO_READERS:
        return (load_actions if settings.corpus in SPLIT_TYPES else load_corpus)(settings).labelled
    folder, reader = VIDEO_READERS[settings.corpus]
    if settings.corpus == "ntu60":
        return reader(corpus_root(settings), split_type(settings))
    if settings.corpus == "wlasl":
        return reader(corpus_root(settings), settings.annotations)
    if not settings.root and not folder:
        raise SettingsError(
            "data.corpus=folder needs data.root (--data-root): the folder with manifest.csv"
        )
    return reader(corpus_root(settings))


def load_corpus(settings: config.DataSettings) -> ClipSource:
    """The clips that the settings name, as the skeleton that they name.

    Raises:
        SettingsError: for an unknown corpus, or a skeleton with joints that the clips do not have.
        InputError: for files that are missing or damaged.
    """
    source = _load(settings)
    if not settings.skeleton or settings.skeleton == source.skeleton.name:
        return source
    own, wanted = source.skeleton, skeleton(settings.skeleton)
    shared_points(np.empty((0, len(own), 1)), own, wanted)  # refuses now, not at the first clip
    shape = (len(wanted), *source.extraction.shape[1:])
    extraction = replace(source.extraction, skeleton=wanted.name, shape=shape)
    return LoadedClips(
        source.labelled, lambda clip: shared_points(source.read(clip), own, wanted), extraction
    )


def load_landmarks(settings: config.DataSettings, store: str, asked: str) -> ClipSource:
    """Landmarks beside other modalities: the corpus's own or, where it comes as videos, those of a
    store.

    Args:
        store: the setting `fusion.landmarks`.
        asked: which setting wants landmarks, for the error.

    Raises:
        SettingsError: for a corpus of videos without a store.
    """
    if settings.corpus not in VIDEO_READERS:
        return load_corpus(settings)
    if not store:
        raise SettingsError(
            f"{asked}, and {settings.corpus} comes as videos: make its landmarks with `python -m"
            " signlib extract ROOT --out STORE` and set fusion.landmarks=STORE"
        )
    return frozen_files.open_store(store, frozen_files.LANDMARKS)


def generated_world(settings: config.DataSettings) -> GeneratedCorpus | SentenceCorpus:
    """The generated corpus that the settings name, with the true values of its clips."""
    sizes = (settings.glosses, settings.signers, settings.repetitions)
    more = (
        {"lengths": (settings.shortest, settings.longest)}
        if settings.corpus == "generated-sentences"
        else {}
    )
    return GENERATED[settings.corpus](
        *sizes, seed=settings.seed, hardness=settings.hardness, **more
    )


def corpus_root(settings: config.DataSettings) -> Path:
    """The folder that the files of a video corpus are relative to."""
    return (
        Path(settings.root)
        if settings.root
        else paths.data_root() / VIDEO_READERS[settings.corpus][0]
    )


def failed_note(source: ClipSource) -> list[str]:
    """One line on the clips that have no features, where there are some."""
    if isinstance(source, FeatureStore) and len(source.failed):
        return [f"{len(source.failed)} of {len(source.manifest)} clips have no features"]
    return []


def class_numbers(rows: pd.DataFrame, clips: Sequence[str], vocabulary: Vocabulary) -> np.ndarray:
    """(N,) class numbers of clips, by the glosses of their rows in a manifest."""
    gloss = rows.set_index("clip")["gloss"]
    return np.asarray(vocabulary.encode(gloss.loc[list(clips)].tolist()))


def _load(settings: config.DataSettings) -> ClipSource:
    if settings.corpus in GENERATED:
        world = generated_world(settings)
        about = asdict(settings)
        spoken = isinstance(world, SentenceCorpus)
        lengths = ("shortest", "longest") if spoken else ()
        kept = {
            key: about[key]
            for key in ("glosses", "signers", "repetitions", "seed", "hardness", *lengths)
        }
        extraction = Extraction(
            settings.corpus, "2", (543, 4), ("x", "y", "z", "visibility"), "mediapipe-543", kept
        )
        table = world.manifest.assign(width=world.width, height=world.height)
        return LoadedClips(table, world.clip, extraction, world.spans if spoken else None)
    if settings.corpus.startswith(STITCHED):
        single = _load(replace(settings, corpus=settings.corpus.removeprefix(STITCHED)))
        lengths = (settings.shortest, settings.longest)
        return StitchedSentences(single, settings.sentences, lengths, settings.seed)
    if settings.corpus == "store":
        if not settings.root:
            raise SettingsError(
                "data.corpus=store needs data.root (--data-root): the folder that `extract --out`"
                " made"
            )
        return FeatureStore(settings.root)
    if settings.corpus in SPLIT_TYPES:
        raise SettingsError(
            f"data.corpus={settings.corpus} holds whole bodies in action: take a graph network,"
            " such as preset ntu60/nano or gcn.variant=nano"
        )
    if settings.corpus in VIDEO_READERS:
        raise SettingsError(
            f"data.corpus={settings.corpus} has no landmarks yet: make them with `python -m signlib"
            " extract ROOT --out STORE`, then set data.corpus=store data.root=STORE"
        )
    if settings.corpus not in landmark_files.READERS:
        known = ", ".join(
            dict.fromkeys(
                [*GENERATED, "store", *landmark_files.READERS, *VIDEO_READERS, *SPLIT_TYPES]
            )
        )
        raise SettingsError(f"data.corpus={settings.corpus!r} is unknown; choose from {known}")
    folder, reader = landmark_files.READERS[settings.corpus]
    file = reader(Path(settings.root) if settings.root else paths.data_root() / folder)
    shape = next(iter(file.points.values())).shape[1:]
    extraction = Extraction(
        "imported", "", shape, ("x", "y", "z", "visibility")[: shape[1]], file.skeleton.name
    )
    return LoadedClips(file.manifest, file.points.__getitem__, extraction)


@dataclass
class Splits:
    """Which clips train, validate and test, and what to know about the split.

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


def split_clips(table: pd.DataFrame, settings: config.DataSettings) -> Splits:
    """The splits that the settings ask for.

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
    train, val, test, notes = _outer_split(table, settings)
    unused = len(table) - len(train) - len(val) - len(test)
    if unused:
        notes.append(f"{unused} clips have no split and are left out")
    for name, part in (("train", train), ("test", test)):
        if part.empty:
            there = (
                f"train {len(train)}, validation {len(val)}, test {len(test)} clips;"
                f" split={settings.split}"
            )
            what = "fill the manifest's column 'split'"
            if settings.corpus in SPLIT_TYPES:
                what = (
                    f"add the files that its official split takes for {name}, or choose another"
                    " data.split_type"
                )
            raise ManifestError(
                f"the {name} split has no clips ({there}): {what}, or set data.split=folds"
            )
    if val.empty and settings.validation:
        train, val, note = _take_validation(train, settings)
        notes.append(note)
    for name, part in (("validation", val), ("test", test)):
        unknown = sorted(set(part["gloss"]) - set(train["gloss"]))
        if unknown:
            raise ManifestError(
                f"{len(unknown)} glosses of the {name} split have no training clip (first"
                f" {unknown[0]!r}); drop them, or set data.limit_classes"
            )
    return Splits(train, val, test, notes + signer_notes(train, val, test))


def signer_notes(train: pd.DataFrame, val: pd.DataFrame, test: pd.DataFrame) -> list[str]:
    """What to say of signers beside every number: whom training knows already, and whether anybody
    knows.
    """
    notes = []
    shared = sorted((set(train["signer"]) | set(val["signer"])) & set(test["signer"]) - {""})
    if shared:
        more = f" and {len(shared) - 5} more" if len(shared) > 5 else ""
        notes.append(f"signers in training and test: {', '.join(shared[:5])}{more}")
    if any((part["signer"] == "").any() for part in (train, val, test)):
        notes.append("signers unknown: the split may leak signers")
    return notes


def _most_trained(table: pd.DataFrame, settings: config.DataSettings) -> list[str]:
    """The glosses with most training clips, and enough of them, equal ones by name; test clips have
    no say.
    """
    if settings.split == "official":
        table = table[table["split"] == "train"]
    elif settings.split == "signer":
        table = table[~table["signer"].isin(settings.test_signers)]
    counts = table["gloss"].value_counts()
    enough = [gloss for gloss in counts.index if counts[gloss] >= settings.fewest]
    return sorted(enough, key=lambda gloss: (-counts[gloss], gloss))[
        : settings.limit_classes or None
    ]


def _outer_split(table: pd.DataFrame, settings: config.DataSettings):
    empty = table.iloc[:0]
    if settings.split == "official":
        parts = {name: table[table["split"] == name] for name in ("train", "val", "test")}
        return parts["train"], parts["val"], parts["test"], ["the manifest's split"]
    if settings.split == "signer":
        lost = sorted(set(settings.test_signers) - set(table["signer"]))
        if lost:
            raise SettingsError(
                f"data.test_signers: {lost[0]!r} signs no clip; signers are"
                f" {', '.join(sorted(set(table['signer'])))}"
            )
        held = table["signer"].isin(settings.test_signers)
        return (
            table[~held],
            empty,
            table[held],
            [f"tested on signers {', '.join(settings.test_signers)}"],
        )
    fewest = table["gloss"].value_counts().min()
    if fewest < settings.folds:
        raise ManifestError(
            f"data.folds={settings.folds}: a gloss has only {fewest} clips; take fewer folds or"
            " drop rare glosses"
        )
    folds = StratifiedKFold(settings.folds, shuffle=True, random_state=settings.fold_seed)
    train, test = list(folds.split(table, table["gloss"]))[settings.fold]
    return (
        table.iloc[train],
        empty,
        table.iloc[test],
        [f"fold {settings.fold} of {settings.folds}, stratified by gloss"],
    )


def _take_validation(
    train: pd.DataFrame, settings: config.DataSettings
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    share, seed = settings.validation, settings.fold_seed
    if settings.validation_by == "signer":
        if train["signer"].nunique() < 2 or (train["signer"] == "").any():
            raise ManifestError(
                "data.validation_by=signer needs two known training signers; use clip"
            )
        splitter, labels, groups = (
            GroupShuffleSplit(1, test_size=share, random_state=seed),
            None,
            train["signer"],
        )
    else:
        fewest = train["gloss"].value_counts().min()
        if fewest < 2:
            raise ManifestError(
                f"data.validation={share}: a gloss has only one training clip, so none can be held"
                " out; set data.validation=0 (nothing is selected then)"
            )
        splitter, labels, groups = (
            StratifiedShuffleSplit(1, test_size=share, random_state=seed),
            train["gloss"],
            None,
        )
    try:
        fitting, held = next(splitter.split(train, labels, groups))
    except ValueError as error:
        raise SettingsError(
            f"data.validation={share} of {len(train)} training clips with"
            f" {train['gloss'].nunique()} glosses cannot be held out ({error}); take another share"
        ) from None
    note = f"{share:.0%} of the training clips held out for validation by {settings.validation_by}"
    return train.iloc[fitting], train.iloc[held], note
