"""The order of a batch, its groups, its end of the night, and when it gives up."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe.batch.queue import (
    ATTEMPTS,
    BACK_OFF_S,
    ENOUGH,
    LARGEST_GROUP,
    PATIENCE_S,
    START_MS,
    WORTH,
    Scheduled,
    Work,
    at_once,
    common_reason,
    deadline,
    grouped,
    in_order,
    local_deadline,
    missed,
    night_over,
    queue,
)
from speechpipe.repositories.contract import Receipt

NIGHT = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
HOUR = 3_600_000

works = st.lists(
    st.builds(Work, st.uuids().map(str), st.integers(0, 20 * HOUR), st.floats(0, 40 * 24 * 3600)), max_size=60
)


@given(works, st.integers(1, 9), st.integers(0, 30_000), st.integers(1, 7))
def test_every_recording_is_in_exactly_one_group_and_only_short_ones_share(
    some: list[Work], places: int, load_ms: int, most: int
) -> None:
    groups = grouped(some, places, load_ms, most)
    assert sorted(w.identifier for g in groups for w in g) == sorted(w.identifier for w in some)
    for group in groups:
        assert 1 <= len(group) <= most
        assert len(group) == 1 or all(work.expected_ms < WORTH * (START_MS + load_ms) for work in group)
    order = [work.identifier for work in some if work.expected_ms < WORTH * (START_MS + load_ms)]
    short = {*order}
    assert [w.identifier for g in groups for w in g if w.identifier in short] == order


@given(
    st.lists(st.integers(0, 400_000), max_size=300), st.lists(st.integers(400_000, 20 * HOUR), max_size=3),
    st.integers(1, 9), st.integers(1, 20_000),
)  # fmt: skip
def test_loading_models_takes_less_than_a_twentieth(
    short: list[int], long: list[int], places: int, load_ms: int
) -> None:
    some = [Work(f"{number}", ms) for number, ms in enumerate([*short, *long])]
    groups = grouped(some, places, load_ms, most=len(some) or 1)
    together = [g for g in groups if g[0].expected_ms < WORTH * (START_MS + load_ms)]
    if len(together) > 1:
        assert load_ms * len(groups) <= 0.05 * sum(work.expected_ms for work in some)


def test_what_takes_no_time_gets_no_process_of_its_own() -> None:
    assert [len(g) for g in grouped([Work("a", 1), Work("b", 0)], load_ms=1)] == [2]


def test_two_thousand_short_ones_make_groups_that_are_worth_their_beginning() -> None:
    short = [Work(f"{n}", 20_000) for n in range(2000)]
    groups = grouped(short, at_once=4, load_ms=15_000)
    lengths = [sum(w.expected_ms for w in g) for g in groups]
    assert min(lengths) >= WORTH * (START_MS + 15_000) and max(lengths) <= 1.1 * min(lengths)
    assert max(map(len, grouped([Work(f"{n}", 1) for n in range(1000)]))) == LARGEST_GROUP


def test_a_few_short_ones_fill_the_places_that_are_free() -> None:
    clips = [Work(f"{n}", 3_000) for n in range(60)]
    assert [len(g) for g in grouped(clips, at_once=4, load_ms=300)] == [15] * 4
    assert [len(g) for g in grouped(clips, at_once=1, load_ms=300)] == [60]
    assert [len(g) for g in grouped(clips[:8], at_once=4, load_ms=300)] == [8], "not worth a second process"
    large = 15_500  # of 3.1 GB: it would be loaded for longer than it works
    assert [len(g) for g in grouped(clips, at_once=4, load_ms=large)] == [60]
    with_reel = grouped([*clips, Work("reel", 3 * HOUR)], at_once=4, load_ms=large)
    assert [len(g) for g in with_reel] == [15] * 4 + [1], "beside ten hours' work it is little"


def test_what_a_group_costs_before_its_first_word_counts_at_the_end_of_the_night() -> None:
    model = 3_000_000_000
    for minutes, begun in ((61, True), (60, False)):
        line = queue([Work("reel", HOUR)], 1, NIGHT + timedelta(minutes=minutes), model)
        assert line.start_ms == START_MS + 15_000
        assert (line.next(NIGHT) is not None) == begun


def test_a_group_that_is_put_back_is_the_next() -> None:
    line = queue([Work(f"{n}", HOUR) for n in range(3)], at_once=2)
    group = line.next(NIGHT)
    assert group is not None
    line.put_back(group)
    assert not line.working and line.next(NIGHT) == group


def test_short_ones_go_first_but_waiting_counts() -> None:
    reel, clip = Work("reel", 10 * HOUR, 3600), Work("clip", 60_000, 60)
    assert [w.identifier for w in in_order([reel, clip])] == ["clip", "reel"]
    waited = Work("reel", 10 * HOUR, PATIENCE_S + 1)
    older = Work("older", 10 * HOUR, 2 * PATIENCE_S)
    assert [w.identifier for w in in_order([clip, waited, older])] == ["older", "reel", "clip"]


@given(works)
def test_the_order_does_not_depend_on_how_they_came(some: list[Work]) -> None:
    assert in_order(some) == in_order(list(reversed(some)))


def test_never_more_than_its_places_at_once() -> None:
    line = queue([Work(f"{n}", HOUR) for n in range(5)], at_once=2)
    first, second = line.next(NIGHT), line.next(NIGHT)
    assert first and second and line.next(NIGHT) is None
    line.ended(first, [], NIGHT)
    assert line.next(NIGHT) is not None and line.next(NIGHT) is None
    assert not line.finished(NIGHT)


def test_only_what_is_finished_by_the_end_is_begun_and_the_rest_waits() -> None:
    line = queue([Work("ten hours", 10 * HOUR), Work("one hour", HOUR)], 2, NIGHT + timedelta(hours=2))
    group = line.next(NIGHT)
    assert group is not None and [w.identifier for w in group] == ["one hour"]
    assert line.next(NIGHT) is None and not line.finished(NIGHT)
    line.ended(group, [], NIGHT + timedelta(hours=1))
    assert line.finished(NIGHT + timedelta(hours=1))
    assert [w.identifier for w in line.waiting] == ["ten hours"]


def test_of_a_group_that_does_not_fit_as_much_is_begun_as_fits() -> None:
    line = queue([Work(f"{n}", 60_000) for n in range(4)], 1, NIGHT + timedelta(seconds=130))
    group = line.next(NIGHT)
    assert group is not None and len(group) == 2 and len(line.waiting) == 2
    line.ended(group, [], NIGHT + timedelta(seconds=125))
    assert line.finished(NIGHT + timedelta(seconds=125)) and len(line.waiting) == 2


def test_who_ends_its_process_is_tried_again_alone_later_and_given_up_in_the_end() -> None:
    line = queue([Work(name, 1000) for name in "abc"], 1)
    now, seen = NIGHT, list[tuple[str, ...]]()
    while not line.finished(now):
        if group := line.next(now):
            names = tuple(w.identifier for w in group)
            seen.append(names)
            line.ended(group, names[names.index("b") :] if "b" in names else (), now)
        else:
            now += timedelta(seconds=1)
    assert seen == [("a", "b", "c"), ("c",), ("b",), ("b",)]
    assert len([names for names in seen if "b" in names]) == ATTEMPTS
    assert [w.identifier for w in line.given_up] == ["b"]
    assert now - NIGHT == timedelta(seconds=BACK_OFF_S + 2 * BACK_OFF_S)


@given(works, st.data())
def test_nothing_is_lost_whatever_is_killed(some: list[Work], data: st.DataObject) -> None:
    line, now, done = queue(some, data.draw(st.integers(1, 3))), NIGHT, list[str]()
    while not line.finished(now):
        while line.next(now):
            pass
        for group in list(line.working):
            reached = data.draw(st.integers(0, len(group)))
            done += [w.identifier for w in group[:reached]]
            line.ended(group, [w.identifier for w in group[reached:]], now)
        now += timedelta(seconds=100)
    assert sorted(done + [w.identifier for w in line.given_up]) == sorted(w.identifier for w in some)


@pytest.mark.parametrize(
    ("until", "now", "then"),
    [
        ("07:00", datetime(2026, 11, 21, 22, 0), datetime(2026, 11, 22, 7, 0)),
        ("7:00", datetime(2026, 11, 22, 6, 59), datetime(2026, 11, 22, 7, 0)),
        ("07:00", datetime(2026, 11, 22, 7, 0), datetime(2026, 11, 23, 7, 0)),
    ],
)
def test_until_is_the_next_such_time(until: str, now: datetime, then: datetime) -> None:
    zone = ZoneInfo("Europe/Oslo")
    assert deadline(until, now.replace(tzinfo=zone)) == then.replace(tzinfo=zone)
    assert deadline("", now) is None


@pytest.mark.parametrize(
    ("evening", "morning"),
    [
        ("2026-03-28T21:00", "2026-03-29T05:00"),
        ("2026-10-24T20:00", "2026-10-25T06:00"),
        ("2026-06-01T20:00", "2026-06-02T05:00"),
    ],
)
def test_seven_is_seven_by_the_clock_on_the_wall_when_it_is_put_forward_or_back(
    evening: str, morning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Oslo")
    time.tzset()
    try:
        now = datetime.fromisoformat(evening).replace(tzinfo=UTC)
        assert local_deadline("07:00", now.astimezone()) == datetime.fromisoformat(morning).replace(tzinfo=UTC)
        assert local_deadline("", now) is None
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_machine_is_not_asked_for_more_than_it_bears() -> None:
    assert at_once(3_000_000_000, threads=4, cores=16, free=64 << 30) == 4
    assert at_once(3_000_000_000, threads=4, cores=16, free=16 << 30) == 2
    assert at_once(3_000_000_000, threads=4, cores=2, free=4 << 30) == 1
    assert at_once(3_000_000_000, gpus=2, cores=64, free=512 << 30) == 2
    assert at_once(100_000_000) >= 1


def failure(error: str = "OutputError", cure: str = "Free some space.", number: int = 0) -> Receipt:
    return Receipt(f"{number}", "failed", f"{number}", error=error, message=f"No space for {number}.", cure=cure)


def test_one_reason_for_all_is_said_once() -> None:
    assert common_reason([failure(number=n) for n in range(ENOUGH)]) == f"No space for {ENOUGH - 1}. Free some space."
    assert common_reason([failure()] * (ENOUGH - 1)) is None


@pytest.mark.parametrize(
    "among",
    [
        Receipt("x", "done", "x", outcome="no_speech"),
        failure(error="EngineError"),
        failure(cure="Choose another folder."),
    ],
)
def test_one_that_differs_shows_that_it_is_not_everything(among: Receipt) -> None:
    assert common_reason([failure()] * (ENOUGH - 1) + [among]) is None
    assert common_reason([among] + [failure()] * ENOUGH) is not None


def test_damaged_recordings_may_come_in_any_number() -> None:
    for error in ("UnreadableMedia", "UsageError"):
        assert common_reason([failure(error, "Fetch it again.")] * 50) is None


@pytest.mark.parametrize(
    ("until", "hours", "over"),
    [
        ("07:00", 8, False),  # 06:00, in its own night
        ("07:00", 9, True),  # 07:00 sharp
        ("07:00", 11, True),  # 09:00, by day
        ("07:00", 28, True),  # 02:00 of the next night, which is not its own
        ("21:00", 22, False),
        ("", 1000, False),  # without an end nothing is too late
    ],
)
def test_the_end_is_that_of_the_night_for_which_it_was_scheduled(until: str, hours: int, over: bool) -> None:
    scheduled = NIGHT.astimezone().replace(day=21, hour=22)
    end = night_over(until, scheduled, scheduled + timedelta(hours=hours))
    assert (end is not None) is over
    if end is not None:
        assert (end - scheduled, f"{end:%H:%M}") == (timedelta(hours=9), "07:00")


def test_after_days_off_at_most_one_missed_run_is_begun_and_none_outside_its_night() -> None:
    evening = NIGHT.astimezone().replace(hour=22)

    def runs(until: str, *days: int) -> list[Scheduled]:
        return [Scheduled(str(day), evening + timedelta(days=day), until, "every night") for day in days]

    by_day, at_night = evening + timedelta(days=3, hours=11), evening + timedelta(days=3, hours=4)
    assert missed(runs("07:00", 0, 1, 2, 3), by_day).keys() == {"0", "1", "2", "3"}
    assert missed(runs("07:00", 0, 1, 2, 3), at_night).keys() == {"0", "1", "2"}
    told = missed(runs("", 0, 1, 2, 3, 4), by_day)
    assert told.keys() == {"0", "1", "2"} and all("a later one does" in why for why in told.values())
    assert missed([Scheduled("a", evening, "", "radio"), Scheduled("b", evening, "", "film")], by_day) == {}
    (why,) = missed(runs("07:00", 0), by_day).values()
    assert "22:00" in why and "07:00" in why and "by hand" in why
    assert missed(runs("07:00", 4, 5), by_day) == {}, "what is still to come is left alone"
