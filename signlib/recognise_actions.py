"""A trained graph network put to work on skeletons of whole bodies: `.skeleton` files, arrays and stores."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from signlib.action_corpora import actors
from signlib.action_recognition import prepare_action
from signlib.config import Settings
from signlib.data import ntu60
from signlib.data.skeletons import NTU_25, Skeleton
from signlib.errors import ClipError, RunError, StoreError
from signlib.experiment import score
from signlib.features.actors import axes_of
from signlib.features.store import FeatureStore
from signlib.training.actions import ActionDataset


def score_actions(
    model: nn.Module, settings: Settings, skeleton: Skeleton, clips: Sequence[str | Path], split: str = ""
) -> tuple[list[str], list[str], np.ndarray, dict[str, str]]:
    """Probabilities of the actions in clips.

    Args:
        model, settings, skeleton: of the run.
        clips: `.skeleton` files of NTU RGB+D; `.npy` files (T, J, 3) or (T, M, J, 3) with y up, metres, NaN = nobody;
            or stores of skeletons (T, M, J, 3).
        split: of stores, only the clips of this split.

    Returns:
        Names and known glosses ("" where nobody says) of the N clips that can be used, probabilities (N, K), and why
        the others cannot.

    Raises:
        RunError: for skeletons other than the run was trained on.
        StoreError: for a store without clips of that split.
    """
    axes = axes_of(skeleton)
    names, glosses, prepared, problems = [], [], [], {}
    for clip in map(Path, clips):
        store = FeatureStore(clip) if clip.is_dir() else None
        for name, gloss in [(str(clip), "")] if store is None else _listed(store, skeleton, split):
            try:
                joints = _from_file(clip, skeleton) if store is None else store.read(name)
                prepared.append(prepare_action(actors(joints), axes, settings))
            except ClipError as error:
                problems[name] = str(error)
                continue
            names.append(name), glosses.append(gloss)
    if not names:
        return [], [], np.empty((0, 0)), problems
    joints, bodies = zip(*prepared, strict=True)
    data = ActionDataset(joints, bodies, np.zeros(len(names), int))
    return names, glosses, np.exp(score(model, data, settings, skeleton.mirror)), problems


def _listed(store: FeatureStore, skeleton: Skeleton, split: str) -> list[tuple[str, str]]:
    if store.extraction.skeleton != skeleton.name:
        raise RunError(
            f"the run was trained on skeleton {skeleton.name!r}, store {store.path} has "
            f"{store.extraction.skeleton!r}; give clips made the same way"
        )
    table = store.labelled if not split else store.labelled[store.labelled["split"] == split]
    if table.empty:
        raise StoreError(f"store {store.path} has no clip of split {split!r}")
    return list(table[["clip", "gloss"]].itertuples(index=False, name=None))


def _from_file(file: Path, skeleton: Skeleton) -> np.ndarray:
    """(T, M, J, 3) of a file."""
    if file.suffix == ".skeleton":
        if skeleton.name != NTU_25.name:
            raise RunError(
                f"{file}: a .skeleton file has the joints of {NTU_25.name!r}, the run was trained on "
                f"{skeleton.name!r}; give a .npy file (T, M, {len(skeleton)}, 3)"
            )
        return ntu60.read_skeleton(file).joints
    if file.suffix != ".npy":
        raise RunError(f"{file}: the run is a graph network on skeletons; give .skeleton or .npy files, or a store")
    try:
        joints = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ClipError(f"{file} is no readable .npy file ({error}); write it with numpy.save") from None
    joints = joints[:, None] if joints.ndim == 3 else joints
    if joints.ndim != 4 or joints.shape[2:] != (len(skeleton), 3) or 0 in joints.shape:
        raise ClipError(
            f"{file} has shape {joints.shape}; the run takes (T, M, {len(skeleton)}, 3) or (T, {len(skeleton)}, 3)"
        )
    if joints.dtype.kind != "f":
        raise ClipError(f"{file} holds {joints.dtype}; give metres as floating-point numbers")
    return joints.astype(np.float32)
