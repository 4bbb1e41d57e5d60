"""Streaming decode of a media file onto the recording's own timeline, in flat memory whatever its length."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio.channels import Layout, check, choose, even, parse
from speechpipe.audio.pcm import RATE, SAMPLE_BYTES, Decoded, LaneWriter, Pcm, milliseconds
from speechpipe.audio.reader.isolated import PATIENCE, Exchange
from speechpipe.audio.watch import Watch
from speechpipe.errors import OutputError, UnreadableMedia

#: ``progress(done_ms, declared_ms)``; None: not declared.
Progress = Callable[[int, int | None], None]

_PROGRESS_EVERY = 5 * RATE
#: No carrier plays longer; what does is a file that swells.
LONGEST_MS = 100 * 3_600_000
#: A file with less than this for each second of its sound is made to swell, or its header lies: the leanest codec of
#: silence takes 20 bytes.
LEAST_BYTES_A_SECOND = 8
#: So long a sound is taken from any file, however small.
UNDOUBTED_MS = 5 * 3_600_000
#: Space that decoding leaves on the disk for others.
SPARE_BYTES = 200 << 20


def decode(
    path: Path,
    folder: Path,
    channels: str = "auto",
    on_progress: Progress | None = None,
    *,
    stream: int | None = None,
    patience: float = PATIENCE,
) -> Decoded:
    """Decode an audio stream of ``path`` into one PCM file a lane in ``folder``.

    Times count from the start of the recording as its container has it: a late stream and gaps become silence.
    Damaged pieces are stepped over; what decoded is kept, and ``complete`` is False with the reason. The decoder runs
    in a process of its own, which is ended where it gives no sign of life for ``patience`` seconds.

    Args:
        channels: ``auto`` | ``mix`` | ``split`` | a channel as a person counts, from 1.
        stream: the stream's index in the file; None for the one that FFmpeg holds for the best.

    Raises:
        UsageError: ``channels`` is none of these, or there is no such channel or stream.
        MediaNotFound, UnreadableMedia: the file cannot be read, or nothing in it can be decoded.
        MediaUnavailable: the machine did not give it to its end; nothing of it is left.
        OutputError: ``folder`` cannot be written to, or the disk would become full.
    """
    path, wanted = Path(path), parse(channels)
    with ExitStack() as stack:
        probes = _Probes(path, folder, wanted, stream, patience)
        stack.callback(probes.remove)
        if not probes.sound:
            return Decoded(lanes=(), duration_ms=0)
        layout = choose(probes.pcms(stack), wanted)
        if probes.whole and layout.gain == 1.0:
            reading = _Reading(probes.blocks(), lambda: probes.answer, lambda: "")
        else:
            exchange = Exchange("decode", path, stream, patience)
            reading = _Reading(exchange, lambda: exchange.answer, lambda: exchange.broken)
        return _written(path, folder, layout, reading, probes.declared_ms, on_progress)


class _Probes:
    """The sound of places spread over the stream, one file a channel, which go when the decoding ends."""

    def __init__(self, path: Path, folder: Path, wanted: str | int, stream: int | None, patience: float) -> None:
        exchange = Exchange("spread", path, stream, patience)
        self._folder, self._count, self._files = folder, 0, list[Path]()
        blocks = iter(exchange)
        first = next(blocks, None)
        if first is None:
            trouble = exchange.broken or exchange.answer.get("trouble")
            if trouble and not exchange.answer.get("readable"):
                raise UnreadableMedia(f"Nothing in {path} can be decoded ({trouble}).")
            first = np.zeros((1, 0), np.float32)
        self.sound = bool(exchange.answer.get("sound", True))
        if self.sound:
            self._count = len(first)
            check(wanted, self._count, path.name)
            names = [f"probe-{i}.s16" for i in range(self._count)]
            with LaneWriter(folder, names) as writer:
                self._files = [folder / name for name in names]
                writer.write(first)
                for block in blocks:
                    writer.write(even(block, self._count))
        self.answer = exchange.answer
        self.whole = bool(exchange.answer.get("whole"))
        self.declared_ms: int | None = exchange.answer.get("declared_ms")

    def pcms(self, stack: ExitStack) -> list[Pcm]:
        self._pcms = [stack.enter_context(Pcm(file)) for file in self._files]
        return self._pcms

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        for blocks in zip(*(pcm.blocks(_PROGRESS_EVERY) for pcm in self._pcms), strict=True):
            yield np.stack(blocks)

    def remove(self) -> None:
        for file in self._files:
            file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Blocks, and what is known after the last of them."""

    blocks: Any
    answer: Callable[[], dict[str, Any]]
    broken: Callable[[], str]


def _written(
    path: Path,
    folder: Path,
    layout: Layout,
    reading: _Reading,
    declared_ms: int | None,
    on_progress: Progress | None,
) -> Decoded:
    lanes, watch = layout.lanes, Watch(layout)
    samples = reported = 0
    _check_space(path, folder, declared_ms, len(lanes))
    with LaneWriter(folder, [lane.file for lane in lanes]) as writer:
        for block in reading.blocks:
            block = even(block, len(layout.channels))
            writer.write(layout.mixed(block))
            watch.see(block)
            samples += block.shape[1]
            if samples - reported >= _PROGRESS_EVERY:
                reported = samples
                _check_length(path, milliseconds(samples))
                _check_space(path, folder, None, len(lanes))
                if on_progress is not None:
                    on_progress(milliseconds(samples), declared_ms)
    answer, broken = reading.answer(), reading.broken()
    if broken and not samples:
        for lane in lanes:
            (folder / lane.file).unlink(missing_ok=True)
        raise UnreadableMedia(f"Nothing in {path} can be decoded ({broken}).")
    reason = f"only the beginning could be read: {broken}" if broken else answer.get("incomplete_reason")
    return Decoded(
        lanes=lanes,
        duration_ms=milliseconds(samples),
        complete=reason is None,
        incomplete_reason=reason,
        warnings=(*answer.get("warnings", ()), *layout.warnings, *watch.warnings()),
        policy=layout.policy,
        gain=layout.gain,
        channels=layout.channels,
        lost=tuple((start, end) for start, end in answer.get("lost", ())),
    )


def _check_length(path: Path, decoded_ms: int) -> None:
    if decoded_ms > LONGEST_MS:
        raise UnreadableMedia(
            f"{path} plays for more than {LONGEST_MS // 3_600_000} hours.", cure="Cut it into parts, if it is real."
        )
    if decoded_ms > max(UNDOUBTED_MS, _most_ms(path)):
        raise UnreadableMedia(
            f"{path} swells: {path.stat().st_size} bytes gave {decoded_ms // 3_600_000} hours of sound so far.",
            cure="No recording does that. Fetch it again from its source.",
        )


def _most_ms(path: Path) -> int:
    """What a file of this size can hold."""
    return path.stat().st_size * 1000 // LEAST_BYTES_A_SECOND


def _check_space(path: Path, folder: Path, declared_ms: int | None, lanes: int) -> None:
    """Ask for the disk's space before it is full: for all of the sound where a length is declared that can be true."""
    needed = min(declared_ms or 0, _most_ms(path)) * RATE // 1000 * SAMPLE_BYTES * lanes
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if free < needed + SPARE_BYTES:
        raise OutputError(
            f"Decoding {path.name} needs {(needed + SPARE_BYTES) >> 20} MB in {folder}; {free >> 20} MB are free.",
            cure="Free some space, or name another folder with --workspace.",
        )
