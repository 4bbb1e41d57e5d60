"""The store: names that stay in it, models that are there whole or not at all, what is pruned."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from speechpipe.errors import AlreadyInWork, BrokenModel, EngineError, OutputError, UnknownModel
from speechpipe.registry.storing import folders
from speechpipe.registry.storing import store as stores
from speechpipe.registry.storing.folders import check
from speechpipe.registry.storing.locks import LOCK, read_lock, safe_name, safe_path
from speechpipe.registry.storing.store import Store
from tests.stored import COMMIT, put, whisper_files

NAME = "Org/model"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_model_is_kept_by_its_name_and_its_revision_beside_it(store: Store) -> None:
    put(store, NAME)
    put(store, f"{NAME}@strict")
    put(store, f"{NAME}@refs/pr/1")
    assert [lock.name for lock in store.installed()] == [NAME, f"{NAME}@refs/pr/1", f"{NAME}@strict"]
    assert store.folder(NAME) == store.root / "Org" / "model"
    assert store.folder(f"{NAME}@refs/pr/1").parent == store.root / "Org"
    assert store.lock("Org/other") is None


def test_an_empty_store_holds_nothing(store: Store) -> None:
    assert store.installed() == []
    assert store.leftovers(0) == []
    assert not store.root.exists()


@pytest.mark.parametrize(
    "name",
    ["", "..", "../x", "a/../b", "/a", "a//b", "a/b/c", ".hidden/x", "a b", "a\0", "a@", "a@../..", "-a", "x" * 201],
)
def test_what_is_no_name_is_refused(name: str, store: Store) -> None:
    with pytest.raises(UnknownModel):
        store.folder(name)
    with pytest.raises(ValueError):
        safe_name(name)


@pytest.mark.parametrize(
    "path", ["", ".", "..", "../x", "a/../b", "/a", "a//b", "./a", ".hidden", "a/.b", "a\\b", "a\nb", "a/", "x" * 251]
)
def test_what_is_no_file_of_a_model_is_refused(path: str) -> None:
    with pytest.raises(ValueError):
        safe_path(path)


def test_a_lock_with_a_wicked_path_is_no_lock(store: Store) -> None:
    put(store, NAME)
    path = store.folder(NAME) / LOCK
    record = json.loads(path.read_text())
    record["files"]["../../outside"] = record["files"]["model.bin"]
    path.write_text(json.dumps(record))
    with pytest.raises(BrokenModel, match=r"lock\.json"):
        read_lock(store.folder(NAME))
    assert store.installed() == []


def test_a_lock_that_names_another_model_is_not_that_model(store: Store) -> None:
    put(store, NAME)
    (store.root / "Org" / "copy").mkdir()
    (store.root / "Org" / "copy" / LOCK).write_bytes((store.folder(NAME) / LOCK).read_bytes())
    assert [lock.name for lock in store.installed()] == [NAME]


def test_a_new_take_replaces_the_old_at_once(store: Store) -> None:
    put(store, NAME)
    put(store, NAME, whisper_files(**{"new.json": b"{}"}), commit="f" * 40)
    lock = store.lock(NAME)
    assert lock is not None
    assert lock.commit == "f" * 40
    assert (store.folder(NAME) / "new.json").exists()
    store.verify(NAME)


def test_a_take_that_died_between_its_renames_is_undone(store: Store) -> None:
    put(store, NAME)
    old = store.root / ".partial" / ".old" / NAME.replace("/", "%2F")
    old.parent.mkdir(parents=True, exist_ok=True)
    store.folder(NAME).rename(old)
    assert store.lock(NAME) is None
    with store.held(NAME):
        assert store.lock(NAME) is not None
    assert not old.exists()
    assert store.leftovers() == []


def test_a_take_that_died_after_its_renames_is_cleaned_up(store: Store) -> None:
    put(store, NAME)
    old = store.root / ".partial" / ".old" / NAME.replace("/", "%2F")
    old.mkdir(parents=True)
    with store.held(NAME):
        assert not old.exists()
    store.verify(NAME)


def test_one_process_at_a_time_changes_a_model(store: Store) -> None:
    with store.held(NAME):
        with pytest.raises(AlreadyInWork, match=NAME), store.held(NAME):
            pass
        with store.held("Org/other"):
            pass


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "is missing"), (b"{", "cut short: 1 bytes instead of 2"), (b"[]", "SHA-256"), (b"{ }", "altered: 3 bytes")],
)
def test_verify_names_the_file_that_is_missing_or_altered(content: bytes | None, said: str, store: Store) -> None:
    put(store, NAME)
    path = store.folder(NAME) / "tokenizer.json"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(BrokenModel, match=rf"tokenizer\.json.*{said}.*models fetch {NAME}"):
        store.verify(NAME)


@pytest.mark.parametrize("name", ["tokenizer.json", LOCK])
@pytest.mark.parametrize("look", [Store.verify, lambda store, name: check(store.folder(name))])
def test_what_the_disk_refuses_of_a_model_is_not_altered(
    name: str, look: Callable[[Store, str], object], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, NAME)
    refused = store.folder(NAME) / name
    os.utime(refused, (1, 1))  # so that a glance is not enough
    opened = io.open

    def refuse(file: object, *how: object, **more: object) -> object:
        if str(file) == str(refused):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(file))
        return opened(file, *how, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(io, "open", refuse)
    with pytest.raises(EngineError, match=rf"{name} is there, but cannot be read: Input/output error") as caught:
        look(store, NAME)
    assert type(caught.value) is EngineError and caught.value.curable and "fetch" not in str(caught.value)


def test_verify_remembers_when_it_looked(store: Store) -> None:
    put(store, NAME)
    path = store.folder(NAME) / "model.bin"
    os.utime(path, ns=(1, 1))
    lock = store.verify(NAME)
    assert lock.files["model.bin"].mtime_ns == 1
    assert lock.files["model.bin"].ctime_ns == path.stat().st_ctime_ns
    assert read_lock(store.folder(NAME)) == lock


def test_a_store_that_is_shared_read_only_is_verified_all_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, NAME)

    def refused(*_: object) -> None:
        raise OutputError("read-only")

    monkeypatch.setattr(stores, "write_lock", refused)
    assert store.verify(NAME).commit == COMMIT


def test_verify_of_what_is_not_here(store: Store) -> None:
    with pytest.raises(UnknownModel, match="Org/model"):
        store.verify(NAME)


def test_a_file_that_was_added_to_a_model_is_not_read(store: Store) -> None:
    put(store, NAME, {key: value for key, value in whisper_files().items() if key != "preprocessor_config.json"})
    (store.folder(NAME) / "preprocessor_config.json").write_text("{}")
    with pytest.raises(BrokenModel, match=r"preprocessor_config\.json.*added"):
        check(store.folder(NAME))


def test_a_file_of_another_time_is_digested_and_compared(store: Store) -> None:
    put(store, NAME)
    path = store.folder(NAME) / "tokenizer.json"
    os.utime(path, ns=(1, 1))
    assert check(store.folder(NAME))
    path.write_bytes(b"[]")
    with pytest.raises(BrokenModel, match=rf"tokenizer\.json.*altered.*models fetch {NAME}"):
        check(store.folder(NAME))


def test_another_file_in_its_place_with_its_date_is_digested(store: Store) -> None:
    put(store, NAME)
    path = store.folder(NAME) / "tokenizer.json"
    state = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"[]")
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.rename(path)
    with pytest.raises(BrokenModel, match=r"tokenizer\.json.*altered"):
        check(store.folder(NAME))


def test_a_copied_store_is_digested_once(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, NAME)
    shutil.copytree(store.root, tmp_path / "copy")
    folder = tmp_path / "copy" / NAME
    check(folder)
    folders._digest_of_state.cache_clear()
    monkeypatch.setattr("speechpipe.registry.storing.folders.sha256_file", lambda path: pytest.fail(f"digested {path}"))
    assert check(folder)


def test_what_was_found_whole_is_not_written_over_a_model_that_came_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, NAME)
    folder = store.folder(NAME)
    os.utime(folder / "tokenizer.json", ns=(1, 1))
    real = folders._check_json
    newer = read_lock(folder)
    assert newer is not None
    newer = newer.model_copy(update={"commit": "f" * 40})

    def meanwhile(path: Path) -> None:
        folders.write_lock(folder, newer)
        real(path)

    monkeypatch.setattr(folders, "_check_json", meanwhile)
    check(folder)
    assert read_lock(folder) == newer


def test_an_unchanged_file_is_not_digested_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, NAME)
    monkeypatch.setattr("speechpipe.registry.storing.folders.sha256_file", lambda path: pytest.fail(f"digested {path}"))
    checked = check(store.folder(NAME))
    assert checked.lock is not None
    assert checked.digests["model.bin"] == checked.lock.files["model.bin"].sha256


def test_no_space_is_said_with_the_numbers(store: Store) -> None:
    store.require_space(1, NAME)
    with pytest.raises(OutputError, match=r"Org/model needs 1000000000\.0 GB below .*store.*models_folder"):
        store.require_space(10**18, NAME)


def test_a_store_that_cannot_be_written_is_an_error_of_output(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError), Store(tmp_path / "file" / "store").held(NAME):
        pass


def test_prune_takes_half_downloads_and_leaves_what_is_worked_on(store: Store) -> None:
    put(store, NAME)
    for name in ("Org/half", "Org/busy"):
        (store.partial(name) / "model.bin.part").write_bytes(bytes(10))
    with store.held("Org/busy"):
        found = {leftover.path.name: leftover for leftover in store.leftovers()}
        assert set(found) == {"Org%2Fhalf", "Org%2Fbusy"}
        assert found["Org%2Fhalf"].size == 10
        assert [store.prune(found[name]) for name in ("Org%2Fhalf", "Org%2Fbusy")] == [True, False]
    assert [leftover.path.name for leftover in store.leftovers()] == ["Org%2Fbusy"]
    store.verify(NAME)


def test_prune_takes_what_was_not_used_for_long(store: Store) -> None:
    put(store, NAME)
    put(store, "Org/used@main")
    for name in (NAME, "Org/used@main"):
        os.utime(store.folder(name) / LOCK, (0, time.time() - 100 * 86_400))
    stores.mark_used(store.folder("Org/used@main"))
    assert store.leftovers(101) == []
    (leftover,) = store.leftovers(99)
    assert (leftover.path, leftover.what) == (store.folder(NAME), "not used for 100 days")
    assert store.prune(leftover)
    assert [lock.name for lock in store.installed()] == ["Org/used@main"]
    assert not store.folder(NAME).exists()
    assert store.leftovers() == []


def test_a_model_in_use_by_a_change_is_not_pruned(store: Store) -> None:
    put(store, NAME)
    with (store.root / ".locks" / "Org%2Fmodel").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not store.prune(store.leftover(NAME))
    assert store.lock(NAME) is not None


def test_a_name_that_is_not_there_is_not_pruned(store: Store) -> None:
    with pytest.raises(UnknownModel, match="Org/model"):
        store.leftover(NAME)
