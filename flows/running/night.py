"""A batch from its selection to its morning report: what is to be done is handed out, what came of it is read from the
receipts."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath
from typing import Any, cast
from uuid import UUID

from httpx import HTTPError
from prefect import State, runtime, tags
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectException, TerminationSignal
from prefect.states import Cancelled, Completed, Failed

from speechpipe.batch.forecast import Forecast
from speechpipe.batch.queue import Group, Queue, Work, common_reason, local_deadline, night_over, queue, too_late
from speechpipe.batch.renaming import settle
from speechpipe.console.terminal import fault
from speechpipe.errors import BatchFailed, OutputError, SpeechpipeError
from speechpipe.reports.morning import FAILED, LEFT_OUT, WAITING, WITHDRAWN, Report, Row, headline
from speechpipe.repositories.choices import TODO, Choice, Policy, Selection
from speechpipe.repositories.contract import Closed, Receipt
from speechpipe.repositories.selection import select
from speechpipe.repositories.undone import cancelled
from speechpipe.settings import Settings
from speechpipe.withdrawal.closing import close
from speechpipe.withdrawal.withdraw import is_withdrawn

from ..forms.choices import EVERYTHING
from ..forms.parameters import How
from ..places import Found, Place, below
from ..seen.artifacts import row_of
from ..seen.progress import left
from ..seen.reports import publish
from ..seen.traces import forget, names_of
from .crew import Crew, OneByOne, crew
from .held import places, transcriber
from .process import AT_ONCE

log = logging.getLogger("speechpipe.flows")

SECONDS_BETWEEN_LOOKS = 2.0
SECONDS_BETWEEN_UPDATES = 5.0
#: What a recording costs beside its computing: to be seen as a run with four stages.
EACH_MS = 1_000
#: What the selection says of a recording that is not done now → what the report calls it.
LEFT = {"waiting": WAITING, "forbidden": LEFT_OUT, "withdrawn": WITHDRAWN, "damaged": FAILED}
GIVEN_UP = "It was begun three times and never finished."
LOOK = "Its process was killed each time, as where memory is short: look at its runs."
MISSED = "Missed"
STOPPED = "A person cancelled this run. What it had not done is left for the next one."


@dataclass(frozen=True, slots=True)
class Asked:
    """``changes`` to the policy of the settings; ``only``: the kinds of choices that are done, all where None."""

    collection: str
    until: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """``expected_ms``: how long its computing will take, as far as is known."""

    found: Found
    choice: Choice
    expected_ms: int


class StoppedEarly(BatchFailed):
    """A batch that could not go on, with the rows of what became of its recordings until then."""

    def __init__(self, message: str, rows: Sequence[Row]) -> None:
        super().__init__(message, cure="")
        self.rows = rows


def run_name() -> str:
    """What is done, and in which collection."""
    asked = runtime.flow_run.parameters.get("recordings") or {}
    folder = asked.get("collection") if isinstance(asked, dict) else getattr(asked, "collection", None)
    where = f"in {folder}" if folder and folder != EVERYTHING else "recordings"
    return f"{'again' if runtime.flow_run.flow_name == 'transcribe-again' else 'new'} {where}"


def batch(asked: Asked, how: How, title: str, one_by_one: OneByOne) -> State[Any]:
    """The whole of it, as the state that the flow ends in; its data are the rows. ``one_by_one`` works where nobody
    serves.

    A fault that stands in the way of all is the failure of the batch; what is wrong with one recording is in its row.
    """
    began, scheduled = now(), scheduled_for()
    if end := night_over(asked.until, scheduled, began):
        log.warning("%s", too_late(scheduled, end))
        return Cancelled(name=MISSED, message=too_late(scheduled, end))
    try:
        with_models = transcriber(how.settings())
        model = with_models.model
        chosen, rows = look_through(asked, Policy(model=model.name, model_revision=model.revision))
        places_at_work = int(os.environ.get(AT_ONCE, "1"))
        line = queue(map(work_of, chosen), places_at_work, local_deadline(asked.until, scheduled), with_models.size)
        if chosen:
            told = f"{len(chosen)} recording{'s' if len(chosen) > 1 else ''} to do"
            runs = f"{len(line.groups)} run{'s' if len(line.groups) > 1 else ''}"
            log.info("%s, in %s, %d at once.", told, runs, line.at_once)
        tag = f"batch-{str(runtime.flow_run.id)[:8]}"
        night = Night(chosen, line, crew(how, any(one.choice.again for one in chosen), tag, one_by_one))
        try:
            with tags(tag):
                night.work()
        except TerminationSignal:
            night.break_off(STOPPED)
            publish(Report(title, tuple(sorted([*rows, *night.rows()], key=name_of)), night.note), began, tag)
            raise
    except (PrefectException, HTTPError):
        raise
    except Exception as error:
        reason = error if isinstance(error, SpeechpipeError) else fault(error)
        log.error("%s", below(str(reason)))
        return Failed(message=below(str(reason)), data=reason)
    rows = sorted([*rows, *night.rows()], key=name_of)
    publish(Report(title, tuple(rows), night.note), began, tag)
    log.info("%s", headline(rows))
    if night.note:
        log.error("%s", night.note)
        told = f"{night.note} {headline(rows)}"
        return Failed(message=told, data=StoppedEarly(told, rows))
    return Completed(message=headline(rows), data=rows)


def look_through(asked: Asked, policy: Policy) -> tuple[list[Chosen], list[Row]]:
    """What is to be done, and the rows of all else."""
    chosen: list[Chosen] = []
    rows: list[Row] = []
    for place, inside in places().within(asked.collection):
        own = replace(Policy.of(place.night, policy.model, policy.model_revision), **asked.changes)
        forgetting = partial(forget_all, place)
        closed, copies = close(place.repository, forget=forgetting)
        for one in closed:
            log.warning("%s", told_of_closed(place.found(one.item).name, one))
        if copies.erased or copies.kept:
            log.info("Of copies made of them, %d are erased, %d kept.", len(copies.erased), len(copies.kept))
        selection = settle(place.repository, select(place.repository, own), forgetting)
        here = [c for c in selection.choices if PurePosixPath(c.item.location).is_relative_to(inside)]
        left_out = [one for one in selection.left_out if PurePosixPath(one.name).is_relative_to(inside)]
        log.info("%s", Selection(tuple(here), tuple(left_out)).sentence)
        # Of what is here the selection has read the receipts already.
        forecast = Forecast.of((choice.receipt for choice in selection.choices if choice.receipt), policy.model)
        for choice in here:
            found = place.found(choice.item)
            if choice.kind in (asked.only or TODO):
                expected_ms = forecast.expected_of(place.repository, choice.item)
                chosen.append(Chosen(found, choice, expected_ms + EACH_MS))
            else:
                rows.append(row_of_choice(found, choice))
        rows += [Row(place.called(one.called), LEFT_OUT, message=one.reason) for one in left_out]
    return chosen, rows


def forget_all(place: Place, receipts: Sequence[Receipt]) -> None:
    """What the server and the reports tell of them."""
    forget({name for receipt in receipts for name in names_of(place, receipt)})


def told_of_closed(name: str, closed: Closed) -> str:
    told = f"{name}: its rights no longer let its results stand open; {len(closed.files)} files are restricted now."
    theirs = len(closed.theirs)
    return f"{told} A person had changed or placed {theirs} of them, which are kept as they are." if theirs else told


def row_of_choice(found: Found, choice: Choice) -> Row:
    """The row of a recording that is not done now."""
    if choice.kind == "cancelled" and choice.receipt:
        return row_of(found, choice.receipt)
    if choice.kind in LEFT:
        return Row(found.name, LEFT[choice.kind], message=below(choice.reason))
    if choice.receipt is None:
        return Row(found.name, WAITING, message=below(choice.reason))
    return row_of(found, choice.receipt).done_before()


class Night:
    """The work of a batch: groups go to the crew, what came of each recording is read from its receipt."""

    def __init__(self, chosen: Sequence[Chosen], line: Queue, crew: Crew) -> None:
        self.chosen = {one.found.name: one for one in chosen}
        self.line, self.crew = line, crew
        self.ended: list[Receipt] = []
        self.receipts: dict[str, Receipt] = {}
        self.withdrawn: set[str] = set()
        self.note: str | None = None
        self._reasons: dict[str, str] = {}
        self._waits: str | None = None
        self._waited_for = ""

    def work(self) -> None:
        """Until nothing is left that may begin, or all fails for one reason."""
        bar = Bar(len(self.chosen))
        while not self.line.finished(now()):
            while self.note is None and (group := self.line.next(now())) and self._has_room(group):
                self.crew.begin(group)
            ended = self.crew.ended()
            for group, by_a_person, failed in ended:
                undone = self._undone(group)
                if by_a_person:
                    undone = self._set_aside(undone)
                if undone and failed and len(group) == 1:
                    self._fails(undone[0], failed)
                self.line.ended(group, undone, now())
            if reason := common_reason(self.ended):
                self.note = f"Stopped early, as every recording fails for one reason: {below(reason)}"
            if self.note and not self.line.working:
                return
            bar.at(len(self.receipts.keys() | self.withdrawn))
            if not ended:
                time.sleep(SECONDS_BETWEEN_LOOKS)

    def _fails(self, name: str, reason: str) -> None:
        """Its run failed and left no receipt, as where its folder is away: that counts towards one reason for all."""
        self._reasons[name] = reason
        self.ended.append(Receipt(name, "failed", name, error=reason, message=reason, cure=""))

    def break_off(self, why: str) -> None:
        """What is in work ends with this run: what has been done of it is still told."""
        self.note, self._waits = why, "A person cancelled the run before it was done."
        for group in self.line.working:
            self._undone(group)

    def rows(self) -> list[Row]:
        for name, receipt in self.receipts.items():  # since it was done, too
            self._is_withdrawn(self.chosen[name], receipt.source_sha256)
        rows = [Row(name, WITHDRAWN, message="It was withdrawn while this run was at work.") for name in self.withdrawn]
        told = {name: receipt for name, receipt in self.receipts.items() if name not in self.withdrawn}
        rows += [row_of(self.chosen[name].found, receipt) for name, receipt in told.items()]
        for work in self.line.given_up:
            reason = self._reasons.get(work.identifier)
            rows.append(Row(work.identifier, FAILED, message=reason or GIVEN_UP, cure=None if reason else LOOK))
        waits = self._waits or ("The run stopped early." if self.note else "It would not have been finished in time.")
        done = self.receipts.keys() | self.withdrawn
        working = [work for group in self.line.working for work in group if work.identifier not in done]
        rows += [Row(work.identifier, WAITING, message=waits) for work in (*self.line.waiting, *working)]
        return rows

    def _has_room(self, group: Group) -> bool:
        """Whether results can be written. Where not, ``group`` stays the next: others at work may make room yet;
        without them the batch is over, and what it has not begun is left as it was."""
        places = {one.place.name: one.place for one in (self.chosen[work.identifier].found for work in group)}
        try:
            for place in places.values():
                place.check_room()
        except OutputError as error:
            self.line.put_back(group)
            told = below(str(error))
            if not self.line.working:
                self.note = f"Stopped early, as nothing can be written: {told}"
            elif told != self._waited_for:
                log.warning("What is at work is waited for, as nothing can be written: %s", told)
            self._waited_for = told
            return False
        return True

    def _set_aside(self, undone: Sequence[str]) -> list[str]:
        """Their run was cancelled by a person: they stay so, tonight also where that cannot be written."""
        for name in undone:
            one = self.chosen[name]
            self.receipts[name] = receipt = cancelled(one.found.item, one.choice.stat)
            log.info("%s was cancelled by a person.", name)
            try:
                one.found.place.repository.record_failure(one.found.item, receipt)
            except SpeechpipeError as error:
                log.error("%s", below(str(error)))
        return []

    def _is_withdrawn(self, one: Chosen, sha256: str | None) -> bool:
        if is_withdrawn(Settings.load(), one.found.place.repository, one.found.item, sha256):
            self.withdrawn.add(one.found.name)
            return True
        return False

    def _undone(self, group: Group) -> list[str]:
        """Those of a group that ended without a receipt of this batch; the receipts of the others are kept."""
        undone = []
        for work in group:
            one = self.chosen[work.identifier]
            receipt = one.found.place.repository.existing(one.found.item)
            if receipt is None or receipt == one.choice.receipt:
                if not self._is_withdrawn(one, None):
                    undone.append(work.identifier)
            else:
                self.receipts[work.identifier] = receipt
                self.ended.append(receipt)
        return undone


class Bar:
    """How far the batch is, on its page."""

    def __init__(self, total: int) -> None:
        self.total, self.began, self.moved = total, time.monotonic(), time.monotonic()
        self.id = create_progress_artifact(0.0, key="batch", description=f"{total} recordings to do") if total else None

    def at(self, done: int) -> None:
        at = time.monotonic()
        if self.id is None or (at - self.moved < SECONDS_BETWEEN_UPDATES and done < self.total):
            return
        self.moved = at
        told = f"{done} of {self.total} recordings"
        told += f", {left((at - self.began) * (self.total - done) / done)}" if 0 < done < self.total else ""
        update_progress_artifact(cast(UUID, self.id), 100.0 * done / self.total, description=told)


def work_of(one: Chosen) -> Work:
    since = one.choice.since
    waited = (datetime.now(UTC) - since).total_seconds() if since else 0.0
    return Work(one.found.name, one.expected_ms, waited)


def name_of(row: Row) -> str:
    return row.recording


def scheduled_for() -> datetime:
    """When this run was to begin; now, where a person has it begin once more."""
    again = (runtime.flow_run.run_count or 0) > 1
    return now() if again else runtime.flow_run.scheduled_start_time.astimezone()


def now() -> datetime:
    return datetime.now().astimezone()
