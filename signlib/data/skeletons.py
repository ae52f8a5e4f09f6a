"""Which points a skeleton has: names, parts, bones, left/right pairs, adjacency.

One table a layout, so that features, models and figures never spell an index.
A selection (`skeleton.select("hands")`) is a skeleton again.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from signlib.errors import SettingsError

Bone = tuple[int, int]
# What x and y of landmarks of people who sign count in.
FRACTIONS = "fractions of the picture"


@dataclass(frozen=True)
class Skeleton:
    """A named set of points.

    Attributes:
        name: what a store's `extraction.json` calls it.
        joints: J names, in storage order.
        bones: pairs of joint indices.
        mirror: for each joint, the joint it becomes in a mirror image (itself on the midline).
        parts: part name -> joint indices; parts are disjoint and cover every joint.
        unit: what x and y count in.
        reach: the largest x and y that can be one, either way. MediaPipe guesses what lies outside
            of the picture: where a face fills it, feet are some eight heights below. In 7,000 real
            clips all fractions lie within -0.3 and 3.8 (normalised ones within 12).
        depth: the largest z. Its origin is free: a real `.pose` file has it at 250, and in pixels
            it is some thousands.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[Bone, ...]
    mirror: tuple[int, ...]
    parts: dict[str, tuple[int, ...]]
    unit: str = FRACTIONS
    reach: float = 20.0
    depth: float = 5000.0

    def __len__(self) -> int:
        return len(self.joints)

    @cached_property
    def adjacency(self) -> np.ndarray:
        """(J, J) float32, 1 where two joints share a bone; symmetric, zero diagonal."""
        matrix = np.zeros((len(self), len(self)), np.float32)
        if self.bones:
            rows, columns = np.array(self.bones).T
            matrix[rows, columns] = matrix[columns, rows] = 1.0
        return matrix

    @property
    def mirrored_pairs(self) -> tuple[Bone, ...]:
        """Pairs (left, right) of joints that swap in a mirror image, each pair once."""
        return tuple((i, j) for i, j in enumerate(self.mirror) if i < j)

    def index(self, joint: str) -> int:
        """The position of a joint by name.

        Raises:
            SettingsError: when this skeleton has no such joint.
        """
        try:
            return self.joints.index(joint)
        except ValueError:
            raise SettingsError(
                f"skeleton {self.name!r} has no joint {joint!r}; it has"
                f" {', '.join(self.joints[:8])}, ..."
            ) from None

    def has(self, *joints: str) -> bool:
        """True when every named joint is there."""
        return set(joints) <= set(self.joints)

    def selection(self, name: str) -> np.ndarray:
        """Indices of the joints that selection `name` keeps, in storage order.

        Args:
            name: `all`, a part (`pose`, `left_hand`, ...), several joined by `+`
                (`pose+left_hand`), or a named set: `hands` (both hands), `body` (all but a face
                mesh), `upper` (shoulders to wrists, hips and hands: 50 of MediaPipe's points),
                `signing` (nose, mouth, shoulders to wrists and hands: 51), `118` (lips, eyes, four
                nose points and hands), `54` (shoulders to finger bases of the pose, and hands: what
                source 004 keeps).

        Raises:
            SettingsError: for a name this skeleton does not know.
        """
        sets = {"all": range(len(self)), **self.parts, **_named_sets(self)}
        unknown = [part for part in name.split("+") if part not in sets]
        if unknown:
            raise SettingsError(
                f"joints={name!r}: skeleton {self.name!r} has no selection {unknown[0]!r}; "
                f"choose from {', '.join(sets)} or join several with '+'"
            )
        return np.array(sorted({i for part in name.split("+") for i in sets[part]}), dtype=int)

    def select(self, name: str) -> "Skeleton":
        """The skeleton that `selection(name)` leaves; bones and mirror pairs are renumbered."""
        kept = self.selection(name)
        if len(kept) == len(self):
            return self
        new = {int(i): k for k, i in enumerate(kept)}
        lost = [self.joints[i] for i in kept if self.mirror[i] not in new]
        if lost:
            raise SettingsError(
                f"joints={name!r} keeps {lost[0]!r} without its mirror image: a mirrored clip would"
                " lose it; keep both sides"
            )
        parts = {}
        for part, joints in self.parts.items():
            if not new.keys().isdisjoint(joints):
                parts[part] = tuple(new[i] for i in joints if i in new)
        return replace(
            self,
            name=f"{self.name}/{name}",
            joints=tuple(self.joints[i] for i in kept),
            bones=tuple((new[a], new[b]) for a, b in self.bones if a in new and b in new),
            mirror=tuple(new[self.mirror[i]] for i in kept),
            parts=parts,
        )


def _named_sets(skeleton: Skeleton) -> dict[str, Sequence[int]]:
    # Selections that are more than one part, for the parts this skeleton has.
    parts = skeleton.parts
    hands = [*parts.get("left_hand", ()), *parts.get("right_hand", ())]
    sets: dict[str, Sequence[int]] = {"hands": hands} if hands else {}
    face_mesh = set(parts["face"]) if len(parts.get("face", ())) > 1 else set()
    sets["body"] = [i for i in range(len(skeleton)) if i not in face_mesh]
    if hands and "pose" in parts:
        arms = _both_sides("shoulder", "elbow", "wrist", "hip")
        joints_of = {
            "54": [*arms[:6], *_both_sides("pinky", "index", "thumb")],
            "signing": ["nose", "mouth_left", "mouth_right", *arms[:6]],
            "upper": arms,
        }
        for name, joints in joints_of.items():
            if skeleton.has(*joints):
                sets[name] = [*map(skeleton.index, joints), *hands]
    if hands and len(parts.get("face", ())) == 468:
        regions = face_regions()
        eyes = [*regions["left_eye"], *regions["right_eye"]]
        sets["118"] = [*regions["lips"], *eyes, *NOSE_POINTS, *hands]
    return sets


def _both_sides(*joints: str) -> list[str]:
    return [f"{side}_{joint}" for joint in joints for side in ("left", "right")]


# Tip, base and both wings of the nose in the face mesh.
NOSE_POINTS = (1, 2, 98, 327)

HAND_JOINTS = (
    "wrist thumb_cmc thumb_mcp thumb_ip thumb_tip index_mcp index_pip index_dip index_tip"
    " middle_mcp middle_pip middle_dip middle_tip ring_mcp ring_pip ring_dip ring_tip"
    " pinky_mcp pinky_pip pinky_dip pinky_tip"
).split()

# Wrist to each finger's base and along the finger; then the palm, from base to base.
HAND_BONES: tuple[Bone, ...] = (
    (0, 1),
    (1, 2),
    (2, 3),
    (3, 4),
    (0, 5),
    (5, 6),
    (6, 7),
    (7, 8),
    (0, 9),
    (9, 10),
    (10, 11),
    (11, 12),
    (0, 13),
    (13, 14),
    (14, 15),
    (15, 16),
    (0, 17),
    (17, 18),
    (18, 19),
    (19, 20),
    (5, 9),
    (9, 13),
    (13, 17),
)

POSE_JOINTS = (
    "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear"
    " right_ear mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow"
    " left_wrist right_wrist left_pinky right_pinky left_index right_index left_thumb right_thumb"
    " left_hip right_hip left_knee right_knee left_ankle right_ankle left_heel right_heel"
    " left_foot_index right_foot_index"
).split()

# MediaPipe's pose connections; mouth and shoulders are tied to the nose, to connect the graph.
POSE_BONES: tuple[Bone, ...] = (
    (0, 1),
    (1, 2),
    (2, 3),
    (3, 7),
    (0, 4),
    (4, 5),
    (5, 6),
    (6, 8),
    (9, 10),
    (0, 9),
    (0, 10),
    (11, 12),
    (11, 13),
    (13, 15),
    (12, 14),
    (14, 16),
    (15, 17),
    (15, 19),
    (15, 21),
    (17, 19),
    (16, 18),
    (16, 20),
    (16, 22),
    (18, 20),
    (11, 23),
    (12, 24),
    (23, 24),
    (0, 11),
    (0, 12),
    (23, 25),
    (25, 27),
    (27, 29),
    (29, 31),
    (27, 31),
    (24, 26),
    (26, 28),
    (28, 30),
    (30, 32),
    (28, 32),
)


def _mirror_by_name(joints: Sequence[str]) -> tuple[int, ...]:
    # The mirror image of each joint: the one whose name has left and right exchanged.
    index = {name: i for i, name in enumerate(joints)}
    swap = {"left": "right", "right": "left"}

    def swapped(name: str) -> str:
        return "_".join(swap.get(word, word) for word in name.split("_"))

    return tuple(index[swapped(name)] for name in joints)


def _shift(bones: Iterable[Bone], offset: int) -> tuple[Bone, ...]:
    return tuple((a + offset, b + offset) for a, b in bones)


def _join(
    name: str,
    parts: dict[str, tuple[Sequence[str], Sequence[Bone]]],
    links: Iterable[tuple[str, str]] = (),
) -> Skeleton:
    # A skeleton from parts of (joint names, bones) and links between parts by joint name.
    joints: list[str] = []
    bones: list[Bone] = []
    ranges = {}
    for part, (names, part_bones) in parts.items():
        ranges[part] = tuple(range(len(joints), len(joints) + len(names)))
        bones += _shift(part_bones, len(joints))
        joints += names
    bones += [(joints.index(a), joints.index(b)) for a, b in links]
    return Skeleton(
        name=name,
        joints=tuple(joints),
        bones=tuple(bones),
        mirror=_mirror_by_name(joints),
        parts=ranges,
    )


def _hands() -> dict[str, tuple[Sequence[str], Sequence[Bone]]]:
    # Both hands as parts for `_join`.
    hands: dict[str, tuple[Sequence[str], Sequence[Bone]]] = {}
    for side in ("left", "right"):
        hands[f"{side}_hand"] = ([f"{side}_hand_{joint}" for joint in HAND_JOINTS], HAND_BONES)
    return hands


_WRISTS = (("left_wrist", "left_hand_wrist"), ("right_wrist", "right_hand_wrist"))


@lru_cache
def _face_table() -> list[dict[str, str]]:
    with open(Path(__file__).with_name("face_mesh.csv"), newline="") as handle:
        return list(csv.DictReader(handle))


@lru_cache
def face_regions() -> dict[str, tuple[int, ...]]:
    """Face-mesh points by region: lips, both eyes and brows (`left_eye`, ...), oval, nose, skin."""
    regions: dict[str, list[int]] = {}
    for row in _face_table():
        regions.setdefault(row["region"], []).append(int(row["point"]))
    return {region: tuple(points) for region, points in regions.items()}


def _mediapipe_543() -> Skeleton:
    face = _face_table()
    face_bones = [
        (int(row["point"]), int(point)) for row in face for point in row["neighbours"].split()
    ]
    face_mirror = [int(row["mirror"]) for row in face]
    body = _join("body", {"pose": (POSE_JOINTS, POSE_BONES), **_hands()}, _WRISTS)
    offset = len(face)
    parts = {"face": tuple(range(offset))}
    for part, joints in body.parts.items():
        parts[part] = tuple(i + offset for i in joints)
    return Skeleton(
        name="mediapipe-543",
        joints=tuple(f"face_{i}" for i in range(offset)) + body.joints,
        # The last one ties the mesh's tip of the nose to the nose of the pose.
        bones=tuple(face_bones) + _shift(body.bones, offset) + ((1, offset),),
        mirror=tuple(face_mirror) + tuple(i + offset for i in body.mirror),
        parts=parts,
    )


NTU_JOINTS = (
    "spine_base spine_middle neck head left_shoulder left_elbow left_wrist left_hand right_shoulder"
    " right_elbow right_wrist right_hand left_hip left_knee left_ankle left_foot right_hip"
    " right_knee right_ankle right_foot spine_shoulder left_hand_tip left_thumb right_hand_tip"
    " right_thumb"
).split()

# 24 bones over 25 joints, as ST-GCN lists them.
# Source: Shahroudy et al. 2016, figure 1; Yan et al. 2018.
NTU_BONES: tuple[Bone, ...] = (
    (0, 1),
    (1, 20),
    (2, 20),
    (3, 2),
    (4, 20),
    (5, 4),
    (6, 5),
    (7, 6),
    (8, 20),
    (9, 8),
    (10, 9),
    (11, 10),
    (12, 0),
    (13, 12),
    (14, 13),
    (15, 14),
    (16, 0),
    (17, 16),
    (18, 17),
    (19, 18),
    (21, 22),
    (22, 7),
    (23, 24),
    (24, 11),
)

KINECT_20_JOINTS = (
    "hip_centre spine shoulder_centre head left_shoulder left_elbow left_wrist left_hand"
    " right_shoulder right_elbow right_wrist right_hand left_hip left_knee left_ankle left_foot"
    " right_hip right_knee right_ankle right_foot"
).split()

KINECT_20_BONES: tuple[Bone, ...] = (
    (0, 1),
    (1, 2),
    (2, 3),
    (2, 4),
    (4, 5),
    (5, 6),
    (6, 7),
    (2, 8),
    (8, 9),
    (9, 10),
    (10, 11),
    (0, 12),
    (12, 13),
    (13, 14),
    (14, 15),
    (0, 16),
    (16, 17),
    (17, 18),
    (18, 19),
)


def _in_metres(skeleton: Skeleton) -> Skeleton:
    # As a Kinect gives it, which sees at most 8 m; the nearest it sees is 50 cm, or 500 mm.
    return replace(skeleton, unit="metres", reach=30.0, depth=30.0)


MEDIAPIPE_543 = _mediapipe_543()
MEDIAPIPE_75 = _join("mediapipe-75", {"pose": (POSE_JOINTS, POSE_BONES), **_hands()}, _WRISTS)
HANDS_42 = _join("hands-42", _hands())
_UPPER_11 = ["nose", *_both_sides("shoulder", "elbow", "wrist", "hip", "knee")]
_UPPER_11_BONES = (
    (0, 1),
    (0, 2),
    (1, 2),
    (1, 3),
    (3, 5),
    (2, 4),
    (4, 6),
    (1, 7),
    (2, 8),
    (7, 8),
    (7, 9),
    (8, 10),
)
UPPER_53 = _join("upper-53", {"pose": (_UPPER_11, _UPPER_11_BONES), **_hands()}, _WRISTS)
FACE_HANDS_43 = _join("face-hands-43", {"face": (["face"], ()), **_hands()})
NTU_25 = _in_metres(_join("ntu-25", {"body": (NTU_JOINTS, NTU_BONES)}))
KINECT_20 = _in_metres(_join("kinect-20", {"body": (KINECT_20_JOINTS, KINECT_20_BONES)}))

SKELETONS = {
    skeleton.name: skeleton
    for skeleton in (
        MEDIAPIPE_543,
        MEDIAPIPE_75,
        UPPER_53,
        HANDS_42,
        FACE_HANDS_43,
        NTU_25,
        KINECT_20,
    )
}


def skeleton(name: str) -> Skeleton:
    """The skeleton called `name`; a selection follows a slash (`mediapipe-543/hands`).

    Raises:
        SettingsError: for a name that is not in `SKELETONS`.
    """
    base, _, chosen = name.partition("/")
    if base not in SKELETONS:
        raise SettingsError(f"skeleton {base!r} is unknown; choose from {', '.join(SKELETONS)}")
    return SKELETONS[base].select(chosen) if chosen else SKELETONS[base]


def shared_points(points: np.ndarray, source: Skeleton, target: Skeleton) -> np.ndarray:
    """The clip with the joints of another skeleton, by their names: (..., J', C) of (..., J, C).

    A single point called `face` is taken from the nose.

    Raises:
        SettingsError: when `source` lacks a joint of `target`.
    """
    face = "face" if source.has("face") else "nose"
    names = [face if name == "face" else name for name in target.joints]
    lost = [name for name in names if not source.has(name)]
    if lost:
        raise SettingsError(
            f"skeleton {source.name!r} cannot be given as {target.name!r}: it has no {lost[0]!r};"
            " choose one whose joints it has"
        )
    return points[..., [source.index(name) for name in names], :]
