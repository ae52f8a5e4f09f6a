"""Whole bodies with the joints of a Kinect: who they are, and where keys put them.

A `Script` says what changes and when (pelvis, trunk, head, hands, feet); `pose` turns it into
joints: trunk forward, arms and legs by inverse kinematics, so bones keep their length. Axes as
everywhere, with the origin on the floor.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np

from signlib.data.skeletons import NTU_25
from signlib.synthesis import motion, seeding

# Frame and (outwards to the limb's own side, up, forward).
# Frames: c chest (from the middle of the shoulders), h head, p pelvis, f floor where the person
# stood first, m floor midway between two persons; oc, oh, op chest, head and pelvis of the other
# person.
Target = tuple[str, float, float, float]
# Outwards, up, forward.
Vector = tuple[float, float, float]
# What a channel moves to: `SCALARS` a float; `hand`, `foot` a target; `hand_way` where the fingers
# go, None = straight on from the arm; `hand_elbow` where the elbow goes. `2` is the other limb.
Value = float | Target | Vector | None
# Channel -> value, and channel -> [(start, end, value), ...].
Changes = Mapping[str, Value]
Moves = dict[str, list[tuple[float, float, Value]]]
T = TypeVar("T")

HANGING: Target = ("c", 0.23, -0.60, 0.03)
STANDING: Target = ("f", 0.09, 0.0, 0.0)
ELBOW: Vector = (0.5, -1.0, -0.45)
# Channels that are numbers.
# lean forward, side and tilt to the main hand's side, twist and shake and yaw away from it; up,
# forward and aside in metres of an average body; fall turns the whole body backwards about its
# feet.
SCALARS = ("lean", "side", "twist", "nod", "shake", "tilt", "yaw", "up", "forward", "aside", "fall")
_MIRRORED = frozenset({"side", "twist", "shake", "tilt", "yaw", "aside"})
_HANDS, _FEET = ("hand", "hand2"), ("foot", "foot2")
_J = {name: k for k, name in enumerate(NTU_25.joints)}
_SIDES = ("left", "right")


@dataclass(frozen=True)
class Performer:
    """One person.

    Attributes:
        name: as the corpus calls them.
        left_handed: True mirrors all they do.
        stature: 1 is average.
        bones: lengths in metres by name.
        tempo: 1 is average, 2 twice as fast.
        size: of movements away from rest, 1 is average.
        accent: (3,) where their hands go beside where they should.
        stoop: lean of the trunk when at rest, radians.
    """

    name: str
    left_handed: bool
    stature: float
    bones: dict[str, float]
    tempo: float
    size: float
    accent: tuple[float, ...]
    stoop: float


_BONES = {
    "loin": 0.30,
    "breast": 0.225,
    "neck": 0.075,
    "head": 0.155,
    "shoulders": 0.32,
    "upper_arm": 0.26,
    "forearm": 0.245,
    "hand": 0.07,
    "tip": 0.07,
    "thumb": 0.05,
    "hips": 0.13,
    "thigh": 0.39,
    "shin": 0.38,
    "foot": 0.11,
}
_HIP_DROP, _ANKLE, _SHOULDER_DROP = 0.03, 0.08, 0.03


def make_performer(number: int, seed: int = 0, hardness: float = 1.0) -> Performer:
    """Performer `number` of the world `seed`.

    Hardness 0 makes all of them average and right-handed.
    """
    rng = seeding.generator(seed, "performer", number)

    def ratio(spread: float) -> float:
        return float(np.exp(hardness * spread * np.clip(rng.standard_normal(), -2, 2)))

    stature = ratio(0.065)
    return Performer(
        name=f"P{number:03d}",
        left_handed=bool(rng.random() < 0.12 and hardness > 0),
        stature=stature,
        bones={name: length * stature * ratio(0.035) for name, length in _BONES.items()},
        tempo=ratio(0.17),
        size=ratio(0.08),
        accent=tuple(hardness * rng.normal(0, 0.03, 3)),
        stoop=float(hardness * rng.normal(0.02, 0.05)),
    )


@dataclass
class Script:
    """What one or two persons do: moves of named channels on one clock.

    Attributes:
        rng: of this performance.
        pace: seconds of this performance per second of an average one.
        hardness: how much durations and places vary.
        now: seconds since the start.
        keys: times at which a `to` ended.
        moves: of the first person and of the second one, who may have none.
    """

    rng: np.random.Generator
    pace: float = 1.0
    hardness: float = 1.0
    now: float = 0.0
    keys: list[float] = field(default_factory=list)
    moves: tuple[Moves, Moves] = field(default_factory=lambda: ({}, {}))

    def to(self, seconds: float, /, **changes: Value) -> None:
        """The first person moves to `changes` within `seconds`; the clock moves on by them."""
        self.both(seconds, changes, {})

    def both(self, seconds: float, first: Changes, second: Changes) -> None:
        """Two persons move at the same time."""
        seconds *= self.pace * float(np.exp(self.hardness * self.rng.normal(0, 0.18)))
        self._add(0, self.now, seconds, first)
        self._add(1, self.now, seconds, second)
        self.now += seconds
        self.keys.append(self.now)

    def at(self, delay: float, seconds: float, who: int = 0, /, **changes: Value) -> None:
        """Person `who` moves, from `delay` after now on; the clock stays."""
        self._add(who, self.now + delay * self.pace, seconds * self.pace, changes)

    def start(self, who: int = 0, /, **values: Value) -> None:
        """Person `who` has these values from the beginning."""
        for name, value in values.items():
            self.moves[who][name] = [(-1.0, 0.0, value)]

    def repeat(self, least: int, most: int) -> range:
        """How often this performance repeats something."""
        return range(int(self.rng.integers(least, most + 1)))

    def vary(self, value: float, spread: float) -> float:
        """`value`, more or less."""
        return float(value + self.hardness * self.rng.normal(0, spread))

    def _add(self, who: int, start: float, seconds: float, changes: Changes) -> None:
        for name, value in changes.items():
            self.moves[who].setdefault(name, []).append((start, start + seconds, value))


# Name -> origin (T, 3), rotation (T, 3, 3), metres per unit.
Frames = dict[str, tuple[np.ndarray, np.ndarray, float]]


def pose(
    script: Script,
    performers: Sequence[Performer],
    places: Sequence[tuple[float, float, float]],
    fps: float,
) -> np.ndarray:
    """(T, M, 25, 3) joints in metres.

    Args:
        places: for each person x, z on the floor and the heading (radians; 0 faces the camera, more
            is to the left).
        fps: frames a second.
    """
    times = np.arange(max(2, round(script.now * fps))) / fps
    bodies = [
        _Body(script.moves[k], script, performer, stand, times=times, fps=fps)
        for k, (performer, stand) in enumerate(zip(performers, places, strict=True))
    ]
    middle = np.mean([body.floor for body in bodies], axis=0)
    for k, body in enumerate(bodies):
        other = bodies[1 - k].frames if len(bodies) > 1 else {}
        body.frames |= {f"o{name}": frame for name, frame in list(other.items()) if name in "chp"}
        body.frames["m"] = (middle, body.facing, 1.0)
    return np.stack([body.joints() for body in bodies], 1)


class _Body:
    """One person of a scene: the trunk is posed at once, the limbs when all frames are known."""

    def __init__(
        self,
        moves: Moves,
        script: Script,
        performer: Performer,
        stand: tuple[float, float, float],
        *,
        times: np.ndarray,
        fps: float,
    ) -> None:
        self.performer, self.moves, self.times = performer, moves, times
        self.flip = -1.0 if performer.left_handed else 1.0
        strays = script.hardness * script.rng.normal(0, 0.03, (2, 3))
        self.shift = np.array(performer.accent) + strays
        x, z, heading = stand
        self.floor = np.tile([x, 0.0, z], (len(times), 1))
        self.facing = motion.turns(np.tile([[heading, 0.0, 0.0]], (len(times), 1)))
        wander = motion.sway(script.rng, len(times), 5, fps) * min(script.hardness, 1.5)
        stray = dict(zip(("lean", "side", "twist", "nod", "shake"), wander.T * 0.03, strict=True))
        self.scalars = {name: self._scalar(name) + stray.get(name, 0.0) for name in SCALARS}
        self.out = np.empty((len(times), len(NTU_25), 3))
        self.frames = self._trunk()

    def _track(self, name: str, first: T, resolve: Callable[[T], np.ndarray]) -> np.ndarray:
        """The channel over time, (T, ...): each move blends from whatever was before it.

        Args:
            first: value before the first move.
            resolve: value -> array over time.
        """
        # The channel decides which of the types of `Value` its values have.
        moves = cast("list[tuple[float, float, T]]", self.moves.get(name, []))
        if moves and moves[0][0] < 0:  # from `Script.start`
            first, moves = moves[0][2], moves[1:]
        value = resolve(first)
        for start, end, goal in moves:
            way = np.clip((self.times - start) / (end - start), 0, 1)
            way = way**3 * (10 - 15 * way + 6 * way**2)  # minimum jerk
            value = value + way.reshape(-1, *[1] * (value.ndim - 1)) * (resolve(goal) - value)
        return value

    def _scalar(self, name: str) -> np.ndarray:
        sign = self.flip if name in _MIRRORED else 1.0
        return self._track(name, 0.0, lambda goal: np.full(len(self.times), sign * goal))

    def _trunk(self) -> Frames:
        bones, s, size = self.performer.bones, self.scalars, self.performer.stature
        zero = np.zeros(len(self.times))
        turn = self.facing @ motion.turns(np.stack([s["yaw"], zero, zero], 1))
        lean = s["lean"] + self.performer.stoop

        def bent(twist: np.ndarray, lean: np.ndarray, side: np.ndarray) -> np.ndarray:
            # Leaning and bending turn an already twisted trunk.
            return turn @ motion.turns(np.stack([twist, lean, -side], 1))

        pelvis = bent(0.2 * s["twist"], 0.45 * lean, 0.35 * s["side"])
        chest = bent(s["twist"], lean, s["side"])
        head = chest @ motion.turns(np.stack([s["shake"], s["nod"], -s["tilt"]], 1))
        legs = 0.995 * (bones["thigh"] + bones["shin"]) + (_HIP_DROP + _ANKLE) * size
        # Who leans forward moves the pelvis back, so as not to fall.
        back = (0.16 * np.sin(lean) - s["forward"]) * size
        move = np.stack([s["aside"] * -size, -legs - s["up"] * size, back], 1)
        base = self.floor + _turned(self.facing, move)
        out = self.out
        out[:, _J["spine_base"]] = base
        middle = base + _turned((pelvis + chest) / 2, (0, -bones["loin"], 0), bones["loin"])
        shoulders = middle + _turned(chest, (0, -bones["breast"], 0))
        neck = shoulders + _turned((chest + head) / 2, (0, -bones["neck"], 0), bones["neck"])
        top = neck + _turned(head, (0, -bones["head"], -0.02), bones["head"])
        out[:, _J["spine_middle"]], out[:, _J["spine_shoulder"]] = middle, shoulders
        out[:, _J["neck"]], out[:, _J["head"]] = neck, top
        drop, hip = _SHOULDER_DROP * size, _HIP_DROP * size
        for side, sign in zip(_SIDES, (1, -1), strict=True):
            half = sign * bones["shoulders"] / 2
            out[:, _J[f"{side}_shoulder"]] = shoulders + _turned(chest, (half, drop, 0))
            out[:, _J[f"{side}_hip"]] = base + _turned(pelvis, (sign * bones["hips"] / 2, hip, 0))
        return {
            "c": (shoulders, chest, size),
            "h": (top, head, size),
            "p": (base, pelvis, size),
            "f": (self.floor, self.facing, size),
        }

    def joints(self) -> np.ndarray:
        """(T, 25, 3) with arms and legs."""
        main = 1 if self.flip > 0 else 0
        for k, side in enumerate((main, 1 - main)):
            self._arm(_HANDS[k], side, self.shift[k])
            self._leg(_FEET[k], side)
        return self._fallen()

    def _point(self, target: Target, side: int, shift: np.ndarray) -> np.ndarray:
        # (T, 3) where a target is; `shift` is by how much this person's hands go beside it.
        frame, outwards, up, forward = target
        origin, rotation, unit = self.frames[frame]
        sign = (1.0, -1.0)[side] * (-1.0 if frame.startswith("o") else 1.0)
        size = self.performer.size if frame in "chp" else 1.0
        local = unit * size * np.array([sign * outwards, -up, -forward])
        # Feet stand where they should; on somebody else a hand aims better than at oneself.
        share = 1.0 if frame in "chp" else 0.3
        return origin + _turned(rotation, local + shift * (0.0 if frame == "f" else share))

    def _way(self, vector: Vector, side: int) -> np.ndarray:
        # (T, 3) a direction that is given in the frame of the chest.
        outwards, up, forward = vector
        return _turned(self.frames["c"][1], np.array([(1.0, -1.0)[side] * outwards, -up, -forward]))

    def _arm(self, name: str, side: int, shift: np.ndarray) -> None:
        bones, out, word = self.performer.bones, self.out, _SIDES[side]
        shoulder = out[:, _J[f"{word}_shoulder"]]
        goal = self._track(name, HANGING, lambda target: self._point(target, side, shift))
        # A path through the shoulder would throw the elbow about: go around it.
        far = ((goal - shoulder) ** 2).sum(-1, keepdims=True)
        near = np.exp(-2 * far / (0.18 * self.performer.stature) ** 2)
        goal = goal + 0.16 * near * self._way((1.0, 0.0, 0.3), side)
        straight = motion.unit(goal - shoulder)

        def fingers(vector: Vector | None) -> np.ndarray:
            return straight if vector is None else motion.unit(self._way(vector, side))

        way = self._track(f"{name}_way", None, fingers)
        pole = self._track(f"{name}_elbow", ELBOW, lambda vector: self._way(vector, side))
        way = motion.unit(way + 1e-12)
        elbow, wrist = motion.two_bone(
            root=shoulder,
            target=goal - bones["hand"] * way,
            upper=bones["upper_arm"],
            lower=bones["forearm"],
            pole=pole,
        )
        # No wrist bends further back than four fifths of a right angle.
        fore = motion.unit(wrist - elbow)
        way = motion.unit(way + np.maximum(0.3 - (way * fore).sum(-1, keepdims=True), 0) * fore)
        along = motion.unit(wrist - shoulder)
        aside = pole - (pole * along).sum(-1, keepdims=True) * along
        thumb = -(aside - (aside * way).sum(-1, keepdims=True) * way)
        hand = wrist + bones["hand"] * way
        points = {
            "elbow": elbow,
            "wrist": wrist,
            "hand": hand,
            "hand_tip": hand + bones["tip"] * way,
            "thumb": hand + bones["thumb"] * (0.6 * way + 0.8 * motion.unit(thumb)),
        }
        for joint, point in points.items():
            out[:, _J[f"{word}_{joint}"]] = point

    def _leg(self, name: str, side: int) -> None:
        bones, out, word = self.performer.bones, self.out, _SIDES[side]
        hip = out[:, _J[f"{word}_hip"]]
        goal = self._track(name, STANDING, lambda target: self._point(target, side, np.zeros(3)))
        goal = goal - [0, _ANKLE * self.performer.stature, 0]
        ahead = _turned(self.frames["p"][1], np.array([(0.12, -0.12)[side], 0.0, -1.0]))
        knee, ankle = motion.two_bone(
            root=hip, target=goal, upper=bones["thigh"], lower=bones["shin"], pole=ahead
        )
        shin = motion.unit(ankle - knee)
        toes = ahead - (ahead * shin).sum(-1, keepdims=True) * shin + 0.25 * shin
        out[:, _J[f"{word}_knee"]], out[:, _J[f"{word}_ankle"]] = knee, ankle
        out[:, _J[f"{word}_foot"]] = ankle + bones["foot"] * motion.unit(toes)

    def _fallen(self) -> np.ndarray:
        # The joints after the whole body has fallen as far as the channel `fall` says.
        fall = self.scalars["fall"]
        if not fall.any():
            return self.out
        # Backwards about the heels; a lying body is as high as it is thick.
        zero = np.zeros_like(fall)
        backwards = motion.turns(np.stack([zero, -fall, zero], 1))
        turn = self.facing @ backwards @ self.facing.swapaxes(1, 2)
        above = self.out - self.floor[:, None]
        fallen = self.floor[:, None] + np.einsum("tij,tkj->tki", turn, above)
        fallen[:, :, 1] -= 0.1 * np.sin(fall)[:, None]
        return fallen


def _turned(
    rotation: np.ndarray, vector: np.ndarray | Vector, length: float | None = None
) -> np.ndarray:
    """(T, 3) the vectors in the frames `rotation` (T, 3, 3), brought to `length` where it is given.

    A mean of two rotations shortens vectors.
    """
    turned = np.einsum("tij,tj->ti", rotation, np.broadcast_to(vector, (len(rotation), 3)))
    return turned if length is None else length * motion.unit(turned)
