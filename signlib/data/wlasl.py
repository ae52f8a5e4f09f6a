"""WLASL: American signs from the web, by either of its two annotation files.

`nslt_N.json` has class and split by video id, `WLASL_v0.3.json` instances by gloss, with signers.
Both count frames from 1, both ends included; a manifest counts from 0. They count at 25 frames a
second, whatever the film's own rate (24, 30, 60).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from signlib import paths, reading
from signlib.data import manifest
from signlib.data.transcripts import lines_of
from signlib.errors import ManifestError

CLASSES = "wlasl_class_list.txt"
INSTANCES = "WLASL_v0.3.json"
MISSING = "missing.txt"
# Frames a second at which both files count. Source: `fps` of every instance in WLASL_v0.3.json.
FPS = 25.0


def read_manifest(root: str | Path, annotations: str = "", cut: bool = False) -> pd.DataFrame:
    """The manifest of one WLASL subset; a video that `missing.txt` lists is left out.

    With an `nslt` file the signers come from `WLASL_v0.3.json` where it stands beside it, else they
    are unknown.

    Args:
        root: the folder with the json files and `videos/<id>.mp4`.
        annotations: name of the json file; empty: `nslt_100.json`, else the only `nslt` file, else
            the list by gloss.
        cut: True where the videos were cut to their sign already, as the release's own
            preprocessing does with long ones: then each clip is its whole file, whatever frames the
            annotation names.

    Raises:
        ManifestError: for a missing or broken file, an unknown class or impossible frames.
        InputError: for a name that leaves the folder.
    """
    root = Path(root)
    path = root / paths.check_name(annotations or _usual(root), "annotation file")
    content = _json(path)
    if isinstance(content, dict):
        rows = list(_by_video(content, read_classes(root / CLASSES), path))
        if (root / INSTANCES).is_file():
            instances = _by_gloss(_json(root / INSTANCES), root / INSTANCES)
            signers = {row["clip"]: row["signer"] for row in instances}
            rows = [row | {"signer": signers.get(row["clip"], "")} for row in rows]
    else:
        rows = list(_by_gloss(content, path))
    if (root / MISSING).is_file():
        missing = {clip for _, line in lines_of(root / MISSING) for clip in line.split()}
        rows = [row for row in rows if row["clip"] not in missing]
    columns = ["clip", *manifest.DEFAULTS, manifest.SEGMENT_FPS]
    table = pd.DataFrame(rows, columns=columns)
    table["file"] = "videos/" + table["clip"] + ".mp4"
    # Frame numbers of the annotation are those of the uncut video.
    table = manifest.whole_files(table) if cut else table
    return manifest.complete(table, source=str(path))


def _usual(root: Path) -> str:
    # The annotation file to read where none is named; that of an empty folder does not exist.
    names = sorted(path.name for path in root.glob("nslt_*.json"))
    if "nslt_100.json" in names or (not names and not (root / INSTANCES).is_file()):
        return "nslt_100.json"
    if len(names) > 1:
        raise ManifestError(f"{root} holds {', '.join(names)}; say which one to read")
    return names[0] if names else INSTANCES


def read_classes(path: str | Path) -> list[str]:
    """The glosses of `wlasl_class_list.txt` (lines `index<TAB>gloss`), by index.

    Raises:
        ManifestError: for a missing file or indices that do not run from 0.
    """
    glosses = []
    for number, (_, line) in enumerate(lines_of(Path(path))):
        index, _, gloss = line.partition("\t")
        if index.strip() != str(number) or not gloss.strip():
            raise ManifestError(f"{path}, line {number + 1}: {line!r} is not '{number}<TAB>gloss'")
        glosses.append(gloss.strip())
    return glosses


def _json(path: Path) -> dict[str, Any] | list[Any]:
    try:
        content = reading.read_json(path, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path} is no readable json file ({error}); fetch it again") from None
    if not isinstance(content, dict | list):
        raise ManifestError(
            f"{path} is neither a table by video id (nslt) nor a list by gloss (WLASL_v0.3)"
        )
    return content


def _by_video(content: dict[str, Any], glosses: list[str], path: Path) -> Iterator[dict[str, Any]]:
    for clip, entry in content.items():
        try:
            label, first, last = map(_whole, entry["action"])
            split = _text(entry["subset"])
        except (TypeError, KeyError, ValueError):
            raise ManifestError(
                f"{path}: video {clip!r} has no subset and action [class, start, end]"
            ) from None
        if not 0 <= label < len(glosses):
            raise ManifestError(
                f"{path}: video {clip!r} has class {label}; {CLASSES} lists 0..{len(glosses) - 1}"
            )
        start, end = _segment(first, last, clip, path)
        yield {
            "clip": clip,
            "gloss": glosses[label],
            "signer": "",
            "split": split,
            "start": start,
            "end": end,
            manifest.SEGMENT_FPS: FPS,
        }


def _by_gloss(content: dict[str, Any] | list[Any], path: Path) -> Iterator[dict[str, Any]]:
    if not isinstance(content, list):
        raise ManifestError(f"{path} is not a list of glosses with instances; fetch it again")
    for number, entry in enumerate(content):
        try:
            gloss = _text(entry["gloss"])
            instances = [_instance(instance) for instance in entry["instances"]]
        except (TypeError, KeyError, ValueError) as error:
            raise ManifestError(
                f"{path}: entry {number} is not a gloss with complete instances ({error!r})"
            ) from None
        for clip, split, signer, first, last, fps in instances:
            start, end = _segment(first, last, clip, path)
            yield {
                "clip": clip,
                "gloss": gloss,
                "signer": str(signer) if signer >= 0 else "",
                "split": split,
                "start": start,
                "end": end,
                manifest.SEGMENT_FPS: fps,
            }


def _instance(entry: dict[str, Any]) -> tuple[str, str, int, int, int, float]:
    # Clip, split, signer (-1 = unknown), first and last frame, frames a second at which they count.
    clip, split = (_text(entry[key]) for key in ("video_id", "split"))
    signer, first, last = (_whole(entry[key]) for key in ("signer_id", "frame_start", "frame_end"))
    return clip, split, signer, first, last, entry.get("fps", FPS)


def _whole(value: object) -> int:
    # A bool is an int to Python, but no frame number.
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    return value


def _segment(first: int, last: int, clip: object, path: Path) -> tuple[int, int]:
    # Start and exclusive end, counted from 0, of frames first..last, counted from 1.
    if first < 1 or (last != -1 and last < first):
        raise ManifestError(
            f"{path}: video {clip!r} runs from frame {first} to {last}; frames count from 1, -1 is"
            " the end of the file"
        )
    return first - 1, last
