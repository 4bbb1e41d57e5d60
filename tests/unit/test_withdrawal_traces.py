"""Traces outside of the results: copies, reports, work in progress; and a withdrawal that is killed at any step."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from speechpipe import Settings, Transcriber
from speechpipe.batch.export import export
from speechpipe.errors import OutputError
from speechpipe.pipeline import process
from speechpipe.reports.morning import Report, Row
from speechpipe.repositories import FolderRepository, Receipt
from speechpipe.repositories.rights import masked
from speechpipe.withdrawal import traces
from speechpipe.withdrawal.withdraw import find, withdraw
from speechpipe.workspace import Workspace
from tests.contract.test_repositories import Killed, killed_at

CONTENT = "ab" * 32


def prepared(folder: Path, root: Path) -> tuple[FolderRepository, Settings]:
    """A recording that was done, corrected, exported and reported."""
    settings = Settings.load(engine="fake", workspace=folder / "work")
    repository = FolderRepository(folder / "source", folder / "results")
    (folder / "reports").mkdir(parents=True)
    (folder / "reports" / "night.csv").write_bytes(Report("Night", (Row("a.wav", "speech"),)).as_csv())
    repository.source.mkdir()
    shutil.copy(root / "sample_audio" / "slate.wav", repository.source / "a.wav")
    process(Transcriber(settings), repository, repository.item("a.wav"))
    return repository, settings


def test_a_withdrawal_killed_at_any_step_is_ended_by_the_same_call(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the tombstone stands all stands; from then on nothing of it counts as done, and nothing is lost."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    prepared(tmp_path / "first", root)
    step, ended, before, after = 0, False, 0, 0
    while not ended:
        step += 1
        folder = tmp_path / str(step)
        shutil.copytree(tmp_path / "first", folder)
        settings = Settings.load(engine="fake", workspace=folder / "work")
        repository = FolderRepository(folder / "source", folder / "results")
        item = repository.item("a.wav")
        receipt = repository.existing(item)
        assert receipt is not None
        export(repository, item, receipt, ["srt", "txt"], folder / "exports", settings.captions)
        (folder / "results" / "a.wav.vtt").write_bytes(b"by a person")
        recordings = find(repository, "a.wav")
        with killed_at(step, monkeypatch):
            try:
                withdraw(recordings, settings, reports=folder / "reports")
                ended = True
            except Killed:
                pass
        if list(repository.tombstones()):
            after += 1
        else:
            before += 1
            assert repository.existing(item) == receipt and len(list(folder.glob("exports/*"))) == 2
        withdraw(find(repository, "a.wav"), settings, reports=folder / "reports")
        left = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        kept = "results-restricted/kept-corrections/a.wav/a.wav.vtt"
        grave = f"results/.speechpipe-withdrawn/{receipt.source_sha256}.json"
        torn = [name for name in left if name.endswith((".part", "speechpipe.lock"))]
        assert {*left} - {*torn} == {"source/a.wav", "reports/night.csv", kept, grave}, f"step {step}"
        assert (folder / kept).read_bytes() == b"by a person"
        assert b"a.wav" not in (folder / "reports" / "night.csv").read_bytes()
    assert before > 1 and after > 15


def test_where_rights_close_copies_go_and_work_is_for_its_owner_alone(tmp_path: Path, root: Path) -> None:
    repository, settings = prepared(tmp_path, root)
    item = repository.item("a.wav")
    receipt = repository.existing(item)
    assert receipt is not None
    (copy,) = export(repository, item, receipt, ["srt"], tmp_path / "exports", settings.captions)
    for _ in range(2):
        traces.close(repository, receipt, settings.workspace_folder, tmp_path / "reports", {"a.wav"})
        assert not copy.exists() and repository.existing(item) == receipt, "the results are another's to move"
        assert b"a.wav" not in (tmp_path / "reports" / "night.csv").read_bytes()
    (scratch,) = (tmp_path / "work").iterdir()
    assert scratch.stat().st_mode & 0o077 == 0


def test_scratch_is_erased_unless_somebody_works_in_it(tmp_path: Path) -> None:
    spaces = [Workspace(tmp_path, content * 32) for content in ("aa", "bb")]
    for space in spaces:
        space.stage_folder("chunk", "key")
    with spaces[0].locked("a.wav"):
        erased, held = traces.erase_scratch(tmp_path, ["aa" * 32, "bb" * 32, "cc" * 32])
    assert (erased, held) == ((spaces[1].folder,), (spaces[0].folder,))
    assert traces.erase_scratch(tmp_path, ["aa" * 32, "bb" * 32]) == ((spaces[0].folder,), ())


def test_scratch_that_cannot_be_removed_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Workspace(tmp_path, CONTENT).stage_folder("chunk", "key")

    def refused(path: object, **_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rmdir", refused)
    with pytest.raises(OutputError, match="cannot be removed"):
        traces.erase_scratch(tmp_path, [CONTENT])


def test_all_names_of_a_recording_are_known() -> None:
    receipt = Receipt("A-1", "done", "a.wav", location="box/a.wav")
    assert traces.names_of(receipt) == {"A-1", "box/a.wav", masked("box/a.wav")}
    assert traces.names_of(receipt, "tapes") == {"tapes/A-1", "tapes/box/a.wav", f"tapes/{masked('box/a.wav')}"}


def test_a_conversion_is_recorded_only_beside_its_receipt(tmp_path: Path) -> None:
    files = {tmp_path / "out.srt": b"text"}
    assert not traces.record_conversion([tmp_path / "a.wav.json"], "a.wav", files)
    assert not list(tmp_path.iterdir())
    manifest = tmp_path / "a.wav.speechpipe.json"
    manifest.write_bytes(b"{}")
    manifest.chmod(0o600)
    assert traces.record_conversion([tmp_path / "elsewhere" / "x", tmp_path / "a.wav.json"], "a.wav", files)
    (ledger,) = tmp_path.glob("*.jsonl")
    assert ledger.stat().st_mode & 0o777 == 0o600, "as private as the results"
