"""``serve`` as a process of its own: a scheduled run starts, cancelling works, and nothing is left when it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import wave
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.serve import serve
from flows.server import free_port
from speechpipe.errors import UnknownModel, UsageError
from speechpipe.registry.store import Store
from tests.e2e.served import Served, alive, children, eventually
from tests.stored import put

pytestmark = pytest.mark.timeout(600)

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Served]:
    slow = {"CHAOS_SECONDS": "2", "PYTHONPATH": str(Path(__file__).parent / "slow")}
    folder = tmp_path_factory.mktemp("serve")
    (folder / "batches.txt").touch()
    more = {**slow, "CHAOS_BATCHES": str(folder / "batches.txt"), "SPEECHPIPE_CHUNKING__MAX_WINDOW_MS": "1000"}
    more["SPEECHPIPE_MODELS_FOLDER"] = str(folder / "models")
    (folder / "tmp").mkdir()
    more["TMPDIR"] = str(folder / "tmp")
    served = Served(root, folder, more={**more, "SPEECHPIPE_DECODING__BATCH_SIZE": "1"})
    (served.recordings / "1954").mkdir()
    shutil.copy(root / "sample_audio" / "slate.wav", served.recordings / "1954" / "slate.wav")
    try:
        yield served.start()
    finally:
        served.process.kill()
        served.process.wait()


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``os.environ`` as it was, whatever a test puts into it."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


def test_what_is_cancelled_ends_within_seconds_and_goes_on_when_run_again(served: Served) -> None:
    batches = served.folder / "batches.txt"
    asked = {"recording": {"recording": "1954/slate.wav"}}
    run = served.run("Transcribe one recording", asked)
    eventually(lambda: len(batches.read_text().split()) >= 2, "work has begun")
    (process,) = children(served.process.pid, "prefect.engine")[:1]
    began = time.monotonic()
    served.post(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": True})
    assert served.wait(run)["type"] == "CANCELLED"
    assert time.monotonic() - began < 25 and not alive(process)
    assert served.wait(served.run("Transcribe one recording", asked))["type"] == "COMPLETED"
    worked = batches.read_text().split()
    assert len(worked) - len(set(worked)) <= 1
    assert eventually(lambda: any(path.name == "slate.wav.vtt" for path in served.outputs()), "its captions")


def test_a_scheduled_run_starts_by_itself_and_does_its_work(served: Served) -> None:
    def done() -> Any:
        runs = served.runs(flow="transcribe-new")
        return [run for run in runs if run["auto_scheduled"] and run["state_name"] == "Completed"]

    deployment = served.deployments()["Transcribe new recordings"]["id"]
    (made,) = served.post(f"/deployments/{deployment}/schedules", [{"active": True, "schedule": {"interval": 15}}])
    run = eventually(done, "a scheduled run has completed")[-1]
    # Else it does what later tests ask for before they do, or stands in their way.
    served.post(f"/deployments/{deployment}/pause_deployment", {})

    def idle() -> bool:
        return all(run["state_type"] in ENDED for run in served.runs(flow="transcribe-new"))

    eventually(idle, "none that was scheduled is left")
    schedule = f"{served.address}/api/deployments/{deployment}/schedules/{made['id']}"
    urllib.request.urlopen(urllib.request.Request(schedule, method="DELETE")).close()
    assert "1 recording" in run["state"]["message"]
    outputs = {path.name for path in served.outputs()}
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
        assert "Those in Norwegian Bokmål" in forms["How"]["properties"]["streams"]["enum"]
    for deployment in found.values():
        headings = [part["title"] for part in deployment["parameter_openapi_schema"]["properties"].values()]
        assert headings and all(heading[0].isupper() and " " in heading for heading in headings)
    assert found["Transcribe new recordings"]["global_concurrency_limit"]["limit"] == 1


def test_a_run_that_falls_silent_is_called_crashed(served: Served) -> None:
    names = [found["name"] for found in served.post("/automations/filter", {})]
    assert names == ["Runs without a sign of life have crashed"]


def test_nothing_of_a_restricted_recording_is_seen_anywhere(served: Served, root: Path) -> None:
    """By whoever opens the page or reads the reports or the server's log: its title, its file's name, its words."""
    folder = served.recordings / "closed"
    folder.mkdir()
    with (
        wave.open(str(root / "sample_audio" / "slate.wav")) as whole,
        wave.open(str(folder / "Secret.wav"), "wb") as part,
    ):
        part.setparams(whole.getparams())
        part.writeframes(whole.readframes(3 * whole.getframerate()))
    (folder / "Secret broken.wav").write_text("no sound")
    names = ("Secret.wav", "Secret broken.wav", "Secret lost.wav")
    rows = "".join(f"closed/{name},What N told,closed\n" for name in names)
    (served.recordings / "metadata.csv").write_text(f"path,title,access\n{rows}")
    eventually(lambda: "closed" in str(served.deployments()), "the collection is offered", 120)
    state = served.wait(served.run("Transcribe new recordings", {"recordings": {"collection": "closed"}}))
    assert state["message"].startswith("3 recordings: 1 transcribed, 1 left out, 1 failed"), state["message"]
    texts = [path for path in served.outputs() if path.name == "Secret.wav.txt"]
    words = {word for word in texts[0].read_text().split() if len(word) > 4}
    assert texts[0].parent.parent.name == "transcripts-restricted" and words
    kinds = ("flow_runs", "task_runs", "logs", "artifacts", "events")
    seen = {kind: json.dumps(everything(served, kind)) for kind in kinds}
    seen |= {str(path): path.read_text(errors="replace") for path in (served.data / "reports").iterdir()}
    seen["server.log"] = (served.data / "prefect" / "server.log").read_text()
    seen["serve"] = served.told()
    assert "restricted-" in seen["flow_runs"] and "restricted-" in seen["logs"] and "restricted-" in seen["artifacts"]
    for what, text in seen.items():
        assert "Secret" not in text and "What N told" not in text, what
    # The engine that needs no model says the same words of other recordings too: look where only this one is.
    own = [log["message"] for log in everything(served, "logs") if "restricted-" in log["message"]]
    assert own and not any(word in message for word in words for message in own)


def everything(served: Served, kind: str) -> list[Any]:
    if kind == "events":
        return list(served.post("/events/filter", {"filter": {}, "limit": 50})["events"])
    found: list[Any] = []
    while page := served.post(f"/{kind}/filter", {"limit": 200, "offset": len(found)}):
        found += page
    return found


@pytest.mark.parametrize("path", ["../secret.wav", "/etc/hostname", "1954/../../secret.wav"])
def test_no_path_out_of_the_recordings_is_ever_read(served: Served, path: str) -> None:
    asked = {
        "Transcribe new recordings": {"recordings": {"collection": path}},
        "Export formats": {"what": {"collection": path}},
    }
    for name, parameters in asked.items():
        deployment = served.deployments()[name]["id"]
        with pytest.raises(urllib.error.HTTPError) as refused:
            served.post(f"/deployments/{deployment}/create_flow_run", {"parameters": parameters})
        assert refused.value.code in (409, 422)
    state = served.wait(served.run("Transcribe one recording", {"recording": {"recording": path}}))
    assert state["type"] == "FAILED" and f"There is no recording '{path}'" in state["message"]


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
    assert not (served.folder / ".prefect").exists()
    assert eventually((served.data / "prefect" / "runner").is_dir, "the runner has its folder")
    assert not (served.folder / "tmp" / "runner_storage").exists()
    with urllib.request.urlopen(f"{served.address}/") as answer:
        assert answer.read() == (served.data / "prefect" / "ui" / "v1" / "index.html").read_bytes()


@pytest.mark.usefixtures("bare_environment")
def test_a_second_server_on_the_same_data_is_refused(served: Served) -> None:
    with pytest.raises(UsageError, match="Another server works with"):
        serve(served.data, served.recordings, free_port())


def test_a_folder_and_a_model_that_came_later_are_offered_in_the_forms(served: Served) -> None:
    (served.recordings / "1999").mkdir()
    put(Store(served.folder / "models"), "NbAiLab/nb-whisper-small")

    def offered() -> str | None:
        """The model as both forms show it: they are refreshed one after the other."""
        deployments = served.deployments()
        new, one = (
            deployments[name]["parameter_openapi_schema"]["definitions"]
            for name in ("Transcribe new recordings", "Transcribe one recording")
        )
        there = "1999" in new["NewRecordings"]["properties"]["collection"]["enum"]
        models = set.intersection(*(set(form["How"]["properties"]["model"]["enum"]) for form in (new, one)))
        return next((shown for shown in models if there and shown.startswith("NbAiLab/nb-whisper-small (")), None)

    model = eventually(offered, "1999 and the model are choices", 120)
    asked = {"recording": {"recording": "1954/slate.wav"}, "how": {"model": model}}
    state = served.wait(served.run("Transcribe one recording", asked))
    assert state["message"].startswith("1954/slate.wav: speech"), "its run knows the model too"
    hidden = [path.name for path in served.folder.iterdir() if path.name.startswith(".")]
    assert hidden == [], "nothing of its libraries is left in the home of whoever serves"


BLOCK = """
import sys
from prefect.blocks.notifications import CustomWebhookNotificationBlock
told = {"subject": "{{subject}}", "body": "{{body}}"}
print(CustomWebhookNotificationBlock(name="mail", url=sys.argv[1], json_data=told).save("mail"))
"""


def test_the_automation_of_the_documentation_tells_when_a_batch_fails(served: Served, root: Path) -> None:
    """By a hook of the web in place of a server for mail: block, file and command are those of the documentation."""
    (example,) = re.findall(r"```yaml\n(automations:.*?)```", (root / "docs" / "operations.md").read_text(), re.S)
    environment = os.environ | {
        "PREFECT_API_URL": f"{served.address}/api",
        "PREFECT_HOME": str(served.data / "prefect"),
    }

    def prefect(*command: str) -> str:
        ran = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=True)
        return ran.stdout.strip()

    with letterbox() as (address, letters):
        block = prefect("-c", BLOCK, address)
        file = served.folder / "mail.yaml"
        file.write_text(re.sub(r"0{8}-0{4}-0{4}-0{4}-0{12}", block, example))
        prefect("-m", "prefect", "automation", "create", "--from-file", str(file))
        away = served.recordings.rename(served.folder / "unmounted")
        try:
            state = served.wait(served.run("Transcribe new recordings"))
            assert state["type"] == "FAILED" and "There is no folder" in state["message"]
            (letter,) = eventually(lambda: letters, "a letter has come", 90)
        finally:
            away.rename(served.recordings)
    assert letter["subject"] == "speechpipe: new recordings Failed"
    assert letter["body"].startswith(state["message"]) and f"{served.address}/runs/flow-run/" in letter["body"]


@contextmanager
def letterbox() -> Iterator[tuple[str, list[dict[str, str]]]]:
    letters: list[dict[str, str]] = []

    class Box(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            letters.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Box) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", letters
        server.shutdown()


def test_sigterm_ends_the_server_too_and_port_is_free_again(served: Served) -> None:
    (server,) = children(served.process.pid, "server")
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(60) == 0
    assert served.log.read_text().rstrip().endswith("Stopped.")
    assert "Traceback" not in served.log.read_text() and "Warning" not in served.log.read_text()
    assert not Path(f"/proc/{server}").exists()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", served.port))


def test_the_server_does_not_outlive_a_killed_serve(tmp_path: Path, root: Path) -> None:
    started = Served(root, tmp_path).start(wait=False)
    server = eventually(lambda: started.told() and children(started.process.pid, "server"), "the server is there")[0]
    started.process.kill()
    started.process.wait()
    eventually(lambda: not alive(server), "the server has ended", 60)


def test_ctrl_c_ends_it_and_a_password_keeps_others_out(tmp_path: Path, root: Path) -> None:
    (tmp_path / "password").write_text("archive:secret\n")
    command = "import sys; from pathlib import Path; from flows.serve import serve; " \
        "serve(Path(sys.argv[1]), None, int(sys.argv[2]), auth_file=Path(sys.argv[3]))"  # fmt: skip
    guarded = Served(root, tmp_path)
    guarded.start_command(command, str(guarded.data), str(guarded.port), str(tmp_path / "password"))
    eventually(lambda: "are ready" in guarded.told(), "serve is ready")
    address = f"{guarded.address}/api/deployments/filter"
    asked = urllib.request.Request(address, b"{}", {"content-type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=30)
    refused.value.close()
    assert refused.value.code == 401
    asked.add_header("authorization", f"Basic {b64encode(b'archive:secret').decode()}")
    with urllib.request.urlopen(asked, timeout=30) as answer:
        assert b"Transcribe new recordings" in answer.read()
    guarded.stop(signal.SIGINT)
    assert guarded.process.returncode == 0
    assert guarded.log.read_text().rstrip().endswith("Stopped.") and "Warning" not in guarded.log.read_text()


@pytest.mark.usefixtures("bare_environment")
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
    (tmp_path / "empty").write_text("no colon")
    with pytest.raises(UsageError, match="holds no user:password"):
        serve(tmp_path / "data", tmp_path, free_port(), auth_file=tmp_path / "empty")
    assert not (tmp_path / "data" / "prefect").exists()
