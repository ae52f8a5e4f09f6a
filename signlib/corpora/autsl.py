"""AUTSL: Turkish signs in colour and depth, signers apart between the splits."""

from pathlib import Path

import pandas as pd

from signlib.corpora.corpus import VideoCorpus
from signlib.data import autsl
from signlib.settings.base import DataSettings


class _Autsl(VideoCorpus):
    def manifest(self, settings: DataSettings) -> pd.DataFrame:
        return autsl.read_manifest(self.root(settings))

    def recognises(self, source: Path) -> bool:
        return (source / autsl.CLASSES).is_file()


AUTSL = _Autsl(
    name="autsl",
    licence="the terms of its authors and of ChaLearn",
    card="autsl.md",
    folder="autsl",
    glosses=autsl.SIGNS,
    split_counts=autsl.OFFICIAL,
)
