"""What is done tonight and what is not: every kind of choice, with its reason, over a real folder."""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from speechpipe.errors import RepositoryError
from speechpipe.repositories import FolderRepository, Item, LeftOut, Package, Policy, Receipt, Selection, select, settle
from speechpipe.repositories.selection import BACK_OFF, after_failure, back_off
from speechpipe.repositories.undone import cancelled
from speechpipe.settings.repositories import Night

NOW = datetime.now(UTC) + timedelta(hours=1)
POLICY = Policy(software="speechpipe 1", model="large", model_revision="r1")


class Archive:
    """A folder of recordings, its results apart, and what a run would write."""

    def __init__(self, root: Path, **options: str) -> None:
        self.source, self.outputs = root / "source", root / "results"
        self.source.mkdir()
        self.repository = FolderRepository(self.source, self.outputs, **options)  # type: ignore[arg-type]

    def add(self, name: str, content: bytes | None = None) -> Item:
        (self.source / name).parent.mkdir(parents=True, exist_ok=True)
        (self.source / name).write_bytes(content if content is not None else b"sound of " + name.encode())
        return self.item(name)

    def item(self, name: str) -> Item:
        return self.repository.item(name)

    def receipt(self, name: str, **changes: object) -> Receipt:
        item = self.item(name)
        fetched = self.repository.fetch(item)
        receipt = Receipt(
            item.identifier,
            "done",
            Path(item.location).name,
            location=item.location,
            source_size=fetched.stat.size,
            source_mtime_ns=fetched.stat.mtime_ns,
            source_sha256=fetched.sha256,
            software="speechpipe 1",
            model="large",
            model_revision="r1",
            finished="2026-01-01T00:00:00Z",
            restricted=item.standing != "open",
        )
        return replace(receipt, **changes)  # type: ignore[arg-type]

    def done(self, name: str, **changes: object) -> Receipt:
        package = Package({".vtt": b"words of " + name.encode(), ".json": b"{}"}, self.receipt(name, **changes))
        return self.repository.deposit(self.item(name), package).receipt

    def fail(self, name: str, **changes: object) -> Receipt:
        changes = {"status": "failed", "error": "EngineError", "message": "It broke.", "curable": True} | changes
        receipt = self.receipt(name, **changes)
        self.repository.record_failure(self.item(name), receipt)
        return receipt

    def select(self, policy: Policy = POLICY, now: datetime = NOW) -> Selection:
        return select(self.repository, policy, now)

    def kind(self, name: str, policy: Policy = POLICY, now: datetime = NOW) -> tuple[str, str]:
        (choice,) = [choice for choice in self.select(policy, now).choices if choice.item.location == name]
        assert choice.reason.endswith("."), "each choice is told as a sentence"
        return choice.kind, choice.reason


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return Archive(tmp_path)


def test_what_is_new_is_done_and_what_is_done_stays_done(archive: Archive) -> None:
    for name in ("a.wav", "box/a.wav", "b.wav"):
        archive.add(name)
    archive.done("a.wav")
    selection = archive.select()
    assert [choice.item.identifier for choice in selection.todo] == ["b.wav", "box/a.wav"]
    assert [choice.item.identifier for choice in selection.of("done")] == ["a.wav"]
    assert selection.sentence == "3 recordings: 2 new, 1 done."
    assert Selection(()).sentence == "There are no recordings."


def test_a_second_night_selects_nothing_and_reads_no_recording(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        archive.add(f"box {number % 3}/{number}.wav")
        archive.done(f"box {number % 3}/{number}.wav")
    opened = io.open

    def guarded(path: Path, *arguments: object, **options: object) -> object:
        assert Path(path).suffix != ".wav", f"{path} was read"
        return opened(path, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(io, "open", guarded)
    assert not archive.select().todo
    assert len(archive.select().of("done")) == 30


def test_a_change_of_size_or_date_is_a_change(archive: Archive) -> None:
    for name in ("size.wav", "date.wav"):
        archive.add(name)
        archive.done(name)
    before = (archive.source / "size.wav").stat()
    (archive.source / "size.wav").write_bytes(b"longer sound than it was")
    os.utime(archive.source / "size.wav", ns=(before.st_atime_ns, before.st_mtime_ns))
    os.utime(archive.source / "date.wav", (1, 1))
    assert [choice.kind for choice in archive.select().todo] == ["changed", "changed"]


@pytest.mark.parametrize("which", ["a.wav.vtt", "a.wav.json"])
def test_results_that_are_gone_are_made_again(which: str, archive: Archive) -> None:
    archive.add("a.wav")
    archive.done("a.wav")
    (archive.outputs / which).unlink()
    assert archive.kind("a.wav")[0] == "lost"


def test_newer_software_or_another_model_does_not_undo_what_is_done(archive: Archive) -> None:
    archive.add("a.wav")
    archive.done("a.wav", software="speechpipe 0", model="tiny", key="other settings")
    assert archive.kind("a.wav")[0] == "done"
    assert archive.kind("a.wav", replace(POLICY, rerun="failed"))[0] == "done"
    kind, reason = archive.kind("a.wav", replace(POLICY, rerun="model-changed"))
    assert (kind, reason) == ("rerun", "It was done with tiny.")
    (choice,) = archive.select(replace(POLICY, rerun="all")).todo
    assert choice.kind == "rerun" and choice.again


def test_a_new_revision_is_another_model(archive: Archive) -> None:
    archive.add("a.wav")
    archive.done("a.wav")
    policy = replace(POLICY, rerun="model-changed")
    assert archive.kind("a.wav", policy)[0] == "done"
    assert archive.kind("a.wav", replace(policy, model_revision="r2"))[0] == "rerun"
    assert archive.kind("a.wav", replace(policy, model=None))[0] == "done", "with no model to compare, none is another"


def test_reruns_keep_to_the_quota_the_oldest_first(archive: Archive) -> None:
    for day, name in enumerate(("c.wav", "a.wav", "b.wav"), 1):
        archive.add(name)
        archive.done(name, finished=f"2026-01-0{day}T00:00:00Z")
    archive.add("new.wav")
    selection = archive.select(replace(POLICY, rerun="all", quota=2))
    assert {choice.name: choice.kind for choice in selection.choices} == {
        "a.wav": "rerun",
        "b.wav": "done",
        "c.wav": "rerun",
        "new.wav": "new",
    }
    (left,) = selection.of("done")
    assert not left.again and "another night" in left.reason
    assert [c.kind for c in archive.select(replace(POLICY, rerun="all", quota=0)).todo] == ["new"]


# Failures.


def test_a_lasting_failure_is_not_offered_again(archive: Archive) -> None:
    archive.add("a.wav")
    archive.fail("a.wav", error="UnreadableMedia", message="It is torn.", cure="Fetch it again.", curable=False)
    assert archive.kind("a.wav") == ("failed", "It is torn. Fetch it again.")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"software": "speechpipe 0"}, "It failed with speechpipe 0."),
        ({"software": None}, "It failed with other software."),
        ({"model": "tiny"}, "It failed with tiny."),
        ({"model_revision": "r0"}, "It failed with large."),
    ],
)
def test_a_lasting_failure_is_tried_with_other_software_or_model(
    change: dict[str, object], told: str, archive: Archive
) -> None:
    archive.add("a.wav")
    archive.fail("a.wav", curable=False, **change)
    assert archive.kind("a.wav") == ("retry", told)


def test_a_lasting_failure_is_tried_with_another_file_or_by_policy(archive: Archive) -> None:
    archive.add("a.wav")
    archive.fail("a.wav", curable=False)
    assert archive.kind("a.wav", replace(POLICY, rerun="failed"))[0] == "retry"
    archive.add("a.wav", b"fetched again")
    assert archive.kind("a.wav")[0] == "changed"


def test_what_did_not_suit_what_was_asked_for_is_tried_when_something_is_asked_again(archive: Archive) -> None:
    archive.add("film.mkv")
    archive.fail("film.mkv", error="UsageError", message="It has no stream 2.", cure="Give another.", curable=False)
    told = "What was asked for did not suit it: It has no stream 2. Give another."
    assert archive.kind("film.mkv") == ("retry", told)


def test_a_curable_failure_rests_and_is_tried_again(archive: Archive) -> None:
    archive.add("a.wav")
    archive.fail("a.wav", attempts=2, not_before="2026-11-22T03:00:00Z")
    before, after = (datetime(2026, 11, 22, hour, tzinfo=UTC) for hour in (2, 4))
    policy = replace(POLICY, settle=timedelta(0))
    kind, reason = archive.kind("a.wav", policy, before)
    assert kind == "waiting" and "2 times" in reason and "2026-11-22T03:00:00Z" in reason and "It broke." in reason
    assert archive.kind("a.wav", policy, after)[0] == "retry"


@pytest.mark.parametrize("attempts", [1, 2, 9])
def test_a_failure_under_a_wrong_clock_does_not_rest_until_it_is_right(attempts: int, archive: Archive) -> None:
    """No failure rests longer than the back-off of its attempts: what says so was written by a clock that was wrong."""
    archive.add("a.wav")
    archive.fail("a.wav", attempts=attempts, not_before=(NOW + back_off(attempts)).isoformat())
    assert archive.kind("a.wav")[0] == "waiting"
    archive.fail("a.wav", attempts=attempts, not_before=(NOW + back_off(attempts) + timedelta(seconds=2)).isoformat())
    assert archive.kind("a.wav")[0] == "retry"
    archive.fail("a.wav", attempts=attempts, not_before="2099-01-01T00:00:00Z")
    assert archive.kind("a.wav")[0] == "retry"


def test_what_was_not_there_is_done_now_that_it_is(archive: Archive) -> None:
    archive.add("a.wav")
    archive.fail("a.wav", error="MediaNotFound", curable=False)
    assert archive.kind("a.wav") == ("retry", "It was not there when it was to be done.")


@pytest.mark.parametrize("moment", ["", "soon", "2026-99-99"])
def test_a_spoiled_time_does_not_hold_a_recording_for_ever(moment: str, archive: Archive) -> None:
    archive.add("a.wav")
    archive.fail("a.wav", not_before=moment)
    assert archive.kind("a.wav")[0] == "retry"


def test_attempts_are_counted_and_rest_longer_each_time(archive: Archive) -> None:
    archive.add("a.wav")
    receipt = archive.fail("a.wav")
    rests, before = [], None
    for _ in range(len(BACK_OFF) + 2):
        before = after_failure(receipt, before, NOW)
        rests.append(datetime.fromisoformat(before.not_before or "") - NOW.replace(microsecond=0))
    assert before is not None and before.attempts == len(BACK_OFF) + 2
    assert rests == [*BACK_OFF, BACK_OFF[-1], BACK_OFF[-1]]
    assert sorted(rests) == rests and back_off(0) == BACK_OFF[0]


@pytest.mark.parametrize("change", [{"source_size": 1}, {"error": "OutputError"}, {"model": "x"}, {"status": "done"}])
def test_attempts_begin_anew_where_something_changed(change: dict[str, object], archive: Archive) -> None:
    archive.add("a.wav")
    receipt = archive.fail("a.wav", attempts=4)
    assert after_failure(receipt, receipt, NOW).attempts == 5
    assert after_failure(receipt, replace(receipt, **change), NOW).attempts == 1  # type: ignore[arg-type]
    assert after_failure(replace(receipt, curable=False), None, NOW).not_before is None


def test_a_corrected_checksum_is_worth_another_try(archive: Archive) -> None:
    archive.add("a.wav")
    (archive.source / "a.wav.md5").write_text("0" * 32)
    archive.repository.record_failure(
        archive.item("a.wav"),
        Receipt(
            "a.wav",
            "failed",
            "a.wav",
            error="ChecksumMismatch",
            message="It is not what it should be.",
            curable=False,
            software="speechpipe 1",
            source_checksum="md5:" + "0" * 32,
        ),
    )
    assert archive.kind("a.wav")[0] == "failed"
    (archive.source / "a.wav.md5").write_text("1" * 32)
    assert archive.kind("a.wav") == ("retry", "Its checksum was corrected since it failed.")


# Files that are still being written.


def test_a_file_that_may_still_be_growing_waits(archive: Archive) -> None:
    archive.add("a.wav")
    written = datetime.fromtimestamp((archive.source / "a.wav").stat().st_ctime, UTC)
    kind, reason = archive.kind("a.wav", now=written + timedelta(minutes=4))
    assert kind == "waiting" and "still be growing" in reason
    assert archive.kind("a.wav", now=written + timedelta(minutes=6))[0] == "new"
    assert archive.kind("a.wav", replace(POLICY, settle=timedelta(0)), written)[0] == "new"


def test_an_old_date_does_not_hide_that_a_file_was_just_copied(archive: Archive) -> None:
    archive.add("a.wav")
    os.utime(archive.source / "a.wav", (1_000_000, 1_000_000))
    assert archive.kind("a.wav", now=datetime.now(UTC) + timedelta(seconds=5))[0] == "waiting"


def test_a_date_in_the_future_does_not_wait_for_ever(archive: Archive) -> None:
    archive.add("a.wav")
    os.utime(archive.source / "a.wav", (4_000_000_000, 4_000_000_000))
    assert archive.kind("a.wav")[0] == "new"


@pytest.mark.parametrize(("marker", "file"), [(".ready", "box/a.wav.ready"), ("DONE.txt", "box/DONE.txt")])
def test_a_ready_marker_is_waited_for_where_one_is_configured(marker: str, file: str, archive: Archive) -> None:
    archive.add("box/a.wav")
    policy = Policy.of(Night(ready_marker=marker))
    assert archive.kind("box/a.wav", policy) == ("waiting", f"It has no {marker} beside it yet.")
    (archive.source / file).touch()
    assert archive.kind("box/a.wav", policy)[0] == "new"


def test_what_is_done_is_not_made_to_wait(archive: Archive) -> None:
    archive.add("a.wav")
    archive.done("a.wav")
    assert archive.kind("a.wav", now=datetime.now(UTC))[0] == "done"


# Renamed and moved recordings.


def test_a_renamed_recording_keeps_its_results_a_persons_too(archive: Archive) -> None:
    archive.add("a.wav")
    archive.done("a.wav")
    (archive.outputs / "a.wav.vtt").write_bytes(b"corrected by a person")
    (archive.source / "box").mkdir()
    (archive.source / "a.wav").rename(archive.source / "box" / "b.wav")
    selection = archive.select()
    (choice,) = selection.choices
    assert (choice.kind, choice.reason) == ("moved", "It was done as a.wav.")
    assert (archive.outputs / "a.wav.vtt").exists(), "looking changes nothing"
    settle(archive.repository, selection)
    assert (archive.outputs / "box" / "b.wav.vtt").read_bytes() == b"corrected by a person"
    assert not list(archive.outputs.glob("a.wav*"))
    assert archive.kind("box/b.wav")[0] == "done"
    again = archive.done("box/b.wav")
    assert again.version == 2, "a correction stays frozen under the new name"


def test_a_copy_is_no_renaming(archive: Archive) -> None:
    archive.add("a.wav")
    archive.done("a.wav")
    shutil.copy(archive.source / "a.wav", archive.source / "b.wav")
    assert archive.kind("b.wav")[0] == "new"


def test_the_same_size_is_not_the_same_recording(archive: Archive) -> None:
    archive.add("a.wav", b"1234")
    archive.done("a.wav")
    (archive.source / "a.wav").unlink()
    archive.add("b.wav", b"5678")
    assert archive.kind("b.wav")[0] == "new"


def test_of_two_new_names_one_inherits_the_results(archive: Archive) -> None:
    archive.add("a.wav", b"same")
    archive.done("a.wav")
    (archive.source / "a.wav").unlink()
    archive.add("b.wav", b"same")
    archive.add("c.wav", b"same")
    assert [choice.kind for choice in archive.select().choices] == ["moved", "new"]


def test_two_recordings_that_swapped_their_names_are_found_changed(archive: Archive) -> None:
    for name in ("a.wav", "b.wav"):
        archive.add(name, name.encode() * 100)
        archive.done(name)
    os.utime(archive.source / "b.wav", (1, 1))
    os.rename(archive.source / "a.wav", archive.source / "x")
    os.rename(archive.source / "b.wav", archive.source / "a.wav")
    os.rename(archive.source / "x", archive.source / "b.wav")
    assert {choice.kind for choice in archive.select().choices} == {"changed"}


def test_where_others_stand_in_the_way_it_is_done_anew(archive: Archive) -> None:
    archive.add("a.wav")
    archive.done("a.wav")
    (archive.source / "a.wav").rename(archive.source / "b.wav")
    (archive.outputs / "b.wav.vtt").write_bytes(b"by a person")
    settled = settle(archive.repository, archive.select())
    (choice,) = settled.todo
    assert choice.kind == "new" and "stands in the way" in choice.reason
    assert (archive.outputs / "b.wav.vtt").read_bytes() == b"by a person"
    assert (archive.outputs / "a.wav.vtt").exists()


def test_a_decomposed_spelling_of_the_name_is_a_renaming(archive: Archive) -> None:
    archive.add("b\u00e5nd.wav")
    archive.done("b\u00e5nd.wav")
    (archive.source / "b\u00e5nd.wav").rename(archive.source / "ba\u030and.wav")
    settle(archive.repository, archive.select())
    assert [choice.kind for choice in archive.select().choices] == ["done"]


# Rights, tombstones, damage, and repositories that are not there.


def test_what_may_not_be_transcribed_is_skipped_with_a_receipt_once(archive: Archive) -> None:
    archive.add("a.wav")
    (archive.source / "metadata.csv").write_text("path,identifier,title,may_transcribe\na.wav,A-1,Secret,no\n")
    selection = archive.select()
    (choice,) = selection.of("forbidden")
    assert choice.reason == "Its rights do not allow transcription." and not selection.todo
    settle(archive.repository, selection)
    receipt = archive.repository.existing(choice.item)
    assert receipt is not None and (receipt.status, receipt.message) == ("skipped", choice.reason)
    where = next(archive.repository.restricted.rglob("*.failed.json"))
    before = where.stat().st_mtime_ns
    settle(archive.repository, archive.select())
    assert where.stat().st_mtime_ns == before
    (archive.source / "metadata.csv").write_text("path,identifier,may_transcribe,may_publish\na.wav,A-1,yes,no\n")
    assert archive.kind("a.wav") == ("new", "Its rights now allow it.")


def test_results_follow_when_rights_change(archive: Archive) -> None:
    archive.add("a.wav")
    (archive.source / "metadata.csv").write_text("path,identifier,may_publish\na.wav,A-1,yes\n")
    archive.done("a.wav")
    assert (archive.outputs / "a.wav.vtt").exists()
    (archive.source / "metadata.csv").write_text("path,identifier,may_publish\na.wav,A-1,no\n")
    assert archive.kind("a.wav") == ("moved", "Its rights were changed.")
    settle(archive.repository, archive.select())
    assert not list(archive.outputs.glob("a.wav*"))
    hidden = archive.repository.restricted / "a.wav.vtt"
    assert hidden.stat().st_mode & 0o777 == 0o600 and hidden.parent.stat().st_mode & 0o777 == 0o700
    assert archive.kind("a.wav")[0] == "done"
    (archive.source / "metadata.csv").write_text("path,identifier,may_publish\na.wav,A-1,yes\n")
    settle(archive.repository, archive.select())
    assert (archive.outputs / "a.wav.vtt").stat().st_mode & 0o044 == 0o044


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"curable": False, "message": "It is torn."}, "failed"),
        ({"curable": True, "not_before": (NOW + timedelta(minutes=10)).isoformat()}, "waiting"),
        ({"curable": True}, "retry"),
        ({"status": "cancelled"}, "cancelled"),
    ],
)
@pytest.mark.parametrize(("before", "after"), [("no", "yes"), ("yes", "no")], ids=["opened", "restricted"])
def test_why_it_is_not_done_follows_when_rights_change(
    changes: dict[str, object], kind: str, before: str, after: str, archive: Archive
) -> None:
    archive.add("a.wav")
    allow(archive, before)
    failed = archive.fail("a.wav", **changes)
    allow(archive, after)
    settled = settle(archive.repository, archive.select(), NOW)
    assert [choice.kind for choice in settled.choices] == [kind], "it is still known"
    here, left = archive.outputs, archive.repository.restricted
    here, left = (here, left) if after == "yes" else (left, here)
    assert records(left) == [] and records(here) == ["a.wav.speechpipe.failed.json"]
    receipt = archive.repository.existing(archive.item("a.wav"))
    assert receipt == replace(failed, restricted=after == "no", rights_known=True)
    archive.done("a.wav")
    assert records(here) == records(left) == []


def test_a_failure_goes_with_the_results_from_before_when_rights_change(archive: Archive) -> None:
    archive.add("a.wav")
    allow(archive, "yes")
    archive.done("a.wav")
    failed = archive.fail("a.wav", source_size=1)
    allow(archive, "no")
    settle(archive.repository, archive.select(), NOW)
    assert [path for path in archive.outputs.rglob("*") if path.is_file()] == []
    item = archive.item("a.wav")
    assert archive.repository.existing(item) == replace(failed, restricted=True, rights_known=True), (
        "of the file as it was then"
    )
    done = archive.repository.existing(item, done=True)
    assert done is not None and all(path.exists() for path in archive.repository.paths(item, done))


def test_what_was_skipped_leaves_nothing_behind_when_its_rights_allow_it(archive: Archive) -> None:
    archive.add("a.wav")
    (archive.source / "metadata.csv").write_text("path,may_transcribe,may_publish\na.wav,no,no\n")
    settle(archive.repository, archive.select(), NOW)
    assert records(archive.repository.restricted)
    (archive.source / "metadata.csv").write_text("path,may_transcribe,may_publish\na.wav,yes,yes\n")
    selection = settle(archive.repository, archive.select(), NOW)
    assert [(choice.kind, choice.reason) for choice in selection.choices] == [("new", "Its rights now allow it.")]
    assert records(archive.repository.restricted) == []


def test_what_fails_or_is_done_under_other_rights_stands_on_one_side(archive: Archive) -> None:
    archive.add("a.wav")
    allow(archive, "no")
    archive.fail("a.wav")
    allow(archive, "yes")
    archive.fail("a.wav")
    assert records(archive.repository.restricted) == [] and records(archive.outputs)
    allow(archive, "no")
    archive.done("a.wav")
    assert records(archive.outputs) == records(archive.repository.restricted) == []


def test_what_a_person_cancelled_is_left_until_it_is_asked_for(archive: Archive) -> None:
    item = archive.add("a.wav")
    receipt = cancelled(item, archive.repository.stat(item), NOW)
    archive.repository.record_failure(item, receipt)
    assert archive.repository.existing(item) == receipt
    kind, reason = archive.kind("a.wav", now=NOW + timedelta(days=30))
    assert kind == "cancelled" and reason.startswith("It was cancelled by a person. To do it after all, ")
    for policy in (replace(POLICY, rerun="failed"), replace(POLICY, software="speechpipe 2", model="other")):
        assert archive.kind("a.wav", policy)[0] == "cancelled"
    assert archive.select().todo == () and archive.select().sentence == "1 recording: 1 cancelled by a person."
    for policy in (replace(POLICY, cancelled=True), replace(POLICY, rerun="all")):
        assert archive.kind("a.wav", policy) == ("retry", "A person cancelled it, and it is now asked for.")
    archive.add("a.wav", b"digitised anew")
    assert archive.kind("a.wav") == ("changed", "Its file has changed since a person cancelled it.")
    archive.done("a.wav")
    assert archive.kind("a.wav")[0] == "done"


def allow(archive: Archive, may_publish: str) -> None:
    (archive.source / "metadata.csv").write_text(f"path,may_transcribe,may_publish\na.wav,yes,{may_publish}\n")


def records(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.failed.json"))


def test_a_failure_of_a_restricted_recording_tells_no_title(archive: Archive) -> None:
    archive.add("The Secret.wav")
    (archive.source / "metadata.csv").write_text("path,title,may_publish\nThe Secret.wav,A Secret Talk,no\n")
    message = f"{archive.source}/The Secret.wav (A Secret Talk) is torn."
    archive.fail("The Secret.wav", message=message, curable=False)
    (choice,) = archive.select().of("failed")
    assert "Secret" not in choice.reason + choice.name and "is torn." in choice.reason


@pytest.mark.parametrize("by", ["name", "content"])
def test_what_was_withdrawn_stays_withdrawn(by: str, archive: Archive) -> None:
    archive.add("a.wav")
    archive.repository.withdraw(archive.receipt("a.wav", status="withdrawn"))
    if by == "content":
        (archive.source / "a.wav").rename(archive.source / "b.wav")
    selection = archive.select()
    assert not selection.todo and [choice.kind for choice in selection.choices] == ["withdrawn"]
    (grave,) = archive.repository.tombstones()
    archive.repository.lift(grave)
    assert [choice.kind for choice in archive.select().choices] == ["new"]


def test_a_copy_of_what_was_withdrawn_is_withdrawn_too(archive: Archive) -> None:
    archive.add("a.wav", b"same")
    archive.repository.withdraw(archive.receipt("a.wav", status="withdrawn"))
    archive.add("b.wav", b"same")
    archive.add("c.wav", b"else")
    assert {choice.name: choice.kind for choice in archive.select().choices} == {
        "a.wav": "withdrawn",
        "b.wav": "withdrawn",
        "c.wav": "new",
    }


def test_verifying_finds_a_master_that_decays(archive: Archive) -> None:
    for name in ("a.wav", "b.wav"):
        archive.add(name)
        archive.done(name)
    before = (archive.source / "a.wav").stat()
    (archive.source / "a.wav").write_bytes(b"sOund of a.wav")
    os.utime(archive.source / "a.wav", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert archive.kind("a.wav")[0] == "done", "without reading, nothing is seen"
    selection = archive.select(replace(POLICY, verify=True))
    assert [choice.kind for choice in selection.choices] == ["damaged", "done"]
    assert not selection.todo, "good results are not replaced by those of a damaged file"


def test_verifying_compares_with_the_checksums_of_the_archive(archive: Archive) -> None:
    archive.add("a.wav")
    archive.done("a.wav")
    (archive.source / "a.wav.md5").write_text("0" * 32 + "  a.wav\n")
    kind, reason = archive.kind("a.wav", replace(POLICY, verify=True))
    assert kind == "damaged" and "checksum" in reason


def test_an_unmounted_repository_is_told_and_nothing_is_taken_for_new_or_gone(archive: Archive) -> None:
    archive.add("a.wav")
    archive.done("a.wav")
    archive.source.rename(archive.source.with_name("elsewhere"))
    with pytest.raises(RepositoryError, match="not a folder"):
        archive.select()
    archive.source.mkdir()  # the empty mount point
    with pytest.raises(RepositoryError, match="no recording, though some were done"):
        archive.select()


def test_an_empty_repository_of_which_nothing_was_done_is_simply_empty(archive: Archive) -> None:
    assert archive.select() == Selection(())


def test_what_cannot_be_offered_is_told(archive: Archive, tmp_path: Path) -> None:
    archive.add("a.wav")
    (tmp_path / "secret.wav").touch()
    (archive.source / "leak.wav").symlink_to(tmp_path / "secret.wav")
    (archive.source / "gone.wav").symlink_to("absent.wav")
    (archive.source / "metadata.csv").write_text("path\na.wav\nmissing.wav\n")
    selection = archive.select()
    assert [choice.item.location for choice in selection.choices] == ["a.wav"]
    assert selection.left_out == (
        LeftOut("gone.wav", "It is a link that leads to no file."),
        LeftOut("leak.wav", "It is a link that leads out of the collection."),
        LeftOut("missing.wav", "It is listed in the metadata, but there is no such file."),
    )
    assert "3 left out" in selection.sentence


def test_a_file_that_vanishes_while_it_is_looked_at_waits(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.add("a.wav")
    archive.add("b.wav")
    discover = archive.repository.discover

    def vanishing(left_out: list[LeftOut] | None = None) -> object:
        items = list(discover(left_out))
        (archive.source / "a.wav").unlink(missing_ok=True)
        return iter(items)

    monkeypatch.setattr(archive.repository, "discover", vanishing)
    kinds = {choice.name: choice.kind for choice in archive.select().choices}
    assert kinds == {"a.wav": "waiting", "b.wav": "new"}


def test_the_policy_is_that_of_the_settings() -> None:
    night = Night(settle_minutes=2, ready_marker=".ok", rerun="failed", rerun_quota=7)
    policy = Policy.of(night, "large", "r1", verify=True)
    assert (policy.settle, policy.ready_marker, policy.rerun, policy.quota) == (
        timedelta(minutes=2),
        ".ok",
        "failed",
        7,
    )
    assert (policy.model, policy.model_revision, policy.verify) == ("large", "r1", True)
    assert policy.software and policy.software.startswith("speechpipe ")
