"""Peak memory of decoding and speech activity on 10 minutes and on 2 hours of synthetic sound, each in its own process.

Each length is measured three times; the difference given is the worst one: the highest peak of the long recording less
the lowest of the short one. Every run stands in the results, with its peak after decoding and at the end.

Run from the project's root: python bench/decode_memory.py. Writes bench/results/decode_memory.json.
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

RATE = 44_100
MINUTES = (10, 120)
TIMES = 3
RESULTS = Path(__file__).resolve().parent / "results" / "decode_memory.json"


def write_recording(path: Path, minutes: int) -> None:
    """A stereo FLAC of syllable-like bursts, which change from minute to minute, over hiss; written as a stream."""
    import av

    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=RATE, layout="stereo")
        t = np.arange(10 * RATE) / RATE
        for block in range(minutes * 6):
            rng = np.random.default_rng(block)
            voice = sum(np.sin(2 * np.pi * (110 + block % 50) * k * t) / k for k in range(1, 12))
            sound = 0.1 * voice * (np.sin(2 * np.pi * 3.7 * t) > 0) * (np.sin(2 * np.pi * 0.2 * t) > -0.5)
            stereo = np.stack([sound, 0.8 * sound]) + rng.standard_normal((2, len(t))) * 0.003
            samples = np.ascontiguousarray((stereo * 32_767).astype("<i2").T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
            frame.sample_rate = RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def measure(path: Path, folder: Path) -> dict[str, float]:
    """In this process: decode with ``auto`` channels, then speech activity, windows and events of every lane."""
    from speechpipe.audio import Pcm, decode
    from speechpipe.chunking import find_events, plan_windows, speech_probabilities
    from speechpipe.settings import Chunking

    started = time.perf_counter()
    decoded = decode(path, folder, "auto")
    decoding = time.perf_counter() - started
    decode_peak = peak_mb()
    for lane in decoded.lanes:
        pcm = Pcm(folder / lane.file)
        probabilities = speech_probabilities(pcm)
        find_events(pcm, probabilities, plan_windows(probabilities, pcm.duration_ms, Chunking()), lane.channel)
    return {
        "audio_s": decoded.duration_ms / 1000,
        "decode_s": round(decoding, 2),
        "chunk_s": round(time.perf_counter() - started - decoding, 2),
        "decode_peak_mb": decode_peak,
        "peak_mb": peak_mb(),
    }


def peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def main() -> None:
    runs: list[dict[str, float]] = []
    for minutes in MINUTES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            subprocess.run([sys.executable, __file__, "write", str(folder / "a.flac"), str(minutes)], check=True)
            child = [sys.executable, __file__, "measure", str(folder / "a.flac"), str(folder)]
            for _ in range(TIMES):
                run = json.loads(subprocess.run(child, check=True, capture_output=True).stdout)
                runs.append({"minutes": minutes, **run})
                print(
                    "{minutes:4d} min: {peak_mb} MB peak ({decode_peak_mb} after decoding),".format(**runs[-1]), end=" "
                )
                print("decode {decode_s} s, chunk {chunk_s} s".format(**run), flush=True)
    peaks = [[run["peak_mb"] for run in runs if run["minutes"] == minutes] for minutes in MINUTES]
    difference = round(max(peaks[-1]) - min(peaks[0]), 1)
    print(f"worst difference: {difference} MB")
    software = {name: version(name) for name in ("av", "numpy", "onnxruntime", "faster-whisper")}
    result = {
        "runs": runs,
        "worst_difference_mb": difference,
        "python": platform.python_version(),
        "software": software,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    if sys.argv[1:2] == ["write"]:
        write_recording(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(Path(sys.argv[2]), Path(sys.argv[3]))))
    else:
        main()
