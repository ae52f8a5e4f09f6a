"""NTU RGB+D 60: everyday actions as Kinect v2 skeletons, one text file a clip.

A file's name says everything (setup, camera, performer, repetition, action), so the manifest needs
nothing but names: of the files, or of a list.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from signlib import reading
from signlib.data import manifest
from signlib.data import points as landmarks
from signlib.data.skeletons import NTU_25, NTU_JOINTS
from signlib.data.transcripts import lines_of
from signlib.errors import ClipError, ManifestError, SettingsError, joined

# Names of A001 to A060; the last eleven take two persons.
# Source: the corpus's own table, shortened.
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
# Cross-subject training. Source: Shahroudy et al. 2016, section 3.2.
TRAIN_PERFORMERS = frozenset(
    {1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38}
)
TRAIN_CAMERAS = frozenset({2, 3})
FPS = 30.0
FOLDER = "nturgb+d_skeletons"
SETTINGS = ("xsub", "xview")
_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")
FIELDS = ("setup", "camera", "performer", "replication", "action")
# Numbers of a joint: x y z, two pairs of picture coordinates, a quaternion, the tracking state.
_JOINT_VALUES = 12


def read_manifest(
    root: str | Path, setting: str = "xsub", names: str | Path | None = None
) -> pd.DataFrame:
    """The manifest, with the numbers of each name (`FIELDS`) as columns beside the usual ones.

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
        numbered, source = list(enumerate(files, 1)), f"NTU RGB+D in {root / folder}"
    else:
        listed, source = lines_of(Path(names)), str(names)
        numbered = [(line, clip.strip().removesuffix(".skeleton")) for line, clip in listed]
    rows = []
    for line, clip in numbered:
        where = f"{source}, line {line}" if names else source
        numbers = dict(zip(FIELDS, parse_name(clip, where), strict=True))
        if clip not in missing_clips():
            split = split_of(numbers["performer"], numbers["camera"], setting)
            file = f"{folder}{clip}.skeleton"
            rows.append({"clip": clip, "file": file, "split": split, **labels(numbers)})
    if not rows:
        raise ManifestError(
            f"{source} holds no .skeleton files; give their folder, or a list of clip names"
        )
    return manifest.complete(pd.DataFrame(rows), source=source)


def split_of(performer: int, camera: int, setting: str) -> str:
    """The split of a clip, `train` or `test`."""
    trains = performer in TRAIN_PERFORMERS if setting == "xsub" else camera in TRAIN_CAMERAS
    return "train" if trains else "test"


def labels(numbers: dict[str, int]) -> dict[str, str | int | float]:
    """What the manifest says of a clip besides file and split, from the numbers of its name."""
    return {
        "gloss": ACTIONS[numbers["action"] - 1],
        "signer": f"P{numbers['performer']:03d}",
        "fps": FPS,
        **numbers,
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
    values = [int(digits) for digits in match.groups()] if match else [0] * len(FIELDS)
    setup, camera, performer, replication, action = values
    if min(values) < 1 or action > len(ACTIONS):
        raise ManifestError(
            f"{source}: {clip[:60]!r} is not a clip of NTU RGB+D 60 (S001C001P001R001A001 to A060);"
            " remove it"
        )
    return setup, camera, performer, replication, action


@dataclass(frozen=True)
class SkeletonClip:
    """What a `.skeleton` file holds.

    Attributes:
        joints: (T, M, 25, 3) float32, metres in the camera's axes: x to the right of the (mirrored)
            picture, which is the right of a person who faces the camera; y up; z away from the
            camera. NaN where the sensor had no such body, did not track the joint and wrote zeros,
            or wrote a place that cannot be. Joints that it inferred (state 1) stay.
        tracking: (T, M, 25) int8: 2 tracked, 1 inferred, 0 not tracked (or no body).
        bodies: M ids, in the order in which they first appear.
        note: how many joints were taken as missing; "" = none.
    """

    joints: np.ndarray
    tracking: np.ndarray
    bodies: tuple[str, ...]
    note: str = ""


def read_skeleton(path: str | Path) -> SkeletonClip:
    """The bodies of a `.skeleton` file; a body keeps its index on the M axis over all frames.

    Raises:
        ClipError: for a file that is missing, cut off or damaged (file and line are named), or
            without any body or joint that can be used.
    """
    path = Path(path)
    try:
        lines = reading.text(path, encoding="ascii").splitlines()
    except (OSError, ValueError) as error:
        raise ClipError(
            f"{path} cannot be read as a skeleton file ({error}); fetch it again"
        ) from None
    frames, blocks = _walk(lines, path)
    if not blocks:
        raise ClipError(f"{path} has no body in any of its {frames} frames; leave the clip out")
    bodies = tuple(dict.fromkeys(body for _, body, _ in blocks))
    values = _values(lines, [first for _, _, first in blocks], path)
    joints = np.full((frames, len(bodies), len(NTU_JOINTS), 3), np.nan, np.float32)
    tracking = np.zeros(joints.shape[:3], np.int8)
    places, taken = landmarks.usable(values[..., :3], NTU_25)
    # The sensor's own place: it writes zeros for a joint that it does not track.
    lost = (values[..., -1] == 0) & (places == 0).all(axis=-1)
    places = np.where(lost[..., None], np.nan, places)
    untracked = f"{lost.sum()} of {lost.size} joints are zeros that were not tracked: missing"
    note = joined(taken, untracked if lost.any() else "")
    if np.isnan(places).all():
        raise ClipError(f"{path} has no joint that can be used: {note}; leave the clip out")
    for (frame, body, _), place, numbers in zip(blocks, places, values, strict=True):
        m = bodies.index(body)
        joints[frame, m], tracking[frame, m] = place, numbers[:, -1]
    return SkeletonClip(joints, tracking, bodies, note)


def _walk(lines: list[str], path: Path) -> tuple[int, list[tuple[int, str, int]]]:
    """Number of frames, and (frame, body id, index of its first joint's line) of every body seen.

    The form: frames; for each frame its bodies; for each body a line of ten values, its number of
    joints, and a line for each joint.
    """
    # Index of the next line; after it is read, the number of that line as people count.
    line = 0

    def count(what: str, most: int) -> int:
        nonlocal line
        text = lines[line].strip() if line < len(lines) else "the end of the file"
        line += 1
        if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= most):
            raise ClipError(
                f"{path}, line {line}: {text[:40]!r} is not {what} (0 to {most}); fetch it again"
            )
        return int(text)

    blocks = []
    frames = count("the number of frames", 100_000)
    for frame in range(frames):
        seen: set[str] = set()
        for _ in range(count("the number of bodies", 6)):
            head = lines[line].split() if line < len(lines) else []
            line += 1
            if len(head) != 10:
                raise ClipError(
                    f"{path}, line {line}: the ten values of a body must stand there; fetch it"
                    " again"
                )
            if head[0] in seen:
                raise ClipError(
                    f"{path}, line {line}: body {head[0][:40]!r} appears twice in frame {frame};"
                    " fetch it again, or leave the clip out"
                )
            seen.add(head[0])
            joints = count("the number of joints", len(NTU_JOINTS))
            if joints != len(NTU_JOINTS) or line + joints > len(lines):
                raise ClipError(
                    f"{path}, line {line}: a body needs {len(NTU_JOINTS)} joints; fetch it again"
                )
            blocks.append((frame, head[0], line))
            line += joints
    if not frames or any(map(str.strip, lines[line:])):
        raise ClipError(
            f"{path} announces {frames} frames, but its data do not end with them; fetch it again"
        )
    return frames, blocks


def _values(lines: list[str], firsts: list[int], path: Path) -> np.ndarray:
    # The joint lines as (bodies, 25, 12) float64, or (bodies, 25, 4): position, tracking state.
    size = len(NTU_JOINTS)
    rows = [line.split() for first in firsts for line in lines[first : first + size]]
    # All numbers at once; line by line only where something is wrong.
    if all(len(row) == _JOINT_VALUES for row in rows):
        try:
            values = np.array(rows, np.float64).reshape(len(firsts), size, _JOINT_VALUES)
        except ValueError:
            values = np.full((1, 1, 1), np.nan)
        if np.isfinite(values[..., :3]).all() and np.isin(values[..., -1], (0, 1, 2)).all():
            return values
    for first in firsts:
        for number in range(first, first + size):
            _check_joint(lines[number], f"{path}, line {number + 1}")
    # A quaternion that is not a number: only position and tracking state are used.
    kept = [(*row[:3], row[-1]) for row in rows]
    return np.array(kept, np.float64).reshape(len(firsts), size, 4)


def _check_joint(line: str, where: str) -> None:
    fields = line.split()
    try:
        numbers = [float(field) for field in (*fields[:3], fields[-1])]
    except (ValueError, IndexError):
        numbers = [np.nan]
    possible = np.isfinite(numbers).all() and numbers[-1] in (0, 1, 2)
    if len(fields) != _JOINT_VALUES or not possible:
        raise ClipError(
            f"{where}: {line[:60]!r} is not a joint (x y z, 8 values, state 0 to 2); fetch it again"
        )
