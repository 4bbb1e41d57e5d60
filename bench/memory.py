"""Memory and time of a whole ``transcribe()`` that recognises while it decodes, of 10 minutes and of 2 hours.

    python bench/memory.py                                # the engine without a model: what all else takes
    python bench/memory.py --model whisper-tiny-archive   # with the embedded Whisper and its aligner; only prints

The recording is FLAC, 44.1 kHz, stereo, of a sample reel over and over, made on the fly and removed. Each length in a
process of its own; memory is the largest resident set of the run and of its reader's process together. The first words
are those that are kept first. Writes the table of docs/media.md between its marks.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / "bench" / "results" / "memory.json"
MINUTES = (10, 120)
AIM_MB = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="fake")
    parser.add_argument("--one", nargs=2, metavar=("TAPE", "WORK"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(*map(Path, given.one), given.model)))
        return
    from bench.intake import reel
    from bench.media import PAGE, between

    runs = []
    with tempfile.TemporaryDirectory(prefix="memory-") as name:
        for minutes in MINUTES:
            tape = reel(Path(name) / f"{minutes}.flac", minutes)
            child = [sys.executable, __file__, "--model", given.model, "--one", str(tape), f"{name}/work-{minutes}"]
            told = subprocess.run(child, check=True, capture_output=True, text=True, cwd=ROOT).stdout
            runs.append({"minutes": minutes, **json.loads(told)})
            print(runs[-1], flush=True)
            tape.unlink()
    difference = round(runs[-1]["peak_mb"] - runs[0]["peak_mb"], 1)
    print(f"difference: {difference} MB, of {AIM_MB} MB that are allowed")
    if given.model == "fake":
        lines = [
            "| {minutes} min | {words} | {first_s} s | {decoded_s} s | {wall_s} s | {peak_mb:.0f} MB |".format(**r)
            for r in runs
        ]
        PAGE.write_text(between(PAGE.read_text(encoding="utf-8"), "memory", lines), encoding="utf-8")
        figures = {"runs": runs, "difference_mb": difference, "aim_mb": AIM_MB}
        RESULTS.write_text(json.dumps(figures, indent=1) + "\n")


def measured(tape: Path, work: Path, model: str) -> dict[str, float]:
    """In this process."""
    from bench.intake import peak_mb
    from speechpipe import Settings, transcribe
    from speechpipe.pipeline.stages import DECODING

    began, told = time.perf_counter(), dict[str, float]()

    def progress(stage: str, done_ms: int, total_ms: int) -> None:
        since = round(time.perf_counter() - began, 1)
        if stage != "chunk" or done_ms >= DECODING * total_ms:
            told.setdefault("decoded_s", since)
        if any(file.stat().st_size for file in work.rglob("transcribe-*.jsonl")):
            told.setdefault("first_s", since)

    transcript = transcribe(tape, settings=Settings.load(model=model, language="en", workspace=work), progress=progress)
    wall = round(time.perf_counter() - began, 1)
    return {"words": len(transcript.words), **told, "wall_s": wall, "peak_mb": round(peak_mb(), 1)}


if __name__ == "__main__":
    main()
