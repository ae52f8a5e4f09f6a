"""Finished runs lined up on the same clips; those that differ in their seed only are one system."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from signlib.errors import RunError
from signlib.evaluation.wer import word_errors
from signlib.runs.run import Run
from signlib.settings import config
from signlib.settings.base import Settings
from signlib.statistics.intervals import group_sums

# Settings that runs of one system may differ in: seed, fold, and where and how long they ran.
SEEDLESS = (
    "seed",
    "data.fold",
    "data.root",
    "training.hours",
    "training.logger",
    "training.threads",
    "training.workers",
    "training.accelerator",
    "pictures.workers",
    "pictures.in_memory",
)
# Settings that the name of a system tells, and more only where these do not tell it apart.
NAMED = 5


def shared_clips(
    runs: Sequence[Run], alike: bool = True, tables: Sequence[pd.DataFrame] | None = None
) -> tuple[list[pd.DataFrame], int]:
    """Predictions of M runs on the clips that all of them tested, in the order of the first run.

    Args:
        alike: False: something else than clips and glosses says that they do not belong together.
        tables: predictions by clip, where they are not simply those of each run.

    Returns:
        M tables by clip, and how many clips are left out because not every run tested them.

    Raises:
        RunError: for runs that share no clip with the same gloss.
    """
    tables = tables or [run.predictions.set_index("clip") for run in runs]
    tested = [set(table.index) for table in tables]
    common = set.intersection(*tested)
    clips = [clip for clip in tables[0].index if clip in common]
    shared = [table.loc[clips] for table in tables]
    same = all(table["target"].equals(shared[0]["target"]) for table in shared)
    if not (clips and same and alike):
        raise RunError(
            f"runs {', '.join(run.name for run in runs)} share no test clips with the same"
            " glosses; compare runs of one corpus and split"
        )
    return shared, len(set.union(*tested)) - len(clips)


def right_clips(table: pd.DataFrame) -> np.ndarray:
    """(N,) 1 for a right clip of a table of predictions, else 0."""
    return (table["target"] == table["prediction"]).to_numpy(float)


def corpus_of(run: Run) -> str:
    """The corpus that a run was tested on; a store is called by its folder."""
    data = run.settings.data
    return data.root.rpartition("/")[2] if data.corpus == "store" else data.corpus


def by_corpus(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Corpus -> its runs; runs that share test clips are of one corpus, whatever its folder."""
    groups: dict[str, list[Run]] = {}
    clips: dict[str, set[str]] = {}
    for run in runs:
        groups.setdefault(corpus_of(run), []).append(run)
        clips.setdefault(corpus_of(run), set()).update(run.predictions["clip"])
    apart = sum(map(len, clips.values())) == len(set().union(*clips.values()))
    return groups if apart else {corpus_of(runs[0]): list(runs)}


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
class Lineup:
    """Systems on the clips that all of them tested.

    Attributes:
        systems: in the order in which they were named.
        clips: N names; signers: (N,), "" where nobody knows.
        references: of sentences, their N glosses; empty for isolated signs.
        words: (N,) of each reference; None for isolated signs.
        left_out: clips that not every run tested.
    """

    systems: list[System]
    clips: list[str]
    signers: list[str]
    references: list[list[str]]
    words: np.ndarray | None
    left_out: int

    @property
    def groups(self) -> list[str] | None:
        """(N,) signers where all are known and there are several, else None."""
        return self.signers if all(self.signers) and len(set(self.signers)) > 1 else None

    @property
    def unit(self) -> str:
        """What is measured."""
        return "top-1 %" if self.words is None else "WER %"

    def rates(self, system: System) -> np.ndarray:
        """(S,) accuracy or word error rate of each seed, per cent."""
        total = len(self.clips) if self.words is None else self.words.sum()
        return 100 * system.values.sum(1) / total

    def by_signer(self, system: System) -> np.ndarray:
        """(S, T) the same rate on each signer; one column where signers are unknown."""
        sizes = np.ones(len(self.clips)) if self.words is None else self.words
        signers = self.groups or [""] * len(self.clips)
        *values, totals = group_sums([*system.values, sizes], signers)
        return 100 * np.array(values)[:, totals > 0] / totals[totals > 0]


def gather(runs: Sequence[Run]) -> Lineup:
    """Group runs by all that they were made of but the random seed; line up their predictions.

    Raises:
        RunError: for runs that are unfinished or were published without predictions, the same seed
            of one system twice, runs that share no clip with the same glosses, or sentences beside
            isolated signs.
    """
    if not runs:
        raise RunError("there is no run to compare; name two or more")
    named = systems_of(runs)
    tables = {name: _by_seed(name, members) for name, members in named.items()}
    every = [table for of_seeds in tables.values() for table in of_seeds.values()]
    sentences = {"hypothesis" in table for table in every}
    if len(sentences) > 1:
        raise RunError("some runs name signs and others write sentences; compare those of one kind")
    shared, left_out = shared_clips(runs, tables=every)
    first, lined_up = shared[0], iter(shared)
    references = [text.split() for text in first["target"]] if sentences == {True} else []
    systems = []
    for name, of_seeds in tables.items():
        members = [next(lined_up) for _ in of_seeds]
        heard = [table["hypothesis"].str.split().tolist() for table in members if references]
        errors = [word_errors(references, texts) for texts in heard]
        systems.append(
            System(
                name=name,
                runs=named[name],
                seeds=list(of_seeds),
                values=np.array(errors or list(map(right_clips, members)), float),
                hypotheses=heard,
            )
        )
    return Lineup(
        systems=systems,
        clips=first.index.tolist(),
        signers=first["signer"].tolist(),
        references=references,
        words=np.array([len(text) for text in references]) if references else None,
        left_out=left_out,
    )


def systems_of(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Name of a system -> its runs, in the order in which they were named.

    Runs of one system differ in their random seed, in their fold, and in where and how long they
    ran. Its name is its experiment, and where several have it, what tells them apart.
    """
    groups: dict[tuple[str | tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(_made_of(run), []).append(run)
    return dict(zip(_names(list(groups.values())), groups.values(), strict=True))


def _origin(run: Run) -> str:
    # The experiment that a run was started from, "" for random weights.
    return run.facts.get("init_from", "").rpartition("/")[0]


def _made_of(run: Run) -> tuple[str | tuple[str, str], ...]:
    # What two runs of one system share.
    flat = config.flat(run.settings).items()
    kept = [(key, str(value)) for key, value in flat if key not in SEEDLESS]
    return (run.path.parent.name, _origin(run), *kept)


def _names(groups: Sequence[list[Run]]) -> list[str]:
    # A name for each group: its experiment, and where several have it, what tells them apart.
    plain = [runs[0].path.parent.name for runs in groups]
    names = []
    for name, runs in zip(plain, groups, strict=True):
        others = zip(groups, plain, strict=True)
        rivals = [other[0] for other, called in others if called == name and other is not runs]
        notes = []
        if any(_origin(other) != _origin(runs[0]) for other in rivals):
            notes.append(f"from {_origin(runs[0])}" if _origin(runs[0]) else "from scratch")
        changed = dict.fromkeys(
            key for other in rivals for key in config.differences(runs[0].settings, other.settings)
        )
        alike = [other.settings for other in rivals if _origin(other) == _origin(runs[0])]
        notes += _telling(runs[0].settings, alike, changed)
        names.append(f"{name} ({', '.join(notes)})" if notes else name)
    return names


def _telling(settings: Settings, others: Sequence[Settings], keys: Iterable[str]) -> list[str]:
    # Some of the keys with their values, and so many that no other settings have all of them.
    ours, rivals = config.flat(settings), [config.flat(other) for other in others]
    telling = [key for key in keys if key not in SEEDLESS]
    count = min(NAMED, len(telling))
    while count < len(telling) and any(
        all(str(rival.get(key)) == str(ours[key]) for key in telling[:count]) for rival in rivals
    ):
        count += 1
    return [f"{key}={ours[key]}" for key in telling[:count]]


def _by_seed(name: str, runs: Sequence[Run]) -> dict[int, pd.DataFrame]:
    # Seed -> its predictions by clip, the folds of one seed together.
    parts: dict[int, list[pd.DataFrame]] = {}
    for run in runs:
        parts.setdefault(run.settings.seed, []).append(run.predictions.set_index("clip"))
    tables = {seed: pd.concat(folds) for seed, folds in parts.items()}
    for seed, table in tables.items():
        if table.index.has_duplicates:
            raise RunError(
                f"{name}: seed {seed} tested the same clips in two runs; name one of them"
            )
    return tables
