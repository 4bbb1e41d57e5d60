"""Withdrawing: all that was made of a recording goes, all else stays, and it is not done again until that is lifted."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from speechpipe import Settings, Transcriber
from speechpipe.errors import AlreadyInWork, MediaNotFound, RepositoryError, Withdrawn
from speechpipe.pipeline import process
from speechpipe.pipeline.withdrawal import Withdrawal, corrections, find, lift, refuse_withdrawn, withdraw
from speechpipe.repositories import FolderRepository, Policy, Receipt, select
from speechpipe.repositories.rights import public_name
from speechpipe.settings import Collection
from speechpipe.workspace import Workspace

AT_ONCE = Policy(settle=timedelta(0))


@pytest.fixture
def transcriber(tmp_path: Path) -> Transcriber:
    return Transcriber(Settings.load(engine="fake", workspace=tmp_path / "work"))


@pytest.fixture
def repository(tmp_path: Path, root: Path) -> FolderRepository:
    source = tmp_path / "source"
    (source / "box").mkdir(parents=True)
    for name, sample in (("a.wav", "slate.wav"), ("box/b.mp3", "no-speech.mp3")):
        shutil.copy(root / "sample_audio" / sample, source / name)
    return FolderRepository(source, tmp_path / "results")


def done(transcriber: Transcriber, repository: FolderRepository) -> dict[str, Receipt]:
    return {item.location: process(transcriber, repository, item) for item in repository.discover()}


def take(repository: FolderRepository, transcriber: Transcriber, name: str) -> Withdrawal:
    return withdraw(repository, find(repository, name), transcriber.settings, "asked for by the family")


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_everything_of_one_recording_goes_and_everything_else_stays(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path
) -> None:
    receipts = done(transcriber, repository)
    others = {path for path in everything(repository.outputs) if path.startswith("box/")}
    (repository.outputs / "a.wav.vtt").write_bytes(b"corrected by a person")
    process(transcriber, repository, repository.item("a.wav"), again=True)
    assert (repository.outputs / "a.wav.v2.vtt").exists()
    assert corrections(repository, find(repository, "a.wav")) == (repository.outputs / "a.wav.vtt",)
    done_now = take(repository, transcriber, "a.wav")
    assert done_now.recordings == ("a.wav",) and done_now.corrected == (repository.outputs / "a.wav.vtt",)
    grave = f".speechpipe-withdrawn/{receipts['a.wav'].source_sha256}.json"
    assert everything(repository.outputs) == others | {grave}
    assert (repository.outputs / grave).stat().st_mode & 0o777 == 0o600
    scratch = {path.name for path in (tmp_path / "work").iterdir()}
    assert scratch == {str(receipts["box/b.mp3"].source_sha256)[:32]}
    assert (repository.source / "a.wav").exists(), "the recording itself is not touched"
    (tombstone,) = repository.tombstones()
    assert (tombstone.message, tombstone.first_words, tombstone.words) == ("asked for by the family", None, None)


def test_it_is_not_done_again_until_that_is_lifted(transcriber: Transcriber, repository: FolderRepository) -> None:
    done(transcriber, repository)
    take(repository, transcriber, "a.wav")
    assert [c.kind for c in select(repository, AT_ONCE).choices] == ["withdrawn", "done"]
    with pytest.raises(Withdrawn, match="--lift a.wav"):
        process(transcriber, repository, repository.item("a.wav"), again=True)
    assert repository.existing(repository.item("a.wav")) is None
    assert [grave.identifier for grave in lift(repository, "a.wav")] == ["a.wav"]
    assert [c.kind for c in select(repository, AT_ONCE).choices] == ["new", "done"]
    assert process(transcriber, repository, repository.item("a.wav")).status == "done"
    with pytest.raises(MediaNotFound, match="not withdrawn"):
        lift(repository, "a.wav")


def test_what_is_no_longer_in_the_repository_can_be_withdrawn(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path
) -> None:
    done(transcriber, repository)
    (repository.source / "a.wav").rename(tmp_path / "kept.wav")
    assert take(repository, transcriber, "a.wav").erased
    assert not list(repository.outputs.glob("a.wav*"))
    (tmp_path / "kept.wav").rename(repository.source / "box" / "under another name.wav")
    assert "withdrawn" in {choice.kind for choice in select(repository, AT_ONCE).choices}


def test_what_was_never_done_can_be_withdrawn_too(transcriber: Transcriber, repository: FolderRepository) -> None:
    gone = take(repository, transcriber, "a.wav")
    assert gone.erased == () and gone.recordings == ("a.wav",)
    (repository.source / "a.wav").rename(repository.source / "b.wav")
    assert [c.kind for c in select(repository, AT_ONCE).choices] == ["withdrawn", "new"]


def test_a_whole_with_several_parts_goes_with_all_of_them(
    transcriber: Transcriber, repository: FolderRepository
) -> None:
    table = "path,identifier,may_publish\na.wav,A-1,yes\nbox/b.mp3,A-1,yes\n"
    (repository.source / "metadata.csv").write_text(table)
    done(transcriber, repository)
    (repository.source / "a.wav").unlink()
    gone = take(repository, transcriber, "A-1")
    assert gone.recordings == ("A-1/1", "A-1/2") and len(gone.erased) == 10
    assert {path.split("/")[0] for path in everything(repository.outputs)} == {".speechpipe-withdrawn"}
    assert len(lift(repository, "A-1")) == 2


def test_results_on_both_sides_of_a_change_of_rights_go(transcriber: Transcriber, repository: FolderRepository) -> None:
    done(transcriber, repository)
    table = repository.source / "metadata.csv"
    table.write_text("path,identifier,may_publish\na.wav,A-1,no\n")
    process(transcriber, repository, repository.item("A-1"))
    assert (repository.outputs / "a.wav.vtt").exists() and (repository.restricted / "a.wav.vtt").exists()
    take(repository, transcriber, "A-1")
    assert not list(repository.outputs.glob("a.wav*")) and not list(repository.restricted.glob("a.wav*"))


def test_a_name_that_tells_nothing_serves_to_withdraw_and_to_lift(
    transcriber: Transcriber, repository: FolderRepository
) -> None:
    (repository.source / "metadata.csv").write_text("path,may_publish\na.wav,no\n")
    done(transcriber, repository)
    item = repository.item("a.wav")
    name = public_name(item)
    assert name.startswith("restricted-")
    (repository.source / "a.wav").rename(repository.source / "away")
    assert take(repository, transcriber, name).erased, "also when the recording is gone"
    (repository.source / "away").rename(repository.source / "a.wav")
    with pytest.raises(Withdrawn, match=f"^{name} was withdrawn.*--lift {name}$"):
        process(transcriber, repository, item)
    assert len(lift(repository, name)) == 1


def test_a_recording_in_work_is_left_whole(transcriber: Transcriber, repository: FolderRepository) -> None:
    receipt = done(transcriber, repository)["a.wav"]
    before = everything(repository.outputs)
    space = Workspace(transcriber.settings.workspace_folder, str(receipt.source_sha256))
    with space.locked("a.wav"), pytest.raises(AlreadyInWork):
        take(repository, transcriber, "a.wav")
    assert everything(repository.outputs) == before


def test_a_withdrawal_that_broke_off_is_ended_by_the_same_call(
    transcriber: Transcriber, repository: FolderRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(transcriber, repository)
    unlink, gone = Path.unlink, []

    def killed(path: Path, missing_ok: bool = False) -> None:
        if len(gone) == 2:
            raise KeyboardInterrupt
        gone.append(path)
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            take(repository, transcriber, "a.wav")
    assert [c.kind for c in select(repository, AT_ONCE).choices] == ["withdrawn", "done"]
    take(repository, transcriber, "a.wav")
    assert not list(repository.outputs.glob("a.wav*"))


@pytest.mark.parametrize("name", ["", "absent.wav", "box", "b.mp3", "../a.wav", "A.WAV"])
def test_only_a_name_that_is_one_is_taken(name: str, transcriber: Transcriber, repository: FolderRepository) -> None:
    done(transcriber, repository)
    before = everything(repository.outputs)
    with pytest.raises(MediaNotFound):
        take(repository, transcriber, name)
    assert everything(repository.outputs) == before


def test_a_copy_is_refused_wherever_a_collection_of_the_settings_has_its_tombstone(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path
) -> None:
    done(transcriber, repository)
    take(repository, transcriber, "a.wav")
    copy = shutil.copy(repository.source / "a.wav", tmp_path / "copy.wav")
    elsewhere, item = FolderRepository.of_file(Path(copy))
    sha256 = elsewhere.fetch(item).sha256
    collections = {"tapes": Collection(root=repository.source, outputs=repository.outputs)}
    refuse_withdrawn(transcriber.settings, elsewhere, item, sha256)
    with pytest.raises(Withdrawn, match=r"copy\.wav was withdrawn"):
        refuse_withdrawn(transcriber.settings.with_(collections=collections), elsewhere, item, sha256)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"identifier": "a", "status": "done", "source_name": "a"}'])
def test_a_spoiled_tombstone_stops_the_work_instead_of_being_passed_over(
    content: bytes, transcriber: Transcriber, repository: FolderRepository
) -> None:
    take(repository, transcriber, "a.wav")
    (grave,) = repository.outputs.glob(".speechpipe-withdrawn/*.json")
    grave.write_bytes(content)
    with pytest.raises(RepositoryError, match="tombstone .* cannot be read"):
        select(repository, AT_ONCE)
    with pytest.raises(RepositoryError, match="tombstone .* cannot be read"):
        process(transcriber, repository, repository.item("a.wav"))
