"""What colour, depth and landmarks each tell about a sign: a linear reader for each, on the same clips.

Every clip of a generated corpus is filmed at 8 moments of its stroke, cut to a square around the shoulders, and
read as gradients (colour), as distance from the body (depth) and as normalised points (landmarks). For each
phonological value a linear classifier is trained on each modality; `fused` adds their log-probabilities with
weights chosen on validation clips. Validation and test signers never train; for all rows but `gloss` their
glosses do not either, so that a value cannot be read by knowing the sign.
"""

import argparse
from dataclasses import replace

import cv2
import joblib
import numpy as np
import pandas as pd
from skimage.feature import hog
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm.auto import tqdm

from signlib.data.skeletons import MEDIAPIPE_543
from signlib.evaluation import late_fusion
from signlib.evaluation.metrics import cluster_interval
from signlib.evaluation.neighbours import flatten
from signlib.features.normalise import normalise
from signlib.synthesis.appearance import make_look
from signlib.synthesis.camera import project
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.render import render

MOMENTS, PICTURE, CUT, SMALL = 8, 192, 96, 24
AROUND, DEEP = 1.7, 600.0
"""Half the side of the cut in shoulder widths; millimetres before and behind the body that depth tells apart."""
STRENGTHS = (1e-4, 1e-3, 1e-2)
VALUES = ("handshape", "location", "movement", "direction", "orientation", "hands", "contact", "gloss")
MODALITIES = ("colour", "depth", "landmarks")
UPPER = MEDIAPIPE_543.selection("upper")


def seen(corpus: GeneratedCorpus, name: str) -> dict[str, np.ndarray]:
    """One feature vector a modality of a clip."""
    performance, signer, truth = corpus.performance(name), corpus.seated(name), corpus.truth(name)
    moments = np.linspace(truth["stroke_start"], truth["stroke_end"] - 1, MOMENTS).round().astype(int)
    kept = {key: getattr(performance, key)[moments] for key in ("points", "gaze", "expression")}
    number = [other.name for other in corpus.signers].index(signer.name)
    look = make_look(number, corpus.seed, corpus.hardness)
    shoulders = project(performance.points[moments][:, [479, 480]], signer)[:, :, :2] * PICTURE
    middle = shoulders.mean((0, 1))
    half = AROUND * np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=1).mean()
    to_cut = np.array([[CUT / 2 / half, 0, CUT / 2 - middle[0] * CUT / 2 / half],
                       [0, CUT / 2 / half, CUT / 2 - middle[1] * CUT / 2 / half]])  # fmt: skip
    colours, depths = [], []
    for colour, depth in render(replace(performance, **kept), signer, look, PICTURE, PICTURE):
        grey = cv2.warpAffine(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), to_cut, (CUT, CUT))
        colours.append(hog(grey, 8, (12, 12), (1, 1)))
        near = np.where(depth == 0, 60_000, depth).astype(np.float32)
        near = cv2.warpAffine(near, to_cut, (CUT, CUT), flags=cv2.INTER_NEAREST, borderValue=60_000)
        body = np.median(near[CUT // 2 :, CUT // 3 : 2 * CUT // 3])
        relative = np.clip((near - body) / DEEP, -1, 1)
        depths.append(cv2.resize(relative, (SMALL, SMALL), interpolation=cv2.INTER_AREA).ravel())
    points = normalise(corpus.clip(name)[moments[0] : moments[-1] + 1], MEDIAPIPE_543)[:, UPPER, :2]
    return {"colour": np.concatenate(colours), "depth": np.concatenate(depths), "landmarks": flatten(points, MOMENTS)}


def read(
    features: dict[str, np.ndarray], values: np.ndarray, train: np.ndarray, val: np.ndarray, test: np.ndarray
) -> dict[str, np.ndarray]:
    """For each modality and for all together: was the value of each test clip read correctly?

    Strength of regularisation, temperatures and weights of the fusion are chosen on the validation clips.
    """
    logs: dict[str, list[np.ndarray]] = {"val": [], "test": []}
    classes, targets = np.unique(values[train]), {}
    known = np.isin(values, classes)
    rows = {"val": val & known, "test": test}
    targets["val"] = np.searchsorted(classes, values[rows["val"]])
    for modality in MODALITIES:
        found = [_fitted(features[modality], values, train, strength) for strength in STRENGTHS]
        at = np.arange(len(targets["val"])), targets["val"]
        losses = [-model.predict_log_proba(features[modality][rows["val"]])[at].mean() for model in found]
        model = found[int(np.argmin(losses))]
        for part, chosen in rows.items():
            logs[part].append(model.predict_log_proba(features[modality][chosen]))
    right = {m: classes[log.argmax(1)] == values[test] for m, log in zip(MODALITIES, logs["test"], strict=True)}
    weights = late_fusion.fit_weights(late_fusion.margins(np.stack(logs["val"]), targets["val"]))
    fused = np.tensordot(weights, np.stack(logs["test"]), 1)
    return right | {"fused": classes[fused.argmax(1)] == values[test]}


def _fitted(features: np.ndarray, values: np.ndarray, train: np.ndarray, strength: float):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300))
    return model.fit(features[train], values[train])


def main() -> None:
    """Film, read, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glosses", type=int, default=150)
    parser.add_argument("--signers", type=int, default=15, help="a fifth of them is tested")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    corpus = GeneratedCorpus(options.glosses, options.signers, 1, seed=11)
    rows = corpus.manifest
    jobs = (joblib.delayed(seen)(corpus, name) for name in tqdm(rows["clip"], desc="filming", unit="clip"))
    made = joblib.Parallel(options.workers)(jobs)
    features = {modality: np.stack([one[modality] for one in made]) for modality in MODALITIES}
    truths = pd.DataFrame([corpus.truth(name) for name in rows["clip"]])
    split, glosses = rows["split"].to_numpy(), truths["gloss"].to_numpy()
    fold = truths["gloss"].map({sign.gloss: k % 5 for k, sign in enumerate(corpus.lexicon)}).to_numpy()
    print(f"| value | classes | commonest | {' | '.join((*MODALITIES, 'fused'))} | fused - best [95 %] | n |")
    print("|" + "---|" * (len(MODALITIES) + 6))
    for value in VALUES:
        known = truths[value].astype(str).to_numpy()
        same = value == "gloss"
        train, val, test = (
            (split == name) & (same | np.isin(fold, folds))
            for name, folds in (("train", (0, 1, 2)), ("val", (3,)), ("test", (4,)))
        )
        right = read(features, known, train, val, test)
        names, counts = np.unique(known[train], return_counts=True)
        commonest = (known[test] == names[counts.argmax()]).mean()
        best = max(MODALITIES, key=lambda modality: right[modality].mean())
        gain = right["fused"].astype(float) - right[best]
        low, high = cluster_interval(gain, glosses[test].tolist())
        cells = " | ".join(f"{100 * hits.mean():.1f}" for hits in right.values())
        print(
            f"| {value} | {len(names)} | {100 * commonest:.1f} | {cells} | "
            f"{100 * gain.mean():+.1f} [{low:+.1f}, {high:+.1f}] against {best} | {test.sum()} |"
        )


if __name__ == "__main__":
    main()
