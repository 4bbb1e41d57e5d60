"""From the look at what stands there to the manifest nobody else writes, and nothing is decided from an old look."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from speechpipe import Settings, Transcriber, locks
from speechpipe.audio import write_wav
from speechpipe.errors import AlreadyInWork, NameTaken, SpeechpipeError, UnreadableMedia, Withdrawn
from speechpipe.files import sha256_file
from speechpipe.pipeline import Run
from speechpipe.repositories import FolderRepository, Item, Package, Receipt
from speechpipe.repositories.results import moving
from speechpipe.repositories.results.holding import LOCK
from speechpipe.repositories.results.shelf import Shelf


def tone(path: Path, seconds: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(np.sin(np.arange(int(16_000 * seconds)) * 0.05).astype(np.float32) * 0.3, 16_000, path)
    return path


def worked(run: Run) -> Run:
    """All but the deposit is done."""
    run.chunk()
    run.transcribe()
    run.align()
    return run


def transcriber(workspace: Path) -> Transcriber:
    return Transcriber(Settings.load(engine="fake", workspace=workspace))


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_of_two_recordings_of_one_name_in_work_at_once_the_second_is_refused_and_nothing_lost(tmp_path: Path) -> None:
    out = tmp_path / "out"
    runs = []
    for folder, seconds in (("a", 1), ("b", 2)):
        repository, item = FolderRepository.of_file(tone(tmp_path / folder / "reel.wav", seconds), out)
        runs.append(Run(transcriber(tmp_path / "work"), repository, item))
    first, second = runs
    with first, pytest.raises(NameTaken) as caught, second:
        worked(first), worked(second)
        done = first.deposit()
        kept = all_bytes(out)
        second.deposit()
    assert all_bytes(out) == kept, "not even a receipt of failure"
    assert str(tmp_path / "b" / "reel.wav") in caught.value.message
    assert f"another recording named reel.wav, done {done.finished}," in caught.value.message
    assert "--output" in caught.value.advice
    assert done.source_sha256 == sha256_file(tmp_path / "a" / "reel.wav")


def test_the_failure_of_one_is_not_told_of_another_that_ended_meanwhile(tmp_path: Path) -> None:
    out = tmp_path / "out"
    runs = []
    for folder, seconds in (("a", 1), ("b", 2)):
        repository, item = FolderRepository.of_file(tone(tmp_path / folder / "reel.wav", seconds), out)
        runs.append(Run(transcriber(tmp_path / "work"), repository, item))
    first, second = runs
    with pytest.raises(UnreadableMedia), first, second:
        worked(first).deposit()
        kept = all_bytes(out)
        raise UnreadableMedia("torn")
    assert kept == {name: content for name, content in all_bytes(out).items() if name in kept}


def test_what_was_withdrawn_while_in_work_is_not_deposited(tmp_path: Path) -> None:
    repository, item = FolderRepository.of_file(tone(tmp_path / "a" / "reel.wav", 1), tmp_path / "out")
    run = Run(transcriber(tmp_path / "work"), repository, item)
    with pytest.raises(Withdrawn), run:
        worked(run)
        repository.withdraw(Receipt("reel.wav", "withdrawn", "reel.wav", source_sha256=run.fetched.sha256))
        run.deposit()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".speechpipe-withdrawn"]


def package(text: str) -> Package:
    endings = (".vtt", ".txt", ".json", ".alto.xml")
    return Package({ending: f"{text} {ending}".encode() for ending in endings}, Receipt("a", "done", "a", key=text))


def others_are_kept_out(folder: Path) -> bool:
    def attempt() -> bool:
        try:
            with locks.held(folder / LOCK, "busy"):
                return False
        except AlreadyInWork:
            return True

    with ThreadPoolExecutor(1) as another:
        return another.submit(attempt).result()


@pytest.fixture
def places(tmp_path: Path) -> tuple[FolderRepository, Item, Item]:
    for name in ("a.wav", "box/b.wav"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_bytes(b"sound")
    repository = FolderRepository(tmp_path / "source", tmp_path / "out")
    return repository, repository.item("a.wav"), repository.item("box/b.wav")


def test_everything_that_writes_holds_the_folder_throughout(
    places: tuple[FolderRepository, Item, Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, item, other = places
    folders = [repository.outputs]
    watched: list[str] = []

    def watch(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def look(*arguments: object, **options: object) -> object:
            watched.append(name)
            assert all(map(others_are_kept_out, folders)), name
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, look)

    for name in ("_version_for", "_write", "_write_record"):
        watch(Shelf, name)
    watch(moving, "_move_version")
    done = repository.deposit(item, package("first"))
    repository.record_failure(item, replace(done.receipt, status="failed"))
    with repository.held(item), repository.held(item):
        assert others_are_kept_out(repository.outputs), "nested"
        repository.deposit(item, package("second"))
        assert others_are_kept_out(repository.outputs), "what is nested gives nothing back too early"
    receipt = repository.deposit(item, package("third")).receipt
    folders.append(repository.outputs / "box")
    repository.move(replace(receipt, location="a.wav"), other)
    assert set(watched) == {"_version_for", "_write", "_write_record", "_move_version"}
    assert not list(repository.outputs.rglob(LOCK)), "nothing is left"


#: Deposits again and again, each time with others, as soon as told; what it says then is the receipt that it wrote.
DEPOSITOR = """
import sys
from pathlib import Path
from speechpipe.repositories import FolderRepository, Package, Receipt
repository, item = FolderRepository.of_file(Path(sys.argv[1]), Path(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(15):
    text = f"{sys.argv[3]} {number} "
    files = {ending: (text * 20_000).encode() for ending in (".vtt", ".txt", ".json", ".alto.xml")}
    repository.deposit(item, Package(files, Receipt("a", "done", "a", key=text)))
"""


def test_two_processes_that_deposit_one_recording_leave_one_whole_package(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"sound")
    command = [sys.executable, "-c", DEPOSITOR, str(tmp_path / "a"), str(tmp_path / "out")]
    processes = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in "AB"
    ]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    repository, item = FolderRepository.of_file(tmp_path / "a", tmp_path / "out")
    receipt = repository.existing(item)
    assert receipt is not None and receipt.version == 1
    assert {path.name: sha256_file(path) for path in repository.paths(item, receipt)} == dict(receipt.files)
    assert sorted(os.listdir(tmp_path / "out")) == sorted([*receipt.files, "a.speechpipe.json"])


def test_who_cannot_get_the_folder_is_told_so_and_may_try_again(
    places: tuple[FolderRepository, Item, Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, item, _ = places
    monkeypatch.setattr("speechpipe.repositories.results.holding._PATIENCE_S", 0)
    with repository.held(item), ThreadPoolExecutor(1) as another:
        with pytest.raises(SpeechpipeError, match="Another run") as caught:
            another.submit(repository.deposit, item, package("text")).result()
        assert caught.value.curable
    assert repository.existing(item) is None
