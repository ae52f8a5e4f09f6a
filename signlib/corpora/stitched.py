"""Sentences stitched from clips of single signs.

So real landmarks can train on continuous signing without a corpus of it. Clips are brought to one
place and size, cut to where the hands act, played at a changing pace, and joined by movements from
where one sign ends to where the next begins. Nobody ever signed these sentences: they have
coarticulation of a plain kind, and no grammar of a language.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd

from signlib.corpora.corpus import Corpus, Kind, landmark_clips
from signlib.data import manifest
from signlib.data.skeletons import Skeleton
from signlib.errors import ManifestError, SettingsError
from signlib.features.normalise import at_moments, normalise, seen
from signlib.settings.base import DataSettings
from signlib.stores.store import ClipSource, Extraction
from signlib.synthesis.seeding import generator

# Before the name of a corpus of single signs: sentences made of its clips.
STITCHED = "stitched-"
FPS = 25.0
# Clips that a gloss of a signer must have: some of them train, some validate, some test.
FEWEST = 8
# Shoulder widths a second at which hands move from sign to sign.
# People in `generated-sentences` are as fast.
PACE = 0.9
SHORTEST_WAY, LONGEST_WAY = 2, 8
_SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
_FAVOURITES, _FAVOURED = 4, 0.6


class StitchedSentences:
    """Sentences of each signer from clips of that signer.

    No clip of training is in validation or test. Within a gloss of a signer the clips are divided
    in the order of their names, the last ones for the test: clips that follow one another may come
    from one recording.

    Attributes:
        labelled: the manifest, `glosses` holds the sentence.
        extraction: of the clips, in shoulder widths about the signer.

    Args:
        source: clips of single signs with known signers.
        sentences: of training; validation and test have a fifth as many each.
        lengths: fewest and most signs of a sentence.
        seed: of the choice; a sentence depends on it and on its name alone.
        leave_out: glosses that are no signs.

    Raises:
        ManifestError: when no signer has two glosses with enough clips.
        SettingsError: for impossible lengths.
    """

    def __init__(
        self,
        source: ClipSource,
        sentences: int = 600,
        lengths: tuple[int, int] = (6, 12),
        seed: int = 0,
        leave_out: tuple[str, ...] = ("-",),
    ) -> None:
        if not 1 <= lengths[0] <= lengths[1]:
            raise SettingsError(
                f"lengths={lengths}: give fewest and most signs of a sentence, from 1 on"
            )
        self.source, self.sentences, self.lengths, self.seed = source, sentences, lengths, seed
        signs = source.extraction
        settings = {
            "stitched": signs.settings,
            "sentences": sentences,
            "lengths": list(lengths),
            "seed": seed,
        }
        self.extraction: Extraction = replace(
            signs, extractor=f"stitched {signs.extractor}", settings=settings
        )
        table = source.labelled
        self.clips = _usable(table[~table["gloss"].isin(leave_out) & (table["signer"] != "")])
        if not self.clips:
            raise ManifestError(
                f"no signer has two glosses with {FEWEST} clips each, so no sentences can be"
                " stitched; take a corpus of isolated signs with known signers"
            )

    @property
    def skeleton(self) -> Skeleton:
        """The points of the J axis."""
        return self.source.skeleton

    @cached_property
    def labelled(self) -> pd.DataFrame:
        """One row a sentence: the manifest's columns, width and height.

        Both are 1: coordinates are shoulder widths along both axes.
        """
        fifth = -(-self.sentences // 5)
        counts = {"train": self.sentences, "val": fifth, "test": fifth}
        table = pd.DataFrame(
            [
                {"clip": f"{split}_sentence{k:05d}", "gloss": "", "split": split, "fps": FPS}
                for split, count in counts.items()
                for k in range(count)
            ]
        )
        chosen = [self._chosen(name) for name in table["clip"]]
        table["signer"] = [signer for signer, _, _ in chosen]
        table["glosses"] = [" ".join(glosses) for _, glosses, _ in chosen]
        table = manifest.complete(table, source="stitched sentences")
        return table.assign(width=1, height=1)

    def read(self, clip: str) -> np.ndarray:
        """A sentence's points (T, J, C), NaN = missing."""
        return self._stitched(clip)[0]

    def spans(self, clip: str) -> np.ndarray:
        """(U, 2) first and past-last frame of each sign of a sentence."""
        return self._stitched(clip)[1]

    def used(self, clip: str) -> list[str]:
        """The clips that a sentence is made of."""
        return self._chosen(clip)[2]

    def _chosen(self, name: str) -> tuple[str, list[str], list[str]]:
        # Signer, and the glosses and clips of the signs.
        split = name.partition("_")[0]
        rng = generator(self.seed, "stitched", name)
        # Signers weigh as much as they have glosses.
        signers = sorted(self.clips)
        shares = np.array([len(self.clips[s]) for s in signers], float)
        signer = signers[int(rng.choice(len(signers), p=shares / shares.sum()))]
        glosses = sorted(self.clips[signer])
        signs, used = [], []
        at = int(rng.integers(len(glosses)))
        for _ in range(int(rng.integers(self.lengths[0], self.lengths[1] + 1))):
            gloss = glosses[at]
            clips = _part(self.clips[signer][gloss], split)
            signs.append(gloss)
            used.append(clips[int(rng.integers(len(clips)))])
            # Each gloss has a few favourites to follow it: something for a language model to learn.
            followers = np.arange(len(glosses))
            if rng.random() < _FAVOURED:
                favourites = generator(self.seed, "favourites", signer, gloss)
                followers = favourites.integers(len(glosses), size=_FAVOURITES)
            at = int(followers[rng.integers(len(followers))])
        return signer, signs, used

    @lru_cache(maxsize=4)  # noqa: B019 - a corpus lives as long as its experiment
    def _stitched(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        rng = generator(self.seed, "pace", name)
        pieces: list[np.ndarray] = []
        for clip in self.used(name):
            # Longer or shorter by some 15 %, from one sign to the next.
            pace = float(np.exp(0.15 * rng.normal()))
            sign = paced(acting(self._clip(clip), self.skeleton), pace)
            if pieces:
                pieces.append(transition(pieces[-1][-1], sign[0], self.skeleton))
            pieces.append(sign)
        lengths = np.array([len(piece) for piece in pieces])
        ends = np.cumsum(lengths)
        # Every other piece is a sign.
        return np.concatenate(pieces), np.stack([ends - lengths, ends], axis=1)[::2]

    @lru_cache(maxsize=4096)  # noqa: B019
    def _clip(self, name: str) -> np.ndarray:
        row = self._signs.loc[name]
        aspect = row["width"] / row["height"] if row["height"] > 0 else 1.0
        return normalise(self.source.read(name), self.skeleton, float(aspect))

    @cached_property
    def _signs(self) -> pd.DataFrame:
        return self.source.labelled.set_index("clip")


def _usable(table: pd.DataFrame) -> dict[str, dict[str, list[str]]]:
    # Signer -> gloss -> clips, of signers with two glosses or more that have enough clips.
    usable = {}
    for signer, rows in table.groupby("signer"):
        glosses = {
            gloss: sorted(part["clip"])
            for gloss, part in rows.groupby("gloss")
            if len(part) >= FEWEST
        }
        if len(glosses) > 1:
            usable[signer] = glosses
    return usable


def _part(clips: list[str], split: str) -> list[str]:
    # The clips of a gloss that are of a split: the first ones train, the last ones test.
    test, val = (max(1, round(_SHARES[name] * len(clips))) for name in ("test", "val"))
    return {
        "train": clips[: -test - val],
        "val": clips[-test - val : -test],
        "test": clips[-test:],
    }[split]


def _wrists(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    # (T, hands, 2) of the body's wrists, or of the hands' where there is no body.
    for names in (("left_wrist", "right_wrist"), ("left_hand_wrist", "right_hand_wrist")):
        if skeleton.has(*names):
            return points[:, [skeleton.index(name) for name in names], :2]
    raise SettingsError(
        f"skeleton {skeleton.name!r} has no wrists, so signs cannot be joined; take another corpus"
    )


def acting(
    points: np.ndarray, skeleton: Skeleton, share: float = 0.15, margin: int = 2
) -> np.ndarray:
    """The clip from the first to the last frame in which a wrist moves.

    Args:
        points: (T, J, C), NaN = missing.
        share: of the clip's fastest movement, below which a hand rests.
        margin: frames that are kept on both sides; a quarter of the clip is kept in any case.
    """
    steps = np.linalg.norm(np.diff(_wrists(points, skeleton), axis=0), axis=-1)
    speed = np.nan_to_num(steps).max(axis=1)
    moving = np.flatnonzero(speed > share * speed.max(initial=0))
    least = -(-len(points) // 4)
    if not len(moving):
        return points
    start, end = max(0, moving[0] - margin), min(len(points), moving[-1] + 2 + margin)
    # Where the movement is shorter than that, frames before it are kept first, then frames after.
    spare = max(0, least - (end - start))
    start = max(0, start - spare)
    return points[start : max(end, min(len(points), start + least))]


def paced(points: np.ndarray, factor: float) -> np.ndarray:
    """The clip played `factor` times as long, points interpolated.

    A point that is missing in one of two frames is missing between them.
    """
    frames = max(2, round(len(points) * factor))
    return at_moments(points, np.linspace(0, len(points) - 1, frames))


def transition(last: np.ndarray, first: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(F, J, C): the way from the last frame of a sign to the first of the next.

    It is slow at both ends; its length follows from how far the wrists have to go. A point that is
    missing at one end takes the place of the other for the nearer half of the way and is missing
    for the rest.

    Source: minimum jerk between two points at rest, Flash and Hogan 1985.
    """
    far = np.linalg.norm(_wrists(last[None], skeleton) - _wrists(first[None], skeleton), axis=-1)
    frames = int(
        np.clip(round(float(np.nan_to_num(far).max()) / PACE * FPS / 2), SHORTEST_WAY, LONGEST_WAY)
    )
    # Neither end is part of the way: both are frames of a sign already.
    share = np.arange(1, frames + 1) / (frames + 1)
    done = (10 * share**3 - 15 * share**4 + 6 * share**5)[:, None, None]
    way = (1 - done) * last + done * first
    here, there = seen(last), seen(first)
    way = np.where((here & ~there)[None, :, None] & (done < 0.5), last, way)
    way = np.where((there & ~here)[None, :, None] & (done >= 0.5), first, way)
    return way.astype(last.dtype)


@dataclass(frozen=True, kw_only=True, eq=False)
class Stitched(Corpus):
    """Sentences of the clips of another corpus; see `stitched`.

    Attributes:
        single: the corpus of single signs.
    """

    single: Corpus
    kind: Kind = "landmarks"
    sentences: bool = True

    @property
    def unread(self) -> tuple[str, ...]:
        # What makes the sentences, and what the corpus of signs reads.
        ours = {"shortest", "longest", "sentences", "seed"}
        return tuple(name for name in self.single.unread if name not in ours)

    def clips(self, settings: DataSettings) -> ClipSource:
        signs = landmark_clips(self.single, replace(settings, corpus=self.single.name))
        lengths = (settings.shortest, settings.longest)
        return StitchedSentences(signs, settings.sentences, lengths, settings.seed)


def stitched(single: Corpus) -> Stitched:
    """The corpus of sentences made of another corpus's clips; they are published as little."""
    return Stitched(
        name=STITCHED + single.name,
        single=single,
        licence=single.licence,
        card=single.card,
        folder=single.folder,
        skeleton=single.skeleton,
        glosses=single.glosses and single.glosses - len(single.no_signs),
    )
