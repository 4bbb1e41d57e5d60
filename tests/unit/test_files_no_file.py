"""Where a path leads to what is no file, a pipe above all, nothing waits for it and nothing takes it away."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from speechpipe.cli.convert import refuse_other
from speechpipe.corrections.files import read_file
from speechpipe.errors import SpeechpipeError
from speechpipe.files import opened, read_bytes, sha256_file, write_atomically
from speechpipe.registry.storing.folders import check, read_seal
from speechpipe.registry.storing.locks import read_lock
from speechpipe.repositories import FolderRepository, Item, Package, Part, Receipt
from speechpipe.repositories.metadata import fixity, reading
from speechpipe.repositories.results import receipts
from speechpipe.repositories.results.copies import recorded
from speechpipe.settings import Settings


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return pipe(tmp_path / "pipe")


def test_only_a_file_is_opened(tmp_path: Path, other: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_bytes(tmp_path / "link") == b"content"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path in (other, tmp_path / "socket", Path("/dev/null"), Path("/dev/zero")):
            with pytest.raises(OSError, match="a pipe, a socket or a device, not a file"):
                opened(path)
    with pytest.raises(IsADirectoryError):
        opened(tmp_path)
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "none")


def test_what_became_a_pipe_between_the_look_and_the_opening_is_refused(
    tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    seen = (tmp_path / "file").stat()
    monkeypatch.setattr(Path, "stat", lambda self, **how: seen)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="not a file"):
        opened(other)
    assert len(os.listdir("/proc/self/fd")) == before


def settings(path: Path) -> object:
    os.environ["SPEECHPIPE_SETTINGS"] = str(path)
    try:
        return Settings.load()
    finally:
        del os.environ["SPEECHPIPE_SETTINGS"]


#: What reads a path from outside, the name that it has there, and what comes of it: an error, or nothing found.
READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "a digest": ("a", sha256_file),
    "a checksum": ("a.wav.md5", lambda path: fixity.supplied(path.with_suffix(""), path.parent)),
    "a bag's manifest": ("manifest-md5.txt", lambda path: bagged(path.parent)),
    "a recording": ("a.wav", lambda path: FolderRepository(path.parent).fetch(item("a.wav"))),
    "a table": ("speechpipe.csv", reading.read),
    "settings": ("settings.toml", settings),
    "a transcript": ("a.wav.json", read_file),
    "a correction": ("a.wav.vtt", read_file),
    "what stands in the way": ("a.wav.vtt", lambda path: refuse_other(path, b"", path, False)),
    "a model's record": ("lock.json", lambda path: read_lock(path.parent)),
    "a model's seal": ("SHA256SUMS", lambda path: read_seal(path.parent)),
    "a model": ("config.json", lambda path: check(path.parent)),
}


def item(name: str) -> Item:
    return Item(name, (Part(name),))


def bagged(folder: Path) -> str | None:
    (folder / "bagit.txt").touch()
    return fixity.supplied(folder / "data" / "a.wav", folder)


@pytest.mark.parametrize("what", READERS)
def test_a_pipe_is_an_error_and_never_waited_for(what: str, tmp_path: Path) -> None:
    name, read = READERS[what]
    with pytest.raises((SpeechpipeError, OSError)):
        read(pipe(tmp_path / name))


def test_a_pipe_for_a_record_is_none(tmp_path: Path, other: Path) -> None:
    assert receipts.read(other) is None
    assert recorded(other) == {}


@pytest.mark.parametrize("ending", [".vtt", ".speechpipe.json", ".speechpipe.pending.json"])
def test_a_pipe_among_results_is_left_and_passed_over(ending: str, tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path / "source", tmp_path)
    pipe(tmp_path / f"a.wav{ending}")
    done = repository.deposit(item("a.wav"), Package({".vtt": b"words"}, Receipt("a.wav", "done", "a.wav")))
    assert repository.existing(item("a.wav")) == done.receipt
    assert done.paths[0].read_bytes() == b"words"
    assert ending != ".vtt" or (tmp_path / "a.wav.vtt").is_fifo()


def test_a_device_or_a_pipe_is_not_replaced_by_what_is_written(tmp_path: Path, other: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    for path in (other, tmp_path, tmp_path / "link"):
        with pytest.raises(SpeechpipeError, match="Cannot write .*no file"):
            write_atomically(path, b"content")
    assert other.is_fifo() and (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]
