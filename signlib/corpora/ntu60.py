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
from signlib.data import ntu60, ntu60_arrays, origins
from signlib.data import points as landmarks
from signlib.data.skeletons import NTU_25
from signlib.errors import ClipError
from signlib.settings.base import DataSettings
from signlib.stores.renewal import discard_unfit, kept_store, made_alone
from signlib.stores.store import EXTRACTION, ClipSource, FeatureStore, SharedClips
from signlib.stores.writer import write_store

# Clips from which on a bar shows how far reading is.
FEWEST_WATCHED = 500
# Seconds that copying a store and its files together may take.
_COPIED = 60


class _Ntu60(BodyCorpus):
    def manifest(self, settings: DataSettings) -> pd.DataFrame:
        root, split_type = self.root(settings), self.split_type(settings)
        if ntu60_arrays.is_arrays(root, split_type):
            return ntu60_arrays.read_arrays(root, split_type).manifest
        return ntu60.read_manifest(root, split_type)

    def clips(self, settings: DataSettings) -> ClipSource:
        root, split_type = self.root(settings), self.split_type(settings)
        notes: dict[str, str] = {}
        arrays = None
        if ntu60_arrays.is_arrays(root, split_type):
            arrays = ntu60_arrays.read_arrays(root, split_type)
            table, form = arrays.manifest, f"arrays {split_type}"
            files = arrays.files
            origin = origins.Files(dict.fromkeys(table["clip"], files))
        else:
            table, form = ntu60.read_manifest(root, split_type), "skeleton files"
            files = [paths.inside(root, file) for file in table["file"]]
            origin = origins.Files(
                {clip: [file] for clip, file in zip(table["clip"], files, strict=True)}
            )
        extraction = self.extraction({"form": form})
        key = hashlib.sha256(f"{root.resolve()} {form}".encode()).hexdigest()[:8]
        path = paths.runs_root() / "skeletons" / f"ntu60-{key}"
        told = origins.with_states(table, origin)
        # Without a lock where all is there: several trainings may ask at once.
        store, stale = _kept(path, told, files)
        if store is None or stale or not set(table["clip"]) <= set(store.manifest["clip"]):
            with made_alone(path):
                # Another process may have made it meanwhile.
                store, stale = _kept(path, told, files)
                done = set() if store is None else set(store.clips)
                done = set() if discard_unfit(path, told, stale) else done - stale
                unread = table[~table["clip"].isin(done)]
                clips = _files(root, unread, notes) if arrays is None else arrays.read
                quiet = len(unread) < FEWEST_WATCHED
                watched = tqdm(
                    clips, "reading clips", len(unread), False, disable=quiet, unit="clip"
                )
                store = write_store(
                    path,
                    extraction,
                    told,
                    ((clip, _usable(clip, joints, notes)) for clip, joints in watched),
                    notes,
                    retry_failed=True,
                    fps=ntu60.FPS,
                )
        # The store may have been made for another split: the manifest is as it is asked for now.
        stored = table[table["clip"].isin(set(store.clips))].reset_index(drop=True)
        source = SharedClips(stored, store, extraction)
        source.reasons = {
            clip: store.reasons[clip] for clip in table["clip"] if clip in store.reasons
        }
        return source


def _kept(
    path: Path, table: pd.DataFrame, files: list[Path]
) -> tuple[FeatureStore | None, set[str]]:
    """The finished store, None without one, and the clips whose files changed since.

    Args:
        path: of the store.
        table: of the clips, with the state of their files.
        files: of the corpus.
    """
    store, stale = kept_store(FeatureStore, path, table)
    if store is None or origins.SOURCE in store.manifest:
        return store, stale
    # Made before stores kept it: a file that is newer than the store is not in it.
    made = (path / EXTRACTION).stat().st_mtime
    return store, set(store.clips) if origins.newest(files) > made + _COPIED else set()


def _usable(clip: str, joints: np.ndarray | str, notes: dict[str, str]) -> np.ndarray | str:
    # Who acts, of the joints that can be used; what is taken is noted. A reason stays one.
    if isinstance(joints, str):
        return joints
    kept, taken = landmarks.usable(joints, NTU_25)
    if taken:
        notes[clip] = taken
    return actors(kept)


def _files(
    root: Path, table: pd.DataFrame, notes: dict[str, str]
) -> Iterator[tuple[str, np.ndarray | str]]:
    # Clip and joints (T, B, 25, 3) of each skeleton file, or why it has none.
    for clip, file in table[["clip", "file"]].itertuples(index=False):
        try:
            skeletons = ntu60.read_skeleton(paths.inside(root, file))
            notes |= {clip: skeletons.note} if skeletons.note else {}
            yield clip, skeletons.joints
        except ClipError as error:
            yield clip, str(error)


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
