"""NTU RGB+D 60: everyday actions as Kinect v2 skeletons, one text file a clip.

A file's name says all about it (setup, camera, performer, repetition, action), so
the manifest needs nothing but names: of the files, or of a list.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from signlib.data import manifest
from signlib.data.skeletons import NTU_JOINTS
from signlib.errors import ClipError, ManifestError, SettingsError

ACTIONS = tuple(
    "drink water|eat meal|brush teeth|brush hair|drop|pick up|throw|sit down|stand"
    " up|clapping|reading|writing|tear up paper|put on jacket|take off jacket|put on a shoe|take"
    " off a shoe|put on glasses|take off glasses|put on a hat|take off a hat|cheer up|hand"
    " waving|kicking something|reach into pocket|hopping|jump up|phone call|play with phone|type on"
    " a keyboard|point to something|taking a selfie|check time|rub two hands|nod head|shake"
    " head|wipe face|salute|put palms together|cross hands in front|sneeze or"
    " cough|staggering|falling down|headache|chest pain|back pain|neck pain|nausea or vomiting|fan"
    " self|punch or slap|kicking|pushing|pat on back|point finger|hugging|giving object|touch"
    " pocket|shaking hands|walking towards|walking apart".split("|")
)
"""Names of A001 to A060; the last eleven take two persons. Source: the corpus's own table,
shortened.
"""
TRAIN_PERFORMERS = frozenset(
    {1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38}
)
"""Cross-subject training. Source: Shahroudy et al. 2016, section 3.2."""
TRAIN_CAMERAS = frozenset({2, 3})
FPS = 30.0
FOLDER = "nturgb+d_skeletons"
SETTINGS = ("xsub", "xview")
_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")
FIELDS = ("setup", "camera", "performer", "replication", "action")
_JOINT_VALUES = 12
"""Numbers of a joint: x y z, two pairs of picture coordinates, a quaternion, the tracking state."""


def read_manifest(
    root: str | Path, setting: str = "xsub", names: str | Path | None = None
) -> pd.DataFrame:
    """The manifest, with columns setup, camera, performer, replication and action (1-based) beside
    the usual ones.

    There is no official validation split: it is taken from the training performers later. The 302
    clips whose skeletons the corpus's page calls missing (`missing_clips`) are left out.

    Args:
        root: the folder with the `.skeleton` files, or the one above `nturgb+d_skeletons/`.
        setting: `xsub` (20 performers train) or `xview` (cameras 2 and 3 train).
        names: a text file with one clip name a line, in place of the files.

    Raises:
        ManifestError: for no clips, or a name that is not SsssCcccPpppRrrrAaaa.
        SettingsError: for another setting.
    """
    if setting not in SETTINGS:
        raise SettingsError(
            f"setting={setting!r}: the official ones are xsub (performers) and xview (cameras)"
        )
    root = Path(root)
    folder = f"{FOLDER}/" if (root / FOLDER).is_dir() else ""
    if names is None:
        files = sorted(
            path.stem
            for path in (root / folder).glob("*.skeleton")
            if not path.name.startswith(".")
        )
        listed, source = list(enumerate(files, 1)), f"NTU RGB+D in {root / folder}"
    else:
        listed, source = _listed(Path(names)), str(names)
    rows = []
    for line, clip in listed:
        about = dict(
            zip(
                FIELDS, parse_name(clip, f"{source}, line {line}" if names else source), strict=True
            )
        )
        if clip not in missing_clips():
            split = split_of(about["performer"], about["camera"], setting)
            rows.append(
                {"clip": clip, "file": f"{folder}{clip}.skeleton", "split": split, **labels(about)}
            )
    if not rows:
        raise ManifestError(
            f"{source} holds no .skeleton files; give their folder, or a list of clip names"
        )
    return manifest.complete(pd.DataFrame(rows), source=source)


def split_of(performer: int, camera: int, setting: str) -> str:
    """`train` or `test`."""
    trains = performer in TRAIN_PERFORMERS if setting == "xsub" else camera in TRAIN_CAMERAS
    return "train" if trains else "test"


def labels(about: dict[str, int]) -> dict[str, str | int | float]:
    """What the manifest says of a clip besides file and split, from the numbers of its name."""
    return {
        "gloss": ACTIONS[about["action"] - 1],
        "signer": f"P{about['performer']:03d}",
        "fps": FPS,
        **about,
    }


@lru_cache
def missing_clips() -> frozenset[str]:
    """The 302 clips without a usable skeleton. Source: the list on the corpus's page."""
    return frozenset(
        Path(__file__).with_name("ntu60_missing.txt").read_text(encoding="ascii").split()
    )


def parse_name(clip: str, source: str = "clip") -> tuple[int, int, int, int, int]:
    """Setup, camera, performer, replication and action (all 1-based; `FIELDS`) of a clip name.

    Raises:
        ManifestError: for another form, or an action above 60.

    >>> parse_name("S001C002P003R002A013")
    (1, 2, 3, 2, 13)
    """
    match = _NAME.fullmatch(clip)
    values = tuple(map(int, match.groups())) if match else (0,)
    if min(values) < 1 or values[-1] > len(ACTIONS):
        raise ManifestError(
            f"{source}: {clip[:60]!r} is not a clip of NTU RGB+D 60 (S001C001P001R001A001 to A060);"
            " remove it"
        )
    return values


def _listed(path: Path) -> list[tuple[int, str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(
            f"{path} is no readable list of clip names ({error}); give one name a line"
        ) from None
    return [
        (k, line.strip().removesuffix(".skeleton"))
        for k, line in enumerate(lines, 1)
        if line.strip()
    ]


@dataclass(frozen=True)
class SkeletonClip:
    """What a `.skeleton` file holds.

    Attributes:
        joints: (T, M, 25, 3) float32, metres in the camera's axes: x to the right of the (mirrored)
            picture, which is the right of a person who faces the camera; y up; z away from the
            camera. NaN where the sensor had no such body.
        tracking: (T, M, 25) int8: 2 tracked, 1 inferred, 0 not tracked (or no body).
        bodies: M ids, in the order in which they first appear.
    """

    joints: np.ndarray
    tracking: np.ndarray
    bodies: tuple[str, ...]


def read_skeleton(path: str | Path) -> SkeletonClip:
    """The bodies of a `.skeleton` file; a body keeps its place in the M axis over all frames.

    Raises:
        ClipError: for a file that is missing, cut off or damaged (file and line are named), or
            without any body.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ClipError(
            f"{path} cannot be read as a skeleton file ({error}); fetch it again"
        ) from None
    frames, found = _walk(lines, path)
    if not found:
        raise ClipError(f"{path} has no body in any of its {frames} frames; leave the clip out")
    bodies = tuple(dict.fromkeys(body for _, body, _ in found))
    values = _values(lines, [first for _, _, first in found], path)
    joints = np.full((frames, len(bodies), len(NTU_JOINTS), 3), np.nan, np.float32)
    tracking = np.zeros(joints.shape[:3], np.int8)
    for (frame, body, _), block in zip(found, values, strict=True):
        place = bodies.index(body)
        joints[frame, place], tracking[frame, place] = block[:, :3], block[:, -1]
    return SkeletonClip(joints, tracking, bodies)


def _walk(lines: list[str], path: Path) -> tuple[int, list[tuple[int, str, int]]]:
    """Number of frames, and (frame, body id, index of its first joint's line) of every body seen."""
    place = 0

    def count(what: str, most: int) -> int:
        nonlocal place
        text = lines[place].strip() if place < len(lines) else "the end of the file"
        place += 1
        if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= most):
            raise ClipError(
                f"{path}, line {place}: {text[:40]!r} is not {what} (0 to {most}); fetch it again"
            )
        return int(text)

    found = []
    frames = count("the number of frames", 100_000)
    for frame in range(frames):
        for _ in range(count("the number of bodies", 6)):
            head = lines[place].split() if place < len(lines) else []
            place += 1
            if len(head) != 10:
                raise ClipError(
                    f"{path}, line {place}: the ten values of a body must stand there; fetch it"
                    " again"
                )
            joints = count("the number of joints", len(NTU_JOINTS))
            if joints != len(NTU_JOINTS) or place + joints > len(lines):
                raise ClipError(
                    f"{path}, line {place}: a body needs {len(NTU_JOINTS)} joints; fetch it again"
                )
            found.append((frame, head[0], place))
            place += joints
    if not frames or any(map(str.strip, lines[place:])):
        raise ClipError(
            f"{path} announces {frames} frames, but its data do not end with them; fetch it again"
        )
    return frames, found


def _values(lines: list[str], firsts: list[int], path: Path) -> np.ndarray:
    """(bodies, 25, 12) float64 of the joint lines."""
    size = len(NTU_JOINTS)
    rows = [lines[first : first + size] for first in firsts]
    text = "\n".join(line for block in rows for line in block)
    if all(len(line.split()) == _JOINT_VALUES for line in text.split("\n")):
        try:
            values = np.array(text.split(), np.float64).reshape(len(rows), size, _JOINT_VALUES)
        except ValueError:
            values = np.full((1, 1, 1), np.nan)
        if np.isfinite(values[..., :3]).all() and np.isin(values[..., -1], (0, 1, 2)).all():
            return values
    for first in firsts:
        for number in range(first, first + size):
            _check_joint(lines[number], f"{path}, line {number + 1}")
    # A quaternion that is not a number: only position and tracking state are used.
    kept = [[(*line.split()[:3], line.split()[-1]) for line in block] for block in rows]
    return np.array(kept, np.float64)


def _check_joint(line: str, where: str) -> None:
    fields = line.split()
    try:
        numbers = [float(field) for field in (*fields[:3], fields[-1])]
    except (ValueError, IndexError):
        numbers = [np.nan]
    if (
        len(fields) != _JOINT_VALUES
        or not np.isfinite(numbers).all()
        or numbers[-1] not in (0, 1, 2)
    ):
        raise ClipError(
            f"{where}: {line[:60]!r} is not a joint (x y z, 8 values, state 0 to 2); fetch it again"
        )
