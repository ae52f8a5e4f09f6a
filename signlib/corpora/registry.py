"""One row a corpus, in the order in which messages list them."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from signlib import paths
from signlib.corpora import (
    asl_words_letters,
    autsl,
    dgs_30,
    folder,
    generated,
    ntu60,
    nw_ucla,
    phoenix_2014,
    store,
    wlasl,
    wlasl_50,
)
from signlib.corpora.corpus import Corpus
from signlib.corpora.stitched import STITCHED, stitched
from signlib.data import manifest
from signlib.errors import ManifestError, SettingsError
from signlib.settings.base import DataSettings
from signlib.stores.store import EXTRACTION

# Name -> corpus; `stitched-NAME` is one more for each corpus of single signs.
CORPORA: dict[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        generated.GENERATED,
        generated.GENERATED_SENTENCES,
        store.STORE,
        dgs_30.DGS_30,
        asl_words_letters.ASL_LETTERS,
        asl_words_letters.ASL_WORDS,
        wlasl_50.WLASL_50,
        autsl.AUTSL,
        wlasl.WLASL,
        phoenix_2014.PHOENIX_2014,
        phoenix_2014.PHOENIX_2014_SI5,
        ntu60.NTU60,
        folder.FOLDER,
        generated.GENERATED_ACTIONS,
        nw_ucla.NW_UCLA,
    )
}


def register(corpus: Corpus) -> None:
    """Add a corpus: from then on every command takes its name.

    Raises:
        SettingsError: for a name that is taken, or that begins with `stitched-`.
    """
    if corpus.name in CORPORA or corpus.name.startswith(STITCHED):
        raise SettingsError(f"corpus {corpus.name!r} is there already; give yours another name")
    CORPORA[corpus.name] = corpus


def corpus_of(which: DataSettings | str) -> Corpus:
    """The corpus that settings or a name mean.

    Raises:
        SettingsError: for an unknown name, with those that are known.
    """
    name = which if isinstance(which, str) else which.corpus
    if name.startswith(STITCHED):
        return stitched(corpus_of(name.removeprefix(STITCHED)))
    if name not in CORPORA:
        raise SettingsError(f"data.corpus={name!r} is unknown; choose from {', '.join(CORPORA)}")
    return CORPORA[name]


def corpus_reads(settings: DataSettings, key: str) -> bool:
    """Whether the corpus leaves anything that reads the setting `key`, such as `data.glosses`."""
    return key not in [f"data.{name}" for name in corpus_of(settings).unread]


def check_read(settings: DataSettings, asked: Collection[str]) -> None:
    """Refuse settings that somebody asked for and the corpus does not read.

    Those of a preset are no request: it may say more than another corpus reads.

    Args:
        settings: which corpus.
        asked: keys such as `data.glosses`; others than those of `data` are left alone.

    Raises:
        SettingsError: for one that is not at its default.
    """
    corpus = corpus_of(settings)
    for name in corpus.unread:
        value, default = getattr(settings, name), getattr(DataSettings(), name)
        if f"data.{name}" not in asked or value == default:
            continue
        others = [other.name for other in CORPORA.values() if name not in other.unread]
        kinds = "stitched-NAME" if name == "sentences" else ", ".join(others)
        raise SettingsError(
            f"data.{name}={value} is not read by data.corpus={corpus.name}, only by {kinds};"
            f" leave it at its default, {default!r}"
        )


def corpus_in(folder: str | Path, usual: str) -> str:
    """The corpus of the clips in a folder: `store` for one, else the usual one, such as a preset's.

    Where the usual one is made on the spot, a folder can only be a store.
    """
    is_store = (Path(folder) / EXTRACTION).is_file() or corpus_of(usual).generated
    return store.STORE.name if is_store else usual


def manifest_of(source: Path) -> tuple[pd.DataFrame, Path]:
    """The manifest of what a person has, and the folder that its files are relative to.

    Args:
        source: a folder or list in a corpus's official layout, one clip (a video, or a folder of
            pictures), or any folder of them.

    Raises:
        ManifestError: for a source that does not exist or holds no videos.
    """
    for corpus in CORPORA.values():
        if corpus.recognises(source):
            settings = corpus.settings_of(source)
            return corpus.manifest(settings), corpus.root(settings)
    clip = ""
    if source.is_file():
        clip = source.stem
    elif folder.is_picture_clip(source):
        # `extract .` has no name of its own.
        source = source.resolve()
        clip = source.name
    if clip:
        row = {"clip": paths.check_name(clip), "file": source.name}
        return manifest.complete(pd.DataFrame([row])), source.parent
    if not source.exists():
        raise ManifestError(
            f"{source} does not exist; give a folder of videos, one video, or a folder of landmarks"
        )
    return folder.read_folder(source), source
