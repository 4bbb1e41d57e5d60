"""What passes costs no recording: the night says so, keeps what it has, and a later one does it whole."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from speechpipe import Settings, Transcriber, transcribe
from speechpipe.audio import write_wav
from speechpipe.audio.reader import isolated
from speechpipe.errors import MediaNotFound, MediaUnavailable, RepositoryError, SpeechpipeError
from speechpipe.pipeline import Run, process
from speechpipe.repositories import FolderRepository, Policy, Receipt, select
from speechpipe.repositories.selection import BACK_OFF
from tests.readers import at_block, failing_disk, readers, readers_that

AT_ONCE = Policy(settle=timedelta(0))
#: No machine has so much.
LITTLE = "from speechpipe.audio.reader import machine; machine.MEMORY = 1 << 60"
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def repository(tmp_path: Path, talk: np.ndarray) -> FolderRepository:
    """One recording of several windows, ``a.wav``."""
    (tmp_path / "source").mkdir()
    pause = np.zeros(3 * 16_000, np.float32)
    write_wav(np.concatenate([talk, pause] * 5), 16_000, tmp_path / "source" / "a.wav")
    return FolderRepository(tmp_path / "source", tmp_path / "results")


@pytest.fixture
def transcriber(tmp_path: Path) -> Transcriber:
    settings = Settings.load(engine="fake", language="en", workspace=tmp_path / "work", decoding={"batch_size": 1})
    return Transcriber(settings)


@pytest.fixture(autouse=True)
def fresh_readers() -> Iterator[None]:
    isolated._end_all()
    yield
    isolated._end_all()


def failed(transcriber: Transcriber, repository: FolderRepository) -> tuple[SpeechpipeError, Receipt]:
    """The failure of ``a.wav``, of which nothing was deposited, and its receipt."""
    item = repository.item("a.wav")
    with pytest.raises(SpeechpipeError) as caught:
        process(transcriber, repository, item)
    receipt = repository.existing(item)
    assert receipt is not None and receipt.status == "failed"
    assert not list(repository.outputs.glob("a.wav.vtt"))
    return caught.value, receipt


def done_whole(transcriber: Transcriber, repository: FolderRepository) -> None:
    """The next night comes to it by itself, and has all of it."""
    isolated._end_all()
    later = datetime.now(UTC) + BACK_OFF[0] + timedelta(seconds=1)
    (choice,) = select(repository, AT_ONCE, later).choices
    assert choice.kind == "retry", choice.reason
    receipt = process(transcriber, repository, choice.item)
    assert receipt.complete and receipt.audio_ms == 70_000


def work(transcriber: Transcriber, pattern: str) -> list[Path]:
    return sorted(transcriber.settings.workspace_folder.glob(f"*/{pattern}"))


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (at_block(600, KILLED), "ended from outside"),
        (failing_disk(errno.EIO, 1_500_000), "Input/output error"),
        (failing_disk(errno.ESTALE, 1_500_000), "Stale file handle"),
        (LITTLE + at_block(600, "raise MemoryError"), "more memory than the machine has left"),
    ],
    ids=["killed", "a disk", "a network", "little memory"],
)
def test_passing_trouble_while_decoding(
    trouble: str,
    told: str,
    transcriber: Transcriber,
    repository: FolderRepository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as context:
        readers_that(tmp_path, context, trouble)
        error, receipt = failed(transcriber, repository)
    assert isinstance(error, MediaUnavailable) and told in str(error)
    assert (receipt.error, receipt.curable) == ("MediaUnavailable", True) and receipt.not_before is not None
    assert not work(transcriber, "chunk-*/plan.json"), "no plan of half a recording"
    done_whole(transcriber, repository)


def test_what_was_recognised_before_a_reader_was_killed_is_kept(
    transcriber: Transcriber, repository: FolderRepository
) -> None:
    """Killed from outside, at a time when the first windows are recognised already."""
    sound = (repository.source / "a.wav").read_bytes()[44:]
    write_wav(np.frombuffer(sound * 7, "<i4"), 16_000, repository.source / "a.wav")  # too long to be looked at whole
    killed: list[int] = []

    def kill(stage: str, done_ms: int, total_ms: int) -> None:
        journals = work(transcriber, "transcribe-*.jsonl")
        if journals and journals[0].read_bytes():
            for one in set(readers()) - set(killed):
                killed.append(one)
                os.kill(one, signal.SIGKILL)

    with pytest.raises(MediaUnavailable):
        process(transcriber, repository, repository.item("a.wav"), kill)
    assert len(killed) == 2
    (journal,) = work(transcriber, "transcribe-*.jsonl")
    kept = journal.read_bytes()
    receipt = process(transcriber, repository, repository.item("a.wav"))
    assert receipt.complete and receipt.audio_ms == 490_000
    assert kept and journal.read_bytes().startswith(kept)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EACCES])
def test_passing_trouble_while_hashing(
    number: int, transcriber: Transcriber, repository: FolderRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Disk(io.FileIO):
        def read(self, size: int = -1, /) -> bytes:
            if self.tell() > 0:
                raise OSError(number, os.strerror(number))
            return super().read(size)

    opened = io.open
    with monkeypatch.context() as context:
        context.setattr(io, "open", lambda p, *a, **k: Disk(p) if str(p).endswith(".wav") else opened(p, *a, **k))
        error, receipt = failed(transcriber, repository)
    assert isinstance(error, MediaUnavailable) and receipt.curable
    done_whole(transcriber, repository)


def test_the_developers_way_tells_the_same(
    repository: FolderRepository, transcriber: Transcriber, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = repository.source / "a.wav"
    with monkeypatch.context() as context:
        readers_that(tmp_path, context, failing_disk(errno.EIO, 1_500_000))
        with pytest.raises(MediaUnavailable, match="Input/output error"):
            transcribe(path, settings=transcriber)
    isolated._end_all()
    content = path.read_bytes()

    def changed(stage: str, done_ms: int, total_ms: int) -> None:
        path.unlink()
        path.write_bytes(content[:-32_000])

    with pytest.raises(MediaUnavailable, match="changed while it was read"):
        transcribe(path, settings=transcriber, progress=changed)
    assert not work(transcriber, "*.json*")
    assert transcribe(path, settings=transcriber).complete is False, "it was cut off"


def test_one_recording_that_goes_between_hash_and_decode(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path
) -> None:
    """Alone: the rest of its repository stays, as where one disk of several is unmounted."""
    (repository.source / "b.txt").touch()
    item = repository.item("a.wav")
    run = Run(transcriber, repository, item)
    with pytest.raises(MediaUnavailable, match=r"a\.wav went while it was read") as caught, run:
        (repository.source / "a.wav").rename(tmp_path / "away.wav")
        run.chunk()
    assert caught.value.curable
    (tmp_path / "away.wav").rename(repository.source / "a.wav")
    done_whole(transcriber, repository)


def test_a_repository_that_goes_between_hash_and_decode(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path
) -> None:
    run = Run(transcriber, repository, repository.item("a.wav"))
    with pytest.raises(RepositoryError, match="gone or empty"), run:
        repository.source.rename(tmp_path / "unmounted")
        repository.source.mkdir()
        run.chunk()
    repository.source.rmdir()
    (tmp_path / "unmounted").rename(repository.source)
    done_whole(transcriber, repository)


def test_one_that_was_not_there_at_all_is_done_when_it_is(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path
) -> None:
    (repository.source / "b.txt").touch()
    item = repository.item("a.wav")
    (repository.source / "a.wav").rename(tmp_path / "away.wav")
    with pytest.raises(MediaNotFound):
        process(transcriber, repository, item)
    (tmp_path / "away.wav").rename(repository.source / "a.wav")
    done_whole(transcriber, repository)


def test_another_file_of_the_same_size_and_date_put_in_its_place(
    transcriber: Transcriber, repository: FolderRepository
) -> None:
    path = repository.source / "a.wav"
    stat, content = path.stat(), path.read_bytes()

    def swap(content: bytes) -> None:
        path.with_suffix(".new").write_bytes(content)
        path.with_suffix(".new").replace(path)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    with pytest.raises(RepositoryError, match="changed while it was read") as caught:
        process(transcriber, repository, repository.item("a.wav"), lambda *_: swap(content[:-4] + b"else"))
    assert caught.value.curable
    assert not work(transcriber, "*.json*"), "nothing is kept of either under the name of one"
    swap(content)
    receipt = process(transcriber, repository, repository.item("a.wav"), lambda *_: swap(content))
    assert receipt.complete, "the same content under another number of the file system is no change"


def test_a_file_that_is_written_in_place_and_given_its_old_date(
    transcriber: Transcriber, repository: FolderRepository
) -> None:
    path = repository.source / "a.wav"
    stat = path.stat()

    def write(*_: object) -> None:
        with path.open("r+b") as file:
            file.seek(-4, os.SEEK_END)
            file.write(b"else")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    with pytest.raises(RepositoryError, match="changed while it was read"):
        process(transcriber, repository, repository.item("a.wav"), write)
    with pytest.raises(MediaUnavailable, match="changed while it was read"):
        path.write_bytes(path.read_bytes()[:-4] + b"more")
        stat = path.stat()
        transcribe(path, settings=transcriber, progress=write)
    receipt = process(transcriber, repository, repository.item("a.wav"), lambda *_: path.chmod(0o640))
    assert receipt.complete, "rights that change are no content that does"


def test_a_crash_at_one_place_is_damage_and_ends_there(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers_that(tmp_path, monkeypatch, at_block(600, "os.kill(os.getpid(), signal.SIGSEGV)"))
    receipt = process(transcriber, repository, repository.item("a.wav"))
    assert receipt.status == "done" and not receipt.complete
    assert "its decoder crashed (signal 11)" in (receipt.message or "")
    transcript = json.loads((repository.outputs / "a.wav.json").read_bytes())
    assert 0 < transcript["media"]["duration_ms"] < 70_000
    shutil.rmtree(repository.outputs)
