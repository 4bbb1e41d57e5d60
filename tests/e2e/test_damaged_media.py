"""A second in the middle of a recording is destroyed: what follows keeps its place, and the transcript says where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechpipe import Settings, transcribe
from speechpipe.audio import Pcm, decode
from tests.containers import KINDS, RATE, encode

#: Of what does not say so itself, as PCM and AMR, zeros are sound; ADTS has neither time stamps nor whole packets left.
NAMES = ("FLAC", "MP3", "M4A, AAC", "M4A, ALAC", "MP4, AAC", "Ogg Vorbis", "Ogg Opus", "MKV, FFV1 and FLAC")
NAMES += ("MXF, MPEG-2 and PCM", "MPEG-TS, AAC", "MPEG-PS, MP2")


@pytest.fixture
def sound(talk: np.ndarray) -> np.ndarray:
    return talk


def late(found: np.ndarray, sound: np.ndarray) -> float:
    """By how many milliseconds the last three seconds of ``sound`` come late in ``found``."""
    last, size = sound[-3 * RATE :], 1 << 19
    cross = np.fft.irfft(np.fft.rfft(found, size) * np.conj(np.fft.rfft(last, size)), size)
    return (int(cross.argmax()) - (len(sound) - len(last))) * 1000 / RATE


def damaged(folder: Path, name: str, sound: np.ndarray) -> Path:
    """The sixth of eleven parts of the file is zeros."""
    path = encode(folder / f"a.{KINDS[name].ending}", KINDS[name], sound)
    content = bytearray(path.read_bytes())
    start, end = len(content) * 5 // 11, len(content) * 6 // 11
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_what_follows_keeps_its_place_and_the_gap_is_told(name: str, tmp_path: Path, sound: np.ndarray) -> None:
    path = damaged(tmp_path, name, sound)
    transcript = transcribe(path, settings=Settings.load(model="fake", workspace=tmp_path / "work"))
    assert not transcript.complete
    assert "of the sound could not be decoded" in (transcript.incomplete_reason or "")
    lost = [event for event in transcript.events if event.kind == "unreadable"]
    assert sum(event.end_ms - event.start_ms for event in lost) == pytest.approx(1_500, abs=700)
    assert all(3_900 < event.start_ms < event.end_ms < 7_100 for event in lost)
    decoded = decode(path, tmp_path / "out", "auto")
    assert decoded.duration_ms == pytest.approx(11_000, abs=100)
    with Pcm(tmp_path / "out" / "lane-0.s16") as pcm:
        found = pcm.at(0, pcm.samples)
        for event in lost:  # silence, save where the resampler rings
            assert np.abs(pcm.read(event.start_ms + 60, event.end_ms - 60)).max() < 0.02
    assert -5 <= late(found, sound) <= 80


def test_packets_that_wma_no_longer_has_are_silence_in_their_place_and_told(tmp_path: Path, sound: np.ndarray) -> None:
    """Its demuxer drops zeros without a word; a piece that is hit in part may be an error besides."""
    decoded = decode(damaged(tmp_path, "WMA", sound), tmp_path / "out", "auto")
    (told,) = decoded.warnings
    assert told.endswith("without sound by the time stamps filled with silence")
    assert 0.5 < float(told.split()[0]) < 2
    with Pcm(tmp_path / "out" / "lane-0.s16") as pcm:
        assert -5 <= late(pcm.at(0, pcm.samples), sound) <= 80


@pytest.mark.parametrize("tag", [b"ID3\4\0\0\0\2\0\0" + bytes(32_768), b"APETAGEX" + bytes(9_000)])
def test_tags_between_joined_files_are_no_lost_sound(tag: bytes, tmp_path: Path, sound: np.ndarray) -> None:
    one = encode(tmp_path / "one.mp3", KINDS["MP3, VBR without header"], sound).read_bytes()
    path = tmp_path / "joined.mp3"
    path.write_bytes(one + tag + one)
    decoded = decode(path, tmp_path / "out", "auto")
    assert decoded.duration_ms == pytest.approx(2 * 11_050, abs=120)
