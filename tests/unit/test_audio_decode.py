"""Decoding: the recording's own timeline, damage, and what is no recording."""

from __future__ import annotations

import os
import struct
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from speechpipe.audio import Decoded, Pcm, decode, probe
from speechpipe.audio.reader import media as media_module
from speechpipe.audio.reader.readers import reading
from speechpipe.audio.reader.riff import missing_bytes
from speechpipe.audio.reader.source import Facts, Source
from speechpipe.errors import MediaError, MediaNotFound, MediaUnavailable, OutputError, UnreadableMedia, UsageError
from tests.containers import KINDS, encode, silent_film


def tone(rate: int, seconds: float, hertz: float = 440) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def write_wav(path: Path, sound: np.ndarray, rate: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if sound.ndim == 1 else sound.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((sound * 32_767).astype("<i2").tobytes())
    return path


def write_matroska(path: Path, pieces: list[tuple[float, np.ndarray]], rate: int = 16_000) -> Path:
    """PCM in Matroska, each piece with its own start in seconds; a still picture runs from 0."""
    with av.open(str(path), "w", format="matroska") as container:
        picture = container.add_stream("mpeg4", rate=1)
        picture.width = picture.height = 64
        stream = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        for packet in picture.encode(av.VideoFrame(64, 64, "yuv420p")):
            container.mux(packet)
        for start, sound in pieces:
            frame = av.AudioFrame.from_ndarray((sound * 32_767).astype("<i2")[None], format="s16", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), round(start * rate)
            container.mux(stream.encode(frame))
    return path


def heard(folder: Path, decoded: Decoded) -> tuple[int, int]:
    """First and last millisecond with sound."""
    loud = np.flatnonzero(np.abs(Pcm(folder / decoded.lanes[0].file).read(0, decoded.duration_ms)) > 0.1)
    return round(loud[0] / 16), round(loud[-1] / 16)


def test_a_wav_becomes_one_lane_with_the_whole_sound(tmp_path: Path) -> None:
    sound = np.concatenate([tone(44_100, 3), np.zeros(44_100)])
    seen: list[tuple[int, int | None]] = []
    decoded = decode(
        write_wav(tmp_path / "a.wav", np.tile(sound, 3), 44_100),
        tmp_path / "out",
        "auto",
        lambda *done: seen.append(done),
    )
    assert (decoded.duration_ms, decoded.complete, decoded.warnings, decoded.policy) == (12_000, True, (), "mono")
    assert os.listdir(tmp_path / "out") == ["lane-0.s16"]
    assert heard(tmp_path / "out", decoded) == (pytest.approx(0, abs=2), pytest.approx(11_000, abs=2))
    assert [total for _, total in seen] == [12_000] * len(seen)
    assert [done // 1_000 for done, _ in seen] == [5, 10]


def test_decoding_twice_gives_the_same_bytes(tmp_path: Path, root: Path) -> None:
    source = root / "sample_audio" / "no-speech.mp3"
    first, second = decode(source, tmp_path / "a", "auto"), decode(source, tmp_path / "b", "auto")
    assert first == second
    assert (tmp_path / "a" / "lane-0.s16").read_bytes() == (tmp_path / "b" / "lane-0.s16").read_bytes()


def test_a_stream_that_starts_late_keeps_its_place(tmp_path: Path) -> None:
    source = write_matroska(tmp_path / "late.mkv", [(2.5, tone(16_000, 1))])
    decoded = decode(source, tmp_path, "auto")
    assert decoded.duration_ms == 3_500
    assert heard(tmp_path, decoded)[0] == pytest.approx(2_500, abs=2)
    assert decoded.warnings == ("2.5 s without sound by the time stamps filled with silence",)


def test_the_fixture_whose_sound_starts_late(tmp_path: Path, speech: Path) -> None:
    decoded = decode(speech / "fixtures" / "opencast" / "av.mov", tmp_path, "auto")
    assert decoded.duration_ms == pytest.approx(3_926 + 10_519, abs=2)
    assert not np.abs(Pcm(tmp_path / "lane-0.s16").read(0, 3_900)).any()


def test_a_gap_between_time_stamps_is_silence(tmp_path: Path) -> None:
    source = write_matroska(tmp_path / "gap.mkv", [(0, tone(16_000, 1)), (5, tone(16_000, 1))])
    decoded = decode(source, tmp_path, "auto")
    assert decoded.duration_ms == 6_000
    pcm = Pcm(tmp_path / "lane-0.s16")
    assert np.abs(pcm.read(0, 1_000)).max() > 0.4
    assert not np.abs(pcm.read(1_010, 4_990)).any()
    assert np.abs(pcm.read(5_010, 5_100)).max() > 0.4


def test_time_stamps_that_run_back_lose_no_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_matroska(tmp_path / "a.mkv", [(0, tone(16_000, 1)), (1, tone(16_000, 1)), (2, tone(16_000, 1))])
    shift = {1: Fraction(0), 2: Fraction(-1)}  # by which whole seconds of stamps the later pieces are off
    _shift_stamps(monkeypatch, lambda stamp: stamp + shift.get(int(stamp), 0))
    samples, facts = read_here(source)
    assert samples == 3 * 16_000
    assert any("run backwards" in warning for warning in facts.warnings)


def test_a_wild_time_stamp_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_matroska(tmp_path / "a.mkv", [(0, tone(16_000, 1)), (1, tone(16_000, 1))])
    _shift_stamps(monkeypatch, lambda stamp: stamp + (10**6 if stamp >= 1 else 0))
    samples, facts = read_here(source)
    assert samples == 2 * 16_000
    assert any("leap" in warning for warning in facts.warnings)


def read_here(path: Path) -> tuple[int, Facts]:
    """Read in this process, where time stamps can be tampered with."""
    with reading(path) as reader:
        assert reader is not None
        samples = sum(block.shape[1] for block in reader.source.blocks())
        return samples, reader.source.facts()


def _shift_stamps(monkeypatch: pytest.MonkeyPatch, moved: object) -> None:
    frames = Source._frames

    def shifted(self: Source) -> object:
        for frame in frames(self):
            frame.pts = round(moved(frame.pts * frame.time_base) / frame.time_base)  # type: ignore[operator]
            yield frame

    monkeypatch.setattr(Source, "_frames", shifted)


def test_rate_and_channels_may_change_on_the_way(tmp_path: Path) -> None:
    """Two MPEG streams glued together, as broadcasters' capture systems leave them."""
    parts = []
    for name, rate, layout, channels in (
        ("a", 48_000, "stereo", 2),
        ("b", 44_100, "mono", 1),
        ("c", 32_000, "stereo", 2),
    ):
        path = tmp_path / f"{name}.mp2"
        with av.open(str(path), "w", format="mp2") as container:
            stream = container.add_stream("mp2", rate=rate, layout=layout)
            sound = (tone(rate, 2) * 32_767).astype("<i2")
            frame = av.AudioFrame.from_ndarray(np.repeat(sound, channels)[None], format="s16", layout=layout)
            frame.sample_rate = rate
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        parts.append(path.read_bytes())
    (tmp_path / "all.mp2").write_bytes(b"".join(parts))
    decoded = decode(tmp_path / "all.mp2", tmp_path / "out", "split")
    assert [lane.channel for lane in decoded.lanes] == [0, 1]
    assert decoded.duration_ms == pytest.approx(6_000, abs=120)
    for lane in decoded.lanes:
        pcm = Pcm(tmp_path / "out" / lane.file)
        for second in (1, 3, 5):
            spectrum = np.abs(np.fft.rfft(pcm.read(second * 1_000 - 300, second * 1_000 + 300)))
            assert spectrum.argmax() / 0.6 == pytest.approx(440, abs=4)


@pytest.mark.parametrize("kept", [0.3, 0.999])
def test_a_cut_off_wav_keeps_what_there_is_and_says_so(tmp_path: Path, kept: float) -> None:
    content = write_wav(tmp_path / "a.wav", tone(8_000, 10), 8_000).read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[: int(len(content) * kept)])
    decoded = decode(tmp_path / "cut.wav", tmp_path, "auto")
    assert decoded.duration_ms == pytest.approx(10_000 * kept, abs=5)
    assert not decoded.complete
    assert "cut off" in (decoded.incomplete_reason or "")


def test_a_wav_from_a_pipe_declares_no_length_and_is_whole(tmp_path: Path) -> None:
    content = bytearray(write_wav(tmp_path / "a.wav", tone(8_000, 2), 8_000).read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "pipe.wav").write_bytes(content)
    decoded = decode(tmp_path / "pipe.wav", tmp_path, "auto")
    assert (decoded.complete, decoded.duration_ms) == (True, 2_000)


def test_missing_bytes_of_rf64_and_aiff(tmp_path: Path) -> None:
    sizes = struct.pack("<QQQI", 0, 5_000, 0, 0)
    rf64 = b"RF64\xff\xff\xff\xffWAVE" + b"ds64" + struct.pack("<I", len(sizes)) + sizes + b"data\xff\xff\xff\xff"
    aiff = b"FORM\0\0\0\0AIFF" + b"JUNK" + struct.pack(">I", 3) + b"abc\0" + b"SSND" + struct.pack(">I", 1_000)
    for name, content, missing in (("a", rf64 + bytes(4_000), 1_000), ("b", aiff + bytes(990), 10), ("c", b"RIFF", 0)):
        (tmp_path / name).write_bytes(content)
        assert missing_bytes(tmp_path / name) == missing


def test_damage_in_the_middle_is_stepped_over(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=16_000, layout="mono")
        noise = np.random.default_rng(1).integers(-9_000, 9_000, 160_000).astype("<i2")
        frame = av.AudioFrame.from_ndarray(noise[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 3_000] = b"\x00" * 3_000
    path.write_bytes(content)
    decoded = decode(path, tmp_path / "out", "auto")
    assert not decoded.complete
    assert "could not be decoded" in (decoded.incomplete_reason or "")
    assert decoded.duration_ms == pytest.approx(10_000, abs=10)
    last = np.fromfile(tmp_path / "out" / "lane-0.s16", "<i2")[-8_000:]
    np.testing.assert_allclose(last, noise[-8_000:], atol=2)


def test_a_damaged_packet_costs_only_itself(tmp_path: Path) -> None:
    """FLAC in Matroska: its packets stay, one of them no longer decodes."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("flac", rate=16_000, layout="mono")
        noise = np.random.default_rng(1).integers(-9_000, 9_000, 160_000).astype("<i2")
        frame = av.AudioFrame.from_ndarray(noise[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
        packets = [*stream.encode(frame), *stream.encode(None)]
        damaged = bytes(packets[10])
        container.mux(packets)
    content = path.read_bytes()
    assert content.count(damaged) == 1
    path.write_bytes(content.replace(damaged, bytes(len(damaged))))
    decoded = decode(path, tmp_path / "out", "auto")
    assert (decoded.incomplete_reason or "").startswith("1 piece of the sound could not be decoded")
    assert decoded.duration_ms == pytest.approx(10_000, abs=2)
    kept = np.fromfile(tmp_path / "out" / "lane-0.s16", "<i2")
    np.testing.assert_allclose(kept[-32_000:], noise[-32_000:], atol=2)
    assert (kept == 0).sum() > 1_000


def test_media_without_sound_has_no_lanes(tmp_path: Path) -> None:
    decoded = decode(silent_film(tmp_path / "film.mov"), tmp_path, "auto")
    assert decoded == Decoded(lanes=(), duration_ms=0)
    assert os.listdir(tmp_path) == ["film.mov"]


def test_no_samples_are_a_lane_of_no_duration(tmp_path: Path) -> None:
    decoded = decode(write_wav(tmp_path / "zero.wav", np.zeros(0), 8_000), tmp_path / "out", "auto")
    assert (decoded.duration_ms, decoded.complete, len(decoded.lanes)) == (0, True, 1)


def test_the_streams_left_unread_are_told_of_a_film(tmp_path: Path, speech: Path) -> None:
    decoded = decode(speech / "fixtures" / "torchcodec" / "nasa_13013.mp4", tmp_path, "auto")
    assert decoded.warnings == ("1 other audio stream of the file left unread",)


def test_ten_planar_channels_do_not_crash(tmp_path: Path) -> None:
    sound = np.stack([0.02 * (i + 1) * np.ones(4_000) for i in range(10)], axis=1)
    decoded = decode(write_wav(tmp_path / "ten.wav", sound, 16_000), tmp_path / "out", "split")
    levels = [Pcm(tmp_path / "out" / lane.file).read(100, 150).mean() for lane in decoded.lanes]
    assert levels == pytest.approx([0.02 * (i + 1) for i in range(10)], abs=1e-3)


def test_no_such_channel(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", tone(8_000, 1), 8_000)
    with pytest.raises(UsageError, match=r"a\.wav has 1 channel; there is no channel 2"):
        decode(source, tmp_path, "2")


def bad_inputs(folder: Path) -> dict[str, Path]:
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("Dear diary, this is no recording.\n" * 50)
    (folder / "note.txt").write_text("Dear diary, this is no recording.\n" * 50)
    (folder / "sub.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n\n" * 3)
    (folder / "folder.wav").mkdir()
    os.mkfifo(folder / "pipe.wav")
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("empty.wav", "empty"),
        ("text.wav", "no recording"),
        ("note.txt", "text"),
        ("sub.srt", "text"),
        ("folder.wav", "folder"),
        ("pipe.wav", "plain file"),
    ],
)
def test_what_is_no_recording_is_one_line_that_names_it(tmp_path: Path, name: str, says: str) -> None:
    path = bad_inputs(tmp_path)[name]
    for call in (lambda: probe(path), lambda: decode(path, tmp_path / "out", "auto")):
        with pytest.raises(UnreadableMedia, match=says) as caught:
            call()
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_missing_path_is_not_found(tmp_path: Path) -> None:
    for path in (tmp_path / "none.wav", tmp_path / ("x" * 300), tmp_path / "a\0b"):
        with pytest.raises(MediaNotFound):
            probe(path)


def test_no_permission_may_be_given_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_wav(tmp_path / "a.wav", tone(8_000, 1), 8_000)
    monkeypatch.setattr(media_module.os, "access", lambda *_: False)
    with pytest.raises(MediaUnavailable, match="may not read"):
        decode(source, tmp_path, "auto")


@pytest.mark.parametrize("ending", ["m3u8", "wav", "ffconcat", "mp3"])
def test_a_playlist_opens_no_other_file(tmp_path: Path, ending: str) -> None:
    """FFmpeg takes these for media by their content and would read any file or address that they name."""
    encode(tmp_path / "p001.aac", KINDS["AAC in ADTS"], tone(16_000, 1))
    for text in (
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\np001.aac\n#EXT-X-ENDLIST\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{tmp_path}/p001.aac\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile p001.aac\n",
    ):
        path = tmp_path / f"list.{ending}"
        path.write_text(text)
        with pytest.raises(MediaError):
            decode(path, tmp_path / "out", "auto")


def test_names_that_look_like_addresses_or_options_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("http:a.wav", "concat:a|b.wav", "-i.wav", "naïve «ü».wav"):
        write_wav(Path(name), tone(8_000, 0.5), 8_000)
        assert decode(Path(name), tmp_path / "out", "auto").duration_ms == 500


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", tone(8_000, 1), 8_000)
    with pytest.raises(OutputError):
        decode(source, source, "auto")


def test_probe_tells_what_the_container_declares(tmp_path: Path) -> None:
    media = probe(write_matroska(tmp_path / "late.mkv", [(2.5, tone(16_000, 1))]))
    assert (media.name, media.declared_ms, media.duration_ms, media.sha256) == ("late.mkv", 3_500, None, None)
    assert [stream.kind for stream in media.streams] == ["video", "audio"]
    sound = media.streams[1]
    assert (sound.codec, sound.sample_rate, sound.channels, sound.start_ms) == ("pcm_s16le", 16_000, 1, 2_500)


def test_probe_tells_what_a_film_of_quicktime_declares(speech: Path) -> None:
    media = probe(speech / "fixtures" / "opencast" / "av.mov")
    assert (media.name, media.declared_ms, media.duration_ms, media.sha256) == ("av.mov", 15_000, None, None)
    assert [stream.kind for stream in media.streams] == ["video", "audio"]
    sound = media.streams[1]
    assert (sound.codec, sound.sample_rate, sound.channels, sound.start_ms) == ("aac", 44_100, 1, 3_926)
    assert sound.bits_per_sample is None


def test_probe_tells_bits_of_pcm_only(tmp_path: Path) -> None:
    media = probe(write_wav(tmp_path / "a.wav", tone(8_000, 1), 8_000))
    assert media.size == (tmp_path / "a.wav").stat().st_size
    assert media.streams[0].bits_per_sample == 16
