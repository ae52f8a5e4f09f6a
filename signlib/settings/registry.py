"""The tasks: one row a family of models, with its settings, its presets and where its code lies.

The code is named as text, because it lies above this room and loads torch. From outside the
package `register` adds a row; the rest of the program then knows the task.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from signlib.errors import SettingsError
from signlib.settings import baseline, frozen, graph, landmarks, modalities, phonology, sentences
from signlib.settings.base import Preset, Settings


@dataclass(frozen=True)
class TaskRow:
    """One family of models.

    Attributes:
        name: the value of the setting `task`.
        settings: its dataclass, with limits and what goes together.
        presets: `family/variant` -> preset.
        code: its class, or where to find it: `package.module:Class`.
        sweeps: named families of its presets that are trained over several random seeds.
    """

    name: str
    settings: type[Settings]
    presets: Mapping[str, Preset]
    code: str | type[Any]
    sweeps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


TASKS: dict[str, TaskRow] = {
    row.name: row
    for row in (
        TaskRow(
            "landmarks",
            landmarks.LandmarkExperiment,
            landmarks.PRESETS,
            "signlib.tasks.landmarks:LandmarkTask",
        ),
        TaskRow(
            "frozen",
            frozen.FrozenExperiment,
            frozen.PRESETS,
            "signlib.tasks.frozen:FrozenTask",
        ),
        TaskRow(
            "modalities",
            modalities.ModalitiesExperiment,
            modalities.PRESETS,
            "signlib.tasks.modalities:ModalitiesTask",
            modalities.SWEEPS,
        ),
        TaskRow(
            "graph",
            graph.GraphExperiment,
            graph.PRESETS,
            "signlib.tasks.graph:GraphTask",
        ),
        TaskRow(
            "phonology",
            phonology.PhonologyExperiment,
            phonology.PRESETS,
            "signlib.tasks.phonology:PhonologyTask",
        ),
        TaskRow(
            "sentences",
            sentences.SentenceExperiment,
            sentences.PRESETS,
            "signlib.tasks.sentences:SentenceTask",
            sentences.SWEEPS,
        ),
        # Last: of what two tasks read, the network is meant.
        TaskRow(
            "baseline",
            baseline.BaselineExperiment,
            baseline.PRESETS,
            "signlib.tasks.baseline:BaselineTask",
        ),
    )
}


def task_row(name: str) -> TaskRow:
    """The row of a task.

    Raises:
        SettingsError: for an unknown one, with those that there are.
    """
    if name not in TASKS:
        raise SettingsError(f"task={name!r} is unknown; choose from {', '.join(TASKS)}")
    return TASKS[name]


def register(row: TaskRow) -> None:
    """Add a task from outside the package.

    Raises:
        SettingsError: when its name, or that of a preset, is taken.
    """
    taken = [row.name] if row.name in TASKS else sorted(set(row.presets) & set(all_presets()))
    if taken:
        raise SettingsError(f"{taken[0]!r} is registered already; choose another name")
    TASKS[row.name] = row


def all_presets() -> dict[str, tuple[str, Preset]]:
    """Every preset by name, with the name of its task."""
    return {
        name: (row.name, preset) for row in TASKS.values() for name, preset in row.presets.items()
    }


def all_sweeps() -> dict[str, tuple[str, ...]]:
    """Every named family of presets."""
    return {name: members for row in TASKS.values() for name, members in row.sweeps.items()}
