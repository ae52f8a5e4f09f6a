"""A store made in parts, on several machines or in several sessions, and merged into one."""

from pathlib import Path

import numpy as np
import pandas as pd

from signlib.errors import StoreError
from signlib.extraction.quality import join_sessions, write_report
from signlib.stores.store import FeatureStore
from signlib.stores.writer import StoreWriter


def shard_of(manifest: pd.DataFrame, shard: tuple[int, int]) -> pd.DataFrame:
    """Part i of n of a manifest (1-based): a contiguous block, so that merged shards have its
    order.

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
        found = ", ".join(folder.name for folder in folders) or "none"
        raise StoreError(
            f"shards below {out}: found {found}; every shard i/n of one n must be there before"
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
    with StoreWriter(out, stores[0].extraction, whole) as writer:
        pending = set(writer.pending)
        for store in stores:
            about = store.index.set_index("clip")
            reasons = store.failed.set_index("clip")["reason"]
            for clip in store.manifest["clip"]:
                if clip not in pending:
                    continue
                if clip in reasons.index:
                    writer.fail(clip, reasons[clip])
                else:
                    row = about.loc[clip]
                    writer.add(
                        clip, store.read(clip), width=row.width, height=row.height, fps=row.fps
                    )
        merged = writer.finish()
    join_sessions(merged, stores)
    if merged.extraction.extractor == "holistic":
        write_report(merged)
    return merged
