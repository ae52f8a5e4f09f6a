"""From settings to clips: the manifest, the clips and the folder of the corpus that they name."""

from pathlib import Path

import pandas as pd

from signlib.corpora.corpus import as_skeleton, landmark_clips
from signlib.corpora.generated import GeneratedSigning
from signlib.corpora.registry import CORPORA, corpus_of
from signlib.data.manifest import whole_files
from signlib.errors import ManifestError, SettingsError, failure_lines
from signlib.extraction import frozen_files
from signlib.settings.base import DataSettings
from signlib.stores.store import ClipSource
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.sentences import SentenceCorpus


def load_manifest(settings: DataSettings) -> pd.DataFrame:
    """The manifest of the corpus that the settings name, whether its videos are there or not.

    Raises:
        SettingsError: for an unknown corpus, or `folder` without a root.
        InputError: for label files that are missing or damaged.
    """
    table = corpus_of(settings).manifest(settings)
    return whole_files(table) if settings.cut else table


def load_corpus(settings: DataSettings) -> ClipSource:
    """The clips that the settings name, as the skeleton that they name.

    Raises:
        SettingsError: for an unknown corpus, or a skeleton with joints that the clips do not have.
        InputError: for files that are missing or damaged, or when no clip can be used.
    """
    source = landmark_clips(corpus_of(settings), settings)
    return as_skeleton(_not_empty(source, settings), settings.skeleton)


def load_actions(settings: DataSettings) -> ClipSource:
    """The clips of the corpus of actions that the settings name, see `bodies`.

    Returns:
        Clips (T, 2, J, 3), those who move most first.

    Raises:
        SettingsError: for another corpus, or a split that it does not have.
        InputError: for files that are missing, damaged, or pickles, or when no clip can be used.
    """
    corpus = corpus_of(settings)
    if corpus.kind != "skeletons":
        bodies = [name for name, other in CORPORA.items() if other.kind == "skeletons"]
        raise SettingsError(
            f"data.corpus={corpus.name} has no actions of whole bodies; a graph network takes"
            f" {', '.join(bodies)}"
        )
    return _not_empty(corpus.clips(settings), settings)


def _not_empty(source: ClipSource, settings: DataSettings) -> ClipSource:
    # The clips; nobody should look for splits of a corpus all of whose clips are damaged.
    if source.labelled.empty:
        reasons = getattr(source, "reasons", {})
        told = "; ".join(failure_lines(reasons, most=1))
        raise ManifestError(
            f"data.corpus={settings.corpus}: none of its {len(reasons)} clips can be used ({told});"
            " mend their files, or set data.root to others"
        )
    return source


def load_landmarks(settings: DataSettings, store: str, asked: str) -> ClipSource:
    """Landmarks beside other modalities: the corpus's, or those of a store where it has videos.

    Args:
        settings: which corpus.
        store: the setting `data.landmarks`.
        asked: which setting wants landmarks, for the error.

    Raises:
        SettingsError: for a corpus of videos without a store.
    """
    if not corpus_of(settings).has_files:
        return load_corpus(settings)
    if not store:
        raise SettingsError(
            f"{asked}, and {settings.corpus} comes as videos: make its landmarks with `python -m"
            " signlib extract ROOT --out STORE` and set data.landmarks=STORE"
        )
    return frozen_files.open_store(store, frozen_files.LANDMARKS)


def generated_world(settings: DataSettings) -> GeneratedCorpus | SentenceCorpus:
    """The generated signers that the settings name, with the true values of their clips.

    Raises:
        SettingsError: for a corpus that is not generated, or has no signers.
    """
    corpus = corpus_of(settings)
    if not isinstance(corpus, GeneratedSigning):
        raise SettingsError(
            f"data.corpus={corpus.name} has no generated signers; take generated or"
            " generated-sentences"
        )
    return corpus.world(settings)


def corpus_root(settings: DataSettings) -> Path:
    """The folder that the files of a video corpus are relative to."""
    return corpus_of(settings).root(settings)
