"""Recordings whose results would bear the same names, in one folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from speechpipe.errors import NameTaken
from speechpipe.files import sha256_file
from speechpipe.repositories import FolderRepository, Item, Package, Part, Receipt

#: Two names; a file that belongs to the one would, by its name alone, belong to the other.
MEETING = {
    "a version": ("reel", "reel.v2"),
    "a version of a version": ("reel.v2", "reel.v2.v2"),
    "words": ("reel", "reel.words"),
    "a manifest": ("reel", "reel.speechpipe"),
    "a failure": ("reel", "reel.speechpipe.failed"),
}
ENDINGS = (".vtt", ".words.vtt", ".json")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def repository(tmp_path: Path) -> FolderRepository:
    (tmp_path / "source").mkdir()
    return FolderRepository(tmp_path / "source", tmp_path / "out")


def item(name: str) -> Item:
    return Item(name, (Part(name),))


def deposit(repository: FolderRepository, name: str, text: str) -> Receipt:
    files = {ending: f"{text} of {name} as {ending}".encode() for ending in ENDINGS}
    return repository.deposit(item(name), Package(files, Receipt(name, "done", name, key=text))).receipt


def stands(repository: FolderRepository, name: str, receipt: Receipt) -> bool:
    """Whether exactly this is told of the recording, and is there."""
    paths = repository.paths(item(name), receipt)
    digests = {path.name: sha256_file(path) if path.exists() else None for path in paths}
    return repository.existing(item(name), done=True) == receipt and digests == dict(receipt.files)


@pytest.mark.parametrize("turned", [False, True], ids=["in this order", "turned"])
@pytest.mark.parametrize("case", MEETING)
def test_each_keeps_its_own_through_corrections_versions_failures_and_the_end_of_the_other(
    case: str, turned: bool, repository: FolderRepository
) -> None:
    first, second = MEETING[case][::-1] if turned else MEETING[case]
    corrected: dict[Path, bytes] = {}
    done: dict[str, Receipt] = {}
    for text in ("first", "second", "third"):
        for name in (first, second):
            done[name] = deposit(repository, name, text)
            assert all(stands(repository, other, done[other]) for other in done), (text, name)
            with suppress(NameTaken):
                failed = Receipt(name, "failed", name, message=f"failure of {name}")
                repository.record_failure(item(name), failed)
                assert repository.existing(item(name)) == failed
            assert all(stands(repository, other, done[other]) for other in done), (text, name)
        for name in (first, second) if text == "first" else ():
            path = repository.paths(item(name), done[name])[0]
            corrected[path] = f"a person's of {name}".encode()
            path.write_bytes(corrected[path])
        done = done if corrected and text != "first" else {}
        assert {path: path.read_bytes() for path in corrected} == corrected
    told = {(receipt.identifier, receipt.location) for receipt in repository.receipts()}
    assert told == {(first, first), (second, second)}
    assert [repository.results(done[name])[1] for name in (first, second)] == [(path,) for path in corrected]
    repository.erase(Receipt(first, "done", first, location=first))
    assert repository.existing(item(first)) is None
    assert stands(repository, second, done[second])


def test_a_tree_of_today_is_read_as_before(repository: FolderRepository) -> None:
    """As it was written before versions were told apart: a pending record that does not say which version it is."""
    repository.outputs.mkdir()
    receipt = deposit(repository, "reel.wav", "first")
    repository.paths(item("reel.wav"), receipt)[0].write_bytes(b"a person's")
    second = deposit(repository, "reel.wav", "second")
    pending = repository.outputs / "reel.wav.v2.speechpipe.pending.json"
    pending.write_text('{"files": {"reel.wav.v2.vtt": ["%s"]}}' % ("0" * 64))
    assert second.version == 2 and stands(repository, "reel.wav", second)
    assert [found.version for found in repository.receipts()] == [2]
    (repository.outputs / "reel.wav.speechpipe.json").unlink()
    assert [found.location for found in repository.receipts()] == ["reel.wav"], "the first version's record is gone"
    assert deposit(repository, "reel.wav", "third").version == 2
