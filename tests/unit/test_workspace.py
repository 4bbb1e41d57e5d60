"""The scratch folder: locks that die with their holder, journals that survive a torn write."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.synchronize
import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe.errors import AlreadyInWork, OutputError
from speechpipe.workspace import Journal, Workspace, read_json, stage_key

CONTENT = "ab" * 32


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, CONTENT)


def test_a_key_follows_everything_that_decides_the_result() -> None:
    key = stage_key("chunk", 1, "upstream", padding=200, language=None)
    assert key == stage_key("chunk", 1, "upstream", language=None, padding=200)
    others = [
        stage_key("align", 1, "upstream", padding=200, language=None),
        stage_key("chunk", 2, "upstream", padding=200, language=None),
        stage_key("chunk", 1, "other", padding=200, language=None),
        stage_key("chunk", 1, "upstream", padding=201, language=None),
        stage_key("chunk", 1, "upstream", padding=200, language="en"),
        stage_key("chunk", 1, "upstream", padding=200),
    ]
    assert len({key, *others}) == 7


def test_two_runs_on_one_recording_one_works_and_the_other_says_so(workspace: Workspace, tmp_path: Path) -> None:
    with workspace.locked("reel.wav"):
        other = Workspace(tmp_path, CONTENT)
        with pytest.raises(AlreadyInWork, match="reel.wav"), other.locked("reel.wav"):
            pass
    with Workspace(tmp_path, CONTENT).locked("reel.wav"):
        pass


def test_other_recordings_are_not_held_up(workspace: Workspace, tmp_path: Path) -> None:
    with workspace.locked("a"), Workspace(tmp_path, "cd" * 32).locked("b") as second:
        assert second.folder != workspace.folder


def test_who_waits_gets_it_when_the_other_lets_go(workspace: Workspace, tmp_path: Path) -> None:
    other = ExitStack()
    other.enter_context(workspace.locked("reel.wav"))
    looks: list[int] = []

    def waiting() -> None:
        looks.append(1)
        if len(looks) == 3:
            other.close()

    with Workspace(tmp_path, CONTENT).locked("copy.wav", waiting) as held:
        assert held.folder == workspace.folder and len(looks) == 3
    with workspace.locked("reel.wav", waiting):
        assert len(looks) == 3, "nobody waits for what is free"


def hold(root: Path, ready: multiprocessing.synchronize.Event) -> None:
    with Workspace(root, CONTENT).locked("reel.wav"):
        ready.set()
        signal.pause()


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=hold, args=(tmp_path, ready))
    holder.start()
    assert ready.wait(120)
    with pytest.raises(AlreadyInWork), Workspace(tmp_path, CONTENT).locked("reel.wav"):
        pass
    assert holder.pid
    os.kill(holder.pid, signal.SIGKILL)
    holder.join(120)
    with Workspace(tmp_path, CONTENT).locked("reel.wav") as mine:
        assert (mine.folder / "lock").exists()


def test_a_workspace_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError), Workspace(tmp_path / "file", CONTENT).locked("reel.wav"):
        pass


def test_a_stage_is_complete_only_when_it_says_so(workspace: Workspace) -> None:
    assert workspace.finished("align", "key") is None
    workspace.finish("align", "key", {"what": "word alignment", "settings": {"beam": 5}})
    assert workspace.finished("align", "key") == {"what": "word alignment", "settings": {"beam": 5}}
    assert workspace.finished("align", "other") is None


def test_dropping_the_pcm_keeps_plan_and_journals(workspace: Workspace) -> None:
    folder = workspace.stage_folder("chunk", "key")
    (folder / "lane.s16").write_bytes(b"\0\0")
    (folder / "plan.json").write_text("{}\n")
    workspace.journal("transcribe", "key").append({"windows": {"0": {}}})
    workspace.drop_pcm()
    assert sorted(path.name for path in folder.iterdir()) == ["plan.json"]
    assert workspace.journal("transcribe", "key").read() == [{"windows": {"0": {}}}]
    workspace.remove()
    assert not workspace.folder.exists()


def test_a_journal_gives_back_its_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    assert journal.read() == []
    entries = [{"text": "bånd tre\u2028 side to\n", "name": "b\udce5nd.wav"}, {"none": None, "numbers": [1, 2.5]}]
    for entry in entries:
        journal.append(entry)
    assert journal.read() == entries


@given(
    entries=st.lists(st.dictionaries(st.text('ab\n\u2028"\\{', max_size=4), st.integers() | st.none()), max_size=5),
    cut=st.integers(0, 400),
)
def test_a_torn_write_costs_only_the_last_line(
    tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, int | None]], cut: int
) -> None:
    journal = Journal(tmp_path_factory.mktemp("journal") / "a.jsonl")
    for entry in entries:
        journal.append(entry)
    whole = journal.path.read_bytes() if entries else b""
    journal.path.write_bytes(whole[:cut])
    kept = journal.read()
    assert kept == entries[: whole[:cut].count(b"\n")]
    journal.append({"after": 1})
    assert journal.read() == [*kept, {"after": 1}]


def test_a_journal_stops_at_the_first_line_that_is_not_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a":1}\n\0\0\0\0\n{"b":2}\n')
    assert Journal(path).read() == [{"a": 1}]
    assert path.read_bytes() == b'{"a":1}\n'


def test_only_objects_count(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert read_json(path) is None
    path.write_text("[1]\n")
    assert read_json(path) is None
    path.write_text(json.dumps({"a": 1}) + "\n")
    assert read_json(path) == {"a": 1}
