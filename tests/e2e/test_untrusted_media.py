"""Media that mean harm: they name other files and addresses, swell, leap, or never end. Each is refused or bounded."""

from __future__ import annotations

import shutil
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from speechpipe.audio import Decoded, Pcm, decode, inspect
from speechpipe.errors import MediaError, OutputError, UnreadableMedia
from tests.containers import KINDS, RATE, encode, read_speech, riff

decoding = sys.modules[decode.__module__]
HOUR = 3_600_000


class Address:
    """A port of this machine that counts who comes."""

    def __init__(self) -> None:
        self.visits = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            self.visits += 1
            visitor.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def address() -> Iterator[Address]:
    found = Address()
    yield found
    found.close()


@pytest.fixture
def secret(tmp_path: Path, talk: np.ndarray) -> Path:
    """What somebody else said, beside the file that is read."""
    return riff(tmp_path / "secret.wav", b"RIFF", talk)


HLS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1000\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10,\n{}\n"
END = "#EXT-X-ENDLIST\n"
DASH = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT10S"
 profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="audio/mp4">
<Representation id="1" bandwidth="1"><BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>"""
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {} RTP/AVP 0\n"
IMF = """<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016">
<Id>urn:uuid:11111111-1111-1111-1111-111111111111</Id><EditRate>25 1</EditRate></CompositionPlaylist>"""
#: Playlists that name a file or an address, by how they name it.
LISTS = {
    "HLS, beside it": HLS.format("secret.wav") + END,
    "HLS, whole path": HLS.format("{secret}") + END,
    "HLS, file:": HLS.format("file:{secret}") + END,
    "HLS, concat:": HLS.format("concat:{secret}|{secret}") + END,
    "HLS, subfile": HLS.format("subfile,,start,0,end,0,,:{secret}") + END,
    "HLS, crypto:": HLS.format("crypto:{secret}") + END,
    "HLS, data:": HLS.format("data:audio/wav;base64,UklGRg==") + END,
    "HLS, address": HLS.format("http://127.0.0.1:{port}/a.ts") + END,
    "HLS, key at an address": HLS.format('#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.1:{port}/k"\na.wav') + END,
    "HLS, of playlists": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://127.0.0.1:{port}/b.m3u8\n",
    "HLS, endless, of itself": HLS.format("list.m3u8"),
    "HLS, endless, by address": HLS.format("http://127.0.0.1:{port}/list.m3u8"),
    "ffconcat": "ffconcat version 1.0\nfile secret.wav\n",
    "ffconcat, whole path": "ffconcat version 1.0\nfile '{secret}'\n",
    "ffconcat, address": "ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/a.wav'\n",
    "ffconcat, endless": "ffconcat version 1.0\n" + "file list.ffconcat\n" * 1_000,
    "DASH": DASH.format("secret.wav"),
    "DASH, address": DASH.format("http://127.0.0.1:{port}/a.mp4"),
    "SDP": SDP.format("{port}"),
    "IMF": IMF,
}
ENDINGS = {"HLS": "m3u8", "ffconcat": "ffconcat", "DASH": "mpd", "SDP": "sdp", "IMF": "xml"}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_other_files_and_addresses_is_refused(
    name: str, tmp_path: Path, secret: Path, address: Address
) -> None:
    text = LISTS[name].replace("{secret}", str(secret)).replace("{port}", str(address.port))
    for ending in (ENDINGS[name.split(",")[0]], "wav"):
        path = tmp_path / f"list.{ending}"
        path.write_text(text)
        with pytest.raises(UnreadableMedia, match="list of other files|no recording"):
            decode(path, tmp_path / "out", "auto")
        with pytest.raises(UnreadableMedia):
            inspect(path)
        assert not (tmp_path / "out").exists()
    assert address.visits == 0


def boxes(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while start + 8 <= end:
        size = int.from_bytes(content[start : start + 4], "big")
        yield content[start + 4 : start + 8], start, start + size
        start += size


def with_reference(content: bytes, elsewhere: Path) -> bytes:
    """A QuickTime file whose first track says that its samples lie in the file ``elsewhere``."""
    name = str(elsewhere).encode()
    alias = b"alis" + bytes(4) + bytes(10) + b"\1" + b"v".ljust(27, b"\0") + bytes(12)
    alias += b"\6" + b"secret".ljust(63, b"\0") + bytes(16) + struct.pack(">HH", 0, 0) + bytes(16)
    alias += struct.pack(">HH", 2, len(name)) + name + bytes(len(name) % 2) + struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I", len(alias) + 4) + alias
    parents, start, end = [], 0, len(content)
    for wanted in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        start, end = next((a, b) for box, a, b in boxes(content, start, end) if box == wanted)
        parents.append(start)
        start += 8
    old = end - (start + 8)
    changed = bytearray(content[: start + 8] + entry + content[end:])
    for parent in parents:
        size = int.from_bytes(changed[parent : parent + 4], "big") + len(entry) - old
        changed[parent : parent + 4] = size.to_bytes(4, "big")
    return bytes(changed)


def test_samples_that_lie_in_another_file_are_not_read(tmp_path: Path, secret: Path) -> None:
    """A data reference of QuickTime; FFmpeg follows it when it is allowed to, as is shown first."""
    sound = read_speech(secret)
    other = encode(tmp_path / "other.mov", KINDS["MOV, PCM"], sound)
    path = tmp_path / "reel.mov"
    with av.open(str(path), "w", format="mov") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, len(sound)), "<i2"), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        container.mux([*stream.encode(frame), *stream.encode(None)])
    path.write_bytes(with_reference(path.read_bytes(), other))
    with av.open(str(path), options={"enable_drefs": "1", "use_absolute_path": "1"}) as container:
        assert max(np.abs(frame.to_ndarray()).max() for frame in container.decode(audio=0)) > 1_000
    try:
        decoded = decode(path, tmp_path / "out", "auto")
    except MediaError:
        return
    for lane in decoded.lanes:
        with Pcm(tmp_path / "out" / lane.file) as pcm:
            assert not pcm.read(0, decoded.duration_ms).any()


def crc(content: bytes, width: int, polynomial: int) -> int:
    found = 0
    for byte in content:
        found ^= byte << (width - 8)
        for _ in range(8):
            found = (found << 1 ^ (polynomial if found >> (width - 1) else 0)) & ((1 << width) - 1)
    return found


def flac_of_nothing(path: Path, hours: float, *, rate: int = 8_000, declared: int | None = None) -> Path:
    """FLAC of digital silence: 14 bytes for each 65,535 samples."""
    frames = round(hours * 3600 * rate / 65_535)
    samples = frames * 65_535 if declared is None else declared
    info = struct.pack(">HH", 65_535, 65_535) + bytes(6)
    info += (rate << 44 | 0 << 41 | 15 << 36 | samples & (1 << 36) - 1).to_bytes(8, "big") + bytes(16)
    with path.open("wb") as file:
        file.write(b"fLaC\x80" + len(info).to_bytes(3, "big") + info)
        for number in range(frames):
            head = b"\xff\xf8\x70\x08" + chr(number).encode() + struct.pack(">H", 65_534)
            frame = head + bytes([crc(head, 8, 0x07)]) + bytes(3)
            file.write(frame + struct.pack(">H", crc(frame, 16, 0x8005)))
    return path


def test_silence_in_few_bytes_is_still_a_recording(tmp_path: Path) -> None:
    path = flac_of_nothing(tmp_path / "a.flac", 0.2)
    assert path.stat().st_size < 1_500
    decoded = decode(path, tmp_path / "out", "auto")
    assert (decoded.duration_ms, decoded.complete) == (720_885, True)


def test_what_swells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "UNDOUBTED_MS", HOUR // 6)
    path = flac_of_nothing(tmp_path / "a.flac", 1)
    with pytest.raises(UnreadableMedia, match=r"a\.flac swells: 6\d\d\d bytes gave 0 hours"):
        decode(path, tmp_path / "out", "auto")
    assert list((tmp_path / "out").iterdir()) == []


def test_no_more_than_a_hundred_hours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoding.LONGEST_MS == 100 * HOUR
    monkeypatch.setattr(decoding, "LONGEST_MS", HOUR // 4)
    path = riff(tmp_path / "a.wav", b"RIFF", np.zeros(20 * 60 * RATE))
    with pytest.raises(UnreadableMedia, match="plays for more than"):
        decode(path, tmp_path / "out", "auto")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("declared", [1, 2**31, 2**36 - 1])
def test_a_length_that_cannot_be_true_asks_for_no_space(tmp_path: Path, declared: int) -> None:
    """2 ** 36 samples at 8 kHz are 2,386 hours, 275 GB."""
    path = flac_of_nothing(tmp_path / "a.flac", 0.01, declared=declared)
    decoded = decode(path, tmp_path / "out", "auto")
    assert decoded.duration_ms == pytest.approx(32_768, abs=2)
    assert decoded.complete == (declared == 1)


def test_a_length_that_can_be_true_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = riff(tmp_path / "a.wav", b"RIFF", np.zeros(10 * 60 * RATE))
    monkeypatch.setattr(decoding, "SPARE_BYTES", shutil.disk_usage(tmp_path).free - 1_000)
    with pytest.raises(OutputError, match="Decoding a.wav needs"):
        decode(path, tmp_path / "out", "auto")


def leaping(path: Path, leap_s: float, start_s: int = 0) -> Path:
    """Four seconds of a tone, stamped from ``start_s``; the latter two are stamped so much later."""
    tone = (8_000 * np.sin(np.arange(4 * 48_000) / 20)).astype("<i2")
    with av.open(str(path), "w", format="mpegts") as output:
        stream = output.add_stream("mp2", rate=48_000, layout="mono")
        for number, start in enumerate(range(0, len(tone), 1_152)):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone[None, start : start + 1_152]), "s16", "mono")
            frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
            frame.pts = start_s * 48_000 + start + (round(leap_s * 48_000) if number >= 84 else 0)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def heard(decoded: Decoded) -> float:
    return decoded.duration_ms / 1000


@pytest.mark.parametrize(("leap_s", "seconds"), [(0, 4), (30, 34), (20_000, 4), (80_000, 4)])
def test_time_stamps_that_leap_are_followed_within_reason(tmp_path: Path, leap_s: float, seconds: float) -> None:
    path = leaping(tmp_path / "a.ts", leap_s)
    decoded = decode(path, tmp_path / "out", "auto")
    assert heard(decoded) == pytest.approx(seconds, abs=0.1)
    assert any("run backwards or leap" in warning for warning in decoded.warnings) == (leap_s not in (0, 30))


def test_time_stamps_that_run_back_are_counted_on(tmp_path: Path) -> None:
    """Two files joined end to end, the later one first."""
    late, early = leaping(tmp_path / "late.ts", 0, 1_000), leaping(tmp_path / "early.ts", 0)
    (tmp_path / "a.ts").write_bytes(late.read_bytes() + early.read_bytes())
    decoded = decode(tmp_path / "a.ts", tmp_path / "out", "auto")
    assert heard(decoded) == pytest.approx(8, abs=0.2)
    assert any("run backwards or leap" in warning for warning in decoded.warnings)


def test_one_wild_stamp_does_not_make_an_hour_of_silence(tmp_path: Path) -> None:
    """A packet whose stamp was hit, in a file that ends where it says."""
    path = leaping(tmp_path / "a.ts", 0)
    content = bytearray(path.read_bytes())
    starts = [at for at in range(0, len(content) - 188, 188) if b"\0\0\1\xc0" in content[at : at + 30]]
    assert len(starts) > 8
    middle = starts[len(starts) // 2]
    at = content.index(b"\0\0\1\xc0", middle) + 9
    content[at + 1] ^= 0x40  # bit 28 of 33: 2,982 s
    path.write_bytes(content)
    decoded = decode(path, tmp_path / "out", "auto")
    assert heard(decoded) == pytest.approx(4, abs=0.2)


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/urandom", "/proc/self/mem"])
def test_devices_that_never_end_are_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "a.wav").symlink_to(target)
    with pytest.raises(MediaError, match="plain file|is empty|damaged"):
        decode(tmp_path / "a.wav", tmp_path / "out", "auto")


def test_a_track_of_many_channels_costs_little(tmp_path: Path) -> None:
    """64 channels, which a stretch without sound must not be made of all at once."""
    content = np.zeros((8_000, 64), "<i2")
    head = b"RIFF" + struct.pack("<I", 36 + content.nbytes) + b"WAVEfmt " + struct.pack("<I", 16)
    head += struct.pack("<HHIIHH", 1, 64, 8_000, 8_000 * 128, 128, 16) + b"data" + struct.pack("<I", content.nbytes)
    (tmp_path / "a.wav").write_bytes(head + content.tobytes())
    decoded = decode(tmp_path / "a.wav", tmp_path / "out", "split")
    assert (len(decoded.lanes), decoded.duration_ms) == (64, 1_000)
