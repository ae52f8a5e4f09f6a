"""Landmarks to the 36 readable numbers a frame of `features.phonology`, computed once and kept."""

from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from signlib.errors import SettingsError
from signlib.extraction.registry import Extractor, Source
from signlib.features.phonology import NAMES, PhonologySettings, phonology
from signlib.settings import aliases
from signlib.stores.renewal import Stored
from signlib.stores.store import Extraction, FeatureStore, StoredClip
from signlib.stores.writer import StoreWriter

# Form -> what stores call it: its first name, so that older stores stay the same.
STORED_FORMS = {"original": "seed"}


class PhonologyExtractor(Extractor[PhonologySettings, FeatureStore]):
    """A store of landmarks with both hands to a store of features."""

    settings = PhonologySettings

    def extract(
        self,
        source: Source,
        out: Path,
        settings: PhonologySettings,
        *,
        workers: int,
        shard: tuple[int, int],
        retry_failed: bool,
    ) -> FeatureStore:
        """The store of a landmark store's features; see `registry.Extractor`."""
        landmarks = FeatureStore(source.path)
        _, form = aliases.current("phonology.form", settings.form)
        if form not in NAMES:
            raise SettingsError(f"form={form!r} is unknown; choose from {', '.join(NAMES)}")
        origin = landmarks.extraction
        extraction = Extraction(
            "phonology",
            shape=(36,),
            channels=NAMES[form],
            settings={
                "form": STORED_FORMS.get(form, form),
                "landmarks": origin.extractor,
                "landmarks_version": origin.version,
            },
            model_hash=origin.model_hash,
        )

        def features_of(clip: str) -> StoredClip:
            """The clip's features, with what else is stored of its landmarks."""
            points, width, height, fps, note = landmarks.stored(clip)
            features = phonology(
                points=points,
                skeleton=landmarks.skeleton,
                form=form,
                aspect=width / height if height else 1.0,
                fps=fps or np.nan,
            )
            return StoredClip(features, width, height, fps, note)

        table, source_clips = landmarks.manifest, Stored(landmarks)
        with StoreWriter(out, extraction, table, retry_failed, source_clips) as writer:
            for clip in tqdm(writer.pending, unit="clip", disable=not writer.pending):
                writer.keep(clip, features_of, clip)
            return writer.finish()
