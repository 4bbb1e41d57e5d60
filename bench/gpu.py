"""speechpipe and faster-whisper on a CUDA device: compute types and sizes of batches, with the times of words.

    python bench/gpu.py                       # writes the table of docs/speed.md between its marks
    python bench/gpu.py --weights DIR         # other weights in CTranslate2's form, such as a copy in int8

For whoever has such a device; it has not been run where the project was made. CTranslate2 looks for cuBLAS and cuDNN of
CUDA 12 (``nvidia-cublas-cu12``, ``nvidia-cudnn-cu12``, their folders in ``LD_LIBRARY_PATH``), which is not the CUDA of
the extras' torch. Both programs run in this environment, as processes of their own. The sound is that of
``bench/peers.py``; where it lies in ``--cache`` already, the speech collection is not needed. A copy of the weights in
int8 is half as large to carry: ``ct2-transformers-converter --quantization int8`` makes one of Hugging Face's form.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ctranslate2

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / "bench" / "results" / "gpu.json"

from bench import peers  # noqa: E402
from bench.side_by_side import page  # noqa: E402
from bench.side_by_side.audio import RECORDINGS, made  # noqa: E402
from speechpipe.files import write_atomically  # noqa: E402

PROGRAMS = {"speechpipe": peers.Peer("on_speechpipe"), "faster-whisper, batched": peers.Peer("on_faster_whisper")}
COMPUTE_TYPES = ("float16", "int8_float16")
BATCHES = (8, 16, 32)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("SPEECHPIPE_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--speech", type=Path, default=shared / "speech", help="the speech collection")
    parser.add_argument("--cache", type=Path, default=peers.cache(), help="where the sound is")
    parser.add_argument("--weights", type=Path, help=f"a model in CTranslate2's form; else {peers.MODEL} of the store")
    parser.add_argument("--audio", choices=list(RECORDINGS), default="reel")
    parser.add_argument("--share", type=float, default=1.0, help="part of the recording's length")
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    if not ctranslate2.get_cuda_device_count():
        sys.exit("There is no CUDA device on this machine; nothing was measured.")
    ct2 = asked.weights or peers.weights()
    asked.cache.mkdir(parents=True, exist_ok=True)
    media, words = made(asked.cache, asked.speech, [asked.audio], asked.share)[asked.audio]
    task = {"model": str(asked.weights or peers.MODEL), "ct2": str(ct2), "device": "cuda"}
    task |= {"threads": len(os.sched_getaffinity(0)), "beam": 5, "media": str(media)}
    runs = list[dict[str, Any]]()
    for program, kind, size in settings(asked.rounds):
        told = task | {"compute_type": kind, "batch": size}
        run = peers.ran(Path(sys.executable), PROGRAMS[program], told, words)
        runs.append({"audio": asked.audio, "peer": f"{program}, {kind}, batches of {size}", **run})
        print(json.dumps(runs[-1]), flush=True)
    figures = {
        "date": datetime.now(UTC).date().isoformat(),
        "device": device(),
        "weights": str(task["model"]),
        "audio": {asked.audio: {"seconds": peers.seconds(media)}},
        "rounds": asked.rounds,
        "rows": page.medians(runs),
        "runs": runs,
    }
    write_atomically(RESULTS, (json.dumps(figures, indent=1, ensure_ascii=False) + "\n").encode())
    whole = page.put(peers.PAGE.read_text(encoding="utf-8"), table(figures), "gpu")
    write_atomically(peers.PAGE, whole.encode())
    print(table(figures))
    return int(any(run["failed"] for run in runs))


def settings(rounds: int) -> Iterator[tuple[str, str, int]]:
    """Program, compute type and size of batches; each round the other way round."""
    every = [(program, kind, size) for kind in COMPUTE_TYPES for size in BATCHES for program in PROGRAMS]
    for round_ in range(rounds):
        yield from every if round_ % 2 == 0 else every[::-1]


def table(figures: dict[str, Any]) -> str:
    """Wall time counts the start of the process and the loading of the model."""
    name, about = next(iter(figures["audio"].items()))
    said = f"{figures['date']}, {figures['device']}; {Path(figures['weights']).name}, {name}, {about['seconds']:.0f} s"
    return "\n".join([f"{said}, medians of {figures['rounds']} rounds.", "", *page.grid(figures["rows"])])


def device() -> str:
    """The name of the first device, and its driver."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    told = subprocess.run(command, capture_output=True, text=True)
    return told.stdout.splitlines()[0] if told.returncode == 0 and told.stdout else "a CUDA device"


if __name__ == "__main__":
    sys.exit(main())
