"""Withdrawing: all that was made of a recording goes, all else stays, and it is not done again until that is lifted."""

from __future__ import annotations

import shutil
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from speechpipe import Settings, Transcriber
from speechpipe.batch.export import export
from speechpipe.errors import MediaNotFound, RepositoryError, Withdrawn
from speechpipe.pipeline import Run, process
from speechpipe.reports.morning import Report, Row
from speechpipe.repositories import Deposited, FolderRepository, Package, Policy, Receipt, select
from speechpipe.repositories.results.shelf import Shelf
from speechpipe.repositories.rights import public_name
from speechpipe.settings.repositories import Collection
from speechpipe.withdrawal.withdraw import Withdrawal, corrections, elsewhere, find, lift, refuse_withdrawn, withdraw
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


def take(repository: FolderRepository, transcriber: Transcriber, name: str, *, corrected: bool = False) -> Withdrawal:
    return withdraw(
        find(repository, name), transcriber.settings, "asked for by the family", with_corrections=corrected
    )  # fmt: skip


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
    assert corrections(find(repository, "a.wav")) == (repository.outputs / "a.wav.vtt",)
    done_now = take(repository, transcriber, "a.wav")
    assert done_now.recordings == ("a.wav",)
    (kept,) = done_now.files.kept
    assert kept.is_relative_to(repository.restricted) and kept.read_bytes() == b"corrected by a person"
    grave = f".speechpipe-withdrawn/{receipts['a.wav'].source_sha256}.json"
    assert everything(repository.outputs) == others | {grave}
    assert (repository.outputs / grave).stat().st_mode & 0o777 == 0o600
    scratch = {path.name for path in (tmp_path / "work").iterdir()}
    assert scratch == {str(receipts["box/b.mp3"].source_sha256)[:32]}
    assert (repository.source / "a.wav").exists(), "the recording itself is not touched"
    (tombstone,) = repository.tombstones()
    assert (tombstone.message, tombstone.first_words, tombstone.words) == ("asked for by the family", None, None)
    assert corrections(find(repository, "a.wav")) == (kept,), "it can still be asked for"
    assert take(repository, transcriber, "a.wav", corrected=True).files.erased == (kept,) and not kept.exists()


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
    assert take(repository, transcriber, "a.wav").files.erased
    assert not list(repository.outputs.glob("a.wav*"))
    (tmp_path / "kept.wav").rename(repository.source / "box" / "under another name.wav")
    assert "withdrawn" in {choice.kind for choice in select(repository, AT_ONCE).choices}


def test_what_was_never_done_can_be_withdrawn_too(transcriber: Transcriber, repository: FolderRepository) -> None:
    gone = take(repository, transcriber, "a.wav")
    assert gone.files.erased == () and gone.recordings == ("a.wav",)
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
    assert gone.recordings == ("A-1/1", "A-1/2") and len(gone.files.erased) == 10
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
    assert take(repository, transcriber, name).files.erased, "also when the recording is gone"
    (repository.source / "away").rename(repository.source / "a.wav")
    with pytest.raises(Withdrawn, match=f"^{name} was withdrawn.*--lift {name}$"):
        process(transcriber, repository, item)
    assert len(lift(repository, name)) == 1


def test_what_is_in_work_stops_and_takes_its_scratch_with_it(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path
) -> None:
    """At whichever moment it is withdrawn: before each stage, in the middle of one, right before the deposit."""
    item = repository.item("a.wav")
    moments = ["begun", "chunk", "transcribe", "align", "deposit"]
    for moment in moments:
        told: list[Withdrawal] = []

        def withdrawn(stage: str, *_: int, moment: str = moment, told: list[Withdrawal] = told) -> None:
            assert not told, "the stage goes on"
            if stage == moment:
                told.append(take(repository, transcriber, "a.wav"))

        with pytest.raises(Withdrawn, match=r"a\.wav was withdrawn"), Run(transcriber, repository, item) as run:
            withdrawn("begun")
            run.chunk(withdrawn)
            run.transcribe(withdrawn)
            run.align(withdrawn)
            withdrawn("deposit")
            run.deposit()
        assert [len(one.held) for one in told] == [1], moment
        assert everything(repository.outputs) == {grave(repository)}, moment
        assert not list((tmp_path / "work").iterdir()), moment
        lift(repository, "a.wav")


def test_a_withdrawal_while_files_are_written_waits_and_then_erases_them(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, withdrawing = Shelf.put, list[threading.Thread]()

    def withdrawn_meanwhile(shelf: Shelf, package: Package) -> Deposited:
        thread = threading.Thread(target=take, args=(repository, transcriber, "a.wav"))
        thread.start()
        withdrawing.append(thread)
        while not list(repository.tombstones()):
            thread.join(0.01)
        return put(shelf, package)

    monkeypatch.setattr(Shelf, "put", withdrawn_meanwhile)
    with pytest.raises(Withdrawn):
        process(transcriber, repository, repository.item("a.wav"))
    withdrawing[0].join()
    assert everything(repository.outputs) == {grave(repository)}
    assert not list((tmp_path / "work").iterdir())


def test_what_was_put_away_right_before_it_was_withdrawn_is_erased_by_whom_is_left(
    transcriber: Transcriber, repository: FolderRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who withdraws was killed when only the tombstone stood."""
    put = Shelf.put

    def withdrawn_meanwhile(shelf: Shelf, package: Package) -> Deposited:
        deposited = put(shelf, package)
        repository.withdraw(Receipt("a.wav", "withdrawn", "a.wav", source_sha256=deposited.receipt.source_sha256))
        return deposited

    monkeypatch.setattr(Shelf, "put", withdrawn_meanwhile)
    with pytest.raises(Withdrawn):
        process(transcriber, repository, repository.item("a.wav"))
    assert everything(repository.outputs) == {grave(repository)}


def grave(repository: FolderRepository) -> str:
    (path,) = repository.outputs.glob(".speechpipe-withdrawn/*.json")
    return path.relative_to(repository.outputs).as_posix()


def test_already_done_does_not_win_over_a_tombstone(transcriber: Transcriber, repository: FolderRepository) -> None:
    """As where results of before were put back, from a backup or by another machine."""
    receipt = done(transcriber, repository)["a.wav"]
    item = repository.item("a.wav")
    repository.withdraw(Receipt("its other name", "withdrawn", "x.wav", source_sha256=receipt.source_sha256))
    with pytest.raises(Withdrawn):
        Run(transcriber, repository, item).already()
    with pytest.raises(Withdrawn):
        process(transcriber, repository, item)
    assert [c.kind for c in select(repository, AT_ONCE).choices] == ["withdrawn", "done"]


def test_copies_under_other_names_and_in_other_collections_go_too(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path
) -> None:
    shutil.copy(repository.source / "a.wav", repository.source / "box" / "copy.wav")
    other = FolderRepository(tmp_path / "discs", tmp_path / "of discs")
    other.source.mkdir()
    for name in ("a.wav", "box/b.mp3"):
        shutil.copy(repository.source / name, other.source)
    done(transcriber, repository), done(transcriber, other)
    kept = {path for path in everything(tmp_path) if "b.mp3" in path}
    discs = {"discs": Collection(root=other.source, outputs=other.outputs)}
    settings = transcriber.settings.with_(collections=discs)
    recordings = find(repository, "a.wav")
    assert [recording.receipt.location for recording in recordings] == ["a.wav", "box/copy.wav"]
    recordings += elsewhere(settings, recordings)
    withdraw(recordings, settings)
    assert {path for path in everything(tmp_path) if "b.mp3" in path} == kept
    results = {path for path in everything(tmp_path) if path.startswith(("results", "of discs"))} - kept
    assert all(".speechpipe-withdrawn/" in path for path in results) and len(results) == 3
    for each in (repository, other):
        assert [c.kind for c in select(each, AT_ONCE).choices].count("withdrawn") == len(list(each.tombstones()))


def test_what_the_file_was_when_earlier_versions_were_made_is_withdrawn_too(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path
) -> None:
    item = repository.item("a.wav")
    first = process(transcriber, repository, item)
    (repository.outputs / "a.wav.vtt").write_bytes(b"corrected by a person")
    with (repository.source / "a.wav").open("ab") as file:
        file.write(bytes(3200))
    second = process(transcriber, repository, item)
    assert second.version == 2 and second.source_sha256 != first.source_sha256
    take(repository, transcriber, "a.wav")
    assert {grave.source_sha256 for grave in repository.tombstones()} == {first.source_sha256, second.source_sha256}
    assert not list((tmp_path / "work").iterdir())


def test_what_was_exported_goes_too(transcriber: Transcriber, repository: FolderRepository, tmp_path: Path) -> None:
    receipts = done(transcriber, repository)
    for item in repository.discover():
        export(repository, item, receipts[item.location], ["vtt", "srt"], tmp_path / "out", Settings.load().captions)
    (tmp_path / "out" / "a.wav.vtt").unlink()
    with (tmp_path / "out" / "a.wav.srt").open("ab") as file:
        file.write(b"\n99\n00:01:00,000 --> 00:01:01,000\nby a person\n")
    files = take(repository, transcriber, "a.wav").files
    assert files.gone == (tmp_path / "out" / "a.wav.vtt",)
    assert [path.name for path in files.kept] == ["a.wav.srt"] and b"by a person" in files.kept[0].read_bytes()
    assert everything(tmp_path / "out") == {"box/b.mp3.vtt", "box/b.mp3.srt"}


def test_what_is_withdrawn_while_an_export_is_at_it_is_not_exported(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path
) -> None:
    receipt = done(transcriber, repository)["a.wav"]
    item = repository.item("a.wav")
    repository.withdraw(receipt)
    with pytest.raises(Withdrawn):
        export(repository, item, receipt, ["vtt"], tmp_path / "out", Settings.load().captions)
    assert not (tmp_path / "out").exists()


def test_rows_leave_the_reports(transcriber: Transcriber, repository: FolderRepository, tmp_path: Path) -> None:
    rows = tuple(Row(name, "speech", first_words=f"words of {name}") for name in ("a.wav", "box/b.mp3"))
    for ending, content in ((".html", Report("Night", rows).as_html()), (".csv", Report("Night", rows).as_csv())):
        (tmp_path / f"report{ending}").write_bytes(content)
    withdraw(find(repository, "a.wav"), transcriber.settings, reports=tmp_path)
    for path in tmp_path.glob("report.*"):
        assert b"a.wav" not in path.read_bytes() and b"b.mp3" in path.read_bytes()


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


def test_where_only_the_tombstone_is_left_the_same_call_erases_the_rest(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path
) -> None:
    """As after a kill between the last receipt and the scratch, of a recording that is gone by now."""
    receipt = done(transcriber, repository)["a.wav"]
    (repository.source / "a.wav").unlink()
    take(repository, transcriber, "a.wav")
    left = Workspace(tmp_path / "work", str(receipt.source_sha256)).stage_folder("chunk", "key")
    again = withdraw(find(repository, "a.wav"), transcriber.settings)
    assert again.scratch == (left.parent,) and not left.exists() and again.files.erased == ()
    (tombstone,) = repository.tombstones()
    assert tombstone.message == "asked for by the family", "the reason stays"


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
