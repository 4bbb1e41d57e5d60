"""What a person cancels of a night that goes on stays cancelled, and a night that is cancelled tells what it did."""

from __future__ import annotations

import json
import shutil
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.served import Served, eventually

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]

#: Longer than any test waits: what is in work is in work until it is cancelled.
BATCH_SECONDS = 900
CANCELLING = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": True}


@pytest.fixture
def served(tmp_path: Path, root: Path) -> Iterator[Served]:
    (tmp_path / "batches.txt").touch()
    more = {"CHAOS_SECONDS": str(BATCH_SECONDS), "PYTHONPATH": str(Path(__file__).parent / "slow")}
    more |= {"CHAOS_BATCHES": str(tmp_path / "batches.txt"), "SPEECHPIPE_NIGHT__UNKNOWN_RIGHTS": "open"}
    served = Served(root, tmp_path, together=2, more=more)
    for name in ("slate.wav", "innspilling.wav"):
        shutil.copy(root / "sample_audio" / name, served.recordings / name)
    make_long(root / "sample_audio" / "slate.wav", served.recordings / "whole evening.wav")
    try:
        yield served.start()
    finally:
        served.process.kill()
        served.process.wait()


def test_what_is_cancelled_while_the_night_goes_on_is_not_begun_again(served: Served) -> None:
    night = served.run("Transcribe new recordings")
    eventually(lambda: len(worked(served)) == 2, "the long one and the group are in work")
    cancel(served, "whole evening.wav")
    cancel(served, "group of 2")
    state = served.wait(night)
    assert (state["type"], state["message"]) == ("COMPLETED", "3 recordings: 3 cancelled."), state
    receipts = {path.name: json.loads(path.read_bytes()) for path in served.outputs()}
    assert sorted(receipts) == [
        f"{name}.speechpipe.failed.json" for name in ("innspilling.wav", "slate.wav", "whole evening.wav")
    ]
    assert {(told["status"], told["message"]) for told in receipts.values()} == {
        ("cancelled", "It was cancelled by a person.")
    }
    page = report(served)
    assert "killed" not in page
    assert page.count("cancelled by a person. To do it after all, choose Transcribe one recording") == 3, page

    night = served.run("Transcribe new recordings", {"recordings": {"cancelled": True}})
    eventually(lambda: len(worked(served)) == 4, "all are begun once they are asked for")
    served.post(f"/flow_runs/{night}/set_state", CANCELLING)
    assert served.wait(night)["type"] == "CANCELLED"
    page = report(served)
    assert "A person cancelled this run. What it had not done is left for the next one." in page
    assert "| waiting | 3 |" in page and "A person cancelled the run before it was done." in page, page
    began = [run["name"] for run in served.runs(flow="transcribe-recording")]
    assert began.count("whole evening.wav") == 2, "once a night"


def worked(served: Served) -> list[str]:
    return (served.folder / "batches.txt").read_text().split()


def cancel(served: Served, name: str) -> None:
    """The run of this name, as the page does it."""
    (run,) = [run["id"] for run in served.runs() if run["name"] == name]
    served.post(f"/flow_runs/{run}/set_state", CANCELLING)


def report(served: Served) -> str:
    """The newest, as its page shows it."""

    def newest() -> Any:
        which = {"artifacts": {"key": {"any_": ["report"]}}, "sort": "CREATED_DESC", "limit": 1}
        return served.post("/artifacts/filter", which)

    return str(eventually(newest, "there is a report")[0]["data"])


def make_long(source: Path, target: Path) -> None:
    """As long as gets a run of its own."""
    with wave.open(str(source)) as file:
        layout, frames = file.getparams(), file.readframes(file.getnframes())
    with wave.open(str(target), "wb") as file:
        file.setparams(layout)
        file.writeframes(frames * round(150 * layout.framerate / layout.nframes))
