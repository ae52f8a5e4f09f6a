"""NTU RGB+D 60, from skeleton files or arrays.

Its clips are read once and kept as a store below the folder of runs: a file takes ten milliseconds
to parse, and there are 56,578.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from signlib import paths
from signlib.corpora.bodies import BodyCorpus, actors
from signlib.data import ntu60, ntu60_arrays
from signlib.data import points as landmarks
from signlib.data.skeletons import NTU_25
from signlib.errors import ClipError
from signlib.settings.base import DataSettings
from signlib.stores.store import ClipSource, FeatureStore, LoadedClips, is_finished
from signlib.stores.writer import write_store

# Clips from which on a bar shows how far reading is.
FEWEST_WATCHED = 500


class _Ntu60(BodyCorpus):
    def manifest(self, settings: DataSettings) -> pd.DataFrame:
        root, split_type = self.root(settings), self.split_type(settings)
        if ntu60_arrays.is_arrays(root, split_type):
            return ntu60_arrays.read_arrays(root, split_type).manifest
        return ntu60.read_manifest(root, split_type)

    def clips(self, settings: DataSettings) -> ClipSource:
        root, split_type = self.root(settings), self.split_type(settings)
        notes: dict[str, str] = {}
        if ntu60_arrays.is_arrays(root, split_type):
            arrays = ntu60_arrays.read_arrays(root, split_type)
            table, clips, form = arrays.manifest, arrays.read, f"arrays {split_type}"
        else:
            table, form = ntu60.read_manifest(root, split_type), "skeleton files"
            clips = _files(root, table, notes)
        extraction = self.extraction({"form": form})
        key = hashlib.sha256(f"{root.resolve()} {form}".encode()).hexdigest()[:8]
        quiet = len(table) < FEWEST_WATCHED
        watched = tqdm(clips, "reading clips", len(table), unit="clip", leave=False, disable=quiet)
        path = paths.runs_root() / "skeletons" / f"ntu60-{key}"
        # Without a writer's lock where all is there: several trainings may ask at once.
        store = FeatureStore(path) if is_finished(path) else None
        if store is None or not set(table["clip"]) <= set(store.manifest["clip"]):
            store = write_store(
                path,
                extraction,
                table,
                ((clip, actors(_usable(clip, joints, notes))) for clip, joints in watched),
                notes,
                fps=ntu60.FPS,
            )
        # The store may have been made for another split: the manifest is as it is asked for now.
        stored = table[table["clip"].isin(set(store.clips))].reset_index(drop=True)
        clips = LoadedClips(stored, store.read, extraction)
        clips.notes |= store.notes
        return clips


def _usable(clip: str, joints: np.ndarray, notes: dict[str, str]) -> np.ndarray:
    # The joints that can be used; what is taken is noted.
    kept, taken = landmarks.usable(joints, NTU_25)
    if taken:
        notes[clip] = taken
    return kept


def _files(
    root: Path, table: pd.DataFrame, notes: dict[str, str]
) -> Iterator[tuple[str, np.ndarray]]:
    # Clip and joints (T, B, 25, 3) of each skeleton file; a broken one has nobody.
    for clip, file in table[["clip", "file"]].itertuples(index=False):
        try:
            skeletons = ntu60.read_skeleton(paths.inside(root, file))
            notes |= {clip: skeletons.note} if skeletons.note else {}
            yield clip, skeletons.joints
        except ClipError:
            yield clip, np.full((1, 1, len(NTU_25), 3), np.nan, np.float32)


NTU60 = _Ntu60(
    name="ntu60",
    licence="academic research, on request at the ROSE Lab; may not be passed on",
    card="ntu60.md",
    folder="ntu60",
    skeleton=NTU_25.name,
    glosses=len(ntu60.ACTIONS),
    has_files=True,
    split_types=ntu60.SETTINGS,
)
