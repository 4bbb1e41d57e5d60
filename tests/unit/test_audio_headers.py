"""Headers that cannot be true, and samples that are no numbers: told, and never taken for silence."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from speechpipe import Settings, transcribe
from speechpipe.audio import decode
from speechpipe.errors import UnreadableMedia

SECOND = 16_000


def wav(path: Path, content: bytes, channels: int = 1, *, floats: bool = False, order: str = "<") -> Path:
    size = 4 if floats else 2
    block = min(65_535, channels * size)
    about = struct.pack(f"{order}HHIIHH", 3 if floats else 1, channels, SECOND, SECOND * block, block, size * 8)
    riff = b"RIFF" if order == "<" else b"RIFX"
    head = riff + struct.pack(f"{order}I", 36 + len(content)) + b"WAVEfmt " + struct.pack(f"{order}I", 16)
    path.write_bytes(head + about + b"data" + struct.pack(f"{order}I", len(content)) + content)
    return path


@pytest.mark.parametrize("channels", [0, 65, 1_000, 32_768, 65_535])
@pytest.mark.parametrize("streams", ["best", "all"])
def test_a_number_of_channels_that_no_sound_has_is_no_silence(channels: int, streams: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-9_000, 9_000, 5 * SECOND).astype("<i2").tobytes()
    path = wav(tmp_path / "a.wav", noise, channels)
    settings = Settings.load(model="fake", workspace=tmp_path / "work", streams=streams)
    with pytest.raises(UnreadableMedia, match=r"a\.wav") as caught:
        transcribe(path, settings=settings)
    assert not caught.value.curable


def test_as_many_channels_as_there_are_are_read(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-9_000, 9_000, 64 * SECOND).astype("<i2").tobytes()
    decoded = decode(wav(tmp_path / "a.wav", noise, 64), tmp_path / "out", "auto")
    assert decoded.complete and decoded.duration_ms == 1_000 and len(decoded.lanes) == 64


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_file_of_no_numbers_is_not_silent_without_a_word(order: str, tmp_path: Path) -> None:
    content = np.full(10 * SECOND, np.nan, f"{order}f4").tobytes()
    path = wav(tmp_path / "a.wav", content, floats=True, order=order)
    found = transcribe(path, settings=Settings.load(model="fake", workspace=tmp_path / "work"))
    assert found.outcome != "silent" and not found.complete
    assert found.incomplete_reason == "10 s of the sound are no numbers"
    assert [(event.kind, event.start_ms, event.end_ms) for event in found.events] == [("unreadable", 0, 10_000)]


def test_where_samples_are_no_numbers_is_told(tmp_path: Path) -> None:
    sound = np.sin(np.arange(20 * SECOND) * 0.05).astype("<f4") * 0.3
    sound[5 * SECOND : 6 * SECOND] = np.nan
    sound[12 * SECOND] = np.nan
    decoded = decode(wav(tmp_path / "a.wav", sound.tobytes(), floats=True), tmp_path / "out", "auto")
    assert not decoded.complete and decoded.duration_ms == 20_000
    assert decoded.incomplete_reason == "1.001 s of the sound are no numbers"
    assert decoded.lost == ((5_000, 6_000), (12_000, 12_001))


def test_what_is_merely_too_loud_is_whole(tmp_path: Path) -> None:
    sound = np.tile(np.float32([0.1, -0.1, 50, -50]), SECOND).astype("<f4")
    decoded = decode(wav(tmp_path / "a.wav", sound.tobytes(), floats=True), tmp_path / "out", "auto")
    assert decoded.complete and decoded.lost == ()
