"""A write leaves the old file or the new one, and nothing beside it, whatever fails and whenever."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import resource
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from speechpipe import files
from speechpipe.errors import OutputError
from speechpipe.files import LEAST_ROOM, check_room, claimed, sha256_bytes, sha256_file, write_atomically


def test_writes_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a.vtt"
    write_atomically(target, b"one")
    write_atomically(target, b"two")
    assert target.read_bytes() == b"two"
    assert [path.name for path in target.parent.iterdir()] == ["a.vtt"]


@pytest.mark.parametrize(
    ("call", "name"), [("fsync", "os.fsync"), ("replace", "Path.replace"), ("chmod", "Path.chmod")]
)
@pytest.mark.parametrize("failure", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_alone(
    call: str, name: str, failure: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.vtt"
    write_atomically(target, b"old")

    def fail(*_: object, **__: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(os if name.startswith("os.") else Path, call, fail)
        expected = KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else OutputError
        with pytest.raises(expected):
            write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_content_is_on_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def noted_replace(self: Path, target: Any) -> Path:
        order.append("rename")
        assert self.parent == Path(target).parent
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    write_atomically(tmp_path / "a", b"x")
    assert order == ["file", "rename", "folder"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_in_words(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(number, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"No space is left for .*a\.vtt.*Free some space"):
        write_atomically(tmp_path / "a.vtt", b"x")
    assert list(tmp_path.iterdir()) == []


def test_where_a_file_cannot_be_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder" / "full").mkdir(parents=True)
    for target in (tmp_path / "file" / "a", tmp_path / "folder", tmp_path / ("x" * 300)):
        with pytest.raises(OutputError, match="Cannot write"):
            write_atomically(target, b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize(
    "name",
    ["å" * 125, "語" * 85, "😀" * 63, "x" * 255, "b\udce5nd.vtt", "-rf", "a\nb"],
    ids=lambda name: ascii(name)[:12],
)
def test_any_name_that_the_file_system_takes(name: str, tmp_path: Path) -> None:
    write_atomically(tmp_path / name, b"x")
    assert (tmp_path / name).read_bytes() == b"x"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_mode_follows_the_umask(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "a", b"x")
    finally:
        assert os.umask(before) == mask
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644 & ~mask


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"keep")
    (tmp_path / "a").symlink_to("precious")
    write_atomically(tmp_path / "a", b"x")
    assert (tmp_path / "precious").read_bytes() == b"keep"
    assert (tmp_path / "a").read_bytes() == b"x"


def _write_for_ever(path: Path) -> None:
    while True:
        for content in (b"a" * 200_000, b"b" * 200_000):
            write_atomically(path, content)


def test_a_reader_and_a_kill_never_see_half_a_file(tmp_path: Path) -> None:
    target = tmp_path / "a"
    write_atomically(target, b"a" * 200_000)
    writer = multiprocessing.get_context("spawn").Process(target=_write_for_ever, args=(target,), daemon=True)
    writer.start()
    seen = set()
    for _ in range(2_000):
        content = target.read_bytes()
        assert len(content) == 200_000
        seen |= {content[:1]} if len(set(content)) == 1 else {b"mixed"}
        if seen == {b"a", b"b"}:
            break
        writer.join(0.005)
    writer.kill()
    writer.join()
    assert b"mixed" not in seen
    assert len(set(target.read_bytes())) == 1
    assert b"b" in seen, "the writer never wrote"


def test_digests_are_those_of_hashlib(tmp_path: Path) -> None:
    content = b"x" * (files.BLOCK + 17)
    (tmp_path / "a").write_bytes(content)
    assert sha256_file(tmp_path / "a") == sha256_bytes(content) == hashlib.sha256(content).hexdigest()
    (tmp_path / "empty").write_bytes(b"")
    assert sha256_file(tmp_path / "empty") == hashlib.sha256().hexdigest()


def test_room_is_tried_without_a_trace_and_a_full_disk_is_told(tmp_path: Path) -> None:
    check_room(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    with pytest.raises(OutputError, match="Of the 1073741824 MB that are needed in"):
        check_room(tmp_path, 1 << 50)
    with pytest.raises(OutputError, match="/proc/self") as caught:
        check_room(Path("/proc/self"))
    assert caught.value.curable
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LEAST_ROOM - 1, limit[1]))
    try:
        with pytest.raises(OutputError):
            check_room(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_of_several_that_want_one_name_each_gets_its_own(tmp_path: Path) -> None:
    wanted = tmp_path / "new" / "2026-12-01.html"
    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(claimed, [wanted] * 8))
    names = {"2026-12-01.html", *(f"2026-12-01-{number}.html" for number in range(2, 9))}
    assert {path.name for path in got} == {path.name for path in wanted.parent.iterdir()} == names
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        claimed(tmp_path / "file" / "a")
