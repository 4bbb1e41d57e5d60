"""Every container and codec that recordings come in: decoded whole, in its place in time, and told what it is."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner

from speechpipe.audio import Decoded, Pcm, decode, inspect
from speechpipe.cli import cli
from tests.containers import KINDS, RATE, Kind, encode, riff

#: Samples by which a decoder that is not told of its encoder's delay comes late (MP2, ADTS, transport streams, WMA).
LATEST = RATE // 20


@pytest.fixture
def sound(talk: np.ndarray) -> np.ndarray:
    return talk


def heard(folder: Path, decoded: Decoded) -> np.ndarray:
    return Pcm(folder / decoded.lanes[0].file).read(0, decoded.duration_ms)


def likeness(found: np.ndarray, sound: np.ndarray) -> tuple[int, float]:
    """By how many samples ``found`` comes late, and its correlation with ``sound`` at that place."""
    size = 1 << 20
    cross = np.fft.irfft(np.fft.rfft(found, size) * np.conj(np.fft.rfft(sound, size)), size)
    late = int(cross.argmax())
    return late if late < size // 2 else late - size, float(cross.max() / np.linalg.norm(found) / np.linalg.norm(sound))


@pytest.mark.parametrize("name", KINDS)
def test_decodes_whole_and_in_its_place(name: str, tmp_path: Path, sound: np.ndarray) -> None:
    kind = KINDS[name]
    decoded = decode(encode(tmp_path / f"a.{kind.ending}", kind, sound), tmp_path / "out", "auto")
    assert (decoded.complete, decoded.warnings) == (True, ())
    assert decoded.policy == ("mono" if kind.channels == 1 else "mix")
    late, like = likeness(heard(tmp_path / "out", decoded), sound)
    if kind.exact:
        assert decoded.duration_ms == 11_000
        assert (late, round(like, 3)) == (0, 1.0)
    else:
        assert decoded.duration_ms == pytest.approx(11_000, abs=90)
        assert 0 <= late <= LATEST
        assert like > (0.75 if kind.codec == "libopencore_amrnb" else 0.98)


@pytest.mark.parametrize("name", ["FLAC", "WAV, 24 bit, 96 kHz", "MXF, MPEG-2 and PCM", "MP3"])
def test_inspect_tells_what_it_is(name: str, tmp_path: Path, sound: np.ndarray) -> None:
    kind = KINDS[name]
    media = inspect(encode(tmp_path / f"a.{kind.ending}", kind, sound)).media
    audio = next(stream for stream in media.streams if stream.kind == "audio")
    assert (audio.sample_rate, audio.channels) == (kind.rate, kind.channels)
    assert audio.codec == {"libmp3lame": "mp3"}.get(kind.codec, kind.codec)
    assert media.declared_ms == pytest.approx(11_000, abs=60)
    assert [stream.kind for stream in media.streams if stream.kind == "video"] == ["video"] * bool(kind.video)


@pytest.mark.parametrize("form", [b"RIFF", b"RIFX", b"RF64", b"BW64"])
def test_riff_and_its_kin(form: bytes, tmp_path: Path, sound: np.ndarray) -> None:
    decoded = decode(riff(tmp_path / "a.wav", form, sound), tmp_path / "out", "auto")
    assert (decoded.duration_ms, decoded.complete) == (11_000, True)
    np.testing.assert_allclose(heard(tmp_path / "out", decoded), sound, atol=1e-3)


def test_rf64_whose_ds64_is_missing(tmp_path: Path, sound: np.ndarray) -> None:
    path = riff(tmp_path / "a.wav", b"RF64", sound)
    content = path.read_bytes()
    at = content.index(b"ds64")
    size = struct.pack("<I", 2 * len(sound))
    path.write_bytes((content[:at] + content[at + 36 :]).replace(b"data\xff\xff\xff\xff", b"data" + size))
    decoded = decode(path, tmp_path / "out", "auto")
    assert likeness(heard(tmp_path / "out", decoded), sound)[1] > 0.99


@pytest.mark.parametrize("form", [b"RIFX", b"RF64"])
def test_a_cut_off_file_is_incomplete(form: bytes, tmp_path: Path, sound: np.ndarray) -> None:
    path = riff(tmp_path / "a.wav", form, sound)
    path.write_bytes(path.read_bytes()[:-100_000])
    decoded = decode(path, tmp_path / "out", "auto")
    assert not decoded.complete
    assert decoded.incomplete_reason == "the file is cut off 100000 bytes before the end that its header declares"
    assert decoded.duration_ms == 11_000 - 3_125


@pytest.mark.extra
def test_more_than_four_gigabytes_to_the_end(tmp_path: Path, sound: np.ndarray) -> None:
    """96 kHz, 24 bit, stereo, over two hours: all silence, in holes of the file, but for speech at the very end."""
    rate, frame = 96_000, 6
    seconds = 2 * 3600 + 600
    size = seconds * rate * frame
    assert size > 4 << 30
    tail = np.repeat(np.repeat(sound, rate // RATE), 2)
    packed = (tail * (2**31 - 1)).astype("<i4").view("u1").reshape(-1, 4)[:, 1:].tobytes()
    path = tmp_path / "reel.wav"
    with path.open("wb") as file:
        file.write(b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<IQQQI", 28, size + 72, size, size // frame, 0))
        file.write(b"fmt " + struct.pack("<IHHIIHH", 16, 1, 2, rate, rate * frame, frame, 24))
        file.write(b"data\xff\xff\xff\xff")
        start = file.tell()
        file.seek(start + size - len(packed))
        file.write(packed)
    decoded = decode(path, tmp_path / "out", "mix")
    assert (decoded.duration_ms, decoded.complete) == (seconds * 1000, True)
    with Pcm(tmp_path / "out" / "lane-0.s16") as pcm:
        found = pcm.read(seconds * 1000 - 11_000, seconds * 1000)
        assert likeness(found, sound)[1] > 0.95
        assert not pcm.read(3_600_000, 3_660_000).any()
    (tmp_path / "out" / "lane-0.s16").unlink()


def two_languages(path: Path, sound: np.ndarray) -> Path:
    """A film with its original sound and a dub."""
    with av.open(str(path), "w", format="matroska") as container:
        streams = []
        for language in ("nob", "sme"):
            stream = container.add_stream("flac", rate=RATE, layout="mono")
            stream.metadata["language"] = language
            streams.append(stream)
        for stream, samples in zip(streams, (sound, sound[::-1]), strict=True):
            whole = np.ascontiguousarray((samples * 32_767).astype("<i2")[None])
            frame = av.AudioFrame.from_ndarray(whole, "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            container.mux([*stream.encode(frame), *stream.encode(None)])
    return path


def test_a_stream_can_be_chosen(tmp_path: Path, sound: np.ndarray) -> None:
    film = two_languages(tmp_path / "film.mkv", sound)
    assert [stream.language for stream in inspect(film).media.streams] == ["nob", "sme"]
    for index, expected in ((0, sound), (1, sound[::-1])):
        decoded = decode(film, tmp_path / str(index), "auto", stream=index)
        np.testing.assert_allclose(heard(tmp_path / str(index), decoded), expected, atol=1e-3)
        assert decoded.warnings == ("1 other audio stream of the file left unread",)


def test_chapters_and_tags_are_told(tmp_path: Path, sound: np.ndarray) -> None:
    path = tmp_path / "a.mka"
    with av.open(str(path), "w", format="matroska") as container:
        container.metadata["title"] = "Folkemusikk"
        container.set_chapters(
            [{"id": 1, "start": 0, "end": 5_000, "time_base": Fraction(1, 1000), "metadata": {"title": "Slått"}}]
        )
        stream = container.add_stream("flac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray((sound * 32_767).astype("<i2")[None]), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        container.mux([*stream.encode(frame), *stream.encode(None)])
    found = inspect(path)
    assert [(chapter.start_ms, chapter.end_ms, chapter.title) for chapter in found.chapters] == [(0, 5_000, "Slått")]
    assert found.tags["title"] == "Folkemusikk"


#: Kinds whose encoders tell how much they put before the sound, in samples.
DELAYS = {"M4A, AAC": 1_024, "MP4, AAC": 1_024, "MP3": 1_105, "Ogg Opus": 312, "WebM, Opus": 312, "FLAC": None}


@pytest.mark.parametrize("name", DELAYS)
def test_an_encoders_delay_is_told(name: str, tmp_path: Path, sound: np.ndarray) -> None:
    path = encode(tmp_path / f"a.{KINDS[name].ending}", KINDS[name], sound)
    assert inspect(path).delay_samples == DELAYS[name]
    shown = CliRunner().invoke(cli, ["inspect", str(path)]).stdout
    assert (f"{DELAYS[name]} samples of the encoder" in shown) == bool(DELAYS[name])


def edited(content: bytes, **changes: int) -> bytes:
    """An MP4 with another edit list (of version 0, with one entry): ``segment_duration``, ``media_time``."""
    at = content.index(b"elst") + 4
    assert struct.unpack(">II", content[at : at + 8]) == (0, 1)
    entry = dict(zip(("segment_duration", "media_time"), struct.unpack(">Ii", content[at + 8 : at + 16]), strict=True))
    entry |= changes
    return content[: at + 8] + struct.pack(">Ii", *entry.values()) + content[at + 16 :]


def test_an_edit_list_that_begins_later_in_the_sound_is_followed(tmp_path: Path, sound: np.ndarray) -> None:
    whole = encode(tmp_path / "whole.m4a", KINDS["M4A, ALAC"], sound)
    content = edited(whole.read_bytes(), segment_duration=10_000, media_time=44_100)
    (tmp_path / "edited.m4a").write_bytes(content)
    decoded = decode(tmp_path / "edited.m4a", tmp_path / "out", "auto")
    assert decoded.duration_ms == pytest.approx(10_000, abs=100)
    found = heard(tmp_path / "out", decoded)
    like = np.corrcoef(found[RATE : 9 * RATE], sound[2 * RATE : 10 * RATE])[0, 1]
    assert like > 0.999


def test_sound_that_begins_behind_the_picture_keeps_its_place(tmp_path: Path, sound: np.ndarray) -> None:
    """MP4 says so by an edit list without media."""
    path = tmp_path / "late.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        picture = container.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        stream = container.add_stream("alac", rate=RATE, layout="mono")
        grey = av.VideoFrame.from_ndarray(np.full((96, 64), 128, np.uint8), format="yuv420p")
        for number in range(4 * 25):
            grey.pts, grey.time_base = number, Fraction(1, 25)
            container.mux(picture.encode(grey))
        resampler = av.AudioResampler(stream.codec_context.format.name, "mono", RATE, stream.frame_size)
        frame = av.AudioFrame.from_ndarray(sound.astype(np.float32)[None], "flt", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, round(2.5 * RATE), Fraction(1, RATE)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux([*picture.encode(None), *stream.encode(None)])
    assert b"elst" in path.read_bytes()
    found = inspect(path)
    assert [stream.start_ms for stream in found.media.streams] == [0, 2_500]
    assert "from 0:00:02.500" in CliRunner().invoke(cli, ["inspect", str(path)]).stdout
    decoded = decode(path, tmp_path / "out", "auto")
    samples = heard(tmp_path / "out", decoded)
    assert not samples[: round(2.45 * RATE)].any()
    np.testing.assert_allclose(samples[round(2.5 * RATE) :][: len(sound)], sound, atol=2e-3)


def test_timecode_is_told(tmp_path: Path, sound: np.ndarray) -> None:
    path = tmp_path / "a.mxf"
    with av.open(str(path), "w", format="mxf") as container:
        container.metadata["timecode"] = "10:20:30:00"
        picture = container.add_stream("mpeg2video", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        grey = av.VideoFrame.from_ndarray(np.full((96, 64), 128, np.uint8), format="yuv420p")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1_920), np.int16), "s16", "mono")
        for number in range(25):
            grey.pts, grey.time_base = number, Fraction(1, 25)
            silence.sample_rate, silence.pts, silence.time_base = 48_000, 1_920 * number, Fraction(1, 48_000)
            container.mux([*picture.encode(grey), *stream.encode(silence)])
        container.mux([*picture.encode(None), *stream.encode(None)])
    assert inspect(path).timecode == "10:20:30:00"
    assert "10:20:30:00" in CliRunner().invoke(cli, ["inspect", str(path)]).stdout


def test_the_kinds_cover_what_archives_hold() -> None:
    named = "wav aiff flac ipod mp3 ogg amr asf mp4 mov matroska mxf vob mpegts avi"
    assert {kind.container for kind in KINDS.values()} >= set(named.split())
    assert min(kind.rate for kind in KINDS.values()) == 8_000
    assert max(kind.rate for kind in KINDS.values()) == 192_000
    assert Kind("wav", "wav", "pcm_s16le").exact is False
