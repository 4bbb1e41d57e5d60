"""A person's save at any moment of a deposit stays, and so does one whole package of the machine's."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from speechpipe import exchange
from speechpipe.errors import OutputError
from speechpipe.files import sha256_file
from speechpipe.repositories import Deposited, FolderRepository, Item, Package, Part, Receipt
from speechpipe.repositories.results.holding import LOCK
from speechpipe.repositories.results.replacing import FOLDER, Replacement

ENDINGS = (".vtt", ".txt", ".json", ".alto.xml")
PERSON = b"by a person"


class Killed(BaseException):
    """The process was killed."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(params=["exchange", "links", "neither"], autouse=True)
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One that exchanges names in one step; one that has hard links alone, as network disks; one with neither."""

    def cannot(*arguments: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    if request.param != "exchange":
        monkeypatch.setattr(exchange, "_rename", cannot)
    if request.param == "neither":
        monkeypatch.setattr(os, "link", cannot)
    return str(request.param)


@pytest.fixture
def repository(tmp_path: Path) -> FolderRepository:
    (tmp_path / "source").mkdir()
    return FolderRepository(tmp_path / "source", tmp_path / "out")


def item() -> Item:
    return Item("a.wav", (Part("a.wav"),))


def package(text: str, endings: tuple[str, ...] = ENDINGS) -> Package:
    receipt = Receipt("a.wav", "done", "a.wav", key=text)
    return Package({ending: f"{text} {ending}".encode() for ending in endings}, receipt)


def is_whole(repository: FolderRepository, done: Deposited) -> bool:
    paths = repository.paths(item(), done.receipt)
    return {path.name: sha256_file(path) for path in paths} == dict(done.receipt.files)


def save(path: Path, content: bytes = PERSON) -> None:
    """As editors do: a new file, renamed onto the old one."""
    path.with_name("draft").write_bytes(content)
    os.rename(path.with_name("draft"), path)


def at_put(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[Path], None]) -> None:
    """Just before the ``number``-th file goes to its place, whose path ``act`` gets."""
    real, count = exchange.put, iter(range(1, 1000))

    def put(new: Path, path: Path) -> bool:
        if next(count) == number:
            act(path)
        return real(new, path)

    monkeypatch.setattr(exchange, "put", put)


@pytest.mark.parametrize("which", range(1, 5))
def test_a_save_after_the_look_becomes_the_correction_and_the_machines_a_version_beside(
    which: int, repository: FolderRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = repository.deposit(item(), package("first"))
    with monkeypatch.context() as patch:
        at_put(patch, which, save)
        second = repository.deposit(item(), package("second"))
    saved = first.paths[which - 1]
    assert saved.read_bytes() == PERSON
    assert [path.read_bytes() for path in first.paths if path != saved] == [
        f"first {ending}".encode() for ending in ENDINGS if ending != ENDINGS[which - 1]
    ], "the version is as the person left it, not a mix"
    assert second.frozen and second.receipt.version == 2 and is_whole(repository, second)
    assert repository.existing(item()) == second.receipt
    assert repository.results(second.receipt)[1] == (saved,)
    assert sorted(path.name for path in repository.outputs.iterdir()) == sorted(
        [path.name for path in (*first.paths, *second.paths)] + ["a.wav.speechpipe.json", "a.wav.v2.speechpipe.json"]
    ), "nothing is left over"


def test_a_file_that_a_person_puts_where_none_was_stays(
    repository: FolderRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        at_put(patch, 3, save)
        done = repository.deposit(item(), package("first"))
    assert (repository.outputs / "a.wav.json").read_bytes() == PERSON
    assert sorted(path.name for path in repository.outputs.glob("a.wav.[!v]*")) == ["a.wav.json"], "nothing half there"
    assert done.receipt.version == 2 and is_whole(repository, done)


def test_what_is_no_longer_asked_for_is_not_removed_over_a_save(
    repository: FolderRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.deposit(item(), package("first"))
    path = repository.outputs / "a.wav.txt"
    with monkeypatch.context() as patch:
        at_put(patch, 3, lambda last: save(path))
        done = repository.deposit(item(), package("second", (".vtt", ".json", ".alto.xml")))
    assert path.read_bytes() == PERSON
    assert (repository.outputs / "a.wav.vtt").read_bytes() == b"first .vtt"
    assert done.receipt.version == 2 and is_whole(repository, done)


def test_a_program_that_has_the_file_open_still_writes_to_what_lies_there(repository: FolderRepository) -> None:
    first = repository.deposit(item(), package("first"))
    with first.paths[1].open("r+b") as editor:
        second = repository.deposit(item(), package("second"))
        editor.write(PERSON)
    assert first.paths[1].read_bytes().startswith(PERSON)
    assert second.receipt.version == 2 and is_whole(repository, second)


def test_of_two_saves_the_later_stays(repository: FolderRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    first = repository.deposit(item(), package("first"))
    real = Replacement.undo

    def undo(self: Replacement) -> None:
        save(first.paths[0], b"by a person, again")
        real(self)

    with monkeypatch.context() as patch:
        at_put(patch, 1, save)
        patch.setattr(Replacement, "undo", undo)
        second = repository.deposit(item(), package("second"))
    assert first.paths[0].read_bytes() == b"by a person, again"
    assert second.receipt.version == 2 and is_whole(repository, second)


@pytest.mark.parametrize("which", range(1, 5))
def test_an_error_amid_a_deposit_leaves_the_old_package_whole(
    which: int, repository: FolderRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    first = repository.deposit(item(), package("first"))
    with monkeypatch.context() as patch:
        at_put(patch, which, full)
        with pytest.raises(OutputError, match="No space"):
            repository.deposit(item(), package("second"))
    assert is_whole(repository, first) and repository.existing(item()) == first.receipt
    assert not (repository.outputs / FOLDER).exists()
    assert repository.deposit(item(), package("second")).receipt.version == 1


def test_a_stop_just_after_an_exchange_loses_nothing(
    repository: FolderRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = repository.deposit(item(), package("first"))
    real, count = exchange.put, iter(range(1, 1000))

    def put(new: Path, path: Path) -> bool:
        number = next(count)
        if number == 2:
            save(path)
        stood = real(new, path)
        if number == 2:
            raise KeyboardInterrupt
        return stood

    with monkeypatch.context() as patch:
        patch.setattr(exchange, "put", put)
        with pytest.raises(KeyboardInterrupt):
            repository.deposit(item(), package("second"))
    assert [path.read_bytes() for path in first.paths] == [b"first .vtt", PERSON, b"first .json", b"first .alto.xml"]


def saving(saved: list[Path], rename: Callable[[Path, Path], None], path: Path) -> None:
    path.with_name("draft").write_bytes(PERSON)
    rename(path.with_name("draft"), path)
    saved.append(path)


def killed_from(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the ``step``-th change to the disk on, none is made."""
    steps: list[str] = []

    def guard(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            steps.append(name)
            if len(steps) >= step:
                raise Killed(name)
            return real(*arguments, **options)

        return call

    for name in ("replace", "rename", "link", "unlink", "mkdir", "rmdir"):
        monkeypatch.setattr(os, name, guard(name, getattr(os, name)))
    monkeypatch.setattr(exchange, "_rename", guard("exchange", exchange._rename))


@pytest.mark.parametrize("which", [1, 3])
def test_a_save_and_a_kill_at_any_step_lose_nothing(
    which: int, tmp_path: Path, file_system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, reached_end = 0, False
    while not reached_end:
        step += 1
        repository = FolderRepository(tmp_path, tmp_path / f"out {step}")
        repository.deposit(item(), package("first"))
        saved: list[Path] = []

        with monkeypatch.context() as patch:
            at_put(patch, which, partial(saving, saved, os.rename))
            killed_from(step, patch)
            with suppress(Killed):
                repository.deposit(item(), package("second"))
                reached_end = True
        third = repository.deposit(item(), package("third"))
        assert is_whole(repository, third) and repository.existing(item()) == third.receipt, step
        if saved:
            assert saved[0].read_bytes() == PERSON, step
            assert third.receipt.version == 2, step
        assert not (repository.outputs / FOLDER).exists() and not (repository.outputs / LOCK).exists()
    assert step > 15


def test_what_a_kill_left_goes_with_all_that_is_erased(
    repository: FolderRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, suppress(Killed):
        at_put(patch, 2, lambda path: killed_from(1, patch))
        repository.deposit(item(), package("secret"))
    assert any(b"secret" in path.read_bytes() for path in (repository.outputs / FOLDER).iterdir())
    repository.erase(Receipt("a.wav", "done", "a.wav", location="a.wav"))
    assert [path.name for path in repository.outputs.iterdir()] == []


def test_a_link_in_place_of_the_hidden_folder_is_not_followed(repository: FolderRepository, tmp_path: Path) -> None:
    repository.outputs.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (repository.outputs / FOLDER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="stands in the way"):
        repository.deposit(item(), package("first"))
    assert list((tmp_path / "elsewhere").iterdir()) == []
