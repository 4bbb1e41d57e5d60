"""A night on a real server whose processes are killed again and again: in the end each recording is done once.

``make chaos`` runs it long: CHAOS_RECORDINGS, CHAOS_KILLS.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
import wave
from array import array
from pathlib import Path

import pytest

from flows.running.server import PROGRAM
from speechpipe.files import sha256_file
from tests.e2e.served import Served, children, eventually

pytestmark = [pytest.mark.extra, pytest.mark.timeout(3600)]

RECORDINGS = int(os.environ.get("CHAOS_RECORDINGS", "6"))
KILLS = int(os.environ.get("CHAOS_KILLS", "4"))
SECONDS_A_BATCH = "0.5"
UNFINISHED = ("RUNNING", "PENDING", "CANCELLING", "SCHEDULED")


def test_whatever_is_killed_each_recording_is_done_once_and_nothing_stays_stuck(tmp_path: Path, root: Path) -> None:
    batches = tmp_path / "batches.txt"
    batches.touch()
    more = {
        "CHAOS_BATCHES": str(batches),
        "CHAOS_SECONDS": SECONDS_A_BATCH,
        "PYTHONPATH": str(Path(__file__).parent / "slow"),
        "SPEECHPIPE_CHUNKING__MAX_WINDOW_MS": "2000",
        "SPEECHPIPE_DECODING__BATCH_SIZE": "1",
    }
    served = Served(root, tmp_path, together=2, more=more)
    make_recordings(root / "sample_audio" / "slate.wav", served.recordings)
    chance = random.Random(7)
    served.start()
    try:
        killed = kill_again_and_again(served, batches, chance)
        # The one that was killed last may stand as running for a moment.
        nights = (served.wait(begin(served), 600) for _ in range(4))
        assert any(night["type"] == "COMPLETED" for night in nights)
        eventually(lambda: not unfinished(served), f"nothing is left unfinished: {unfinished(served)}", 150)
        again = served.wait(served.run("Transcribe new recordings"), 120)
        assert again["message"] == f"{RECORDINGS} recordings: {RECORDINGS} already done."
    finally:
        served.process.kill()
        served.process.wait()
    every_recording_is_whole(served)
    worked = batches.read_text().split()
    assert len(set(worked)) >= 3 * RECORDINGS, "too little work to be killed in"
    assert len(worked) - len(set(worked)) <= killed, "more than one batch of windows was redone for a kill"


def kill_again_and_again(served: Served, batches: Path, chance: random.Random) -> int:
    """A run, the server and ``serve`` itself; returns how many processes were killed."""
    whom = ["run"] * KILLS
    whom[len(whom) // 2 : len(whom) // 2] = ["server", "serve"]
    begin(served)
    for victim in whom:
        work_goes_on(served, batches)
        time.sleep(chance.uniform(0, 2))
        if victim == "serve":
            served.stop(signal.SIGKILL)
            time.sleep(2)
            served.start()
        elif victim == "server":
            os.kill(children(served.process.pid, PROGRAM)[0], signal.SIGKILL)
            eventually(lambda: answers(served), "the server is back")
        elif runs := children(served.process.pid, "prefect.engine"):
            os.kill(chance.choice(runs), signal.SIGKILL)
    # A killed process takes what it had in hand: the batch of its group, and of all where serve was killed.
    return len(whom) + served.together


def work_goes_on(served: Served, batches: Path) -> None:
    """Wait until a batch is begun, in the night that goes on or in a new one."""
    before = len(batches.read_text().split())
    eventually(lambda: begin(served, 0) and len(batches.read_text().split()) > before, "work goes on")


def begin(served: Served, seconds: float = 60) -> str:
    """The night that goes on, or a new one; no longer waited for than so many seconds."""
    until = time.monotonic() + seconds
    while True:
        going = [run for run in served.runs(flow="transcribe-new") if run["state_type"] in UNFINISHED]
        if going:
            return str(going[-1]["id"])
        run = served.run("Transcribe new recordings")
        time.sleep(1)
        if served.state(run)["type"] != "CANCELLED":  # an earlier one still holds its place
            return run
        if time.monotonic() > until:
            return "none yet"


def answers(served: Served) -> bool:
    try:
        return bool(served.deployments())
    except OSError:
        return False


def unfinished(served: Served) -> list[str]:
    return [f"{run['name']}: {run['state_name']}" for run in served.runs() if run["state_type"] in UNFINISHED]


def every_recording_is_whole(served: Served) -> None:
    """One receipt each, every file as its receipt says, no second version and nothing half written."""
    outputs = {path.name: path for path in served.outputs()}
    receipts = {
        name: json.loads(path.read_bytes()) for name, path in outputs.items() if name.endswith(".speechpipe.json")
    }
    assert len(receipts) == RECORDINGS
    known = set(receipts)
    for receipt in receipts.values():
        assert receipt["status"] == "done" and receipt["version"] == 1
        for name, digest in receipt["files"].items():
            assert sha256_file(outputs[name]) == digest, name
        known |= set(receipt["files"])
    assert set(outputs) == known


def make_recordings(slate: Path, folder: Path) -> None:
    """The same words at different loudness, so that no two have one content."""
    with wave.open(str(slate)) as file:
        layout, frames = file.getparams(), array("h", file.readframes(file.getnframes()))
    for number in range(RECORDINGS):
        share = 1 - number / (2 * RECORDINGS)
        with wave.open(str(folder / f"reel {number}.wav"), "wb") as file:
            file.setparams(layout)
            file.writeframes(array("h", (int(sample * share) for sample in frames)).tobytes())
