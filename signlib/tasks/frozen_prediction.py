"""Prediction by a run on frozen features.

A video goes through landmarks and encoder as the training clips did.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from signlib.data import manifest as manifests
from signlib.errors import RunError
from signlib.extraction import frozen_files
from signlib.extraction.filming import FilmedClips
from signlib.extraction.frozen import EXTRACTOR, encoded
from signlib.extraction.towers import Tower, load_tower
from signlib.models.frozen import FrozenClassifier
from signlib.settings.frozen import FrozenExperiment
from signlib.stores.pictures import COLOUR, PictureSettings
from signlib.stores.store import ClipSource, Extraction, FeatureStore, LoadedClips
from signlib.tasks.recogniser import (
    Reading,
    Recogniser,
    check_skeleton,
    file_source,
    store_source,
    table_of,
)
from signlib.training.augment import hands_of
from signlib.training.batches import prepare_clips
from signlib.training.classification import score
from signlib.training.frozen import FrozenDataset

# Settings of an extraction, beside the weights, that must be a run's own.
MADE_BY = ("embedding", "side", "fit", "mean", "deviation", "pooling", "frames")
BATCH = 32
FrozenRecogniser = Recogniser[FrozenExperiment, FrozenClassifier]
Features = Mapping[str, np.ndarray]


def predict_frozen(
    recogniser: FrozenRecogniser,
    clips: Sequence[str | Path],
    split: str = "",
    top: int = 5,
    tower: str = "",
) -> pd.DataFrame:
    """The likeliest glosses of clips, for a run on frozen features, landmarks or both.

    Args:
        clips: videos; or stores (or folders of source 004's files), at most one of features and one
            of landmarks.
        tower: where the encoder lies now; "" = where it lay when the run's features were made.

    Raises:
        RunError: for stores or an encoder that are not the run's.
        SettingsError: when the encoder cannot be loaded.
    """
    folders = [clip for clip in clips if Path(clip).is_dir()]
    kinds = (frozen_files.FEATURES, frozen_files.LANDMARKS)
    kind_of = {
        clip: next((kind for kind in kinds if frozen_files.holds(clip, kind)), kinds[0])
        for clip in folders
    }
    stores = [frozen_files.open_store(clip, kind) for clip, kind in kind_of.items()]
    files = [Path(clip) for clip in clips if not Path(clip).is_dir()]
    readings: list[Reading] = []
    if stores:
        readings += _of_stores(recogniser, stores, split, top)
    if files:
        readings += _of_files(recogniser, files, top, tower)
    return table_of(readings)


def _of_stores(
    recogniser: FrozenRecogniser, stores: Sequence[FeatureStore], split: str, top: int
) -> list[Reading]:
    inputs = recogniser.settings.frozen.inputs
    frozen = [store for store in stores if store.extraction.extractor == EXTRACTOR]
    points = [store for store in stores if store.extraction.extractor != EXTRACTOR]
    if [len(frozen), len(points)] != [int(name in inputs) for name in ("visual", "landmarks")]:
        raise RunError(
            f"the run reads {' and '.join(inputs)}; {len(frozen)} stores of features and "
            f"{len(points)} of landmarks were given: give one of each that it reads"
        )
    features: dict[str, np.ndarray] = {}
    for store in frozen:
        check_extraction(store.extraction, recogniser.features)
        features = {clip: store.read(clip) for clip in store_source(store, split).labelled["clip"]}
    problems = {row.clip: row.reason for store in stores for row in store.failed.itertuples()}
    tables = [store_source(store, split).labelled for store in stores]
    source = store_source(points[0], split) if points else None
    labelled = pd.concat(tables).drop_duplicates("clip")
    return _read(recogniser, labelled, features, source, problems, top)


def _of_files(
    recogniser: FrozenRecogniser, files: Sequence[Path], top: int, tower: str
) -> list[Reading]:
    inputs, names = recogniser.settings.frozen.inputs, [str(file) for file in files]
    source: ClipSource | None = None
    problems: dict[str, str] = {}
    if "landmarks" in inputs:
        source, problems = file_source(files, recogniser)
    features: dict[str, np.ndarray] = {}
    if "visual" in inputs:
        encoder = tower_of(recogniser, tower)
        frames = recogniser.features.settings["frames"]
        for name, vectors in features_of(files, encoder, frames).items():
            if isinstance(vectors, str):
                problems[name] = vectors
            else:
                features[name] = vectors
    table = pd.DataFrame({"clip": names, "gloss": ""})
    return _read(recogniser, table, features, source, problems, top)


def _read(
    recogniser: FrozenRecogniser,
    table: pd.DataFrame,
    features: Features,
    source: ClipSource | None,
    problems: Mapping[str, str],
    top: int,
) -> list[Reading]:
    # The clips of a table that have all that the run reads; the others with their reason.
    settings, problems = recogniser.settings, dict(problems)
    chosen = recogniser.skeleton.select(settings.features.joints)
    points: dict[str, np.ndarray] | None = None
    if source is not None:
        source = _as_in_original_files(source, recogniser)
        check_skeleton(source, recogniser)
        names = source.labelled["clip"].tolist()
        prepared = prepare_clips(source, names, settings.features, quiet=True)
        points = dict(zip(prepared.clips, prepared.points, strict=True))
        problems |= prepared.unusable
    visual = "visual" in settings.frozen.inputs
    clips = [clip for clip in table["clip"] if not visual or clip in features]
    if points is not None:
        clips = [clip for clip in clips if clip in points]
    for clip in set(table["clip"]) - set(clips):
        problems.setdefault(clip, "it has features or landmarks only, the run reads both")
    gloss_of = dict(zip(table["clip"], table["gloss"], strict=True))
    readings: list[Reading] = []
    if clips:
        vectors = [features[clip] for clip in clips] if visual else None
        tracks = None if points is None else [points[clip] for clip in clips]
        data = FrozenDataset(np.zeros(len(clips), int), vectors, tracks)
        shares = np.exp(score(recogniser.model, data, settings, chosen.mirror))
        hands = hands_of(chosen)
        for n, (clip, best) in enumerate(recogniser.best(clips, shares, top)):
            track = None if tracks is None else tracks[n]
            vector = None if vectors is None else vectors[n]
            unlike = recogniser.familiar.warnings(track, hands, vector)
            readings.append(Reading(clip, gloss_of[clip], best, warning="; ".join(unlike)))
    for clip, reason in problems.items():
        readings.append(Reading(clip, gloss_of.get(clip, ""), problem=reason))
    return readings


def _as_in_original_files(source: ClipSource, recogniser: FrozenRecogniser) -> ClipSource:
    # The clips as the source's files keep landmarks, for a run that was trained on such files.
    made = recogniser.extraction
    if made is None or made.settings.get("files") != frozen_files.LANDMARKS:
        return source
    if source.extraction.skeleton == made.skeleton:
        return source
    frames, own = recogniser.settings.frozen.frames, source.skeleton
    # Those files do not tell the shape of the picture, so the run has never known one.
    table = source.labelled.assign(width=0, height=0)
    return LoadedClips(
        table,
        lambda clip: frozen_files.points_of(
            frozen_files.original_landmarks(source.read(clip), own, frames)
        ),
        made,
    )


def tower_of(recogniser: FrozenRecogniser, path: str = "") -> Tower:
    """The encoder of a run, loaded from where its features say it lay, or from `path`.

    Raises:
        RunError: when it is another encoder, or the features came from elsewhere.
        SettingsError: when it cannot be loaded.
    """
    made = recogniser.features.settings
    tower = load_tower(
        path or made["model"],
        made.get("revision") or "main",
        made.get("embedding", "tower"),
        fit=made.get("fit", ""),
    )
    if recogniser.features.model_hash and tower.facts.digest != recogniser.features.model_hash:
        raise RunError(
            f"encoder {tower.facts.model!r} has other weights than the one of the run's features"
            f" (digest {tower.facts.digest[:12]} instead of {recogniser.features.model_hash[:12]});"
            " give the run's own"
        )
    return tower


def features_of(files: Sequence[Path], tower: Tower, frames: int) -> dict[str, np.ndarray | str]:
    """Each video's features (T, D), or why it has none."""
    settings = PictureSettings(frames, tower.facts.side, tower.facts.fit, kinds=(COLOUR,))
    found: dict[str, np.ndarray | str] = {}
    for file in files:
        table = manifests.complete(pd.DataFrame([{"clip": "clip", "file": file.name}]))
        source = FilmedClips(table, file.resolve().parent)
        made = source.film(next(table.itertuples()), [COLOUR], settings)[COLOUR]
        found[str(file)] = next(encoded(iter([("clip", made)]), tower, BATCH))[1]
    return found


def check_extraction(found: Extraction, wanted: Extraction) -> None:
    """Refuse features that another encoder, or another way of preparing pictures, made.

    Raises:
        RunError: naming what differs.
    """
    pairs: dict[str, tuple[object, object]] = {
        "model_hash": (found.model_hash, wanted.model_hash),
        "shape": (tuple(found.shape), tuple(wanted.shape)),
    }
    pairs |= {key: (found.settings.get(key), wanted.settings.get(key)) for key in MADE_BY}
    for key, (ours, theirs) in pairs.items():
        if ours != theirs:
            raise RunError(
                f"the run was trained on features with {key}={theirs}, these have {ours}; extract"
                " them alike"
            )
