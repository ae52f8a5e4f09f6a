"""What can be refused at once: before torch is loaded, which takes many seconds."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from signlib import paths
from signlib.corpora.clips import load_manifest
from signlib.corpora.folder import is_one_clip
from signlib.corpora.registry import check_read, corpus_of, corpus_reads
from signlib.data.manifest import FASTEST, SLOWEST
from signlib.errors import ClipError, SettingsError
from signlib.runs.run import SETTINGS, Run
from signlib.runs.weights import weights_file
from signlib.settings import config, presets
from signlib.settings.base import Settings


def check_asked(settings: Settings, overrides: Iterable[str]) -> None:
    """Refuse settings of clips that somebody asked for and nobody reads, see `reads`.

    Args:
        settings: of a preset with these overrides.
        overrides: `key=value`.

    Raises:
        SettingsError: for one that is not at its default.
    """
    keys = map(config.key_of, overrides)
    check_read(settings.data, [key for key in keys if not reads(settings, key)])


def reads(settings: Settings, key: str) -> bool:
    """Whether the corpus reads a setting, or the one that the clips of a smoke form stand for.

    A line that trains the full form must not fail for `--mode smoke`. But a folder of clips is no
    longer looked at there, so `data.root` is asked of the corpus itself.
    """
    if corpus_reads(settings.data, key):
        return True
    form = presets.build(settings.preset, settings.mode).data.corpus
    full = presets.build(settings.preset).data
    stands_for = settings.mode == "smoke" and settings.data.corpus == form
    return stands_for and key != "data.root" and corpus_reads(full, key)


def run_names(settings: Settings, run_name: str = "") -> tuple[str, str]:
    """Names of a run's experiment, and of the run's folder there; "" makes that of mode and seed.

    Raises:
        InputError: for a run name that is no name.
    """
    name = run_name or f"{settings.mode}-seed{settings.seed}"
    return settings.preset.replace("/", "-"), paths.check_name(name, "run name")


def check_training(settings: Settings, run_name: str = "") -> None:
    """Refuse a corpus or a teacher that is not there.

    A run that exists is left alone: once finished it needs neither.

    Args:
        settings: fully resolved.
        run_name: as for `experiments.experiment.train`.

    Raises:
        InputError: for a run name that is no name, and as the corpus says it.
        RunError: for a teacher that is no run, or has no weights.
    """
    if (paths.runs_root().joinpath(*run_names(settings, run_name)) / SETTINGS).is_file():
        return
    corpus = corpus_of(settings.data)
    if not corpus.generated and not corpus.root(settings.data).exists():
        load_manifest(settings.data)
    if settings.training.teacher:
        weights_file(Run(settings.training.teacher))


def check_prediction(
    run: Run, clips: Sequence[str | Path], split: str = "", fps: float = 0.0
) -> None:
    """Refuse a run or a request that no clip can mend; the arguments are those of `predict`.

    Raises:
        RunError: for a run without weights.
        SettingsError: for an fps that no clip has, or a split without a store.
    """
    weights_file(run)
    if fps and not SLOWEST <= fps <= FASTEST:
        raise SettingsError(
            f"fps={fps:g} must lie within {SLOWEST:g}..{FASTEST:g}, or be 0 for unknown"
        )
    if split and not any(os.path.isdir(clip) and not is_one_clip(clip) for clip in clips):
        raise SettingsError(
            f"split={split!r}: only stores have splits, and none of these clips is a store; leave"
            " --split out"
        )


def check_clips(clips: Sequence[str | Path]) -> None:
    """Refuse clips of which none exists.

    Raises:
        ClipError: with the first of them.
    """
    if not any(map(os.path.exists, clips)):
        more = f" and {len(clips) - 1} more" if len(clips) > 1 else ""
        raise ClipError(f"{clips[0]}{more}: no such file or folder; give a clip or a store")
