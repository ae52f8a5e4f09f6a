"""Random generators that depend on names only.

Any clip can be made alone, in any order and by any worker, because nothing is drawn from a
generator that others have drawn from before.
"""

import hashlib

import numpy as np


def generator(*parts: str | int | float) -> np.random.Generator:
    """A generator that is the same in every process for the same `parts`.

    Args:
        parts: what it is for, from general to special: `generator(seed, "signer", 3)`.
    """
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(np.random.SeedSequence(int.from_bytes(digest, "big")))
