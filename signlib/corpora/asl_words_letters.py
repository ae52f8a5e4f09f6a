"""Letters and words of two American signers, as landmarks; signer1 trains and signer2 tests."""

from pathlib import Path

import numpy as np
import pandas as pd

from signlib.corpora.landmark_files import (
    LandmarkFile,
    LandmarkFileCorpus,
    cut,
    open_arrays,
    pose_and_hands,
    scaled,
    unseen,
)
from signlib.data import manifest
from signlib.data.skeletons import HANDS_42, MEDIAPIPE_75
from signlib.reading import Form


def read_asl_letters(root: str | Path) -> LandmarkFile:
    """Fingerspelled letters, 2,430 clips of 20 frames: two hands."""
    data, frames = _frames(Path(root) / "letters.npz", 126)
    hands = unseen(frames.reshape(-1, 20, 2, 21, 3)).reshape(-1, 20, 42, 3)
    table = _two_signers(data)
    return LandmarkFile(table, cut(hands, data["length"], table["clip"]), HANDS_42)


def read_asl_words(root: str | Path) -> LandmarkFile:
    """Words, 2,188 clips of 20 frames: pose and two hands; class `-` is "no sign"."""
    data, frames = _frames(Path(root) / "words.npz", 258)
    # 33 points of four numbers, then two hands of 21 points of three.
    pose = frames[..., :132].reshape(-1, 20, 33, 4)
    hands = frames[..., 132:].reshape(-1, 20, 2, 21, 3)
    table = _two_signers(data)
    points = cut(pose_and_hands(pose, hands), data["length"], table["clip"])
    return LandmarkFile(table, points, MEDIAPIPE_75)


def _frames(path: Path, size: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    # All arrays of a file, and its frames of `size` numbers as float32.
    forms = {"x_i16": Form("iu", ("clips", 20, size)), "scale": Form("f", ())}
    forms |= {"length": Form("iu", ("clips",))}
    forms |= dict.fromkeys(("gloss", "signer"), Form("U", ("clips",)))
    data = open_arrays(path, **forms)
    return data, scaled(data, "x_i16")


def _two_signers(data: dict[str, np.ndarray]) -> pd.DataFrame:
    table = pd.DataFrame({"gloss": data["gloss"].astype(str), "signer": data["signer"].astype(str)})
    number = table.groupby(["gloss", "signer"]).cumcount()
    table["clip"] = table["gloss"] + "_" + table["signer"] + "_" + number.map("{:03d}".format)
    table["split"] = np.where(table["signer"] == "signer1", "train", "test")
    # Nobody says the pictures' shape; the palms' bones keep their lengths best at 16:9.
    return manifest.complete(table.assign(width=1280, height=720))


ASL_LETTERS = LandmarkFileCorpus(
    name="asl-letters",
    read=read_asl_letters,
    licence="MIT",
    folder="asl-words-letters",
    skeleton=HANDS_42.name,
    glosses=27,
)
ASL_WORDS = LandmarkFileCorpus(
    name="asl-words",
    read=read_asl_words,
    licence="MIT",
    folder="asl-words-letters",
    skeleton=MEDIAPIPE_75.name,
    glosses=32,
    no_signs=("-",),
)
