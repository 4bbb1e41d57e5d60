"""Peak memory of a whole ``transcribe()`` on 10 minutes and on 2 hours: the sample reel again and again.

    python bench/memory.py

Each in a process of its own, with the embedded Whisper and its aligner; the aim is a difference within 60 MB.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINUTES = (10, 120)
AIM_MB = 60


def main() -> None:
    runs = []
    with tempfile.TemporaryDirectory() as name:
        for minutes in MINUTES:
            tape = Path(name) / f"{minutes}.wav"
            write_tape(tape, minutes)
            child = [sys.executable, __file__, str(tape), str(Path(name) / f"work-{minutes}")]
            told = subprocess.run(child, check=True, capture_output=True, text=True, cwd=ROOT).stdout
            runs.append({"minutes": minutes, **json.loads(told)})
            print(runs[-1], flush=True)
    figures = {"runs": runs, "difference_mb": round(runs[-1]["peak_mb"] - runs[0]["peak_mb"], 1), "aim_mb": AIM_MB}
    print(f"difference: {figures['difference_mb']} MB")
    (ROOT / "bench" / "results" / "memory.json").write_text(json.dumps(figures, indent=1) + "\n")


def write_tape(path: Path, minutes: int) -> None:
    from speechpipe.audio import RATE, decode

    with tempfile.TemporaryDirectory() as folder:
        decoded = decode(ROOT / "sample_audio" / "reel-12.flac", Path(folder), "mix")
        reel = (Path(folder) / decoded.lanes[0].file).read_bytes()
    wanted = minutes * 60 * RATE * 2
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        while wanted > 0:
            file.writeframes(reel[:wanted])
            wanted -= len(reel)


def measure(tape: Path, work: Path) -> None:
    from speechpipe import Settings, transcribe

    began = time.perf_counter()
    transcript = transcribe(tape, settings=Settings.load(model="whisper-tiny-archive", language="en", workspace=work))
    figures = {
        "words": len(transcript.words),
        "wall_s": round(time.perf_counter() - began, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        main()
