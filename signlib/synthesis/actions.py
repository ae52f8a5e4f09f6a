"""A corpus of everyday actions as Kinect skeletons, with the names and the splits of NTU RGB+D 60.

Like every generated corpus it takes no space: a manifest, and a function from clip name to joints
that any worker can call for any clip in any order.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product

import numpy as np
import pandas as pd

from signlib.data.ntu60 import ACTIONS, FPS, TRAIN_PERFORMERS, parse_name
from signlib.errors import ManifestError, SettingsError
from signlib.synthesis import bodies, everyday, gestures, kinect, mutual_actions
from signlib.synthesis.seeding import generator
from signlib.synthesis.signers import HARDEST

# Camera number -> radians around the scene. Source: Shahroudy et al. 2016, section 3.1.
CAMERA_ANGLES = {1: 0.0, 2: np.pi / 4, 3: -np.pi / 4}
PROGRAMS = {**everyday.PROGRAMS, **gestures.PROGRAMS, **mutual_actions.PROGRAMS}
PERSONS = 2
# Chance that a performer uses the other hand in a take, at hardness 1.
_OTHER_HAND = 0.12


class ActionCorpus:
    """Every performer does every action a few times before all cameras at once.

    A clip is called as in the official corpus (`S001C002P003R002A013`); it depends on seed,
    hardness and its name only, and the cameras of one take see the same movement. A performer faces
    the second camera in odd takes and the third one in even takes, as in the official recordings.

    Attributes:
        actions: official numbers, 1 to 60; from 50 on two persons act.
        performers: train and val performers have official training numbers, test performers
            official test numbers, so that the reader's cross-subject split agrees with this one.
        fps: 30.
    """

    fps = FPS

    def __init__(
        self,
        actions: int | Sequence[int] = 60,
        performers: int = 8,
        cameras: int = 3,
        repetitions: int = 2,
        setups: int = 3,
        seed: int = 0,
        hardness: float = 1.0,
    ) -> None:
        """A corpus of actions x performers x cameras x repetitions clips.

        Args:
            actions: how many (evenly spread over the official list), or which ones.
            performers: 3 to 25; a fifth of them (at least one) for validation and as many for the
                test.
            cameras: 1 to 3.
            repetitions: takes of each action by each performer, 1 to 100.
            setups: different heights and distances of the cameras, 1 to 17; a performer keeps to
                one.
            hardness: 0 to 3, see `bodies` and `kinect`.

        Raises:
            SettingsError: for a value out of range.
        """
        for name, value, least, most in (
            ("performers", performers, 3, 25),
            ("cameras", cameras, 1, len(CAMERA_ANGLES)),
            ("repetitions", repetitions, 1, 100),
            ("setups", setups, 1, 17),
        ):
            if not least <= value <= most:
                raise SettingsError(f"{name}={value}: give {least} to {most}")
        if not 0 <= hardness <= HARDEST:
            raise SettingsError(f"hardness={hardness} must lie in 0..{HARDEST:g}")
        self.actions = _chosen(actions)
        self.cameras, self.repetitions, self.setups = cameras, repetitions, setups
        self.seed, self.hardness = seed, float(hardness)
        held = max(1, performers // 5)
        learn = sorted(TRAIN_PERFORMERS)[: performers - held]
        test = [number for number in range(1, 41) if number not in TRAIN_PERFORMERS][:held]
        splits = ["train"] * (len(learn) - held) + ["val"] * held + ["test"] * held
        self.splits = dict(zip([*learn, *test], splits, strict=True))
        self.performers: dict[int, bodies.Performer] = {
            k: bodies.make_performer(k, seed, hardness) for k in self.splits
        }

    def __len__(self) -> int:
        return len(self.actions) * len(self.performers) * self.cameras * self.repetitions

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """One row a clip, with the columns of the official corpus.

        `file` is empty: ask `clip(name)`.
        """
        takes, cameras = range(1, self.repetitions + 1), range(1, self.cameras + 1)
        rows = [
            {
                "clip": f"S{self._setup(number):03d}C{camera:03d}"
                f"P{number:03d}R{take:03d}A{action:03d}",
                "file": "",
                "gloss": ACTIONS[action - 1],
                "signer": f"P{number:03d}",
                "split": self.splits[number],
                "start": 0,
                "end": -1,
                "fps": self.fps,
                "setup": self._setup(number),
                "camera": camera,
                "performer": number,
                "replication": take,
                "action": action,
            }
            for number, action, take, camera in product(self.splits, self.actions, takes, cameras)
        ]
        return pd.DataFrame(rows)

    def clip(self, name: str) -> np.ndarray:
        """(T, 2, 25, 3) float32 metres in the camera's axes; NaN = no such person.

        The axes are those of `data.ntu60.SkeletonClip`.

        Raises:
            SettingsError: for a name that is not in the manifest.
        """
        return self.observed(name)[0]

    def observed(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The clip and (T, 2, 25) int8 tracking states: 2 tracked, 1 inferred, 0 no such person."""
        setup, camera, *_ = self._find(name)
        seen, states = kinect.observe(
            self.performance(name),
            self._sensor(setup, camera),
            generator(self.seed, self.hardness, name, "sensor"),
            hardness=self.hardness,
            fps=self.fps,
        )
        missing = PERSONS - seen.shape[1]
        blank = np.full((len(seen), missing, *seen.shape[2:]), np.nan, np.float32)
        return np.concatenate([seen, blank], 1), np.pad(states, ((0, 0), (0, missing), (0, 0)))

    def performance(self, name: str) -> np.ndarray:
        """What happened: (T, M, 25, 3) metres.

        x is to the left of a person who faces camera 1, y down, the origin on the floor.
        """
        return self._perform(name)[0]

    def truth(self, name: str) -> dict[str, str | int | float | bool | list[int]]:
        """All that is known about clip `name`.

        Action, persons, performers, camera and take; `keys`, the frames at which movements ended;
        and how the camera stood.
        """
        setup, camera, number, replication, action = self._find(name)
        joints, script, people = self._perform(name)
        sensor = self._sensor(setup, camera)
        return {
            "action": action,
            "gloss": ACTIONS[action - 1],
            "persons": joints.shape[1],
            "performer": number,
            "partner": people[1].name if len(people) > 1 else "",
            "left_handed": people[0].left_handed,
            "stature": people[0].stature,
            "camera": camera,
            "setup": setup,
            "replication": replication,
            "angle": sensor.angle,
            "distance": sensor.distance,
            "height": sensor.height,
            "facing": _facing(replication),
            "frames": len(joints),
            "keys": [min(len(joints) - 1, round(key * self.fps)) for key in script.keys],
        }

    def _perform(self, name: str) -> tuple[np.ndarray, bodies.Script, list[bodies.Performer]]:
        setup, _, number, replication, action = self._find(name)
        take = generator(self.seed, self.hardness, "take", setup, number, replication, action)
        people = [self.performers[number]]
        if action in mutual_actions.PROGRAMS:
            people.append(self._partner(number))
        # Now and then somebody uses the other hand; two who act together use the same one.
        other = take.random() < _OTHER_HAND * self.hardness
        people = [replace(who, left_handed=people[0].left_handed != other) for who in people]
        pace = float(np.exp(self.hardness * take.normal(0, 0.1))) / people[0].tempo
        script = bodies.Script(take, pace, self.hardness)
        waits = 0.25 + self.hardness * take.uniform(-0.1, 0.6, 2)
        script.to(max(0.1, waits[0]))
        for step in PROGRAMS[action]:
            step(script)
        script.to(max(0.1, waits[1]))
        stands = self._stands(action, replication, take)
        return bodies.pose(script, people, stands, self.fps), script, people

    def _stands(
        self, action: int, replication: int, take: np.random.Generator
    ) -> list[tuple[float, float, float]]:
        # x, z and heading of each person.
        heading = _facing(replication) + self.hardness * take.normal(0, 0.2)
        x, z = self.hardness * take.normal(0, 0.10, 2)
        if action not in mutual_actions.PROGRAMS:
            return [(x, z, heading)]
        # Two persons stand across the line to the camera that one alone would face.
        first = heading + np.pi / 2
        second = first if action in mutual_actions.BEHIND else first - np.pi
        ahead = mutual_actions.STAGE[action] / 2 * np.array([np.sin(first), -np.cos(first)])
        return [(x - ahead[0], z - ahead[1], first), (x + ahead[0], z + ahead[1], second)]

    def _sensor(self, setup: int, camera: int) -> kinect.Sensor:
        rng = generator(self.seed, "setup", setup)
        distance, height = rng.uniform(2.8, 3.8), rng.uniform(0.7, 1.2)
        return kinect.Sensor(CAMERA_ANGLES[camera], float(distance), float(height))

    def _setup(self, number: int) -> int:
        return list(self.splits).index(number) % self.setups + 1

    def _partner(self, number: int) -> bodies.Performer:
        # Somebody of the same split acts along, so that nobody is seen in two splits.
        same = [other for other, split in self.splits.items() if split == self.splits[number]]
        partner = same[(same.index(number) + 1) % len(same)]
        if partner != number:
            return self.performers[partner]
        # Alone in a split: an extra person, whose name no clip has.
        return bodies.make_performer(100 + number, self.seed, self.hardness)

    def _find(self, name: str) -> tuple[int, int, int, int, int]:
        try:
            values = parse_name(name)
        except ManifestError:
            values = (0,) * 5
        setup, camera, number, replication, action = values
        acts = number in self.performers and action in self.actions
        if (
            not acts
            or setup != self._setup(number)
            or camera > self.cameras
            or replication > self.repetitions
        ):
            raise SettingsError(
                f"clip {name!r} is not in this generated corpus of {len(self.actions)} actions,"
                f" {len(self.performers)} performers, {self.cameras} cameras; take a name from its"
                " manifest"
            )
        return values


def _chosen(actions: int | Sequence[int]) -> tuple[int, ...]:
    if isinstance(actions, int):
        if not 1 <= actions <= len(ACTIONS):
            raise SettingsError(
                f"actions={actions}: give 1 to {len(ACTIONS)}, or a list of official numbers"
            )
        return tuple(int(k) for k in np.linspace(1, len(ACTIONS), actions).round())
    wrong = [k for k in actions if k not in PROGRAMS]
    if wrong or not actions or len(set(actions)) != len(actions):
        raise SettingsError(
            f"actions={list(actions)}: give different official numbers of 1 to {len(ACTIONS)}"
        )
    return tuple(sorted(actions))


def _facing(replication: int) -> float:
    # Radians to the camera that the performer faces in this take.
    return CAMERA_ANGLES[2] if replication % 2 else CAMERA_ANGLES[3]
