"""AUTSL (ChaLearn LAP release): 226 Turkish signs in colour and depth.

No signer is in two splits. The csv files alone make the manifest, so that labels, splits and
signers can be studied before (or without) 20 GB of videos.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from signlib import reading
from signlib.data import manifest
from signlib.errors import ManifestError, SettingsError

CLASSES = "SignList_ClassId_TR_EN.csv"
# Split -> the names of its label csv, which has no header; the first one that exists counts.
LABELS = {
    "train": ("train_labels.csv", "train/train_labels.csv"),
    "val": ("validation_labels.csv", "val/validation_labels.csv", "val/ground_truth.csv"),
    "test": ("test_labels.csv", "test/test_labels.csv", "test/ground_truth.csv"),
}
SIGNS = 226
# Clips of each split in the release.
OFFICIAL = {"train": 28_142, "val": 4_418, "test": 3_742}
_NAME = re.compile(r"(signer\d+)_sample\d+")


def read_manifest(root: str | Path, language: str = "EN") -> pd.DataFrame:
    """The manifest of AUTSL, with columns `depth_file` and `label` (ClassId) beside the usual ones.

    Videos are named in `train/ val/ test/`, or in `root` where the videos lie flat; they need not
    exist.

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
    rows: list[dict[str, str | int]] = []
    for split, candidates in LABELS.items():
        path = next((root / name for name in candidates if (root / name).is_file()), None)
        if path is None:
            continue
        has_folder = (root / split).is_dir() or not any(root.glob("signer*_color.mp4"))
        folder = f"{split}/" if has_folder else ""
        for clip, signer, label in _labels(path, len(names)):
            rows.append(
                {
                    "clip": clip,
                    "file": f"{folder}{clip}_color.mp4",
                    "depth_file": f"{folder}{clip}_depth.mp4",
                    "gloss": names[label],
                    "signer": signer,
                    "split": split,
                    "label": label,
                }
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
    lines = _rows(Path(path))
    rows = lines[1:]
    if not rows or lines[0][1] != ["ClassId", "TR", "EN"]:
        raise ManifestError(
            f"{path} must start with the line 'ClassId,TR,EN' and list the signs; fetch it again"
        )
    for number, (line, fields) in enumerate(rows):
        if len(fields) != 3 or fields[0] != str(number) or not all(fields):
            raise ManifestError(
                f"{path}, line {line}: {fields} is not '{number},TR,EN'; ids must run from 0"
            )
    column = 1 if language == "TR" else 2
    counts = Counter(fields[column] for _, fields in rows)
    names = []
    for _, fields in rows:
        word = fields[column]
        # Two signs may share an English word; the Turkish one tells them apart.
        names.append(word if counts[word] == 1 else f"{word}_{fields[1]}")
    return names


def _labels(path: Path, classes: int) -> Iterator[tuple[str, str, int]]:
    # Clip, signer and ClassId of each row.
    for line, fields in _rows(path):
        match = _NAME.fullmatch(fields[0])
        if not match or len(fields) != 2:
            raise ManifestError(
                f"{path}, line {line}: {','.join(fields)!r} is not 'signerX_sampleY,label'; mend it"
            )
        clip, label = fields
        # `isdigit` alone would take digits of other scripts; nine and more need no look.
        plain = label.isascii() and label.isdigit() and len(label) < 9
        if not plain or int(label) >= classes:
            raise ManifestError(
                f"{path}, line {line}: label {label!r} is not a ClassId of 0..{classes - 1}"
            )
        yield clip, match[1], int(label)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    # (line number, fields) of a csv; empty lines are left out.
    try:
        text = reading.text(path, encoding="utf-8-sig")
        lines = enumerate(csv.reader(io.StringIO(text)), 1)
        return [(number, list(map(str.strip, fields))) for number, fields in lines if fields]
    except (OSError, ValueError, csv.Error) as error:
        raise ManifestError(
            f"{path} is no readable csv in UTF-8 ({error}); fetch it again"
        ) from None
