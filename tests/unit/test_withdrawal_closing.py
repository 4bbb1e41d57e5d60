"""Rights that change while a recording is in work, and after it was done: results go where they may stand now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechpipe import Settings, Transcriber
from speechpipe.audio import write_wav
from speechpipe.errors import NotPermitted, RepositoryError
from speechpipe.pipeline import Run, process
from speechpipe.repositories import FolderRepository, Package, Receipt
from speechpipe.withdrawal.closing import close

HEAD = "path,identifier,may_transcribe,may_publish\n"


class Archive:
    def __init__(self, root: Path) -> None:
        self.source, self.work = root / "source", root / "work"
        self.source.mkdir()
        write_wav(np.sin(np.arange(16_000) * 0.05).astype(np.float32) * 0.3, 16_000, self.source / "a.wav")
        self.rights("yes,yes")
        self.repository = FolderRepository(self.source, root / "results", unknown_rights="restrict")
        self.transcriber = Transcriber(Settings.load(engine="fake", workspace=self.work))

    def rights(self, row: str) -> None:
        (self.source / "metadata.csv").write_text(f"{HEAD}a.wav,A,{row}\n")

    def run(self) -> Run:
        return Run(self.transcriber, self.repository, self.repository.item("A"))

    def files(self, restricted: bool) -> set[str]:
        folder = self.repository.restricted if restricted else self.repository.outputs
        return {path.name for path in folder.rglob("a.wav*")}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def test_what_became_restricted_while_in_work_is_put_away_as_such(archive: Archive) -> None:
    run = archive.run()
    with run:
        run.chunk()
        run.transcribe()
        run.align()
        archive.rights("yes,no")
        receipt = run.deposit()
    assert receipt.restricted and receipt.rights_known and receipt.first_words is None
    assert run.item.standing == "restricted" and archive.files(restricted=False) == set()
    assert "a.wav.vtt" in archive.files(restricted=True)


def test_what_became_forbidden_while_in_work_is_not_put_away(archive: Archive) -> None:
    run = archive.run()
    with pytest.raises(NotPermitted), run:
        run.chunk()
        run.transcribe()
        run.align()
        archive.rights("no,")
        run.deposit()
    assert archive.files(restricted=False) == set()
    assert archive.files(restricted=True) == {"a.wav.speechpipe.failed.json"}


def test_what_became_forbidden_before_is_not_begun(archive: Archive) -> None:
    run = archive.run()
    archive.rights("no,no")
    with pytest.raises(NotPermitted), run:
        pass
    assert not archive.work.exists()


def test_what_changes_at_the_very_end_is_not_put_where_it_may_no_longer_stand(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = archive.run()
    with pytest.raises(RepositoryError, match="rights of A changed"), run:
        run.chunk()
        run.transcribe()
        run.align()
        made = run.transcript

        def changed() -> object:
            transcript = made()
            archive.rights("yes,no")
            return transcript

        monkeypatch.setattr(run, "transcript", changed)
        run.deposit()
    assert not any(name.endswith(".vtt") for name in archive.files(restricted=False) | archive.files(restricted=True))


@pytest.mark.parametrize("row", ["yes,yes", "yes,no"])
def test_work_in_progress_is_its_owners_alone(row: str, archive: Archive) -> None:
    archive.rights(row)
    process(archive.transcriber, archive.repository, archive.repository.item("A"))
    (folder,) = archive.work.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_work_that_others_could_read_is_closed_with_the_results(archive: Archive) -> None:
    process(archive.transcriber, archive.repository, archive.repository.item("A"))
    (folder,) = archive.work.iterdir()
    folder.chmod(0o755)
    assert close(archive.repository, archive.work)[0] == ()
    assert folder.stat().st_mode & 0o777 == 0o755
    archive.rights("yes,no")
    ((closed,), _) = close(archive.repository, archive.work)
    assert folder.stat().st_mode & 0o777 == 0o700 and closed.theirs == ()
    again = process(archive.transcriber, archive.repository, archive.repository.item("A"))
    assert again.restricted and again == archive.repository.existing(archive.repository.item("A"))


def test_a_receipt_without_content_closes_no_work(archive: Archive) -> None:
    item = archive.repository.item("A")
    archive.repository.deposit(item, Package({".vtt": b"x"}, Receipt("A", "done", "a.wav", location="a.wav")))
    archive.rights("yes,no")
    ((closed,), _) = close(archive.repository, archive.work)
    assert [path.name for path in closed.files] == ["a.wav.vtt"]


def test_an_open_copy_does_not_tell_the_name_under_which_its_content_was_done_before(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    (archive.source / "a.wav").rename(archive.source / "The secret.wav")
    (archive.source / "copy.wav").write_bytes((archive.source / "The secret.wav").read_bytes())
    (archive.source / "metadata.csv").write_text(f"{HEAD}The secret.wav,A,yes,no\ncopy.wav,B,yes,yes\n")
    formats = ("vtt", "alto", "json", "txt", "srt", "html", "mets", "tsv")
    transcriber = Transcriber(Settings.load(engine="fake", workspace=archive.work, formats=formats))
    for name in ("A", "B"):
        process(transcriber, archive.repository, archive.repository.item(name))
    written = [path for path in archive.repository.outputs.rglob("*") if path.is_file()]
    assert len(written) == 9
    for path in written:
        content = path.read_text()
        assert "secret" not in content and "secret" not in path.name
    assert "copy.wav" in (archive.repository.outputs / "copy.wav.vtt").read_text()
