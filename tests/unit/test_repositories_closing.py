"""What may no longer stand open leaves the open side, from receipts alone, whatever else became of the recording."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from speechpipe.batch.renaming import settle
from speechpipe.errors import OutputError
from speechpipe.repositories import FolderRepository, Package, Policy, Receipt, Selection, select
from speechpipe.repositories.results.shelf import Shelf
from speechpipe.withdrawal.closing import close

LATER = datetime.now(UTC) + timedelta(hours=1)
HEAD = "path,identifier,may_transcribe,may_publish\n"
YES, NO, NEVER = "yes,yes", "yes,no", "no,no"


class Archive:
    def __init__(self, root: Path, unknown: str = "restrict", beside: bool = False) -> None:
        self.root, self.source = root, root / "source"
        (self.source / "box").mkdir(parents=True)
        self.repository = FolderRepository(self.source, None if beside else root / "results", unknown_rights=unknown)
        self.add("other.wav")
        self.rights = {"other.wav": f"O,{YES}"}

    def add(self, name: str, content: bytes | None = None) -> None:
        (self.source / name).write_bytes(content or b"sound of " + name.encode())

    def table(self, **rows: str) -> None:
        rights = self.rights | {name.replace("__", "/").replace("_wav", ".wav"): row for name, row in rows.items()}
        (self.source / "metadata.csv").write_text(HEAD + "".join(f"{name},{row}\n" for name, row in rights.items()))

    def done(self, name: str, text: bytes = b"the words", **changes: object) -> Receipt:
        item = self.repository.item(name)
        fetched = self.repository.fetch(item)
        receipt = Receipt(
            item.identifier,
            "done",
            Path(item.location).name,
            location=item.location,
            source_size=fetched.stat.size,
            source_mtime_ns=fetched.stat.mtime_ns,
            source_sha256=fetched.sha256,
            first_words="the words",
        )
        package = Package({".vtt": text, ".json": b"{}"}, replace(receipt, **changes))  # type: ignore[arg-type]
        return self.repository.deposit(item, package).receipt

    def night(self, **policy: object) -> Selection:
        return settle(self.repository, select(self.repository, Policy(**policy), LATER))  # type: ignore[arg-type]

    def open_side(self) -> list[str]:
        """All names on the open side but those of the recordings and of the other one's results."""
        outputs = self.repository.outputs
        files = [path for path in outputs.rglob("*") if path.is_file() and not path.name.startswith("other.wav")]
        masters = {path for path in self.source.rglob("*") if path.suffix in (".wav", ".csv", ".md5")}
        files = [path for path in files if path.name != ".speechpipe.lock"]  # as a kill leaves it; it tells nothing
        return sorted(path.relative_to(outputs).as_posix() for path in files if path not in masters)

    def restricted(self) -> dict[str, bytes]:
        folder = self.repository.restricted
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.wav*")}


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return Archive(tmp_path)


# Whatever else happened to the recording.


def digitised_anew(archive: Archive) -> None:
    archive.add("box/a.wav", b"longer sound")


def gone(archive: Archive) -> None:
    (archive.source / "box" / "a.wav").unlink()


def gone_with_its_row(archive: Archive) -> None:
    gone(archive)
    archive.table()


def its_row_dropped(archive: Archive) -> None:
    archive.table()


def moved_with_its_row(archive: Archive) -> None:
    (archive.source / "box" / "a.wav").rename(archive.source / "b.wav")
    archive.table(b_wav=f"A,{NO}")


def failed_since(archive: Archive) -> None:
    item = archive.repository.item("box/a.wav")
    shelf = archive.repository._at(item.location, False)
    shelf.put_failure(Receipt("A", "failed", "a.wav", location="box/a.wav", message="Secret a.wav is torn."))


def receipt_lost(archive: Archive) -> None:
    (archive.repository.outputs / "box" / "a.wav.speechpipe.json").write_bytes(b"{")


def deposit_broken_off(archive: Archive) -> None:
    outputs = archive.repository.outputs / "box"
    (outputs / "a.wav.speechpipe.json").unlink()
    digests = '{"files": {"a.wav.vtt": ["x"], "a.wav.json": ["y"], "a.wav.txt": ["z"]}}'
    (outputs / "a.wav.speechpipe.pending.json").write_text(digests)
    (outputs / ".a.wav.vtt.part").write_bytes(b"the words")
    (outputs / ".a.wav.speechpipe.json.x1y2.part").write_bytes(b"the words")


def nothing_more(archive: Archive) -> None:
    pass


@pytest.mark.parametrize("row", [NO, NEVER])
@pytest.mark.parametrize("policy", [{}, {"ready_marker": ".ready"}, {"settle": timedelta(days=3)}])
@pytest.mark.parametrize(
    "happened",
    [
        nothing_more,
        digitised_anew,
        gone,
        gone_with_its_row,
        its_row_dropped,
        moved_with_its_row,
        failed_since,
        receipt_lost,
        deposit_broken_off,
    ],
)
def test_nothing_is_left_on_the_open_side(
    happened: Callable[[Archive], None], policy: dict[str, object], row: str, archive: Archive
) -> None:
    archive.add("box/a.wav")
    archive.table(box__a_wav=f"A,{YES}")
    archive.done("other.wav")
    archive.done("box/a.wav")
    archive.table(box__a_wav=f"A,{row}")
    happened(archive)
    archive.night(**policy)
    assert archive.open_side() == []
    assert b"the words" in archive.restricted().values(), "what was made is kept, where it may stand"
    assert (archive.repository.outputs / "other.wav.vtt").exists()


def test_the_record_of_a_failure_goes_too_and_says_so_there(archive: Archive) -> None:
    archive.add("Secret.wav")
    archive.table(Secret_wav=f"A,{YES}")
    item = archive.repository.item("A")
    archive.repository.record_failure(item, Receipt("A", "failed", "Secret.wav", location="Secret.wav", attempts=2))
    archive.table(Secret_wav=f"A,{NO}")
    archive.night()
    assert archive.open_side() == []
    there = archive.repository.existing(archive.repository.item("A"))
    assert there is not None and (there.status, there.attempts, there.restricted) == ("failed", 2, True)


def test_what_left_is_told_with_a_persons_work_and_is_its_owners_alone(archive: Archive) -> None:
    archive.add("box/a.wav")
    archive.table(box__a_wav=f"A,{YES}")
    archive.done("box/a.wav")
    outputs, restricted = archive.repository.outputs / "box", archive.repository.restricted / "box"
    (outputs / "a.wav.vtt").write_bytes(b"corrected")
    for name in ("a.wav.srt", "a.wav.vtt~", "a.wav.v2.html", "#a.wav.txt#", ".a.wav.json.swp"):
        (outputs / name).write_bytes(name.encode())
    (outputs / "ab.wav.vtt").write_bytes(b"of another")
    archive.table(box__a_wav=f"A,{NO}")
    ((closed,), _) = close(archive.repository, archive.root / "work")
    assert closed.item.identifier == "A" and closed.receipt is not None
    assert closed.receipt.restricted and closed.receipt.first_words is None
    names = {"a.wav.vtt", "a.wav.srt", "a.wav.vtt~", "a.wav.v2.html", "#a.wav.txt#", ".a.wav.json.swp"}
    assert set(closed.theirs) == {restricted / name for name in names}
    assert {*closed.theirs, restricted / "a.wav.json"} == set(closed.files)
    assert (restricted / "a.wav.vtt").read_bytes() == b"corrected"
    assert all(path.stat().st_mode & 0o077 == 0 for path in closed.files)
    assert archive.open_side() == ["box/ab.wav.vtt"]
    assert archive.repository.results(closed.receipt)[1] == (restricted / "a.wav.vtt",), "it is still known as theirs"
    assert close(archive.repository, archive.root / "work")[0] == ()


def test_results_beside_the_recordings_leave_them_and_what_belongs_to_them_alone(tmp_path: Path) -> None:
    archive = Archive(tmp_path, beside=True)
    archive.add("a.wav")
    archive.add("a.wav.txt.wav")
    archive.table(**{"a_wav": f"A,{YES}", "a_wav.txt_wav": f"B,{YES}"})
    archive.done("a.wav")
    archive.done("a.wav.txt.wav")
    (archive.source / "a.wav.md5").write_text("0" * 32)
    (archive.source / "a.wav.html").write_bytes(b"the archive's own page")
    archive.table(**{"a_wav": f"A,{NO}", "a_wav.txt_wav": f"B,{YES}"})
    archive.night()
    others = ["a.wav.txt.wav.json", "a.wav.txt.wav.speechpipe.json", "a.wav.txt.wav.vtt"]
    assert archive.open_side() == ["a.wav.html", *others]
    assert (archive.source / "a.wav").exists() and (archive.source / "a.wav.md5").exists()


def test_what_a_person_had_transcribed_into_this_folder_from_elsewhere_is_theirs(archive: Archive) -> None:
    archive.add("box/a.wav")
    archive.table(box__a_wav=f"A,{YES}")
    archive.done("box/a.wav", origin="f" * 16)
    gone_with_its_row(archive)
    archive.night()
    assert "box/a.wav.vtt" in archive.open_side()
    archive.table(box__a_wav=f"A,{NO}")
    archive.night()
    assert archive.open_side() == []


def test_older_versions_there_are_not_in_the_way_and_the_newest_stays_the_newest(archive: Archive) -> None:
    archive.add("a.wav")
    archive.table(a_wav=f"A,{NO}")
    archive.done("a.wav", b"restricted before")
    (archive.repository.restricted / "a.wav.txt").write_bytes(b"a person's there")
    archive.table(a_wav=f"A,{YES}")
    archive.done("a.wav", b"open, first")
    (archive.repository.outputs / "a.wav.vtt").write_bytes(b"corrected")
    archive.done("a.wav", b"open, second")
    archive.table(a_wav=f"A,{NO}")
    archive.night()
    texts = {name: text for name, text in archive.restricted().items() if name.endswith((".vtt", ".txt"))}
    assert texts == {
        "a.wav.vtt": b"restricted before",
        "a.wav.txt": b"a person's there",
        "a.wav.v2.vtt": b"corrected",
        "a.wav.v3.vtt": b"open, second",
    }
    newest = archive.repository.existing(archive.repository.item("A"))
    assert newest is not None and newest.version == 3 and archive.open_side() == []


# Killed at any moment, and from one disk to another.


class Killed(BaseException):
    pass


@pytest.mark.parametrize("disks", [1, 2])
def test_what_a_kill_leaves_is_brought_to_its_end(
    disks: int, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off before its first, its second … step, until it comes through."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    replaced, unlinked, wrote = Path.replace, Path.unlink, Shelf._write_record
    left = [1 << 30]

    def step() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    def replace_path(path: Path, target: Path) -> Path:
        step()
        if disks == 2 and ("restricted" in str(path.parent)) != ("restricted" in str(target)):
            raise OSError(errno.EXDEV, "another disk")
        return replaced(path, target)

    def unlink(path: Path, missing_ok: bool = False) -> None:
        step()
        unlinked(path, missing_ok=missing_ok)

    def write(shelf: Shelf, path: Path, content: bytes) -> None:
        step()
        wrote(shelf, path, content)

    monkeypatch.setattr(Path, "replace", replace_path)
    monkeypatch.setattr(Path, "unlink", unlink)
    monkeypatch.setattr(Shelf, "_write_record", write)
    steps = 0
    for steps in range(200):
        left[0] = 1 << 30
        archive = Archive(tmp_path_factory.mktemp("night"))
        archive.add("a.wav")
        archive.table(a_wav=f"A,{YES}")
        archive.done("a.wav", b"first")
        (archive.repository.outputs / "a.wav.vtt").write_bytes(b"corrected")
        archive.done("a.wav", b"second")
        (archive.repository.outputs / "a.wav.srt").write_bytes(b"placed")
        archive.table(a_wav=f"A,{NO}")
        left[0] = steps
        try:
            close(archive.repository, archive.root / "work")
            break
        except Killed:
            left[0] = 1 << 30
            close(archive.repository, archive.root / "work")
        finally:
            texts = {name: text for name, text in archive.restricted().items() if name.endswith((".vtt", ".srt"))}
        assert archive.open_side() == [], f"after a kill at step {steps}"
        assert texts == {"a.wav.vtt": b"corrected", "a.wav.v2.vtt": b"second", "a.wav.srt": b"placed"}, steps
        newest = archive.repository.existing(archive.repository.item("A"))
        assert (
            newest is not None
            and newest.version == 2
            and not list(archive.repository.restricted.rglob("*pending.json"))
        )
        assert archive.repository.results(newest)[1] == (archive.repository.restricted / "a.wav.vtt",)
    assert 10 < steps < 199, "it was cut off at every step, and came through at last"


def test_nothing_is_closed_where_nothing_can_be_written(archive: Archive) -> None:
    archive.add("a.wav")
    archive.table(a_wav=f"A,{YES}")
    archive.done("a.wav")
    archive.table(a_wav=f"A,{NO}")
    archive.repository.restricted.write_bytes(b"a file where the folder would be")
    with pytest.raises(OutputError):
        archive.night()
    assert (archive.repository.outputs / "a.wav.vtt").read_bytes() == b"the words"


# Opening is asked for, never guessed.


def test_rights_outlive_the_row_that_told_of_them(tmp_path: Path) -> None:
    archive = Archive(tmp_path, unknown="open")
    for name in ("restricted.wav", "forbidden.wav", "unknown.wav"):
        archive.add(name)
    archive.table(restricted_wav=f"R,{NO}", forbidden_wav=f"F,{NEVER}")
    archive.night()
    archive.done("restricted.wav", rights_known=True)
    archive.table()
    standing = {item.location: item.standing for item in archive.repository.discover()}
    assert standing == {
        "forbidden.wav": "forbidden",
        "other.wav": "open",
        "restricted.wav": "restricted",
        "unknown.wav": "open",
    }
    assert {choice.item.location for choice in archive.night().todo} == {"other.wav", "unknown.wav"}
    archive.table(restricted_wav=f"R,{YES}")
    archive.night()
    assert (archive.repository.outputs / "restricted.wav.vtt").exists(), "a row opens it"


def test_rights_outlive_the_cell_that_told_of_them(tmp_path: Path) -> None:
    archive = Archive(tmp_path, unknown="open")
    for name in ("restricted.wav", "forbidden.wav", "unknown.wav"):
        archive.add(name)
    archive.table(restricted_wav=f"R,{NO}", forbidden_wav=f"F,{NEVER}", unknown_wav="U,,")
    archive.night()
    archive.done("restricted.wav", rights_known=True)
    archive.table(restricted_wav="R,,", forbidden_wav="F,,", unknown_wav="U,,")
    standing = {item.identifier: item.standing for item in archive.repository.discover()}
    assert standing == {"F": "forbidden", "O": "open", "R": "restricted", "U": "open"}
    archive.night()
    assert not (archive.repository.outputs / "restricted.wav.vtt").exists()
    archive.table(restricted_wav=f"R,{YES}", forbidden_wav="F,yes,")
    archive.night()
    assert (archive.repository.outputs / "restricted.wav.vtt").exists(), "a row opens it"
    assert archive.repository.item("F").standing == "open"


def test_a_policy_that_becomes_open_opens_what_no_row_ever_told_of(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.table()
    archive.add("a.wav")
    archive.done("a.wav", rights_known=False)
    archive.repository.unknown_rights = "open"
    archive.night()
    assert (archive.repository.outputs / "a.wav.vtt").exists()


def test_rights_that_changed_while_in_work_are_those_of_now(archive: Archive) -> None:
    archive.add("a.wav")
    archive.table(a_wav=f"A,{YES}")
    item = archive.repository.item("A")
    archive.table(a_wav=f"A,{NO}")
    now = archive.repository.current(item)
    assert (item.standing, now.standing, now.rights.may_publish) == ("open", "restricted", False)
    named, chosen = FolderRepository.of_file(archive.source / "a.wav", archive.root / "own")
    assert named.current(chosen) == chosen, "who names a file decides for himself"


@pytest.mark.parametrize("row", [NO, NEVER])
@pytest.mark.parametrize("policy", [{}, {"ready_marker": ".ready"}, {"settle": timedelta(days=3)}])
def test_what_was_renamed_and_closed_is_known_by_its_content(
    policy: dict[str, object], row: str, tmp_path: Path
) -> None:
    """Where what is not known is open, and no identifier tells that it is the same."""
    archive = Archive(tmp_path, unknown="open")
    archive.add("a.wav")
    archive.done("a.wav")
    (archive.source / "a.wav").rename(archive.source / "box" / "secret.wav")
    archive.table(box__secret_wav=f",{row}")
    archive.night(**policy)
    assert archive.open_side() == []
    assert b"the words" in archive.restricted().values()


def test_a_persons_file_in_the_way_of_what_was_renamed_keeps_nothing_open(tmp_path: Path) -> None:
    archive = Archive(tmp_path, unknown="open")
    archive.add("a.wav")
    archive.done("a.wav")
    (archive.source / "a.wav").rename(archive.source / "b.wav")
    archive.table(b_wav=f",{NO}")
    archive.repository.restricted.mkdir()
    (archive.repository.restricted / "b.wav.vtt").write_bytes(b"a person's")
    (choice,) = archive.night().of("new")[:1]
    assert choice.item.location == "b.wav" and archive.open_side() == []
    assert (archive.repository.restricted / "b.wav.vtt").read_bytes() == b"a person's"


def test_an_open_copy_keeps_its_results_when_another_closes(tmp_path: Path) -> None:
    archive = Archive(tmp_path, unknown="open")
    for name in ("a.wav", "b.wav"):
        archive.add(name, b"the same sound")
    archive.table(a_wav=f",{YES}", b_wav=f",{NEVER}")
    archive.done("a.wav")
    archive.night()
    assert "a.wav.vtt" in archive.open_side()
