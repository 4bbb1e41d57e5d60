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
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from flows.running.server import PROGRAM, free_port
from flows.serve import serve
from speechpipe.errors import UnknownModel, UsageError
from speechpipe.registry.storing.store import Store
from tests.e2e.elsewhere import Elsewhere
from tests.e2e.served import Served, alive, ask, basic, children, commands_of, eventually
from tests.stored import put

pytestmark = pytest.mark.timeout(600)

PREFECT = Subprotocol("prefect")
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as elsewhere:
        yield elsewhere


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, root: Path, elsewhere: Elsewhere) -> Iterator[Served]:
    slow = {"CHAOS_SECONDS": "2", "PYTHONPATH": str(Path(__file__).parent / "slow")}
    folder = tmp_path_factory.mktemp("serve")
    (folder / "batches.txt").touch()
    more = {**slow, "CHAOS_BATCHES": str(folder / "batches.txt"), "SPEECHPIPE_CHUNKING__MAX_WINDOW_MS": "1000"}
    more["SPEECHPIPE_MODELS_FOLDER"] = str(folder / "models")
    (folder / "tmp").mkdir()
    more["TMPDIR"] = str(folder / "tmp")
    more |= elsewhere.settings | {"PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "77"}
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
    served.post(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": True})
    assert served.wait(run)["type"] == "CANCELLED"
    eventually(lambda: not alive(process), "its process has ended")
    done = len(batches.read_text().split())
    assert served.wait(served.run("Transcribe one recording", asked))["type"] == "COMPLETED"
    worked = batches.read_text().split()
    assert len(worked) - len(set(worked)) <= 1
    assert done < len(set(worked)), "it ended before all was done"
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
    served.ask("DELETE", f"/deployments/{deployment}/schedules/{made['id']}")
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


def test_nothing_calls_a_run_crashed_that_only_stands_still(served: Served) -> None:
    assert served.post("/automations/filter", {}) == []


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
    eventually(lambda: "closed" in str(served.deployments()), "the collection is offered")
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
    (server,) = children(served.process.pid, PROGRAM)
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


@pytest.mark.slow
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

    model = eventually(offered, "1999 and the model are choices")
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


@pytest.mark.slow
def test_the_automation_of_the_documentation_tells_when_a_batch_fails(served: Served, root: Path) -> None:
    """By a hook of the web in place of a server for mail: block, file and command are those of the documentation."""
    (example,) = re.findall(r"```yaml\n(automations:.*?)```", (root / "docs" / "operations.md").read_text(), re.S)
    environment = os.environ | {
        "PREFECT_API_URL": f"{served.address}/api",
        "PREFECT_API_AUTH_STRING": served.login,
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
            (letter,) = eventually(lambda: letters, "a letter has come")
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


def test_other_pages_and_other_names_are_refused(served: Served) -> None:
    health, foreign = f"{served.address}/api/health", "http://pages.example"
    localhost = served.address.replace("127.0.0.1", "localhost")
    for headers, status in (
        ({}, 200),
        ({"Origin": served.address}, 200),
        ({"Origin": localhost, "Host": localhost.removeprefix("http://")}, 200),
        ({"Origin": foreign}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": f"http://127.0.0.1:{served.port + 1}"}, 403),
        ({"Host": f"pages.example:{served.port}"}, 400),
    ):
        answer = ask(health, headers)
        assert answer.status == status, headers
        assert answer.headers["X-Frame-Options"] == "DENY" or status == 400
        assert answer.headers["Access-Control-Allow-Origin"] in (
            (None, headers.get("Origin")) if status == 200 else (None,)
        )
    asks_first = {"Origin": foreign, "Access-Control-Request-Method": "POST"}
    assert ask(f"{served.address}/api/flow_runs/filter", asks_first, "OPTIONS").status == 403
    page = ask(f"{served.address}/deployments", {"Accept": "text/html"})
    assert page.status == 200 and page.headers["Content-Security-Policy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize("stream", ["events/in", "events/out", "logs/out"])
def test_a_stream_opens_to_its_own_page_and_login_alone(served: Served, stream: str) -> None:
    def opened(origin: str | None, host: str = "127.0.0.1", login: str = served.login) -> str:
        with socket.create_connection(("127.0.0.1", served.port)) as line:
            address = f"ws://{host}:{served.port}/api/{stream}"
            with connect(address, sock=line, origin=Origin(origin) if origin else None, subprotocols=[PREFECT]) as held:
                held.send(json.dumps({"type": "auth", "token": login}))
                return str(json.loads(held.recv(30))["type"])

    for origin in (None, served.address):
        assert opened(origin) == "auth_success"
    for origin, host in (("http://pages.example", "127.0.0.1"), ("null", "127.0.0.1"), (None, "pages.example")):
        with pytest.raises(InvalidStatus):
            opened(origin, host)
    with pytest.raises(ConnectionClosed):
        opened(served.address, login="archive:guessed")


def test_a_change_needs_the_login_and_a_token_against_forgery(served: Served) -> None:
    address, logged_in = f"{served.address}/api/flow_runs/filter", {"Authorization": basic(served.login)}
    token = served.ask("GET", "/csrf-token?client=another")["token"]
    with_token = {"Prefect-Csrf-Client": "another", "Prefect-Csrf-Token": token}
    for headers, status in (
        ({}, 403),
        (with_token, 401),
        (with_token | {"Authorization": basic("archive:guessed")}, 401),
        (logged_in, 403),
        (logged_in | with_token | {"Prefect-Csrf-Token": "0" * 64}, 403),
        (logged_in | with_token, 200),
    ):
        assert ask(address, headers, "POST").status == status, headers
    assert ask(f"{served.address}/api/flow_runs/count", {}, "POST").status == 403
    assert ask(f"{served.address}/api/admin/version", {}).status == 401


def test_the_login_is_in_its_file_and_in_no_log_and_no_command_line(served: Served) -> None:
    file, password = served.data / "login", served.login.partition(":")[2]
    assert file.stat().st_mode & 0o777 == 0o600 and len(password) >= 20
    assert str(file) in served.told()
    written = [path for path in served.data.rglob("*") if path.is_file() and path != file]
    assert (served.data / "prefect" / "server.log") in written and (served.data / "prefect" / "prefect.db") in written
    assert [path for path in [*written, served.log] if password.encode() in path.read_bytes()] == []
    commands = [path.read_bytes() for path in commands_of(served.process.pid)]
    assert len(commands) >= 2 and not any(password.encode() in command for command in commands)
    assert password not in json.dumps(served.ask("GET", "/admin/settings"))


def test_what_the_shell_says_of_other_servers_reaches_none_and_the_operators_settings_count(
    served: Served, elsewhere: Elsewhere
) -> None:
    """All that was done here was done beside settings that name another server and a proxy for everything."""
    if not any(run["state_type"] in ENDED for run in served.runs()):  # as where this is run alone
        served.wait(served.run("Transcribe one recording", {"recording": {"recording": "1954/slate.wav"}}))
    assert elsewhere.asked == []
    settings = served.ask("GET", "/admin/settings")
    assert settings["server"]["services"]["late_runs"]["after_seconds"] == "PT1M17S"
    assert settings["api"]["url"] == f"{served.address}/api"
    told = json.dumps(settings)
    assert "shell" not in told and str(elsewhere.port) not in told


def test_sigterm_ends_the_server_too_and_port_is_free_again(served: Served) -> None:
    (server,) = children(served.process.pid, PROGRAM)
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(60) == 0
    assert served.log.read_text().rstrip().endswith("Stopped.")
    assert "Traceback" not in served.log.read_text() and "Warning" not in served.log.read_text()
    assert not Path(f"/proc/{server}").exists()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", served.port))


def test_the_server_does_not_outlive_a_killed_serve_and_without_a_login_none_is_made(
    tmp_path: Path, root: Path
) -> None:
    command = "import sys; from pathlib import Path; from flows.serve import serve; " \
        "serve(Path(sys.argv[1]), None, int(sys.argv[2]), no_login=True)"  # fmt: skip
    started = Served(root, tmp_path)
    started.start_command(command, str(started.data), str(started.port))
    server = eventually(lambda: started.told() and children(started.process.pid, PROGRAM), "the server is there")[0]
    environment = Path(f"/proc/{server}/environ").read_text()
    assert "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED=true" in environment and "AUTH_STRING" not in environment
    assert not (started.data / "login").exists()
    started.process.kill()
    started.process.wait()
    eventually(lambda: not alive(server), "the server has ended")


@pytest.mark.slow
def test_a_terminal_is_shown_a_new_login_that_voids_the_one_before_and_ctrl_c_ends_it(
    tmp_path: Path, root: Path
) -> None:
    command = "import sys; from pathlib import Path; from flows.serve import serve; " \
        "serve(Path(sys.argv[1]), None, int(sys.argv[2]), new_login=True)"  # fmt: skip
    served = Served(root, tmp_path)
    served.data.mkdir()
    (served.data / "login").write_text("archive:before\n")  # as if left readable: it is not even asked
    reader, writer = os.openpty()
    served.start_command(command, str(served.data), str(served.port), terminal=writer)
    os.close(writer)
    shown = ""
    while "Stop with Ctrl-C" not in shown:
        shown += os.read(reader, 4096).decode()
    assert f"The page asks once for: {served.login}" in shown and served.login != "archive:before"
    assert (served.data / "login").stat().st_mode & 0o777 == 0o600
    assert len(served.deployments()) == 6
    before = {"Authorization": basic("archive:before")}
    assert ask(f"{served.address}/api/admin/version", before).status == 401
    served.stop(signal.SIGINT)
    assert served.process.returncode == 0 and served.log.read_text() == ""
    assert os.read(reader, 4096).decode().rstrip().endswith("Stopped.")
    os.close(reader)


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
    (tmp_path / "login").write_text("archive:secret")
    (tmp_path / "login").chmod(0o640)
    with pytest.raises(UsageError, match="other users of this machine"):
        serve(tmp_path / "data", tmp_path, free_port(), auth_file=tmp_path / "login")
    with pytest.raises(UsageError, match="only one makes sense"):
        serve(tmp_path / "data", tmp_path, free_port(), new_login=True, no_login=True)
    with pytest.raises(UsageError, match="is no address of a site"):
        serve(tmp_path / "data", tmp_path, free_port(), public_url="https://*")
    assert not (tmp_path / "data" / "prefect").exists()
