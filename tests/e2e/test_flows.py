"""The flows with a real server behind them: what people see of each recording, and that one failure stops nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.environment import TEMPORARY, set_up
from flows.parameters import How, NewRecordings, OneRecording
from flows.places import Places
from speechpipe.errors import BrokenModel, EngineError, Interrupted, OutputError, SpeechpipeError, UnreadableMedia

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
    for name, value in {"ENGINE": "fake", "ALIGNER": "none", "WORKSPACE": str(tmp_path / "work")}.items():
        monkeypatch.setenv(f"SPEECHPIPE_{name}", value)
    monkeypatch.setenv("SPEECHPIPE_RECORDINGS", "")
    monkeypatch.setenv("SPEECHPIPE_OUTPUTS", "")
    places = Places(recordings, tmp_path / "outputs")
    places.put_into_environment()
    return places


def new(folder: str = "", again: bool = False) -> Any:
    from flows.new import transcribe_new

    return transcribe_new(NewRecordings(folder=folder, again=again), How(), return_state=True)


def one(recording: str) -> Any:
    from flows.recording import transcribe_recording

    return transcribe_recording(OneRecording(recording=recording), How(), return_state=True)


def rows_of(state: Any) -> dict[str, Any]:
    return {row.recording: row for row in state.result(raise_on_failure=False)}


def read(kind: str, **which: Any) -> list[Any]:
    """What the server knows: ``flow_runs``, ``task_runs`` or ``artifacts``."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found: list[Any] = getattr(client, f"read_{kind}")(**which)
        return found


def children_of(state: Any) -> dict[str, Any]:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId

    parent = FlowRunFilterParentFlowRunId(any_=[state.state_details.flow_run_id])
    return {run.name: run for run in read("flow_runs", flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))}


@pytest.mark.usefixtures("server")
def test_a_folder_is_done_though_one_recording_is_none(places: Places) -> None:
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
    assert all(child.tags == ["fake"] for child in children.values())
    failed = children["notes.wav"]
    assert failed.state_name == "Failed"
    assert UnreadableMedia.cure in failed.state.message and str(places.recordings) not in failed.state.message
    assert children["reel.wav"].state.message.startswith("reel.wav: speech")

    again = new()
    assert [row.outcome for row in rows_of(again).values()] == ["already done"] * 3
    assert again.message == "3 recordings: 3 already done."
    assert children_of(again) == {}

    (table,) = latest("recordings-all")
    assert all(name in table.data.replace("\\", "") for name in rows)


@pytest.mark.usefixtures("server")
def test_a_broken_file_is_tried_again_when_it_or_the_settings_have_changed(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = places.recordings / "notes.wav"
    for name in ("reel.wav", "1954/slate.wav"):
        (places.recordings / name).unlink()
    assert rows_of(new())["notes.wav"].outcome == "failed"
    assert rows_of(new())["notes.wav"].outcome == "already done"
    notes.write_text("These are other notes.")
    assert rows_of(new())["notes.wav"].outcome == "failed"
    monkeypatch.setenv("SPEECHPIPE_CHANNELS", "mix")
    assert rows_of(new())["notes.wav"].outcome == "failed"
    assert rows_of(new())["notes.wav"].outcome == "already done"
    assert rows_of(new(again=True))["notes.wav"].outcome == "failed"


@pytest.mark.usefixtures("server")
def test_only_the_folder_asked_for_is_looked_through(places: Places) -> None:
    assert list(rows_of(new("1954"))) == ["1954/slate.wav"]
    state = new("1955")
    assert state.is_failed() and "There is no folder '1955'" in state.message


@pytest.mark.usefixtures("server")
def test_the_stages_of_a_recording_are_seen_by_name_with_a_sentence_each(places: Places) -> None:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    state = one("reel.wav")
    assert state.is_completed()
    run = state.state_details.flow_run_id
    which = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
    tasks = eventually(lambda: read("task_runs", flow_run_filter=which), lambda found: len(found) == len(STAGES))
    by_time = sorted(tasks, key=lambda task: task.expected_start_time)
    assert [task.name for task in by_time] == STAGES
    assert all(task.state_name == "Completed" and task.state.message.endswith(".") for task in by_time)
    (bar,) = latest("progress-reel-wav")
    assert bar.data == 100.0
    (shown,) = latest("transcript-reel-wav")
    assert "00:00:00.504 --> " in shown.data and "reel.wav.vtt" in shown.data.replace("\\", "")
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
    assert rows["reel.wav"].failed and "fault of speechpipe: ZeroDivisionError" in rows["reel.wav"].message
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
def test_a_link_out_of_the_folder_is_refused(places: Places, tmp_path: Path) -> None:
    shutil.copy(places.recordings / "reel.wav", tmp_path / "secret.wav")
    (places.recordings / "out").symlink_to(tmp_path)
    state = one("out/secret.wav")
    assert state.is_failed() and "leads out of the folder" in state.message


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

    from flows.recording import Bar, stage_task

    tried = []

    def work(_run: Any, _bar: Any) -> str:
        tried.append(1)
        if len(tried) == 1:
            raise error
        return "Done."

    stage = stage_task("chunk", "A stage.", work).with_options(retry_delay_seconds=0)

    @flow
    def trying() -> Any:
        return stage(None, Bar("trying"), return_state=True)

    state: Any = trying(return_state=True)
    assert (len(tried), state.name) == (attempts, ends)
    if ends == "Failed":
        assert str(error) in str(state.result(raise_on_failure=False))


@pytest.mark.usefixtures("server")
def test_the_bar_moves_at_most_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import recording

    moved: list[float] = []
    clock = iter([0.0, 1.0, 3.5, 4.0, 7.0])
    monkeypatch.setattr(recording.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(recording, "update_progress_artifact", lambda _id, percent, description: moved.append(percent))

    monkeypatch.setattr(recording, "create_progress_artifact", lambda *_, **__: None)
    bar = recording.Bar("reel.wav")
    for done in (10, 50, 60, 100):
        bar.at("transcribe", done, 100)
    assert moved == [45.0, 80.0]


def latest(key: str) -> list[Any]:
    """The newest artifact of this key."""
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from prefect.client.schemas.sorting import ArtifactSort

    which = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    return read("artifacts", artifact_filter=which, sort=ArtifactSort.CREATED_DESC, limit=1)


def eventually(get: Any, holds: Any, seconds: float = 30) -> Any:
    """Task runs are recorded a moment after the fact."""
    import time

    until = time.monotonic() + seconds
    while not holds(found := get()) and time.monotonic() < until:
        time.sleep(0.5)
    return found
