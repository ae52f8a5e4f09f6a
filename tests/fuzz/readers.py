"""The table of readers: what makes their files, what reads them, and what may be accepted.

What reads gets the folder of damaged files and another folder that it may write into. What may be
accepted is said by `check`: it raises `Silent` for content that should have been refused.
"""

import csv
import json
import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from signlib.errors import SettingsError

from . import samples

# Coordinates beyond these are no place on or near a picture, and no place near a sensor (metres).
PICTURE, ROOM = 100.0, 100.0
# Depth has no origin of its own: a real `.pose` file has it at 250.
DEPTH = 5000.0
DIGITS = re.compile(r"\s*[-+]?[0-9]+(\.0*)?\s*")
NUMBER = re.compile(r"\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*")


class Silent(Exception):
    """Content that a reader took although it is nonsense."""


def must(true: Any, what: str) -> None:
    """Raise `Silent` unless it is true."""
    if not true:
        raise Silent(what)


@dataclass(frozen=True)
class Reader:
    """One row of the table.

    Attributes:
        make: fills a folder with whole files.
        read: (folder, folder to write into) -> what was read.
        check: (what was read, folder) -> None, or `Silent`.
        modules: of signlib, whose opening of files it reaches.
        writes: it may write into the folder that it reads.
    """

    make: Callable[[Path], None]
    read: Callable[[Path, Path], Any]
    check: Callable[[Any, Path], None]
    modules: tuple[str, ...]
    writes: bool = False


# --- what may be accepted -------------------------------------------------------------------------


def plain(names: Iterable[Any], what: str = "clip") -> None:
    """Names are different texts that stay inside a folder."""
    names = list(names)
    must(len(set(names)) == len(names), f"a {what} appears twice")
    for name in names:
        safe = (
            isinstance(name, str) and name not in ("", ".", "..") and not set(name) & set("/\\\0")
        )
        must(safe, f"{what} {name!r:.40} is no plain name")


def inside(root: Path, files: Iterable[str]) -> None:
    """Paths stay inside their root; a link that the folder's owner made may lead elsewhere."""
    for file in files:
        path = Path(os.path.normpath(root / file))
        must(path.is_relative_to(root), f"{file!r:.40} leaves its root")


def whole_manifest(table: pd.DataFrame) -> None:
    """Rows that training can use."""
    must(len(table), "no row")
    plain(table["clip"])
    must(set(table["split"]) <= {"train", "val", "test", ""}, "an unknown split")
    start, end, fps = (table[column].to_numpy() for column in ("start", "end", "fps"))
    must(start.dtype.kind == end.dtype.kind == "i", "start or end is no whole number")
    must((start >= 0).all() and ((end == -1) | (end > start)).all(), "a segment without frames")
    must((end < 2**40).all(), "a segment of more frames than a video has")
    must((np.isnan(fps) | ((fps >= 0.01) & (fps <= 1000))).all(), "an impossible rate")
    for column in ("file", "gloss", "signer"):
        must(all(isinstance(value, str) for value in table[column]), f"{column} is no text")


def usable(points: np.ndarray, most: float, nowhere: bool = False) -> None:
    """Points are seen or missing as a whole; what is seen is finite and within a range.

    Args:
        points: (..., J, C).
        most: how far a coordinate may lie from 0.
        nowhere: no point at all may be seen; a clip of a corpus is refused only when it is used.
    """
    what = "points"
    must(points.dtype.kind == "f", f"{what} are {points.dtype}")
    must(points.ndim >= 2 and len(points), f"{what} have shape {points.shape}")
    must(not np.isinf(points).any(), f"{what} are infinite")
    missing = np.isnan(points[..., : min(points.shape[-1], 3)])
    must((missing.all(-1) | ~missing.any(-1)).all(), f"{what} are seen in part")
    place = np.abs(points[..., :3]) / ((1, 1, DEPTH / most)[: min(points.shape[-1], 3)])
    must(not (place > most).any(), f"{what} lie at {np.nanmax(place, initial=0):.3g}")
    must(nowhere or not missing.all(), f"{what} are nowhere")


def finite(values: Any, what: str) -> None:
    """Numbers, all of them."""
    must(np.isfinite(np.asarray(values, float)).all(), f"{what} are not finite")


def rows_of(path: Path, sign: str = ",") -> list[dict[str, str]]:
    """The rows of a csv as Python's own reader sees them; names without blanks around.

    Lines of nothing but blanks are no rows.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file, delimiter=sign) if row]
    rows = [row for row in rows if len(row) > 1 or row[0].strip(" \t")]
    # A second mark of the byte order counts as little as the first.
    names = [name.strip("\ufeff \t") for name in rows[0]]
    return [dict(zip(names, row, strict=False)) for row in rows[1:]]


# --- tables of clips ------------------------------------------------------------------------------


def _manifest(folder: Path, out: Path) -> Any:
    from signlib.data import manifest

    table = manifest.load_manifest(folder / "manifest.csv")
    return table, str(manifest.check_manifest(table, folder))


def _check_manifest(result: Any, folder: Path) -> None:
    table, _ = result
    whole_manifest(table)
    rows = rows_of(folder / "manifest.csv")
    must(len(rows) == len(table), f"{len(rows)} rows became {len(table)}")
    for row, given in zip(rows, table.itertuples(), strict=True):
        # Outer blanks of a gloss are no part of it.
        must(row["clip"].strip() == given.clip.strip(), "a clip changed its name")
        must(row.get("gloss", "").strip() == given.gloss.strip(), "a gloss changed")
        for column in ("start", "end", "fps"):
            text = row.get(column, "")
            form = NUMBER if column == "fps" else DIGITS
            said = getattr(given, column)
            if text.strip():
                number = form.fullmatch(text) or (column != "fps" and NUMBER.fullmatch(text))
                must(number and text.isascii(), f"{column}={text!r:.30} was taken as {said}")
                must(math.isclose(float(text), said), f"{column}={text!r:.30} was taken as {said}")


def _folder(folder: Path, out: Path) -> Any:
    from signlib.corpora.folder import read_folder
    from signlib.data.manifest import check_manifest

    table = read_folder(folder)
    return table, str(check_manifest(table, folder))


def _check_folder(result: Any, folder: Path) -> None:
    whole_manifest(result[0])
    inside(folder, result[0]["file"])


def _wlasl(folder: Path, out: Path) -> pd.DataFrame:
    from signlib.data import wlasl

    return wlasl.read_manifest(folder)


def _check_wlasl(table: pd.DataFrame, folder: Path) -> None:
    whole_manifest(table)
    inside(folder, table["file"])
    must((table["gloss"] != "").all(), "a clip without a gloss")
    must((table["split"] != "").all(), "a clip without a split")


def _autsl(folder: Path, out: Path) -> pd.DataFrame:
    from signlib.data import autsl

    autsl.read_manifest(folder, "TR")
    return autsl.read_manifest(folder)


def _check_autsl(table: pd.DataFrame, folder: Path) -> None:
    _check_wlasl(table, folder)
    must(table["label"].between(0, 225).all(), "a class that AUTSL does not have")
    inside(folder, table["depth_file"])


def _phoenix(folder: Path, out: Path) -> pd.DataFrame:
    from signlib.data import phoenix

    phoenix.read_manifest(folder, "si5")
    return phoenix.read_manifest(folder)


def _check_phoenix(table: pd.DataFrame, folder: Path) -> None:
    whole_manifest(table)
    inside(folder, table["file"])
    must(
        (table["glosses"] == table["glosses"].str.split().str.join(" ")).all(), "blanks in glosses"
    )
    must((table["glosses"] != "").all(), "a sentence without glosses")


def _transcripts(folder: Path, out: Path) -> Any:
    from signlib.reports import wer_report

    reference, heard = folder / "references.stm", folder / "heard.ctm"
    scored = wer_report.score_files(reference, heard)
    return scored, wer_report.report(scored)


def _check_transcripts(result: Any, folder: Path) -> None:
    scored, text = result
    must("WER nan" not in text and "[nan" not in text, "a rate that is no number")
    for counts in scored.edits.values():
        must(counts.words.min() >= 0 and counts.errors.min() >= 0, "a negative count")
        must(math.isfinite(counts.rate) and counts.rate >= 0, f"a rate of {counts.rate}")
    must(len(scored.signers) == len(scored.references) == len(scored.hypotheses), "other sentences")


# --- pictures -------------------------------------------------------------------------------------


def _video(folder: Path, out: Path) -> Any:
    from signlib.data import video

    info = video.probe(folder / "clip.mp4")
    return info, [frame.shape for frame in video.iter_frames(folder / "clip.mp4", size=64)]


def _check_video(result: Any, folder: Path) -> None:
    info, shapes = result
    must(len(shapes) == info.frames > 0, f"{info.frames} frames announced, {len(shapes)} given")
    must(len(set(shapes)) == 1 and len(shapes[0]) == 3, "frames of several sizes")
    must(0 < info.fps <= 1e4 and math.isfinite(info.fps), f"{info.fps} frames a second")
    must(0 < info.width <= 2**16 and 0 < info.height <= 2**16, "an impossible size")


def _pictures(folder: Path, out: Path) -> Any:
    from signlib.data import picture_folders, video

    files = picture_folders.pictures_in(folder)
    return files, [picture.shape for picture in video.iter_frames(folder)]


def _check_pictures(result: Any, folder: Path) -> None:
    files, shapes = result
    must(len(files) == len(shapes) > 0, f"{len(files)} files gave {len(shapes)} pictures")
    must(len(set(shapes)) == 1, "pictures of several sizes")
    must(math.prod(shapes[0]) <= 3 * 2**27, f"a picture of {shapes[0]}")


# --- points ---------------------------------------------------------------------------------------


def _clip(name: str) -> Callable[[Path, Path], Any]:
    """Reads one file as prediction does."""

    def read(folder: Path, out: Path) -> Any:
        from signlib.extraction.exchange import ClipReader

        with ClipReader(needed=()) as reader:
            return reader.read(folder / name)

    return read


def _check_clip(clip: Any, folder: Path) -> None:
    points = clip.array
    must(points.ndim == 3 and points.shape[1:] == (543, 4), f"points of shape {points.shape}")
    usable(points, PICTURE)
    must(0 <= clip.width < 2**17 and 0 <= clip.height < 2**17, "an impossible size")
    must(0 <= clip.fps <= 1000, f"{clip.fps} frames a second")


def _import(folder: Path, out: Path) -> Any:
    from signlib.extraction.exchange import import_folder

    return import_folder(folder, out / "store")


def _check_store(store: Any, folder: Path, most: float = PICTURE) -> None:
    plain(store.clips)
    must(set(store.clips) <= set(store.manifest["clip"]), "a clip that its manifest lacks")
    taken = np.zeros(len(store.frames), int)
    for row in store.index.itertuples():
        must(row.length > 0 and row.offset >= 0, f"clip {row.clip!r:.30} has {row.length} frames")
        part = store.read(row.clip)
        must(len(part) == row.length, f"clip {row.clip!r:.30} has fewer frames than its index says")
        taken[row.offset : row.offset + row.length] += 1
        must(math.isfinite(row.fps) and 0 <= row.fps <= 1000, f"{row.fps} frames a second")
        must(0 <= row.width < 2**17 and 0 <= row.height < 2**17, "an impossible size")
        if most and np.ndim(part) == 3:
            usable(np.asarray(part, np.float32), most, nowhere=True)
        elif most:
            must(not np.isinf(part).any(), "features are infinite")
    must((taken == 1).all(), "clips share frames, or frames belong to no clip")
    plain(store.failed["clip"], "failed clip")
    must(not set(store.failed["clip"]) & set(store.clips), "a clip failed and did not")


def _skeleton(folder: Path, out: Path) -> Any:
    from signlib.data import ntu60

    (file,) = [path for path in folder.iterdir() if path.suffix == ".skeleton"] or [folder / "x"]
    return ntu60.read_skeleton(file)


def _check_skeleton(clip: Any, folder: Path) -> None:
    shape = clip.joints.shape
    must(shape[1:] == (len(clip.bodies), 25, 3) and clip.tracking.shape == shape[:3], "its shape")
    usable(clip.joints, ROOM)
    must(set(np.unique(clip.tracking)) <= {0, 1, 2}, "an unknown state")
    must(len(set(clip.bodies)) == len(clip.bodies), "a body appears twice")


def _corpus(name: str) -> Callable[[Path, Path], Any]:
    """Reads the clips of a corpus as training does."""

    def read(folder: Path, out: Path) -> Any:
        from signlib.corpora import clips
        from signlib.settings.base import DataSettings

        load = clips.load_actions if name in ("ntu60", "nw-ucla") else clips.load_corpus
        source = load(DataSettings(corpus=name, root=str(folder)))
        return source, {clip: source.read(clip) for clip in source.labelled["clip"]}

    return read


def _check_corpus(result: Any, folder: Path) -> None:
    source, clips = result
    whole_manifest(source.labelled)
    inside(folder, source.labelled["file"])
    joints = len(source.skeleton)
    for points in clips.values():
        must(points.shape[-2] == joints, f"points of shape {points.shape}")
        # A clip in which nobody is seen is refused before it is used.
        usable(points, ROOM, nowhere=True)


# --- scores ---------------------------------------------------------------------------------------


def _streams(folder: Path, out: Path) -> Any:
    from signlib.data.score_files import read_scores

    return read_scores(folder / "test_scores.npz")


def _check_streams(streams: Any, folder: Path) -> None:
    finite(streams.scores, "scores")
    classes = streams.scores.shape[2]
    must(streams.scores.shape[:2] == (len(streams.streams), len(streams.clips)), "their shape")
    must(((streams.targets >= 0) & (streams.targets < classes)).all(), "a target that is no class")
    plain(streams.clips)


# --- our own files --------------------------------------------------------------------------------


def _store(folder: Path, out: Path) -> Any:
    from signlib.extraction.quality import quality_report, timings
    from signlib.stores.store import FeatureStore

    store = FeatureStore(folder)
    _ = store.labelled, store.reasons, repr(store)
    if store.clips:
        store.batch(store.clips, frames=2)
    if np.ndim(store.frames) == 3:
        quality_report(store)
    return store, timings(store)


def _check_own_store(result: Any, folder: Path) -> None:
    store, sessions = result
    _check_store(store, folder)
    must(isinstance(sessions, list), "sessions that are no list")
    must(sum(store.counts.get(key, 0) for key in ("done", "failed")) >= 0, "a negative count")


def _pictures_kept(folder: Path, out: Path) -> Any:
    from signlib.stores.pictures import PictureStore

    store = PictureStore(folder)
    _ = repr(store), store.bytes_a_clip
    return store, [store.read(row.clip, row.kind) for row in store.index.itertuples()]


def _check_pictures_kept(result: Any, folder: Path) -> None:
    store, pictures = result
    plain(store.clips)
    must(set(store.clips) <= set(store.manifest["clip"]), "a clip that its manifest lacks")
    plain((f"{row.clip} {row.kind}" for row in store.index.itertuples()), "row")
    for row, picture in zip(store.index.itertuples(), pictures, strict=True):
        must(row.kind in ("colour", "depth"), f"kind {row.kind!r:.20}")
        must(picture.shape == store.shape(row.kind) and picture.dtype == np.uint8, "its shape")
        must(row.length > 0, f"{row.length} frames in the source")


def _resumed(folder: Path, out: Path) -> Any:
    from signlib.stores.writer import StoreWriter

    with StoreWriter(folder, *samples.store_of_six()) as writer:
        for clip in writer.pending:
            writer.add(clip, samples.six_points(clip), width=64, height=48, fps=25)
        return writer.finish()


def _check_resumed(store: Any, folder: Path) -> None:
    _check_store(store, folder, most=0)
    must(set(store.clips) | set(store.failed["clip"]) == {f"c{k}" for k in range(6)}, "other clips")


def _merged(folder: Path, out: Path) -> Any:
    from signlib.extraction.shards import merge_shards

    return merge_shards(folder)


def _frozen_files(folder: Path, out: Path) -> Any:
    from signlib.extraction import frozen_files

    features = frozen_files.import_features(folder, out / "features")
    return features, frozen_files.import_landmarks(folder, out / "landmarks")


def _check_frozen_files(result: Any, folder: Path) -> None:
    _check_store(result[0], folder)
    _check_store(result[1], folder)


def _run(folder: Path, out: Path) -> Any:
    from signlib.runs.run import Run

    run = Run(folder)
    _ = run.environment, run.history, run.splits
    return run.metrics, run.predictions, run.scores, run.facts


def _check_run(result: Any, folder: Path) -> None:
    metrics, table, scores, facts = result
    _check_metrics(metrics)
    must(isinstance(facts, dict), "facts that are no table")
    values, clips, classes = scores
    must(values.shape == (len(clips), len(classes)), f"scores of shape {values.shape}")
    finite(values, "scores")
    plain(clips)
    must(len(set(classes)) == len(classes), "a class appears twice")
    _check_predictions(table)
    must(set(table["clip"]) == set(clips), "predictions and scores are of other clips")
    must(set(table["prediction"]) <= set(classes), "a prediction that is no class")


def _check_predictions(table: pd.DataFrame) -> None:
    must({"clip", "signer", "target"} <= set(table), "columns are missing")
    plain(table["clip"])
    if "score" in table:
        finite(pd.to_numeric(table["score"], errors="coerce"), "scores of predictions")


def _check_metrics(metrics: Any) -> None:
    for metric in metrics:
        must(isinstance(metric.metric, str) and metric.metric, f"a metric {metric.metric!r:.20}")
        must(isinstance(metric.n, int) and not isinstance(metric.n, bool), f"n={metric.n!r:.20}")
        must(metric.n > 0, f"n={metric.n}")
        must(isinstance(metric.value, int | float) and math.isfinite(metric.value), "no value")
        if metric.unit == "%":
            share = not re.match(r"WER|.*error", metric.metric)
            must(metric.value >= 0 and (not share or metric.value <= 100), f"{metric.value} %")
        if metric.interval is not None:
            must(len(metric.interval) == 2, "an interval without two ends")
            finite(metric.interval, "ends of an interval")
            must(metric.interval[0] <= metric.interval[1], "an interval that ends before it starts")
        must(metric.split in ("train", "val", "test"), f"split {metric.split!r:.20}")


def _sentence_run(folder: Path, out: Path) -> Any:
    from signlib.reports import wer_report
    from signlib.runs.run import Run
    from signlib.tasks.sentence_report import read_emissions

    run = Run(folder)
    return run.metrics, read_emissions(run, "val"), wer_report.score(folder, None)


def _check_sentence_run(result: Any, folder: Path) -> None:
    metrics, (emissions, clips, vocabulary), _ = result
    _check_metrics(metrics)
    must(len(emissions) == len(clips), f"{len(emissions)} sentences for {len(clips)} clips")
    plain(clips)
    for scores in emissions:
        must(scores.ndim == 2 and scores.shape[1] == len(vocabulary) + 1, f"shape {scores.shape}")
        must(not np.isnan(scores).any() and not (scores > 0.01).any(), "no log probabilities")
        must(len(scores), "a sentence without frames")


def _settings(folder: Path, out: Path) -> Any:
    from signlib.runs.run import Run

    return [Run(path) for path in sorted(folder.iterdir())]


def _check_settings(result: Any, folder: Path) -> None:
    from signlib.settings import config

    for run in result:
        _check_values(config.flat(run.settings))
        again = config.from_yaml(config.to_yaml(run.settings))
        must(again == run.settings, "settings that are not kept")


def _check_values(values: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, float):
            finite(value, key)
        if isinstance(value, str):
            must("${" not in value, f"{key} looks into the environment: {value!r:.30}")
            must("\0" not in value, f"{key} holds a NUL")


def _overrides(folder: Path, out: Path) -> Any:
    from signlib.settings import presets

    file = folder / "set.txt"
    # What is damaged here are the words of a command line, which lie in no file.
    SettingsError.raise_if(not file.is_file(), "no words")
    lines = file.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    return presets.build("landmarks/small", overrides=[line for line in lines if line])


def _check_overrides(settings: Any, folder: Path) -> None:
    from signlib.settings import config

    _check_values(config.flat(settings))
    for line in (folder / "set.txt").read_text(encoding="utf-8", errors="replace").split("\n"):
        key, _, text = line.partition("=")
        said = config.flat(settings).get(key.strip())
        odd = any(ch.isdigit() and not ch.isascii() for ch in text) or re.search(r"\d_\d", text)
        if isinstance(said, int | float) and not isinstance(said, bool):
            must(not odd, f"{key}={text!r:.30} was taken as {said}")


def _weights(folder: Path, out: Path) -> Any:
    from signlib import open_run

    return open_run(folder).predict(folder / "clip.npy")


def _check_weights(table: pd.DataFrame, folder: Path) -> None:
    finite(table["confidence"], "confidences")
    must(table["confidence"].between(-1e-6, 1 + 1e-6).all(), "a confidence that is no share")
    must(table["confidence"].sum() <= 1 + 1e-3, "confidences beyond 1")
    must(table["gloss"].is_unique, "a gloss appears twice")


def _checkpoint(folder: Path, out: Path) -> Any:
    import torch

    from signlib.training import fit

    path = fit._readable(folder / "last.ckpt")
    return torch.load(path, map_location="cpu", weights_only=True)


def _check_checkpoint(content: Any, folder: Path) -> None:
    # Whoever packs the archive anew gives other tensors, which are then what the file says.
    must(isinstance(content["state_dict"], dict), "no tensors by name")


def _tower(folder: Path, out: Path) -> Any:
    from signlib.extraction.towers import load_tower

    tower = load_tower(str(folder))
    return tower, tower.encode(np.zeros((2, 32, 32, 3), np.uint8))


def _check_tower(result: Any, folder: Path) -> None:
    tower, features = result
    # Weights that are finite may still lead too far: extraction then says so, clip by clip.
    from signlib.extraction.frozen import _checked

    for name, value in tower.state_dict().items():
        finite(value.float().numpy(), name)
    must(features.shape[1:] == (tower.facts.size,), f"features of shape {features.shape}")
    must(np.isfinite(features).all() or isinstance(_checked(features, tower), str), "not finite")


def _arpa(folder: Path, out: Path) -> Any:
    from signlib.decoding.language_model import read_arpa

    return read_arpa(folder / "model.arpa")


def _check_arpa(model: Any, folder: Path) -> None:
    for n, table in enumerate(model.probabilities, 1):
        must(all(len(gram) == n for gram in table), "an n-gram of another length")
        finite(list(table.values()), "log probabilities")
        must(max(table.values(), default=0) <= 0, "a probability above 1")
        # -99 stands for "never" in ARPA files.
        must(min(table.values(), default=0) >= -1000, "an impossible probability")
    for table in model.backoffs:
        finite(list(table.values()), "back-off weights")
    text = (folder / "model.arpa").read_text(encoding="utf-8")
    for n, count in re.findall(r"^ngram (\d+)=(\d+)\s*$", text, re.MULTILINE):
        got = len(model.probabilities[int(n) - 1]) if int(n) <= model.order else 0
        must(got == int(count), f"{count} {n}-grams announced, {got} read")


def _reduction(folder: Path, out: Path) -> Any:
    from signlib.features.reduce import Reduction

    reduction = Reduction.load(folder / "reduction.npz")
    return reduction, reduction(np.zeros((2, 5), np.float32))


def _check_reduction(result: Any, folder: Path) -> None:
    reduction, reduced = result
    for name in ("mean", "scale", "components", "spread", "share"):
        finite(getattr(reduction, name), name)
    must((reduction.scale > 0).all() and (reduction.spread > 0).all(), "a spread of 0 or less")
    size, width = reduction.components.shape
    must(reduction.mean.shape == reduction.scale.shape == (width,), "shapes that do not fit")
    must(reduction.spread.shape == reduction.share.shape == (size,), "shapes that do not fit")
    must(reduced.shape == (2, size), f"a result of shape {reduced.shape}")


def _notebook(folder: Path, out: Path) -> Any:
    from signlib.course import parameters
    from signlib.course.page import notebook_parts

    (path,) = [path for path in folder.iterdir() if path.suffix == ".ipynb"] or [folder / "x.ipynb"]
    declared = parameters.notebook_parameters(path)
    checked = parameters.check_parameters(path, {"N": "4"}) if "N" in declared else {}
    return declared, checked, notebook_parts(parameters.read_notebook(path), path.stem)


_TAG = re.compile(
    r"<\s*(script|iframe|img|svg|object|embed|style|link|meta|form)|\son\w+\s*=", re.I
)


def _check_notebook(result: Any, folder: Path) -> None:
    declared, checked, parts = result
    must(all(name.isidentifier() for name in declared), "a parameter that is no name")
    if checked and declared["N"]["inferred_type_name"] == "int":
        must(type(checked["N"]) is int, "a parameter of another type")
    for html in (parts.table, parts.verdict):
        must(not _TAG.search(html or ""), "markup that the page does not make itself")
    if parts.figure:
        must(re.fullmatch(r"[A-Za-z0-9+/=]*", parts.figure), "a picture that is none")


def _layout(folder: Path, out: Path) -> Any:
    # Begun once more, with the same settings.
    samples.layout_marker(folder)


def _check_layout(_: Any, folder: Path) -> None:
    settings = json.loads((folder / "layout/generated.json").read_text(encoding="utf-8"))
    must(settings["corpus"] == {"seed": 3, "signers": 2}, "a folder of other settings")


READERS: dict[str, Reader] = {
    "manifest": Reader(samples.manifest, _manifest, _check_manifest, ("data.manifest",)),
    "folder": Reader(samples.folder_corpus, _folder, _check_folder, ("data.manifest",)),
    "wlasl": Reader(samples.wlasl, _wlasl, _check_wlasl, ("data.wlasl", "data.transcripts")),
    "wlasl-by-gloss": Reader(samples.wlasl_by_gloss, _wlasl, _check_wlasl, ("data.wlasl",)),
    "autsl": Reader(samples.autsl, _autsl, _check_autsl, ("data.autsl",)),
    "phoenix": Reader(samples.phoenix, _phoenix, _check_phoenix, ("data.transcripts",)),
    "transcripts": Reader(
        samples.transcripts, _transcripts, _check_transcripts, ("data.transcripts",)
    ),
    "video": Reader(samples.video, _video, _check_video, ("data.video",)),
    "pictures": Reader(samples.pictures, _pictures, _check_pictures, ("data.picture_folders",)),
    "photographs": Reader(
        samples.photographs, _pictures, _check_pictures, ("data.picture_folders",)
    ),
    "npy": Reader(samples.npy, _clip("clip.npy"), _check_clip, ("extraction.exchange",)),
    "npy-folder": Reader(samples.npy_folder, _import, _check_store, ("extraction.exchange",)),
    "pose": Reader(samples.pose, _clip("clip.pose"), _check_clip, ("extraction.pose_files",)),
    "skeleton": Reader(samples.skeleton, _skeleton, _check_skeleton, ("data.ntu60",)),
    "ntu-folder": Reader(samples.ntu_folder, _corpus("ntu60"), _check_corpus, ("data.ntu60",)),
    "ntu-npz": Reader(samples.ntu_npz, _corpus("ntu60"), _check_corpus, ("data.ntu60_arrays",)),
    "ntu-npy": Reader(samples.ntu_npy, _corpus("ntu60"), _check_corpus, ("data.ntu60_arrays",)),
    **{
        name: Reader(make, _corpus(name), _check_corpus, ("corpora.landmark_files",))
        for name, make in samples.LANDMARK_FILES.items()
    },
    "streams": Reader(samples.stream_scores, _streams, _check_streams, ("data.score_files",)),
    "store": Reader(
        samples.store, _store, _check_own_store, ("stores.store", "extraction.quality")
    ),
    "frozen-store": Reader(samples.frozen_store, _store, _check_own_store, ("stores.store",)),
    "timings": Reader(samples.timings, _store, _check_own_store, ("extraction.quality",)),
    "picture-store": Reader(
        samples.picture_store, _pictures_kept, _check_pictures_kept, ("stores.pictures",)
    ),
    "journal": Reader(
        samples.interrupted_store, _resumed, _check_resumed, ("stores.journal",), writes=True
    ),
    "shards": Reader(samples.shards, _merged, _check_store, ("stores.store",), writes=True),
    "frozen-files": Reader(
        samples.frozen_files, _frozen_files, _check_frozen_files, ("extraction.frozen_files",)
    ),
    "run": Reader(samples.run, _run, _check_run, ("runs.run", "runs.checks")),
    "sentence-run": Reader(
        samples.sentence_run,
        _sentence_run,
        _check_sentence_run,
        ("runs.run", "tasks.sentence_report"),
    ),
    "settings": Reader(
        samples.settings, _settings, _check_settings, ("settings.config", "settings.values")
    ),
    "set": Reader(
        samples.overrides, _overrides, _check_overrides, ("settings.config", "settings.values")
    ),
    "weights": Reader(samples.whole_run, _weights, _check_weights, ("runs.weights",)),
    "checkpoint": Reader(samples.checkpoint, _checkpoint, _check_checkpoint, ("training.fit",)),
    "tower": Reader(samples.tower, _tower, _check_tower, ("extraction.towers",)),
    "arpa": Reader(samples.arpa, _arpa, _check_arpa, ("decoding.language_model",)),
    "reduction": Reader(samples.reduction, _reduction, _check_reduction, ("features.reduce",)),
    "notebook": Reader(
        samples.notebook, _notebook, _check_notebook, ("course.parameters", "course.page")
    ),
    "layout": Reader(
        samples.layout_marker, _layout, _check_layout, ("synthesis.layout_writer",), writes=True
    ),
}
