"""One audio stream of a file, read with PyAV onto the recording's own timeline, in flat memory whatever its length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio.pcm import RATE, milliseconds
from speechpipe.audio.reader import machine
from speechpipe.audio.reader.riff import missing_bytes
from speechpipe.errors import UnreadableMedia

RATES = range(1_000, 1_536_001)
#: Time stamps that leap further ahead than this leave a gap that is filled with silence.
_JITTER = RATE // 10
#: Silence put in for leaps of time stamps, all together; beyond it the stamps are taken for wrong.
_MAX_SILENCE = 4 * 3600 * RATE
_SILENT_BLOCK = RATE
#: How often in a row reading on is tried where the container is damaged.
_ATTEMPTS = 5
#: Containers that number their samples: only damage leaves a gap.
_NUMBERED = {"flac", "ogg", "mxf"}
#: Containers without time stamps, and what lies between their packets where files were joined.
_COUNTED, _TAGS = {"mp3"}, (b"ID3", b"TAG", b"APETAGEX")
#: Containers whose declared duration is counted in samples, not guessed from a bit rate.
_EXACT = {"wav", "w64", "aiff", "au", "caf", "flac", "mov", "mxf"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What reading a stream to its end told. ``trouble``: why something did not decode; empty where all did.
    ``lost``: spans, in ms, whose sound could not be decoded and is silence."""

    incomplete_reason: str | None = None
    trouble: str = ""
    warnings: tuple[str, ...] = ()
    lost: tuple[tuple[int, int], ...] = ()
    declared_ms: int | None = None


class NoNumbers:
    """Samples of floats that are no numbers, in whose place is silence: where they are, to half a second."""

    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []
        self._samples = 0

    def look(self, block: NDArray[np.float32], start: int) -> None:
        """At a block (channels, samples) that begins with sample ``start`` of the recording."""
        if not block.size or not np.isnan(block.min()):
            return
        where = np.flatnonzero(np.isnan(block).any(axis=0))
        self._samples += len(where)
        first, last = milliseconds(start + int(where[0])), milliseconds(start + int(where[-1]) + 1)
        if self.spans and first - self.spans[-1][1] < 500:
            first = self.spans.pop()[0]
        self.spans.append((first, max(last, first + 1)))

    @property
    def reason(self) -> str | None:
        ms = -(-self._samples * 1000 // RATE)
        return f"{ms / 1000:g} s of the sound are no numbers" if ms else None


class Source:
    """One audio stream as blocks (channels, samples) of float32 at 16 kHz, laid onto the recording's timeline."""

    def __init__(self, path: Path, container: Any, stream: Any) -> None:
        self.written = 0
        self.ended = False
        self.trouble = ""  # why something did not decode, in FFmpeg's words
        self._path, self._container, self._stream = path, container, stream
        self._bytes = self._packets = 0  # that did decode
        self._damaged = 0  # packets that did not decode
        self._silence = 0  # samples put in for leaps
        self._none = NoNumbers()
        self._lost: list[tuple[int, int]] = []  # ms of silence in the place of what did not decode
        self._rebased = False
        self._exactly = True  # the next time stamp is followed to the sample: at the start, and after damage
        self._zero: float | None = None  # the time stamp, in seconds, of the recording's start
        self._due = 0.0  # where, in samples at 16 kHz, the next frame falls by the frames before it
        self._key: tuple[object, ...] = ()
        self._resampler: Any = None
        self._channels = 1
        self.declared_ms = self._declared_ms()

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        for frame in self._frames():
            if frame.samples <= 0:
                continue
            self._check(frame)
            key = (frame.sample_rate, frame.format.name, frame.layout.name, frame.layout.nb_channels)
            gap = self._gap(frame)
            if gap or key != self._key:
                yield from self._flushed()
                self._start(frame, key)
                yield from self._silent(gap)
            self._due += frame.samples * RATE / frame.sample_rate
            yield from self._resampled(frame)
        yield from self._flushed()
        self.ended = True

    def _frames(self) -> Iterator[Any]:
        """Frames of the stream; a packet that does not decode is stepped over."""
        import av

        packets, attempts = self._container.demux(self._stream), _ATTEMPTS
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
                self._damage(error)
                attempts -= 1
                if not attempts:
                    return
                packets = self._container.demux(self._stream)  # it may find its way behind the damage
                continue
            machine.check(self._path)  # the packet may be what was left when the disk failed
            if packet is None:
                return
            attempts = _ATTEMPTS
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
                self._damage(error)
                if isinstance(error, av.error.DecoderNotFoundError):
                    return
                self._step_over(packet)
                continue
            self._bytes, self._packets = self._bytes + packet.size, self._packets + 1
            yield from frames

    def _step_over(self, packet: Any) -> None:
        """Where stamps are counted from packets, as in MP3, one that is damage from several of them counts as these."""
        if self._container.format.name in _COUNTED and self._packets and self._zero is not None and packet.duration:
            more = packet.size * self._packets / self._bytes - 1
            if more >= 1 and not any(mark in bytes(packet) for mark in _TAGS):
                self._zero -= float(more * packet.duration * packet.time_base)

    def _damage(self, error: Exception) -> None:
        machine.check(self._path)
        if isinstance(error, MemoryError):
            machine.check_memory(self._path)
        self._damaged += 1
        self._exactly = True
        self.trouble = self.trouble or str(getattr(error, "strerror", None) or error).lower()

    def _check(self, frame: Any) -> None:
        if frame.sample_rate not in RATES:
            raise UnreadableMedia(f"{self._path} declares a sample rate of {frame.sample_rate} Hz, which no sound has.")

    def _gap(self, frame: Any) -> int:
        """Samples of silence due before ``frame`` by its time stamp."""
        stamp: float | None = frame.time
        if stamp is None:
            return 0
        first = self._zero is None
        if self._zero is None:
            start = self._container.start_time
            self._zero = stamp if start is None else start / 1_000_000
        gap = round((stamp - self._zero) * RATE - self._due)
        exactly, self._exactly = self._exactly, False
        if -_JITTER <= gap <= (0 if exactly else _JITTER):
            return 0
        if gap < 0 or self._silence + gap > _MAX_SILENCE or self._beyond(gap):  # stamps that run back or wild
            self._rebased = self._rebased or not first or gap > 0
            self._zero = stamp - self._due / RATE
            return 0
        self._silence += gap
        if not first and self._container.format.name in _NUMBERED:
            self._damage(ValueError("samples are missing"))
            exactly = True
        if exactly and not first:
            start = round(self._due)
            self._lost.append((milliseconds(start), milliseconds(start + gap)))
        return gap

    def _beyond(self, gap: int) -> bool:
        """Whether a leap ends far behind the end that the file declares."""
        return self.declared_ms is not None and milliseconds(round(self._due) + gap) > 1.1 * self.declared_ms + 60_000

    def _start(self, frame: Any, key: tuple[object, ...]) -> None:
        import av

        # Packed, not planar: PyAV reads beyond its eight planes with more channels.
        try:
            self._resampler = av.AudioResampler(format="flt", layout=frame.layout, rate=RATE)
        except (av.error.FFmpegError, ValueError) as error:
            raise UnreadableMedia(f"{self._path} has a channel layout that cannot be read.") from error
        self._key, self._channels = key, frame.layout.nb_channels

    def _silent(self, samples: int) -> Iterator[NDArray[np.float32]]:
        for start in range(0, samples, _SILENT_BLOCK):
            yield self._count(np.zeros((self._channels, min(_SILENT_BLOCK, samples - start)), np.float32))
        self._due = float(self.written)

    def _resampled(self, frame: Any) -> Iterator[NDArray[np.float32]]:
        import av

        try:
            pieces = self._resampler.resample(frame)
        except (av.error.FFmpegError, ValueError, MemoryError) as error:
            self._damage(error)
            if frame is not None and not self.written:
                raise UnreadableMedia(f"{self._path} cannot be resampled ({error}).") from error
            return
        for piece in pieces:
            if piece.samples:
                packed = np.frombuffer(piece.planes[0], np.float32, piece.samples * self._channels)
                yield self._count(packed.reshape(-1, self._channels).T)

    def _flushed(self) -> Iterator[NDArray[np.float32]]:
        if self._resampler is not None:
            yield from self._resampled(None)
            self._resampler = None

    def _count(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        self._none.look(block, self.written)
        self.written += block.shape[1]
        return block

    def _declared_ms(self) -> int | None:
        stream, whole = self._stream, self._container.duration
        if stream.duration is not None and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
            return max(0, round(seconds * 1000))
        return None if whole is None or whole < 0 else round(whole / 1000)

    def facts(self) -> Facts:
        """To be asked for after the last block."""
        lost = tuple(sorted((*self._lost, *self._none.spans)))
        return Facts(self._incomplete_reason(), self.trouble, tuple(self._warnings()), lost, self.declared_ms)

    def _incomplete_reason(self) -> str | None:
        if self._damaged:
            pieces = "1 piece" if self._damaged == 1 else f"{self._damaged} pieces"
            return f"{pieces} of the sound could not be decoded ({self.trouble})"
        if self._none.reason:
            return self._none.reason
        lost = missing_bytes(self._path)
        if lost:
            return f"the file is cut off {lost} bytes before the end that its header declares"
        missing = self._missing_ms()
        if missing and self._exact:
            return f"the file ends {missing / 1000:.1f} s before the duration that it declares"
        return None

    def _warnings(self) -> Iterator[str]:
        others = len(self._container.streams.audio) - 1
        if others:
            streams = "1 other audio stream" if others == 1 else f"{others} other audio streams"
            yield f"{streams} of the file left unread"
        if self._silence > _JITTER:
            yield f"{self._silence / RATE:.1f} s without sound by the time stamps filled with silence"
        if self._rebased:
            yield "Time stamps that run backwards or leap: times after that point are counted from the sound itself"
        missing = self._missing_ms()
        if missing > 0.2 * (self.declared_ms or 0) and not self._exact:
            yield f"The file holds {missing / 1000:.1f} s less sound than it declares"

    @property
    def _exact(self) -> bool:
        return bool(set(self._container.format.name.split(",")) & _EXACT)

    def _missing_ms(self) -> int:
        """How much shorter than declared the sound is, where that is more than a second and a hundredth."""
        if self.declared_ms is None or self._stream.duration is None:
            return 0
        missing = self.declared_ms - milliseconds(self.written)
        return missing if missing > max(1_000, self.declared_ms // 100) else 0
