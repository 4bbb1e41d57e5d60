"""Decoded sound as it lies on disk: headerless signed 16-bit little-endian mono at 16 kHz, one file a lane."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from speechpipe.files import explained, sync_folder

RATE = 16_000
SAMPLE_BYTES = 2
FULL_SCALE = 32_768.0
MOST_DC = 0.01
#: Files of floats may hold anything; 24 dB above full scale is no sound's level.
LOUDEST = 16.0


class Pcm:
    """A lane's samples, read by position; nothing of it is kept in memory.

    Read with ``pread``: pages of a memory map would count as resident memory.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._descriptor: int | None = os.open(self.path, os.O_RDONLY)
        self.samples = os.fstat(self._descriptor).st_size // SAMPLE_BYTES

    @property
    def duration_ms(self) -> int:
        return milliseconds(self.samples)

    def read(self, start_ms: int, end_ms: int) -> NDArray[np.float32]:
        """Samples from ``start_ms`` up to ``end_ms`` within -1..1; shorter where the lane ends earlier."""
        return self.at(start_ms * RATE // 1000, (end_ms - start_ms) * RATE // 1000)

    def at(self, start: int, samples: int) -> NDArray[np.float32]:
        """``samples`` samples from sample ``start``; shorter where the lane ends earlier."""
        if self._descriptor is None:
            raise ValueError(f"{self.path.name} is closed")
        start = max(0, start)
        wanted = max(0, min(samples, self.samples - start)) * SAMPLE_BYTES
        pieces = []
        offset = start * SAMPLE_BYTES
        while wanted and (piece := os.pread(self._descriptor, wanted, offset)):
            pieces.append(piece)
            wanted -= len(piece)
            offset += len(piece)
        return np.frombuffer(b"".join(pieces), dtype="<i2").astype(np.float32) / np.float32(FULL_SCALE)

    def blocks(self, samples: int) -> Iterator[NDArray[np.float32]]:
        """The whole lane in order, ``samples`` at a time; the last block may be shorter."""
        for start in range(0, self.samples, samples):
            yield self.at(start, samples)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Pcm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_descriptor", None) is not None:
            self.close()


@dataclass(frozen=True, slots=True)
class Lane:
    """One stream of sound to transcribe. ``channel`` is the source channel from 0, ``None`` for mono and mixes."""

    channel: int | None
    file: str


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel as measured at places spread over the recording. Levels are in dB of full scale, None for no sound
    at all; ``dc`` is its mean, full scale being 1; ``clipped`` the share of samples at full scale; ``hum_dbfs`` the
    level of mains hum at multiples of ``hum_hz``, 50 or 60, None where none stands out."""

    peak_dbfs: float | None
    rms_dbfs: float | None
    dc: float
    clipped: float
    hum_hz: int | None = None
    hum_dbfs: float | None = None

    @property
    def offset(self) -> float:
        """What is to be taken off, for recognition: a mean that matters, under a sound."""
        return self.dc if abs(self.dc) > MOST_DC and self.rms_dbfs is not None else 0.0


@dataclass(frozen=True, slots=True)
class Decoded:
    """What decoding left in its folder. ``lanes`` is empty for media without sound; ``policy`` says how channels
    became lanes: ``none``, ``mono``, ``mix``, ``polarity``, ``live``, ``split``, ``groups`` or ``channel``. ``gain`` is
    by what a very quiet recording was raised; ``lost`` are spans, in ms, of sound that could not be decoded."""

    lanes: tuple[Lane, ...]
    duration_ms: int
    complete: bool = True
    incomplete_reason: str | None = None
    warnings: tuple[str, ...] = ()
    policy: str = "none"
    gain: float = 1.0
    channels: tuple[Channel, ...] = ()
    lost: tuple[tuple[int, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        lists = {name: list(getattr(self, name)) for name in ("warnings", "lost")}
        return {**asdict(self), **lists, "lanes": _plain(self.lanes), "channels": _plain(self.channels)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Decoded:
        """Read what ``to_dict`` wrote.

        Raises:
            TypeError, KeyError: not what it wrote.
        """
        return cls(
            **{
                **data,
                "lanes": tuple(Lane(**lane) for lane in data["lanes"]),
                "warnings": tuple(data["warnings"]),
                "channels": tuple(Channel(**channel) for channel in data["channels"]),
                "lost": tuple((start, end) for start, end in data["lost"]),
            }
        )


def _plain(rows: tuple[Lane, ...] | tuple[Channel, ...]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]


class LaneWriter:
    """Writes lanes side by side into ``folder``: under temporary names, renamed once all are whole and synced."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.samples = 0
        self._folder = folder
        self._paths = [folder / name for name in names]
        self._stack = ExitStack()
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._files: list[BinaryIO] = [
                self._stack.enter_context(self._part(path).open("wb")) for path in self._paths
            ]

    def write(self, block: NDArray[np.float32]) -> None:
        """Append ``block`` (lanes, samples), within -1..1; what is louder is clipped, what is no number is silence."""
        scaled = sane(block) * np.float32(FULL_SCALE)
        np.rint(scaled, out=scaled)
        whole = np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1, out=scaled).astype("<i2")
        with explained(self._folder):
            for file, row in zip(self._files, whole, strict=True):
                file.write(row.tobytes())
        self.samples += block.shape[1]

    def __enter__(self) -> LaneWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if kind is None:
                self._keep()
        finally:
            self._stack.close()
            for path in self._paths:
                self._part(path).unlink(missing_ok=True)

    def _keep(self) -> None:
        with explained(self._folder):
            for file in self._files:
                file.flush()
                os.fsync(file.fileno())
            for path in self._paths:
                self._part(path).replace(path)
            sync_folder(self._folder)

    @staticmethod
    def _part(path: Path) -> Path:
        return path.with_name(f"{path.name}.part")


def sane(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """``block`` with what is no number as silence, and nothing beyond ``LOUDEST``: sums and squares stay finite."""
    if not block.size or -LOUDEST <= block.min() <= block.max() <= LOUDEST:  # not so where there is a NaN
        return block
    return np.clip(np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0), -LOUDEST, LOUDEST)


def milliseconds(samples: int) -> int:
    """Samples at 16 kHz as milliseconds, rounded half up."""
    return (samples * 1000 + RATE // 2) // RATE
