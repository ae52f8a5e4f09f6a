"""Whole files of every kind, made by the project: generated clips and the kept runs and stores.

Each function fills an empty folder; the same files on every call.
"""

import json
import shutil
from pathlib import Path

import cv2
import nbformat
import numpy as np

KEPT = Path(__file__).parent.parent / "data" / "kept"
NTU_CLIPS = ("S001C001P001R001A002", "S001C002P003R002A010")


def manifest(folder: Path) -> None:
    rows = (
        *("clip,file,gloss,signer,split,start,end,fps,note", "a,a.mp4,HELLO,s1,train,0,8,25,x"),
        *(
            'b,b/b.mp4,"GOOD, DAY",s2,val,3,-1,29.97,',
            "c,c.mp4,007,,test,,,,",
            "d,d.mp4,NULL,s1,,1,2,0.5,y",
        ),
    )
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def folder_corpus(folder: Path) -> None:
    for k, gloss in enumerate(("HELLO", "TREE")):
        (folder / gloss / "pictures").mkdir(parents=True)
        shutil.copy(KEPT / "inputs/videos" / f"clip{k}_color.mp4", folder / gloss / "film.mp4")
        pictures(folder / gloss / "pictures")
    (folder / "manifest.csv").write_text(
        "clip,file,gloss,split\na,HELLO/film.mp4,HELLO,train\nb,TREE/pictures,TREE,test\n",
        encoding="utf-8",
    )


def video(folder: Path) -> None:
    shutil.copy(KEPT / "inputs/videos/clip0_color.mp4", folder / "clip.mp4")


def pictures(folder: Path, count: int = 4) -> None:
    for k in range(count):
        picture = np.full((24, 32, 3), 40 * k, np.uint8)
        picture[4:9, 4 + k : 9 + k] = (200, 30, 90)
        cv2.imwrite(str(folder / f"frame{k:04d}.png"), picture)


def photographs(folder: Path) -> None:
    for k in range(3):
        picture = np.random.default_rng(k).integers(0, 255, (24, 32, 3), np.uint8)
        cv2.imwrite(str(folder / f"{k}.jpg"), picture)


def _points() -> np.ndarray:
    return np.load(KEPT / "clips/clip.npy")


def npy(folder: Path) -> None:
    np.save(folder / "clip.npy", _points())


def npy_folder(folder: Path) -> None:
    for k in range(2):
        shutil.copy(KEPT / "inputs/points" / f"clip{k}.npy", folder)


def pose(folder: Path) -> None:
    from signlib.data.skeletons import MEDIAPIPE_75, MEDIAPIPE_543
    from signlib.extraction.exchange import write_pose

    points = np.load(KEPT / "clips/landmarks/frames.npy")[:4].astype(np.float32)
    skeleton = MEDIAPIPE_543 if points.shape[1] == 543 else MEDIAPIPE_75
    write_pose(folder / "clip.pose", points, skeleton, 640, 480, 25)


def skeleton(folder: Path) -> None:
    source = KEPT / "inputs/ntu60/nturgb+d_skeletons/S001C001P001R001A060.skeleton"
    shutil.copy(source, folder / "S001C001P001R001A060.skeleton")


def ntu_folder(folder: Path) -> None:
    shutil.copytree(KEPT / "inputs/ntu60", folder, dirs_exist_ok=True)


def _bodies(frames: int = 12) -> np.ndarray:
    clip = np.zeros((frames, 2, 25, 3), np.float32)
    clip[: frames - 4] = np.random.default_rng(frames).normal(size=(frames - 4, 2, 25, 3))
    return clip


def ntu_npz(folder: Path) -> None:
    flat = np.stack([_bodies().reshape(12, 150), _bodies(12).reshape(12, 150)])
    labels = np.eye(60)[[3, 49]]
    np.savez(folder / "NTU60_CS.npz", x_train=flat, y_train=labels, x_test=flat[:1], y_test=[4])


def ntu_npy(folder: Path) -> None:
    for part, name in zip(("train", "val"), NTU_CLIPS, strict=True):
        np.save(folder / f"{part}_data_joint.npy", _bodies().transpose(3, 0, 2, 1)[None])
        np.savez(folder / f"{part}_label.npz", name=[name], label=[int(name[-3:]) - 1])


def stream_scores(folder: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=(6, 4)).astype(np.float32) for name in ("gcn_joint", "mine")}
    names = [f"signer{k % 2}_sample{k}" for k in range(6)]
    np.savez(folder / "test_scores.npz", names=names, label=np.arange(6) % 4, **arrays)


def wlasl(folder: Path) -> None:
    (folder / "wlasl_class_list.txt").write_text("0\tbook\n1\tdrink\n2\tbefore\n", encoding="utf-8")
    videos = {"00335": ("train", 0, 1, 55), "01986": ("val", 1, 4, 40), "05637": ("test", 2, 1, -1)}
    nslt = {clip: {"subset": row[0], "action": [*row[1:]]} for clip, row in videos.items()}
    (folder / "nslt_100.json").write_text(json.dumps(nslt), encoding="utf-8")
    glosses = ("book", "drink", "before")
    entries = []
    for signer, (clip, (split, label, first, last)) in enumerate(videos.items()):
        instance = {"video_id": clip, "split": split, "signer_id": signer, "fps": 25}
        instance |= {"frame_start": first, "frame_end": last, "bbox": [0, 0, 10, 10], "url": ""}
        entries.append({"gloss": glosses[label], "instances": [instance]})
    (folder / "WLASL_v0.3.json").write_text(json.dumps(entries), encoding="utf-8")
    (folder / "missing.txt").write_text("01986\n", encoding="utf-8")


def wlasl_by_gloss(folder: Path) -> None:
    wlasl(folder)
    (folder / "nslt_100.json").unlink()


def autsl(folder: Path) -> None:
    text = "ClassId,TR,EN\r\n0,abla,sister\r\n1,acele,hurry\r\n2,siz,you\r\n3,sen,you\r\n"
    (folder / "SignList_ClassId_TR_EN.csv").write_text(text, encoding="utf-8")
    (folder / "train_labels.csv").write_text("signer0_sample1,0\nsigner0_sample2,3\n")
    (folder / "validation_labels.csv").write_text("signer1_sample1,1\n")
    (folder / "test_labels.csv").write_text("signer2_sample1,2\nsigner2_sample9,3\n")


def phoenix(folder: Path) -> None:
    lines = {
        "train": (
            "a_1|a_1/1/*.png|Signer01|MORGEN loc-SUED REGEN",
            "b_2|b_2/1/*.png|Signer05|SONNE",
        ),
        "dev": ("c_3|c_3/1/*.png|Signer05|WIE AUSSEHEN __ON__",),
        "test": ("d_4|d_4/1/*.png|Signer02|__PU__ S0NNE K+R",),
    }
    for split, rows in lines.items():
        text = "\n".join(("id|folder|signer|annotation", *rows)) + "\n"
        (folder / f"{split}.corpus.csv").write_text(text, encoding="utf-8")


def transcripts(folder: Path) -> None:
    references = (
        *(";; sentences", "a 1 s1 0.0 1.79769e+308 MORGEN REGEN NORD", "b 1 s2 0.0 2.5 SONNE"),
        *("c 1 s1 0 9 WIE AUSSEHEN HEUTE", "d 1 s2 1.5 3 SCHNEE"),
    )
    heard = (
        *("a 1 0.00 0.10 MORGEN", "a 1 0.10 0.10 REGEN", "b 1 0.00 0.10 SONNE 0.9"),
        *("c 1 0.0 0.1 WIE", "c 1 0.2 0.1 HEUTE"),
    )
    (folder / "references.stm").write_text("\n".join(references) + "\n", encoding="utf-8")
    (folder / "heard.ctm").write_text("\n".join(heard) + "\n", encoding="utf-8")


def letters(folder: Path) -> None:
    x = (np.random.default_rng(0).random((3, 20, 126)) * 9000 + 1).astype(np.int16)
    _two_signers(folder / "letters.npz", x)
    rows = "clip,split\nA_signer1_000,train\nB_signer2_000,test\n"
    (folder / "splits.csv").write_text(rows, encoding="utf-8")


def words(folder: Path) -> None:
    x = (np.random.default_rng(0).random((3, 20, 258)) * 9000 + 1).astype(np.int16)
    _two_signers(folder / "words.npz", x)


def _two_signers(path: Path, x: np.ndarray) -> None:
    labels = {"gloss": ["A", "B", "-"], "signer": ["signer1", "signer2", "signer1"]}
    np.savez(path, x_i16=x, scale=1e-4, length=[20, 3, 20], **labels)


def dgs_30(folder: Path) -> None:
    frames = (np.random.default_rng(1).random((9, 128)) * 9000 + 1).astype(np.int16)
    labels = {"gloss": ["HALLO", "007"], "clip": ["a", "b"]}
    np.savez(folder / "clips.npz", frames_i16=frames, scale=1e-4, offsets=[0, 4, 9], **labels)


def wlasl_50(folder: Path) -> None:
    x = np.random.default_rng(2).random((2, 30, 170)).astype(np.float32)
    labels = {"label": ["all right", "book"], "order_in_gloss": [0, 1], "length": [3, 30]}
    np.savez(folder / "clips50.npz", X=x, **labels)


def nw_ucla(folder: Path) -> None:
    frames = np.random.default_rng(3).normal(size=(9, 20, 3)).astype(np.float32)
    frames[..., 2] += 3
    labels = {"action": [1, 12, 8], "subject": [1, 2, 3], "episode": [0, 1, 2], "view": [1, 2, 3]}
    np.savez(folder / "clips.npz", frames=frames, offsets=[0, 3, 5, 9], **labels)


# Corpus -> what makes its file.
LANDMARK_FILES = {
    "asl-letters": letters,
    "asl-words": words,
    "dgs-30": dgs_30,
    "wlasl-50": wlasl_50,
    "nw-ucla": nw_ucla,
}


def _kept(name: str, folder: Path) -> None:
    shutil.copytree(KEPT / name, folder, dirs_exist_ok=True)


def store(folder: Path) -> None:
    _kept("stores/points", folder)


def frozen_store(folder: Path) -> None:
    _kept("clips/frozen", folder)


def picture_store(folder: Path) -> None:
    _kept("stores/pictures", folder)


def shards(folder: Path) -> None:
    _kept("stores/parts/shards", folder / "shards")


def interrupted_store(folder: Path) -> None:
    """A store whose writer was killed: three of six clips are there."""
    from signlib.stores.writer import StoreWriter

    writer = StoreWriter(folder, *store_of_six())
    for clip in writer.pending[:3]:
        writer.add(clip, six_points(clip), width=64, height=48, fps=25)
    writer.fail("c3", "its file is cut off")
    writer.close()


def store_of_six() -> tuple:
    """Extraction and manifest of a store of six clips."""
    import pandas as pd

    from signlib.data.manifest import complete
    from signlib.stores.store import Extraction

    names = [f"c{k}" for k in range(6)]
    table = pd.DataFrame({"clip": names, "file": [f"{name}.mp4" for name in names], "gloss": "G"})
    return Extraction("fuzz", "1", (3, 2), ("x", "y")), complete(table)


def six_points(clip: str) -> np.ndarray:
    """Points of one of the six clips: three joints in two to five frames."""
    rng = np.random.default_rng(int(clip[1:]))
    return rng.random((2 + int(clip[1:]) % 4, 3, 2)).astype(np.float32)


def timings(folder: Path) -> None:
    _kept("stores/landmarks", folder)


def frozen_files(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for clip in ("a", "b"):
        np.save(folder / f"{clip}_gemma.npy", rng.normal(size=(4, 8)).astype(np.float32))
        np.save(folder / f"{clip}_landmarks.npy", rng.random((4, 162)).astype(np.float32))
    facts = {"model_name": "google/gemma-3-4b-it", "num_frames": 4, "feature_dim": 8}
    (folder / "extraction_metadata.json").write_text(json.dumps(facts), encoding="utf-8")


def run(folder: Path) -> None:
    _kept("runs/landmarks-small/finished", folder)
    (folder / "model.safetensors").unlink()
    rows = "clip,split\na,train\nb,val\nc,test\n"
    (folder / "splits.csv").write_text(rows, encoding="utf-8")


def sentence_run(folder: Path) -> None:
    _kept("runs/sentences-compact/finished", folder)
    (folder / "model.safetensors").unlink()


def settings(folder: Path) -> None:
    for task in ("landmarks-small", "ntu60-nano"):
        (folder / task).mkdir()
        for name in ("settings.yaml", "status.json"):
            shutil.copy(KEPT / "runs" / task / "finished" / name, folder / task / name)


def whole_run(folder: Path) -> None:
    _kept("runs/landmarks-seed/finished", folder)
    np.save(folder / "clip.npy", _points())


def checkpoint(folder: Path) -> None:
    shutil.copy(KEPT / "runs/phonology-ctc/unfinished/last.ckpt", folder / "last.ckpt")


def tower(folder: Path) -> None:
    _kept("inputs/tower", folder)


def arpa(folder: Path) -> None:
    from signlib.decoding.language_model import train_model, write_arpa

    write_arpa(
        folder / "model.arpa", train_model(["A B C".split(), "A C".split(), "B C A".split()], 2)
    )


def reduction(folder: Path) -> None:
    from signlib.features.reduce import fit_reduction

    rng = np.random.default_rng(0)
    frames = [(name, rng.normal(size=(9, 5)).astype(np.float32)) for name in ("a", "b")]
    fit_reduction(frames, 3, whiten=True).save(folder / "reduction.npz")


def notebook(folder: Path) -> None:
    cells = [
        nbformat.v4.new_markdown_cell("# 99 What is asked?"),
        nbformat.v4.new_code_cell("N: int = 3  # how many\nX = 1e-3  # type: float small\nS = 'a'"),
        nbformat.v4.new_code_cell("print(N)"),
    ]
    cells[1].metadata["tags"] = ["parameters"]
    cells[2].metadata["tags"] = ["table"]
    table = "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>"
    cells[2].outputs = [
        nbformat.v4.new_output("display_data", {"text/html": table, "text/plain": "a 1"})
    ]
    cells.append(nbformat.v4.new_code_cell("verdict"))
    cells[3].metadata["tags"] = ["verdict"]
    cells[3].outputs = [
        nbformat.v4.new_output("display_data", {"text/markdown": "**Yes**, `a` [b](https://c.d)"})
    ]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    # Ids of cells are drawn anew on every call.
    for k, cell in enumerate(book.cells):
        cell["id"] = f"cell{k}"
    nbformat.write(book, folder / "99_asked.ipynb")


def overrides(folder: Path) -> None:
    lines = (
        *("training.epochs=5", "training.learning_rate=1e-3", "features.frames=16"),
        *("model.width=64", "seed=3", "data.corpus=folder", "training.rates.encoder=1e-4"),
        *(
            "data.split=signer",
            "data.test_signers=[s1, s2]",
            "data.validation=0.2",
            "augment.drop_hand=0.1",
        ),
    )
    (folder / "set.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def layout_marker(folder: Path) -> None:
    from signlib.synthesis.layout_writer import begin

    begin(folder / "layout", {"layout": "wlasl", "size": 64, "corpus": {"seed": 3, "signers": 2}})
