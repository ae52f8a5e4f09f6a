"""Generated corpora on disk in the official layouts: a smoke run uses the readers of a real one.

Lists of clips are written last and hold finished clips only, so a layout can be made in parts
(`clips`) and in any order: it ends the same.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from signlib.data import autsl, ntu60, phoenix, wlasl
from signlib.data.picture_folders import depth_picture
from signlib.data.video import write_video
from signlib.errors import SettingsError
from signlib.files import write_json, write_text
from signlib.synthesis import appearance, kinect
from signlib.synthesis.actions import ActionCorpus
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.layout_writer import (
    Layout,
    Options,
    Row,
    checked_table,
    whole_folder,
    write_clips,
)
from signlib.synthesis.performance import Performance
from signlib.synthesis.render import LARGEST, SMALLEST, render
from signlib.synthesis.sentences import SentenceCorpus

# Seconds that a WLASL segment leaves around the sign.
_MARGIN = 0.3
_BASE = "phoenix-2014-multisigner"
# Our name of a split -> the corpus's, `dev` for `val`.
_DEV = {split: name for name, split in phoenix.SPLITS.items()}


def write_autsl(
    corpus: GeneratedCorpus,
    out: str | Path,
    clips: Sequence[str] | None = None,
    size: int = 512,
    workers: int = 1,
    progress: bool = True,
) -> Path:
    """Isolated signs as AUTSL: videos in `train/ val/ test/`, label csv files, the class csv.

    The videos are in colour and in depth.

    Args:
        out: an empty or new folder, or one that this function began with the same settings.
        clips: names of the corpus's manifest; None for all. Clips that were written before stay
            listed.
        size: width and height in pixels, even.
        workers: processes.
        progress: show a bar.

    Raises:
        SettingsError: for no clips, an unknown clip, a signer in two splits, or a folder of
            something else.
        DiskError: when a file cannot be written; what is finished stays.
    """
    table, out = checked_table(corpus, clips), Path(out)
    take = (table.groupby("signer").cumcount() + 1).astype(str)
    table["name"] = "signer" + table["signer"].map(_number).astype(str) + "_sample" + take
    files = tuple(f"{{split}}/{{name}}_{kind}.mp4" for kind in ("color", "depth"))
    layout = Layout("autsl", (_even(size),), files, _autsl_clip)
    rows = write_clips(layout, corpus, out, table, clips=clips, workers=workers, progress=progress)
    glosses = list(dict.fromkeys(table["gloss"]))
    lines = "".join(f"{k},{gloss},{gloss}\r\n" for k, gloss in enumerate(glosses))
    write_text(out / autsl.CLASSES, "ClassId,TR,EN\r\n" + lines)
    for split, files in autsl.LABELS.items():
        chosen = [row for row in rows if row["split"] == split]
        if chosen:
            labels = [f"{row['name']},{glosses.index(row['gloss'])}\r\n" for row in chosen]
            # As in the release: the labels of val and test came later, under other names.
            write_text(out / files[0 if split == "train" else -1], "".join(labels))
    return out


def _autsl_clip(corpus: GeneratedCorpus, row: Row, paths: list[Path], options: Options) -> int:
    performance, (size,) = corpus.performance(row["clip"]), options
    if not all(path.is_file() for path in paths):
        measured: list[np.ndarray] = []

        def pictures() -> Iterator[np.ndarray]:
            # One pass for both videos: the depth of one clip waits, two bytes a pixel.
            for rgb, millimetres in _filmed(corpus, row, performance, size, size):
                measured.append(millimetres)
                yield rgb

        write_video(paths[0], pictures(), corpus.fps)
        hips = 1000 * corpus.seated(row["clip"]).distance
        depths = (depth_picture(frame, hips) for frame in measured)
        write_video(paths[1], depths, corpus.fps)
    return len(performance.points)


def write_wlasl(
    corpus: GeneratedCorpus,
    out: str | Path,
    clips: Sequence[str] | None = None,
    size: int = 256,
    workers: int = 1,
    progress: bool = True,
) -> Path:
    """Isolated signs as WLASL: both annotation files, the class list and `videos/`.

    The annotation files are `nslt_<glosses>.json` and `WLASL_v0.3.json`. Every other clip is a
    segment of its video; the rest are whole files (frame_end -1). Arguments and errors as for
    `write_autsl`.
    """
    table, out = checked_table(corpus, clips), Path(out)
    table["name"] = [f"{k:05d}" for k in range(1, len(table) + 1)]
    layout = Layout("wlasl", (_even(size),), ("videos/{name}.mp4",), _wlasl_clip)
    rows = write_clips(layout, corpus, out, table, clips=clips, workers=workers, progress=progress)
    glosses = list(dict.fromkeys(table["gloss"]))
    instances: dict[str, list[dict[str, object]]] = {gloss: [] for gloss in glosses}
    by_video = {}
    for row in rows:
        first, last = _segment(row)
        of_gloss = instances[row["gloss"]]
        by_video[row["name"]] = {
            "subset": row["split"],
            "action": [glosses.index(row["gloss"]), first, last],
        }
        of_gloss.append(
            {
                "bbox": [0, 0, size, size],
                "fps": corpus.fps,
                "frame_end": -1 if first == 1 else last,
                "frame_start": first,
                "instance_id": len(of_gloss),
                "signer_id": _number(row["signer"]),
                "source": "generated",
                "split": row["split"],
                "url": "",
                "variation_id": 0,
                "video_id": row["name"],
            }
        )
    write_text(out / wlasl.CLASSES, "".join(f"{k}\t{gloss}\n" for k, gloss in enumerate(glosses)))
    write_json(out / f"nslt_{len(glosses)}.json", by_video)
    entries = [{"gloss": gloss, "instances": those} for gloss, those in instances.items() if those]
    write_json(out / wlasl.INSTANCES, entries)
    return out


def _segment(row: Row) -> tuple[int, int]:
    # First and last frame, counted from 1, of the part of its video that is the clip.
    # Odd names are whole files, even ones leave a margin around the sign.
    margin = round(_MARGIN * row["fps"])
    if int(row["name"]) % 2:
        return 1, row["frames"]
    return max(2, row["stroke_start"] - margin + 1), min(row["frames"], row["stroke_end"] + margin)


def _wlasl_clip(corpus: GeneratedCorpus, row: Row, paths: list[Path], options: Options) -> int:
    performance, (size,) = corpus.performance(row["clip"]), options
    if not paths[0].is_file():
        frames = _filmed(corpus, row, performance, size, size)
        write_video(paths[0], (rgb for rgb, _ in frames), corpus.fps)
    return len(performance.points)


def write_phoenix(
    corpus: SentenceCorpus,
    out: str | Path,
    clips: Sequence[str] | None = None,
    size: int = 210,
    features: bool = False,
    workers: int = 1,
    progress: bool = True,
) -> Path:
    """Sentences as PHOENIX-2014 (multisigner): csv and stm files, a folder of pictures a sentence.

    Args:
        size: width of the pictures, even, at most 1654; the height is to it as 260 to 210.
        features: write landmarks (`landmarks.npy`, (T, 543, 4) float32) in place of pictures.

    The other arguments and the errors are those of `write_autsl`.
    """
    table, out = checked_table(corpus, clips, "glosses"), Path(out)
    table["name"] = table["clip"]
    options = (_even(size, LARGEST * 210 // 260), 2 * round(size * 130 / 210), features)
    table["part"] = table["split"].map(_DEV)
    folder = f"{_BASE}/{phoenix.FEATURES}/{{part}}/{{name}}"
    layout = Layout("phoenix-2014", options, (folder,), _phoenix_clip)
    rows = write_clips(layout, corpus, out, table, clips=clips, workers=workers, progress=progress)
    kind = "npy" if features else "png"
    for split, name in _DEV.items():
        # Clip, signer as the corpus calls them, and sentence.
        said = [
            (row["name"], f"Signer{_number(row['signer']) + 1:02d}", row["glosses"])
            for row in rows
            if row["split"] == split
        ]
        if said:
            listed = [f"{clip}|{clip}/1/*.{kind}|{who}|{glosses}\n" for clip, who, glosses in said]
            csv = out / _BASE / "annotations" / "manual" / f"{name}.corpus.csv"
            write_text(csv, "|".join(phoenix.HEADER) + "\n" + "".join(listed))
            timed = [f"{clip} 1 {who} 0.0 1.79769e+308 {glosses}\n" for clip, who, glosses in said]
            stm = out / _BASE / "evaluation" / f"phoenix2014-groundtruth-{name}.stm"
            write_text(stm, "".join(timed))
    return out


def _phoenix_clip(corpus: SentenceCorpus, row: Row, paths: list[Path], options: Options) -> int:
    performance, (width, height, features) = corpus.performance(row["clip"]), options
    if not paths[0].is_dir():
        with whole_folder(paths[0]) as folder:
            pictures = folder / "1"
            pictures.mkdir()
            if features:
                np.save(pictures / "landmarks.npy", corpus.clip(row["clip"]))
            else:
                frames = _filmed(corpus, row, performance, width, height)
                for number, (rgb, _) in enumerate(frames):
                    path = pictures / f"{row['name']}_fn{number:06d}-0.png"
                    path.write_bytes(cv2.imencode(".png", rgb[:, :, ::-1])[1].tobytes())
    return len(performance.points)


def write_ntu60(
    corpus: ActionCorpus,
    out: str | Path,
    clips: Sequence[str] | None = None,
    workers: int = 1,
    progress: bool = True,
) -> Path:
    """Everyday actions as NTU RGB+D 60: a `.skeleton` file a clip in `nturgb+d_skeletons/`.

    Arguments and errors as for `write_autsl`.
    """
    table, out = checked_table(corpus, clips), Path(out)
    if "action" not in table.columns:
        raise SettingsError("the layout ntu60 needs a corpus of actions: make an ActionCorpus")
    table["name"] = table["clip"]
    layout = Layout("ntu60", (), (f"{ntu60.FOLDER}/{{name}}.skeleton",), _ntu60_clip)
    write_clips(layout, corpus, out, table, clips=clips, workers=workers, progress=progress)
    return out


def _ntu60_clip(corpus: ActionCorpus, row: Row, paths: list[Path], options: Options) -> int:
    joints, states = corpus.observed(row["clip"])
    write_text(paths[0], kinect.skeleton_text(joints, states))
    return len(joints)


def _filmed(
    corpus: GeneratedCorpus | SentenceCorpus,
    row: Row,
    performance: Performance,
    width: int,
    height: int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    # Both pictures of every frame of a clip.
    look = appearance.look_of(corpus, row["signer"])
    return render(performance, corpus.seated(row["clip"]), look, width=width, height=height)


def _even(size: int, largest: int = LARGEST) -> int:
    if size % 2 or not SMALLEST <= size <= largest:
        raise SettingsError(
            f"size={size}: give an even number of pixels from {SMALLEST} to {largest}"
        )
    return size


def _number(signer: str) -> int:
    return int("".join(filter(str.isdigit, signer)))
