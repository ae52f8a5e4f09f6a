"""NTU RGB+D 60 as others pass it on: one `.npz`, or `.npy` arrays with a file of labels.

Clips are read one by one, since all of them need more memory than many machines have. Nothing is
ever unpickled.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from signlib import reading
from signlib.data import manifest, ntu60
from signlib.data.skeletons import NTU_25
from signlib.errors import InputError, ManifestError
from signlib.reading import NUMBERS, Form

BODIES, JOINTS = 2, len(NTU_25)
# Names under which people share the `.npz` form.
NPZ = {"xsub": "NTU60_CS.npz", "xview": "NTU60_CV.npz"}
# Part of a file's or an array's name -> split: what public code calls val is the official test.
PARTS = {"train": "train", "val": "test", "test": "test"}
# The path stands in it once: messages have an end.
CONVERT = (
    "python -c \"import pickle, numpy; at = '{0}'; "
    "name, label = pickle.load(open(at + '.pkl', 'rb')); "
    'numpy.savez(at, name=name, label=label)"'
)


@dataclass(frozen=True)
class ArrayClips:
    """The clips of such files, and a way to read them.

    Attributes:
        manifest: with names where the labels have them; else clips are numbered and their
            performers unknown.
        read: pairs (clip, joints (T, 2, 25, 3) float32, NaN = no such body), in the order of the
            manifest.
        files: which they come from.
    """

    manifest: pd.DataFrame
    read: Iterator[tuple[str, np.ndarray]]
    files: list[Path]


def is_arrays(root: str | Path, setting: str) -> bool:
    """True when the file or folder holds one of these forms, or the pickle of one."""
    root = Path(root)
    return (
        root.suffix in (".npz", ".pkl")
        or (root / NPZ[setting]).is_file()
        or bool(_joint_files(root))
    )


def read_arrays(root: str | Path, setting: str = "xsub") -> ArrayClips:
    """The clips of one `.npz` file, or of `.npy` files.

    Args:
        root: the file, or the folder that holds `NTU60_CS.npz` or `NTU60_CV.npz`, or
            `train_data_joint.npy` and `val_data_joint.npy`.
        setting: which of the two `.npz` files; the file itself decides who trains.

    Raises:
        InputError: for a pickle (with the way to convert it), or files that are missing or do not
            fit together.
    """
    root = Path(root)
    if root.suffix == ".pkl":
        raise InputError(_refusal(root))
    archive = root if root.suffix == ".npz" else root / NPZ[setting]
    if archive.is_file():
        return _from_npz(archive)
    return _from_npy(_joint_files(root))


def _refusal(path: Path) -> str:
    return (
        f"{path.name} is a pickle, and reading one runs whatever code is in it. If you trust who"
        f" made it, convert its labels once: {CONVERT.format(path.with_suffix(''))}; joints belong"
        " into .npy (N, 3, T, 25, 2)"
    )


def _from_npz(path: Path) -> ArrayClips:
    with _reading(path), reading.archive(path) as archive:
        inside = set(archive.names)
        parts = [part for part in PARTS if f"x_{part}" in inside]
        lost = [f"y_{part}" for part in parts if f"y_{part}" not in inside]
        if not parts:
            lost = ["x_train"]
        if lost:
            raise ManifestError(
                f"{path} has no array {lost[0]!r}; it has {', '.join(sorted(inside))}"
            )
        tables = []
        for part in parts:
            labels = archive.read({f"y_{part}": NUMBERS})[f"y_{part}"]
            count = archive.shape(f"x_{part}")[0]
            _check_count(len(labels), count, f"{path}: y_{part}")
            if labels.ndim == 2:
                labels = _from_rows(labels, f"{path}: y_{part}")
            tables.append(_numbered(labels, part, path))

    def clips() -> Iterator[tuple[str, np.ndarray]]:
        with _reading(path), reading.archive(path) as archive:
            for part, table in zip(parts, tables, strict=True):
                names = iter(table["clip"])
                for row in archive.rows(f"x_{part}"):
                    if row.size % (BODIES * JOINTS * 3):
                        raise ManifestError(
                            f"{path}: a clip of x_{part} has shape {row.shape}, not (T, 150)"
                        )
                    yield next(names), bodies(row.reshape(-1, BODIES, JOINTS, 3))

    table = pd.concat(tables, ignore_index=True)
    return ArrayClips(manifest.complete(table, str(path)), clips(), [path])


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    # What a damaged archive raises, as one line.
    try:
        yield
    except (OSError, ValueError) as error:
        raise ManifestError(
            f"{path} is no readable {path.suffix} file, which must hold plain numbers ({error});"
            " fetch it again"
        ) from None


def _joint_files(root: Path) -> dict[str, Path]:
    files = {part: root / f"{part}_data_joint.npy" for part in PARTS}
    return {part: path for part, path in files.items() if path.is_file()}


def _from_npy(files: dict[str, Path]) -> ArrayClips:
    arrays, tables = [], []
    opened: list[Path] = []
    for part, path in files.items():
        with _reading(path):
            array = reading.mapped(path)
        if array.ndim != 5 or array.shape[1:2] + array.shape[3:] != (3, JOINTS, BODIES):
            raise ManifestError(
                f"{path} has shape {array.shape}, not (N, 3, T, {JOINTS}, {BODIES})"
            )
        arrays.append(array)
        labels = _label_file(path.with_name(f"{part}_label"))
        opened += [path, labels]
        tables.append(_labelled(labels, part, len(array)))
    folder = next(iter(files.values())).parent
    table = manifest.complete(pd.concat(tables, ignore_index=True), str(folder))
    names = iter(table["clip"].tolist())
    # (3, T, 25, 2) -> (T, 2, 25, 3).
    clips = ((next(names), bodies(row.transpose(1, 3, 2, 0))) for array in arrays for row in array)
    # Named clips without a skeleton are left out.
    table = table[~table["clip"].isin(ntu60.missing_clips())].reset_index(drop=True)
    kept = set(table["clip"])
    named = ((clip, joints) for clip, joints in clips if clip in kept)
    return ArrayClips(table, named, opened)


def _label_file(stem: Path) -> Path:
    # Of the labels beside an array of joints: `.npz` (name, label) or `.npy` (label).
    named = stem.with_suffix(".npz")
    path = named if named.is_file() else stem.with_suffix(".npy")
    if not path.is_file():
        pickled = stem.with_suffix(".pkl")
        missing = f"{named} does not exist; put the labels there"
        raise InputError(_refusal(pickled) if pickled.is_file() else missing)
    return path


def _labelled(path: Path, part: str, count: int) -> pd.DataFrame:
    # The rows of an array's clips, from the file of its labels.
    with _reading(path):
        if path.suffix == ".npz":
            forms = {"label": NUMBERS, "name": Form("U", (None,))}
            with reading.archive(path) as archive:
                loaded = archive.read({key: forms[key] for key in forms if key in archive.names})
        else:
            loaded = {"label": reading.array(path)}
    numbers, names = loaded.get("label", np.empty(0)), loaded.get("name")
    for found in (numbers, names):
        if found is not None:
            _check_count(len(found), count, str(path))
    table = _numbered(numbers, part, path)
    if names is None:
        return table
    rows = []
    for name, number in zip(names, numbers, strict=True):
        clip = name.removesuffix(".skeleton")
        fields = dict(zip(ntu60.FIELDS, ntu60.parse_name(clip, str(path)), strict=True))
        if fields["action"] != number + 1:
            raise ManifestError(
                f"{path}: the label of {clip} is not its action minus one; make the labels anew"
            )
        rows.append({"clip": clip, "split": PARTS[part], **ntu60.labels(fields)})
    return pd.DataFrame(rows)


def _check_count(labels: int, clips: int, where: str) -> None:
    if labels != clips:
        raise ManifestError(f"{where} has {labels} labels for {clips} clips; make both anew")


def _from_rows(labels: np.ndarray, where: str) -> np.ndarray:
    # Class numbers (N,) of rows (N, K) that have a single 1 each, and zeros.
    sound = (labels == 1).sum(1) == 1
    sound &= (labels != 0).sum(1) == 1
    if not sound.all():
        row = int(np.argmin(sound))
        ones, rest = int((labels[row] == 1).sum()), int(np.isnan(labels[row]).sum())
        raise ManifestError(
            f"{where}, row {row}: {ones} of its {labels.shape[1]} values are 1 and {rest} are NaN;"
            " a label is a single 1 among zeros: mend the row, or leave its clip out"
        )
    return labels.argmax(1)


def _numbered(numbers: np.ndarray, part: str, path: Path) -> pd.DataFrame:
    # The rows of clips that have no names: class numbers (N,) from 0, once they are checked.
    known = np.isin(numbers, np.arange(len(ntu60.ACTIONS)))
    if numbers.ndim != 1 or not known.all():
        row = f"; row {np.argmin(known)} is {numbers[np.argmin(known)]}" if known.ndim == 1 else ""
        raise ManifestError(
            f"{path}: labels of {part} must be numbers from 0 to {len(ntu60.ACTIONS) - 1}{row}"
        )
    actions = numbers.astype(int) + 1
    clips = [f"{part}-{number:05d}" for number in range(len(numbers))]
    glosses = [ntu60.ACTIONS[action - 1] for action in actions]
    return pd.DataFrame(
        {"clip": clips, "gloss": glosses, "split": PARTS[part], "fps": ntu60.FPS, "action": actions}
    )


def bodies(joints: np.ndarray) -> np.ndarray:
    """A padded clip (T, 2, 25, 3) without its padding, NaN where all joints of a body are zero.

    Padding is zeros, the clip over again, or its last frame over again. A clip of nothing but zeros
    is one frame of NaN.

    Returns:
        (T', 2, 25, 3) float32.
    """
    joints = joints.astype(np.float32)
    filled = np.flatnonzero(joints.any(axis=(1, 2, 3)))
    if not len(filled):
        return np.full((1, *joints.shape[1:]), np.nan, np.float32)
    joints = joints[filled[0] : filled[-1] + 1]
    joints = joints[: _period(joints)]
    # Frames that differ from the last one; of those after them one is kept.
    moving = np.flatnonzero((joints != joints[-1]).any(axis=(1, 2, 3)))
    joints = joints[: moving[-1] + 2 if len(moving) else 1]
    return np.where(joints.any(axis=(2, 3))[:, :, None, None], joints, np.nan)


def _period(joints: np.ndarray) -> int:
    # The number of frames after which the clip starts again, or its length.
    # Frames that equal the first one: only there can the clip start again.
    starts = np.flatnonzero((joints[1:] == joints[0]).all(axis=(1, 2, 3))) + 1
    repeats = (int(p) for p in starts if np.array_equal(joints[p:], joints[:-p]))
    return next(repeats, len(joints))
