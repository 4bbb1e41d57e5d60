"""What every kind of repository promises; run over each kind."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from speechpipe import exchange
from speechpipe.errors import MediaNotFound, OutputError, RepositoryError, Withdrawn
from speechpipe.files import sha256_file
from speechpipe.repositories import Deposited, FolderRepository, Item, Package, Part, Receipt, Repository, Stat
from speechpipe.repositories.metadata import fixity
from speechpipe.repositories.results.copies import Erased

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
    "folder, restricted below the results": lambda tmp_path: FolderRepository(
        _files(tmp_path), tmp_path / "results", restricted=tmp_path / "results" / "closed"
    ),
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
        patch.setattr(exchange, "_rename", guard("exchange", exchange._rename))
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


# What discovery builds on.


def done(repository: Repository, item: Item, text: str = "words", **changes: Any) -> Deposited:
    fetched = repository.fetch(item)
    changes = {"location": item.location} | changes
    receipt = replace(
        package(item, text).receipt,
        source_size=fetched.stat.size,
        source_mtime_ns=fetched.stat.mtime_ns,
        source_sha256=fetched.sha256,
        restricted=item.standing != "open",
        **changes,
    )
    return repository.deposit(item, replace(package(item, text), receipt=receipt))


def renamed(repository: Repository, item: Item, name: str) -> Item:
    path = repository.fetch(item).path
    path.rename(path.with_name(name))
    location = f"{item.location.rsplit('/', 1)[0]}/{name}"
    return next(found for found in repository.discover() if found.location == location)


def test_the_state_of_a_file_is_told_without_reading_it(
    repository: Repository, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = repository.locate(item)
    stat = path.stat()
    monkeypatch.setattr(io, "open", lambda *arguments, **how: pytest.fail("it was read"))
    assert repository.stat(item) == Stat(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


def test_a_fetched_file_comes_with_its_digest(repository: Repository, item: Item) -> None:
    fetched = repository.fetch(item)
    assert fetched.sha256 == sha256_file(fetched.path) and fetched.stat == repository.stat(item)


def test_what_a_receipt_tells_is_not_hashed_again(
    repository: Repository, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = done(repository, item).receipt
    with monkeypatch.context() as patch:
        patch.setattr(fixity, "opened", lambda path: pytest.fail("it was read"))
        assert repository.fetch(item, receipt).sha256 == receipt.source_sha256
    os.utime(repository.locate(item), (1, 1))
    repository.locate(item).write_bytes(b"other sound")
    assert repository.fetch(item, receipt).sha256 == sha256_file(repository.locate(item)) != receipt.source_sha256


def test_one_file_that_is_gone_is_told_apart_from_a_repository_that_is(repository: Repository, tmp_path: Path) -> None:
    items = list(repository.discover())
    repository.locate(items[0]).unlink()
    with pytest.raises(MediaNotFound):
        repository.stat(items[0])
    source = tmp_path / "source"
    source.rename(tmp_path / "unmounted")
    for act in (repository.stat, repository.fetch):
        with pytest.raises(RepositoryError, match="gone or empty") as caught:
            act(items[1])
        assert caught.value.curable and "mounted" in caught.value.advice
    source.mkdir()
    with pytest.raises(RepositoryError, match="gone or empty"):
        repository.fetch(items[1])


def test_room_for_results_is_tried_without_a_trace(repository: Repository, tmp_path: Path) -> None:
    before = list(repository.discover())
    repository.check_room()
    assert list(repository.discover()) == before
    assert not [path for path in tmp_path.rglob("*") if "room" in path.name]


def test_every_receipt_is_found_also_of_what_is_no_longer_there(repository: Repository) -> None:
    items = list(repository.discover())
    kept = [done(repository, item).receipt for item in items[:2]]
    repository.record_failure(items[2], failure(items[2]))
    repository.locate(items[0]).unlink()
    assert sorted(r.identifier for r in repository.receipts()) == sorted(item.identifier for item in items)
    assert all(receipt in list(repository.receipts()) for receipt in kept)
    assert not list(repository.tombstones())


@pytest.mark.parametrize("location", ["../../victim.wav", "/etc/passwd", "box 2/reel-1.wav", "", "a\0b"])
def test_a_receipt_that_tells_of_another_place_is_taken_for_the_one_where_it_lies(
    location: str, repository: Repository, item: Item
) -> None:
    others = [done(repository, other) for other in repository.discover() if other != item]
    mine = done(repository, item, location=location)
    (found,) = (r for r in repository.receipts() if r.key == "key of words" and r.identifier == item.identifier)
    assert found.location == item.location
    to = renamed(repository, item, "new.mp3")
    assert repository.move(found, to).files.keys() == {f"new.mp3{end}" for end in package(item, "").files}
    assert not any(path.exists() for path in mine.paths)
    assert all(path.exists() for other in others for path in other.paths)


def test_the_success_below_a_failure_is_still_known(repository: Repository, item: Item) -> None:
    first = done(repository, item).receipt
    repository.record_failure(item, failure(item))
    assert repository.existing(item) == failure(item)
    assert repository.existing(item, done=True) == first


def test_results_move_with_their_recording(repository: Repository, item: Item) -> None:
    old = done(repository, item)
    to = renamed(repository, item, "b\u00e5nd side A.mp3")
    moved = repository.move(old.receipt, to)
    assert (moved.identifier, moved.location, moved.source_name) == (to.identifier, to.location, "b\u00e5nd side A.mp3")
    assert repository.existing(to) == moved and is_whole(repository, to, moved)
    assert contents(repository, to, moved) == set(package(item, "words").files.values())
    assert not any(path.exists() for path in old.paths) and repository.existing(item) is None
    assert list(repository.receipts()) == [moved]


def test_a_persons_corrections_move_too_and_stay_frozen(repository: Repository, item: Item) -> None:
    first = done(repository, item)
    first.paths[0].write_bytes(b"by a person")
    second = done(repository, item, "better")
    to = renamed(repository, item, "new name.mp3")
    moved = repository.move(second.receipt, to)
    assert moved.version == 2 and is_whole(repository, to, moved)
    assert second.paths[0].with_name("new name.mp3.vtt").read_bytes() == b"by a person"
    second.paths[0].with_name("new name.mp3.v2.vtt").write_bytes(b"by a person again")
    assert done(repository, to, "third").receipt.version == 3


def test_nothing_is_moved_over_other_files(repository: Repository, item: Item) -> None:
    old = done(repository, item)
    to = renamed(repository, item, "taken.mp3")
    foreign = old.paths[0].with_name("taken.mp3.vtt")
    foreign.write_bytes(b"by a person")
    with pytest.raises(OutputError, match="stands in the way"):
        repository.move(old.receipt, to)
    assert foreign.read_bytes() == b"by a person" and all(path.exists() for path in old.paths)


def test_a_move_killed_at_any_step_is_brought_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, make in KINDS.items():
        step, ended = 0, False
        while not ended:
            step += 1
            repository = make(tmp_path / kind / str(step))
            item = next(item for item in repository.discover() if item.identifier == NAMES[1])
            old = done(repository, item)
            old.paths[1].write_bytes(b"by a person")
            to = renamed(repository, item, "new.mp3")
            with killed_at(step, monkeypatch):
                try:
                    repository.move(old.receipt, to)
                    ended = True
                except Killed:
                    pass
            before = repository.existing(item)
            if before is not None:
                repository.move(before, to)
            moved = repository.existing(to)
            assert moved is not None, f"step {step}: the receipt is lost"
            texts = {path.read_bytes() for path in repository.paths(to, moved)}
            assert texts == {b"words as .vtt", b"by a person", b"words as .alto.xml", b"words as .json"}
            assert not any(path.exists() for path in old.paths)
        assert step > 8


def test_after_a_move_killed_at_any_step_our_own_files_are_not_taken_for_a_persons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, step, ended = next(iter(KINDS.values())), 0, False
    while not ended:
        step += 1
        repository = make(tmp_path / str(step))
        item = next(item for item in repository.discover() if item.identifier == NAMES[1])
        old = done(repository, item)
        to = renamed(repository, item, "new.mp3")
        with killed_at(step, monkeypatch):
            try:
                repository.move(old.receipt, to)
                ended = True
            except Killed:
                pass
        assert done(repository, to, "anew").receipt.version == 1, f"step {step}"


def test_all_that_was_made_can_be_erased(repository: Repository, item: Item) -> None:
    others = {other: done(repository, other) for other in repository.discover() if other != item}
    first = done(repository, item)
    first.paths[0].write_bytes(b"by a person")
    second = done(repository, item, "better")
    repository.record_failure(item, failure(item))
    files, corrected = repository.results(second.receipt)
    assert corrected == (first.paths[0],)
    assert {*first.paths, *second.paths} < set(files)
    done_now = repository.erase(second.receipt)
    assert set(done_now.erased) == {*files} - {*corrected} and done_now.gone == done_now.left == ()
    left = {path.name for path in first.paths[0].parent.iterdir() if path.name.startswith("b\u00e5nd")}
    assert left <= {"b\u00e5nd.mp3"} and repository.existing(item) is None
    for other, deposited in others.items():
        assert is_whole(repository, other, deposited.receipt)
    assert repository.locate(item).exists(), "the recording is not touched"
    (kept,) = done_now.kept
    assert kept.read_bytes() == b"by a person" and kept.stat().st_mode & 0o777 == 0o600
    assert repository.kept(second.receipt) == (kept,)
    assert repository.erase(second.receipt) == Erased()
    assert repository.erase(second.receipt, corrections=True) == Erased(erased=(kept,))
    assert not kept.parent.exists() and repository.kept(second.receipt) == ()


def test_what_a_person_saved_twice_during_a_deposit_is_brought_aside_too(repository: Repository, item: Item) -> None:
    deposited = done(repository, item)
    saved = deposited.paths[0].with_name(f"{deposited.paths[0].name}.0123abcd.kept")
    other = saved.with_name(f"another-{saved.name}")
    for path in (saved, other):
        path.write_bytes(b"by a person")
    assert [path.name for path in repository.erase(deposited.receipt).kept] == [saved.name]
    assert not saved.exists() and other.exists()


def test_a_persons_work_is_erased_where_that_is_asked_for(repository: Repository, item: Item) -> None:
    deposited = done(repository, item)
    deposited.paths[0].write_bytes(b"by a person")
    deposited.paths[1].unlink()
    done_now = repository.erase(deposited.receipt, corrections=True)
    assert deposited.paths[0] in done_now.erased and not deposited.paths[0].exists()
    assert done_now.gone == (deposited.paths[1],) and done_now.kept == repository.kept(deposited.receipt) == ()


def test_erasing_goes_on_after_a_kill_at_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No step loses a person's work, and none leaves what the next call would not find."""
    make, step, ended = KINDS["folder, results apart"], 0, False
    while not ended:
        step += 1
        repository = make(tmp_path / str(step))
        item = next(item for item in repository.discover() if item.identifier == NAMES[1])
        deposited = recorded(repository, item)
        copy = tmp_path / str(step) / "copy.vtt"
        repository.record_copies(item, deposited.receipt, {copy: deposited.paths[0].read_bytes()})
        copy.write_bytes(deposited.paths[0].read_bytes())
        deposited.paths[1].write_bytes(b"by a person")
        with killed_at(step, monkeypatch):
            try:
                repository.erase(deposited.receipt)
                ended = True
            except Killed:
                pass
        repository.erase(deposited.receipt)
        assert [path.read_bytes() for path in repository.kept(deposited.receipt)] == [b"by a person"], f"step {step}"
        assert not copy.exists() and not any(path.exists() for path in deposited.paths), f"step {step}"
        assert repository.existing(item) is None
    assert step > 8


def recorded(repository: Repository, item: Item) -> Deposited:
    """Results as the formats write them: each tells of what content it was made."""
    sha256 = repository.fetch(item).sha256
    made = package(item, f"SHA-256: {sha256}")
    return repository.deposit(item, replace(made, receipt=replace(made.receipt, source_sha256=sha256)))


def test_copies_are_erased_with_the_results_or_alone(repository: Repository, item: Item, tmp_path: Path) -> None:
    deposited = recorded(repository, item)
    content = deposited.paths[0].read_bytes()
    same, changed, gone, other = (tmp_path / "elsewhere" / f"{name}.vtt" for name in ("a", "b", "c", "d"))
    for alone in (True, False):
        repository.record_copies(item, deposited.receipt, dict.fromkeys((same, changed, gone, other), content))
        same.parent.mkdir(exist_ok=True)
        same.write_bytes(content)
        changed.write_bytes(content + b" and a person's words")
        other.write_bytes(b"put there since, of something else")
        receipt = deposited.receipt
        erased = repository.erase_copies(receipt) if alone else repository.erase(receipt)
        assert same in erased.erased and not same.exists() and not changed.exists()
        assert (erased.gone, erased.left) == ((gone,), (other,)) and other.exists()
        assert [path.read_bytes() for path in erased.kept] == [content + b" and a person's words"]
        assert is_whole(repository, item, receipt) is alone if alone else repository.existing(item) is None


def test_a_record_of_copies_is_not_believed(repository: Repository, item: Item, tmp_path: Path) -> None:
    """It lies where others may write: files that do not tell of the recording are not touched, nor what is no file."""
    deposited = recorded(repository, item)
    victims = [tmp_path / "precious.json", tmp_path / "link.json", tmp_path / "a folder", tmp_path / "pipe"]
    victims[0].write_bytes(b"{}")
    victims[1].symlink_to(victims[0])
    victims[2].mkdir()
    os.mkfifo(victims[3])
    repository.record_copies(item, deposited.receipt, dict.fromkeys(victims, b"{}"))
    ledger = next(deposited.paths[0].parent.glob("*.copies.jsonl"))
    ledger.write_bytes(
        ledger.read_bytes() + b'{"file": "relative"}\n[1]\nnothing\n{"file": 3, "sha256": []}\n{"file": "/'
    )
    assert repository.erase(deposited.receipt).left == tuple(victims)
    assert all(path.exists() for path in victims)


def test_the_record_of_copies_goes_with_the_results(repository: Repository, item: Item, tmp_path: Path) -> None:
    deposited = recorded(repository, item)
    copy = tmp_path / "copy.vtt"
    repository.record_copies(item, deposited.receipt, {copy: deposited.paths[0].read_bytes()})
    copy.write_bytes(deposited.paths[0].read_bytes())
    moved = repository.move(deposited.receipt, renamed(repository, item, "new.mp3"))
    assert copy in repository.erase(moved).erased and not copy.exists()


def test_what_has_a_tombstone_is_not_deposited_and_leaves_no_failure(repository: Repository, item: Item) -> None:
    sha256 = repository.fetch(item).sha256
    repository.withdraw(Receipt("another name", "withdrawn", "x", location="another name", source_sha256=sha256))
    with pytest.raises(Withdrawn):
        recorded(repository, item)
    repository.record_failure(item, replace(failure(item), source_sha256=sha256))
    assert repository.existing(item) is None and repository.results(failure(item))[0] == ()


def test_two_names_of_one_content_have_a_tombstone_each(repository: Repository) -> None:
    items = list(repository.discover())[:2]
    graves = [
        Receipt(item.identifier, "withdrawn", "x", location=item.location, source_sha256="ab" * 32) for item in items
    ]
    for grave in (*graves, *graves):
        repository.withdraw(grave)
    assert sorted(grave.identifier for grave in repository.tombstones()) == sorted(item.identifier for item in items)
    assert all(repository.tombstone(item) for item in items) and repository.tombstone(None, "ab" * 32)
    repository.lift(graves[1])
    assert not list(repository.tombstones()), "one content is lifted whole"


def test_a_tombstone_is_found_by_name_and_by_content_until_it_is_lifted(repository: Repository, item: Item) -> None:
    sha256 = repository.fetch(item).sha256
    grave = Receipt(item.identifier, "withdrawn", "b\u00e5nd.mp3", location=item.location, source_sha256=sha256)
    assert repository.tombstone(item, sha256) is None
    repository.withdraw(grave)
    other = next(other for other in repository.discover() if other != item)
    assert list(repository.tombstones()) == [grave]
    assert (
        repository.tombstone(item)
        == repository.tombstone(item, "0" * 64)
        == repository.tombstone(other, sha256)
        == grave
    )
    assert repository.tombstone(other) is None
    assert list(repository.discover())[:3] and repository.existing(item) is None
    repository.lift(grave)
    assert repository.tombstone(item, sha256) is None and not list(repository.tombstones())


def test_a_tombstone_without_content_covers_all_parts_of_a_whole(repository: Repository, item: Item) -> None:
    grave = Receipt("A-1", "withdrawn", "x")
    repository.withdraw(grave)
    assert repository.tombstone(replace(item, identifier="A-1/2", whole="A-1")) == grave
    assert repository.tombstone(replace(item, identifier="A-1/2")) is None
    assert repository.tombstone(item) is None


def test_restricted_results_lie_apart_for_their_owner_alone(repository: Repository, item: Item) -> None:
    hidden = replace(item, standing="restricted")
    deposited = done(repository, hidden)
    deposited.paths[0].write_bytes(b"by a person")
    second = done(repository, hidden, "better")
    repository.record_failure(hidden, failure(hidden))
    assert repository.existing(item, done=True) is None
    folder = deposited.paths[0].parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert second.receipt.version == 2
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir() if path.name != "b\u00e5nd.mp3.vtt"} == {0o600}
    assert {receipt.restricted for receipt in repository.receipts()} == {True}
    repository.erase(second.receipt)
    assert not [path for path in folder.iterdir() if path.is_file()]


def test_each_receipt_is_told_once_open_or_restricted(repository: Repository) -> None:
    first, *others = repository.discover()
    done(repository, replace(first, standing="restricted"))
    for other in others:
        done(repository, other)
    assert sorted((receipt.identifier, receipt.restricted) for receipt in repository.receipts()) == sorted(
        (item.identifier, item == first) for item in (first, *others)
    )


def test_restricted_results_are_not_recordings_either(repository: Repository, item: Item) -> None:
    before = list(repository.discover())
    for other in before:
        done(repository, replace(other, standing="restricted"))
    assert list(repository.discover()) == before
