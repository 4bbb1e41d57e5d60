"""A table of rights that was there and is away stops everything: what it forbids must not become open."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from speechpipe.batch.renaming import settle
from speechpipe.errors import RepositoryError
from speechpipe.repositories import FolderRepository, Policy, select
from speechpipe.repositories.metadata import reading

TABLE = "path,may_transcribe,may_publish\na.wav,yes,no\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.wav").write_bytes(b"sound")
    return source


def night(source: Path, **options: object) -> FolderRepository:
    repository = FolderRepository(source, source.parent / "results", **options)  # type: ignore[arg-type]
    settle(repository, select(repository, Policy()))
    return repository


def deleted(path: Path) -> None:
    path.unlink()


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere.csv"))


def named_otherwise(path: Path) -> None:
    path.rename(path.with_name("rights.csv"))


def another_kind(path: Path) -> None:
    path.unlink()
    path.with_name("metadata.json").write_text('{"items": [{"parts": [{"path": "a.wav"}], "may_publish": true}]}')


def emptied(path: Path) -> None:
    path.write_text("path,may_transcribe,may_publish\n")


def cut_to_nothing(path: Path) -> None:
    path.write_bytes(b"")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def torn(path: Path) -> None:
    path.write_text(TABLE[:-8])


def columns_named_otherwise(path: Path) -> None:
    path.write_text(TABLE.replace("may_transcribe,may_publish", "kan_skrives_ut,kan_vises"))


def cells_emptied(path: Path) -> None:
    path.write_text(TABLE.replace("yes,no", ","))


AWAY = [deleted, dangling, named_otherwise, another_kind, emptied, cut_to_nothing, folder, loop, torn]
AWAY += [columns_named_otherwise, cells_emptied]


@pytest.mark.parametrize("unknown", ["open", "restrict", "skip"])
@pytest.mark.parametrize("away", AWAY)
def test_a_table_that_was_there_and_is_away_stops_the_batch(
    away: Callable[[Path], None], unknown: str, source: Path
) -> None:
    path = source / "metadata.csv"
    path.write_text(TABLE)
    night(source, unknown_rights=unknown)
    away(path)
    for _ in range(2):
        with pytest.raises(RepositoryError, match="table"):
            night(source, unknown_rights=unknown)
        with pytest.raises(RepositoryError, match="table"):
            list(FolderRepository(source, source.parent / "results", unknown_rights=unknown).misplaced())
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        (source / "metadata.json").unlink(missing_ok=True)
        path.write_text(TABLE)
        night(source, unknown_rights=unknown)


def test_one_that_holds_no_longer_is_given_up_by_removing_the_record_of_it(source: Path) -> None:
    (source / "metadata.csv").write_text(TABLE)
    repository = night(source)
    (source / "metadata.csv").unlink()
    with pytest.raises(RepositoryError, match=r"metadata\.csv") as caught:
        night(source)
    record = repository.restricted / ".speechpipe-table.json"
    assert str(record) in caught.value.advice and record.stat().st_mode & 0o077 == 0
    record.unlink()
    night(source)


def test_a_spoiled_record_counts_as_one(source: Path) -> None:
    (source / "metadata.csv").write_text(TABLE)
    record = night(source).restricted / ".speechpipe-table.json"
    (source / "metadata.csv").unlink()
    for content in (b"", b"[]", b"{}", b"\xff"):
        record.write_bytes(content)
        with pytest.raises(RepositoryError, match="away"):
            night(source)


def test_one_that_the_settings_name_no_longer_is_away(source: Path) -> None:
    path = source.parent / "rights.csv"
    path.write_text(TABLE)
    night(source, metadata=path)
    with pytest.raises(RepositoryError, match=r"rights\.csv"):
        night(source)
    other = source.parent / "rights 2027.csv"
    other.write_text(TABLE)
    night(source, metadata=other)  # the settings say so
    path.unlink()
    night(source, metadata=other)


@pytest.mark.parametrize("name", ["Metadata.csv", "METADATA.CSV", "metadata.JSON"])
def test_its_name_in_capitals_is_a_table_too(name: str, source: Path) -> None:
    content = TABLE if name.lower().endswith("csv") else '[{"parts": [{"path": "a.wav"}], "may_publish": false}]'
    (source / name).write_text(content)
    (item,) = FolderRepository(source, unknown_rights="open").discover()
    assert item.standing == "restricted"


def test_of_two_tables_none_is_taken(source: Path) -> None:
    for name in ("metadata.csv", "Metadata.csv"):
        (source / name).write_text(TABLE)
    with pytest.raises(RepositoryError, match=r"several tables.*Metadata\.csv, metadata\.csv"):
        list(FolderRepository(source).discover())


def test_a_table_that_tells_of_no_rights_may_go(source: Path) -> None:
    (source / "metadata.csv").write_text("path,title\na.wav,T\n")
    repository = night(source)
    (source / "metadata.csv").unlink()
    night(source)
    assert not repository.restricted.exists()


def test_a_table_is_read_once_as_long_as_it_stays_and_again_where_it_changed(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = source / "metadata.csv"
    path.write_text(TABLE)
    repository = FolderRepository(source, source.parent / "results")
    opened, read = [], reading.read_bytes

    def counted(path: Path) -> bytes:
        opened.append(path)
        return read(path)

    monkeypatch.setattr(reading, "read_bytes", counted)
    (item,) = repository.discover()
    assert [repository.current(item).standing for _ in range(3)] == ["restricted"] * 3 and opened.count(path) == 1
    before = path.stat()
    path.write_text(TABLE.replace("no", "ye") + "\n")
    path.write_text(TABLE.replace("yes,no", "yes,1 "))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert repository.current(item).standing == "open", "also with its old size and date"
