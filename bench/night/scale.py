"""What a night of many short recordings costs beside the recognition: a real server, the engine that needs no model.

    python bench/night/scale.py [RECORDINGS]

Two nights over the same recordings; prints and keeps the figures. Not among what ``make bench`` runs: it takes a while.
"""

from __future__ import annotations

import json
import os
import platform
import random
import sys
import tempfile
import threading
import time
import wave
from array import array
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from flows.running.server import PROGRAM  # noqa: E402
from tests.e2e.served import Served, children  # noqa: E402

RESULT = ROOT / "bench" / "results" / "scale.json"
SECONDS_EACH = 2
STAGES = 4
SECONDS_TO_RECORD = 120


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as folder:
        served = Served(ROOT, Path(folder), together=len(os.sched_getaffinity(0)))
        make_recordings(served.recordings, count)
        served.start()
        watch = Memory(served)
        try:
            first = night(served)
            watch.stop()
            rows = recorded(served, count)
            second = night(served)
            worked = receipts(served)
            each = sum(worked) / 1000 / count / served.together
            figures = {
                "recordings": count,
                "seconds_each": SECONDS_EACH,
                "at_once": served.together,
                "first_night": first,
                "second_night": second,
                "seconds_a_recording": round(float(str(first["seconds"])) / count, 3),
                "seconds_of_them_beside_its_own_work": round(float(str(first["seconds"])) / count - each, 3),
                **rows,
                "lost_receipts": count - len(worked),
                "locked_database": (served.data / "prefect" / "server.log").read_text().count("database is locked"),
                "load_of_the_machine": round(os.getloadavg()[2], 1),
                "memory_mb": watch.largest,
                "database_mb": round(
                    sum(p.stat().st_size for p in (served.data / "prefect").glob("prefect.db*")) / 1e6
                ),
                "cores": len(os.sched_getaffinity(0)),
                "python": platform.python_version(),
                "prefect": version("prefect"),
            }
        finally:
            served.stop()
    print(json.dumps(figures, indent=1))
    RESULT.write_text(json.dumps(figures, indent=1) + "\n")


def night(served: Served) -> dict[str, object]:
    """Asked after once in a while only, as each question costs the server too."""
    before, began = int(served.post("/flow_runs/count", {})), time.monotonic()
    server, serve = children(served.process.pid, PROGRAM)[0], served.process.pid
    cpu = [cpu_seconds(server), cpu_seconds(serve, children=True)]
    run = served.run("Transcribe new recordings")
    while (state := served.state(run))["type"] not in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
        time.sleep(1 if time.monotonic() - began < 60 else 5)
    seconds = round(time.monotonic() - began, 1)
    after = int(served.post("/flow_runs/count", {}))
    return {
        "seconds": seconds,
        "runs_begun": after - before - 1,
        "told": state["message"],
        "cpu_seconds": {
            "server": round(cpu_seconds(server) - cpu[0]),
            "runs": round(cpu_seconds(serve, children=True) - cpu[1]),
        },
    }


def recorded(served: Served, count: int) -> dict[str, int]:
    """What the server knows of the night: rows of runs and of stages, which come a while after the fact."""
    one = {"flows": {"name": {"any_": ["transcribe-recording"]}}}
    until = time.monotonic() + SECONDS_TO_RECORD
    while True:
        runs = int(served.post("/flow_runs/count", one))
        stages = int(served.post("/task_runs/count", one))
        lost = {"lost_runs": count - runs, "lost_stages": STAGES * count - stages}
        if not any(lost.values()) or time.monotonic() > until:
            return lost
        time.sleep(5)


def receipts(served: Served) -> list[int]:
    """How long each recording was in work itself, in milliseconds, from the receipts of those that are done."""
    found = [json.loads(path.read_bytes()) for path in served.outputs() if path.name.endswith(".speechpipe.json")]
    return [receipt["wall_ms"] for receipt in found if receipt["status"] == "done"]


class Memory:
    """The largest resident size of each kind of process, looked at every few seconds."""

    def __init__(self, served: Served) -> None:
        self.served, self.largest, self._over = served, {"server": 0, "serve": 0, "run": 0}, threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def stop(self) -> None:
        self._over.set()

    def _look(self) -> None:
        while not self._over.wait(5):
            serve = self.served.process.pid
            kinds = {"serve": [serve], "server": children(serve, PROGRAM), "run": children(serve, "prefect.engine")}
            for kind, pids in kinds.items():
                self.largest[kind] = max(self.largest[kind], *(resident_mb(pid) for pid in pids), 0)


def resident_mb(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    except (OSError, IndexError):
        return 0


def cpu_seconds(pid: int, *, children: bool = False) -> float:
    """What a process has computed, or those of its children that have ended: whatever else the machine does."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[13:15] if children else fields[11:13])) / os.sysconf("SC_CLK_TCK")


def make_recordings(folder: Path, count: int) -> None:
    """The same words at different loudness and with different noise, so that no two have one content."""
    with wave.open(str(ROOT / "sample_audio" / "slate.wav")) as file:
        layout, frames = file.getparams(), array("h", file.readframes(SECONDS_EACH * file.getframerate()))
    for number in range(count):
        noise = random.Random(number)
        path = folder / f"{number // 500:02d}" / f"clip {number:05d}.wav"
        path.parent.mkdir(exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams(layout)
            head = array("h", (noise.randrange(-3, 4) for _ in range(1600)))
            file.writeframes((head + frames).tobytes())


if __name__ == "__main__":
    main()
