"""RWTH-PHOENIX-Weather 2014: German weather sentences as folders of pictures, in two editions.

Its csv files have `|` between their columns and a sentence's glosses in one of them;
`data.transcripts` reads the stm files that hold the same sentences. Hypotheses are simplified
before they are scored.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from signlib import paths
from signlib.data import manifest
from signlib.data.transcripts import lines_of
from signlib.errors import InputError, ManifestError, SettingsError

# The corpus's name of a split -> ours.
SPLITS = {"train": "train", "dev": "val", "test": "test"}
MULTISIGNER, SI5 = "multisigner", "si5"
# Edition -> what its csv names have after the split.
# In SI5 all clips for validation and test are of Signer05.
EDITIONS = {MULTISIGNER: "", SI5: ".SI5"}
HELD_OUT = "Signer05"
# Edition -> the value of `data.corpus`.
CORPORA = {MULTISIGNER: "phoenix-2014", SI5: "phoenix-2014-si5"}
FOLDERS = {MULTISIGNER: "phoenix-2014-multisigner", SI5: "phoenix-2014-signerindependent-SI5"}
ANNOTATIONS = ("", "annotations/manual")
FEATURES = "features/fullFrame-210x260px"
HEADER = ["id", "folder", "signer", "annotation"]
FPS = 25.0


def read_manifest(root: str | Path, edition: str = MULTISIGNER) -> pd.DataFrame:
    """The manifest, with a column `glosses` (single spaces between them); `gloss` is empty.

    The split dev is called `val`. `file` is the folder of a sentence's pictures, whether it exists
    or not. Where there is no csv of SI5 its rows are taken from the multisigner csv: the same
    sentences, those of Signer05 taken out of training, those of all others out of dev and test
    (4,376 / 111 / 180).

    Args:
        root: the unpacked release, one of its two folders, or a folder with `train.corpus.csv` and
            the like.
        edition: `multisigner` or `si5`.

    Raises:
        ManifestError: for no corpus csv, or a broken row (file and line are named).
        InputError: for a folder outside `root`.
        SettingsError: for another edition.
    """
    if edition not in EDITIONS:
        raise SettingsError(
            f"PHOENIX-2014 edition {edition!r} is unknown; choose from {', '.join(EDITIONS)}"
        )
    root = Path(root)
    table = _read_edition(root, edition)
    if table is None and edition == SI5:
        table = _read_edition(root, MULTISIGNER)
        if table is not None:
            # The others' for training, Signer05's for dev and test.
            kept = (table["signer"] == HELD_OUT) ^ (table["split"] == "train")
            table = table[kept].reset_index(drop=True)
    if table is None:
        raise ManifestError(
            missing_part(root, edition)
            or f"{root} holds no train.corpus.csv (nor dev, test), neither itself nor in"
            " annotations/manual"
        )
    return manifest.complete(table, source=f"PHOENIX-2014 ({edition}) in {root}")


def is_layout(root: Path, edition: str) -> bool:
    """True for a folder that holds csv files of an edition."""
    return bool(_lists(root, edition)[1])


def missing_part(root: Path, edition: str) -> str:
    """What is missing where a download holds the other edition alone, and what to do; else ""."""
    other = next(name for name in EDITIONS if name != edition)
    if is_layout(root, edition) or not is_layout(root, other):
        return ""
    lists = f"train{EDITIONS[edition]}.corpus.csv"
    return (
        f"{root} holds no {lists} (nor dev, test): of PHOENIX-2014 only the part {other} is here."
        f" Put {FOLDERS[edition]} beside it, or set data.corpus={CORPORA[other]}"
    )


def edition_folder(root: Path, edition: str) -> Path:
    """The folder of an edition in a release; `root` itself where it holds none of it."""
    return root / _lists(root, edition)[0]


def _lists(root: Path, edition: str) -> tuple[PurePosixPath, dict[str, Path]]:
    # The folder of one edition below `root`, and its csv files by split; none where there are none.
    for base in ("", FOLDERS[edition], f"phoenix2014-release/{FOLDERS[edition]}"):
        for annotations in ANNOTATIONS:
            files = {
                split: root / base / annotations / f"{name}{EDITIONS[edition]}.corpus.csv"
                for name, split in SPLITS.items()
            }
            existing = {split: path for split, path in files.items() if path.is_file()}
            if existing:
                return PurePosixPath(base), existing
    return PurePosixPath(), {}


def _read_edition(root: Path, edition: str) -> pd.DataFrame | None:
    # The rows of one edition's csv files, or None where there is none.
    base, lists = _lists(root, edition)
    rows = []
    for split, path in lists.items():
        features = base / FEATURES / path.name.partition(".")[0]
        rows += [row | {"split": split} for row in _sentences(path, root, features)]
    return pd.DataFrame(rows, columns=["clip", *manifest.DEFAULTS, "glosses"]) if lists else None


def _sentences(path: Path, root: Path, features: PurePosixPath) -> list[dict[str, str | float]]:
    # The rows of a csv file, without their split; pictures lie below `features`.
    lines = lines_of(path)
    if not lines or lines[0][1].split("|") != HEADER:
        raise ManifestError(f"{path}, line 1 must be {'|'.join(HEADER)!r}; fetch the file again")
    rows: list[dict[str, str | float]] = []
    for number, line in lines[1:]:
        fields = line.split("|")
        if len(fields) != 4 or not all(map(str.strip, fields)):
            raise ManifestError(
                f"{path}, line {number}: {line[:80]!r} has not the four fields {'|'.join(HEADER)}"
            )
        clip, folder, signer, annotation = fields
        # The folder may be a pattern of pictures: `<id>/1/*.png`.
        parent, _, last = folder.rpartition("/")
        pictures = parent if "*" in last else folder.rstrip("/")
        try:
            paths.inside(root / features, pictures)
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}") from None
        rows.append(
            {
                "clip": clip,
                "file": (features / pictures).as_posix(),
                "gloss": "",
                "signer": signer,
                "fps": FPS,
                "glosses": " ".join(annotation.split()),
            }
        )
    return rows


SIMPLIFICATIONS = ("phoenix-2014", "phoenix-2014-spanning")
_MARKS = re.compile(r"(?<![A-Za-z0-9])(?:loc|cl|qu|poss|lh)-")
_DROPPED = {"__PU__", "__EMOTION__", "__LEFTHAND__", "__EPENTHESIS__"}
_RENAMED = {"S0NNE": "SONNE", "HABEN2": "HABEN", "ZEIGEN": "ZEIGEN-BILDSCHIRM"}
_SPELLED = re.compile(r"[A-Z](?:\+[A-Z])*")


def simplify(glosses: Iterable[str], mode: str = SIMPLIFICATIONS[0]) -> list[str]:
    """A hypothesis as the corpus's official scoring changes it; references are not changed.

    Args:
        glosses: of one hypothesis.
        mode: `phoenix-2014` has the rules that look at one gloss: only they change a ctm, which has
            one gloss a line. `phoenix-2014-spanning` adds those that look at neighbours:
            `WIE AUSSEHEN` becomes `WIE-AUSSEHEN`, spelled letters are joined (`K R` becomes `K+R`),
            and a gloss that is repeated at once counts once.

    Source: the evaluation rules published with the corpus.

    Raises:
        SettingsError: for another mode.

    >>> simplify(["loc-SUEDRAUM", "TRAUM", "__PU__", "__ON__", "REGEN-PLUSPLUS", "ZEIGEN"])
    ['SUED', 'TRAUM', '__ON__', 'REGEN', 'ZEIGEN-BILDSCHIRM']
    """
    if mode not in SIMPLIFICATIONS:
        raise SettingsError(
            f"simplification {mode!r} is unknown; choose from {', '.join(SIMPLIFICATIONS)}"
        )
    kept = list(filter(None, (_simplified(gloss) for gloss in glosses if gloss not in _DROPPED)))
    return kept if mode == SIMPLIFICATIONS[0] else _spanning(kept)


def _simplified(gloss: str) -> str:
    # One gloss after the rules that look at one gloss; "" where nothing is left of it.
    gloss = _MARKS.sub("", gloss).removesuffix("-PLUSPLUS")
    gloss = _RENAMED.get(gloss, gloss)
    # SUEDRAUM becomes SUED, but TRAUM stays.
    return re.sub(r"(?<=[A-Z]{2})RAUM$", "", gloss)


def _spanning(glosses: Sequence[str]) -> list[str]:
    # Glosses after the rules that look at neighbours.
    joined: list[str] = []
    for gloss in glosses:
        last = joined[-1] if joined else ""
        if last == "WIE" and gloss == "AUSSEHEN":
            joined[-1] = "WIE-AUSSEHEN"
        elif _SPELLED.fullmatch(last) and _SPELLED.fullmatch(gloss):
            joined[-1] += f"+{gloss}"
        elif not joined or last != gloss:
            joined.append(gloss)
    return joined
