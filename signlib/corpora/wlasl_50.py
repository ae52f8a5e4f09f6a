"""50 glosses of WLASL, as landmarks of eleven pose points and two hands."""

from pathlib import Path

import numpy as np
import pandas as pd

from signlib.corpora.landmark_files import (
    LandmarkFile,
    LandmarkFileCorpus,
    cut,
    open_arrays,
    pose_and_hands,
)
from signlib.corpora.wlasl import WLASL
from signlib.data import manifest
from signlib.data.skeletons import UPPER_53
from signlib.reading import Form


def read_wlasl_50(root: str | Path) -> LandmarkFile:
    """423 clips of at most 30 frames; signers unknown, no split."""
    numbers = dict.fromkeys(("length", "order_in_gloss"), Form("iu", ("clips",)))
    frames_form, labels = Form("f", ("clips", 30, 170)), Form("U", ("clips",))
    data = open_arrays(Path(root) / "clips50.npz", X=frames_form, label=labels, **numbers)
    frames = data["X"].astype(np.float32)
    # Eleven points of four numbers, then two hands of 21 points of three.
    pose = frames[..., :44].reshape(-1, 30, 11, 4)
    hands = frames[..., 44:].reshape(-1, 30, 2, 21, 3)
    table = pd.DataFrame({"gloss": data["label"].astype(str), "number": data["order_in_gloss"]})
    number = table.pop("number").map("{:02d}".format)
    table["clip"] = table["gloss"].str.replace(" ", "-") + "_" + number
    # Films of many shapes; the palms' bones keep their lengths best at 16:9.
    table = manifest.complete(table.assign(width=1280, height=720))
    points = cut(pose_and_hands(pose, hands), data["length"], table["clip"])
    return LandmarkFile(table, points, UPPER_53)


WLASL_50 = LandmarkFileCorpus(
    name="wlasl-50",
    read=read_wlasl_50,
    licence=WLASL.licence,
    card=WLASL.card,
    folder="wlasl",
    skeleton=UPPER_53.name,
    glosses=50,
)
