"""How often speech at the wrong speed is suspected, and speech at its own speed never: each speaker of the collection.

python bench/wrong_speed.py      # writes the table of docs/media.md between its marks
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / "bench" / "results" / "wrong_speed.json"

from bench.media import PAGE, between  # noqa: E402
from speechpipe import audio, chunking  # noqa: E402
from speechpipe.chunking.speed import Voice  # noqa: E402
from speechpipe.errors import SpeechpipeError  # noqa: E402
from speechpipe.settings.chunking import Chunking  # noqa: E402

FACTORS = {1.0: "its own", 2.0: "twice", 0.5: "half"}
MOST_S, LEAST_S = 40, 8
#: Digits and test files, which are no talk.
NOT = ("fixtures", "fsdd", "captions")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--speech", type=Path, default=Path(os.environ.get("SPEECHPIPE_SHARED", ROOT.parent / "shared"), "speech")
    )
    speech = parser.parse_args().speech
    found: dict[float, list[Voice | None]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        for files in speakers(speech):
            sound = spoken(files, Path(name))
            if len(sound) < LEAST_S * audio.RATE:
                continue
            for factor in FACTORS:
                found[factor].append(played(np.tile(sound, 2 if factor > 1 else 1), factor, Path(name)))
    lines, figures = [], {}
    for factor, voices in found.items():
        known = [voice for voice in voices if voice is not None]
        told = [voice.warning or "" for voice in known]
        says = {word: sum(word in warning for warning in told) for word in ("twice its speed", "half its speed")}
        scores = [voice.score for voice in known]
        figures[str(factor)] = {"speakers": len(voices), "measured": len(known), **says}
        figures[str(factor)] |= {"lowest_score": round(min(scores), 2), "highest_score": round(max(scores), 2)}
        lines.append(f"| {FACTORS[factor]} | {len(voices)} | {len(known)} | {' | '.join(map(str, says.values()))} |")
    print("\n".join(lines), json.dumps(figures), sep="\n")
    PAGE.write_text(between(PAGE.read_text(encoding="utf-8"), "speed", lines), encoding="utf-8")
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")


def speakers(speech: Path) -> list[list[Path]]:
    """Files of one speaker together, where a folder names speakers; else each for itself."""
    groups: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for line in (speech / "MANIFEST.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        folder = row["path"].split("/")[0]
        if folder not in NOT:
            groups[folder, row.get("speaker") or row["path"]].append(speech / row["path"])
    return [files for _, files in sorted(groups.items())]


def spoken(files: list[Path], folder: Path) -> np.ndarray:
    pieces: list[np.ndarray] = []
    for path in files:
        try:
            lane = audio.decode(path, folder / "said", "mix").lanes[0]
        except (SpeechpipeError, IndexError):
            continue
        with audio.Pcm(folder / "said" / lane.file) as pcm:
            sound = pcm.at(0, MOST_S * audio.RATE)
        if len(sound):
            pieces.append(0.5 * sound / max(1e-6, float(np.abs(sound).max())))
        if sum(map(len, pieces)) >= MOST_S * audio.RATE:
            break
    return np.concatenate([np.zeros(0), *pieces])[: MOST_S * audio.RATE]


def played(sound: np.ndarray, factor: float, folder: Path) -> Voice | None:
    audio.write_wav(sound, round(audio.RATE * factor), folder / "a.wav")
    lane = audio.decode(folder / "a.wav", folder / "out", "auto").lanes[0]
    with audio.Pcm(folder / "out" / lane.file) as pcm:
        windows = chunking.plan_windows(chunking.speech_probabilities(pcm), pcm.duration_ms, Chunking())
        return chunking.measure_voice(pcm, windows)


if __name__ == "__main__":
    main()
