"""What every kind of repository promises; run over each kind."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from speechpipe.errors import MediaNotFound, OutputError, RepositoryError
from speechpipe.files import sha256_file
from speechpipe.repositories import FolderRepository, Item, Package, Part, Receipt, Repository

NAMES = ("reel-1.wav", "box 2/bånd.mp3", "box 2/reel-1.wav")


def _files(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_bytes(b"sound of " + name.encode())
    return tmp_path / "source"


#: Each makes a repository that holds NAMES.
KINDS: dict[str, Callable[[Path], Repository]] = {
    "folder, results beside": lambda tmp_path: FolderRepository(_files(tmp_path)),
    "folder, results apart": lambda tmp_path: FolderRepository(_files(tmp_path), tmp_path / "results"),
    "folder, results below": lambda tmp_path: FolderRepository(_files(tmp_path), tmp_path / "source" / "results"),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power cut happens here, and waiting for the disk takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(params=KINDS)
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    return KINDS[request.param](tmp_path)


@pytest.fixture
def item(repository: Repository) -> Item:
    return next(item for item in repository.discover() if item.identifier == NAMES[1])


def package(item: Item, text: str, endings: tuple[str, ...] = (".vtt", ".txt", ".alto.xml", ".json")) -> Package:
    receipt = Receipt(item.identifier, "done", "bånd.mp3", key=f"key of {text}", outcome="speech", words=3)
    return Package({ending: f"{text} as {ending}".encode() for ending in endings}, receipt)


def contents(repository: Repository, item: Item, receipt: Receipt) -> set[bytes]:
    return {path.read_bytes() for path in repository.paths(item, receipt)}


def is_whole(repository: Repository, item: Item, receipt: Receipt) -> bool:
    return [sha256_file(path) for path in repository.paths(item, receipt)] == list(receipt.files.values())


def failure(item: Item) -> Receipt:
    return Receipt(item.identifier, "failed", "bånd.mp3", error="UnreadableMedia", message="It is torn.", curable=False)


class Killed(BaseException):
    """The process was killed."""


@contextmanager
def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """From the ``step``-th change to the disk on, every change fails: what stands then is what a kill leaves."""
    steps: list[str] = []

    def guard(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            steps.append(name)
            if len(steps) >= step:
                raise Killed(name)
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("replace", "rename", "unlink", "fsync", "mkdir"):
            patch.setattr(os, name, guard(name, getattr(os, name)))
        yield steps


def test_discovery_finds_each_recording_once_and_in_the_same_order(repository: Repository) -> None:
    found = [item.identifier for item in repository.discover()]
    assert sorted(found) == sorted(NAMES)
    assert found == [item.identifier for item in repository.discover()]


def test_results_are_not_recordings(repository: Repository) -> None:
    before = list(repository.discover())
    for item in before:
        repository.deposit(item, package(item, "text"))
        repository.record_failure(item, failure(item))
    assert list(repository.discover()) == before


def test_a_recording_is_fetched(repository: Repository) -> None:
    for item in repository.discover():
        assert repository.fetch(item).path.read_bytes() == b"sound of " + item.identifier.encode()


def test_what_is_gone_is_media_not_found(repository: Repository, item: Item) -> None:
    repository.fetch(item).path.unlink()
    with pytest.raises(MediaNotFound, match="bånd"):
        repository.fetch(item)


@pytest.mark.parametrize(
    "path", ["", ".", "..", "../x.wav", "a/../../x.wav", "/etc/passwd", "a//b.wav", "./a.wav", "a\0b"]
)
def test_a_path_out_of_the_repository_is_refused(path: str, repository: Repository) -> None:
    item = Item(path, (Part(path),))
    actions: list[Callable[[], object]] = [
        lambda: repository.fetch(item),
        lambda: repository.existing(item),
        lambda: repository.deposit(item, package(item, "x")),
        lambda: repository.record_failure(item, failure(item)),
    ]
    for action in actions:
        with pytest.raises(RepositoryError):
            action()


def test_nothing_was_done_at_first(repository: Repository, item: Item) -> None:
    assert repository.existing(item) is None


def test_a_deposit_is_all_there_and_the_receipt_says_so(repository: Repository, item: Item) -> None:
    done = repository.deposit(item, package(item, "first"))
    assert (done.frozen, done.receipt.version) == (False, 1)
    assert repository.existing(item) == done.receipt
    assert repository.paths(item, done.receipt) == done.paths
    assert is_whole(repository, item, done.receipt)
    assert contents(repository, item, done.receipt) == set(package(item, "first").files.values())
    assert [path.name for path in done.paths] == [f"bånd.mp3{ending}" for ending in package(item, "").files]


def test_recordings_do_not_get_into_each_others_way(repository: Repository) -> None:
    done = {item: repository.deposit(item, package(item, item.identifier)) for item in repository.discover()}
    assert len({path for deposited in done.values() for path in deposited.paths}) == 4 * len(NAMES)
    for item, deposited in done.items():
        assert repository.existing(item) == deposited.receipt
        assert is_whole(repository, item, deposited.receipt)


def test_the_same_twice_changes_nothing(repository: Repository, item: Item) -> None:
    first = repository.deposit(item, package(item, "same"))
    before = {path: path.stat().st_mtime_ns for path in first.paths[0].parent.iterdir()}
    assert repository.deposit(item, package(item, "same")) == first
    assert {path: path.stat().st_mtime_ns for path in first.paths[0].parent.iterdir()} == before


def test_a_new_result_replaces_what_nobody_touched(repository: Repository, item: Item) -> None:
    repository.deposit(item, package(item, "old"))
    new = repository.deposit(item, package(item, "new", (".vtt", ".json")))
    assert (new.frozen, new.receipt.version) == (False, 1)
    assert contents(repository, item, new.receipt) == {b"new as .vtt", b"new as .json"}
    left = {path.name for path in new.paths[0].parent.iterdir() if path.name.startswith("bånd.mp3.")}
    assert left == {"bånd.mp3.vtt", "bånd.mp3.json", "bånd.mp3.speechpipe.json"}, "nothing old, no temporary file"


def test_a_deleted_file_comes_back(repository: Repository, item: Item) -> None:
    first = repository.deposit(item, package(item, "text"))
    first.paths[1].unlink()
    assert repository.deposit(item, package(item, "text")) == first
    assert is_whole(repository, item, first.receipt)


@pytest.mark.parametrize("which", range(4))
def test_a_corrected_package_is_frozen_whole(which: int, repository: Repository, item: Item) -> None:
    first = repository.deposit(item, package(item, "machine"))
    first.paths[which].write_bytes(b"corrected by a person")
    before = {path: path.read_bytes() for path in first.paths[0].parent.iterdir() if path.is_file()}
    second = repository.deposit(item, package(item, "better machine"))
    assert (second.frozen, second.receipt.version) == (True, 2)
    assert {path: path.read_bytes() for path in before} == before
    assert is_whole(repository, item, second.receipt)
    assert repository.existing(item) == second.receipt
    assert second.paths[0].name == "bånd.mp3.v2.vtt"


def test_a_version_beside_a_correction_is_itself_kept_up(repository: Repository, item: Item) -> None:
    first = repository.deposit(item, package(item, "one"))
    first.paths[0].write_bytes(b"person")
    second = repository.deposit(item, package(item, "two"))
    assert repository.deposit(item, package(item, "two")) == second
    assert repository.deposit(item, package(item, "three")).receipt.version == 2
    repository.paths(item, second.receipt)[2].write_bytes(b"person again")
    third = repository.deposit(item, package(item, "four"))
    assert third.receipt.version == 3
    assert repository.existing(item) == third.receipt
    first.paths[0].write_bytes(b"one as .vtt")
    assert repository.deposit(item, package(item, "five")).receipt.version == 3, "an old version stays history"


def test_a_file_that_stood_there_before_is_a_persons(repository: Repository, item: Item) -> None:
    where = repository.deposit(item, package(item, "x")).paths[0]
    for path in where.parent.glob("bånd.mp3.*"):
        if path != repository.fetch(item).path:
            path.unlink()
    where.write_bytes(b"subtitles by a person")
    done = repository.deposit(item, package(item, "machine"))
    assert (done.frozen, done.receipt.version) == (True, 2)
    assert where.read_bytes() == b"subtitles by a person"
    assert repository.existing(item) == done.receipt


def test_a_link_put_by_a_person_is_left(repository: Repository, item: Item, tmp_path: Path) -> None:
    where = repository.deposit(item, package(item, "machine")).paths[0]
    (tmp_path / "elsewhere.vtt").write_bytes(where.read_bytes())
    where.unlink()
    where.symlink_to(tmp_path / "elsewhere.vtt")
    assert repository.deposit(item, package(item, "other")).receipt.version == 2
    assert where.is_symlink()
    assert (tmp_path / "elsewhere.vtt").read_bytes() == b"machine as .vtt"


def test_a_failure_is_kept_and_touches_nothing(repository: Repository, item: Item) -> None:
    done = repository.deposit(item, package(item, "text"))
    repository.record_failure(item, failure(item))
    assert repository.existing(item) == failure(item)
    assert is_whole(repository, item, done.receipt)
    assert repository.deposit(item, package(item, "text")) == done
    assert repository.existing(item) == done.receipt, "a success ends the failure"


def test_a_failure_without_any_success_is_the_newest(repository: Repository, item: Item) -> None:
    repository.record_failure(item, failure(item))
    assert repository.existing(item) == failure(item)


def _manifest(paths: tuple[Path, ...]) -> Path:
    (manifest,) = paths[0].parent.glob("bånd.mp3.speechpipe.json")
    return manifest


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"identifier": 1}', b"\xff", b"[" * 100_000])
def test_files_whose_manifest_is_broken_are_left(content: bytes, repository: Repository, item: Item) -> None:
    first = repository.deposit(item, package(item, "machine"))
    _manifest(first.paths).write_bytes(content)
    assert repository.existing(item) is None
    second = repository.deposit(item, package(item, "other"))
    assert (second.frozen, second.receipt.version) == (True, 2)
    assert is_whole(repository, item, first.receipt)
    assert repository.existing(item) == second.receipt


def test_a_broken_manifest_is_healed_by_the_same_results(repository: Repository, item: Item) -> None:
    first = repository.deposit(item, package(item, "machine"))
    _manifest(first.paths).write_bytes(b"{")
    assert repository.deposit(item, package(item, "machine")) == first
    assert repository.existing(item) == first.receipt


@pytest.mark.parametrize("name", ["../victim.txt", "/{root}/victim.txt", "victim.txt", "bånd.mp3./../../victim.txt"])
def test_a_manifest_cannot_reach_other_files(name: str, repository: Repository, item: Item, tmp_path: Path) -> None:
    first = repository.deposit(item, package(item, "machine"))
    victim = first.paths[0].parent / "victim.txt"
    victim.write_bytes(b"not ours")
    (victim.parent.parent / "victim.txt").write_bytes(b"not ours")
    manifest = _manifest(first.paths)
    digest = sha256_file(victim)
    manifest.write_text(manifest.read_text().replace('"files": {', f'"files": {{\n  "{name}": "{digest}",'))
    repository.deposit(item, package(item, "new"))
    assert victim.read_bytes() == (victim.parent.parent / "victim.txt").read_bytes() == b"not ours"


@pytest.mark.parametrize("ending", ["vtt", "", "./x", ".a/b", ".nul\0", ".speechpipe.json", ".speechpipe.failed.json"])
def test_an_ending_that_is_none_is_refused(ending: str, repository: Repository, item: Item) -> None:
    with pytest.raises(RepositoryError, match="ending"):
        repository.deposit(item, Package({ending: b""}, package(item, "x").receipt))
    assert repository.existing(item) is None


def test_a_full_disk_leaves_the_old_package(
    repository: Repository, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = repository.deposit(item, package(item, "old"))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space is left") as caught:
            repository.deposit(item, package(item, "new"))
    assert caught.value.curable
    assert repository.existing(item) == first.receipt
    assert is_whole(repository, item, first.receipt)
    assert not list(first.paths[0].parent.glob(".*")), "no temporary file"


def steps_of_a_deposit(repository: Repository, item: Item, text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    with killed_at(10_000, monkeypatch) as steps:
        repository.deposit(item, package(item, text))
    return len(steps)


@pytest.mark.parametrize("start", ["nothing", "machine", "person", "failed"])
@pytest.mark.parametrize("after", ["same", "other"])
def test_a_kill_at_any_step_leaves_old_or_new_and_heals(
    start: str, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, make in KINDS.items():
        step, ended = 0, False
        while not ended:
            step += 1
            repository = make(tmp_path / kind / str(step))
            item = next(item for item in repository.discover() if item.identifier == NAMES[1])
            old = None if start == "nothing" else repository.deposit(item, package(item, "old"))
            kept: dict[Path, bytes] = {}
            if start == "person" and old is not None:
                old.paths[1].write_bytes(b"person")
                kept = {path: path.read_bytes() for path in old.paths}
            if start == "failed":
                repository.record_failure(item, failure(item))
            with killed_at(step, monkeypatch):
                try:
                    repository.deposit(item, package(item, "new", (".vtt", ".txt", ".extra")))
                    ended = True
                except Killed:
                    pass
            seen = repository.existing(item)
            if seen is not None and seen.status == "done" and not (kept and seen.version == 1):
                assert is_whole(repository, item, seen), f"step {step}: a receipt of what is not there"
            again = package(item, "new", (".vtt", ".txt", ".extra")) if after == "same" else package(item, "other")
            healed = repository.deposit(item, again)
            assert healed.receipt.version == (2 if kept else 1), f"step {step}: our own files taken for a person's"
            assert repository.existing(item) == healed.receipt
            assert is_whole(repository, item, healed.receipt)
            assert {path: path.read_bytes() for path in kept} == kept
            visible = {p.name for p in healed.paths[0].parent.iterdir() if p.name.startswith("bånd.mp3.")}
            expected = {path.name for path in (*healed.paths, *kept)} | {
                f"bånd.mp3{'.v2' * bool(kept)}.speechpipe.json"
            }
            assert visible == expected | ({"bånd.mp3.speechpipe.json"} if kept else set())
        assert step > 12, "the deposit was watched at every step"


def test_two_kills_in_a_row_heal(repository: Repository, item: Item, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.deposit(item, package(item, "old"))
    for text, step in (("second", 8), ("third", 9), ("fourth", 8)):
        with killed_at(step, monkeypatch), pytest.raises(Killed):
            repository.deposit(item, package(item, text))
    healed = repository.deposit(item, package(item, "last"))
    assert healed.receipt.version == 1
    assert is_whole(repository, item, healed.receipt)


def test_a_correction_amid_a_broken_deposit_is_kept(
    repository: Repository, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = repository.deposit(item, package(item, "old"))
    with killed_at(8, monkeypatch), pytest.raises(Killed):
        repository.deposit(item, package(item, "new"))
    old.paths[0].write_bytes(b"person")
    assert repository.deposit(item, package(item, "new")).receipt.version == 2
    assert old.paths[0].read_bytes() == b"person"


def test_the_receipt_deposited_is_the_one_given_but_for_files_and_version(repository: Repository, item: Item) -> None:
    given = replace(
        package(item, "x"), receipt=replace(package(item, "x").receipt, languages=("nb", "en"), confidence=0.5)
    )
    got = repository.deposit(item, given).receipt
    assert replace(got, files={}) == given.receipt
