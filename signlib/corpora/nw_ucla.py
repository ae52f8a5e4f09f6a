"""Northwestern-UCLA: ten everyday actions as Kinect v1 skeletons, from several sensors."""

from pathlib import Path

import numpy as np
import pandas as pd

from signlib.corpora.bodies import BodyCorpus
from signlib.corpora.landmark_files import LandmarkFile, open_arrays, spans
from signlib.data import manifest
from signlib.data.points import FileNumbers
from signlib.data.skeletons import KINECT_20
from signlib.errors import ManifestError, SettingsError
from signlib.reading import Form
from signlib.settings.base import DataSettings
from signlib.stores.store import ClipSource

# Official numbers; 7 and 10 do not occur. Source: Wang et al. 2014, section 5.
ACTIONS = {
    1: "pick up with one hand",
    2: "pick up with two hands",
    3: "drop trash",
    4: "walk around",
    5: "sit down",
    6: "stand up",
    8: "donning",
    9: "doffing",
    11: "throw",
    12: "carry",
}
# Split -> the views that train, and the one that tests. Source: Wang et al. 2014, section 5.
SPLITS = {"official": ((1, 2), 3), "view-1": ((1,), 2), "view-2": ((2,), 1)}


def read_clips(root: str | Path, split_type: str = "") -> LandmarkFile:
    """All clips, points (T, 20, 3) in metres; NaN where a lost joint is zeros in the file.

    The manifest has columns action, subject, episode and view beside the usual ones. Axes as in
    NTU RGB+D: y up, z away from the sensor, x to the right of a person who faces it.

    Args:
        root: the folder of `clips.npz`: `frames` (rows, 20, 3), `offsets` (clips + 1), and a number
            a clip in `action`, `subject`, `episode` and `view`.
        split_type: one of `SPLITS`, whose third view is then in no split; "" = `official` where
            view 3 is there, else `view-1`.

    Raises:
        SettingsError: for another split.
        ManifestError: for a file that is missing or does not fit together, a clip with an unknown
            action, or views that the official split lacks.
    """
    if split_type not in ("", *SPLITS):
        raise SettingsError(f"split_type={split_type!r}: nw-ucla has {' and '.join(SPLITS)}")
    path = Path(root) / "clips.npz"
    labels = ("action", "subject", "episode", "view")
    forms = dict.fromkeys(labels, Form("iu", ("clips",)))
    forms |= {"offsets": Form("iu", (None,)), "frames": Form("f", (None, len(KINECT_20), 3))}
    data = open_arrays(path, **forms)
    frames = data["frames"]
    parts = spans(data["offsets"], len(frames), len(data["action"]), path)
    table = pd.DataFrame({name: data[name].astype(int) for name in labels})
    unknown = sorted(set(table["action"]) - set(ACTIONS))
    if unknown:
        raise ManifestError(
            f"{path}: action {unknown[0]} is unknown; known are {', '.join(map(str, ACTIONS))}"
        )
    table["clip"] = [
        f"a{row.action:02d}_s{row.subject:02d}_e{row.episode:02d}_v{row.view:02d}"
        for row in table.itertuples()
    ]
    table["gloss"] = table["action"].map(ACTIONS)
    table["signer"] = table["subject"].map("S{:02d}".format)
    table["split"] = _split_of(table["view"], split_type, path)
    table["fps"] = 30.0
    frames = FileNumbers(zeros="missing").read(frames.astype(np.float32), KINECT_20)
    points = {
        clip: frames[start:end] for clip, (start, end) in zip(table["clip"], parts, strict=True)
    }
    return LandmarkFile(manifest.complete(table, str(path)), points, KINECT_20)


def _split_of(view: pd.Series, split_type: str, path: Path) -> np.ndarray:
    # The split of each clip by its view.
    views = sorted(map(int, set(view)))
    training, test = SPLITS["official"]
    if split_type == "official" and views != [*training, test]:
        raise ManifestError(
            f"{path} holds views {views}; the official split trains on views 1 and 2 and tests on"
            " view 3: add what is missing, or set data.split_type=view-1"
        )
    chosen = split_type or ("official" if test in views else "view-1")
    training, test = SPLITS[chosen]
    return np.select([view.isin(training), view == test], ["train", "test"], "")


class _NwUcla(BodyCorpus):
    def split_note(self, table: pd.DataFrame) -> str:
        views = {name: sorted(set(part["view"])) for name, part in table.groupby("split")}
        given = views.get("train"), views.get("test")
        chosen = [
            name for name, (training, test) in SPLITS.items() if given == ([*training], [test])
        ]
        if not chosen:
            return super().split_note(table)
        training, test = SPLITS[chosen[0]]
        kind = "the official split"
        if chosen[0] != "official":
            kind = "not the official split, whose test is view 3"
        trained = " and ".join(map(str, training))
        return f"trained on view {trained}, tested on view {test}: {kind}"

    def clips(self, settings: DataSettings) -> ClipSource:
        self.split_type(settings)
        file = read_clips(self.root(settings), settings.split_type)
        return self.loaded(file.manifest, lambda clip: file.points[clip][:, None], {})


NW_UCLA = _NwUcla(
    name="nw-ucla",
    licence="research; the copy used here came under CC BY-NC",
    card="nw-ucla.md",
    folder="nw-ucla",
    skeleton=KINECT_20.name,
    glosses=len(ACTIONS),
    split_types=tuple(SPLITS),
)
