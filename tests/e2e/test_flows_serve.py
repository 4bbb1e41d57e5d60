"""``serve`` as a process of its own: a scheduled run really starts, and nothing is left when it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.serve import serve
from flows.server import free_port
from speechpipe.errors import UnknownModel, UsageError

SECONDS = 120
START = """
import sys
from datetime import timedelta
from pathlib import Path
from flows.serve import serve
serve(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), every=timedelta(seconds=15))
"""


@dataclass
class Served:
    process: subprocess.Popen[bytes]
    port: int
    data: Path
    log: Path

    def post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api{path}", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def deployments(self) -> dict[str, Any]:
        return {found["name"]: found for found in self.post("/deployments/filter", {})}


def eventually(get: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := get():
            return found
        time.sleep(0.5)
    pytest.fail(f"not within {seconds} s: {what}")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("serve")
    (folder / "recordings" / "1954").mkdir(parents=True)
    shutil.copy(root / "sample_audio" / "slate.wav", folder / "recordings" / "1954" / "slate.wav")
    started = start(folder, root)
    try:
        eventually(lambda: "are ready" in told(started), "serve is ready")
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def start(folder: Path, root: Path) -> Served:
    port, log = free_port(), folder / "log.txt"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "SPEECHPIPE_"))}
    env |= {"SPEECHPIPE_ENGINE": "fake", "SPEECHPIPE_ALIGNER": "none", "HOME": str(folder)}
    env |= {"SPEECHPIPE_NIGHT__SETTLE_MINUTES": "0"}
    command = [sys.executable, "-c", START, str(folder / "data"), str(folder / "recordings"), str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=root, env=env, stdout=output, stderr=output)
    return Served(process, port, folder / "data", log)


def told(served: Served) -> str:
    text = served.log.read_text()
    if served.process.poll() is not None:
        pytest.fail(f"serve ended with {served.process.returncode}: {text}")
    return text


def test_a_scheduled_run_starts_by_itself_and_does_its_work(served: Served) -> None:
    def done() -> Any:
        runs = served.post("/flow_runs/filter", {"flows": {"name": {"any_": ["transcribe-new"]}}})
        return [run for run in runs if run["auto_scheduled"] and run["state_name"] == "Completed"]

    run = eventually(done, "a scheduled run has completed")[-1]
    assert "1 recording" in run["state"]["message"]
    outputs = {path.name for path in (served.data / "transcripts" / "1954").iterdir()}
    assert {"slate.wav.vtt", "slate.wav.alto.xml", "slate.wav.json", "slate.wav.txt"} <= outputs


def test_both_flows_are_deployed_with_a_form_in_plain_words(served: Served) -> None:
    found = served.deployments()
    assert set(found) == {
        "Transcribe new recordings",
        "Transcribe one recording",
        "Re-transcribe with another model",
        "Export formats",
        "Withdraw a recording",
        "Transcribe a group of recordings",
    }
    assert all(deployment["description"] for deployment in found.values())
    for name in ("Transcribe new recordings", "Transcribe one recording", "Re-transcribe with another model"):
        forms = found[name]["parameter_openapi_schema"]["definitions"]
        assert forms["How"]["properties"]["language"]["title"] == "Language spoken"
        assert "Norwegian Bokmål" in forms["How"]["properties"]["language"]["enum"]
    assert found["Transcribe new recordings"]["global_concurrency_limit"]["limit"] == 1


def test_a_run_that_falls_silent_is_called_crashed(served: Served) -> None:
    names = [found["name"] for found in served.post("/automations/filter", {})]
    assert names == ["Runs without a sign of life have crashed"]


@pytest.mark.parametrize("path", ["../secret.wav", "/etc/hostname", "1954/../../secret.wav"])
def test_no_path_out_of_the_recordings_is_ever_read(served: Served, path: str) -> None:
    asked = {"Transcribe one recording": {"recording": {"recording": path}}}
    asked |= {"Transcribe new recordings": {"recordings": {"collection": path}}}
    asked |= {"Export formats": {"what": {"collection": path}}}
    for name, parameters in asked.items():
        deployment = served.deployments()[name]["id"]
        with pytest.raises(urllib.error.HTTPError) as refused:
            served.post(f"/deployments/{deployment}/create_flow_run", {"parameters": parameters})
        assert refused.value.code in (409, 422)


def test_a_model_that_is_not_on_the_list_is_refused_by_the_form(served: Served) -> None:
    deployment = served.deployments()["Transcribe new recordings"]["id"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        served.post(f"/deployments/{deployment}/create_flow_run", {"parameters": {"how": {"model": "/etc/model"}}})
    assert refused.value.code in (409, 422)


def test_only_this_machine_is_listened_to(served: Served) -> None:
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    addresses = {
        line[1].split(":")[0] for line in listening if line[3] == "0A" and int(line[1][-4:], 16) == served.port
    }
    assert addresses == {"0100007F"}


def test_telemetry_is_off_in_the_server_and_state_is_in_one_folder(served: Served) -> None:
    (server,) = children(served.process.pid, "server")
    environment = Path(f"/proc/{server}/environ").read_text()
    assert "PREFECT_SERVER_ANALYTICS_ENABLED=false" in environment and "DO_NOT_TRACK=1" in environment
    assert (served.data / "prefect" / "prefect.db").is_file()
    assert not (served.log.parent / ".prefect").exists()


def test_sigterm_ends_the_server_too_and_port_is_free_again(served: Served) -> None:
    (server,) = children(served.process.pid, "server")
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(60) == 0
    assert served.log.read_text().rstrip().endswith("Stopped.")
    assert "Traceback" not in served.log.read_text()
    assert not Path(f"/proc/{server}").exists()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", served.port))


def test_the_server_does_not_outlive_a_killed_serve(tmp_path: Path, root: Path) -> None:
    (tmp_path / "recordings").mkdir()
    started = start(tmp_path, root)
    server = eventually(lambda: told(started) and children(started.process.pid, "server"), "the server is there")[0]
    started.process.kill()
    started.process.wait()
    eventually(lambda: not alive(server), "the server has ended", 60)


def test_what_cannot_be_served_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder"):
        serve(tmp_path / "data", tmp_path / "nowhere", free_port())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="is taken"):
            serve(tmp_path / "data", tmp_path, taken.getsockname()[1])
    with pytest.raises(UnknownModel, match="whisper-of-nobody"):
        serve(tmp_path / "data", tmp_path, free_port(), model="whisper-of-nobody")
    assert not (tmp_path / "data" / "prefect").exists()


def children(parent: int, word: str) -> list[int]:
    """Processes below ``parent`` with ``word`` as an argument."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            below = int(folder.joinpath("stat").read_text().rsplit(")", 1)[1].split()[1])
            arguments = folder.joinpath("cmdline").read_text().split("\0")
        except (OSError, IndexError):
            continue
        if below == parent and word in arguments:
            found.append(int(folder.name))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
