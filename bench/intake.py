"""Time and memory from the file to the windows: decoding, speech activity, windows and events of a ten-hour recording.

    python bench/intake.py                 # ten hours; writes the table of docs/media.md between its marks
    python bench/intake.py --minutes 20    # only prints

The file is FLAC, 44.1 kHz, stereo, of a sample reel over and over: 1.4 GB for ten hours, made on the fly and removed.
On the same file in the same run, each in a process of its own: faster-whisper's ``decode_audio`` and its search for
speech; and what whisperX's ``load_audio`` does, its ffmpeg process replaced by the same libraries called from PyAV,
since no ffmpeg program is needed here: all of the sound as 16-bit mono at 16 kHz in one piece of memory, then as floats
in another, as there. It looks for no speech, so its time is of a part of the work. Memory is the largest resident set
of a process, and where there is a reader's process, of both together. A peer gets no more memory than is free when it
starts; where that does not suffice it ran out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / "bench" / "results" / "intake.json"
RATE = 44_100
SHORT = 10  # minutes, to compare the memory with
WHOLE = 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=WHOLE)
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(given.one[0], Path(given.one[1]))))
        return
    with tempfile.TemporaryDirectory(prefix="intake-") as name:
        folder = Path(name)
        short, long = (reel(folder / f"{m}.flac", m) for m in (min(SHORT, given.minutes // 2 or 1), given.minutes))
        found = {
            f"{what}, {path.stem} min": ran(what, path) for what, path in (("speechpipe", short), ("speechpipe", long))
        }
        found |= {f"{what}, {long.stem} min": ran(what, long) for what in PEERS}
        size_mb = long.stat().st_size >> 20
    ours = [run for name, run in found.items() if name.startswith("speechpipe")]
    figures = {
        "file_mb": size_mb,
        "runs": found,
        "growth_mb": round(ours[1]["peak_mb"] - ours[0]["peak_mb"], 1),
        "python": platform.python_version(),
        "software": {package: version(package) for package in ("av", "numpy", "onnxruntime", "faster-whisper")},
    }
    lines = [row(name, run) for name, run in found.items()]
    print("\n".join(lines), json.dumps(figures), sep="\n")
    if given.minutes >= WHOLE:
        from bench.media import PAGE, between

        PAGE.write_text(between(PAGE.read_text(encoding="utf-8"), "intake", lines), encoding="utf-8")
        RESULTS.write_text(json.dumps(figures, indent=1) + "\n")


def row(name: str, run: dict[str, float]) -> str:
    if "ran_out_mb" in run:
        return f"| {name} | | | ran out of {run['ran_out_mb']:.0f} MB |"
    return f"| {name} | {run['s_per_hour']:.1f} s | {run['cpu_s_per_hour']:.1f} s | {run['peak_mb']:.0f} MB |"


def reel(path: Path, minutes: int) -> Path:
    """The sample reel over and over, its right channel a little fainter."""
    import av
    import numpy as np

    with av.open(str(ROOT / "sample_audio" / "reel-12.flac")) as source:
        resampler = av.AudioResampler("s16", "mono", RATE)
        frames = [*(piece for frame in source.decode(audio=0) for piece in resampler.resample(frame))]
        mono = np.concatenate([frame.to_ndarray()[0] for frame in [*frames, *resampler.resample(None)]])
    stereo = np.stack([mono, mono * 0.9], axis=1).astype("<i2").reshape(1, -1)
    with av.open(str(path), "w", format="flac") as target:
        stream = target.add_stream("flac", rate=RATE, layout="stereo")
        written = 0
        while written < minutes * 60 * RATE:
            for start in range(0, stereo.shape[1], 20 * RATE):
                frame = av.AudioFrame.from_ndarray(stereo[:, start : start + 20 * RATE], "s16", "stereo")
                frame.sample_rate, frame.pts, frame.time_base = RATE, written, Fraction(1, RATE)
                target.mux(stream.encode(frame))
                written += frame.samples
        target.mux(stream.encode(None))
    return path


def ran(what: str, path: Path) -> dict[str, float]:
    child = [sys.executable, __file__, "--one", what, str(path)]
    done = subprocess.run(child, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{what} failed on {path.name}:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(what: str, path: Path) -> dict[str, float]:
    """In this process: what it took."""
    free = free_mb()
    if what in PEERS:
        resource.setrlimit(resource.RLIMIT_DATA, (free << 20, free << 20))
    started = time.perf_counter()
    try:
        hours = {**PEERS, "speechpipe": speechpipe}[what](path)
    except MemoryError:
        return {"ran_out_mb": free}
    except Exception as error:  # the runtime of the network has errors of its own
        if "alloc" in str(error).lower():
            return {"ran_out_mb": free}
        raise
    wall, peak = time.perf_counter() - started, peak_mb()
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in (own, children))
    return {
        "hours": round(hours, 3),
        "s_per_hour": round(wall / hours, 2),
        "cpu_s_per_hour": round(cpu / hours, 2),
        "peak_mb": round(peak, 1),
    }


def peak_mb() -> float:
    """The largest resident set of this process, and of its readers. Not by ``getrusage``: what is told there of a
    process is at least what its parent held when it was started."""
    from speechpipe.audio.reader import isolated

    pids = [os.getpid(), *(worker.process.pid for worker in isolated._idle)]
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    peak = sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    isolated._end_all()  # so that their use of the processor is counted
    return peak


def free_mb() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 9 // 10 >> 10


def speechpipe(path: Path) -> float:
    """Hours of sound, by the way that every recording takes up to its windows and events."""
    from speechpipe import audio
    from speechpipe.pipeline.chunk.stage import decode, make_plan
    from speechpipe.pipeline.chunk.voice_activity import Hearing
    from speechpipe.settings.chunking import Chunking

    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        media = audio.probe(path)
        with Hearing(Path(name)) as hearing:
            reporting = hearing.reporting(lambda done, total: None)
            decoded = decode(path, Path(name), "auto", media.declared_ms, reporting)
        plan = make_plan(media, decoded, Path(name), Chunking(), lambda done, total: None, hearing)
    assert plan.windows
    return decoded.duration_ms / 3_600_000


def faster_whisper(path: Path) -> float:
    from faster_whisper.audio import decode_audio
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    sound = decode_audio(str(path))
    assert get_speech_timestamps(sound, VadOptions())
    return len(sound) / 16_000 / 3600


def whisperx_loading(path: Path) -> float:
    import av
    import numpy as np

    resampler, pieces = av.AudioResampler("s16", "mono", 16_000), []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            pieces += [bytes(piece.planes[0])[: 2 * piece.samples] for piece in resampler.resample(frame)]
    pieces += [bytes(piece.planes[0])[: 2 * piece.samples] for piece in resampler.resample(None)]
    out = b"".join(pieces)
    del pieces
    sound = np.frombuffer(out, np.int16).flatten().astype(np.float32) / 32768.0
    return len(sound) / 16_000 / 3600


PEERS: dict[str, Callable[[Path], float]] = {
    "faster-whisper, decode_audio and VAD": faster_whisper,
    "whisperX, load_audio alone": whisperx_loading,
}

if __name__ == "__main__":
    main()
