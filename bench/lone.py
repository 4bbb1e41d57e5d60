"""Whether single short words are lost: spoken digits, each for itself and with pauses between them.

    python bench/lone.py             # writes the table of docs/media.md between its marks

The digits are those of six people that are cut close, 0.2 to 1 s each. For themselves: each is a recording. In a reel:
800 of them, 2 to 4 s apart, over noise of three levels. A digit is lost where no window touches it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.media import PAGE, between  # noqa: E402
from speechpipe import audio, chunking  # noqa: E402
from speechpipe.audio import RATE  # noqa: E402
from speechpipe.settings.chunking import Chunking  # noqa: E402

#: What is set, and what Silero's own functions and faster-whisper take.
TRIED = {"as it is set": Chunking(), "from 0.5": Chunking(speech_threshold=0.5, silence_threshold=0.35)}
NOISE_DBFS = (-75, -60, -50)
IN_A_REEL = 800

Sound = np.ndarray
Span = tuple[int, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--speech", type=Path, default=Path(os.environ.get("SPEECHPIPE_SHARED", ROOT.parent / "shared"), "speech")
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        digits = [decoded(path, folder) for path in sorted((parser.parse_args().speech / "fsdd").rglob("*.flac"))]
        heard = [(probabilities(digit, folder), [(0, len(digit) // 16)]) for digit in digits]
        lines = [row(f"each for itself, {len(digits)}", heard)]
        rng = np.random.default_rng(0)
        chosen = [digits[i] for i in rng.permutation(len(digits))[:IN_A_REEL]]
        for dbfs in NOISE_DBFS:
            sound, spans = in_a_reel(chosen, dbfs, rng)
            lines.append(row(f"in a reel, noise at {dbfs} dB, {len(spans)}", [(probabilities(sound, folder), spans)]))
    print("\n".join(lines))
    PAGE.write_text(between(PAGE.read_text(encoding="utf-8"), "lone", lines), encoding="utf-8")


def decoded(path: Path, folder: Path) -> Sound:
    with audio.Pcm(folder / audio.decode(path, folder, "mix").lanes[0].file) as pcm:
        return pcm.at(0, pcm.samples)


def probabilities(sound: Sound, folder: Path) -> Sound:
    audio.write_array(sound.astype(np.float64), RATE, folder)
    with audio.Pcm(folder / "lane-0.s16") as pcm:
        return chunking.speech_probabilities(pcm)


def in_a_reel(digits: list[Sound], dbfs: float, rng: np.random.Generator) -> tuple[Sound, list[Span]]:
    pieces, spans, at = list[Sound](), list[Span](), 0
    for digit in digits:
        pause = int(rng.uniform(2, 4) * RATE)
        pieces += [np.zeros(pause), digit]
        spans.append(((at + pause) // 16, (at + pause + len(digit)) // 16))
        at += pause + len(digit)
    return np.concatenate(pieces) + 10 ** (dbfs / 20) * rng.standard_normal(at), spans


def row(name: str, heard: list[tuple[Sound, list[Span]]]) -> str:
    counts = [sum(1 for found, spans in heard for _ in lost(found, spans, settings)) for settings in TRIED.values()]
    return f"| {name} | {' | '.join(map(str, counts))} |"


def lost(found: Sound, spans: list[Span], settings: Chunking) -> Iterator[Span]:
    windows = chunking.plan_windows(found, len(found) * chunking.FRAME_MS, settings)
    for start, end in spans:
        if not any(window.start_ms < end and start < window.end_ms for window in windows):
            yield start, end


if __name__ == "__main__":
    main()
