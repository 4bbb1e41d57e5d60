"""Containers and codecs that recordings come in, each made as a real file from speech."""

from __future__ import annotations

import struct
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 16_000


@dataclass(frozen=True)
class Kind:
    """``exact``: no codec loses anything, so that samples can be compared, not only the sound's shape."""

    ending: str
    container: str
    codec: str
    rate: int = 48_000
    channels: int = 1
    video: str | None = None
    exact: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


KINDS = {
    "WAV, 8 bit": Kind("wav", "wav", "pcm_u8", 11_025),
    "WAV, 16 bit": Kind("wav", "wav", "pcm_s16le", 44_100, 2, exact=True),
    "WAV, 24 bit, 96 kHz": Kind("wav", "wav", "pcm_s24le", 96_000, 2, exact=True),
    "WAV, 32 bit, 192 kHz": Kind("wav", "wav", "pcm_s32le", 192_000, exact=True),
    "WAV, float": Kind("wav", "wav", "pcm_f32le", 48_000, exact=True),
    "WAV, double": Kind("wav", "wav", "pcm_f64le", 32_000, exact=True),
    "WAV, A-law": Kind("wav", "wav", "pcm_alaw", 8_000),
    "WAV, ADPCM": Kind("wav", "wav", "adpcm_ms", 22_050),
    "WAVE_FORMAT_EXTENSIBLE, 6 channels": Kind("wav", "wav", "pcm_s24le", 48_000, 6, exact=True),
    "Wave64": Kind("w64", "w64", "pcm_s16le", 48_000, exact=True),
    "AIFF": Kind("aiff", "aiff", "pcm_s16be", 44_100, 2, exact=True),
    "CAF, ALAC": Kind("caf", "caf", "alac", 44_100, 2, exact=True),
    "AU": Kind("au", "au", "pcm_s16be", 22_050, exact=True),
    "FLAC": Kind("flac", "flac", "flac", 96_000, 2, exact=True),
    "WavPack in MKV": Kind("mka", "matroska", "wavpack", 48_000, 2, exact=True),
    "M4A, ALAC": Kind("m4a", "ipod", "alac", 44_100, 2, exact=True),
    "M4A, AAC": Kind("m4a", "ipod", "aac", 44_100, 2),
    "AAC in ADTS": Kind("aac", "adts", "aac", 44_100),
    "MP3, VBR without header": Kind("mp3", "mp3", "libmp3lame", 44_100, 2, options={"write_xing": "0"}),
    "MP3": Kind("mp3", "mp3", "libmp3lame", 44_100, 2),
    "MP2": Kind("mp2", "mp2", "mp2", 48_000, 2),
    "Ogg Vorbis": Kind("ogg", "ogg", "vorbis", 44_100, 2),
    "Ogg Opus": Kind("opus", "ogg", "libopus", 48_000),
    "AMR": Kind("amr", "amr", "libopencore_amrnb", 8_000),
    "WMA": Kind("wma", "asf", "wmav2", 44_100, 2),
    "MP4, AAC": Kind("mp4", "mp4", "aac", 48_000, 2, video="mpeg4"),
    "MOV, PCM": Kind("mov", "mov", "pcm_s24be", 48_000, 2, video="mpeg4", exact=True),
    "MKV, FFV1 and FLAC": Kind("mkv", "matroska", "flac", 48_000, 2, video="ffv1", exact=True),
    "MKV, FFV1 and PCM": Kind("mkv", "matroska", "pcm_s24le", 48_000, 2, video="ffv1", exact=True),
    "WebM, Opus": Kind("webm", "webm", "libopus", 48_000),
    "MXF, MPEG-2 and PCM": Kind("mxf", "mxf", "pcm_s24le", 48_000, 1, video="mpeg2video", exact=True),
    "MPEG-PS, MP2": Kind("mpg", "vob", "mp2", 48_000, 2, video="mpeg2video"),
    "MPEG-PS, AC-3": Kind("vob", "vob", "ac3", 48_000, 2, video="mpeg2video"),
    "MPEG-TS, AAC": Kind("ts", "mpegts", "aac", 48_000, 2, video="mpeg2video"),
    "MPEG-TS, MP2": Kind("ts", "mpegts", "mp2", 48_000, 2, video="mpeg2video"),
    "AVI, PCM": Kind("avi", "avi", "pcm_s16le", 48_000, 2, video="mpeg4", exact=True),
    "AVI, DV": Kind("avi", "avi", "pcm_s16le", 48_000, 2, video="dvvideo", exact=True),
    "AVI, MP3": Kind("avi", "avi", "libmp3lame", 48_000, 2, video="mpeg4"),
}


def read_channels(path: Path) -> NDArray[np.float64]:
    """A WAV of 16 bits, within -1..1, as (samples, channels)."""
    with wave.open(str(path)) as file:
        content = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return content.reshape(-1, file.getnchannels()) / 32_768


def read_speech(path: Path) -> NDArray[np.float64]:
    """A mono WAV of 16 bits at 16 kHz, within -1..1."""
    return read_channels(path)[:, 0]


def encode(path: Path, kind: Kind, sound: NDArray[np.float64]) -> Path:
    """``sound`` (at 16 kHz) as a file of that kind, with a grey picture where it has one.

    Sound of one channel is put on all; else it is (samples, channels).
    """
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[kind.channels]
    with av.open(str(path), "w", format=kind.container, options=dict(kind.options)) as container:
        picture = _picture(container, kind)
        stream = container.add_stream(kind.codec, rate=kind.rate)
        stream.codec_context.layout = layout
        stream.codec_context.format = _format(kind.codec)
        stream.codec_context.options = {"strict": "experimental"} if kind.codec == "vorbis" else {}
        if kind.options.get("write_xing") == "0":
            stream.codec_context.qscale = True
            stream.codec_context.global_quality = 4 * 118  # FF_QP2LAMBDA
        if kind.codec == "wmav2":
            stream.codec_context.bit_rate = 128_000
        if picture is not None:
            _encode_picture(container, picture, len(sound) / RATE)
        resampler = av.AudioResampler(stream.codec_context.format.name, layout, kind.rate, stream.frame_size or None)
        packed = np.broadcast_to(sound.reshape(len(sound), -1), (len(sound), kind.channels)).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed.astype(np.float32), "flt", layout)
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def _format(codec: str) -> str:
    return str(av.codec.Codec(codec, "w").audio_formats[0].name)


def _picture(container: av.container.OutputContainer, kind: Kind) -> av.VideoStream | None:
    if kind.video is None:
        return None
    stream = container.add_stream(kind.video, rate=25)
    stream.width, stream.height = (720, 576) if kind.video == "dvvideo" else (64, 64)
    stream.pix_fmt = "yuv420p"
    return stream


def _encode_picture(container: av.container.OutputContainer, stream: av.VideoStream, seconds: float) -> None:
    grey = av.VideoFrame.from_ndarray(np.full((stream.height * 3 // 2, stream.width), 128, np.uint8), format="yuv420p")
    for number in range(round(seconds * 25)):
        grey.pts, grey.time_base = number, Fraction(1, 25)
        container.mux(stream.encode(grey))
    container.mux(stream.encode(None))


def silent_film(path: Path) -> Path:
    """A second of a grey picture in a file without any sound."""
    with av.open(str(path), "w", format="mov") as container:
        picture = _picture(container, Kind("mov", "mov", "none", video="mpeg4"))
        assert picture is not None
        _encode_picture(container, picture, 1)
    return path


def chunk(name: bytes, content: bytes) -> bytes:
    """One chunk of a RIFF file."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def chunked_wav(path: Path, *extra: bytes, form: bytes = b"RIFF") -> Path:
    """A second of silence at 8 kHz behind the chunks ``extra``."""
    chunks = (
        b"".join(extra)
        + chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8_000, 16_000, 2, 16))
        + chunk(b"data", bytes(16_000))
    )
    path.write_bytes(form + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks)
    return path


def bext(**fields: bytes) -> bytes:
    """A broadcaster's notes (EBU Tech 3285), the fields as bytes."""
    content = bytearray(602)
    places = {"description": 0, "originator": 256, "reference": 288, "date": 320, "time": 330, "samples": 338}
    places |= {"version": 346, "umid": 348, "loudness": 412}
    for name, value in fields.items():
        if name != "history":
            content[places[name] : places[name] + len(value)] = value
    return chunk(b"bext", bytes(content) + fields.get("history", b""))


def riff(path: Path, form: bytes, sound: NDArray[np.float64], *, declared: int | None = None) -> Path:
    """16-bit mono at 16 kHz as RIFF, RIFX (big-endian), RF64 or BW64; ``declared`` bytes of sound in its header."""
    big = form == b"RIFX"
    order, data = (">", sound * 32_767) if big else ("<", sound * 32_767)
    content = data.astype(f"{order}i2").tobytes()
    size = len(content) if declared is None else declared
    format_ = b"fmt " + struct.pack(f"{order}IHHIIHH", 16, 1, 1, RATE, RATE * 2, 2, 16)
    long = b"ds64" + struct.pack("<IQQQI", 28, size + 72, size, size // 2, 0) if form in (b"RF64", b"BW64") else b""
    short = 0xFFFFFFFF if long else size
    whole = 0xFFFFFFFF if long else 36 + size
    head = form + struct.pack(f"{order}I", whole) + b"WAVE" + long + format_ + b"data" + struct.pack(f"{order}I", short)
    path.write_bytes(head + content)
    return path
