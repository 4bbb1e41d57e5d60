"""What a batch does next: the order of waiting, groups that are worth loading a model for, the end of the night."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from speechpipe.repositories.contract import Receipt

#: What a process costs before it loads a model: Python, Prefect.
START_MS = 5_000
#: A model is read, compared with its digest and laid out in memory at about this rate.
LOADED_BYTES_PER_MS = 200_000
#: A group works so many times as long as it takes to begin; so long at least where it fills a place that is free.
WORTH, LEAST_GROUP_MS = 20, 4 * START_MS
LARGEST_GROUP = 100
#: Longer than this nobody waits for shorter ones.
PATIENCE_S = 3 * 24 * 3600
ATTEMPTS = 3
BACK_OFF_S = 10
#: So many failures in a row for one reason, and it is not the recordings.
ENOUGH = 5
#: What lies in a recording itself, however often it comes; the last where it lacks what was asked for, such as a track.
OF_THE_RECORDING = frozenset({"MediaError", "UnreadableMedia", "UsageError"})
#: CTranslate2 takes so many cores where nothing is set.
THREADS = 4


@dataclass(frozen=True, slots=True)
class Work:
    """A recording to be done: its computing time as expected, and since when it waits."""

    identifier: str
    expected_ms: int
    waiting_s: float = 0.0


Group = tuple[Work, ...]


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A run that waits to be begun ``at`` its time; those with the same ``asks`` would do the same."""

    identifier: str
    at: datetime
    until: str
    asks: str


@dataclass(slots=True)
class Queue:
    """Groups to be done, at most ``at_once`` of them, none begun that would not be finished by ``deadline``.

    ``start_ms``: what each of them costs before its first word. ``given_up`` are recordings that ended the process
    working on them each time.
    """

    groups: deque[Group]
    at_once: int = 1
    deadline: datetime | None = None
    start_ms: int = 0
    working: list[Group] = field(default_factory=list)
    given_up: list[Work] = field(default_factory=list)
    _attempts: Counter[str] = field(default_factory=Counter)
    _not_before: dict[str, datetime] = field(default_factory=dict)

    @property
    def waiting(self) -> list[Work]:
        return [work for group in self.groups for work in group]

    def next(self, now: datetime) -> Group | None:
        """The group to begin now; None where all places are taken or nothing may begin at this time."""
        if len(self.working) >= self.at_once:
            return None
        for index, group in enumerate(self.groups):
            fitting = self._fitting(group, now)
            if not fitting:
                continue
            del self.groups[index]
            if rest := group[len(fitting) :]:
                self.groups.insert(index, rest)
            self.working.append(fitting)
            return fitting
        return None

    def put_back(self, group: Group) -> None:
        """``group`` cannot be begun now; it stays the next."""
        self.working.remove(group)
        self.groups.appendleft(group)

    def ended(self, group: Group, undone: Sequence[str], now: datetime) -> None:
        """``group`` has ended and left these ``undone``, the first of them in work. It is tried again alone, after a
        while and at most three times; the others go back as they were."""
        self.working.remove(group)
        left = [work for work in group if work.identifier in undone]
        if not left:
            return
        first, *others = left
        if others:
            self.groups.appendleft(tuple(others))
        self._attempts[first.identifier] += 1
        tried = self._attempts[first.identifier]
        if tried >= ATTEMPTS:
            self.given_up.append(first)
            return
        self._not_before[first.identifier] = now + timedelta(seconds=BACK_OFF_S * 2 ** (tried - 1))
        self.groups.append((first,))

    def finished(self, now: datetime) -> bool:
        """Nothing is in work, and nothing that waits may ever begin."""
        return not self.working and not any(self._in_time(group[:1], now) for group in self.groups)

    def _fitting(self, group: Group, now: datetime) -> Group:
        if any(self._not_before.get(work.identifier, now) > now for work in group):
            return ()
        while group and not self._in_time(group, now):
            group = group[:-1]
        return group

    def _in_time(self, group: Group, now: datetime) -> bool:
        needed = timedelta(milliseconds=self.start_ms + _expected(group))
        return self.deadline is None or now + needed <= self.deadline


def queue(works: Iterable[Work], at_once: int = 1, deadline: datetime | None = None, model_bytes: int = 0) -> Queue:
    """``model_bytes``: size of the models' files, which each group has to load."""
    load_ms = model_bytes // LOADED_BYTES_PER_MS
    return Queue(deque(grouped(in_order(works), at_once, load_ms)), at_once, deadline, START_MS + load_ms)


def in_order(works: Iterable[Work]) -> list[Work]:
    """Who has lost patience comes first, the longest wait before; then by the response ratio, waiting over computing,
    which lets short ones through and yet lets the wait of a long one count (highest response ratio next)."""

    def rank(work: Work) -> tuple[bool, float, str]:
        impatient = work.waiting_s > PATIENCE_S
        return (
            not impatient,
            -(work.waiting_s if impatient else work.waiting_s / max(1, work.expected_ms)),
            (work.identifier),
        )

    return sorted(works, key=rank)


def grouped(works: Iterable[Work], at_once: int = 1, load_ms: int = 0, most: int = LARGEST_GROUP) -> list[Group]:
    """Long recordings alone; short ones together, in groups of about the same length.

    They are as many as places, and more where each is still worth its beginning, as long as loading models stays below
    a twentieth of all the work.
    """
    works = list(works)
    least_ms = WORTH * (START_MS + load_ms)
    short = [work for work in works if work.expected_ms < least_ms]
    short_ms = _expected(short)
    bearable = _expected(works) // (WORTH * load_ms) - (len(works) - len(short)) if load_ms else len(works)
    parts = max(1, min(max(at_once, short_ms // least_ms), short_ms // LEAST_GROUP_MS, bearable))
    groups: list[Group] = []
    group: list[Work] = []
    grouped_ms = closed = 0
    for work in works:
        if work.expected_ms >= least_ms:
            groups.append((work,))
            continue
        group.append(work)
        grouped_ms += work.expected_ms
        last = work is short[-1]
        full = closed + 1 < parts and short_ms * (closed + 1) <= grouped_ms * parts
        if last or full or len(group) == most:
            groups.append(tuple(group))
            group, closed = [], closed + 1
    return groups


def deadline(until: str, now: datetime) -> datetime | None:
    """The next time that the clock shows ``until`` (``07:00``), in the zone of ``now``; None where it is empty."""
    if not until:
        return None
    hour, minute = map(int, until.split(":"))
    then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return then if then > now else then + timedelta(days=1)


def local_deadline(until: str, now: datetime) -> datetime | None:
    """As ``deadline`` by this machine's clock on the wall, also in the night in which it is put forward or back."""
    then = deadline(until, now.astimezone())
    return then and then.replace(tzinfo=None).astimezone()


def night_over(until: str, scheduled: datetime, now: datetime) -> datetime | None:
    """When the night ended for which a run was ``scheduled``, where that is over by now."""
    end = local_deadline(until, scheduled)
    return end if end is not None and end <= now else None


def missed(runs: Iterable[Scheduled], now: datetime) -> dict[str, str]:
    """Of runs that were not begun at their time: those that are not to be begun any more, each with why.

    Their night is over, or another that is late as well asks for the same: one does for all that were missed.
    """
    late = sorted((run for run in runs if run.at <= now), key=lambda run: run.at, reverse=True)
    told: dict[str, str] = {}
    asked: set[str] = set()
    for run in late:
        if end := night_over(run.until, run.at, now):
            told[run.identifier] = too_late(run.at, end)
        elif run.asks in asked:
            told[run.identifier] = "It could not be begun at its time; a later one does what it would have done."
        else:
            asked.add(run.asks)
    return told


def too_late(scheduled: datetime, end: datetime) -> str:
    began, ended = (moment.astimezone().strftime("%d %B %H:%M") for moment in (scheduled, end))
    return (
        f"It could not be begun at its time, {began}, and its night ended on {ended}. Nothing was done; the next run "
        "does what is new. To do it now, start Transcribe new recordings by hand."
    )


def at_once(
    model_bytes: int, threads: int = 0, gpus: int = 0, cores: int | None = None, free: int | None = None
) -> int:
    """How many processes the machine bears: one a GPU, or as many as cores and memory allow, and at least one.

    Args:
        model_bytes: size of the models' files; in memory they and what they compute take about twice that.
        threads: cores that one process uses; 0: as the engine does by itself.
    """
    if gpus:
        return gpus
    cores = cores or len(os.sched_getaffinity(0))
    free = free if free is not None else _free_memory()
    each = 2 * model_bytes + 700_000_000
    return max(1, min(cores // min(cores, threads or THREADS), free // each))


def common_reason(receipts: Sequence[Receipt]) -> str | None:
    """The reason for which everything fails lately, as a sentence with its cure; None where there is no such."""
    last = receipts[-ENOUGH:]
    if len(last) < ENOUGH or any(receipt.status != "failed" for receipt in last):
        return None
    if len({(receipt.error, receipt.cure) for receipt in last}) > 1 or last[0].error in OF_THE_RECORDING:
        return None
    return f"{last[-1].message} {last[-1].cure}"


def _expected(works: Sequence[Work]) -> int:
    return sum(work.expected_ms for work in works)


def _free_memory() -> int:
    """What may be taken without swapping, in bytes; where the system does not tell, as much as is needed."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return 1 << 62
