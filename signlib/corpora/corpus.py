"""What a corpus is: facts that the rest of the program asks for, its manifest and its clips.

Each file of this room that is named after a corpus holds one or a few of them; `registry` has a row
for each. Nothing outside this room asks for a corpus by its name: it asks the corpus.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np
import pandas as pd

from signlib import paths
from signlib.data.skeletons import shared_points, skeleton
from signlib.errors import SettingsError
from signlib.settings.base import DataSettings
from signlib.stores.store import ClipSource, SharedClips

if TYPE_CHECKING:
    from signlib.synthesis.actions import ActionCorpus
    from signlib.synthesis.clips import GeneratedCorpus
    from signlib.synthesis.sentences import SentenceCorpus

Kind = Literal["video", "landmarks", "skeletons"]
World: TypeAlias = "GeneratedCorpus | SentenceCorpus | ActionCorpus"


class ClipRow(Protocol):
    """A row of a manifest, as `itertuples` gives it."""

    clip: str
    file: str
    signer: str
    start: int
    end: int


# Settings of `data` that only some corpora read.
OF_SOME = (
    "root",
    "annotations",
    "cut",
    "split_type",
    "glosses",
    "signers",
    "repetitions",
    "seed",
    "hardness",
    "shortest",
    "longest",
    "sentences",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus(ABC):
    """One corpus.

    Attributes:
        name: what the setting `data.corpus` calls it.
        kind: `video` (films or folders of pictures: landmarks have to be made first), `landmarks`
            (people who sign), `skeletons` (whole bodies in action, for graph networks).
        licence: the terms of its clips in a few words; the card says more.
        card: its file below `docs/cards`; "" = none, `docs/corpora.md` says what it is.
        folder: its folder below `SIGNLIB_DATA`; "" = none.
        skeleton: of its landmarks, those that `extract` makes for a corpus of videos.
        glosses: how many the table of models counts with; None = the table's default.
        no_signs: which of them are no signs, so that sentences of its clips leave them out.
        has_files: the column `file` of its manifest names a file or folder of pictures below the
            root.
        personal: a person made its manifest; where that names no split, `train` holds clips out.
        open: predictions of single clips may be published; of all others only aggregates are.
        generated: its clips are made on the spot and their true values are known.
        rendered: `pictures` and a renderer can show its people; else they are points only.
        sentences: its clips are sentences, the column `glosses` holds their signs.
        split_types: its official splits (`data.split_type`), the usual one first.
        split_counts: clips of each official split, where that is known without files.
        own_settings: those of `OF_SOME` that it reads, besides root, split_type and cut.
    """

    name: str
    kind: Kind
    licence: str
    card: str = ""
    folder: str = ""
    skeleton: str = "mediapipe-543"
    glosses: int | None = None
    no_signs: tuple[str, ...] = ()
    has_files: bool = False
    personal: bool = False
    open: bool = False
    generated: bool = False
    rendered: bool = False
    sentences: bool = False
    split_types: tuple[str, ...] = ()
    split_counts: Mapping[str, int] = field(default_factory=dict)
    own_settings: tuple[str, ...] = ()

    @property
    def unread(self) -> tuple[str, ...]:
        """Settings of `OF_SOME` that it does not read.

        No root where nothing lies in files, and no cut where there are no films.
        """
        read = {*self.own_settings, *(() if self.generated else ("root",))}
        read |= {"split_type"} if self.split_types else set()
        read |= {"cut"} if self.kind == "video" else set()
        return tuple(name for name in OF_SOME if name not in read)

    @abstractmethod
    def clips(self, settings: DataSettings) -> ClipSource:
        """The clips: (T, J, C) of who signs, (T, 2, J, 3) of those who act; NaN = not seen.

        Raises:
            SettingsError: where there are none yet, with what makes them.
            InputError: for files that are missing or damaged.
        """

    def manifest(self, settings: DataSettings) -> pd.DataFrame:
        """One row a clip, whether its file is there or not.

        Raises:
            InputError: for label files that are missing or damaged.
        """
        return as_skeleton(self.clips(settings), settings.skeleton).labelled

    def root(self, settings: DataSettings) -> Path:
        """The folder that its files are relative to: `data.root`, else below `SIGNLIB_DATA`."""
        return Path(settings.root) if settings.root else paths.data_root() / self.folder

    def split_type(self, settings: DataSettings) -> str:
        """The official split that the settings mean; "" for a corpus with one at most.

        Raises:
            SettingsError: for a split that this corpus does not have.
        """
        if settings.split_type and settings.split_type not in self.split_types:
            raise SettingsError(
                f"data.split_type={settings.split_type}: {self.name} has"
                f" {' and '.join(self.split_types) or 'one split at most; leave it empty'}"
            )
        return settings.split_type or next(iter(self.split_types), "")

    def split_note(self, table: pd.DataFrame) -> str:
        """What to say beside every number of who trains and who tests by this manifest."""
        return "the manifest's split"

    def split_remedy(self, split: str) -> str:
        """What a person can do about a split (`train` or `test`) without clips."""
        if self.split_types:
            return (
                f"add the files that its official split takes for {split}, or choose another"
                " data.split_type"
            )
        return "fill the manifest's column 'split'"

    def recognises(self, source: Path) -> bool:
        """True for a folder or file in this corpus's official layout."""
        return False

    def settings_of(self, source: Path) -> DataSettings:
        """The settings under which a source that it recognises is read."""
        return DataSettings(corpus=self.name, root=str(source))

    def world(self, settings: DataSettings) -> World:
        """What made the clips, with their true values.

        Raises:
            SettingsError: for a corpus that is not generated.
        """
        raise SettingsError(
            f"data.corpus={self.name} is not generated, so true values of its clips are unknown;"
            " take generated"
        )

    def pictures(
        self, settings: DataSettings, row: ClipRow, frames: list[int], size: int
    ) -> dict[str, list[np.ndarray]]:
        """Kind -> pictures (H, W, 3) uint8 of a clip that has no files; {} where it has none.

        Args:
            settings: which world.
            row: of the manifest.
            frames: of the clip.
            size: height and width, pixels.
        """
        return {}


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoCorpus(Corpus):
    """A corpus of videos, or of folders of pictures: its landmarks have to be made first."""

    kind: Kind = "video"
    has_files: bool = True

    @abstractmethod
    def manifest(self, settings: DataSettings) -> pd.DataFrame:
        """One row a clip, whether its file is there or not."""

    def clips(self, settings: DataSettings) -> ClipSource:
        """Refused.

        Raises:
            SettingsError: always, with the command that makes landmarks.
        """
        folder = self.root(settings) if settings.root or self.folder else "FOLDER"
        raise SettingsError(
            f"data.corpus={self.name} has no landmarks yet: make them with `python -m signlib"
            f" extract {folder} --out STORE`, then set data.corpus=store data.root=STORE"
        )


def landmark_clips(corpus: Corpus, settings: DataSettings) -> ClipSource:
    """The clips of a corpus of people who sign.

    Raises:
        SettingsError: for whole bodies in action, or videos without landmarks.
    """
    if corpus.kind == "skeletons":
        raise SettingsError(
            f"data.corpus={corpus.name} holds whole bodies in action: take a graph network,"
            " such as preset ntu60/nano or gcn.variant=nano"
        )
    return corpus.clips(settings)


def as_skeleton(source: ClipSource, name: str) -> ClipSource:
    """The clips with the joints of another skeleton; "" = as they are.

    Raises:
        SettingsError: for a skeleton with joints that the clips do not have.
    """
    if not name or name == source.skeleton.name:
        return source
    given, asked = source.skeleton, skeleton(name)
    # Refuses now, not at the first clip.
    joints = shared_points(np.arange(len(given))[:, None], given, asked)[:, 0].tolist()
    shape = (len(asked), *source.extraction.shape[1:])
    extraction = replace(source.extraction, skeleton=asked.name, shape=shape)
    return SharedClips(source.labelled, source, extraction, joints)
