"""Corpora of whole bodies in action, behind one interface: a manifest, and the bodies of a clip
that act.

Recorded clips of NTU RGB+D are read once and kept as a store below the folder of runs: a file takes
ten milliseconds to parse, and there are 56,578.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from signlib import paths
from signlib.corpora import nw_ucla
from signlib.data import ntu60, ntu60_arrays
from signlib.data.skeletons import KINECT_20, NTU_25, Skeleton
from signlib.errors import ClipError, SettingsError
from signlib.features.actors import main_actors
from signlib.settings.config import DataSettings
from signlib.stores.store import ClipSource, Extraction, FeatureStore, LoadedClips
from signlib.stores.writer import write_store
from signlib.synthesis.actions import ActionCorpus

SPLIT_TYPES = {
    "ntu60": ntu60.SETTINGS,
    "generated-actions": ntu60.SETTINGS,
    "nw-ucla": nw_ucla.SETTINGS,
}
"""Corpus -> its official splits, the usual one first."""
PERSONS = 2


def load_actions(data: DataSettings, quiet: bool = False) -> ClipSource:
    """The clips of the action corpus that the settings name: (T, 2, J, 3), those who move most
    first.

    Axes: y up, z away from the sensor, x to the right of who faces it, metres; NaN = no such
    person.

    Raises:
        SettingsError: for another corpus, or a split that it does not have.
        InputError: for files that are missing, damaged, or pickles.
    """
    setting = split_type(data)
    if data.corpus == "generated-actions":
        return _generated(data, setting)
    root = Path(data.root) if data.root else paths.data_root() / data.corpus
    if data.corpus == "nw-ucla":
        file = nw_ucla.read_clips(root, setting)
        return _loaded(
            file.manifest,
            lambda clip: actors(file.points[clip][:, None]),
            KINECT_20,
            data.corpus,
            {},
        )
    return _ntu60(root, setting, quiet)


def split_type(data: DataSettings) -> str:
    """The official split that is meant.

    Raises:
        SettingsError: for a corpus without actions, or a split of another corpus.
    """
    if data.corpus not in SPLIT_TYPES:
        raise SettingsError(
            f"data.corpus={data.corpus} has no actions of whole bodies; a graph network takes"
            f" {', '.join(SPLIT_TYPES)}"
        )
    known = SPLIT_TYPES[data.corpus]
    if data.split_type and data.split_type not in known:
        raise SettingsError(
            f"data.split_type={data.split_type}: {data.corpus} has {' and '.join(known)}"
        )
    return data.split_type or known[0]


def actions_world(data: DataSettings) -> ActionCorpus:
    """The generated corpus that the settings name: `glosses` actions, `signers` performers."""
    return ActionCorpus(
        data.glosses, data.signers, 3, data.repetitions, seed=data.seed, hardness=data.hardness
    )


def actors(joints: np.ndarray) -> np.ndarray:
    """(T', 2, J, 3) of those who act; a clip without anybody is one frame of NaN."""
    try:
        found = main_actors(joints, PERSONS)
    except ClipError:
        return np.full((1, PERSONS, *joints.shape[2:]), np.nan, np.float32)
    blank = np.full((len(found), PERSONS - found.shape[1], *found.shape[2:]), np.nan, np.float32)
    return np.concatenate([found, blank], 1).astype(np.float32)


def _loaded(
    table: pd.DataFrame, read, skeleton: Skeleton, name: str, settings: dict
) -> LoadedClips:
    shape = (PERSONS, len(skeleton), 3)
    return LoadedClips(
        table, read, Extraction(name, "1", shape, ("x", "y", "z"), skeleton.name, settings)
    )


def _generated(data: DataSettings, setting: str) -> ClipSource:
    world, about = actions_world(data), asdict(data)
    table = world.manifest
    if setting == "xview":
        table["split"] = [
            ntu60.split_of(*pair, setting)
            for pair in zip(table["performer"], table["camera"], strict=True)
        ]
    kept = {key: about[key] for key in ("glosses", "signers", "repetitions", "seed", "hardness")}
    return _loaded(table, lambda clip: actors(world.clip(clip)), NTU_25, data.corpus, kept)


def _ntu60(root: Path, setting: str, quiet: bool) -> ClipSource:
    if ntu60_arrays.is_arrays(root, setting):
        found = ntu60_arrays.read_arrays(root, setting)
        table, clips, form = found.manifest, found.read, f"arrays {setting}"
    else:
        table, form = ntu60.read_manifest(root, setting), "skeleton files"
        clips = _files(root, table)
    extraction = Extraction(
        "ntu60", "1", (PERSONS, len(NTU_25), 3), ("x", "y", "z"), NTU_25.name, {"form": form}
    )
    place = hashlib.sha256(f"{root.resolve()} {form}".encode()).hexdigest()[:8]
    watched = tqdm(
        clips,
        "reading clips",
        len(table),
        unit="clip",
        leave=False,
        disable=quiet or len(table) < 500,
    )
    made = ((clip, actors(joints)) for clip, joints in watched)
    store = write_store(
        paths.runs_root() / "skeletons" / f"ntu60-{place}", extraction, table, made, fps=ntu60.FPS
    )
    return LoadedClips(_kept(table, store), store.read, extraction)


def _files(root: Path, table: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    for clip, file in table[["clip", "file"]].itertuples(index=False):
        try:
            yield clip, ntu60.read_skeleton(paths.inside(root, file)).joints
        except ClipError:
            yield clip, np.full((1, 1, len(NTU_25), 3), np.nan, np.float32)


def _kept(table: pd.DataFrame, store: FeatureStore) -> pd.DataFrame:
    """The manifest as it is asked for now: the store may have been made for another split."""
    return table[table["clip"].isin(set(store.clips))].reset_index(drop=True)
