"""Frames that differ, so that each index is worked out by hand; and every way a file can be bad."""

from fractions import Fraction

import av
import numpy as np
import pytest

from signlib import reading
from signlib.data import video
from signlib.data.frame_choice import sample_indices
from signlib.data.video import VideoInfo, iter_frames, probe, read_frames, write_video
from signlib.errors import DiskError, SettingsError, VideoError

STEP = 10  # grey levels between two frames, more than H.264 loses


def grey(frames: int, height: int = 32, width: int = 48) -> np.ndarray:
    return np.broadcast_to(
        (STEP * np.arange(frames, dtype=np.uint8))[:, None, None, None], (frames, height, width, 3)
    ).copy()


def numbers(frames) -> list[int]:
    """Which frames of `grey` these are."""
    return [round(float(np.mean(frame)) / STEP) for frame in frames]


def remuxed(source, target, rotation: int = 0, **options: str):
    """The same encoded frames in another container, as other programs would write them."""
    with av.open(str(source)) as old, av.open(str(target), "w", options=options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        if rotation:
            stream.set_display_rotation(rotation)
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    return target


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    write_video(path, grey(20), fps=25)
    return path


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A film whose every frame needs many bytes, its index in front as on the web."""
    folder = tmp_path_factory.mktemp("noise")
    pictures = np.random.default_rng(0).integers(0, 256, (20, 64, 96, 3), dtype=np.uint8)
    write_video(folder / "plain.mp4", pictures, fps=25)
    return remuxed(folder / "plain.mp4", folder / "noise.mp4", movflags="faststart")


def test_written_frames_come_back_in_order(film):
    assert probe(film) == VideoInfo(width=48, height=32, fps=25.0, frames=20)
    frames = read_frames(film)
    assert frames.shape == (20, 32, 48, 3)
    assert frames.dtype == np.uint8
    assert numbers(frames) == list(range(20))
    assert numbers(iter_frames(film, start=4, end=9)) == [4, 5, 6, 7, 8]
    assert numbers(iter_frames(film, fps=12.5)) == list(range(0, 20, 2))
    assert numbers(iter_frames(film, fps=50, end=2)) == [0, 0, 1, 1]
    assert numbers(read_frames(film, sampling="linspace", count=3)) == [0, 10, 19]


def phone_film(path, times, duration, unit=Fraction(1, 1000)):
    """`grey` frames at times in units of a second, the last one as long as said."""
    write_video(path.with_name("even.mp4"), grey(len(times)), fps=25)
    with av.open(str(path.with_name("even.mp4"))) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        stream.time_base = unit
        packets = [p for p in old.demux(old.streams.video[0]) if p.dts is not None]
        order = sorted(range(len(times)), key=lambda k: packets[k].pts)
        ends = [*times[1:], times[-1] + duration]
        for number, k in enumerate(order):
            packet = packets[k]
            packet.stream, packet.time_base = stream, unit
            packet.pts, packet.duration = times[number], ends[number] - times[number]
        for k, packet in enumerate(packets):
            packet.dts = min(times[k], packet.pts) - 1000
            new.mux(packet)
    return path


@pytest.mark.parametrize(("name", "unit"), [("a.mkv", 1000), ("a.mp4", 60)])
def test_resampling_follows_the_time_stamps(tmp_path, name, unit):
    # ten frames at 15 a second, then ten at 60: 0.833 s, which is 25 frames at 30
    slow = [round(unit * k / 15) for k in range(10)]
    fast = [round(unit * (10 / 15 + k / 60)) for k in range(10)]
    film = phone_film(tmp_path / name, slow + fast, round(unit / 60), Fraction(1, unit))
    assert numbers(read_frames(film)) == list(range(20)), "all frames, whatever their times"
    by_hand = [k // 2 for k in range(20)] + [10, 12, 14, 16, 18]
    assert iter_frames(film, fps=30).indices.tolist() == by_hand
    # from 0.2 s to 0.4 s: three frames of 1/15 s each
    assert iter_frames(film, start=5, end=10, segment_fps=25).indices.tolist() == [3, 4, 5]
    # from 0.72 s, which frame 13 (0.717 s) shows
    assert iter_frames(film, start=18, segment_fps=25).indices.tolist() == list(range(13, 20))
    with pytest.raises(VideoError, match=r"start=21 at 25 frames a second .* 20 frames"):
        iter_frames(film, start=21, segment_fps=25)


def test_time_stamps_that_make_a_film_of_years_are_refused(tmp_path):
    film = phone_film(tmp_path / "odd.mkv", [0, 40, 80, 2_000_000_000], 40)
    with pytest.raises(VideoError, match=r"its time stamps run over 2e\+06 s, which makes 6\d+ fr"):
        iter_frames(film, fps=30)
    assert len(read_frames(film)) == 4


def test_even_frames_are_counted_whatever_their_container(film, tmp_path):
    # milliseconds are too coarse for 24000/1001 frames a second, and yet they are even
    write_video(tmp_path / "a.mp4", grey(20), fps=24000 / 1001)
    for path in (tmp_path / "a.mp4", remuxed(tmp_path / "a.mp4", tmp_path / "a.mkv")):
        expected = sample_indices(20, 24000 / 1001, fps=25).tolist()
        assert iter_frames(path, fps=25).indices.tolist() == expected


def test_a_recording_of_many_segments_is_looked_at_once_until_it_changes(tmp_path, monkeypatch):
    film = phone_film(tmp_path / "a.mkv", [*range(0, 400, 40), *range(400, 600, 20)], 20)
    opened, whole = [], video._opened
    monkeypatch.setattr(video, "_opened", lambda path: opened.append(path) or whole(path))
    # At 25 a second: each of the slow frames, then every second one.
    by_hand = [*range(10), 10, 12, 14, 16, 18]
    for start in range(10):
        assert iter_frames(film, start=start, fps=25).indices.tolist() == by_hand[start:]
    assert len(opened) == 3, "once each for its size, its number of frames, its time stamps"
    phone_film(film, [*range(0, 800, 40)], 40)
    assert iter_frames(film, fps=25).indices.tolist() == list(range(20))
    film.unlink()
    for _ in range(2):
        with pytest.raises(VideoError, match="does not exist"):
            probe(film)


def test_a_segment_past_the_end_is_cut_with_a_note(film):
    frames = iter_frames(film, start=15, end=30)
    assert frames.note == "its segment ends at frame 30, after the file's 20: cut there"
    assert frames.length == 5
    assert numbers(frames) == [15, 16, 17, 18, 19]
    assert iter_frames(film, start=15, end=20).note == ""
    assert numbers(read_frames(film, start=24, end=28, segment_fps=50)) == [12, 13]
    assert "frame 41 at 50 frames a second" in iter_frames(film, end=41, segment_fps=50).note


def test_colours_stay_where_they_are(tmp_path):
    picture = np.zeros((1, 64, 64, 3), np.uint8)
    picture[:, :, :32, 0] = 250
    write_video(tmp_path / "red.mp4", picture, fps=10)
    got = read_frames(tmp_path / "red.mp4")[0].astype(int)
    assert abs(got[32, 8] - [250, 0, 0]).max() < 12
    assert got[32, 56].max() < 12


@pytest.mark.parametrize(
    ("size", "shape"), [((24, 16), (16, 24)), (24, (16, 24)), (480, (32, 48)), (7, (5, 7))]
)
def test_frames_are_scaled_while_decoding(film, size, shape):
    frames = read_frames(film, end=3, size=size)
    assert frames.shape == (3, *shape, 3)
    assert numbers(frames) == [0, 1, 2]


@pytest.mark.parametrize("size", [0, (0, 5), (5,)])
def test_an_impossible_size_is_refused(film, size):
    with pytest.raises(SettingsError, match="size="):
        read_frames(film, size=size)


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_phone_video_is_turned_upright(tmp_path, rotation):
    picture = np.zeros((2, 32, 64, 3), np.uint8)
    picture[:, :, :16] = 240  # bright left edge
    write_video(tmp_path / "flat.mp4", picture, fps=10)
    turned = remuxed(tmp_path / "flat.mp4", tmp_path / "turned.mp4", rotation=rotation)
    frames = read_frames(turned)
    assert probe(turned).width == frames.shape[2]
    # Counter-clockwise by 90 degrees the left edge becomes the bottom one.
    expected = {90: np.s_[-8:, :], -90: np.s_[:8, :], 180: np.s_[:, -8:]}[rotation]
    assert frames.shape[1:3] == ((64, 32) if rotation % 180 else (32, 64))
    assert frames[0][expected].mean() > 200
    assert frames[0].mean() < 80


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mov"])
def test_containers_that_do_not_count_their_frames_are_counted(film, tmp_path, suffix):
    other = remuxed(film, tmp_path / f"film{suffix}")
    assert probe(other).frames == 20
    assert numbers(read_frames(other, start=17)) == [17, 18, 19]


def test_a_file_that_is_no_video_is_named(tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("clip,file\n")
    for name, says in [
        ("none.mp4", "does not exist"),
        ("empty.mp4", "0 bytes"),
        ("text.mp4", "no readable video"),
    ]:
        for read in (probe, read_frames, lambda path: list(iter_frames(path))):
            with pytest.raises(VideoError, match=rf"{name}.*{says}"):
                read(tmp_path / name)


def test_frames_of_too_many_pixels_are_refused_before_they_are_decoded(film, monkeypatch):
    # `PIXELS` is of 8192 x 8192; a film that has more would take long to make.
    monkeypatch.setattr(reading, "PIXELS", 1000)
    video._probed.cache_clear()
    for read in (probe, lambda path: list(iter_frames(path))):
        with pytest.raises(VideoError, match=r"it has 48 x 32 pixels, not 1 to 1,000; make it sm"):
            read(film)
    # Also where only a later frame says so.
    monkeypatch.setattr(reading, "check_pixels", lambda *_: None)
    with pytest.raises(VideoError, match=r"frame cannot be decoded|frame 0 of .* cannot"):
        list(iter_frames(film))


def test_a_file_of_sound_only_is_refused(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match="no video stream"):
        probe(tmp_path / "sound.mp4")


def test_a_video_without_a_frame_is_refused(tmp_path):
    with av.open(str(tmp_path / "none.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        container.start_encoding()
    with pytest.raises(VideoError, match=r"none\.mkv"):
        probe(tmp_path / "none.mkv")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95, 0.999])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_file_that_is_cut_off_is_never_silently_shorter(noise, tmp_path, suffix, share):
    whole = remuxed(
        noise,
        tmp_path / f"whole{suffix}",
        **({"movflags": "faststart"} if suffix == ".mp4" else {}),
    )
    data = whole.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(data[: int(len(data) * share)])
    try:
        frames = read_frames(cut)
    except VideoError as error:
        assert "cut.m" in str(error)  # noqa: PT017
    else:
        # Matroska ends with an index that pictures do not need.
        assert suffix == ".mkv"
        assert np.array_equal(frames, read_frames(whole))


def test_an_mp4_without_its_index_is_refused(noise, tmp_path):
    data = (noise.parent / "plain.mp4").read_bytes()  # index at the end
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(VideoError, match=r"cut\.mp4 is no readable video, or its end is cut off"):
        read_frames(tmp_path / "cut.mp4")


def test_damage_in_the_middle_is_reported_not_concealed(noise, tmp_path):
    data = bytearray(noise.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = np.random.default_rng(1).bytes(4000)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    with pytest.raises(VideoError, match=r"damaged\.mp4: frame \d+"):
        read_frames(damaged)
    assert len(read_frames(damaged, end=2)) == 2, "frames before the damage are sound"


def test_a_start_beyond_the_end_names_the_file(film):
    with pytest.raises(VideoError, match=r"film\.mp4: start=20 .* 20 frames"):
        read_frames(film, start=20)


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, grey(5), fps=25)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ([], "no frames"),
        ([np.zeros((31, 48, 3), np.uint8)], "even"),
        ([np.zeros((32, 48, 3), np.uint8), np.zeros((32, 32, 3), np.uint8)], "frame 1 is uint8"),
        ([np.zeros((32, 48, 3), np.float32)], "float32"),
    ],
)
def test_a_failed_write_leaves_nothing_behind(tmp_path, frames, says):
    (tmp_path / "old.mp4").write_bytes(b"old")
    with pytest.raises(VideoError, match=says):
        write_video(tmp_path / "old.mp4", frames, fps=25)
    assert [p.name for p in tmp_path.iterdir()] == ["old.mp4"]
    assert (tmp_path / "old.mp4").read_bytes() == b"old"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match=r"film\.mp4"):
        write_video(tmp_path / "file" / "film.mp4", grey(2), fps=25)


def test_a_real_file_says_what_it_holds(real_data):
    assert probe(real_data("slovak") / "1_Ahoj.mp4") == VideoInfo(
        width=852, height=480, fps=25.0, frames=89
    )


def test_a_title_in_another_coding_and_an_unknown_codec(tmp_path):
    write_video(tmp_path / "a.mp4", grey(5), fps=25)
    whole = (tmp_path / "a.mp4").read_bytes()
    assert whole.count(b"Lavf") == 1
    (tmp_path / "latin.mp4").write_bytes(whole.replace(b"Lavf", b"\xe4\xf6\xfc\xff"))
    assert len(read_frames(tmp_path / "latin.mp4")) == 5
    # The letters that name the codec, in the description of the stream.
    codec = whole.rindex(b"avc1") if b"avc1" in whole else whole.rindex(b"mp4v")
    (tmp_path / "odd.mp4").write_bytes(whole[:codec] + b"zzzz" + whole[codec + 4 :])
    with pytest.raises(VideoError, match=r"odd\.mp4 "):
        probe(tmp_path / "odd.mp4")
