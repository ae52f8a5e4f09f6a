"""What an experiment needs of whole-body actions: clips in their own axes, and a graph network over
their joints.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from tqdm.auto import tqdm

from signlib.corpora.actions import load_actions
from signlib.data.explore import leakage
from signlib.data.skeletons import Skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ClipError
from signlib.features.actors import Axes, axes_of, held, in_own_axes
from signlib.features.streams import parents_of
from signlib.models.gcn import VARIANTS, GraphNetwork
from signlib.models.graph import adjacency
from signlib.settings.config import Settings
from signlib.training.actions import ActionAugment, ActionClassifier, ActionDataset, ActionInputs
from signlib.training.batches import Batch, Clips


def graph_network(settings: Settings, skeleton: Skeleton, classes: int) -> GraphNetwork:
    """The untrained graph network that the settings describe, for any skeleton."""
    gcn = settings.gcn
    with torch.device("cpu"):  # also where weights are only counted
        graph = adjacency(skeleton.bones, len(skeleton), VARIANTS[gcn.variant].hops, gcn.partition)
    return GraphNetwork(
        gcn.variant,
        graph,
        classes,
        len(gcn.streams),
        3,
        gcn.head,
        settings.action.bodies,
        gcn.dropout,
        gcn.drop_path,
    )


def action_classifier(settings: Settings, skeleton: Skeleton, classes: int) -> ActionClassifier:
    """The graph network behind its test view: batches of clips to scores."""
    inputs = ActionInputs(settings.action, settings.gcn.streams, parents_of(skeleton))
    return ActionClassifier(graph_network(settings, skeleton, classes), inputs)


def blank_streams(settings: Settings, skeleton: Skeleton, clips: int = 1, bodies: int = 1) -> Batch:
    """A batch of the network's input, all zeros, for counting and timing."""
    shape = (clips, bodies, len(settings.gcn.streams), settings.action.frames, len(skeleton), 3)
    return {"streams": torch.zeros(shape), "bodies": torch.ones(clips, bodies, dtype=torch.bool)}


def prepare_action(
    joints: np.ndarray, axes: Axes, settings: Settings
) -> tuple[np.ndarray, np.ndarray]:
    """A clip (T, 2, J, 3) as (T, P, J, 3) float32 in its own axes without gaps, and who is there
    (P,).

    Raises:
        ClipError: when nobody is seen, or the first person has no trunk.
    """
    action = settings.action
    missing = max(action.bodies - joints.shape[1], 0)
    joints = np.pad(
        joints[:, : action.bodies], ((0, 0), (0, missing), (0, 0), (0, 0)), constant_values=np.nan
    )
    bodies = np.isfinite(joints).all(axis=(2, 3)).any(axis=0)
    if not bodies[0]:
        raise ClipError("nobody is seen in any frame of the clip; leave it out")
    # Without the second person some frames may be empty.
    joints = joints[np.isfinite(joints[:, bodies, 0, 0]).any(axis=1)]
    out = np.zeros((len(joints), action.bodies, *joints.shape[2:]), np.float32)
    out[:, bodies] = held(in_own_axes(joints[:, bodies], axes, action.align, action.scale))
    return out, bodies


class ActionRecognition:
    """Actions from skeletons of whole bodies."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.source = settings, load_actions(settings.data)
        self.table, self.skeleton = self.source.labelled, self.source.skeleton
        self.axes, self.mirror = axes_of(self.skeleton), list(self.skeleton.mirror)
        self.notes = [] if settings.data.corpus == "generated-actions" else [self._doubles()]

    def _doubles(self) -> str:
        found = leakage(self.table, self.source.read).set_index("check")
        count = found.loc["same features as a training clip", "test clips"]
        return f"{count} test clips are byte-identical to a training clip"

    def model(self, classes: int) -> nn.Module:
        """The untrained model."""
        return action_classifier(self.settings, self.skeleton, classes)

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        """Rows of the table as a dataset."""
        names, clips, bodies, unusable = [], [], [], {}
        watched = tqdm(
            rows["clip"],
            "preparing clips",
            unit="clip",
            leave=False,
            disable=quiet or len(rows) < 500,
        )
        for name in watched:
            try:
                clip, there = prepare_action(self.source.read(name), self.axes, self.settings)
            except ClipError as error:
                unusable[name] = str(error)
                continue
            names.append(name), clips.append(clip), bodies.append(there)
        gloss = rows.set_index("clip")["gloss"].loc[names]
        return Clips(
            ActionDataset(clips, bodies, vocabulary.encode(gloss.tolist()), repeats),
            names,
            unusable,
        )

    @property
    def augment(self) -> ActionAugment:
        """The change of training batches."""
        s = self.settings
        return ActionAugment(
            s.action, s.gcn.streams, parents_of(self.skeleton), s.augment, self.mirror
        )

    @property
    def described(self) -> dict[str, Any]:
        """How the skeletons were read."""
        return {"extraction": asdict(self.source.extraction)}
