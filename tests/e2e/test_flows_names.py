"""Names of every kind through the flows: each recording is done under its own name, whoever handles it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.places import speakable
from tests.e2e.served import Served
from tests.e2e.test_repository_trouble import NAMES, tone

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]


def test_every_name_goes_through_the_flows_in_a_group_and_alone(tmp_path: Path, root: Path) -> None:
    served = Served(root, tmp_path, more={"SPEECHPIPE_NIGHT__UNKNOWN_RIGHTS": "open"})
    names = [*NAMES.values(), "box 1/same.wav", "box 2/same.wav", "/".join(["d" * 250] * 5 + ["deep.wav"])]
    for number, name in enumerate(names, 1):
        tone(served.recordings / name, number / 10)
    served.start()
    try:
        state = served.wait(served.run("Transcribe new recordings"), 300)
        assert state["message"] == f"{len(names)} recordings: {len(names)} transcribed."
        called = {run["name"] for run in served.runs(flow="transcribe-recording")}
        assert called == {speakable(name) for name in names}
        for name in map(speakable, (NAMES["newline"], NAMES["not UTF-8"], NAMES["spaces"])):
            alone = served.run("Transcribe one recording", {"recording": {"recording": name, "again": True}})
            assert served.wait(alone)["message"] == f"{name}: no speech."
    finally:
        served.stop()
