"""What runs reach when a sensor fails: test clips without some modalities, or with holes in depth.

Nothing is trained and nothing chosen: test clips of finished runs are scored again. A fusion masks
what is not there.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch

from signlib.data.vocabulary import Vocabulary
from signlib.errors import RunError, SettingsError
from signlib.reports.ablation import by_signer
from signlib.runs.run import Run
from signlib.runs.weights import fill, load_model_facts, load_weights
from signlib.settings.modalities import ModalitiesExperiment, VideoAugmentSettings
from signlib.settings.training import AugmentSettings
from signlib.statistics.intervals import t_interval
from signlib.stores.pictures import DEPTH
from signlib.tasks.registry import open_task
from signlib.training import augment_video, classification, multimodal
from signlib.training.batches import Batch

Change = Callable[[multimodal.MultimodalDataset], multimodal.MultimodalDataset]


def accuracy_without(
    runs: Sequence[Run], hidden: Sequence[Sequence[str]] | None = None, quiet: bool = True
) -> pd.DataFrame:
    """One row for the test clips as they are, and one for each group of modalities that is hidden.

    Args:
        runs: finished ones of one corpus and the same modalities, one a seed; their seeds are
            averaged clip by clip.
        hidden: groups of modalities, such as `[("rgb",), ("rgb", "depth")]`; None = each one alone.
        quiet: no progress bars.

    Returns:
        Columns value, low, high (top-1 in per cent; 95 % t interval over signers), clips (that have
            something left),
        gain, gain_low, gain_high (points against nothing hidden, on those clips) and seeds (each
            one's top-1).

    Raises:
        RunError: for runs without several modalities or without weights, or of different clips.
        SettingsError: for a group that hides nothing known, or everything.
    """
    read_by = _read_by(runs)
    names = read_by[0]
    for run, others in zip(runs, read_by, strict=True):
        if len(others) < 2 or others != names:
            raise RunError(
                f"run {run.path} reads {', '.join(others) or 'landmarks alone'}; give runs that "
                "read the same two modalities or more"
            )
    changes: dict[str, Change] = {"nothing hidden": copy.copy}
    for group in [(name,) for name in names] if hidden is None else map(tuple, hidden):
        if not group or not set(group) < set(names):
            raise SettingsError(
                f"hidden={group} must be some of {', '.join(names)}, not all of them"
            )
        changes[f"without {' and '.join(group)}"] = partial(hide, names=group)
    return _table(runs, [_right(run, changes, quiet) for run in runs])


def accuracy_with_holes(
    runs: Sequence[Run], shares: Sequence[float], quiet: bool = True
) -> pd.DataFrame:
    """One row for the test clips as they are, and one for each share of lost depth pixels.

    Args:
        runs: finished ones that read depth, of one corpus; their seeds are averaged clip by clip.
        shares: of depth pixels that are set to "nothing measured", on average, 0 .. 0.5; a clip
            loses between none and twice that, in small squares.
        quiet: no progress bars.

    Returns:
        As `accuracy_without`.

    Raises:
        RunError: for runs without depth or without weights, or of different clips.
        SettingsError: for a share out of range.
    """
    changes: dict[str, Change] = {"nothing lost": copy.copy}
    for share in shares:
        if not 0 < share <= 0.5:
            raise SettingsError(f"shares: {share} is outside 0..0.5")
        changes[f"{100 * share:.0f} % lost"] = partial(holed, share=share)
    for run, names in zip(runs, _read_by(runs), strict=True):
        if "depth" not in names:
            raise RunError(f"run {run.path} does not read depth; give runs that do")
    return _table(runs, [_right(run, changes, quiet) for run in runs])


def _table(runs: Sequence[Run], hits: list[pd.DataFrame]) -> pd.DataFrame:
    # One row a change, held against the first of them, from what `_right` says of each run.
    signers = hits[0].pop("signer")
    for other in hits[1:]:
        if not other.pop("signer").equals(signers):
            raise RunError(
                f"runs {', '.join(run.name for run in runs)} were not tested on the same clips"
            )
    mean = sum(hits) / len(hits)
    rows = {}
    for name, right in mean.items():
        kept = right.notna()
        whole, right, signed = mean.iloc[:, 0][kept], right[kept], signers[kept]
        low, high = t_interval(100 * by_signer(right, signed))
        worse, better = t_interval(100 * by_signer(right - whole, signed))
        rows[name] = {
            "value": 100 * right.mean(),
            "low": low,
            "high": high,
            "clips": len(right),
            "gain": 100 * (right - whole).mean(),
            "gain_low": worse,
            "gain_high": better,
            "seeds": [round(100 * one[name].mean(), 1) for one in hits],
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """What `accuracy_without` found as text for a page."""
    gain = [f"{r.gain:+.1f} [{r.gain_low:+.1f}, {r.gain_high:+.1f}]" for r in table.itertuples()]
    return pd.DataFrame(
        {
            "top-1 % [over signers]": [
                f"{r.value:.1f} [{r.low:.1f}, {r.high:.1f}]" for r in table.itertuples()
            ],
            "points lost or gained": ["-", *gain[1:]],
            "test clips": table["clips"],
        },
        index=table.index,
    )


def hide(data: multimodal.MultimodalDataset, names: Sequence[str]) -> multimodal.MultimodalDataset:
    """The same clips without some modalities; those that have nothing left are gone.

    Raises:
        RunError: when no clip has anything left.
    """
    out = copy.copy(data)
    present = data.present & ~np.isin(data.modalities, names)
    kept = present.any(1)
    if not kept.any():
        raise RunError(
            f"no test clip has anything left without {' and '.join(names)}; hide fewer modalities"
        )
    out.present, out.targets = present[kept], data.targets[kept]
    out.clips = [clip for clip, keep in zip(data.clips, kept, strict=True) if keep]
    return out


def holed(data: multimodal.MultimodalDataset, share: float) -> multimodal.MultimodalDataset:
    """The same clips with holes in their depth pictures, made as for training and the same ones
    each time.
    """
    out = copy.copy(data)
    off = {name: 0.0 for name in VideoAugmentSettings.__dataclass_fields__}
    change = augment_video.MultimodalAugment(
        AugmentSettings(mirror=0.0), VideoAugmentSettings(**off | {"holes": 2 * share})
    )

    def collate(items: Sequence[dict[str, Any]]) -> Batch:
        batch = data.collate(items)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return batch | {
                DEPTH: change({name: batch[name] for name in ("present", DEPTH)})[DEPTH]
            }

    # An attribute of this copy hides the method of its class.
    vars(out)["collate"] = collate
    return out


def _read_by(runs: Sequence[Run]) -> list[list[str]]:
    # The modalities that each run reads; none where its task is another one.
    if not runs:
        raise RunError("no run was given; train one first")
    settings = [run.settings for run in runs]
    return [s.fusion.modalities if isinstance(s, ModalitiesExperiment) else [] for s in settings]


def _right(run: Run, changes: Mapping[str, Change], quiet: bool) -> pd.DataFrame:
    # Clips x changes, and `signer`.
    # 1 where a clip is recognised then, 0 where it is not, NaN where nothing of it is left.
    weights, vocabulary = load_weights(run), Vocabulary(tuple(load_model_facts(run)["classes"]))
    task = open_task(run.settings)
    rows = task.splits.test
    data = task.prepare(rows, vocabulary, 1, quiet).data
    if not isinstance(data, multimodal.MultimodalDataset):
        raise RunError(f"run {run.path} does not read several modalities; give one that does")
    model = task.model(len(vocabulary))
    fill(model, weights, run)
    columns = {}
    for name, change in changes.items():
        left = change(data)
        scores = classification.score(model, left, run.settings, task.mirror)
        hits = scores.argmax(axis=1) == left.targets
        columns[name] = pd.Series(hits.astype(float), left.clips)
    table = pd.DataFrame(columns, index=data.clips)
    return table.assign(signer=rows.set_index("clip")["signer"].loc[data.clips])
