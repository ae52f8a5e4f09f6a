"""AUTSL (ChaLearn LAP release): 226 Turkish signs in colour and depth, signers apart between the
splits.

The csv files alone make the manifest, so that labels, splits and signers can be
studied before (or without) 20 GB of videos.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from signlib.data import manifest
from signlib.errors import ManifestError, SettingsError

CLASSES = "SignList_ClassId_TR_EN.csv"
LABELS = {
    "train": ("train_labels.csv", "train/train_labels.csv"),
    "val": ("validation_labels.csv", "val/validation_labels.csv", "val/ground_truth.csv"),
    "test": ("test_labels.csv", "test/test_labels.csv", "test/ground_truth.csv"),
}
"""Split -> the names that its header-less label csv goes by, the first one found counts."""
SIGNS, OFFICIAL = 226, {"train": 28_142, "val": 4_418, "test": 3_742}
"""Of the release: signs, and clips of each split."""
_NAME = re.compile(r"(signer\d+)_sample\d+")


def read_manifest(root: str | Path, language: str = "EN") -> pd.DataFrame:
    """The manifest of AUTSL, with columns `depth_file` and `label` (ClassId) beside the usual ones.

    Files are sought in `train/ val/ test/`, or in `root` where the videos lie flat; they need not
    be there.

    Args:
        root: the folder with the csv files.
        language: of the glosses, `EN` or `TR`. Two signs that share an English word carry the
            Turkish one behind it (`you_sen`, `you_siz`), so that 226 classes stay 226.

    Raises:
        ManifestError: for csv files that are missing or broken (file and line are named).
        SettingsError: for another language.
    """
    root = Path(root)
    names = read_classes(root / CLASSES, language)
    rows = []
    for split, places in LABELS.items():
        path = next((root / place for place in places if (root / place).is_file()), None)
        if path is None:
            continue
        flat = (
            not (root / split).is_dir() and next(root.glob("signer*_color.mp4"), None) is not None
        )
        folder = "" if flat else f"{split}/"
        for clip, signer, label in _labels(path, len(names)):
            files = {"file": f"{folder}{clip}_color.mp4", "depth_file": f"{folder}{clip}_depth.mp4"}
            rows.append(
                {"clip": clip, **files, "gloss": names[label], "signer": signer, "split": split}
                | {"label": label}
            )
    if not rows:
        raise ManifestError(
            f"{root} holds no label csv of AUTSL; put train_labels.csv and the others there"
        )
    return manifest.complete(pd.DataFrame(rows), source=f"AUTSL in {root}")


def read_classes(path: str | Path, language: str = "EN") -> list[str]:
    """The gloss of each ClassId, all different.

    Raises:
        ManifestError: for a missing file, other columns, or ids that do not run from 0.
        SettingsError: for another language than EN or TR.
    """
    if language not in ("EN", "TR"):
        raise SettingsError(f"language={language!r}: AUTSL's glosses are in EN or TR")
    (_, *header), *rows = _rows(Path(path)) or [(1,)]
    if header != ["ClassId", "TR", "EN"] or not rows:
        raise ManifestError(
            f"{path} must start with the line 'ClassId,TR,EN' and list the signs; fetch it again"
        )
    for place, (line, *fields) in enumerate(rows):
        if len(fields) != 3 or fields[0] != str(place) or not all(fields):
            raise ManifestError(
                f"{path}, line {line}: {fields} is not '{place},TR,EN'; ids must run from 0"
            )
    words = [fields[1 if language == "TR" else 2] for _, *fields in rows]
    often = Counter(words)
    return [
        word if often[word] == 1 else f"{word}_{row[2]}"
        for word, row in zip(words, rows, strict=True)
    ]


def _labels(path: Path, classes: int) -> Iterator[tuple[str, str, int]]:
    """Clip, signer and ClassId of each row."""
    for line, *fields in _rows(path):
        match = _NAME.fullmatch(fields[0])
        if not match or len(fields) != 2:
            raise ManifestError(
                f"{path}, line {line}: {','.join(fields)!r} is not 'signerX_sampleY,label'; mend it"
            )
        if not (
            fields[1].isascii()
            and fields[1].isdigit()
            and len(fields[1]) < 9
            and int(fields[1]) < classes
        ):
            raise ManifestError(
                f"{path}, line {line}: label {fields[1]!r} is not a ClassId of 0..{classes - 1}"
            )
        yield fields[0], match[1], int(fields[1])


def _rows(path: Path) -> list[tuple]:
    """(line number, field, field, ...) of a csv; empty lines are left out."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as handle:
            return [
                (line, *map(str.strip, row))
                for line, row in enumerate(csv.reader(handle), 1)
                if row
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(
            f"{path} is no readable csv in UTF-8 ({error}); fetch it again"
        ) from None
