"""Clips of a generated corpus to files, one after the other or in many processes, and resumable.

A clip's files are written whole or not at all, its true values (`truth/<clip>.json`)
after them: a run that was cut off goes on where it stopped, and only finished clips count.
"""

import copy
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import joblib
import pandas as pd
from tqdm import tqdm

from signlib.errors import SettingsError
from signlib.files import disk_error, write_json

MARKER = "generated.json"
TRUTH = "truth"
Row = dict[str, Any]
"""One row of the corpus's manifest, with `name`: what the layout calls the clip."""
_LEFT = re.compile(r"\..+\.\d+(\.tmp|\.mp4)")
"""Names of files and folders that a killed run leaves unfinished."""


@dataclass(frozen=True)
class Layout:
    """How the files of one clip come about.

    Attributes:
        name: what `generated.json` calls the layout.
        options: settings of the pictures, part of what must not change on resuming.
        files: (folder, row, options) -> the clip's files or folders.
        make: (corpus, row, those paths, options) writes those that are missing; returns the number
            of frames.
    """

    name: str
    options: tuple
    files: Callable[[Path, Row, tuple], list[Path]]
    make: Callable[[Any, Row, list[Path], tuple], int]


def checked_table(corpus, clips: Sequence[str] | None, target: str = "gloss") -> pd.DataFrame:
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
            f"signer {splits.index[splits > 1][0]!r} stands in two splits; keep signers apart"
        )
    return table


def write_clips(
    layout: Layout,
    corpus,
    out: Path,
    table: pd.DataFrame,
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
    begin(out, {"layout": layout.name, "corpus": describe(corpus), "options": list(layout.options)})
    chosen = table if clips is None else table[table["clip"].isin(clips)]
    todo = [row for row in chosen.to_dict("records") if not _finished(layout, out, row)]
    lean = copy.copy(corpus)
    lean.__dict__.pop("manifest", None)  # every task carries the corpus along
    tasks = (joblib.delayed(_write_clip)(layout, lean, row, out) for row in todo)
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")
    for _ in tqdm(
        parallel(tasks), total=len(todo), desc=layout.name, unit="clip", disable=not progress
    ):
        pass
    done = (row for row in table.to_dict("records") if _finished(layout, out, row))
    return [{**json.loads(_truth(out, row).read_text(encoding="utf-8")), **row} for row in done]


def _write_clip(layout: Layout, corpus, row: Row, out: Path) -> None:
    cv2.setNumThreads(1)  # the processes share the cores already
    frames = layout.make(corpus, row, layout.files(out, row, layout.options), layout.options)
    about = {key: row[key] for key in ("clip", "name", "split", "signer")}
    write_json(
        _truth(out, row),
        {**about, **corpus.truth(row["clip"]), "frames": frames, "fps": corpus.fps},
    )


def _finished(layout: Layout, out: Path, row: Row) -> bool:
    return _truth(out, row).is_file() and all(
        path.exists() for path in layout.files(out, row, layout.options)
    )


def _truth(out: Path, row: Row) -> Path:
    return out / TRUTH / f"{row['name']}.json"


def describe(corpus) -> dict[str, Any]:
    """The settings that decide a generated corpus's clips and who is in which split."""
    facts = {
        key: value for key, value in vars(corpus).items() if isinstance(value, int | float | str)
    }
    facts |= {
        key: len(value)
        for key, value in vars(corpus).items()
        if key in ("lexicon", "signers", "performers")
    }
    # other signs or splits can have the same sizes
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
            found = json.loads(marker.read_text(encoding="utf-8"))
        except (ValueError, UnicodeDecodeError):
            found = "something unreadable"
        if found != settings:
            raise SettingsError(
                f"{out} was begun with {_difference(found, settings)}; take the same settings or"
                " another folder"
            )
        for left in [path for path in out.rglob(".*") if _LEFT.fullmatch(path.name)]:
            (
                shutil.rmtree(left, ignore_errors=True)
                if left.is_dir()
                else left.unlink(missing_ok=True)
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingsError(
            f"{out} is not empty and was not begun here; take an empty or new folder"
        )
    else:
        write_json(marker, settings)


def _difference(found: Any, wanted: dict[str, Any]) -> str:
    if not isinstance(found, dict):
        return f"{found} in its {MARKER}"
    flat = [{**part, **(part.get("corpus") or {}), "corpus": ""} for part in (found, wanted)]
    return ", ".join(
        f"{key}={flat[0].get(key)!r} (now {flat[1].get(key)!r})"
        for key in flat[0] | flat[1]
        if flat[0].get(key) != flat[1].get(key)
    )


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which appears as `path` only when it is complete.

    Raises:
        DiskError: when it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
