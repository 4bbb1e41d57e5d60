"""What a log and a terminal show of a model that is fetched."""

from __future__ import annotations

import pytest

from speechpipe.console import fetching
from speechpipe.console.fetching import FetchBar, FetchLines, Quiet, duration, fetching_progress, size


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_log_has_the_size_first_then_a_line_each_tenth_with_the_time_left(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = FetchLines("Org/model")
    lines("fetch", 0, 3_000_000_000)
    for gigabyte in range(1, 4):
        clock[0] += 600
        lines("fetch", gigabyte * 1_000_000_000 - 1, 3_000_000_000)
    lines("fetch", 3_000_000_000, 3_000_000_000)
    lines("convert", 0, 1)
    lines.close()
    assert capsys.readouterr().err.splitlines() == [
        "Org/model: fetching 3.0 GB",
        "Org/model: 30 % of 3.0 GB, 20 min left",
        "Org/model: 60 % of 3.0 GB, 10 min left",
        "Org/model: 90 % of 3.0 GB, 0 s left",
        "Org/model: 100 % of 3.0 GB",
        "Org/model: converting it to CTranslate2, which takes minutes for a large model",
    ]


def test_what_was_there_already_does_not_make_it_fast(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    lines = FetchLines("m")
    lines("fetch", 500_000, 1_000_000)
    clock[0] += 10
    lines("fetch", 600_000, 1_000_000)
    assert "60 % of 1.0 MB, 40 s left" in capsys.readouterr().err


def test_a_wait_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    FetchLines("m")("wait", 0, 1)
    assert capsys.readouterr().err == "m: another process is at this model; waiting for it\n"


def test_a_name_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    FetchLines("a\x1b[31m")("fetch", 0, 10)
    assert "\x1b" not in capsys.readouterr().err


def test_a_bar_shows_bytes_and_a_note_what_has_no_measure(capsys: pytest.CaptureFixture[str]) -> None:
    bar = FetchBar("m")
    bar("fetch", 0, 2_000_000)
    bar("fetch", 1_000_000, 2_000_000)
    bar("convert", 0, 1)
    bar.close()
    shown = capsys.readouterr().err
    assert "m: fetching" in shown
    assert "of 2.00M" in shown
    assert "m: converting" in shown


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress = fetching_progress("m", quiet=True)
    assert isinstance(progress, Quiet)
    progress("fetch", 1, 2)
    progress.close()
    assert capsys.readouterr() == ("", "")


def test_which_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal, kind in ((True, FetchBar), (False, FetchLines)):
        monkeypatch.setattr(fetching, "has_width", lambda stream, terminal=terminal: terminal)
        assert isinstance(fetching_progress("m"), kind)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5_399, "90 min"), (5_400, "1.5 h"), (36_000, "10.0 h")],
)
def test_a_time_in_words(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("octets", "said"), [(0, "0.0 MB"), (999_900_000, "999.9 MB"), (999_999_999, "1.0 GB"), (3_090_000_000, "3.1 GB")]
)
def test_a_size_in_words(octets: int, said: str) -> None:
    assert size(octets) == said
