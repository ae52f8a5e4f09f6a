"""What recognition costs little, on the clips and features of other settings: a run beside theirs.

`python -m signlib train baseline/svm` and `baseline/neighbour` are the same by preset.
"""

from signlib import paths
from signlib.errors import SettingsError
from signlib.experiments.early import run_names
from signlib.experiments.experiment import train
from signlib.runs import run as runs
from signlib.settings import config, presets
from signlib.settings.base import Settings
from signlib.settings.landmarks import LandmarkExperiment
from signlib.settings.phonology import PhonologyExperiment


def baseline_of(settings: Settings, method: str) -> Settings:
    """A baseline on the clips and features that a network's settings name.

    Args:
        settings: of single signs from landmarks or phonological features; data, features and seed
            count, model and training do not.
        method: `svm` or `neighbour`.

    Raises:
        SettingsError: for another task.
    """
    reads = {LandmarkExperiment: "landmarks", PhonologyExperiment: "phonology"}.get(type(settings))
    if reads is None:
        raise SettingsError(
            f"task={settings.task}: baselines read landmarks or phonological features; give"
            " settings of task=landmarks or task=phonology"
        )
    chosen = presets.build(f"baseline/{method}")
    moments = chosen.features.frames
    values = config.flat(settings)
    shared = ("data.", "features.", "phonology.")
    kept = {key: value for key, value in values.items() if key.startswith(shared)}
    kept |= {key: values[key] for key in ("preset", "mode", "seed")}
    more = {"task": "baseline", "baseline.method": method, "baseline.reads": reads}
    made = config.assembled(kept | more | {"features.frames": moments})
    config.put_back(made)
    config.check(made)
    return made


def nearest_neighbour(
    settings: Settings, run_name: str, resume: bool = False, quiet: bool = False
) -> runs.Run:
    """A finished run of the 1-nearest neighbour on the settings' features, in their experiment.

    Nothing is fitted or selected. Validation clips are not used. Scores order the glosses by the
    distance to their nearest training clip.

    Args:
        settings: as for `baseline_of`.
        run_name: name of the run's folder.
        resume: a finished run of that name and these settings is returned as it is.
        quiet: no progress bar.
    """
    path = paths.runs_root().joinpath(*run_names(settings, run_name))
    if (path / runs.SETTINGS).is_file() and runs.Run(path).settings.task == settings.task:
        # Made before baselines had settings of their own.
        return runs.start(*run_names(settings, run_name), settings, resume)
    return train(baseline_of(settings, "neighbour"), run_name, resume, quiet)
