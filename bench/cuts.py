"""Whether cuts lose words, on speech whose words' times are known: by people, and the sample reels'.

    python bench/cuts.py             # writes the table of docs/media.md between its marks

Cuts in speech are forced by windows of few seconds and pauses that count only from a second on. For each such cut it is
also told where the quietest tenth of a second of the same half window lies: the other place to cut in.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.media import PAGE, between  # noqa: E402
from speechpipe import audio, chunking  # noqa: E402
from speechpipe.settings.chunking import Chunking  # noqa: E402

#: Name → settings.
TRIED = {
    "as it is set": Chunking(),
    "at most 6 s, as for short announcements": Chunking(max_window_ms=6_000),
    "at most 4 s, pauses from 1 s": Chunking(max_window_ms=4_000, min_pause_ms=1_000),
    "at most 2.5 s, pauses from 1 s": Chunking(max_window_ms=2_500, min_pause_ms=1_000),
}
_EDGE_MS = 20  # of a word, within which its time is not known


class Spoken(NamedTuple):
    words: list[tuple[int, int]]
    sound: np.ndarray
    probabilities: np.ndarray
    duration_ms: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--speech", type=Path, default=Path(os.environ.get("SPEECHPIPE_SHARED", ROOT.parent / "shared"), "speech")
    )
    with tempfile.TemporaryDirectory() as folder:
        spoken = [heard(path, words, Path(folder)) for path, words in known(parser.parse_args().speech)]
    lines = []
    for name, settings in TRIED.items():
        found: Counter[str] = Counter()
        for one in spoken:
            found += judged(one, settings)
        shares = [f"{found[what] / found['cuts']:.0%}" if found["cuts"] else "" for what in ("ours", "quietest")]
        words = f"{found['words']} | {found['whole']} | {found['halved']}"
        lines.append(f"| {name} | {words} | {found['cuts']} | {' | '.join(shares)} |")
    print("\n".join(lines))
    PAGE.write_text(between(PAGE.read_text(encoding="utf-8"), "cuts", lines), encoding="utf-8")


def known(speech: Path) -> Iterator[tuple[Path, list[tuple[int, int]]]]:
    for line in (speech / "MANIFEST.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row.get("words"):
            yield speech / row["path"], spans(row["words"])
    for name in ("reel-12.flac", "slate.wav", "film.mp4", "innspilling.wav"):
        path = ROOT / "sample_audio" / name
        yield path, spans(json.loads(Path(f"{path}.reference.json").read_text(encoding="utf-8"))["words"])


def spans(words: list[dict[str, int | None]]) -> list[tuple[int, int]]:
    pairs = [(word["start_ms"], word["end_ms"]) for word in words]
    return [(start, end) for start, end in pairs if start is not None and end is not None and start < end]


def heard(path: Path, words: list[tuple[int, int]], folder: Path) -> Spoken:
    lane = audio.decode(path, folder, "mix").lanes[0]
    with audio.Pcm(folder / lane.file) as pcm:
        return Spoken(words, pcm.at(0, pcm.samples), chunking.speech_probabilities(pcm), pcm.duration_ms)


def judged(one: Spoken, settings: Chunking) -> Counter[str]:
    """Words that lie whole in a window; those halved by a cut; and cuts in words."""
    windows = chunking.plan_windows(one.probabilities, one.duration_ms, settings)
    found = Counter(words=len(one.words))
    for start, end in one.words:
        whole = any(window.start_ms <= start and end <= window.end_ms for window in windows)
        cut = any(start < edge < end for window in windows[:-1] for edge in [window.end_ms])
        found += Counter(whole=whole, halved=cut and not whole)
    for before, after in pairwise(windows):
        if after.overlap_ms:
            ours = (before.end_ms + after.start_ms) // 2
            first = before.start_ms + settings.max_window_ms // 2
            quietest = quiet(one.sound, first, before.start_ms + settings.max_window_ms - after.overlap_ms)
            found += Counter(cuts=1, ours=inside(one.words, ours), quietest=inside(one.words, quietest))
    return found


def quiet(sound: np.ndarray, start_ms: int, end_ms: int) -> int:
    """The middle of the quietest 96 ms."""
    steps = sound[start_ms * 16 : end_ms * 16]
    powers = np.square(steps[: len(steps) // 512 * 512]).reshape(-1, 512).mean(axis=1)
    around = np.convolve(powers, np.ones(3), "valid")
    return start_ms + int(around.argmin()) * 32 + 48 if len(around) else start_ms


def inside(words: list[tuple[int, int]], place: int) -> bool:
    return any(start + _EDGE_MS < place < end - _EDGE_MS for start, end in words)


if __name__ == "__main__":
    main()
