"""RWTH-PHOENIX-Weather 2014: sentences of German weather reports, in its two editions."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from signlib.corpora.corpus import VideoCorpus
from signlib.data import phoenix
from signlib.errors import SettingsError
from signlib.settings.base import DataSettings
from signlib.stores.store import ClipSource


@dataclass(frozen=True, kw_only=True, eq=False)
class _Phoenix(VideoCorpus):
    edition: str
    licence: str = "Creative Commons 4.0 with attribution, non-commercial"
    card: str = "phoenix-2014.md"
    folder: str = "phoenix-2014"
    glosses: int | None = 1231
    sentences: bool = True

    def manifest(self, settings: DataSettings) -> pd.DataFrame:
        return phoenix.read_manifest(self.root(settings), self.edition)

    def root(self, settings: DataSettings) -> Path:
        # Of a release with both editions the folder of this one, which `extract` recognises.
        return phoenix.edition_folder(super().root(settings), self.edition)

    def clips(self, settings: DataSettings) -> ClipSource:
        """Refused.

        Raises:
            SettingsError: always, with the command that makes landmarks. Where only the other
                edition is here, that command would make a store with the other edition's split.
        """
        lost = phoenix.missing_part(super().root(settings), self.edition)
        if lost and self.edition == phoenix.SI5:
            lost += (
                ", extract it, and train on its store with data.split=signer"
                f" data.test_signers=[{phoenix.HELD_OUT}]"
            )
        SettingsError.raise_if(lost, f"data.corpus={self.name}: {lost}")
        return super().clips(settings)

    def recognises(self, source: Path) -> bool:
        return phoenix.is_layout(source, self.edition)


PHOENIX_2014 = _Phoenix(name=phoenix.CORPORA[phoenix.MULTISIGNER], edition=phoenix.MULTISIGNER)
PHOENIX_2014_SI5 = _Phoenix(name=phoenix.CORPORA[phoenix.SI5], edition=phoenix.SI5)
