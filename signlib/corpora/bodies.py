"""What corpora of whole bodies in action share: who acts in a clip, and how clips are offered.

Axes: y up, z away from the sensor, x to the right of who faces it, metres; NaN = no such person.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from signlib.corpora.corpus import Corpus, Kind
from signlib.data.skeletons import skeleton
from signlib.errors import ClipError
from signlib.features.actors import main_actors
from signlib.settings.base import DataSettings
from signlib.stores.store import Extraction, LoadedClips

PERSONS = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class BodyCorpus(Corpus):
    """A corpus of whole bodies: clips (T, 2, J, 3) of those who move most, the first one first."""

    kind: Kind = "skeletons"
    split_types: tuple[str, ...] = field()

    def manifest(self, settings: DataSettings) -> pd.DataFrame:
        return self.clips(settings).labelled

    def extraction(self, made_with: dict[str, Any]) -> Extraction:
        """How the clips were made.

        Args:
            made_with: the settings that change the numbers.
        """
        shape = (PERSONS, len(skeleton(self.skeleton)), 3)
        return Extraction(self.name, "1", shape, ("x", "y", "z"), self.skeleton, made_with)

    def loaded(
        self, table: pd.DataFrame, read: Callable[[str], np.ndarray], made_with: dict[str, Any]
    ) -> LoadedClips:
        """Clips from a manifest and a reader of joints (T, B, J, 3)."""
        made = self.extraction(made_with)
        # Numbers that cannot be used are taken out before anybody asks who moves.
        raw = LoadedClips(table, read, made)
        clips = LoadedClips(table, lambda clip: actors(raw.read(clip)), made)
        clips.notes = raw.notes
        return clips


def actors(joints: np.ndarray) -> np.ndarray:
    """(T', 2, J, 3) of those who act; a clip without anybody is one frame of NaN.

    Args:
        joints: (T, B, J, 3) of all bodies.
    """
    try:
        acting = main_actors(joints, PERSONS)
    except ClipError:
        return np.full((1, PERSONS, *joints.shape[2:]), np.nan, np.float32)
    missing = PERSONS - acting.shape[1]
    blank = np.full((len(acting), missing, *acting.shape[2:]), np.nan, np.float32)
    return np.concatenate([acting, blank], 1).astype(np.float32)
