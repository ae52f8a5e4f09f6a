"""A trained graph network put to work on skeletons of whole bodies: `.skeleton` files, arrays and
stores.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from signlib.corpora.actions import actors
from signlib.data import ntu60
from signlib.data.skeletons import NTU_25, Skeleton
from signlib.errors import ClipError, RunError
from signlib.features.actors import axes_of
from signlib.stores.store import FeatureStore
from signlib.tasks.graph import prepare_action
from signlib.tasks.recogniser import COLUMNS, Recogniser, check_skeleton, store_source
from signlib.training.actions import ActionDataset
from signlib.training.classification import score


def predict_actions(
    recogniser: Recogniser, clips: Sequence[str | Path], split: str = "", top: int = 5
) -> pd.DataFrame:
    """As `recognise.predict`, for a graph network.

    Args:
        clips: `.skeleton` files of NTU RGB+D; `.npy` files (T, J, 3) or (T, M, J, 3) with y up,
            metres, NaN = nobody; or stores of skeletons (T, M, J, 3).

    Raises:
        RunError: for skeletons other than the run was trained on.
        StoreError: for a store without clips of that split.
    """
    skeleton, axes = recogniser.skeleton, axes_of(recogniser.skeleton)
    names, glosses, prepared, problems = [], [], [], {}
    for clip in map(Path, clips):
        source = store_source(FeatureStore(clip), split) if clip.is_dir() else None
        if source is not None:
            check_skeleton(source, recogniser)
        table = (
            [(str(clip), "")]
            if source is None
            else source.labelled[["clip", "gloss"]].itertuples(index=False)
        )
        for name, gloss in table:
            try:
                joints = _from_file(clip, skeleton) if source is None else source.read(name)
                prepared.append(prepare_action(actors(joints), axes, recogniser.settings))
            except ClipError as error:
                problems[name] = str(error)
                continue
            names.append(name), glosses.append(gloss)
    rows = [(clip, "", [], why, "", "") for clip, why in problems.items()]
    if names:
        joints, bodies = zip(*prepared, strict=True)
        data = ActionDataset(joints, bodies, np.zeros(len(names), int))
        shares = np.exp(score(recogniser.model, data, recogniser.settings, skeleton.mirror))
        best = zip(recogniser.best(names, shares, top), glosses, strict=True)
        rows = [*((clip, gloss, found, "", "", "") for (clip, found), gloss in best), *rows]
    return pd.DataFrame(rows, columns=COLUMNS)


def _from_file(file: Path, skeleton: Skeleton) -> np.ndarray:
    """(T, M, J, 3) of a file."""
    if file.suffix == ".skeleton":
        if skeleton.name != NTU_25.name:
            raise RunError(
                f"{file}: a .skeleton file has the joints of {NTU_25.name!r}, the run was trained"
                f" on {skeleton.name!r}; give a .npy file (T, M, {len(skeleton)}, 3)"
            )
        return ntu60.read_skeleton(file).joints
    if file.suffix != ".npy":
        raise RunError(
            f"{file}: the run is a graph network on skeletons; give .skeleton or .npy files, or a"
            " store"
        )
    try:
        joints = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ClipError(
            f"{file} is no readable .npy file ({error}); write it with numpy.save"
        ) from None
    joints = joints[:, None] if joints.ndim == 3 else joints
    if joints.ndim != 4 or joints.shape[2:] != (len(skeleton), 3) or 0 in joints.shape:
        raise ClipError(
            f"{file} has shape {joints.shape}; the run takes (T, M, {len(skeleton)}, 3) or (T,"
            f" {len(skeleton)}, 3)"
        )
    if joints.dtype.kind != "f":
        raise ClipError(f"{file} holds {joints.dtype}; give metres as floating-point numbers")
    return joints.astype(np.float32)
