"""A disk that fills in the middle of a night: it ends early and says so once, and nothing that waited is lost.

The disk is a real one, a small mount in a name space of its own; where the kernel lets us have none, a limit of file
size.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speechpipe.audio import write_wav
from tests.e2e.test_repository_trouble import FILL, LIMIT, MOUNT, NAMESPACE, UNLIMITED, may_mount

pytestmark = pytest.mark.slow

RECORDINGS = 12
SCRIPT = """
import json, logging, os, resource, sys
from pathlib import Path

source, disk, begin, end = Path(sys.argv[1]), Path(sys.argv[2]), *json.loads(sys.argv[3])
os.environ |= {"SPEECHPIPE_REPORTS": str(disk / "reports"), "SPEECHPIPE_WORKSPACE": str(source.parent / "work")}
from flows.running.environment import TEMPORARY, set_up
set_up(source.parent / "prefect", TEMPORARY)
from flows.places import Places
Places(source, disk / "outputs").put_into_environment()
import flows.running.night, flows.recording, speechpipe.batch.queue as queue
from flows.new import transcribe_new
from flows.recording import transcribed
from flows.running.stages import STAGES
from prefect.testing.utilities import prefect_test_harness

queue.grouped.__defaults__ = (1, 0, 3)  # three a group
flows.running.night.SECONDS_BETWEEN_LOOKS = 0.0
for stage in STAGES:
    stage.retries = 0
done = []

def counted(*arguments, **more):
    done.append(1)
    if len(done) == 5:  # as when others write there
        exec(begin)
    return transcribed(*arguments, **more)

flows.recording.transcribed = counted
told = []
logging.getLogger("speechpipe.flows").addHandler(logging.Handler())
logging.getLogger("speechpipe.flows").handlers[-1].emit = lambda record: told.append(record.getMessage())

def night():
    state = transcribe_new(return_state=True)
    rows = state.result(raise_on_failure=False)
    rows = getattr(rows, "rows", rows)
    receipts = [path.name for path in (disk / "outputs").rglob("*.speechpipe.*") if path.suffix == ".json"]
    reports = [path.name for path in (disk / "reports").glob("*")]
    left = [path.name for path in disk.rglob("*.part")]
    return {"type": state.type.value, "told": state.message, "rows": {row.recording: row.outcome for row in rows},
            "receipts": sorted(receipts), "reports": reports, "left": left, "begun": len(done)}

with prefect_test_harness(server_startup_timeout=120):
    full = night()
    exec(end)
    freed = night()
print(json.dumps([full, freed, told]))
"""


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory, root: Path) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    folder = tmp_path_factory.mktemp("night")
    source, disk = folder / "source", folder / "disk"
    source.mkdir()
    disk.mkdir()
    for number in range(RECORDINGS):
        sound = np.sin(np.arange(16_000 + 1_600 * number) * 0.05).astype(np.float32) * 0.3
        write_wav(sound, 16_000, source / f"{number:02d}.wav")
    mounted = may_mount()
    trouble = [FILL, "(disk / 'ballast').unlink()"] if mounted else [LIMIT, UNLIMITED]
    program = [sys.executable, "-c", SCRIPT, str(source), str(disk), json.dumps(trouble)]
    mount = MOUNT.replace("256k", "8m")
    command = [*NAMESPACE, "sh", "-c", mount, "sh", str(disk), *program] if mounted else program
    given = {"ENGINE": "fake", "ALIGNER": "none", "NIGHT__SETTLE_MINUTES": "0", "NIGHT__UNKNOWN_RIGHTS": "open"}
    environment = os.environ | {f"SPEECHPIPE_{name}": value for name, value in given.items()}
    environment |= {"PYTHONPATH": str(root), "HOME": str(folder)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    full, freed, told = json.loads(ran.stdout.splitlines()[-1])
    return full, freed, told


def test_it_ends_early_and_says_so_once(nights: tuple[dict[str, Any], dict[str, Any], list[str]]) -> None:
    full, _, told = nights
    assert full["type"] == "FAILED", told
    assert full["told"].startswith("Stopped early, as nothing can be written: ")
    assert full["told"].count("run again") == 1 and "12 recordings: 4 transcribed, 8 waiting" in full["told"]
    assert full["begun"] == 5, "what the disk filled under, and none after it"
    assert len([line for line in told if line.startswith("The report stands on the web page alone")]) == 1


def test_what_waited_is_left_as_it_was(nights: tuple[dict[str, Any], dict[str, Any], list[str]]) -> None:
    full, _, _ = nights
    assert sorted(full["rows"].values()) == ["no speech"] * 4 + ["waiting"] * 8
    done = sorted(name for name, outcome in full["rows"].items() if outcome != "waiting")
    assert full["receipts"] == [f"{name}.speechpipe.json" for name in done]
    assert full["left"] == []


def test_the_next_night_does_it_when_there_is_space(
    nights: tuple[dict[str, Any], dict[str, Any], list[str]],
) -> None:
    full, freed, _ = nights
    assert freed["type"] == "COMPLETED"
    assert freed["told"] == "12 recordings: 8 transcribed, 4 already done."
    assert freed["begun"] - full["begun"] == 8 and len(freed["receipts"]) == RECORDINGS
    ends = (".csv", ".html")
    tables, pages = ({name.removesuffix(end) for name in freed["reports"] if name.endswith(end)} for end in ends)
    assert len(tables) == 1 and tables <= pages, "of the night before, what there was room for"
