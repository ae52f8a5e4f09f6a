"""What colour, depth and landmarks each tell: minimal pairs of signs by unseen signers.

Pairs of signs differ in one phonological value. Every clip is filmed at 8 moments of its stroke,
cut to a square around the shoulders, and read as gradients (colour), as distance from the body
(depth) and as normalised points (landmarks). For each pair and modality a linear classifier is
trained on some signers and asked about the others; `fused` adds the three log-odds. Half is chance.
"""

import argparse

import cv2
import joblib
import numpy as np
from skimage.feature import hog
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm.auto import tqdm

from signlib.data.skeletons import MEDIAPIPE_543
from signlib.evaluation.neighbours import flatten
from signlib.features.normalise import normalise
from signlib.statistics.intervals import cluster_interval
from signlib.synthesis.appearance import look_of
from signlib.synthesis.camera import project
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.render import render
from signlib.synthesis.signs import minimal_pairs

MOMENTS, PICTURE, CUT, SMALL = 8, 192, 96, 24
AROUND, DEEP = 1.7, 600.0
"""Half the side of the cut in shoulder widths; millimetres before and behind the body that depth
tells apart.
"""
STRENGTH = 0.01
VALUES = (
    "handshape",
    "location",
    "movement",
    "direction",
    "orientation",
    "repetitions",
    "hands",
    "internal",
    "contact",
)
MODALITIES = ("colour", "depth", "landmarks")
LEXICON = 1000
UPPER = MEDIAPIPE_543.selection("upper")


def seen(corpus: GeneratedCorpus, name: str) -> dict[str, np.ndarray]:
    """One feature vector a modality of a clip."""
    performance, signer, truth = corpus.performance(name), corpus.seated(name), corpus.truth(name)
    moments = (
        np.linspace(truth["stroke_start"], truth["stroke_end"] - 1, MOMENTS).round().astype(int)
    )
    shoulders = project(performance.points[moments][:, [479, 480]], signer)[:, :, :2] * PICTURE
    middle = shoulders.mean((0, 1))
    half = AROUND * np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=1).mean()
    to_cut = np.array(
        [
            [CUT / 2 / half, 0, CUT / 2 - middle[0] * CUT / 2 / half],
            [0, CUT / 2 / half, CUT / 2 - middle[1] * CUT / 2 / half],
        ]
    )
    colours, depths = [], []
    for colour, depth in render(
        performance.at(moments), signer, look_of(corpus, signer.name), PICTURE, PICTURE
    ):
        grey = cv2.warpAffine(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), to_cut, (CUT, CUT))
        colours.append(hog(grey, 8, (12, 12), (1, 1)))
        near = np.where(depth == 0, 60_000, depth).astype(np.float32)
        near = cv2.warpAffine(near, to_cut, (CUT, CUT), flags=cv2.INTER_NEAREST, borderValue=60_000)
        body = np.median(near[CUT // 2 :, CUT // 3 : 2 * CUT // 3])
        relative = np.clip((near - body) / DEEP, -1, 1)
        depths.append(cv2.resize(relative, (SMALL, SMALL), interpolation=cv2.INTER_AREA).ravel())
    points = normalise(corpus.clip(name)[moments[0] : moments[-1] + 1], MEDIAPIPE_543)[:, UPPER, :2]
    return {
        "colour": np.concatenate(colours),
        "depth": np.concatenate(depths),
        "landmarks": flatten(points, MOMENTS),
    }


def chosen_pairs(corpus: GeneratedCorpus, count: int) -> list[tuple[str, int, int]]:
    """`count` minimal pairs of each value: its name, and the numbers of both signs."""
    number = {sign.gloss: k for k, sign in enumerate(corpus.lexicon)}
    chosen: dict[str, list[tuple[str, int, int]]] = {value: [] for value in VALUES}
    for one, other, value in minimal_pairs(corpus.lexicon):
        if value in chosen and len(chosen[value]) < count:
            chosen[value].append((value, number[one.gloss], number[other.gloss]))
    return [pair for pairs in chosen.values() for pair in pairs]


def read(one: list[dict], other: list[dict], train: np.ndarray) -> dict[str, np.ndarray]:
    """For each modality and for all: was each clip of unseen signers called by the right sign?

    Args:
        one, other: features of both signs, one clip a signer.
        train: (S,) True for the signers to learn from.
    """
    learns, target = np.tile(train, 2), np.repeat([0, 1], len(train))
    odds, right = np.zeros((~learns).sum()), {}
    for modality in MODALITIES:
        features = np.stack([clip[modality] for clip in [*one, *other]])
        model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=300))
        log_odds = model.fit(features[learns], target[learns]).decision_function(features[~learns])
        odds += log_odds
        right[modality] = (log_odds > 0) == target[~learns]
    return right | {"fused": (odds > 0) == target[~learns]}


def main() -> None:
    """Film, read, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=8, help="of each value (default: %(default)s)")
    parser.add_argument(
        "--signers", type=int, default=15, help="a fifth of them is tested (default: %(default)s)"
    )
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    corpus = GeneratedCorpus(LEXICON, options.signers, 1, seed=11)
    pairs = chosen_pairs(corpus, options.pairs)
    needed = sorted({k for _, *signs in pairs for k in signs})
    names = [f"{signer.name}_sign{k:04d}_take00" for k in needed for signer in corpus.signers]
    jobs = (joblib.delayed(seen)(corpus, name) for name in tqdm(names, desc="filming", unit="clip"))
    features = dict(zip(names, joblib.Parallel(options.workers)(jobs), strict=True))
    train = np.array([corpus.splits[i] != "test" for i in range(options.signers)])
    readings: dict[str, list[dict[str, np.ndarray]]] = {}
    for value, *signs in pairs:
        clips = (
            [features[f"{signer.name}_sign{k:04d}_take00"] for signer in corpus.signers]
            for k in signs
        )
        readings.setdefault(value, []).append(read(*clips, train))
    print(
        f"{train.sum()} signers to learn from, {(~train).sum()} others to be read; chance is 50 %\n"
    )
    print(
        f"| pairs that differ in | {' | '.join((*MODALITIES, 'fused'))} | depth - colour [95 %] |"
        " clips |"
    )
    print("|" + "---|" * (len(MODALITIES) + 4))
    for value, read_pairs in readings.items():
        joined = {name: np.concatenate([one[name] for one in read_pairs]) for name in read_pairs[0]}
        pair = np.repeat(np.arange(len(read_pairs)), len(read_pairs[0]["depth"])).tolist()
        gain = joined["depth"].astype(float) - joined["colour"]
        low, high = cluster_interval(gain, pair)
        cells = " | ".join(f"{100 * hits.mean():.0f}" for hits in joined.values())
        print(
            f"| {value} | {cells} | {100 * gain.mean():+.0f} [{low:+.0f}, {high:+.0f}] |"
            f" {len(gain)} |"
        )


if __name__ == "__main__":
    main()
