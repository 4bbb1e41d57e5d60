"""A second reader, libsndfile: for the few files that FFmpeg refuses, such as RIFX and RF64 without its ``ds64``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio.pcm import RATE
from speechpipe.audio.reader import machine
from speechpipe.audio.reader.riff import missing_bytes
from speechpipe.audio.reader.source import RATES, Facts, NoNumbers
from speechpipe.errors import UnreadableMedia
from speechpipe.transcript_data import Media, Stream

_SECONDS = 10
_BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 32, "DOUBLE": 64}


def probe_second(path: Path) -> Media:
    """What the header says. Raises ``UnreadableMedia`` where libsndfile refuses the file too."""
    with _opened(path) as file:
        stream = Stream(
            index=0,
            kind="audio",
            codec=file.subtype.lower(),
            sample_rate=file.samplerate,
            channels=file.channels,
            bits_per_sample=_BITS.get(file.subtype),
            duration_ms=_length_ms(file),
        )
        return Media(
            name=path.name,
            size=path.stat().st_size,
            declared_ms=_length_ms(file),
            container=file.format.lower(),
            streams=(stream,),
        )


def misread(path: Path) -> bool:
    """Whether FFmpeg takes the file, but in the wrong order of bytes."""
    try:
        with machine.open_media(path) as file:
            return file.read(4) == b"RIFX"
    except OSError:
        return False


class SecondSource:
    """As ``Source``, of a file's only stream."""

    def __init__(self, path: Path) -> None:
        self.written = 0
        self.ended = False
        self._path, self._file, self._trouble, self._none = path, _opened(path), "", NoNumbers()
        if self._file.samplerate not in RATES:
            raise UnreadableMedia(f"{path} declares a sample rate of {self._file.samplerate} Hz, which no sound has.")
        self.declared_ms = _length_ms(self._file)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """(channels, samples) at 16 kHz, -1..1."""
        import av

        rate, channels = self._file.samplerate, self._file.channels
        layout = {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
        resampler = av.AudioResampler(format="flt", layout=layout, rate=RATE)
        for sound in self._sound(_SECONDS * rate):
            frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="flt", layout=layout)
            frame.sample_rate = rate
            yield from self._counted(resampler.resample(frame), channels)
        yield from self._counted(resampler.resample(None), channels)
        self.ended = True

    def facts(self) -> Facts:
        reason = f"the sound could not be read to its end ({self._trouble})" if self._trouble else self._none.reason
        if reason is None and (lost := missing_bytes(self._path)):
            reason = f"the file is cut off {lost} bytes before the end that its header declares"
        return Facts(reason, self._trouble, (), tuple(self._none.spans), self.declared_ms)

    def _sound(self, samples: int) -> Iterator[NDArray[np.float32]]:
        import soundfile

        while True:
            try:
                block = self._file.read(samples, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, ValueError, MemoryError) as error:
                machine.check(self._path)
                if isinstance(error, MemoryError):
                    machine.check_memory(self._path)
                self._trouble = str(error).lower()
                return
            machine.check(self._path)
            if not len(block):
                return
            yield np.ascontiguousarray(block)

    def _counted(self, frames: Any, channels: int) -> Iterator[NDArray[np.float32]]:
        for frame in frames:
            if frame.samples:
                block = frame.to_ndarray().reshape(-1, channels).T
                self._none.look(block, self.written)
                self.written += frame.samples
                yield block


def _opened(path: Path) -> Any:
    import soundfile

    try:
        return soundfile.SoundFile(machine.open_media(path))
    except (soundfile.SoundFileError, ValueError, TypeError, OSError) as error:
        raise UnreadableMedia(f"{path} is damaged, or no recording of a known format.") from error


def _length_ms(file: Any) -> int | None:
    return round(file.frames * 1000 / file.samplerate) if file.samplerate > 0 and file.frames >= 0 else None
