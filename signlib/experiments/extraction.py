"""From what a person has to a store: the one door to every extractor."""

from collections.abc import Iterable
from pathlib import Path

from signlib.corpora.registry import manifest_of
from signlib.errors import SettingsError
from signlib.extraction.registry import Reads, Source, extractor, extractor_settings
from signlib.extraction.shards import WHOLE, merge_shards, parse_shard
from signlib.stores.store import Store


def extract(
    source: str | Path,
    out: str | Path,
    name: str = "holistic",
    overrides: Iterable[str] = (),
    workers: int = 1,
    shard: str = "1/1",
    merge: bool = False,
    retry_failed: bool = False,
    cut: bool = False,
) -> Store:
    """The store that an extractor makes of a source; what a matching store already holds is kept.

    Args:
        source: what the extractor reads: a folder corpus, AUTSL's or WLASL's folder (or one of its
            lists, such as `nslt_300.json`), one video, a store, or a folder of `.npy` or `.pose`
            files (those of source 004, `{clip}_landmarks.npy` and `{clip}_gemma.npy`, among them).
        out: the store's folder.
        name: of the extractor; see `extraction.registry`.
        overrides: `key=value` settings of the extractor.
        workers: processes or threads.
        shard: `i/n`: only that part, below `out`.
        merge: make one store of the shards instead.
        retry_failed: try clips again that failed before.
        cut: the films were cut to their clips already, whatever segments a list names.

    Raises:
        InputError: for a source, setting, model or store that cannot be used; single bad clips are
            rows of the store's `failed`.
    """
    row = extractor(name)
    part = parse_shard(shard)
    if not row.sharded and (merge or part != WHOLE):
        raise SettingsError(
            f"--extractor {name} makes its store in one piece: leave out --shard and --merge"
        )
    if merge:
        return merge_shards(out)
    if cut and not {Reads.VIDEOS, Reads.LANDMARK_FILES} & set(row.reads):
        raise SettingsError(
            f"--cut is said of films, and --extractor {name} reads none: leave it out"
        )
    chosen = row.load()
    return chosen.extract(
        Source(Path(source), manifest_of, cut),
        Path(out),
        extractor_settings(chosen.settings, overrides),
        workers=workers,
        shard=part,
        retry_failed=retry_failed,
    )


def summary(store: Store, name: str) -> str:
    """One line on what a store holds that the extractor of that name made."""
    return extractor(name).load().summary(store)
