"""Glosses and their class numbers, fixed once from the training clips."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from signlib.errors import ManifestError, listed


@dataclass(frozen=True)
class Vocabulary:
    """An ordered list of glosses; class k is `glosses[k]`.

    >>> words = Vocabulary.from_glosses(["TREE", "CAT", "TREE"])
    >>> words.glosses, words.encode(["TREE"]).tolist()
    (('CAT', 'TREE'), [1])
    """

    glosses: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.glosses)) != len(self.glosses):
            doubled = next(gloss for gloss in self.glosses if self.glosses.count(gloss) > 1)
            raise ManifestError(
                f"gloss {doubled!r} appears twice in the vocabulary; list every gloss once"
            )

    def __len__(self) -> int:
        return len(self.glosses)

    def __contains__(self, gloss: str) -> bool:
        return gloss in self._class_of

    @cached_property
    def _class_of(self) -> dict[str, int]:
        return {gloss: k for k, gloss in enumerate(self.glosses)}

    @classmethod
    def from_glosses(cls, glosses: Iterable[str]) -> "Vocabulary":
        """The sorted set of the glosses given (those of the training clips)."""
        return cls(tuple(sorted(set(glosses))))

    def encode(self, glosses: Sequence[str]) -> np.ndarray:
        """Class numbers of the glosses: (N,) int64.

        Raises:
            ManifestError: for a gloss that the vocabulary does not have.
        """
        unknown = sorted({gloss for gloss in glosses if gloss not in self._class_of})
        if unknown:
            raise ManifestError(
                f"gloss {unknown[0]!r} ({len(unknown)} such) is not among the {len(self)} glosses"
                " of the training clips; drop its clips or add training clips for it"
            )
        return np.array([self._class_of[gloss] for gloss in glosses], dtype=np.int64)

    def decode(self, classes: Iterable[int]) -> list[str]:
        """The glosses of the class numbers given."""
        return [self.glosses[k] for k in classes]

    def counts(self, glosses: Iterable[str]) -> np.ndarray:
        """How often each class occurs among the glosses given: (K,) int64."""
        return np.bincount(self.encode(list(glosses)), minlength=len(self))


def alike(glosses: Iterable[str]) -> list[list[str]]:
    """Groups of glosses that read the same: they differ in case, blanks or Unicode form only.

    >>> alike(["HELLO", "TREE", "hello"])
    [['HELLO', 'hello']]
    """
    groups: dict[str, list[str]] = {}
    for gloss in sorted(set(glosses)):
        groups.setdefault(_folded(gloss), []).append(gloss)
    return [group for group in groups.values() if len(group) > 1]


def alike_notes(glosses: Iterable[str]) -> list[str]:
    """What to say of glosses that are alike: one line with names and what to do, [] for none."""
    groups = alike(glosses)
    if not groups:
        return []
    pairs = listed([" and ".join(map(repr, group)) for group in groups], most=3)
    return [
        f"glosses that differ only in case or blanks count as different ones: {pairs}; write"
        " them alike in the manifest if they are the same sign"
    ]


def _folded(gloss: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", gloss).casefold().split())
