"""Actions of whole bodies: clips in their own axes, and a graph network over their joints."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from signlib import reading
from signlib.corpora import clips as corpora
from signlib.corpora import registry
from signlib.corpora.bodies import actors
from signlib.corpora.folder import stores_and_clips
from signlib.corpora.splits import Splits, class_numbers
from signlib.data import explore, ntu60, skeletons
from signlib.data import points as landmarks
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ClipError, RunError, SettingsError, joined
from signlib.features.actors import Axes, axes_of, filled, held, in_own_axes
from signlib.features.streams import parents_of
from signlib.models import classifier, counting
from signlib.models.gcn import GraphNetwork, sizes_of
from signlib.models.graph import adjacency
from signlib.runs.run import Run
from signlib.settings.graph import GraphExperiment
from signlib.stores.store import ClipSource, FeatureStore, why
from signlib.tasks.isolated import IsolatedTask
from signlib.tasks.task import (
    Facts,
    Inputs,
    Reading,
    Recogniser,
    check_skeleton,
    notes_of,
    store_source,
    table_of,
)
from signlib.training import actions, classification
from signlib.training.batches import Batch, Clips


def graph_network(
    settings: GraphExperiment, skeleton: skeletons.Skeleton, classes: int
) -> GraphNetwork:
    """The untrained graph network that the settings describe, for any skeleton."""
    gcn = settings.gcn
    sizes = sizes_of(gcn)
    with torch.device("cpu"):  # also where weights are only counted
        graph = adjacency(skeleton.bones, len(skeleton), sizes.hops, gcn.partition)
    return GraphNetwork(
        sizes, graph, classes, len(gcn.streams), 3, gcn.head, settings.action.bodies
    )


def blank_streams(
    settings: GraphExperiment, skeleton: skeletons.Skeleton, clips: int = 1, bodies: int = 1
) -> Batch:
    """A batch of the network's input, all zeros, for counting and timing."""
    shape = (clips, bodies, len(settings.gcn.streams), settings.action.frames, len(skeleton), 3)
    return {"streams": torch.zeros(shape), "bodies": torch.ones(clips, bodies, dtype=torch.bool)}


def prepare_action(
    joints: np.ndarray, axes: Axes, settings: GraphExperiment
) -> tuple[np.ndarray, np.ndarray]:
    """A clip in its own axes without gaps, and who is in it.

    Args:
        joints: (T, M, J, 3), NaN where nobody, or a joint of somebody, is not seen.
        axes: of the skeleton.
        settings: how many bodies P, and how they are aligned.

    Returns:
        (T, P, J, 3) float32, and (P,) bool.

    Raises:
        ClipError: when nobody is seen, or the first person has no trunk.
    """
    action, joints = settings.action, filled(joints)
    missing = max(action.bodies - joints.shape[1], 0)
    joints = np.pad(
        joints[:, : action.bodies], ((0, 0), (0, missing), (0, 0), (0, 0)), constant_values=np.nan
    )
    bodies = np.isfinite(joints).all(axis=(2, 3)).any(axis=0)
    if not bodies[0]:
        raise ClipError("nobody is seen in any frame of the clip; leave it out")
    # Without the second person some frames may be empty.
    joints = joints[np.isfinite(joints[:, bodies, 0, 0]).any(axis=1)]
    clip = np.zeros((len(joints), action.bodies, *joints.shape[2:]), np.float32)
    clip[:, bodies] = held(in_own_axes(joints[:, bodies], axes, action.align, action.scale))
    return clip, bodies


class GraphTask(IsolatedTask[GraphExperiment, actions.ActionClassifier]):
    """Actions from skeletons of whole bodies."""

    # A batch norm wants two clips; who is there decides how many bodies there are.
    counted_with = (2, 4)
    lists_decay: ClassVar[bool] = True
    same_inputs: ClassVar[tuple[str, ...]] = ("action.", "gcn.streams")
    parts: ClassVar[Mapping[str, str]] = {
        "norm of streams": "network.norm.",
        "fusion of streams": "network.fusion.",
        "blocks": "network.blocks.",
        "pooling": "network.pool.",
        "norm of the head": "network.head.norm.",
        "mean of the head": "network.head.mean.",
        "variance of the head": "network.head.log_variance.",
    }
    outputs: ClassVar[Mapping[str, int]] = {
        "network.head.classifier.": 0,
        "network.head.directions": 0,
    }

    source: ClipSource

    def __init__(self, settings: GraphExperiment) -> None:
        super().__init__(settings)
        self.source = corpora.load_actions(settings.data)
        self.table, self.skeleton = self.source.labelled, self.source.skeleton
        self.notes, self.examples = notes_of(self.source)
        self.axes, self.mirror = axes_of(self.skeleton), self.skeleton.mirror

    @cached_property
    def splits(self) -> Splits:
        """Who trains, validates and tests; notes say which test clips are copies."""
        chosen = super().splits
        if not registry.corpus_of(self.settings.data).generated and not chosen.untested:
            # Clips that validate could have trained.
            table = chosen.table.replace({"split": {"val": "train"}})
            checks = explore.leakage(table, self.source.read).set_index("check")
            count = checks.loc["same features as a training clip", "test clips"]
            chosen.notes.append(f"{count} test clips are byte-identical to a training clip")
        return chosen

    def differs(self, part: str, run: Run, facts: Facts) -> bool:
        # Streams stand in their order in what is normed and fused first.
        if not part.endswith("of streams") or not isinstance(run.settings, GraphExperiment):
            return False
        return list(self.settings.gcn.streams) != list(run.settings.gcn.streams)

    def fitting(
        self,
        model: actions.ActionClassifier,
        train: Clips,
        weights: Tensor | None,
        teacher: nn.Module | None,
    ) -> actions.ActionFitting:
        return actions.ActionFitting(model, self.settings, self.augment, weights, teacher)

    @classmethod
    def loss(
        cls, settings: GraphExperiment, model: actions.ActionClassifier, batch: Batch
    ) -> Tensor:
        return classification.loss_of(model, batch) + model.auxiliary_loss(batch["target"])

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        prepared: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        unusable: dict[str, str] = {}
        for name in tqdm(
            rows["clip"],
            "preparing clips",
            unit="clip",
            leave=False,
            disable=quiet or len(rows) < 500,
        ):
            try:
                prepared[name] = prepare_action(self.source.read(name), self.axes, self.settings)
            except ClipError as error:
                unusable[name] = why(self.source, name, error)
        clips = [clip for clip, _ in prepared.values()]
        bodies = [bodies for _, bodies in prepared.values()]
        return Clips(
            actions.ActionDataset(
                clips, bodies, class_numbers(rows, list(prepared), vocabulary), repeats
            ),
            list(prepared),
            unusable,
        )

    @property
    def augment(self) -> actions.ActionAugment:
        return actions.ActionAugment(
            self.settings.action,
            self.settings.gcn.streams,
            parents_of(self.skeleton),
            self.settings.augment,
            self.mirror,
        )

    @classmethod
    def network(
        cls, settings: GraphExperiment, inputs: Inputs, classes: int
    ) -> actions.ActionClassifier:
        view = actions.ActionInputs(
            settings.action, settings.gcn.streams, parents_of(inputs.skeleton)
        )
        return actions.ActionClassifier(graph_network(settings, inputs.skeleton, classes), view)

    @classmethod
    def example(cls, settings: GraphExperiment, inputs: Inputs, classes: int, clips: int) -> Batch:
        bodies, frames = settings.action.bodies, settings.action.frames
        return {
            "clips": torch.randn(clips, frames, bodies, len(inputs.skeleton), 3),
            "lengths": torch.full((clips,), frames),
            "bodies": torch.ones(clips, bodies, dtype=torch.bool),
            "target": torch.randint(classes, (clips,)),
        }

    @classmethod
    def count_parts(cls, model: actions.ActionClassifier) -> dict[str, int]:
        # Blocks, the fusion of streams, and the head.
        network = model.network
        return {
            "encoder": classifier.parameter_count(network.blocks),
            "fusion": classifier.parameter_count(network.norm)
            + classifier.parameter_count(network.fusion),
            "classifier": classifier.parameter_count(network.pool)
            + classifier.parameter_count(network.head),
        }

    @classmethod
    def count_macs(cls, settings: GraphExperiment, inputs: Inputs, classes: int) -> int:
        # Multiply-accumulates of one body, in the source's order; see `graph_macs`.
        numbers = 3 * len(settings.gcn.streams)
        sizes, joints = sizes_of(settings.gcn), len(inputs.skeleton)
        return counting.graph_macs(sizes, settings.action.frames, joints, numbers, classes)

    @classmethod
    def predict(
        cls,
        recogniser: Recogniser[GraphExperiment, actions.ActionClassifier],
        clips: Sequence[str | Path],
        split: str = "",
        top: int = 5,
        tower: str = "",
    ) -> pd.DataFrame:
        """The likeliest actions of clips.

        Args:
            recogniser: of the run.
            clips: `.skeleton` files of NTU RGB+D; `.npy` files (T, J, 3) or (T, M, J, 3) with y
                up, metres, NaN = nobody; or stores of skeletons (T, M, J, 3).
            split: of stores, only the clips of this split.
            top: how many glosses a clip.
            tower: not used here.

        Raises:
            RunError: for skeletons other than the run was trained on.
            SettingsError: for `on_jump`, which is said of people who sign.
            StoreError: for a store without clips of that split.
        """
        SettingsError.raise_if(
            recogniser.numbers.on_jump != "keep",
            f"on_jump={recogniser.numbers.on_jump}: bodies in action walk and fall, so no jump of"
            " theirs is looked for; leave on_jump out",
        )
        skeleton, axes = recogniser.skeleton, axes_of(recogniser.skeleton)
        prepared: list[tuple[np.ndarray, np.ndarray]] = []
        readings: list[Reading] = []
        problems: list[Reading] = []
        stores, _ = stores_and_clips(clips)
        for clip in map(Path, clips):
            source = store_source(FeatureStore(clip), recogniser, split) if clip in stores else None
            table = [(str(clip), "")]
            if source is not None:
                check_skeleton(source, recogniser)
                table = list(source.labelled[["clip", "gloss"]].itertuples(index=False))
            for name, gloss in table:
                try:
                    joints = _from_file(clip, recogniser) if source is None else source.read(name)
                    acting = actors(joints)
                    acting = acting[recogniser.examined(name, acting[:, 0], skeleton, 1.0)]
                    prepared.append(prepare_action(acting, axes, recogniser.settings))
                    readings.append(Reading(name, gloss))
                except ClipError as error:
                    problems.append(Reading(name, problem=why(recogniser, name, error)))
        if readings:
            bodies = [bodies for _, bodies in prepared]
            data = actions.ActionDataset([clip for clip, _ in prepared], bodies, [0] * len(bodies))
            shares = np.exp(
                classification.score(recogniser.model, data, recogniser.settings, skeleton.mirror)
            )
            best = recogniser.best([reading.clip for reading in readings], shares, top)
            readings = [
                replace(reading, top=glosses)
                for reading, (_, glosses) in zip(readings, best, strict=True)
            ]
        return table_of(readings + problems)


def _from_file(
    file: Path, recogniser: Recogniser[GraphExperiment, actions.ActionClassifier]
) -> np.ndarray:
    # (T, M, J, 3) of a file; what is taken from it, or looks wrong in it, is noted.
    skeleton = recogniser.skeleton
    if file.suffix == ".skeleton":
        if skeleton.name != skeletons.NTU_25.name:
            raise RunError(
                f"{file}: a .skeleton file has the joints of {skeletons.NTU_25.name!r}, the run was"
                f" trained on {skeleton.name!r}; give a .npy file (T, M, {len(skeleton)}, 3)"
            )
        bodies = ntu60.read_skeleton(file)
        recogniser.notes[str(file)] = bodies.note
        return bodies.joints
    if file.suffix != ".npy":
        raise RunError(
            f"{file}: the run is a graph network on skeletons; give .skeleton or .npy files, or a"
            " store"
        )
    try:
        joints = reading.array(file)
    except (OSError, ValueError) as error:
        raise ClipError(
            f"{file} is no readable .npy file ({error}); the run takes (T, M, {len(skeleton)}, 3),"
            " written with numpy.save"
        ) from None
    joints = joints[:, None] if joints.ndim == 3 else joints
    if joints.ndim != 4 or joints.shape[2:] != (len(skeleton), 3) or 0 in joints.shape:
        raise ClipError(
            f"{file} has shape {joints.shape}; the run takes (T, M, {len(skeleton)}, 3) or (T,"
            f" {len(skeleton)}, 3)"
        )
    if joints.dtype.kind != "f":
        raise ClipError(f"{file} holds {joints.dtype}; give metres as floating-point numbers")
    joints = recogniser.numbers.read(joints, skeleton)
    doubted = landmarks.doubts(joints, skeleton)
    joints, taken = landmarks.usable(joints, skeleton)
    recogniser.notes[str(file)] = joined(taken, doubted)
    return joints.astype(np.float32)
