"""The extractors: one row each way from clips to a store, and where its code lies.

The code is named as text, because it loads MediaPipe or torch. From outside the package `register`
adds a row; the command line then knows the extractor.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from signlib.errors import SettingsError, key_hint
from signlib.settings.values import parse_override

if TYPE_CHECKING:
    import pandas as pd

    from signlib.stores.store import Store

Made = TypeVar("Made", bound="Store")
Chosen = TypeVar("Chosen")


class Reads(StrEnum):
    """What an extractor can start from."""

    VIDEOS = "videos, or folders of pictures"
    LANDMARK_FILES = ".npy or .pose files of landmarks"
    FEATURE_FILES = ".npy files of features"
    LANDMARK_STORE = "a store of landmarks"
    PICTURE_STORE = "a store of pictures"


@dataclass(frozen=True)
class Source:
    """What a person points at.

    Attributes:
        path: a folder or a file.
        manifest_of: reads the manifest of a folder of videos, an official corpus or one video, and
            says which folder its files are relative to.
        cut: its films were cut to their clips already, whatever segments the manifest names.
    """

    path: Path
    manifest_of: Callable[[Path], tuple[pd.DataFrame, Path]]
    cut: bool = False

    def videos(self) -> tuple[pd.DataFrame, Path]:
        """The manifest of the source's videos, and the folder that its files are relative to.

        One line says what else the folder holds.

        Raises:
            ManifestError: when the source holds no videos.
        """
        # Here, because the table of extractors is read without pandas.
        from signlib.data.leftovers import LEFT_OUT
        from signlib.data.manifest import whole_files

        table, root = self.manifest_of(self.path)
        if table.attrs.get(LEFT_OUT):
            print(table.attrs[LEFT_OUT], file=sys.stderr)
        return (whole_files(table) if self.cut else table), root


class Extractor(Protocol[Chosen, Made]):
    """From a source to a store; what a matching store already holds is kept."""

    @property
    def settings(self) -> type[Chosen]:
        """A dataclass of settings, each with a default and a line in its docstring."""

    def extract(
        self,
        source: Source,
        out: Path,
        settings: Chosen,
        *,
        workers: int,
        shard: tuple[int, int],
        retry_failed: bool,
    ) -> Made:
        """The store, made or completed.

        Args:
            source: where the clips lie.
            out: the store's folder.
            settings: what is made of them, and how.
            workers: processes or threads; of no effect where the row says that it is not parallel.
            shard: (i, n) makes part i of n only, 1-based, below `out`; (1, 1) where the row says
                that it is not sharded.
            retry_failed: try clips again that failed before.

        Raises:
            InputError: for a source, setting or store that cannot be used. A single bad clip is a
                row of the store's `failed`.
        """

    def summary(self, store: Made) -> str:
        """One line on what a store holds."""
        return (
            f"{store.counts['done']} clips done, {store.counts['failed']} failed,"
            f" {int(store.index['length'].sum()):,} frames of {store.extraction.shape}"
        )


# A table of all extractors cannot say which settings and which store each one has.
AnyExtractor = Extractor[Any, Any]


@dataclass(frozen=True)
class ExtractorRow:
    """One way from clips to a store.

    Attributes:
        name: what `extract --extractor` calls it.
        help: what it makes, in one line.
        reads: what it can start from.
        code: its class, or where to find it: `package.module:Class`.
        parallel: it takes `--workers`.
        sharded: it takes `--shard` and `--merge`, and makes a store of features.
    """

    name: str
    help: str
    reads: tuple[Reads, ...]
    code: str | Callable[[], AnyExtractor]
    parallel: bool = True
    sharded: bool = True

    def load(self) -> AnyExtractor:
        """The extractor, ready for use.

        Raises:
            SettingsError: when a library that it needs is not installed.
        """
        if not isinstance(self.code, str):
            return self.code()
        module, _, name = self.code.partition(":")
        return getattr(import_module(module), name)()


EXTRACTORS: dict[str, ExtractorRow] = {
    row.name: row
    for row in (
        ExtractorRow(
            "holistic",
            "landmarks of face, hands and body (MediaPipe Holistic)",
            (Reads.VIDEOS, Reads.LANDMARK_FILES),
            "signlib.extraction.landmarks:LandmarkExtractor",
        ),
        ExtractorRow(
            "pictures",
            "evenly spaced pictures in colour and depth, for models of video",
            (Reads.VIDEOS,),
            "signlib.extraction.pictures:PictureExtractor",
            sharded=False,
        ),
        ExtractorRow(
            "phonology",
            "36 readable numbers a frame: handshape, location, orientation, movement, face",
            (Reads.LANDMARK_STORE,),
            "signlib.extraction.phonology:PhonologyExtractor",
            parallel=False,
            sharded=False,
        ),
        ExtractorRow(
            "frozen",
            "one vector a frame from a frozen encoder (Gemma 3, SigLIP, VideoMAE, ...)",
            (Reads.VIDEOS, Reads.PICTURE_STORE, Reads.FEATURE_FILES),
            "signlib.extraction.frozen:FrozenExtractor",
        ),
    )
}


def names() -> list[str]:
    """The names of all extractors, the usual one first."""
    return list(EXTRACTORS)


def extractor(name: str) -> ExtractorRow:
    """The row of an extractor.

    Raises:
        SettingsError: for an unknown one, with those that there are.
    """
    if name not in EXTRACTORS:
        raise SettingsError(f"extractor {name!r} is unknown; choose from {', '.join(EXTRACTORS)}")
    return EXTRACTORS[name]


def register(row: ExtractorRow) -> None:
    """Add an extractor from outside the package.

    Raises:
        SettingsError: when its name is taken.
    """
    if row.name in EXTRACTORS:
        raise SettingsError(f"{row.name!r} is registered already; choose another name")
    EXTRACTORS[row.name] = row


def unregister(name: str) -> None:
    """Take an extractor out again."""
    EXTRACTORS.pop(name, None)


# Type of a default -> types that a value may have instead.
_TYPES: dict[type, tuple[type, ...]] = {
    bool: (bool,),
    float: (int, float),
    int: (int, type(None)),
    tuple: (tuple,),
    str: (str,),
}


def extractor_settings(kind: type[Chosen], overrides: Iterable[str]) -> Chosen:
    """The settings of an extractor's dataclass after `key=value` overrides.

    Raises:
        SettingsError: for an unknown key or an impossible value.
    """
    defaults = vars(kind())
    values: dict[str, Any] = {}
    for text in overrides:
        key, value = parse_override(text, example="tracking=false")
        if key not in defaults:
            raise SettingsError(f"extractor setting {key!r} is unknown; {key_hint(key, defaults)}")
        values[key] = tuple(value) if isinstance(value, list) else value
    for key, value in values.items():
        kinds = _TYPES[type(defaults[key])]
        # Python counts True as the integer 1.
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise SettingsError(
                f"extractor setting {key}={value!r} must be like its default {defaults[key]!r}"
            )
    return kind(**values)
