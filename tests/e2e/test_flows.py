"""The flows with a real server behind them: what people see of each recording, and that one failure stops nothing."""

from __future__ import annotations

import json
import logging
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from flows.forms.choices import EVERYTHING, NO_END
from flows.forms.parameters import How, NewRecordings, OneRecording
from flows.places import Places
from flows.running.environment import TEMPORARY, set_up
from speechpipe import installed
from speechpipe.errors import (
    BatchFailed,
    BrokenModel,
    EngineError,
    Interrupted,
    OutputError,
    SpeechpipeError,
    UnreadableMedia,
)
from speechpipe.repositories.contract import Item, Part
from speechpipe.repositories.undone import cancelled
from tests import hub as stand_in
from tests.e2e.test_streams import film
from tests.hub import national_models

STAGES = ["chunk", "transcribe", "align", "deposit"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A temporary server for all tests here; Prefect is imported only after its switches are set."""
    set_up(tmp_path_factory.mktemp("prefect"), TEMPORARY)
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def places(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Two recordings and a text that calls itself one; the engine needs no model."""
    recordings = tmp_path / "recordings"
    (recordings / "1954").mkdir(parents=True)
    shutil.copy(root / "sample_audio" / "slate.wav", recordings / "1954" / "slate.wav")
    (recordings / "notes.wav").write_text("These are notes, no sound.")
    shutil.copy(root / "sample_audio" / "slate.wav", recordings / "reel.wav")
    with (recordings / "reel.wav").open("ab") as file:
        file.write(bytes(3200))
    given = {"ENGINE": "fake", "ALIGNER": "none", "WORKSPACE": str(tmp_path / "work")}
    given |= {"NIGHT__SETTLE_MINUTES": "0", "NIGHT__UNKNOWN_RIGHTS": "open", "REPORTS": str(tmp_path / "reports")}
    for name, value in given.items():
        monkeypatch.setenv(f"SPEECHPIPE_{name}", value)
    monkeypatch.setenv("SPEECHPIPE_RECORDINGS", "")
    monkeypatch.setenv("SPEECHPIPE_OUTPUTS", "")
    places = Places(recordings, tmp_path / "outputs")
    places.put_into_environment()
    return places


def new(collection: str = EVERYTHING, **asked: Any) -> Any:
    from flows.new import transcribe_new

    return transcribe_new(NewRecordings(collection=collection, **asked), How(), return_state=True)


def one(recording: str) -> Any:
    from flows.recording import transcribe_recording

    return transcribe_recording(OneRecording(recording=recording), How(), return_state=True)


class Heard(logging.Handler):
    """What our flows write into the log of their run."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def heard() -> Iterator[Heard]:
    logger, handler = logging.getLogger("speechpipe.flows"), Heard()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def group(*recordings: str) -> Any:
    from flows.forms.parameters import SeveralRecordings
    from flows.group import transcribe_group

    return transcribe_group(SeveralRecordings(recordings=recordings), How(), return_state=True)


def mentions(name: str) -> dict[str, int]:
    """In which tables of the server's database, and in how many rows, a name stands."""
    from flows.seen.traces import _database

    spelt = {name, name.replace(".", "\\.")}
    with closing(sqlite3.connect(str(_database()))) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    counts = {table: sum(any(word in str(row) for word in spelt) for row in found) for table, found in rows.items()}
    return {table: count for table, count in counts.items() if count}


def log(state: Any, text: str) -> None:
    """A line in the log of a run, as a served run would leave it."""
    from prefect.client.orchestration import get_client

    line = {"name": "speechpipe.flows", "level": 40, "message": text, "timestamp": "2026-01-01T00:00:00Z"}
    with get_client(sync_client=True) as client:
        client.request("POST", "/logs/", json=[line | {"flow_run_id": str(state.state_details.flow_run_id)}])


def rows_of(state: Any) -> dict[str, Any]:
    result = state.result(raise_on_failure=False)
    return {row.recording: row for row in getattr(result, "rows", result)}


def read(kind: str, **which: Any) -> list[Any]:
    """What the server knows: ``flow_runs``, ``task_runs`` or ``artifacts``."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found: list[Any] = getattr(client, f"read_{kind}")(**which)
        return found


def read_stages(state: Any) -> list[str]:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    which = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    runs = read("task_runs", flow_run_filter=which)
    return [run.name for run in sorted(runs, key=lambda run: run.start_time)]


def set_state(run: str, state: dict[str, Any]) -> None:
    """As the page does it."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        client.request("POST", f"/flow_runs/{run}/set_state", json={"state": state, "force": True}).raise_for_status()


def children_of(state: Any) -> dict[str, Any]:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId

    parent = FlowRunFilterParentFlowRunId(any_=[state.state_details.flow_run_id])
    return {run.name: run for run in read("flow_runs", flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))}


@pytest.mark.usefixtures("server")
def test_a_folder_is_done_though_one_recording_is_none(places: Places, tmp_path: Path) -> None:
    state = new()
    rows = rows_of(state)
    assert state.is_completed()
    assert state.message == "3 recordings: 2 transcribed, 1 failed."
    assert {name: row.outcome for name, row in rows.items()} == {
        "1954/slate.wav": "speech",
        "notes.wav": "failed",
        "reel.wav": "speech",
    }
    assert "notes.wav" in rows["notes.wav"].message and "Traceback" not in rows["notes.wav"].message
    assert rows["reel.wav"].words and rows["reel.wav"].first_words
    for name in ("1954/slate.wav", "reel.wav"):
        assert {Path(file).name for file in rows[name].files} >= {
            f"{Path(name).name}.vtt",
            f"{Path(name).name}.alto.xml",
        }
        assert all(Path(file).is_file() and Path(file).is_relative_to(places.outputs) for file in rows[name].files)
    children = children_of(state)
    assert set(children) == set(rows)
    assert all("fake" in child.tags for child in children.values())
    failed = children["notes.wav"]
    assert failed.state_name == "Failed"
    assert UnreadableMedia.cure in failed.state.message and str(places.recordings) not in failed.state.message
    assert children["reel.wav"].state.message.startswith("reel.wav: speech")

    again = new()
    assert [row.outcome for row in rows_of(again).values()] == ["already done"] * 3
    assert again.message == "3 recordings: 3 already done."
    assert children_of(again) == {}

    (table,) = latest("report")
    assert all(name in table.data.replace("\\", "") for name in rows)
    assert len(list((tmp_path / "reports").glob("*.html"))) == len(list((tmp_path / "reports").glob("*.csv"))) == 2


@pytest.mark.usefixtures("server")
def test_runs_within_a_run_have_its_tags_but_their_stages_ask_for_no_places(places: Places) -> None:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    state = new()
    (batch,) = {tag for child in children_of(state).values() for tag in child.tags if tag.startswith("batch-")}
    assert batch == f"batch-{str(state.state_details.flow_run_id)[:8]}"
    assert {child.parent_task_run_id is not None for child in children_of(state).values()} == {True}
    reel = FlowRunFilter(id=FlowRunFilterId(any_=[children_of(state)["reel.wav"].id]))
    stages = eventually(lambda: read("task_runs", flow_run_filter=reel), lambda found: len(found) == len(STAGES))
    assert [stage.tags for stage in stages] == [[]] * len(STAGES)


@pytest.mark.usefixtures("server")
def test_a_broken_file_is_tried_again_when_it_has_changed_or_is_asked_for(places: Places) -> None:
    assert places.recordings is not None
    notes = places.recordings / "notes.wav"
    for name in ("reel.wav", "1954/slate.wav"):
        (places.recordings / name).unlink()
    assert rows_of(new())["notes.wav"].outcome == "failed"
    assert rows_of(new())["notes.wav"].outcome == "already done"
    notes.write_text("These are other notes.")
    assert rows_of(new())["notes.wav"].outcome == "failed"
    assert rows_of(new())["notes.wav"].outcome == "already done"
    assert rows_of(new(again=True))["notes.wav"].outcome == "failed"


@pytest.mark.usefixtures("server")
def test_a_night_with_nothing_to_do_reads_no_receipt_twice(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    from speechpipe.repositories import FolderRepository

    new()
    read_again: list[int] = []
    monkeypatch.setattr(FolderRepository, "receipts", lambda _: read_again.append(1) or iter(()))
    assert new().message == "3 recordings: 3 already done." and read_again == []
    assert new(again=True).message == "3 recordings: 2 transcribed, 1 failed." and read_again == []


@pytest.mark.usefixtures("server")
def test_only_the_collection_asked_for_is_looked_through(places: Places) -> None:
    assert list(rows_of(new("1954"))) == ["1954/slate.wav"]


@pytest.mark.usefixtures("server")
def test_what_would_not_be_finished_in_time_waits_and_says_so(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import datetime, timedelta

    monkeypatch.setattr("speechpipe.batch.forecast.UNMEASURED", 0.001)
    soon = datetime.now() + timedelta(minutes=2)
    state = new(until=f"{soon:%H:%M}")
    assert state.is_completed()
    rows = rows_of(state)
    assert "would not have been finished" in rows["reel.wav"].message
    # What cannot be read fails at once, so it is not waited with.
    assert {name: row.outcome for name, row in rows.items()} == {
        "reel.wav": "waiting", "1954/slate.wav": "waiting", "notes.wav": "failed"
    }  # fmt: skip
    assert set(children_of(state)) == {"notes.wav"}


@pytest.mark.usefixtures("server")
def test_when_everything_fails_for_one_reason_it_ends_early_and_says_so_once(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    from speechpipe.pipeline import Run

    assert places.recordings is not None
    for number in range(12):
        shutil.copy(places.recordings / "reel.wav", places.recordings / f"{number}.wav")

    def full(self: Run, progress: Any = None) -> Any:
        raise OutputError("No space is left for the work.", cure="Free some space, then run again.")

    monkeypatch.setattr(Run, "chunk", full)
    monkeypatch.setattr("flows.running.stages.RETRY_SECONDS", [])
    for stage in __import__("flows.running.stages").running.stages.STAGES:
        monkeypatch.setattr(stage, "retries", 0)
    monkeypatch.setattr("flows.running.night.SECONDS_BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr("speechpipe.batch.queue.grouped.__defaults__", (1, 0, 3))  # three a group
    state = new()
    assert state.is_failed() and "every recording fails for one reason: No space is left" in state.message
    with pytest.raises(BatchFailed, match="every recording fails for one reason"):
        state.result()  # as the process of a run does, so that nothing else is told
    outcomes = [row.outcome for row in rows_of(state).values()]
    assert outcomes.count("failed") < 10 and "waiting" in outcomes


@pytest.mark.usefixtures("server")
def test_what_is_restricted_never_enters_a_name_a_log_an_artifact_or_a_report(
    places: Places, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert places.recordings is not None
    secret = places.recordings / "The confession of N.wav"
    shutil.move(places.recordings / "reel.wav", secret)
    shutil.move(places.recordings / "notes.wav", places.recordings / "A broken confession.wav")
    rows = "".join(f"{name},What N did,closed\n" for name in (secret.name, "A broken confession.wav"))
    rows += "A lost confession.wav,What N did,closed\n"
    (places.recordings / "metadata.csv").write_text(f"path,title,access\n{rows}")
    state = new()
    restricted = [row for row in rows_of(state).values() if row.recording.startswith("restricted-")]
    (name,) = [row.recording for row in restricted if row.outcome == "speech"]
    assert [row.message for row in restricted if row.outcome == "left out"] == [
        "It is listed in the metadata, but there is no such file."
    ]
    assert rows_of(state)[name].first_words is None
    (damaged,) = [row for row in restricted if row.failed]
    assert "damaged" in damaged.message
    child = children_of(state)[name]
    seen = [state.message, str(child.parameters), child.name, *(path.read_text() for path in reports(tmp_path))]
    seen += [f"{found.key} {found.description} {found.data}" for found in read("artifacts", limit=200) if ours(found)]
    seen += [log.message for log in read("logs", limit=200)]
    seen += [str(task.state.message) for task in read("task_runs", limit=200)] + caplog.messages
    (transcript,) = latest(f"transcript-{name}")
    assert transcript.data == "Its text is not shown here, as its rights say."
    for text in seen:
        assert "confession" not in text.lower() and "What N did" not in text


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("asked", ["The  confession of M.wav", "The confession of M.wav", "the confession of m.mp3"])
def test_a_run_that_was_asked_for_by_a_path_is_called_by_what_may_be_told(asked: str, places: Places) -> None:
    assert places.recordings is not None
    shutil.move(places.recordings / "reel.wav", places.recordings / "The  confession of M.wav")
    (places.recordings / "metadata.csv").write_text("path,access\nThe  confession of M.wav,closed\n")
    state = one(asked)
    (run,) = [run for run in read("flow_runs", limit=200) if run.id == state.state_details.flow_run_id]
    name = run.parameters["recording"]["recording"]
    assert run.name == name and name.startswith("restricted-" if state.is_completed() else "a restricted recording")
    assert state.is_completed() == asked.endswith(".wav")
    seen = [str(run.parameters), str(state.message)]
    seen += [f"{one.key} {one.description} {one.data}" for one in read("artifacts", limit=200)]
    assert all("confession of m" not in text.lower() for text in seen)


@pytest.mark.usefixtures("server")
def test_what_a_night_finds_closed_is_forgotten_everywhere_first(
    places: Places, tmp_path: Path, monkeypatch: Any, heard: Heard
) -> None:
    from flows.export import export_formats
    from flows.forms.parameters import Exported

    assert places.recordings is not None
    shutil.move(places.recordings / "reel.wav", places.recordings / "confession of K.wav")
    monkeypatch.setenv("SPEECHPIPE_EXPORTS", str(tmp_path / "exports"))
    new()
    export_formats(Exported(collection=EVERYTHING, formats=("txt",)), return_state=True)
    assert (tmp_path / "exports" / "confession of K.wav.txt").exists() and latest("transcript-confession-of-k-wav")
    (places.recordings / "metadata.csv").write_text("path,access\nconfession of K.wav,closed\n")
    state = new()
    assert [row.outcome for name, row in rows_of(state).items() if name.startswith("restricted-")] == ["already done"]
    open_files = [path for tree in ("outputs", "exports", "reports") for path in (tmp_path / tree).rglob("*.*")]
    assert open_files and not any(b"confession" in path.read_bytes() for path in open_files if path.is_file())
    assert not any("confession" in path.name for path in open_files)
    assert latest("transcript-confession-of-k-wav") == []
    assert not any("confession of K" in f"{run.name} {run.parameters}" for run in read("flow_runs", limit=200))
    assert any("no longer let its results stand open" in message for message in heard.messages)
    assert not any("confession" in message for message in heard.messages[-3:])


@pytest.mark.usefixtures("server")
def test_finished_transcripts_are_exported_in_other_formats(places: Places, tmp_path: Path, monkeypatch: Any) -> None:
    from flows.export import export_formats
    from flows.forms.parameters import Exported

    monkeypatch.setenv("SPEECHPIPE_EXPORTS", str(tmp_path / "exports"))
    new()
    corrected = tmp_path / "outputs" / "reel.wav.vtt"
    corrected.write_text("WEBVTT\n\n00:00.000 --> 00:01.000\nA person wrote this.\n")
    found = places.find("reel.wav")
    found.place.repository.record_failure(found.item, cancelled(found.item, None))  # as it was done again
    made = Exported(collection=EVERYTHING, formats=("vtt", "txt"))
    state: Any = export_formats(made, return_state=True)
    assert state.is_completed() and "Exported 2 of 2 recordings" in state.message
    files = sorted(str(path.relative_to(tmp_path / "exports")) for path in (tmp_path / "exports").rglob("*.*"))
    assert files == ["1954/slate.wav.txt", "1954/slate.wav.vtt", "reel.wav.txt", "reel.wav.vtt"]
    assert "A person wrote this." in (tmp_path / "exports" / "reel.wav.vtt").read_text()


@pytest.mark.usefixtures("server")
def test_what_is_withdrawn_is_gone_everywhere_and_is_not_done_again(
    places: Places, tmp_path: Path, heard: Heard
) -> None:
    from flows.forms.parameters import Withdrawn
    from flows.seen.traces import NAMELESS, Watch
    from flows.withdraw import withdraw_recording

    new()
    group("reel.wav", "1954/slate.wav")
    one("reel.wav")
    asked = Withdrawn(recording="reel.wav", reason="asked for by the speaker")
    refused: Any = withdraw_recording(asked, return_state=True)
    assert refused.is_failed() and "sent without its tick. Tick 'Erase the transcripts'" in refused.message
    assert (tmp_path / "outputs/reel.wav.vtt").exists()
    assert refused.message in heard.messages, "its log says so too"
    log(refused, "No space is left for reel.wav.vtt.")
    tables = {"events", "event_resources", "log", "flow_run", "flow_run_state", "artifact", "artifact_collection"}
    assert eventually(lambda: mentions("reel.wav"), lambda found: tables <= found.keys()).keys() >= tables
    (tmp_path / "outputs/reel.wav.vtt").write_text("by a person")
    state: Any = withdraw_recording(asked.model_copy(update={"sure": True}), return_state=True)
    assert state.is_completed() and state.message == (
        "Withdrawn: 4 files are erased. "
        "1 that a person changed are kept, with the restricted results in the folder kept-corrections."
    )
    assert (tmp_path / "outputs-restricted/kept-corrections/reel.wav/reel.wav.vtt").read_text() == "by a person"
    other: Any = withdraw_recording(
        asked.model_copy(update={"sure": True, "with_corrections": True}), return_state=True
    )  # fmt: skip
    assert other.is_completed() and not list((tmp_path / "outputs-restricted").rglob("reel*"))
    assert not list((tmp_path / "outputs").glob("reel.wav*"))
    assert all(b"reel.wav" not in path.read_bytes() for path in reports(tmp_path))
    assert all(b"slate.wav" in path.read_bytes() for path in reports(tmp_path))
    assert latest("transcript-reel-wav") == [] and latest("progress-reel-wav") == []
    kept = [str(found.data) for found in read("artifacts", limit=200) if found.key == "report"]
    assert any("slate" in told for told in kept) and not any("reel.wav" in told for told in kept)
    names = [run.parameters["recordings"]["recordings"] for run in read("flow_runs", limit=200) if "group" in run.name]
    assert names == [[NAMELESS, "1954/slate.wav"]]
    # Events and logs come a moment after what they tell of: what was late goes at the server's next look.
    eventually(lambda: (Watch().look(places), mentions("reel.wav"))[1], lambda tables: not tables)
    assert mentions("reel.wav") == {} and mentions("1954/slate.wav"), "and nothing else"
    again = rows_of(new())
    assert again["reel.wav"].outcome == "withdrawn" and again["1954/slate.wav"].outcome == "already done"
    told = one("reel.wav")
    assert told.is_failed() and "was withdrawn" in told.message and latest("failed-reel-wav") == []
    # Withdrawn elsewhere, and killed when only the tombstone stood: the server ends it.
    repository = places.places[0].repository
    receipt = repository.existing(repository.item("1954/slate.wav"))
    assert receipt is not None
    repository.withdraw(receipt)
    (tmp_path / "outputs/1954/slate.wav.vtt").unlink()
    (tmp_path / "outputs/1954/slate.wav.vtt").mkdir()  # what stands in the way does not keep the rest
    watch = Watch()
    watch.look(places)
    (tmp_path / "outputs/1954/slate.wav.vtt").rmdir()
    watch.look(places)
    assert not list((tmp_path / "outputs" / "1954").glob("*")), "tried again at the next look"
    eventually(lambda: (Watch().look(places), mentions("1954/slate.wav"))[1], lambda tables: not tables)
    assert mentions("1954/slate.wav") == {} and not list((tmp_path / "outputs" / "1954").glob("*"))
    assert all(b"1954/slate.wav" not in path.read_bytes() for path in reports(tmp_path))
    assert not list((tmp_path / "work").glob("[0-9a-f]*/*.jsonl"))


@pytest.mark.usefixtures("server")
def test_what_is_withdrawn_while_a_batch_is_at_work_is_told_so_and_its_words_never(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both what was in work and what had been done by then; neither is tried again."""
    from speechpipe.pipeline import Run
    from speechpipe.settings import Settings
    from speechpipe.withdrawal import withdraw

    assert places.recordings is not None
    (places.recordings / "notes.wav").unlink()
    repository, transcribe, done = places.places[0].repository, Run.transcribe, list[str]()

    def withdrawn_meanwhile(self: Run, progress: Any = None) -> Any:
        done.append(self.item.location)
        if len(done) == 2:
            for name in done:
                withdraw.withdraw(withdraw.find(repository, name), Settings.load())
        return transcribe(self, progress)

    monkeypatch.setattr(Run, "transcribe", withdrawn_meanwhile)
    state = new()
    assert state.message == "2 recordings: 2 withdrawn." and len(done) == 2
    assert {(row.outcome, row.first_words, row.words) for row in rows_of(state).values()} == {("withdrawn", None, None)}
    assert not list((tmp_path / "outputs").rglob("*.vtt")) and not list((tmp_path / "work").glob("[0-9a-f]*"))
    (report,) = latest("report")
    assert "given up" not in report.data and "never finished" not in report.data


@pytest.mark.usefixtures("server")
def test_the_sound_tracks_of_a_film_are_those_chosen_in_the_form(places: Places, root: Path) -> None:
    from flows.recording import transcribe_recording

    assert places.recordings is not None and places.outputs is not None
    film(places.recordings / "1954" / "film.mkv", root, {"eng": "slate.wav", "nob": "innspilling.wav"})
    results = places.outputs / "1954" / "film.mkv.json"

    def asked(streams: str) -> Any:
        return transcribe_recording(OneRecording(recording="1954/film.mkv"), How(streams=streams), return_state=True)

    missing = asked("Those in Swedish")
    assert missing.is_failed() and not results.exists()
    assert "film.mkv has no audio stream sv; it has 1 (eng), 2 (nob)." in missing.message
    assert asked("All, each in its own language").is_completed()
    assert {segment["channel"] for segment in json.loads(results.read_text())["segments"]} == {0, 1}
    assert asked("Those in Norwegian Bokmål").is_completed()
    said = json.loads(results.read_text())
    assert said["media"]["duration_ms"] and "1 other audio stream of the file left unread" in said["warnings"]


@pytest.mark.usefixtures("server")
def test_what_lacked_the_track_asked_for_is_done_when_another_is(places: Places, root: Path) -> None:
    from flows.recording import transcribe_recording

    assert places.recordings is not None
    film(places.recordings / "1954" / "film.mkv", root, {"eng": "slate.wav"})
    one_film = OneRecording(recording="1954/film.mkv")
    assert transcribe_recording(one_film, How(streams="Only the second"), return_state=True).is_failed()
    assert rows_of(new("1954"))["1954/film.mkv"].outcome == "speech"


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("done_by_the_other", [True, False])
def test_a_recording_in_work_elsewhere_is_waited_for_and_done_once(
    done_by_the_other: bool, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.running import held
    from speechpipe.files import sha256_file
    from speechpipe.pipeline import Run
    from speechpipe.settings import Settings
    from speechpipe.workspace import Workspace

    assert places.recordings is not None
    monkeypatch.setattr("flows.seen.progress.SECONDS_BETWEEN_UPDATES", 0.0)
    sha256 = sha256_file(places.recordings / "reel.wav")
    other = ExitStack()
    other.enter_context(Workspace(Settings.load().workspace_folder, sha256).locked("reel.wav"))
    looks = 0

    def let_go_in_time() -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            other.close()
            if done_by_the_other:
                found = places.find("reel.wav")
                with Run(held.transcriber(How().settings()), found.place.repository, found.item) as run:
                    run.chunk(), run.transcribe(), run.align(), run.deposit()

    monkeypatch.setattr("flows.seen.progress.stop_if_cancelled", let_go_in_time)
    state = one("reel.wav")
    assert state.is_completed() and looks >= 2
    assert read_stages(state) == ([] if done_by_the_other else STAGES), "what another has done is not done again"


@pytest.mark.usefixtures("server")
def test_two_copies_of_one_recording_are_both_done(places: Places) -> None:
    assert places.recordings is not None
    shutil.copy(places.recordings / "reel.wav", places.recordings / "1954" / "reel (1).wav")
    rows = rows_of(new())
    assert rows["reel.wav"].outcome == rows["1954/reel (1).wav"].outcome == "speech"


@pytest.mark.usefixtures("server")
def test_what_a_person_cancels_within_a_group_stays_cancelled_until_it_is_asked_for(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.running import stages
    from flows.seen import progress

    monkeypatch.setattr("flows.seen.progress.SECONDS_BETWEEN_UPDATES", 0.0)
    moved = progress.update_progress_artifact

    def cancel(id_: Any, percent: float, description: str) -> None:
        """As the button does on the page, as soon as something has been recognised."""
        moved(id_, percent, description=description)
        if description.startswith("reel.wav: transcribe"):
            set_state(str(progress.runtime.flow_run.id), {"type": "CANCELLING", "name": "Cancelling"})

    wrote = stages.wrote

    def cancel_too_late(receipt: Any, named: bool) -> str:
        if receipt.identifier == "1954/slate.wav":
            set_state(str(progress.runtime.flow_run.id), {"type": "CANCELLING", "name": "Cancelling"})
        return wrote(receipt, named)

    monkeypatch.setattr("flows.seen.progress.update_progress_artifact", cancel)
    monkeypatch.setattr("flows.running.stages.wrote", cancel_too_late)
    state = new()
    rows = rows_of(state)
    assert state.is_completed() and "1 cancelled" in state.message
    assert rows["1954/slate.wav"].outcome == "speech", "the others of its group are done"
    assert rows["reel.wav"].outcome == "cancelled" and rows["reel.wav"].message == "It was cancelled by a person."
    done = children_of(state)["1954/slate.wav"].state
    assert done.is_cancelled() and "before it could be cancelled" in done.message
    run = children_of(state)["reel.wav"]
    assert run.state.is_cancelled() and "cancelled by a person" in run.state.message
    report = max(read("artifacts"), key=lambda artifact: artifact.created if artifact.key == "report" else run.created)
    assert "## Cancelled" in report.data and "Do cancelled recordings too" in report.data

    monkeypatch.setattr("flows.seen.progress.update_progress_artifact", moved)
    later = new()
    assert rows_of(later)["reel.wav"].outcome == "cancelled" and set(children_of(later)) == set()
    assert rows_of(new(cancelled=True))["reel.wav"].outcome == "speech"
    assert rows_of(new())["reel.wav"].outcome == "already done"


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("until", "hours_late", "again", "ends"),
    [("07:00", 48, False, "Missed"), ("07:00", 48, True, "Completed"), (NO_END, 48, False, "Completed")],
    ids=["its night is over", "begun once more by a person", "no end"],
)
def test_the_run_of_a_missed_night_is_not_begun(
    until: str, hours_late: int, again: bool, ends: str, places: Places
) -> None:
    from datetime import UTC, datetime, timedelta

    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow
    from prefect.states import Scheduled

    from flows.new import transcribe_new

    due = datetime.now(UTC) - timedelta(hours=hours_late)
    asked = {"recordings": NewRecordings(collection="1954", until=until), "how": How()}
    plain = {name: value.model_dump(mode="json") for name, value in asked.items()}
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(transcribe_new, parameters=plain, state=Scheduled(scheduled_time=due))
        if again:
            set_state(str(run.id), {"type": "RUNNING"})
            set_state(str(run.id), {"type": "SCHEDULED", "name": "AwaitingRetry"})
        run = client.read_flow_run(run.id)
    state = run_flow(transcribe_new, flow_run=run, parameters=asked, return_type="state")
    assert state.name == ends, state
    assert list(children_of(state)) == ([] if ends == "Missed" else ["1954/slate.wav"])
    if ends == "Missed":
        assert "its night ended" in state.message and "by hand" in state.message


@pytest.mark.usefixtures("server", "places")
@pytest.mark.parametrize("ends", ["failed", "crashed", "removed"])
def test_what_is_given_up_is_told_with_the_reason_of_its_run_where_that_has_one(
    ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.states import Crashed, Failed

    from flows.running import crew, night

    states = {"failed": Failed(message="It was withdrawn."), "crashed": Crashed(message="Killed."), "removed": None}

    class LeavesNoReceipt:
        """As runs do that were killed, or that may leave no trace."""

        def __init__(self, *_: object) -> None:
            self.at_work: list[Any] = []

        def begin(self, group: Any) -> None:
            self.at_work.append(group)

        def ended(self) -> list[Any]:
            over, self.at_work = self.at_work, []
            return [crew.ended(group, states[ends]) for group in over]

    monkeypatch.setattr(night, "crew", LeavesNoReceipt)
    monkeypatch.setattr(night, "SECONDS_BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr("speechpipe.batch.queue.BACK_OFF_S", 0)
    (row,) = rows_of(new("1954")).values()
    assert row.outcome == "failed"
    if ends == "failed":
        assert (row.message, row.cure) == ("It was withdrawn.", None)
    else:
        assert "begun three times" in row.message and "killed each time" in row.cure


@pytest.mark.usefixtures("server", "places")
def test_a_start_keeps_what_people_scheduled_and_paused_and_drops_what_was_missed() -> None:
    from datetime import UTC, datetime, timedelta

    from prefect.client.orchestration import get_client
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.states import Scheduled

    from flows.deployments import deployments, end_missed, refresh_forms, scheduled

    def start() -> Any:
        deployments(How())[0].apply()
        return client.read_deployment_by_name("transcribe-new/Transcribe new recordings")

    with get_client(sync_client=True) as client:
        for deployment in deployments(How()):
            deployment.apply()
        found = start()
        evening, radio = CronSchedule(cron="0 22 * * *", timezone="Europe/Oslo"), {"recordings": {"until": "07:00"}}
        posted = [{"active": True, "schedule": evening.model_dump(), "parameters": radio}]
        client.request("POST", f"/deployments/{found.id}/schedules", json=posted).raise_for_status()
        client.pause_deployment(found.id)
        again = start()
        refresh_forms()
        assert again.id == found.id and again.paused
        assert [(one.schedule.cron, one.parameters, one.active) for one in again.schedules] == [
            ("0 22 * * *", radio, True)
        ]
        client.resume_deployment(found.id)
        assert start().paused is False

        today = datetime.now(UTC)
        times = {"over": today - timedelta(days=3), "no end": today - timedelta(days=2)}
        times["to come"] = today + timedelta(days=1)
        runs = {
            name: client.create_flow_run_from_deployment(
                found.id,
                parameters={"recordings": {"until": "07:00" if name == "over" else NO_END}},
                state=Scheduled(scheduled_time=at),
            )
            for name, at in times.items()
        }
        end_missed()
        states = {name: client.read_flow_run(run.id).state for name, run in runs.items()}
        names = {name: state.name for name, state in states.items() if state}
        assert names == {"over": "Missed", "no end": "Scheduled", "to come": "Scheduled"}
        assert states["over"] is not None and "its night ended" in str(states["over"].message)
        by_schedule = [runs[name].model_copy(update={"auto_scheduled": True}) for name in ("no end", "to come")]
        first, second = (scheduled(run) for run in by_schedule)
        assert first and second and first.asks == second.asks and first.at < second.at
        by_hand = scheduled(runs["no end"])
        assert by_hand and by_hand.asks != first.asks
        for run in runs.values():
            client.delete_flow_run(run.id)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(("seconds", "bars"), [(0.0, [100.0]), (1e9, [])], ids=["a bar", "done before a bar moves"])
def test_the_stages_of_a_recording_are_seen_by_name_with_a_sentence_each(
    places: Places, monkeypatch: pytest.MonkeyPatch, seconds: float, bars: list[float]
) -> None:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    monkeypatch.setattr("flows.seen.progress.SECONDS_BETWEEN_UPDATES", seconds)
    state = one("reel.wav")
    assert state.is_completed()
    run = state.state_details.flow_run_id
    which = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
    tasks = eventually(lambda: read("task_runs", flow_run_filter=which), lambda found: len(found) == len(STAGES))
    by_time = sorted(tasks, key=lambda task: task.expected_start_time)
    assert [task.name for task in by_time] == STAGES
    assert all(task.state_name == "Completed" and task.state.message.endswith(".") for task in by_time)
    assert [bar.data for bar in latest("progress-reel-wav") if bar.flow_run_id == run] == bars
    (shown,) = latest("transcript-reel-wav")
    assert re.search(r"00:00:00\.\d{3} --> ", shown.data) and "reel.wav.vtt" in shown.data.replace("\\", "")
    assert read("flow_runs", flow_run_filter=which)[0].name == "reel.wav"


@pytest.mark.usefixtures("server")
def test_a_fault_of_ours_in_one_recording_stops_no_other(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    from speechpipe.pipeline import Run

    whole = Run.chunk

    def faulty(self: Run, progress: Any = None) -> Any:
        if self.name == "reel.wav":
            raise ZeroDivisionError("a fault")
        return whole(self, progress)

    monkeypatch.setattr(Run, "chunk", faulty)
    state = new()
    rows = rows_of(state)
    assert state.is_completed()
    assert rows["reel.wav"].failed and "fault of speechpipe (ZeroDivisionError" in rows["reel.wav"].message
    assert rows["1954/slate.wav"].outcome == "speech"


@pytest.mark.usefixtures("server")
def test_an_unknown_model_ends_the_run_before_any_work(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHPIPE_ENGINE", "auto")
    monkeypatch.setenv("SPEECHPIPE_MODEL", "whisper-of-nobody")
    state = new()
    assert state.is_failed()
    assert "whisper-of-nobody" in state.message and "Traceback" not in state.message
    assert children_of(state) == {}
    assert not places.outputs.exists()


@pytest.mark.usefixtures("server")
def test_a_model_that_is_fetched_first_is_seen_in_the_log_and_on_the_page(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("flows.seen.fetching.log.info", lambda told, *parts: said.append(told % parts))
    name = "NbAiLab/nb-whisper-tiny"
    monkeypatch.setenv("SPEECHPIPE_MODELS_FOLDER", str(tmp_path / "models"))
    monkeypatch.setenv("SPEECHPIPE_MODEL", name)
    with stand_in.running() as hub:
        national_models(hub, installed.models_folder())
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        state = new("1954")
    assert state.is_completed(), state.message
    said = [line for line in said if line.startswith("The model")]
    assert re.fullmatch(rf"The model {name} is not here yet and is fetched now: \d+\.\d MB\.", said[0])
    assert re.fullmatch(rf"The model {name}: \d+ % of \d+\.\d MB are here\.", said[1])
    assert said[-1] == f"The model {name} is ready." and len(said) <= 13
    (bar,) = latest("model")
    assert bar.data == 100.0 and bar.description == f"{name}: fetching"
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert new("1954", again=True).is_completed(), "it is here now"


@pytest.mark.usefixtures("server")
def test_a_link_out_of_the_folder_is_no_recording(places: Places, tmp_path: Path) -> None:
    assert places.recordings is not None
    shutil.copy(places.recordings / "reel.wav", tmp_path / "secret.wav")
    (places.recordings / "out").symlink_to(tmp_path)
    state = one("out/secret.wav")
    assert state.is_failed() and "There is no recording 'out/secret.wav'" in state.message


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("error", "attempts", "ends"),
    [
        (OutputError("The disk was away."), 2, "Completed"),
        (EngineError("Out of memory."), 2, "Completed"),
        (UnreadableMedia("Not audio."), 1, "Failed"),
        (BrokenModel("A file is missing."), 1, "Failed"),
        (Interrupted("Stopped."), 1, "Failed"),
    ],
)
def test_only_what_may_mend_itself_is_tried_again(error: SpeechpipeError, attempts: int, ends: str) -> None:
    from prefect import flow

    from flows.running.stages import stage_task
    from flows.seen.progress import Bar

    tried = []

    def work(_run: Any, _bar: Any) -> str:
        tried.append(1)
        if len(tried) == 1:
            raise error
        return "Done."

    run = SimpleNamespace(item=Item("trying.wav", (Part("trying.wav"),)), deposited=None)
    stage = stage_task("chunk", "A stage.", work).with_options(retry_delay_seconds=0)

    @flow
    def trying() -> Any:
        return stage(run, Bar("trying"), return_state=True)

    state: Any = trying(return_state=True)
    assert (len(tried), state.name) == (attempts, ends)
    if ends == "Failed":
        assert str(error) in str(state.result(raise_on_failure=False))


@pytest.mark.usefixtures("server")
def test_the_bar_moves_at_most_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.seen.progress import Bar

    moved: list[float] = []
    told: list[str] = []
    clock = iter([0.0, 1.0, 3.5, 4.0, 7.0])
    monkeypatch.setattr("flows.seen.progress.time.monotonic", lambda: next(clock))

    def begin(percent: float, *, key: str, description: str) -> UUID:
        move(None, percent, description)
        return UUID(int=1)

    def move(_id: object, percent: float, description: str) -> None:
        moved.append(percent)
        told.append(description)

    monkeypatch.setattr("flows.seen.progress.create_progress_artifact", begin)
    monkeypatch.setattr("flows.seen.progress.update_progress_artifact", move)
    bar = Bar("reel.wav")
    for done in (10, 50, 60, 100):
        bar.at("transcribe", done, 100)
    bar.full()
    assert moved == [45.0, 80.0, 100.0]
    assert told == [
        "reel.wav: transcribe, less than a minute left",
        "reel.wav: transcribe, less than a minute left",
        "reel.wav: done",
    ]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(10, "less than a minute left"), (130, "about 2 min left"), (7500, "about 2 h 5 min left")],
)
def test_the_time_left_is_told_as_exactly_as_it_is_worth(seconds: float, told: str) -> None:
    from flows.seen.progress import left

    assert left(seconds) == told


def reports(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "reports").iterdir())


def ours(artifact: Any) -> bool:
    return "slate" not in str(artifact.key)


def latest(key: str) -> list[Any]:
    """The newest artifact of this key."""
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from prefect.client.schemas.sorting import ArtifactSort

    which = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    return read("artifacts", artifact_filter=which, sort=ArtifactSort.CREATED_DESC, limit=1)


def eventually(get: Any, holds: Any, seconds: float = 180) -> Any:
    """Task runs are recorded a moment after the fact."""
    import time

    until = time.monotonic() + seconds
    while not holds(found := get()) and time.monotonic() < until:
        time.sleep(0.5)
    return found
