"""RWTH-PHOENIX-Weather 2014 (multisigner): German weather sentences as folders of pictures.

Its csv files keep the glosses of a sentence in one text with `|` between columns;
the stm files hold the same sentences in the form that sclite scores.
"""

import math
import re
from pathlib import Path, PurePosixPath

import pandas as pd

from signlib import paths
from signlib.data import manifest
from signlib.errors import InputError, ManifestError

SPLITS = {"train": "train", "dev": "val", "test": "test"}
"""The corpus's name of a split -> ours."""
BASES = ("", "phoenix-2014-multisigner", "phoenix2014-release/phoenix-2014-multisigner")
ANNOTATIONS = ("", "annotations/manual")
FEATURES = "features/fullFrame-210x260px"
HEADER = ["id", "folder", "signer", "annotation"]
FPS = 25.0
_ENDLESS = 1e300
"""The stm files write 1.79769e+308 for "to the end"."""


def read_manifest(root: str | Path) -> pd.DataFrame:
    """The manifest, with a column `glosses` (single spaces between them); `gloss` is empty, dev is `val`.

    `file` is the folder of a sentence's pictures, whether it is there or not.

    Args:
        root: the unpacked release, its multisigner folder, or a folder with `train.corpus.csv` and the like.

    Raises:
        ManifestError: for no corpus csv, or a broken row (file and line are named).
        InputError: for a folder outside `root`.
    """
    root = Path(root)
    rows = []
    base, annotations = _places(root)
    for name, split in SPLITS.items():
        path = root / base / annotations / f"{name}.corpus.csv"
        if path.is_file():
            features = PurePosixPath(base) / FEATURES / name
            rows += [row | {"split": split} for row in _sentences(path, root, features)]
    table = pd.DataFrame(rows, columns=["clip", *manifest.DEFAULTS, "glosses"])
    return manifest.complete(table, source=f"PHOENIX-2014 in {root}")


def _places(root: Path) -> tuple[str, str]:
    """Base and annotation folder below `root` that hold a corpus csv."""
    for base in BASES:
        for annotations in ANNOTATIONS:
            if any((root / base / annotations / f"{name}.corpus.csv").is_file() for name in SPLITS):
                return base, annotations
    raise ManifestError(f"{root} holds no train.corpus.csv (nor dev, test), neither there nor in annotations/manual")


def _sentences(path: Path, root: Path, features: PurePosixPath) -> list[dict]:
    lines = _lines(path)
    if not lines or lines[0][1].split("|") != HEADER:
        raise ManifestError(f"{path}, line 1 must be {'|'.join(HEADER)!r}; fetch the file again")
    rows = []
    for number, line in lines[1:]:
        fields = line.split("|")
        if len(fields) != 4 or not all(map(str.strip, fields)):
            raise ManifestError(f"{path}, line {number}: {line[:80]!r} has not the four fields {'|'.join(HEADER)}")
        clip, folder, signer, annotation = fields
        # The folder is a glob of pictures: `<id>/1/*.png`.
        pictures = folder.rpartition("/")[0] if "*" in folder.rpartition("/")[2] else folder.rstrip("/")
        try:
            paths.inside(root / features, pictures)
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}") from None
        rows.append({"clip": clip, "file": (features / pictures).as_posix(), "gloss": "", "signer": signer,
                     "fps": FPS, "glosses": " ".join(annotation.split())})  # fmt: skip
    return rows


def read_stm(path: str | Path) -> pd.DataFrame:
    """The sentences of an stm file: clip, channel, signer, start and end in seconds, glosses.

    A line `clip channel signer start end GLOSS GLOSS ...`; lines that start with `;;` are comments. An end of
    1.79769e+308 becomes infinity; a sentence may be empty.

    Raises:
        ManifestError: for a missing file or a broken line (file and line are named).
    """
    rows = []
    for number, line in _lines(Path(path)):
        if line.startswith(";;"):
            continue
        head, text = re.match(r"((?:\S+\s+){0,4}\S+)(.*)", line.strip()).groups()
        try:
            clip, channel, signer, *times = head.split()
            start, end = map(float, times)
        except ValueError:
            raise ManifestError(
                f"{path}, line {number}: {line[:80]!r} is not 'clip channel signer start end glosses'"
            ) from None
        if not (math.isfinite(start) and 0 <= start < end):
            raise ManifestError(f"{path}, line {number}: a sentence from {start} s to {end} s; mend the times")
        rows.append({"clip": clip, "channel": channel, "signer": signer, "start": start,
                     "end": math.inf if end > _ENDLESS else end, "glosses": " ".join(text.split())})  # fmt: skip
    if not rows:
        raise ManifestError(f"{path} holds no sentence; fetch the file again")
    return pd.DataFrame(rows)


def _lines(path: Path) -> list[tuple[int, str]]:
    """(number, text) of the lines that are not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read as UTF-8 ({error}); fetch it again") from None
    return [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
