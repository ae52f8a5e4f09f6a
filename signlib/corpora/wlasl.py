"""WLASL: American signs from the web, by one of its lists (`data.annotations`)."""

from pathlib import Path

import pandas as pd

from signlib.corpora.corpus import VideoCorpus
from signlib.data import wlasl
from signlib.settings.base import DataSettings


class _Wlasl(VideoCorpus):
    def manifest(self, settings: DataSettings) -> pd.DataFrame:
        return wlasl.read_manifest(self.root(settings), settings.annotations)

    def recognises(self, source: Path) -> bool:
        if source.is_file():
            return source.suffix == ".json"
        return (source / wlasl.INSTANCES).is_file() or any(source.glob("nslt_*.json"))

    def settings_of(self, source: Path) -> DataSettings:
        # Of the folder, or of one of its lists.
        if source.is_dir():
            return super().settings_of(source)
        return DataSettings(corpus=self.name, root=str(source.parent), annotations=source.name)


WLASL = _Wlasl(
    name="wlasl",
    licence="C-UDA 1.0: computational and academic use only; films stay with their owners",
    card="wlasl.md",
    folder="wlasl",
    glosses=100,
    own_settings=("annotations",),
)
