"""Northwestern-UCLA: ten everyday actions as Kinect v1 skeletons, from several sensors."""

from pathlib import Path

import numpy as np
import pandas as pd

from signlib.corpora.bodies import BodyCorpus
from signlib.corpora.landmark_files import LandmarkFile, open_arrays
from signlib.data import manifest
from signlib.data.skeletons import KINECT_20
from signlib.errors import ManifestError, SettingsError
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
SETTINGS = ("view-1", "view-2")


def read_clips(root: str | Path, setting: str = "view-1") -> LandmarkFile:
    """All clips, points (T, 20, 3) in metres.

    The manifest has columns action, subject, episode and view beside the usual ones. Axes as in
    NTU RGB+D: y up, z away from the sensor, x to the right of a person who faces it.

    Args:
        root: the folder of `clips.npz`: `frames` (rows, 20, 3), `offsets` (clips + 1), and a number
            a clip in `action`, `subject`, `episode` and `view`.
        setting: the view that trains; the other one tests. (The official test is view 3.)

    Raises:
        SettingsError: for another setting.
        ManifestError: for a file that is missing or does not fit together, or a clip with an
            unknown action.
    """
    if setting not in SETTINGS:
        raise SettingsError(
            f"setting={setting!r}: nw-ucla has {' and '.join(SETTINGS)} (the view that trains)"
        )
    path = Path(root) / "clips.npz"
    labels = ("action", "subject", "episode", "view")
    data = open_arrays(path, "frames", "offsets", *labels)
    offsets, frames = data["offsets"], data["frames"]
    counts = {len(data[name]) for name in labels}
    if (
        counts != {len(offsets) - 1}
        or offsets[0] != 0
        or offsets[-1] != len(frames)
        or (np.diff(offsets) < 1).any()
    ):
        raise ManifestError(
            f"{path}: offsets, labels and {len(frames)} frames do not fit together; copy it again"
        )
    if frames.shape[1:] != (len(KINECT_20), 3):
        raise ManifestError(
            f"{path}: frames have shape {frames.shape}, not (rows, 20, 3); copy it again"
        )
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
    table["split"] = np.where(table["view"] == SETTINGS.index(setting) + 1, "train", "test")
    table["fps"] = 30.0
    points = {
        clip: frames[start:end].astype(np.float32)
        for clip, start, end in zip(table["clip"], offsets, offsets[1:], strict=False)
    }
    return LandmarkFile(manifest.complete(table, str(path)), points, KINECT_20)


class _NwUcla(BodyCorpus):
    def clips(self, settings: DataSettings) -> ClipSource:
        file = read_clips(self.root(settings), self.split_type(settings))
        return self.loaded(file.manifest, lambda clip: file.points[clip][:, None], {})


NW_UCLA = _NwUcla(
    name="nw-ucla",
    licence="research; the copy used here came under CC BY-NC",
    card="nw-ucla.md",
    folder="nw-ucla",
    skeleton=KINECT_20.name,
    glosses=len(ACTIONS),
    split_types=SETTINGS,
)
