"""A served night while the repository is unmounted, and while the server is killed: told once, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import wave
from array import array
from pathlib import Path
from typing import Any

import pytest

from flows.running.server import PROGRAM
from tests.e2e.served import Served, children, eventually

pytestmark = [pytest.mark.extra, pytest.mark.timeout(600)]

RECORDINGS = 8


@pytest.fixture
def served(tmp_path: Path, root: Path) -> Any:
    (tmp_path / "batches.txt").touch()
    more = {
        "CHAOS_BATCHES": str(tmp_path / "batches.txt"),
        "CHAOS_SECONDS": "1",
        "PYTHONPATH": str(Path(__file__).parent / "slow"),
        "SPEECHPIPE_NIGHT__RERUN": "failed",  # at once, as nobody waits here until the failures have rested
    }
    served = Served(root, tmp_path, more=more)
    make_recordings(root / "sample_audio" / "slate.wav", served.recordings)
    try:
        yield served.start()
    finally:
        served.process.kill()
        served.process.wait()


def test_a_repository_that_is_unmounted_ends_the_night_early_and_the_next_goes_on(served: Served) -> None:
    away = served.recordings.with_name("away")
    night = served.run("Transcribe new recordings")
    eventually(lambda: len(receipts(served)) >= 2, "two are done")
    served.recordings.rename(away)
    state = served.wait(night)
    assert state["type"] == "FAILED" and "every recording fails for one reason" in state["message"], state
    before = {name: receipt for name, receipt in receipts(served).items() if receipt["status"] == "done"}
    assert 2 <= len(before) < RECORDINGS
    gone = served.wait(served.run("Transcribe new recordings"))
    assert gone["type"] == "FAILED" and "Is its disk there?" in gone["message"], gone

    away.rename(served.recordings)
    state = served.wait(served.run("Transcribe new recordings"))
    assert state["type"] == "COMPLETED", state
    after = receipts(served)
    assert [receipt["status"] for receipt in after.values()] == ["done"] * RECORDINGS, state
    assert {name: after[name] for name in before} == before


def test_a_server_that_is_killed_in_mid_run_is_waited_for(served: Served) -> None:
    night = served.run("Transcribe new recordings")
    eventually(lambda: receipts(served), "one is done")
    os.kill(children(served.process.pid, PROGRAM)[0], signal.SIGKILL)
    eventually(lambda: answers(served), "the server is back")
    state = served.wait(night)
    assert state["message"] == f"{RECORDINGS} recordings: {RECORDINGS} transcribed."
    batches = (served.folder / "batches.txt").read_text().split()
    assert len(batches) == len(set(batches)), "no window was recognised twice"


def answers(served: Served) -> bool:
    try:
        return bool(served.deployments())
    except OSError:
        return False


def receipts(served: Served) -> dict[str, dict[str, Any]]:
    found = {path.name: path for path in served.outputs() if ".speechpipe." in path.name and path.suffix == ".json"}
    return {name: json.loads(path.read_bytes()) for name, path in found.items()}


def make_recordings(slate: Path, folder: Path) -> None:
    """The same words at different loudness, so that no two have one content."""
    with wave.open(str(slate)) as file:
        layout, frames = file.getparams(), array("h", file.readframes(3 * file.getframerate()))
    for number in range(RECORDINGS):
        share = 1 - number / (2 * RECORDINGS)
        with wave.open(str(folder / f"reel {number}.wav"), "wb") as file:
            file.setparams(layout)
            file.writeframes(array("h", (int(sample * share) for sample in frames)).tobytes())
