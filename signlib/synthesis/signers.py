"""Who signs: a body, a way of moving, and the camera in front of it.

What differs between signers is what a recogniser must learn to ignore. All these differences are
here, and one number, `hardness`, scales them together.
"""

from dataclasses import dataclass

import numpy as np

from signlib.errors import SettingsError
from signlib.synthesis.seeding import generator

HARDEST = 3.0
# One signer of so many, among each ten in a row: a small corpus has one too.
LEFT_HANDED = 10


@dataclass(frozen=True)
class Signer:
    """One person before one camera. Lengths in metres, angles in radians.

    Attributes:
        name: what the manifest calls them.
        left_handed: True mirrors everything they sign.
        shoulders: distance between the shoulders.
        torso: hip to shoulder.
        upper_arm, forearm: bone lengths.
        hand: wrist to middle knuckle.
        head: half the height of the face; half its width is about three quarters of it.
        tempo: 1 is average; twice as fast is 2.
        size: of movements, 1 is average.
        accent: (3,) where their signs lie beside where the lexicon says.
        posture: (15,) added to all their finger angles, see `motion.ANGLES`.
        rest: height of the resting hands above the hips (negative: below).
        yaw, tilt, roll: of the body before the camera.
        distance: from camera to hips.
        zoom: frame widths per metre at that distance.
        centre: (x, y) of the hips in the frame, in fractions.
        jitter: of reported points, in metres.
        lost: chance of losing a hand that is still, that moves fast, that crosses the face or the
            other hand.
        hardness: spread of one performance around the signer's own way.
    """

    name: str
    left_handed: bool
    shoulders: float
    torso: float
    upper_arm: float
    forearm: float
    hand: float
    head: float
    tempo: float
    size: float
    accent: tuple[float, ...]
    posture: tuple[float, ...]
    rest: float
    yaw: float
    tilt: float
    roll: float
    distance: float
    zoom: float
    centre: tuple[float, float]
    jitter: float
    lost: tuple[float, float, float]
    hardness: float


def make_signer(index: int, seed: int = 0, hardness: float = 1.0) -> Signer:
    """Signer number `index` of the world `seed`, the same whoever else is in it.

    Args:
        index: from 0.
        seed: of the world.
        hardness: 0 = everyone is average, right-handed and seen from the front without noise;
            1 = people as they differ in a studio corpus; at most 3.

    Raises:
        SettingsError: for a negative index or a hardness out of range.
    """
    if index < 0 or not 0 <= hardness <= HARDEST:
        raise SettingsError(
            f"signer {index} with hardness {hardness}: the index starts at 0, hardness lies in"
            f" 0..{HARDEST:g}"
        )
    rng = generator(seed, "signer", index)

    def around(mean: float, spread: float) -> float:
        return float(mean + hardness * spread * np.clip(rng.standard_normal(), -2, 2))

    def ratio(mean: float, spread: float) -> float:
        return float(mean * np.exp(around(0.0, spread)))

    left = generator(seed, "left-handed").integers(LEFT_HANDED)
    stature = ratio(1.0, 0.06)
    torso = stature * ratio(0.50, 0.04)
    zoom = ratio(0.70, 0.18) / stature
    # A draw that is not used: without it all bodies that were made before would change.
    rng.random()
    return Signer(
        name=f"signer{index:02d}",
        left_handed=bool(hardness > 0 and index % LEFT_HANDED == left),
        shoulders=stature * ratio(0.36, 0.05),
        torso=torso,
        upper_arm=stature * ratio(0.29, 0.03),
        forearm=stature * ratio(0.25, 0.03),
        hand=stature * ratio(0.092, 0.05),
        head=stature * ratio(0.112, 0.04),
        tempo=ratio(1.0, 0.12),
        size=ratio(1.0, 0.26),
        accent=tuple(around(0.0, 0.03) for _ in range(3)),
        posture=tuple(around(0.0, 0.17) for _ in range(15)),
        rest=around(0.03, 0.06),
        yaw=around(0.0, 0.28),
        tilt=around(0.0, 0.09),
        roll=around(0.0, 0.06),
        distance=ratio(2.2, 0.15),
        zoom=zoom,
        centre=(around(0.5, 0.09), around(0.45, 0.055) + zoom * torso),
        jitter=0.0025 * hardness,
        lost=(0.01 * hardness, 0.25 * hardness, 0.15 * hardness),
        hardness=hardness,
    )
