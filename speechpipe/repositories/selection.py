"""What of a repository is to be done now, and what is not, each with its reason as a sentence.

A recording is compared with its receipt by size and date; nothing is read but new files of which another receipt or a
tombstone tells the same size, since such a one may have been renamed. ``Policy.verify`` reads all.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from speechpipe.errors import (
    ChecksumMismatch,
    MediaError,
    MediaNotFound,
    OutputError,
    RepositoryError,
    SpeechpipeError,
    UsageError,
)
from speechpipe.repositories import rights
from speechpipe.repositories.choices import TODO, Choice, Kind, Policy, Selection
from speechpipe.repositories.contract import Item, LeftOut, Receipt, Repository, Stat
from speechpipe.repositories.renamed import resolved
from speechpipe.repositories.results.receipts import same_file
from speechpipe.repositories.tombstones import covers
from speechpipe.repositories.undone import is_left_behind, iso, skipped

#: How long a failure rests before it is tried again: the first, the second … time; then always the last.
BACK_OFF = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4), timedelta(hours=16), timedelta(days=3))


def select(repository: Repository, policy: Policy, now: datetime | None = None) -> Selection:
    """Look through the repository; nothing is written, see ``settle``.

    Raises:
        RepositoryError: it cannot be read, its metadata cannot be trusted, or all its recordings are gone.
    """
    now = now or datetime.now(UTC)
    left_out: list[LeftOut] = []
    seen = _Seen(repository, policy, now)
    choices = [seen.choice(item) for item in repository.discover(left_out)]
    if not choices and any(receipt.status == "done" for receipt in repository.receipts()):
        raise RepositoryError(
            "The repository holds no recording, though some were done.",
            cure="Check that it is mounted, then run again.",
        )
    return Selection(
        tuple(_within_quota(resolved(repository, seen.tombstones, choices), policy.quota)), tuple(left_out)
    )


def settle(repository: Repository, selection: Selection, now: datetime | None = None) -> Selection:
    """Write what follows from a selection alone: move the results of renamed recordings, keep receipts of skipped ones.

    Where results cannot be moved since others stand in the way, the recording is done anew.

    Raises:
        OutputError: nothing can be written, so that all that is to be done would fail.
    """
    if selection.todo:
        repository.check_room()
    settled: list[Choice] = []
    for choice in selection.choices:
        if choice.kind == "moved" and choice.receipt is not None:
            try:
                choice = replace(choice, receipt=repository.move(done := choice.receipt, choice.item))
            except OutputError as error:
                if choice.item.standing != "open" and not done.restricted:
                    repository.close(choice.item, done)
                choice = replace(choice, kind="new", reason=f"It was done under another name, but {error.message}")
        elif choice.elsewhere is not None:
            repository.close(choice.item, choice.elsewhere)
        if choice.receipt is not None and is_left_behind(choice.receipt, choice.item):
            choice = replace(choice, receipt=repository.move(choice.receipt, choice.item))
        if choice.kind == "forbidden" and (choice.receipt is None or choice.receipt.status != "skipped"):
            repository.record_failure(choice.item, skipped(choice.item, choice.stat, choice.reason, now))
        settled.append(choice)
    return replace(selection, choices=tuple(settled))


def back_off(attempts: int) -> timedelta:
    """How long to wait after so many failures in a row."""
    return BACK_OFF[min(max(attempts, 1), len(BACK_OFF)) - 1]


def after_failure(receipt: Receipt, before: Receipt | None, now: datetime) -> Receipt:
    """The receipt of a failure with its attempts counted on from ``before``, and when to try again."""
    same = before is not None and before.status == "failed" and _same_circumstances(before, receipt)
    attempts = (before.attempts or 1) + 1 if same and before is not None else 1
    until = iso(now + back_off(attempts)) if receipt.curable else None
    return replace(receipt, attempts=attempts, not_before=until)


class _Seen:
    """One look through a repository, with what is read at most once."""

    def __init__(self, repository: Repository, policy: Policy, now: datetime) -> None:
        self.repository, self.policy, self.now = repository, policy, now
        self.tombstones = tuple(repository.tombstones())
        self.withdrawn = {grave.source_sha256 for grave in self.tombstones} - {None}

    def choice(self, item: Item) -> Choice:
        receipt = self.repository.existing(item)
        try:
            stat = self.repository.stat(item)
        except SpeechpipeError as error:
            return Choice(item, "waiting", rights.public_text(item, error.message), receipt)
        choice = Choice(item, "done", "", receipt, stat, _changed(stat, self.now))
        if any(covers(grave, item) for grave in self.tombstones):
            return replace(choice, kind="withdrawn", reason="It was withdrawn.")
        if receipt and receipt.source_sha256 in self.withdrawn and same_file(receipt, stat):
            return replace(choice, kind="withdrawn", reason="It was withdrawn under another name.")
        if item.standing == "forbidden":
            left = " Results from before still stand." if receipt and receipt.status == "done" else ""
            return replace(choice, kind="forbidden", reason=rights.why(item) + left)
        kind, reason = self._kind(item, receipt, stat)
        if kind in TODO and (waits := self._waits(choice)):
            kind, reason = "waiting", waits
        return replace(choice, kind=kind, reason=reason, again=kind == "rerun")

    def _kind(self, item: Item, receipt: Receipt | None, stat: Stat) -> tuple[Kind, str]:
        if receipt is None or receipt.status == "skipped":
            return "new", "It is new." if receipt is None else "Its rights now allow it."
        if receipt.status == "cancelled":
            return self._after_cancel(receipt, stat)
        if receipt.status == "failed":
            return self._after_failure(item, receipt, stat)
        if not same_file(receipt, stat):
            return "changed", "Its file has changed since it was done."
        if not all(path.exists() for path in self.repository.paths(item, receipt)):
            return "lost", "Results of it are missing."
        if self.policy.verify and (damage := self._damage(item, receipt)):
            return "damaged", damage
        if self.policy.rerun == "all":
            return "rerun", "Everything is done again."
        if self.policy.rerun == "model-changed" and self._another_model(receipt):
            return "rerun", f"It was done with {receipt.model or 'another model'}."
        return "done", f"Done {receipt.finished}." if receipt.finished else "Done."

    def _after_cancel(self, receipt: Receipt, stat: Stat) -> tuple[Kind, str]:
        if receipt.source_size is not None and not same_file(receipt, stat):
            return "changed", "Its file has changed since a person cancelled it."
        if self.policy.cancelled or self.policy.rerun == "all":
            return "retry", "A person cancelled it, and it is now asked for."
        return "cancelled", f"{receipt.message or 'It was cancelled by a person.'} {receipt.cure or ''}".strip()

    def _after_failure(self, item: Item, receipt: Receipt, stat: Stat) -> tuple[Kind, str]:
        attempts = receipt.attempts or 1
        times = f"{attempts} times" if attempts > 1 else "once"
        told = rights.public_text(
            item, f"{receipt.message or receipt.error or 'It failed.'} {receipt.cure or ''}".strip()
        )
        if receipt.source_size is not None and not same_file(receipt, stat):
            return "changed", "Its file has changed since it failed."
        if receipt.error == ChecksumMismatch.__name__ and self._other_checksum(item, receipt):
            return "retry", "Its checksum was corrected since it failed."
        if self.policy.software and receipt.software != self.policy.software:
            return "retry", f"It failed with {receipt.software or 'other software'}."
        if self.policy.model and receipt.model and self._another_model(receipt):
            return "retry", f"It failed with {receipt.model}."
        if self.policy.rerun in ("failed", "all"):
            return "retry", f"It failed {times}; failures are tried again: {told}"
        if receipt.error == UsageError.__name__:
            return "retry", f"What was asked for did not suit it: {told}"
        if receipt.error == MediaNotFound.__name__:
            return "retry", "It was not there when it was to be done."
        if not receipt.curable:
            return "failed", told
        # A time that lies further ahead than any failure rests was set by a wrong clock.
        until = _time(receipt.not_before) if receipt.not_before else None
        if until and self.now < until <= self.now + back_off(attempts):
            return "waiting", f"It failed {times} and is tried again after {iso(until)}: {told}"
        return "retry", f"It failed {times} and may succeed now: {told}"

    def _another_model(self, receipt: Receipt) -> bool:
        wanted = (self.policy.model, self.policy.model_revision)
        return self.policy.model is not None and (receipt.model, receipt.model_revision) != wanted

    def _other_checksum(self, item: Item, receipt: Receipt) -> bool:
        try:
            return self.repository.checksum(item) != receipt.source_checksum
        except RepositoryError:
            return False

    def _damage(self, item: Item, receipt: Receipt) -> str | None:
        """Why the content is not what it was, though size and date are: a master that decays."""
        try:
            fetched = self.repository.fetch(item)
        except (MediaError, RepositoryError) as error:
            return rights.public_text(item, str(error))
        if receipt.source_sha256 in (None, fetched.sha256):
            return None
        return "Its content is not what it was when it was done, though its size and date are. Compare it with a copy."

    def _waits(self, choice: Choice) -> str | None:
        if self.policy.ready_marker and not self.repository.is_ready(choice.item, self.policy.ready_marker):
            return f"It has no {self.policy.ready_marker} beside it yet."
        age = self.now - choice.since if choice.since else self.policy.settle
        if age < self.policy.settle:
            minutes = self.policy.settle.total_seconds() / 60
            return f"It changed {age.total_seconds():.0f} s ago and may still be growing: it rests for {minutes:g} min."
        return None


def _within_quota(choices: list[Choice], quota: int) -> list[Choice]:
    """Of those done before, the ones that were done longest ago; the others stay done for now."""
    again = sorted(
        (choice for choice in choices if choice.kind == "rerun"),
        key=lambda choice: (choice.receipt.finished if choice.receipt else None) or "",
    )
    beyond = {id(choice) for choice in again[quota:]}
    reason = f"Done; it is done again another night, {quota} at a time."
    return [replace(c, kind="done", reason=reason, again=False) if id(c) in beyond else c for c in choices]


def _changed(stat: Stat, now: datetime) -> datetime:
    """When the file last changed. A date in the future, as wrong clocks leave it, tells nothing."""
    known = [ns / 1e9 for ns in (stat.mtime_ns, stat.ctime_ns) if ns / 1e9 <= now.timestamp()]
    return datetime.fromtimestamp(max(known, default=0.0), UTC)


def _same_circumstances(before: Receipt, after: Receipt) -> bool:
    return all(
        getattr(before, name) == getattr(after, name)
        for name in ("source_size", "source_mtime_ns", "software", "model", "error")
    )


def _time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
