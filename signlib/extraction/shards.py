"""A store made in parts, on several machines or in several sessions, and merged into one."""

from pathlib import Path

import numpy as np
import pandas as pd

from signlib.errors import SettingsError, StoreError
from signlib.extraction.quality import join_sessions, write_report
from signlib.stores.store import FeatureStore, is_finished
from signlib.stores.writer import StoreWriter

# The shard that is everything.
WHOLE = (1, 1)


def shard_of(manifest: pd.DataFrame, shard: tuple[int, int]) -> pd.DataFrame:
    """Part i of n of a manifest (1-based).

    It is a contiguous block, so that merged shards have the manifest's order.

    Raises:
        StoreError: when i is not within 1..n.
    """
    i, n = shard
    if not 1 <= i <= n:
        raise StoreError(f"shard {i}/{n}: the first number must lie within 1..{n}")
    bounds = np.linspace(0, len(manifest), n + 1).astype(int)
    return manifest.iloc[bounds[i - 1] : bounds[i]]


def shard_path(out: str | Path, shard: tuple[int, int]) -> Path:
    """Where shard i of n is written below the store it will become part of."""
    return Path(out) / "shards" / f"{shard[0]}-of-{shard[1]}"


def part_of(
    manifest: pd.DataFrame, out: str | Path, shard: tuple[int, int]
) -> tuple[pd.DataFrame, Path]:
    """The clips of a shard and the folder of its store; of (1, 1) all clips, and `out` itself.

    Raises:
        StoreError: when i is not within 1..n.
        SettingsError: when there are fewer clips than shards and none is left for this one.
    """
    if shard == WHOLE:
        return manifest, Path(out)
    part = shard_of(manifest, shard)
    if part.empty:
        raise SettingsError(
            f"shard {shard[0]}/{shard[1]}: there are only {len(manifest)} clips; make at most so"
            " many shards"
        )
    return part, shard_path(out, shard)


def merge_shards(out: str | Path) -> FeatureStore:
    """One store from the finished shards below it, the same bytes as one made in a single piece.

    Of landmarks it has the report too, and of all the timings of the shards' sessions.

    Raises:
        StoreError: when shards are missing, unfinished, of different counts or of different
            settings.
    """
    folders = sorted((Path(out) / "shards").glob("*-of-*"), key=lambda p: int(p.name.split("-")[0]))
    totals = {int(folder.name.split("-")[2]) for folder in folders}
    if len(totals) != 1 or len(folders) != max(totals):
        present = ", ".join(folder.name for folder in folders) or "none"
        raise StoreError(
            f"shards below {out}: found {present}; every shard i/n of one n must be there before"
            " --merge"
        )
    stores = [FeatureStore(folder) for folder in folders]
    for store in stores[1:]:
        difference = stores[0].extraction.difference(store.extraction)
        if difference:
            raise StoreError(
                f"shard {store.path} was made with {difference}; delete its folder and extract it"
                " like the first"
            )
    whole = pd.concat([store.manifest for store in stores], ignore_index=True)
    # What failed in a shard may have been tried again since it was merged.
    failed = FeatureStore(out).failed["clip"] if is_finished(out) else None
    store_of = {clip: store for store in stores for clip in store.manifest["clip"]}
    retry = failed is None or any(clip in store_of.get(clip, ()) for clip in failed)
    with StoreWriter(out, stores[0].extraction, whole, retry) as writer:
        for clip in writer.pending:
            writer.keep(clip, store_of[clip].stored, clip)
        merged = writer.finish()
    join_sessions(merged, stores)
    if merged.extraction.extractor == "holistic":
        write_report(merged)
    return merged


def parse_shard(text: str) -> tuple[int, int]:
    """`"2/8"` as (2, 8).

    Raises:
        SettingsError: when it is not i/n with 1 <= i <= n.
    """
    first, slash, last = text.partition("/")
    if not (slash and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise SettingsError(
            f"--shard {text!r} is not of the form i/n with 1 <= i <= n, such as 1/4"
        )
    return int(first), int(last)
