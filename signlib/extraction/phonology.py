"""Landmarks to the 36 readable numbers a frame of `features.phonology`, computed once and kept."""

from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from signlib.errors import ClipError, SettingsError
from signlib.extraction import quality
from signlib.extraction.registry import Source
from signlib.features.phonology import NAMES, PhonologySettings, phonology
from signlib.settings import aliases
from signlib.stores.store import Extraction, FeatureStore
from signlib.stores.writer import StoreWriter

# Form -> what stores call it: its first name, so that older stores stay the same.
STORED_FORMS = {"original": "seed"}


class PhonologyExtractor:
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
        rows = landmarks.index.set_index("clip")[["width", "height", "fps"]].to_dict("index")
        reasons = landmarks.failed.set_index("clip")["reason"]
        with StoreWriter(out, extraction, landmarks.manifest, retry_failed) as writer:
            for clip in tqdm(list(writer.pending), unit="clip", disable=not writer.pending):
                if clip not in rows:
                    reason = reasons.get(clip, "the landmark store does not hold it")
                    writer.fail(clip, reason)
                    continue
                facts = rows[clip]
                aspect = facts["width"] / facts["height"] if facts["height"] else 1.0
                try:
                    features = phonology(
                        points=landmarks.read(clip),
                        skeleton=landmarks.skeleton,
                        form=form,
                        aspect=aspect,
                        fps=facts["fps"] or np.nan,
                    )
                    writer.add(clip, features, **facts)
                except ClipError as error:
                    writer.fail(clip, str(error))
            return writer.finish()

    def summary(self, store: FeatureStore) -> str:
        """One line on what a store holds."""
        return quality.summary(store)
