"""Any folder of videos: how people bring a corpus of their own.

Either a `manifest.csv` says what is where, or each sub-folder is a gloss and holds its clips: video
files, or a folder of pictures each.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pandas as pd

from signlib import paths
from signlib.corpora.corpus import VideoCorpus
from signlib.data import manifest
from signlib.data.frame_choice import VIDEO_SUFFIXES, is_picture
from signlib.data.leftovers import LEFT_OUT, leftovers
from signlib.errors import ManifestError, SettingsError, StoreError
from signlib.settings.base import DataSettings
from signlib.stores.store import EXTRACTION, PICTURES_META

# Columns of a manifest that name files.
_FILES = ("file", "depth_file")


def read_folder(root: str | Path) -> pd.DataFrame:
    """The manifest of a folder corpus.

    Args:
        root: a folder with a `manifest.csv`, or with videos in sub-folders named by gloss. Splits
            may be a level above the glosses (`train/HELLO/a.mp4`). A folder of pictures is a clip
            like a video (`HELLO/a/0001.png`).

    Raises:
        ManifestError: for a missing folder, one without videos, or a manifest that `load_manifest`
            refuses.
        InputError: for a file in the manifest that lies outside the folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise ManifestError(
            f"corpus folder {root} does not exist; give a folder with a manifest.csv or videos"
        )
    table_file = root / "manifest.csv"
    table = manifest.load_manifest(table_file) if table_file.is_file() else _from_subfolders(root)
    for clip, file in zip(table["clip"], table["file"], strict=True):
        if not file:
            raise ManifestError(
                f"manifest {table_file}: clip {clip!r} has no file; fill the column 'file'"
            )
        paths.inside(root, file)
    named = [file for column in _FILES for file in table.get(column, ())]
    used = {Path(file).as_posix() for file in named if isinstance(file, str) and file}
    table.attrs[LEFT_OUT] = leftovers(root, used)
    return table


def is_picture_clip(folder: Path) -> bool:
    """True for a folder that holds pictures and neither folders, videos nor a manifest."""
    return next(_clips_in(folder), None) == Path()


def is_one_clip(path: str | Path) -> bool:
    """True for a file, and for a folder of one clip's pictures that is no store."""
    path = Path(path)
    return not os.path.isdir(path) or (not _is_store(path) and is_picture_clip(path))


def stores_and_clips(
    given: Iterable[str | Path], is_store: Callable[[Path], bool] = lambda _: False
) -> tuple[list[Path], list[Path]]:
    """What a person points at, as folders that are stores, and as single clips.

    Args:
        given: stores, files, and folders of one clip's pictures.
        is_store: which other folders are taken like a store.

    Raises:
        StoreError: for any other folder, with what to give.
    """
    stores: list[Path] = []
    clips: list[Path] = []
    for path in map(Path, given):
        if is_one_clip(path):
            clips.append(path)
        elif _is_store(path) or is_store(path):
            stores.append(path)
        else:
            raise StoreError(f"{path} is no store, {_what_to_give(path)}")
    return stores, clips


def _is_store(folder: Path) -> bool:
    # Also one that is unfinished: the store says what to do then.
    return any((folder / name).exists() for name in (EXTRACTION, PICTURES_META, "shards"))


def _what_to_give(folder: Path) -> str:
    if next(_clips_in(folder), None) is None:
        return (
            "nor does it hold pictures (png, jpg): give a store that `python -m signlib extract"
            " CLIPS --out STORE` made, a clip's file, or a folder of one clip's numbered pictures"
        )
    return (
        "but it holds clips: give each of them (a file, or its folder of pictures), or the store"
        f" that `python -m signlib extract {folder} --out STORE` makes of them"
    )


def _clips_in(root: Path) -> Iterator[Path]:
    # Videos and folders of pictures, relative to `root`.
    for path, folders, files in os.walk(root):
        # Hidden are such as the `._clip.mp4` that a Mac puts beside each file.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        folder = Path(path).relative_to(root)
        videos = [
            folder / name
            for name in sorted(files)
            if Path(name).suffix.lower() in VIDEO_SUFFIXES and not name.startswith(".")
        ]
        yield from videos
        # Pictures beside videos or folders are previews of something.
        alone = not videos and not folders and "manifest.csv" not in files
        if alone and any(map(is_picture, files)):
            yield folder


def _from_subfolders(root: Path) -> pd.DataFrame:
    files = sorted(file for file in _clips_in(root) if len(file.parts) > 1)
    if not files:
        raise ManifestError(
            f"{root} holds neither a manifest.csv nor videos in sub-folders named by gloss "
            f"(such as {root.resolve().name}/HELLO/clip1.mp4), nor folders of pictures there "
            f"({root.resolve().name}/HELLO/clip1/0001.png)"
        )
    rows = []
    for file in files:
        *folders, gloss = file.parent.parts
        pictures = (root / file).is_dir()
        if pictures and not folders and gloss in manifest.SPLITS:
            raise ManifestError(
                f"{root / file} holds pictures and no folder above it names their gloss; put those"
                f" of each clip into a folder of its own ({gloss}/{file.name}/clip1/0001.png)"
            )
        split = next((name for name in folders if name in manifest.SPLITS), "")
        # The id must be unique over the folder, so it carries the folders the file lies in.
        clip = "_".join((file if pictures else file.with_suffix("")).parts)
        # A clip whose name no table can hold is one that fails, because no such file exists.
        row = {"clip": clip, "file": file.as_posix(), "gloss": gloss, "split": split}
        rows.append({column: paths.readable(text) for column, text in row.items()})
    return manifest.complete(pd.DataFrame(rows), source=f"folder {root}")


class _Folder(VideoCorpus):
    def manifest(self, settings: DataSettings) -> pd.DataFrame:
        if not settings.root:
            raise SettingsError(
                "data.corpus=folder needs data.root (--data-root): the folder with manifest.csv"
            )
        return read_folder(settings.root)


FOLDER = _Folder(name="folder", licence="whatever the owner of the clips says", personal=True)
