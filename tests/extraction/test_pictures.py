"""Picture stores: which frames, which part of them, how large on disk, and what is left after a
kill.
"""

import json
import pickle
import resource
import shutil
import signal
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
from killing import in_child, killed_at_line

from signlib import files
from signlib.data import autsl
from signlib.data.manifest import complete
from signlib.data.picture_folders import depth_picture
from signlib.data.video import read_frames, write_video
from signlib.errors import DiskError, SettingsError, StoreError
from signlib.extraction import pictures
from signlib.extraction.filming import Filmed, FilmedClips, RenderedClips, fit
from signlib.extraction.pictures import encode, pictures_of, write_pictures
from signlib.stores import journal
from signlib.stores.pictures import COLOUR, DEPTH, PictureSettings, PictureStore, PictureWriter
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.layouts import write_autsl

WRITERS = (journal, pictures, files)
"""The modules in which a job is killed."""
SMALL = PictureSettings(frames=2, size=16)
FILES = ("pictures.bin", "index.csv", "failed.csv", "pictures.json", "manifest.csv")


def grey(value, height=16, width=16):
    return np.full((height, width, 3), value, np.uint8)


def film(path, values, height=16, width=16, pictures=None):
    """A video whose frame t has the grey level values[t]."""
    write_video(path, pictures or [grey(value, height, width) for value in values], fps=25)


class Drawn:
    """A source without files: six clips, one without depth, one without anything."""

    origin = {"kind": "drawn"}  # noqa: RUF012

    def __init__(self, clips=6):
        names = [f"c{i}" for i in range(clips)]
        self.manifest = complete(
            pd.DataFrame({"clip": names, "gloss": "G", "file": [n + ".mp4" for n in names]})
        )

    def made_of(self, kinds):
        return None

    def film(self, row, kinds, settings):
        rng = np.random.default_rng(int(row.clip[1:]))
        side, levels = settings.size, rng.integers(0, 255, (settings.frames, 1, 1, 3), np.uint8)
        made = {
            COLOUR: Filmed(np.ones((1, side, side, 1), np.uint8) * levels, 9, 32, 24),
            DEPTH: Filmed(rng.integers(0, 255, (settings.frames, side, side), np.uint8), 8, 32, 24),
        }
        if row.clip == "c3":
            made[COLOUR] = 'c3: "broken",\nfile'
        if row.clip in ("c1", "c3"):
            made[DEPTH] = "gone"
        return {kind: made[kind] for kind in kinds}


def make(path, clips=6, settings=SMALL, **options):
    return write_pictures(Drawn(clips), path, settings, progress=False, **options)


def content(path):
    """The bytes of a finished store, which must hold nothing else."""
    assert sorted(p.name for p in path.iterdir()) == sorted(FILES)
    return {name: (path / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "store"
    make(path)
    return content(path)


# --- which frames, and which part of them ---------------------------------------------------------


def test_frames_are_evenly_spaced_over_each_files_own_length(tmp_path):
    film(tmp_path / "a.mp4", [10 * t for t in range(21)])
    film(tmp_path / "d.mp4", [20 * t for t in range(11)])
    table = pd.DataFrame({"clip": ["a"], "file": ["a.mp4"], "depth_file": ["d.mp4"]})
    store = write_pictures(
        FilmedClips(table, tmp_path), tmp_path / "store", PictureSettings(frames=5, size=16)
    )
    assert np.round(store.read("a", COLOUR).mean(axis=(1, 2, 3)) / 10).tolist() == [
        0,
        5,
        10,
        15,
        20,
    ]
    assert np.round(store.read("a", DEPTH).mean(axis=(1, 2)) / 10).tolist() == [0, 6, 10, 16, 20]
    assert store.index.set_index("kind")["length"].to_dict() == {"colour": 21, "depth": 11}


def test_a_segment_counts_from_its_start_and_a_short_one_repeats_frames(tmp_path):
    film(tmp_path / "a.mp4", [10 * t for t in range(21)])
    table = pd.DataFrame(
        {"clip": ["part", "short"], "file": "a.mp4", "start": [4, 7], "end": [9, 9]}
    )
    settings = PictureSettings(frames=3, size=16, kinds=(COLOUR,))
    store = write_pictures(
        FilmedClips(table, tmp_path), tmp_path / "store", settings, progress=False
    )
    assert np.round(store.read("part", COLOUR).mean(axis=(1, 2, 3)) / 10).tolist() == [4, 6, 8]
    assert np.round(store.read("short", COLOUR).mean(axis=(1, 2, 3)) / 10).tolist() == [7, 8, 8]
    assert store.index["length"].tolist() == [5, 2]


def test_the_middle_is_kept_or_black_bars_are_added():
    wide = np.zeros((32, 64, 3), np.uint8)
    wide[:, 16:48] = 200
    assert (fit(wide, PictureSettings(size=16)) == 200).all()
    bars = fit(wide, PictureSettings(size=16, fit="letterbox"))
    assert bars.shape == (16, 16, 3)
    assert bars[:4].max() == bars[12:].max() == 0
    np.testing.assert_array_equal(
        bars[4:12, :, 0], np.repeat([[0] * 4 + [200] * 8 + [0] * 4], 8, 0)
    )
    tall = fit(wide.transpose(1, 0, 2), PictureSettings(size=16, fit="letterbox"))
    np.testing.assert_array_equal(tall, bars.transpose(1, 0, 2))


def test_pixels_are_averaged_over_their_area_and_small_pictures_grow():
    quarters = np.kron(np.array([[0, 100], [100, 200]], np.uint8), np.ones((16, 16), np.uint8))
    assert fit(quarters[:, :, None].repeat(3, 2), PictureSettings(size=16))[0, 0].tolist() == [
        0,
        0,
        0,
    ]
    checks = np.indices((32, 32)).sum(0) % 2 * np.uint8(200)
    assert (fit(checks.astype(np.uint8), PictureSettings(size=16)) == 100).all()
    for settings in (PictureSettings(size=17), PictureSettings(size=17, fit="letterbox")):
        for shape in ((5, 9), (9, 5), (17, 17), (101, 40)):
            assert fit(np.full(shape, 7, np.uint8), settings).shape == (17, 17)


def test_depth_comes_back_bit_for_bit_and_colour_nearly():
    rng = np.random.default_rng(0)
    depth = rng.integers(0, 255, (64, 64), np.uint8)
    smooth = cv2.resize(
        rng.integers(0, 255, (8, 8, 3), np.uint8), (64, 64), interpolation=cv2.INTER_CUBIC
    )
    np.testing.assert_array_equal(
        cv2.imdecode(np.frombuffer(encode(depth, 92), np.uint8), -1), depth
    )
    back = cv2.imdecode(np.frombuffer(encode(smooth, 92), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(back.astype(int) - smooth).mean() < 3


def test_a_folder_of_pictures_is_a_clip(tmp_path):
    for name in ("colour", "depth", "torn"):
        (tmp_path / name).mkdir()
    for t in range(5):
        cv2.imwrite(
            str(tmp_path / f"colour/{t:03d}.png"),
            np.dstack([grey(0)[..., 0], grey(0)[..., 0], grey(50 * t)[..., 0]]),
        )
        cv2.imwrite(
            str(tmp_path / f"depth/{t:03d}.png"), np.full((16, 16), 1000 + 500 * t, np.uint16)
        )
        cv2.imwrite(
            str(tmp_path / f"torn/{t:03d}.jpg"),
            np.random.default_rng(t).integers(0, 255, (64, 64), np.uint8),
        )
    torn = tmp_path / "torn/004.jpg"
    torn.write_bytes(torn.read_bytes()[:900])
    table = pd.DataFrame(
        {"clip": ["a", "b"], "file": ["colour", "torn"], "depth_file": ["depth", "torn"]}
    )
    store = write_pictures(
        FilmedClips(table, tmp_path), tmp_path / "store", PictureSettings(frames=3, size=16)
    )
    colour, depth = store.read("a", COLOUR), store.read("a", DEPTH)
    assert np.abs(colour[..., 0].mean(axis=(1, 2)) - [0, 100, 200]).max() < 3, "red stays red"
    assert colour[..., 1:].max() < 6
    levels = [int(depth_picture(np.array([[mm]], np.uint16))[0, 0, 0]) for mm in (1000, 2000, 3000)]
    assert depth[:, 0, 0].tolist() == levels
    assert store.reasons(COLOUR)["b"] == f"{torn} is damaged or cut off; fetch it again"


# --- the store ------------------------------------------------------------------------------------


def test_missing_damaged_and_cut_off_files_become_rows(tmp_path):
    film(tmp_path / "good.mp4", range(0, 100, 5), 64, 64)
    data = (tmp_path / "good.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.mp4").write_text("no video")
    film(tmp_path / "tinted.mp4", [], pictures=[np.full((16, 16, 3), (200, 20, 20), np.uint8)] * 3)
    table = pd.DataFrame(
        {
            "clip": ["gone", "cut", "text", "none", "good", "tinted", "late"],
            "file": ["gone.mp4", "cut.mp4", "text.mp4", "", "good.mp4", "good.mp4", "good.mp4"],
            "depth_file": [
                "good.mp4",
                "good.mp4",
                "good.mp4",
                "good.mp4",
                "",
                "tinted.mp4",
                "good.mp4",
            ],
            "start": [0, 0, 0, 0, 0, 0, 20],
        }
    )
    store = write_pictures(FilmedClips(table, tmp_path), tmp_path / "store", SMALL, progress=False)
    words = {
        "gone": "does not exist",
        "cut": "cut off",
        "text": "no readable video",
        "none": "names no file",
    }
    words |= {"late": "start=20 lies outside the video's 20 frames"}
    assert store.reasons(COLOUR).keys() == words.keys()
    for clip, why in words.items():
        assert why in store.reasons(COLOUR)[clip]
        with pytest.raises(
            StoreError, match=f"colour of clip '{clip}' is not in store .*: it could not be made"
        ):
            store.read(clip, COLOUR)
    assert "names no depth_file" in store.reasons(DEPTH)["good"]
    assert "is in colour (its channels are" in store.reasons(DEPTH)["tinted"]
    assert store.clips == ["gone", "cut", "text", "none", "good", "tinted"]
    assert store.counts == {"done": 6, "failed": 8, "missing": 0}
    assert (("good", COLOUR) in store, ("good", DEPTH) in store) == (True, False)


def test_mended_files_are_tried_again_by_themselves(tmp_path):
    table = pd.DataFrame({"clip": ["a", "b"], "file": ["a.mp4", "b.mp4"]})
    settings = replace(SMALL, kinds=(COLOUR,))
    film(tmp_path / "b.mp4", [50] * 3)
    source = FilmedClips(table, tmp_path)
    assert write_pictures(source, tmp_path / "store", settings).clips == ["b"]
    film(tmp_path / "a.mp4", [90] * 3)
    store = write_pictures(source, tmp_path / "store", settings)
    assert store.clips == ["a", "b"]
    assert [round(float(store.read(clip, COLOUR).mean()), -1) for clip in "ab"] == [90, 50]
    assert store.failed.empty


def test_pictures_are_read_as_they_were_given(tmp_path):
    store = make(tmp_path / "store")
    source = Drawn()
    assert store.clips == ["c0", "c1", "c2", "c4", "c5"]
    for row in source.manifest.itertuples():
        made = source.film(row, store.kinds, SMALL)
        if not isinstance(made[DEPTH], str):
            np.testing.assert_array_equal(store.read(row.clip, DEPTH), made[DEPTH].pictures)
            assert (
                np.abs(store.read(row.clip, COLOUR).astype(int) - made[COLOUR].pictures).mean() < 3
            )
    batch = store.read_batch(["c5", "c0"], DEPTH)
    assert batch.shape == (2, 2, 16, 16)
    np.testing.assert_array_equal(batch[1], store.read("c0", DEPTH))
    meta = json.loads((tmp_path / "store" / "pictures.json").read_text())
    assert (meta["complete"], meta["settings"]["codecs"]) == (
        True,
        {"colour": "jpeg", "depth": "png"},
    )
    assert store.failed.to_dict("records")[0] == {"clip": "c1", "kind": "depth", "reason": "gone"}


@pytest.mark.parametrize("kept", ["kind,", ""])
def test_notes_stay_with_their_kind(tmp_path, kept):
    table, path = Drawn(1).manifest, tmp_path / "store"
    made = make(path, 1).extraction
    shutil.rmtree(path)
    picture = cv2.imencode(".png", np.zeros((16, 16), np.uint8))[1].tobytes()
    with PictureWriter(path, made, table) as writer:
        writer.add("c0", COLOUR, [picture] * 2, 9, 32, 24)
        writer.add("c0", DEPTH, [picture] * 2, 8, 70000, 24, note="cut at its end")
        store = writer.finish()
    odd = "cut at its end; width=70000 is taken as unknown: it is not 1 to 65536"
    assert store.told() == {"c0/depth": odd}
    assert store.index["width"].tolist() == [32, 0]
    # Of notes that were kept before nobody knows the kind: they are said of both.
    notes = path / "notes.csv"
    text = notes.read_text()
    notes.write_text(text if kept else text.replace("kind,", "").replace(",depth", ""))
    more = make(path, 2)
    expected = {"c0/depth": odd} if kept else {"c0/colour": odd, "c0/depth": odd}
    assert more.told() == expected


def test_a_worker_opens_the_pictures_itself(tmp_path):
    store = make(tmp_path / "store")
    expected = store.read("c0", DEPTH)
    packed = pickle.dumps(store)
    assert len(packed) < 20_000 + 1000 * len(store)
    assert b"memmap" not in packed
    np.testing.assert_array_equal(pickle.loads(packed).read("c0", DEPTH), expected)


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("index.csv", ("colour,0,", "colour,1,"), "where the clip before it does not end"),
        ("index.csv", (",colour,", ",infrared,"), "kind 'infrared' with sizes"),
        ("index.csv", ("c0,", "../c0,"), r"clip \['../c0'\] that manifest.csv lacks"),
        ("pictures.json", ('"frames": ', '"frames": 1'), "numbers of bytes"),
        ("pictures.json", ('"size": ', '"size": -'), r"pictures\.json says pictures: size=-"),
        ("pictures.json", ('"frames": ', '"Frames": '), "says frames='None', not a value such as"),
    ],
)
def test_a_store_that_contradicts_itself_is_refused(tmp_path, file, change, words):
    store = make(tmp_path / "store")
    path = store.path / file
    text = path.read_text()
    path.write_text(text.replace(*change, 1))
    assert path.read_text() != text
    with pytest.raises(StoreError, match=words):
        PictureStore(store.path)


def test_a_damaged_store_is_refused(tmp_path):
    store = make(tmp_path / "store")
    data = tmp_path / "store" / "pictures.bin"
    good = data.read_bytes()
    data.write_bytes(bytes(1000) + good[1000:])
    with pytest.raises(
        StoreError, match="picture 0 of colour of clip 'c0' is damaged; make it again"
    ):
        PictureStore(store.path).read("c0", COLOUR)
    data.write_bytes(good[:-1])
    with pytest.raises(
        StoreError, match=rf"pictures\.bin has {len(good) - 1} bytes, its index says {len(good)}"
    ):
        PictureStore(store.path)
    with pytest.raises(StoreError, match=r"holds no such store \(no pictures\.json\)"):
        PictureStore(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 17}, "size=16 instead of 17"),
        ({"frames": 3}, "frames=2 instead of 3"),
        ({"quality": 80}, "quality=92 instead of 80"),
        ({"fit": "letterbox"}, "fit='crop' instead of 'letterbox'"),
        ({"kinds": (COLOUR,)}, "kinds=['colour', 'depth'] instead of ['colour']"),
    ],
)
def test_a_changed_setting_is_another_store(tmp_path, whole, change, words):
    make(tmp_path / "store")
    assert content(tmp_path / "store") == whole
    with pytest.raises(
        StoreError, match="a changed setting is another store: give another folder"
    ) as refused:
        make(tmp_path / "store", settings=replace(SMALL, **change))
    assert words in str(refused.value)
    assert content(tmp_path / "store") == whole


@pytest.mark.parametrize(
    "change",
    [
        {"size": 8},
        {"frames": 0},
        {"quality": 101},
        {"fit": "zoom"},
        {"kinds": ()},
        {"kinds": (DEPTH, COLOUR)},
    ],
)
def test_impossible_settings_are_refused(change):
    with pytest.raises(SettingsError, match=f"pictures: {next(iter(change))}="):
        PictureSettings(**change)


def test_depth_needs_a_manifest_that_names_its_files(tmp_path):
    with pytest.raises(SettingsError, match="has no column 'depth_file'"):
        write_pictures(
            FilmedClips(pd.DataFrame({"clip": ["a"], "file": ["a.mp4"]}), tmp_path),
            tmp_path / "s",
            SMALL,
        )
    with pytest.raises(SettingsError, match="workers=0 must be at least 1"):
        make(tmp_path / "s", workers=0)


# --- interrupted ----------------------------------------------------------------------------------


def test_any_number_of_workers_gives_the_same_bytes(tmp_path, whole):
    make(tmp_path / "store", workers=2)
    assert content(tmp_path / "store") == whole


def test_killed_before_any_line_it_resumes_to_the_same_bytes(tmp_path, whole):
    number, kills = 1, 0
    while killed_at_line(number, lambda: make(tmp_path / str(kills)), *WRITERS):  # noqa: B023
        make(tmp_path / str(kills))
        assert content(tmp_path / str(kills)) == whole, f"killed before line {number}"
        number, kills = number + 37, kills + 1
    assert kills > 12, "it really was killed all over the job"


def test_more_clips_give_the_bytes_of_one_piece(tmp_path, whole):
    make(tmp_path / "store", 3)
    assert len(make(tmp_path / "store")) == 5
    assert content(tmp_path / "store") == whole


def test_a_full_disk_is_one_line_and_the_job_goes_on(tmp_path, whole):
    for limit in (100, 2000, 4000):
        path = tmp_path / str(limit)

        def work(path=path, limit=limit):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            with pytest.raises(
                DiskError, match=r"^cannot write .* the file-size limit is reached; .*run the same"
            ):
                make(path)

        assert in_child(work) == 0
        assert not list(path.glob(".*"))
        make(path)
        assert content(path) == whole


# --- generated and real clips ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def world():
    return GeneratedCorpus(2, 3, 1)


def test_a_generated_corpus_is_rendered_once_and_reused(world, tmp_path, monkeypatch):
    settings = PictureSettings(frames=3, size=32)
    clips = world.manifest["clip"][:3].tolist()
    store = pictures_of(world, tmp_path, settings, clips, progress=False)
    assert store.clips == clips
    assert store.failed.empty
    made = RenderedClips(world).film(next(world.manifest.itertuples()), (COLOUR, DEPTH), settings)
    np.testing.assert_array_equal(store.read(clips[0], DEPTH), made[DEPTH].pictures)
    assert np.abs(store.read(clips[0], COLOUR).astype(int) - made[COLOUR].pictures).mean() < 4
    assert store.index["length"][0] == len(world.performance(clips[0]).points)
    before = (store.path / "pictures.bin").stat().st_mtime_ns
    again = pictures_of(GeneratedCorpus(2, 3, 1), tmp_path, settings, clips, progress=False)
    assert (again.path, (again.path / "pictures.bin").stat().st_mtime_ns) == (store.path, before)
    others = [
        (GeneratedCorpus(2, 3, 1, seed=1), settings, clips),
        (world, replace(settings, frames=2), clips),
    ]
    others += [
        (world, settings, clips[:2]),
        (GeneratedCorpus(2, 3, 1, inventory={"handshape": ["FIST", "OPEN"]}), settings, clips),
    ]
    paths = [pictures_of(a, tmp_path, b, c, progress=False).path for a, b, c in others]
    assert len({store.path, *paths}) == 5
    with pytest.raises(SettingsError, match="clip 'nobody' is not in the generated corpus"):
        pictures_of(world, tmp_path, settings, ["nobody"])


@pytest.mark.parametrize(
    "settings",
    [PictureSettings(1, 16), PictureSettings(1, 33), PictureSettings(1, 40, "letterbox")],
)
def test_any_size_and_shape_of_picture_is_rendered(settings):
    wide = GeneratedCorpus(1, 3, 1, width=96, height=48)
    made = RenderedClips(wide).film(next(wide.manifest.itertuples()), (COLOUR, DEPTH), settings)
    assert made[COLOUR].pictures.shape == (1, settings.size, settings.size, 3)
    assert made[DEPTH].pictures.shape == (1, settings.size, settings.size)
    assert (made[COLOUR].width, made[COLOUR].height) == (96, 48)


def test_rendered_pictures_are_those_of_the_videos_and_no_larger(world, tmp_path):
    """The layout's mp4 files, read as AUTSL, show the same pictures and take no less room."""
    clip = world.manifest["clip"][0]
    root = write_autsl(world, tmp_path / "autsl", [clip], size=256, progress=False)
    settings = PictureSettings(frames=16, size=112)
    filmed = write_pictures(
        FilmedClips(autsl.read_manifest(root), root), tmp_path / "store", settings, progress=False
    )
    rendered = pictures_of(world, tmp_path, settings, [clip], progress=False)
    for kind, most in ((COLOUR, 6), (DEPTH, 6)):
        theirs = filmed.read(filmed.clips[0], kind).astype(int)
        assert np.abs(theirs - rendered.read(clip, kind)).mean() < most, kind
    source = sum(path.stat().st_size for path in root.rglob("*.mp4"))
    assert (filmed.path / "pictures.bin").stat().st_size < 1.2 * source


def test_a_real_clip_of_autsl_takes_less_room_than_its_videos(real_data, tmp_path):
    root = real_data("autsl")
    table = autsl.read_manifest(root)
    table = table[table["clip"].isin(["signer0_sample1000", "signer0_sample1"])]
    store = write_pictures(FilmedClips(table, root), tmp_path / "store", progress=False)
    assert store.clips == ["signer0_sample1000"]
    assert store.counts == {"done": 2, "failed": 2, "missing": 0}
    source = sum(
        (root / f"signer0_sample1000_{kind}.mp4").stat().st_size for kind in ("color", "depth")
    )
    assert (store.path / "pictures.bin").stat().st_size < 0.75 * source
    depth = store.read("signer0_sample1000", DEPTH)
    frames = read_frames(root / "signer0_sample1000_depth.mp4", "linspace", 16)
    whole = [
        cv2.resize(frame[..., 0], (224, 224), interpolation=cv2.INTER_AREA) for frame in frames
    ]
    np.testing.assert_array_equal(depth, np.stack(whole))
    assert 0.5 < (depth == 0).mean() < 0.95, "the room behind the signer is cut off"
