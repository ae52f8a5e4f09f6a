"""Clips of a generated corpus to files, one after the other or in many processes, and resumable.

A clip's files are written whole or not at all, its true values (`truth/<clip>.json`) after them: a
run that was cut off is resumed where it stopped, and only finished clips count.
"""

import copy
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import cv2
import joblib
import pandas as pd
from tqdm import tqdm

from signlib import processes, reading
from signlib.errors import SettingsError
from signlib.files import disk_error, write_json

MARKER = "generated.json"
TRUTH = "truth"
# One row of the corpus's manifest, with `name`: what the layout calls the clip.
Row = dict[str, Any]
# Settings of a layout's pictures.
Options = tuple[int, ...]


class Corpus(Protocol):
    """A generated corpus, as far as every layout needs it."""

    fps: float

    @property
    def manifest(self) -> pd.DataFrame:
        """One row a clip."""

    @property
    def splits(self) -> Mapping[int, str]:
        """Number of each person -> their split."""

    def truth(self, name: str) -> Mapping[str, object]:
        """All that is known about a clip."""


C = TypeVar("C", bound=Corpus)


@dataclass(frozen=True)
class Layout(Generic[C]):
    """How the files of one clip are made.

    Attributes:
        name: what `generated.json` calls the layout.
        options: settings of the pictures, part of what must not change on resuming.
        files: patterns of the clip's files or folders, filled in with its row.
        make: (corpus, row, those paths, options) writes those that are missing; returns the number
            of frames.
    """

    name: str
    options: Options
    files: tuple[str, ...]
    make: Callable[[C, Row, list[Path], Options], int]

    def paths(self, out: Path, row: Row) -> list[Path]:
        """The files or folders of one clip in the folder `out`."""
        return [out / pattern.format(**row) for pattern in self.files]


def checked_table(
    corpus: Corpus, clips: Sequence[str] | None, target: str = "gloss"
) -> pd.DataFrame:
    """A copy of the corpus's manifest, once it is sure that `clips` of it can be written.

    Raises:
        SettingsError: for a corpus without `target`, no clips, an unknown one, or a signer in two
            splits.
    """
    table = corpus.manifest.copy()
    if target not in table.columns or not table[target].all():
        raise SettingsError(
            f"this layout needs a corpus whose clips have {target!r}: signs for AUTSL and WLASL,"
            " sentences for PHOENIX-2014, actions for NTU60"
        )
    unknown = sorted({*(() if clips is None else clips)} - set(table["clip"]))
    if unknown:
        raise SettingsError(
            f"clip {unknown[0]!r} is not in the corpus; take names from its manifest"
        )
    if len(table) == 0 or (clips is not None and len(clips) == 0):
        raise SettingsError("there are no clips to write; give at least one name, or None for all")
    splits = table.groupby("signer")["split"].nunique()
    if (splits > 1).any():
        raise SettingsError(
            f"signer {splits.index[splits > 1][0]!r} is in two splits; keep signers apart"
        )
    return table


def write_clips(
    layout: Layout[C],
    corpus: C,
    out: Path,
    table: pd.DataFrame,
    *,
    clips: Sequence[str] | None,
    workers: int,
    progress: bool,
) -> list[Row]:
    """Write the chosen clips that are not finished; rows of all that are, with their true values.

    Raises:
        SettingsError: for a folder that holds something else, or no worker.
        DiskError: when a file cannot be written; what is finished stays.
    """
    if workers < 1:
        raise SettingsError(f"workers={workers} must be at least 1")
    # The same settings or none: clips of two worlds must not lie in one folder.
    begin(out, {"layout": layout.name, "corpus": describe(corpus), "options": list(layout.options)})
    chosen = table if clips is None else table[table["clip"].isin(clips)]
    todo = [row for row in chosen.to_dict("records") if not _finished(layout, out, row)]
    # Every task carries the corpus along: its table would make tasks larger than clips.
    lean = copy.copy(corpus)
    lean.__dict__.pop("manifest", None)
    tasks = (joblib.delayed(_write_clip)(layout, lean, row, out) for row in todo)
    clips_done = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")(tasks)
    bar = {"total": len(todo), "desc": layout.name, "unit": "clip", "disable": not progress}
    for _ in tqdm(clips_done, **bar):
        pass
    done = (row for row in table.to_dict("records") if _finished(layout, out, row))
    return [{**_facts(_truth(out, row)), **row} for row in done]


def _facts(path: Path) -> dict[str, Any]:
    # What is known of a finished clip.
    try:
        facts = reading.read_json(path)
        if not isinstance(facts, dict):
            raise ValueError("it is no table")
        return facts
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path} is damaged ({error}); delete it, and its clip is written again"
        ) from None


def _write_clip(layout: Layout[C], corpus: C, row: Row, out: Path) -> None:
    cv2.setNumThreads(1)  # the processes share the cores already
    frames = layout.make(corpus, row, layout.paths(out, row), layout.options)
    facts = {key: row[key] for key in ("clip", "name", "split", "signer")}
    facts |= {**corpus.truth(row["clip"]), "frames": frames, "fps": corpus.fps}
    write_json(_truth(out, row), facts)


def _finished(layout: Layout[C], out: Path, row: Row) -> bool:
    return _truth(out, row).is_file() and all(path.exists() for path in layout.paths(out, row))


def _truth(out: Path, row: Row) -> Path:
    return out / TRUTH / f"{row['name']}.json"


def describe(corpus: Corpus) -> dict[str, Any]:
    """The settings that decide a generated corpus's clips and who is in which split."""
    attributes = vars(corpus)
    facts: dict[str, Any] = {
        key: value for key, value in attributes.items() if isinstance(value, int | float | str)
    }
    sized = ("lexicon", "signers", "performers")
    facts |= {key: len(value) for key, value in attributes.items() if key in sized}
    # Other signs or splits can have the same sizes.
    for key, value in (("splits", corpus.splits), ("signs", getattr(corpus, "lexicon", ""))):
        facts[key] = hashlib.sha256(repr(value).encode()).hexdigest()[:12]
    if hasattr(corpus, "grammar"):
        facts |= {"order": corpus.grammar.order, "lengths": list(corpus.grammar.lengths)}
    if hasattr(corpus, "actions"):
        facts["actions"] = list(corpus.actions)
    return {"kind": type(corpus).__name__, **facts}


def begin(out: Path, settings: dict[str, Any]) -> None:
    """Make the folder, or make sure that it was begun with the same settings.

    Raises:
        SettingsError: for a folder of something else.
    """
    marker = out / MARKER
    if marker.is_file():
        try:
            before = reading.read_json(marker)
        except (OSError, ValueError):
            before = "something unreadable"
        if before != settings:
            raise SettingsError(
                f"{out} was begun with {_difference(before, settings)}; take the same settings or"
                " another folder"
            )
        for left in list(out.rglob(".*")):
            processes.remove_left(left)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingsError(
            f"{out} is not empty and was not begun here; take an empty or new folder"
        )
    else:
        write_json(marker, settings)


def _difference(before: object, now: dict[str, Any]) -> str:
    # What a folder was begun with, as far as it is not the same now.
    if not isinstance(before, dict) or not isinstance(before.get("corpus") or {}, dict):
        return f"{str(before)[:80]} in its {MARKER}"
    old, new = ({**part, **(part.get("corpus") or {}), "corpus": ""} for part in (before, now))
    keys = [key for key in old | new if old.get(key) != new.get(key)]
    return ", ".join(f"{key}={old.get(key)!r} (now {new.get(key)!r})" for key in keys)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which appears as `path` only when it is complete.

    Raises:
        DiskError: when it cannot be written.
    """
    temporary = processes.temporary(path)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
