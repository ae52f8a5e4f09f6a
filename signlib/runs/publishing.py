"""What of a run may be shown to others: the small files of finished full runs, in `results/`.

Tables and the README are made from these copies. A smoke run is never published.
"""

import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path

from signlib import paths
from signlib.errors import DiskError, RunError
from signlib.files import disk_error, write_json, write_text
from signlib.processes import clean, temporary
from signlib.runs.run import ENVIRONMENT, METRICS, PREDICTIONS, SETTINGS, SPLITS, STATUS, Run
from signlib.settings import config


def publish(run: Run, restricted: bool, seen: str = "") -> Path:
    """Copy the small files of a finished full run to `results/`.

    Of the folder that holds the corpus only the name goes along.

    Args:
        restricted: the corpus allows only aggregates: what is told of single clips stays behind,
            their predictions and who of them trained.
        seen: what the choice of its settings had seen of these clips, in a few words that follow
            "nothing was selected here, but"; "" = nothing.

    Returns:
        The published folder.

    Raises:
        RunError: for a smoke run, an unfinished one, or one that tested nothing.
        DiskError: when it could not be written; nothing of it stays.
    """
    if run.settings.mode == "smoke":
        raise RunError(
            f"run {run.path} is a smoke run (generated clips, small sizes); train with --mode full"
            " to publish"
        )
    run.must_be_tested()
    metrics = run.metrics
    target = paths.results_root() / run.name
    # A reader sees the old folder or the new one: files are gathered under a name with a dot.
    staging = temporary(target, "")
    try:
        clean(target.parent.absolute())
        staging.mkdir(parents=True)
        figures = [f"figures/{path.name}" for path in sorted((run.path / "figures").glob("*"))]
        of_clips = [] if restricted else [PREDICTIONS, SPLITS]
        for name in [STATUS, ENVIRONMENT, *figures, *of_clips]:
            if (run.path / name).is_file():
                (staging / name).parent.mkdir(exist_ok=True)
                shutil.copy2(run.path / name, staging / name)
        if seen:
            # A row of the table has one line.
            write_json(staging / STATUS, run.facts | {"seen": " ".join(seen.split())})
        write_json(staging / METRICS, [asdict(metric) for metric in metrics])
        data = replace(run.settings.data, root=Path(run.settings.data.root).name)
        write_text(staging / SETTINGS, config.to_yaml(replace(run.settings, data=data)))
        shutil.rmtree(target, ignore_errors=True)
        os.replace(staging, target)
    except KeyboardInterrupt:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    except (OSError, DiskError) as error:
        shutil.rmtree(staging, ignore_errors=True)
        # `write_json` has wrapped the system's error and named a file that is gone now.
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        raise disk_error(cause, target) from error
    return target


def published() -> list[Run]:
    """Every published run, by name."""
    folders = [path.parent for path in sorted(paths.results_root().glob(f"*/*/{SETTINGS}"))]
    # A name with a dot was left behind by a `publish` that was killed.
    return [Run(folder) for folder in folders if not folder.name.startswith(".")]
