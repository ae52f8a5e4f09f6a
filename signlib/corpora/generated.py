"""Corpora made on the spot: single signs, sentences of them, and everyday actions.

Of sentences, `data.repetitions` is how many each signer says; of actions, `data.glosses` is how
many there are and `data.signers` how many people perform them.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from signlib.corpora.bodies import BodyCorpus
from signlib.corpora.corpus import ClipRow, Corpus, Kind
from signlib.data import ntu60, skeletons
from signlib.settings.base import DataSettings
from signlib.stores.store import ClipSource, Extraction, LoadedClips
from signlib.synthesis.actions import ActionCorpus
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.sentences import SentenceCorpus

LICENCE = "that of this project (MIT): nobody was recorded"
CAMERAS = 3
# What makes a generated corpus; of sentences also how long they are.
WORLD = ("glosses", "signers", "repetitions", "seed", "hardness")
LENGTHS = ("shortest", "longest")


def made_with(settings: DataSettings, *more: str) -> dict[str, Any]:
    """The settings that change the numbers of a generated corpus."""
    return {name: getattr(settings, name) for name in (*WORLD, *more)}


@dataclass(frozen=True, kw_only=True, eq=False)
class GeneratedSigning(Corpus):
    """People who sign and whom a renderer can show."""

    kind: Kind = "landmarks"
    licence: str = LICENCE
    card: str = "generated.md"
    open: bool = True
    generated: bool = True
    rendered: bool = True
    own_settings: tuple[str, ...] = WORLD

    @abstractmethod
    def world(self, settings: DataSettings) -> GeneratedCorpus | SentenceCorpus:
        """What makes the clips, with their true values."""

    def clips(self, settings: DataSettings) -> ClipSource:
        world = self.world(settings)
        lengths = LENGTHS if self.sentences else ()
        extraction = Extraction(
            self.name,
            "2",
            (543, 4),
            ("x", "y", "z", "visibility"),
            self.skeleton,
            made_with(settings, *lengths),
        )
        spans = world.spans if isinstance(world, SentenceCorpus) else None
        table = world.manifest.assign(width=world.width, height=world.height)
        return LoadedClips(table, world.clip, extraction, spans)

    def pictures(
        self, settings: DataSettings, row: ClipRow, frames: list[int], size: int
    ) -> dict[str, list[np.ndarray]]:
        # Colour and depth, rendered.
        # OpenCV and the renderer load only where pictures are asked for.
        from signlib.data.picture_folders import depth_picture
        from signlib.stores.pictures import COLOUR, DEPTH
        from signlib.synthesis.appearance import look_of
        from signlib.synthesis.render import render

        world = self.world(settings)
        signer, whole = world.seated(row.clip), world.performance(row.clip)
        rendered = list(render(whole.at(frames), signer, look_of(world, row.signer), size, size))
        away = 1000 * signer.distance
        return {
            COLOUR: [colour for colour, _ in rendered],
            DEPTH: [depth_picture(depth, away) for _, depth in rendered],
        }


class _Signs(GeneratedSigning):
    def world(self, settings: DataSettings) -> GeneratedCorpus:
        return GeneratedCorpus(
            settings.glosses,
            settings.signers,
            settings.repetitions,
            seed=settings.seed,
            hardness=settings.hardness,
        )


class _Sentences(GeneratedSigning):
    def world(self, settings: DataSettings) -> SentenceCorpus:
        return SentenceCorpus(
            settings.glosses,
            settings.signers,
            settings.repetitions,
            lengths=(settings.shortest, settings.longest),
            seed=settings.seed,
            hardness=settings.hardness,
        )


class _Actions(BodyCorpus):
    def world(self, settings: DataSettings) -> ActionCorpus:
        # What makes the clips: `glosses` actions, `signers` performers.
        return ActionCorpus(
            settings.glosses,
            settings.signers,
            CAMERAS,
            settings.repetitions,
            seed=settings.seed,
            hardness=settings.hardness,
        )

    def clips(self, settings: DataSettings) -> ClipSource:
        split_type, world = self.split_type(settings), self.world(settings)
        table = world.manifest
        if split_type == "xview":
            pairs = zip(table["performer"], table["camera"], strict=True)
            table["split"] = [ntu60.split_of(*pair, split_type) for pair in pairs]
        return self.loaded(table, world.clip, made_with(settings))


GENERATED = _Signs(name="generated")
GENERATED_SENTENCES = _Sentences(
    name="generated-sentences", glosses=121, sentences=True, own_settings=(*WORLD, *LENGTHS)
)
GENERATED_ACTIONS = _Actions(
    name="generated-actions",
    licence=LICENCE,
    card="generated.md",
    skeleton=skeletons.NTU_25.name,
    glosses=len(ntu60.ACTIONS),
    open=True,
    generated=True,
    split_types=ntu60.SETTINGS,
    own_settings=WORLD,
)
