"""One table for every corpus: which clip is where, what it shows and who signs it.

Every reader returns this table and everything after it reads nothing else.
Columns: clip, file, gloss, signer, split, start, end, fps; further ones are kept. One of them has a
meaning: `segment_fps`, frames a second at which start and end count where that is not the file's
own rate.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from signlib import paths, reading
from signlib.data.vocabulary import alike
from signlib.errors import InputError, ManifestError, listed

SPLITS = ("train", "val", "test")
DEFAULTS = {
    "file": "",
    "gloss": "",
    "signer": "",
    "split": "",
    "start": 0,
    "end": -1,
    "fps": np.nan,
}
COLUMNS = ("clip", *DEFAULTS)
# Frames a second that a clip may be resampled to: a typing error would run for days.
SLOWEST, FASTEST = 0.01, 1000
# Frames a second of a clip, where nobody says another rate.
RATE = 25.0
# Frames a second at which `start` and `end` count; no such column, or an empty value = the file's.
SEGMENT_FPS = "segment_fps"
# More frames than any film has: 46 days of 250 a second.
LONGEST = 10**9
# What people separate columns with who do not write commas.
_SEPARATORS = {";": "';'", "\t": "a tab", "|": "'|'"}


def complete(table: pd.DataFrame, source: str = "manifest") -> pd.DataFrame:
    """The table with every column and checked types; its clip ids are unique plain names.

    Args:
        table: at least a column `clip`; missing columns take their defaults
            (unknown signer and split are `""`, `start` 0, `end` -1 = to the end, `fps` NaN = the
            file's own). Blanks around a gloss, signer or split do not count.
        source: how errors call the table.

    Raises:
        ManifestError: for no `clip` column, no rows, a duplicate or unsafe clip id, an unknown
            split, a start or end that is not a frame number, or an fps or segment_fps outside
            `SLOWEST`..`FASTEST`.
    """
    if "clip" not in table.columns:
        raise ManifestError(
            f"{source} has no column 'clip' (it has {', '.join(table.columns)}): add one id a row"
        )
    if table.empty:
        raise ManifestError(f"{source} has no rows: list at least one clip")
    table = table.reset_index(drop=True).copy()
    for column, default in DEFAULTS.items():
        if column not in table.columns:
            table[column] = default
    for column in ("clip", "file", "gloss", "signer", "split"):
        table[column] = table[column].fillna("").astype(str)
    for column in ("gloss", "signer", "split"):
        table[column] = table[column].str.strip()
    for column in numeric(table):
        values = table[column].fillna(DEFAULTS.get(column, np.nan))
        table[column] = _numbers(values, column, source)
    for clip in table["clip"].tolist():
        try:
            paths.check_name(clip)
        except InputError as error:
            raise ManifestError(f"{source}: {error}") from None
    doubled = table["clip"][table["clip"].duplicated()]
    if len(doubled):
        raise ManifestError(
            f"{source}: clip {doubled.iloc[0]!r} appears twice; every clip id must be unique"
        )
    unknown = sorted(set(table["split"]) - {*SPLITS, ""})
    if unknown:
        raise ManifestError(
            f"{source}: split {unknown[0]!r} is unknown; use {', '.join(SPLITS)} or leave it empty"
        )
    start, end = table["start"], table["end"]
    impossible = table[(end != -1) & (end <= start) | (start < 0)]
    if len(impossible):
        row = impossible.iloc[0]
        raise ManifestError(
            f"{source}: clip {row['clip']!r} starts at frame {row.start} and ends at {row.end}; "
            "start must be >= 0 and end > start, or -1 for the end of the file"
        )
    others = [column for column in table.columns if column not in COLUMNS]
    return table[[*COLUMNS, *others]]


def numeric(table: pd.DataFrame) -> list[str]:
    """The columns of a manifest that are numbers."""
    return [name for name in ("start", "end", "fps", SEGMENT_FPS) if name in table.columns]


def whole_files(table: pd.DataFrame) -> pd.DataFrame:
    """The manifest of films that were cut to their clips already: each clip is its whole file."""
    return table.drop(columns=SEGMENT_FPS, errors="ignore").assign(start=0, end=-1)


def _numbers(column: pd.Series, name: str, source: str) -> pd.Series:
    # `start` and `end` as int, `fps` and `segment_fps` as float.
    # Python's float reads back exactly what was written; pandas' own parser misses the last digit.
    # Each text once: a million clips have few rates, and mostly the same start and end.
    texts = isinstance(column.dtype, pd.StringDtype)
    numbers = {text: _number(text) for text in column.unique()} if texts else _number
    values = column.map(numbers).astype(float)

    def refuse(wrong: pd.Series, fault: str) -> None:
        if wrong.any():
            # As it was given: a number of 25 digits is not what a computer makes of it.
            given = column[wrong].iloc[0]
            shown = repr(given) if values[wrong].isna().iloc[0] else str(given).strip()
            raise ManifestError(f"{source}: {name}={shown[:40]} {fault}")

    refuse(values.isna() & column.notna(), "is not a number; give one or leave it empty")
    if name in ("fps", SEGMENT_FPS):
        outside = (values < SLOWEST) | (values > FASTEST)
        refuse(outside, f"must lie within {SLOWEST}..{FASTEST}, or be empty (the file's)")
        return values
    refuse(values % 1 != 0, "is not a whole frame number")
    refuse(values.abs() > LONGEST, f"is no frame number of a film; give at most {LONGEST}")
    return values.astype(int)


def _number(value: str | float) -> float:
    # Python reads 1_0 and the digits of all scripts as numbers, too.
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        return np.nan
    try:
        return float(value)
    except (TypeError, ValueError):  # such as None, or a text
        return np.nan


def load_manifest(path: str | Path) -> pd.DataFrame:
    """The manifest in a csv file, complete and checked.

    Args:
        path: a csv with a header; only `clip` must be there, and blanks around names do not count.
            All values are read as text first, so a gloss `NULL` or `007` stays what it is.

    Raises:
        ManifestError: for a file that is missing, empty or no csv in UTF-8, and for all that
            `complete` refuses.
    """
    path = Path(path)
    if not path.is_file():
        raise ManifestError(
            f"manifest {path} does not exist: write a csv with the columns {', '.join(COLUMNS)}"
        )
    try:
        _check_separator(path)
        table = reading.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        raise ManifestError(
            f"manifest {path} is empty: write a csv with the columns {', '.join(COLUMNS)}"
        ) from None
    except pd.errors.ParserError as error:
        fault = str(error).strip().rpartition("C error: ")[2]
        step = 'quote values with commas ("a, b")'
        if "inside string" in fault:
            step = "close the quote"
        raise ManifestError(f"manifest {path} is not a readable csv: {fault}; {step}") from None
    except OSError as error:
        raise ManifestError(
            f"manifest {path} cannot be read ({error.strerror}); copy it where you may read it"
        ) from None
    except reading.TooLarge as error:
        raise ManifestError(f"manifest {path} must be written as several: {error}") from None
    except reading.Unreadable as error:
        raise ManifestError(f"manifest {path} must be mended or written again: {error}") from None
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"manifest {path} is not in UTF-8 ({error}): save it as UTF-8"
        ) from None
    table.columns = table.columns.str.strip()
    for column in numeric(table):
        table[column] = table[column].replace("", np.nan)
    return complete(table, source=f"manifest {path}")


def _check_separator(path: Path) -> None:
    # Refuse a header whose columns are separated by something else than commas.
    with open(reading.regular(path, reading.CSV_BYTES), encoding="utf-8-sig") as file:
        header = next((line.strip() for line in file if line.strip()), "")
    used = [name for sign, name in _SEPARATORS.items() if sign in header]
    if used and "," not in header:
        raise ManifestError(
            f"manifest {path} has no column 'clip' (it has {header[:80]}): its columns are"
            f" separated by {used[0]}; save it as a csv with commas"
        )


@dataclass
class ManifestReport:
    """What could spoil an experiment on a manifest; empty lists mean that all is well.

    Attributes:
        clips, signers, glosses: how many of each; unknown signers are not counted as one.
        missing_files: clips whose file (or folder of pictures) does not exist.
        shared_files: groups of clips that claim the same frames of one file.
        unknown_glosses: glosses that are empty, appear in val or test but not in train, or are not
            in the vocabulary.
        signers_in_two_splits: known signers with clips in more than one split.
        empty_classes: glosses of the vocabulary without a training clip.
        glosses_alike: groups of glosses that differ only in case or blanks.
        unknown_signers: number of clips without a signer.
    """

    clips: int
    signers: int
    glosses: int
    missing_files: list[str] = field(default_factory=list)
    shared_files: list[list[str]] = field(default_factory=list)
    unknown_glosses: list[str] = field(default_factory=list)
    signers_in_two_splits: list[str] = field(default_factory=list)
    empty_classes: list[str] = field(default_factory=list)
    glosses_alike: list[list[str]] = field(default_factory=list)
    unknown_signers: int = 0

    @property
    def faults(self) -> dict[str, list]:
        """The non-empty lists by name."""
        names = (
            "missing_files",
            "shared_files",
            "unknown_glosses",
            "signers_in_two_splits",
            "empty_classes",
            "glosses_alike",
        )
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    def __str__(self) -> str:
        lines = [f"{self.clips} clips, {self.glosses} glosses, {self.signers} known signers"]
        if self.unknown_signers:
            lines.append(
                f"unknown signer: {self.unknown_signers} clips (the split may leak signers)"
            )
        for name, cases in self.faults.items():
            lines.append(f"{name.replace('_', ' ')}: {listed(list(map(str, cases)), most=5)}")
        return "\n".join(lines)


def check_manifest(
    table: pd.DataFrame, root: str | Path | None = None, vocabulary: list[str] | None = None
) -> ManifestReport:
    """A report of what could spoil an experiment on this manifest.

    Args:
        table: a complete manifest.
        root: the folder its files are relative to; without one nobody looks for them.
        vocabulary: the glosses that it should have, where the corpus has an official list.
    """
    signed = table[table["signer"] != ""]
    splits_of_signer = signed[signed["split"] != ""].groupby("signer")["split"].nunique()
    # Clips without a split will be dealt to train as well.
    train = table[table["split"].isin(["train", ""])]
    trained = set(train["gloss"])
    glosses = set(table["gloss"])
    expected = set(vocabulary) if vocabulary is not None else glosses - {""}
    report = ManifestReport(
        clips=len(table),
        signers=signed["signer"].nunique(),
        glosses=len(glosses - {""}),
        signers_in_two_splits=sorted(splits_of_signer[splits_of_signer > 1].index),
        unknown_glosses=sorted(glosses - (trained & expected)),
        empty_classes=sorted(expected - trained),
        glosses_alike=alike(glosses),
        unknown_signers=int((table["signer"] == "").sum()),
    )
    used = table[table["file"] != ""]
    same = used.groupby(["file", "start", "end"])["clip"].apply(list)
    report.shared_files = [clips for clips in same if len(clips) > 1]
    if root is not None:
        report.missing_files = [
            row.clip
            for row in used.itertuples()
            if not os.path.exists(paths.inside(root, row.file))
        ] + table.loc[table["file"] == "", "clip"].tolist()
    return report
