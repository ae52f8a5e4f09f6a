"""Finished runs as systems: which of them differ in their seed only, and what each got right on the
same clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from signlib.errors import RunError
from signlib.evaluation.wer import word_errors
from signlib.runs.run import Run
from signlib.settings import config

SEEDLESS = (
    "seed",
    "data.fold",
    "data.root",
    "training.hours",
    "training.threads",
    "training.workers",
    "training.accelerator",
    "pictures.workers",
    "pictures.in_memory",
)
"""Settings that runs of one system may differ in: seed, fold, and where and how long they ran."""


@dataclass(frozen=True)
class System:
    """One system, trained with one or more seeds.

    Attributes:
        name: of its experiment, with what tells it from others of that name.
        runs: its runs; several of one seed are its folds.
        seeds: in the order of the rows of `values`.
        values: (S, N) 1 for a right clip, or the errors of each sentence.
        hypotheses: of each seed, its N sentences; empty for isolated signs.
    """

    name: str
    runs: list[Run]
    seeds: list[int]
    values: np.ndarray
    hypotheses: list[list[list[str]]]


@dataclass(frozen=True)
class Bench:
    """Systems on the clips that all of them tested.

    Attributes:
        systems: in the order in which they were named.
        clips: N names; signers: (N,), "" where nobody knows.
        references: of sentences, their N glosses; None for isolated signs.
        left_out: clips that not every run tested.
    """

    systems: list[System]
    clips: list[str]
    signers: list[str]
    references: list[list[str]] | None
    left_out: int

    @property
    def words(self) -> np.ndarray | None:
        """(N,) of each reference; None for isolated signs."""
        return (
            None if self.references is None else np.array([len(text) for text in self.references])
        )

    def rates(self, system: System) -> np.ndarray:
        """(S,) accuracy or word error rate of each seed, per cent."""
        return (
            100
            * system.values.sum(1)
            / (len(self.clips) if self.words is None else self.words.sum())
        )


def gather(found: Sequence[Run]) -> Bench:
    """Group runs by all that they were made of but the seed, and line up their predictions.

    Raises:
        RunError: for runs that are unfinished or were published without predictions, the same seed
            of one system twice, runs that share no clip with the same glosses, or sentences beside
            isolated signs.
    """
    if not found:
        raise RunError("there is no run to compare; name two or more")
    groups: dict[tuple, list[Run]] = {}
    for run in found:
        groups.setdefault(_made_of(run), []).append(run)
    named = dict(zip(_names(list(groups.values())), groups.values(), strict=True))
    tables = {name: _by_seed(name, runs) for name, runs in named.items()}
    every = [table for seeds in tables.values() for table in seeds.values()]
    spoken = {"hypothesis" in table for table in every}
    if len(spoken) > 1:
        raise RunError("some runs name signs and others write sentences; compare those of one kind")
    first = every[0]
    shared = [clip for clip in first.index if all(clip in table.index for table in every)]
    targets = pd.DataFrame([table.loc[shared, "target"].to_numpy() for table in every])
    if not shared or targets.nunique().max() > 1:
        raise RunError(
            f"runs {', '.join(run.name for run in found)} share no test clips with the same"
            " glosses; compare runs of one corpus and split"
        )
    references = (
        [text.split() for text in first.loc[shared, "target"]] if spoken == {True} else None
    )
    systems = [
        System(name, named[name], list(seeds), *_values(seeds, shared, references))
        for name, seeds in tables.items()
    ]
    union = set().union(*(table.index for table in every))
    return Bench(
        systems, shared, first.loc[shared, "signer"].tolist(), references, len(union) - len(shared)
    )


def _made_of(run: Run) -> tuple:
    """What two runs of one system share."""
    settings = {
        key: str(value) for key, value in config.flat(run.settings).items() if key not in SEEDLESS
    }
    origin = run.facts.get("init_from", "").rpartition("/")[0]
    return (run.path.parent.name, origin, *settings.items())


def _names(groups: Sequence[list[Run]]) -> list[str]:
    """A name for each group: its experiment, and where that is not enough, what it was started from
    or differs in.
    """
    plain = [runs[0].path.parent.name for runs in groups]
    out = []
    for name, runs in zip(plain, groups, strict=True):
        rivals = [
            other[0]
            for other, own in zip(groups, plain, strict=True)
            if own == name and other is not runs
        ]
        notes = []
        origin = runs[0].facts.get("init_from", "").rpartition("/")[0]
        if any(other.facts.get("init_from", "").rpartition("/")[0] != origin for other in rivals):
            notes.append(f"from {origin}" if origin else "from scratch")
        changed = dict.fromkeys(
            key for other in rivals for key in config.differences(runs[0].settings, other.settings)
        )
        flat = config.flat(runs[0].settings)
        notes += [f"{key}={flat[key]}" for key in changed if key not in SEEDLESS][:3]
        out.append(f"{name} ({', '.join(notes)})" if notes else name)
    return out


def _by_seed(name: str, runs: Sequence[Run]) -> dict[int, pd.DataFrame]:
    """Seed -> its predictions by clip, the folds of one seed together."""
    parts: dict[int, list[pd.DataFrame]] = {}
    for run in runs:
        parts.setdefault(run.settings.seed, []).append(run.predictions.set_index("clip"))
    found = {seed: pd.concat(tables) for seed, tables in parts.items()}
    twice = [seed for seed, table in found.items() if table.index.has_duplicates]
    if twice:
        raise RunError(
            f"{name}: seed {twice[0]} tested the same clips in two runs; name one of them"
        )
    return found


def _values(
    seeds: dict[int, pd.DataFrame], shared: list[str], references: list[list[str]] | None
) -> tuple[np.ndarray, list[list[list[str]]]]:
    """(S, N) right clips or errors, and the hypotheses where there are some."""
    tables = [table.loc[shared] for table in seeds.values()]
    if references is None:
        return (
            np.array(
                [(table["target"] == table["prediction"]).to_numpy(float) for table in tables]
            ),
            [],
        )
    spoken = [[text.split() for text in table["hypothesis"]] for table in tables]
    return np.array([word_errors(references, texts) for texts in spoken], float), spoken
