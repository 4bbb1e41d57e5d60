"""Bundles: the same models on the other side, and nothing else, whatever the file holds."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from speechpipe.errors import BrokenModel, OutputError, SpeechpipeError, UnknownModel, UsageError
from speechpipe.registry.storing import bundles
from speechpipe.registry.storing import store as stores
from speechpipe.registry.storing.locks import LOCK
from speechpipe.registry.storing.store import Store
from tests.stored import put, whisper_files

NAME, OTHER = "Org/model", "Org/other@strict"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "here")
    put(store, NAME)
    put(store, OTHER, whisper_files(**{"vocabulary.json": b"[1]"}))
    return store


@pytest.fixture
def there(tmp_path: Path) -> Store:
    return Store(tmp_path / "there")


@pytest.fixture
def bundle(store: Store, tmp_path: Path) -> Path:
    bundles.export([], store, tmp_path / "models.tar")
    return tmp_path / "models.tar"


def members(path: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(path) as file:
        return [(member, (file.extractfile(member) or io.BytesIO()).read()) for member in file]


def rewritten(path: Path, change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes] | None]) -> None:
    kept = [change(member, content) for member, content in members(path)]
    with tarfile.open(path, "w") as file:
        for member, content in filter(None, kept):
            member.size = len(content)  # claimed for a link, too
            file.addfile(member, io.BytesIO(content) if member.isreg() else None)


def test_what_is_exported_arrives(store: Store, bundle: Path, there: Store) -> None:
    assert [lock.name for lock in bundles.import_(bundle, there)] == [NAME, OTHER]
    for name in (NAME, OTHER):
        here, arrived = store.lock(name), there.verify(name)
        assert here is not None
        assert arrived.without_times() == here.without_times()
    assert there.leftovers() == []


def test_named_models_alone_are_exported(store: Store, tmp_path: Path, there: Store) -> None:
    bundles.export([OTHER, OTHER], store, tmp_path / "one.tar")
    assert [lock.name for lock in bundles.import_(tmp_path / "one.tar", there)] == [OTHER]


def test_the_same_models_give_the_same_bundle(store: Store, bundle: Path, there: Store, tmp_path: Path) -> None:
    bundles.import_(bundle, there)
    bundles.export([], there, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == bundle.read_bytes()


def test_an_altered_model_is_not_exported(store: Store, tmp_path: Path) -> None:
    (store.folder(NAME) / "config.json").write_text("[]")
    with pytest.raises(BrokenModel, match=r"config\.json"):
        bundles.export([NAME], store, tmp_path / "x.tar")
    assert not list(tmp_path.glob("*.tar*"))


def test_an_existing_file_is_not_overwritten(store: Store, bundle: Path) -> None:
    before = bundle.read_bytes()
    with pytest.raises(UsageError, match="exists"):
        bundles.export([], store, bundle)
    assert bundle.read_bytes() == before


def test_there_must_be_something_to_export(there: Store, tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="no model"):
        bundles.export([], there, tmp_path / "x.tar")
    with pytest.raises(UnknownModel, match="Org/model"):
        bundles.export([NAME], there, tmp_path / "x.tar")
    with pytest.raises(UsageError, match="no file"):
        bundles.import_(tmp_path / "absent.tar", there)


def test_an_import_replaces_what_is_there(bundle: Path, there: Store) -> None:
    put(there, NAME, whisper_files(**{"vocabulary.json": b"[2]"}), commit="f" * 40)
    bundles.import_(bundle, there)
    assert (there.folder(NAME) / "vocabulary.json").read_bytes() == b"{}"


@pytest.mark.parametrize("kept", [0, 100, 1_000, 5_000, -4_096])
def test_a_bundle_cut_short_gives_no_half_model(kept: int, bundle: Path, there: Store) -> None:
    content = bundle.read_bytes()
    # A tar ends with padding; what stands before the last member's end is cut.
    end = content.rstrip(b"\0")
    bundle.write_bytes(content[:kept] if kept > 0 else end[:kept] if kept else b"")
    with pytest.raises(BrokenModel, match=r"bundle|models"):
        bundles.import_(bundle, there)
    for lock in there.installed():
        there.verify(lock.name)
    assert OTHER not in [lock.name for lock in there.installed()]
    assert there.leftovers() == []


def test_another_file_is_no_bundle(tmp_path: Path, there: Store) -> None:
    for content in (b"", b"not a tar" * 1000, b"\x1f\x8b" + bytes(100)):
        (tmp_path / "x.tar").write_bytes(content)
        with pytest.raises(BrokenModel) as caught:
            bundles.import_(tmp_path / "x.tar", there)
        assert "x.tar" in str(caught.value)
    assert there.installed() == []


def altered(member: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member, bytes(len(content)) if member.name.endswith("model.bin") else content


def longer(member: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member, content + bytes(1 << 20) if member.name.endswith("model.bin") else content


def renamed(member: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    if member.name.endswith("model.bin"):
        member.name = "../../outside"
    return member, content


def linked(kind: bytes) -> Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes]]:
    def change(member: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name.endswith("model.bin"):
            member.type, member.linkname = kind, "/etc/passwd"
        return member, content

    return change


def left_out(member: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes] | None:
    return None if member.name.endswith("model.bin") else (member, content)


def with_record(**changes: object) -> Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes]]:
    def change(member: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name.endswith(LOCK):
            content = json.dumps(json.loads(content) | changes).encode()
        return member, content

    return change


def huge_record(member: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member, content + b" " * (2 << 20) if member.name.endswith(LOCK) else content


WICKED = {
    "altered": altered,
    "longer": longer,
    "renamed": renamed,
    "symbolic link": linked(tarfile.SYMTYPE),
    "hard link": linked(tarfile.LNKTYPE),
    "device": linked(tarfile.CHRTYPE),
    "pipe": linked(tarfile.FIFOTYPE),
    "folder": linked(tarfile.DIRTYPE),
    "left out": left_out,
    "name outside": with_record(name="../../outside"),
    "file outside": with_record(files={"../../outside": {"size": 1, "sha256": "0" * 64}}),
    "unknown field": with_record(run="rm"),
    "other family": with_record(family="wav2vec2-ctc"),
    "huge record": huge_record,
}


@pytest.mark.parametrize("change", WICKED.values(), ids=list(WICKED))
def test_a_wicked_bundle_leaves_the_store_as_it_was(
    change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes] | None],
    bundle: Path,
    there: Store,
    tmp_path: Path,
) -> None:
    put(there, "Org/mine")
    rewritten(bundle, change)
    with pytest.raises(BrokenModel) as caught:
        bundles.import_(bundle, there)
    assert "Export it again" in caught.value.advice
    assert [lock.name for lock in there.installed()] == ["Org/mine"]
    assert not list(tmp_path.rglob("outside"))
    assert there.leftovers() == []


def test_a_bundle_that_claims_more_than_there_is_room_for(
    bundle: Path, there: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"model.bin": {"size": 10**17, "sha256": "0" * 64}}
    rewritten(bundle, with_record(files=files))
    with pytest.raises(OutputError, match="are free"):
        bundles.import_(bundle, there)
    assert there.installed() == []


def test_a_disk_that_fills_up_is_said(bundle: Path, there: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_RESERVE", 0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("speechpipe.registry.storing.store._flushed", full)
    with pytest.raises(SpeechpipeError, match="No space is left"):
        bundles.import_(bundle, there)
    assert there.installed() == []


def test_progress_ends_at_the_end(bundle: Path, there: Store, store: Store, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    bundles.export([], store, tmp_path / "b.tar", lambda *report: told.append(report))
    assert told[-1][0] == "export"
    assert told[-1][1] == told[-1][2]
    bundles.import_(bundle, there, lambda *report: told.append(report))
    assert told[-1][0] == "import"
    assert 0 < told[-1][1] <= told[-1][2] == bundle.stat().st_size
