"""A corpus of isolated signs that nobody has to download.

It has a manifest like every corpus, and instead of files a function from clip name to landmarks, so
it takes no space and any worker can make any clip.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property

import numpy as np
import pandas as pd

from signlib.errors import SettingsError
from signlib.synthesis import camera, seeding
from signlib.synthesis.performance import Performance, perform
from signlib.synthesis.signers import Signer, make_signer
from signlib.synthesis.signs import Inventory, Sign, make_lexicon, variant

FEWEST_SIGNERS = 3
MOST_SIGNERS = 100
MOST_REPETITIONS = 100
SPLITS = ("train", "val", "test")
LARGEST_PICTURE, FASTEST = 4096, 240.0
_NAME = re.compile(r"signer(\d{2})_sign(\d{4})_take(\d{2})")


class GeneratedCorpus:
    """Every signer performs every sign a few times.

    A clip depends on seed, hardness and its name only.

    Attributes:
        lexicon: the signs; class k of the corpus is `lexicon[k].gloss`.
        signers: test signers are the last ones, validation signers come before them, unless
            `splits` says otherwise.
        splits: number of each signer in the manifest -> its split.
        width, height, fps: of every clip.
        hardness: 0 = everyone signs alike before the same camera; 1 = default; at most 3.
    """

    def __init__(
        self,
        glosses: int = 20,
        signers: int = 10,
        repetitions: int = 3,
        seed: int = 0,
        hardness: float = 1.0,
        splits: Mapping[str, Sequence[int]] | None = None,
        inventory: Inventory | None = None,
        fps: float = 25.0,
        width: int = 512,
        height: int = 512,
    ) -> None:
        """A corpus of glosses x signers x repetitions clips.

        Args:
            glosses: 1 to 2000.
            signers: 3 to 100; a fifth of them (at least one) for validation and as many for the
                test.
            repetitions: of each sign by each signer, 1 to 100.
            splits: numbers of the signers in `train`, `val` and `test`, instead; signers in none of
                them are left out of the manifest.
            inventory: the phonology that signs may use, see `signs.make_lexicon`.
            fps: frames a second; width, height: of the picture in pixels, which only sets its
                shape.

        Raises:
            SettingsError: for a value out of range, more glosses than the inventory can tell apart,
                or splits that share a signer, name an unknown one or are empty.
        """
        self.splits = split_signers(signers, splits)
        if not 1 <= repetitions <= MOST_REPETITIONS:
            raise SettingsError(f"repetitions={repetitions}: give 1 to {MOST_REPETITIONS}")
        check_filming(fps, width, height)
        self.seed, self.hardness, self.repetitions = seed, float(hardness), repetitions
        self.fps, self.width, self.height = float(fps), width, height
        self.lexicon: list[Sign] = make_lexicon(glosses, seed, inventory)
        self.signers: list[Signer] = [
            make_signer(index, seed, hardness) for index in range(signers)
        ]
        self._forms: dict[tuple[int, int], tuple[Sign, str]] = {}

    def __len__(self) -> int:
        return len(self.splits) * len(self.lexicon) * self.repetitions

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """One row a clip with the columns of every manifest; `file` is empty: ask `clip(name)`."""
        # Generators are seeded with these names: another name is another clip.
        rows = [
            {
                "clip": f"{self.signers[i].name}_sign{k:04d}_take{take:02d}",
                "file": "",
                "gloss": sign.gloss,
                "signer": self.signers[i].name,
                "split": split,
                "start": 0,
                "end": -1,
                "fps": self.fps,
            }
            for i, split in self.splits.items()
            for k, sign in enumerate(self.lexicon)
            for take in range(self.repetitions)
        ]
        return pd.DataFrame(rows)

    def clip(self, name: str) -> np.ndarray:
        """(T, 543, 4) float32: x, y, z, visibility in mediapipe-543; a hand not found is all NaN.

        Raises:
            SettingsError: for a name that is not in the manifest.
        """
        return camera.film(
            self.performance(name).points,
            self.seated(name),
            seeding.generator(self.seed, self.hardness, name, "camera"),
            width=self.width,
            height=self.height,
            fps=self.fps,
        )

    def seated(self, name: str) -> Signer:
        """The signer of clip `name` with the camera of that take, for landmarks and for video."""
        signer = self.signers[self._find(name)[0]]
        return camera.seated(signer, seeding.generator(self.seed, self.hardness, name, "seat"))

    def performance(self, name: str) -> Performance:
        """What happens before the camera in clip `name`: points in metres and the sign's frames."""
        i, k = self._find(name)
        form, _ = self._form(i, k)
        return perform(
            [form], self.signers[i], seeding.generator(self.seed, self.hardness, name), self.fps
        )

    def truth(self, name: str) -> dict[str, str | int | float | bool]:
        """All that is known about clip `name`.

        The phonology as it was performed; `variant`, how that differs from the lexicon's ("" = not
        at all); the stroke's first and past-last frame; signer, handedness and camera, see
        `signers.Signer`.
        """
        i, k = self._find(name)
        form, how = self._form(i, k)
        first, last = self.performance(name).spans[0]
        return {
            **asdict(form),
            "variant": how,
            "stroke_start": first,
            "stroke_end": last,
            **about_signer(self.seated(name)),
        }

    def _form(self, i: int, k: int) -> tuple[Sign, str]:
        # How signer i makes sign k, see `signs.variant`.
        # A signer always has the same form of a sign: computed once a process.
        if (i, k) not in self._forms:
            self._forms[i, k] = variant(self.lexicon[k], self.signers[i], self.seed, self.lexicon)
        return self._forms[i, k]

    def _find(self, name: str) -> tuple[int, int]:
        # Numbers of signer and sign.
        match = _NAME.fullmatch(name)
        if match:
            i, k, take = map(int, match.groups())
            if i in self.splits and k < len(self.lexicon) and take < self.repetitions:
                return i, k
        raise SettingsError(
            f"clip {name!r} is not in this generated corpus of {len(self.splits)} signers,"
            f" {len(self.lexicon)} glosses and {self.repetitions} repetitions; take a name from its"
            " manifest"
        )


def about_signer(seated: Signer) -> dict[str, str | bool | float]:
    """Name, handedness and camera of a signer in one take, for the truth of a clip."""
    return {
        "signer": seated.name,
        "left_handed": seated.left_handed,
        **{key: getattr(seated, key) for key in ("yaw", "tilt", "roll", "distance", "zoom")},
        "hips_x": seated.centre[0],
        "hips_y": seated.centre[1],
    }


def check_filming(fps: float, width: int, height: int) -> None:
    """Refuse what no camera films.

    Raises:
        SettingsError: for a frame rate that is not in (0, 240], or a side that is not in 1..4096
            pixels.
    """
    if not (math.isfinite(fps) and 0 < fps <= FASTEST):
        raise SettingsError(f"fps={fps}: give frames a second, more than 0 and at most {FASTEST:g}")
    for name, side in (("width", width), ("height", height)):
        if not (math.isfinite(side) and 1 <= side <= LARGEST_PICTURE):
            raise SettingsError(f"{name}={side}: give 1 to {LARGEST_PICTURE} pixels")


def split_signers(
    signers: int, splits: Mapping[str, Sequence[int]] | None = None
) -> dict[int, str]:
    """Number of each signer -> its split, in the order of the numbers.

    Args:
        splits: as for `GeneratedCorpus`; None: the last fifth tests, the fifth before it validates.

    Raises:
        SettingsError: for too few or too many signers, or splits that share one, name an unknown
            one, or are empty or missing.
    """
    if not FEWEST_SIGNERS <= signers <= MOST_SIGNERS:
        raise SettingsError(
            f"signers={signers}: train, val and test need a signer each, so give {FEWEST_SIGNERS}"
            f" to {MOST_SIGNERS}"
        )
    if splits is None:
        held_out = max(1, signers // 5)
        names = ["train"] * (signers - 2 * held_out) + ["val"] * held_out + ["test"] * held_out
        return dict(enumerate(names))
    if set(splits) != set(SPLITS):
        raise SettingsError(
            f"splits of {', '.join(map(str, splits)) or 'nothing'}: name {', '.join(SPLITS)}"
        )
    dealt: dict[int, str] = {}
    for split in SPLITS:
        if not len(splits[split]):
            raise SettingsError(
                f"splits: no signer in {split!r}; give at least one number of 0 to {signers - 1}"
            )
        for i in splits[split]:
            if not 0 <= i < signers:
                raise SettingsError(
                    f"splits: signer {i} in {split!r} is unknown; there are 0 to {signers - 1}"
                )
            if i in dealt:
                raise SettingsError(
                    f"splits: signer {i} is in {dealt[i]!r} and in {split!r}; leave out one of them"
                )
            dealt[int(i)] = split
    return dict(sorted(dealt.items()))
