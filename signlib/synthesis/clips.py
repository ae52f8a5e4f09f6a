"""A corpus of isolated signs that nobody has to download.

It has a manifest like every corpus, and instead of files a function from clip
name to landmarks, so it takes no space and any worker can make any clip.
"""

import re
from functools import cached_property

import numpy as np
import pandas as pd

from signlib.errors import SettingsError
from signlib.synthesis.camera import film, seated
from signlib.synthesis.performance import Performance, perform
from signlib.synthesis.seeding import generator
from signlib.synthesis.signers import Signer, make_signer
from signlib.synthesis.signs import Sign, make_lexicon, phonology

FEWEST_SIGNERS = 3
MOST_SIGNERS = 100
MOST_REPETITIONS = 100
_NAME = re.compile(r"signer(\d{2})_sign(\d{4})_take(\d{2})")


class GeneratedCorpus:
    """Every signer performs every sign a few times; a clip depends on seed, hardness and its name only.

    Attributes:
        lexicon: the signs; class k of the corpus is `lexicon[k].gloss`.
        signers: test signers are the last ones, validation signers stand before them.
        width, height, fps: of every clip.
        hardness: 0 = everyone signs alike before the same camera; 1 = default; at most 3.
    """

    width, height, fps = 512, 512, 25.0

    def __init__(
        self, glosses: int = 20, signers: int = 10, repetitions: int = 3, seed: int = 0, hardness: float = 1.0
    ) -> None:
        """A corpus of glosses x signers x repetitions clips.

        Args:
            glosses: 1 to 2000.
            signers: 3 to 100; a fifth of them (at least one) for validation and as many for the test.
            repetitions: of each sign by each signer, 1 to 100.

        Raises:
            SettingsError: for a value out of range.
        """
        if not FEWEST_SIGNERS <= signers <= MOST_SIGNERS:
            raise SettingsError(
                f"signers={signers}: train, val and test need a signer each, so give {FEWEST_SIGNERS} to {MOST_SIGNERS}"
            )
        if not 1 <= repetitions <= MOST_REPETITIONS:
            raise SettingsError(f"repetitions={repetitions}: give 1 to {MOST_REPETITIONS}")
        self.seed, self.hardness, self.repetitions = seed, float(hardness), repetitions
        self.lexicon: list[Sign] = make_lexicon(glosses, seed)
        self.signers: list[Signer] = [make_signer(index, seed, hardness) for index in range(signers)]

    def __len__(self) -> int:
        return len(self.signers) * len(self.lexicon) * self.repetitions

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """One row a clip with the columns of every manifest; `file` is empty: ask `clip(name)`."""
        held_out = max(1, len(self.signers) // 5)
        learn = len(self.signers) - 2 * held_out
        rows = [
            {
                "clip": f"{signer.name}_sign{k:04d}_take{take:02d}",
                "file": "",
                "gloss": sign.gloss,
                "signer": signer.name,
                "split": "train" if i < learn else "val" if i < learn + held_out else "test",
                "start": 0,
                "end": -1,
                "fps": self.fps,
            }
            for i, signer in enumerate(self.signers)
            for k, sign in enumerate(self.lexicon)
            for take in range(self.repetitions)
        ]
        return pd.DataFrame(rows)

    def clip(self, name: str) -> np.ndarray:
        """(T, 543, 4) float32: x, y, z, visibility in mediapipe-543; a hand not found is all NaN.

        Raises:
            SettingsError: for a name that is not in the manifest.
        """
        rng = generator(self.seed, self.hardness, name, "camera")
        return film(self.performance(name).points, self.seated(name), rng, self.width, self.height, self.fps)

    def seated(self, name: str) -> Signer:
        """The signer of clip `name` with the camera of that take: what landmarks and video share."""
        signer, _ = self._find(name)
        return seated(signer, generator(self.seed, self.hardness, name, "seat"))

    def performance(self, name: str) -> Performance:
        """What happens before the camera in clip `name`: 543 points in metres, and when the sign lasts."""
        signer, sign = self._find(name)
        return perform([sign], signer, generator(self.seed, self.hardness, name), self.fps)

    def truth(self, name: str) -> dict[str, str | int | float]:
        """Phonology, gloss and signer of clip `name`, and the stroke's first and past-last frame."""
        signer, sign = self._find(name)
        first, last = self.performance(name).spans[0]
        return {**phonology(sign), "signer": signer.name, "stroke_start": first, "stroke_end": last}

    def _find(self, name: str) -> tuple[Signer, Sign]:
        match = _NAME.fullmatch(name)
        if match:
            i, k, take = map(int, match.groups())
            if i < len(self.signers) and k < len(self.lexicon) and take < self.repetitions:
                return self.signers[i], self.lexicon[k]
        raise SettingsError(
            f"clip {name!r} is not in this generated corpus of {len(self.signers)} signers, "
            f"{len(self.lexicon)} glosses and {self.repetitions} repetitions; take a name from its manifest"
        )
