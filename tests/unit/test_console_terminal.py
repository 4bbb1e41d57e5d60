"""How the commands speak: progress, safe text, unforeseen errors."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from speechpipe.console import terminal as console
from speechpipe.errors import OutputError

ESCAPE = "a\x1b[2Jb\u202ec\x9b31md\re"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_name_cannot_steer_the_terminal() -> None:
    text = console.shown(ESCAPE)
    assert text.isprintable()
    assert text == r"a\x1b[2Jb\u202ec\x9b31md e"


def test_an_undecodable_name_is_shown() -> None:
    assert console.shown("b\udce5nd.wav") == r"b\udce5nd.wav"


def test_json_is_one_line_of_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    console.say_json({"recording": f"{ESCAPE}\n\udce5 bånd"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.count("\n") == 1
    assert json.loads(out)["recording"] == f"{ESCAPE}\n\udce5 bånd"


def test_json_holds_no_number_that_json_lacks() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        console.say_json({"confidence": float("nan")})


def test_report_is_one_line_with_the_cure_and_gives_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    code = console.report(OutputError("Cannot write a\nb\x1b.", cure="Choose another."))
    captured = capsys.readouterr()
    assert code == 5
    assert captured.out == ""
    assert captured.err == "speechpipe: Cannot write a b\\x1b. Choose another.\n"


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(console.time, "monotonic", lambda: self.now)


def test_lines_say_each_stage_and_each_tenth_once_with_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    progress = console.Lines("reel.wav")
    for done in range(0, 101, 5):
        progress("transcribe", done, 100)
        clock.now += 2
    progress("align", 0, 100)
    progress("align", 100, 100)
    progress.close()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "reel.wav: transcribing"
    left = [f", 0:00:{36 - 4 * tenth:02} left" for tenth in range(9)] + [""]
    assert lines[1:11] == [f"reel.wav: transcribing {(i + 1) * 10} %{left[i]}" for i in range(10)]
    assert lines[11:] == ["reel.wav: timing words", "reel.wav: timing words 100 %"]


def test_lines_come_at_least_each_minute_of_a_long_job_and_no_oftener(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    progress = console.Lines("reel.wav")
    for second in range(301):
        progress("transcribe", second, 36_000)
        clock.now += 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "reel.wav: transcribing" and len(lines) == 6
    assert lines[1] == "reel.wav: transcribing 0 %, 9:59:00 left"


def test_lines_of_a_job_that_goes_on_count_time_from_where_it_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    progress = console.Lines("reel.wav")
    progress("transcribe", 50, 100)
    clock.now += 10
    progress("transcribe", 60, 100)
    assert capsys.readouterr().err.splitlines() == [
        "reel.wav: transcribing, 50 % done before",
        "reel.wav: transcribing 60 %, 0:00:40 left",
    ]


def test_a_bar_of_a_job_that_goes_on_counts_time_from_where_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    progress = console.Bar("reel.wav")
    progress("transcribe", 45_000, 60_000)
    progress("transcribe", 48_000, 60_000)
    assert (progress._bar.initial, progress._bar.n, progress._bar.total) == (45_000, 48_000, 60_000)
    assert progress._bar.mininterval == 0.5
    progress.close()


def test_lines_bear_a_length_that_is_not_known_or_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    progress = console.Lines("reel.wav")
    progress("chunk", 500, 0)
    progress("chunk", 900, 300)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["reel.wav: finding speech", "reel.wav: finding speech 100 %"]


def test_a_bar_shows_the_stage_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = console.progress_for(Path(f"{'long' * 20}\x1b.wav"), quiet=False)
    assert isinstance(progress, console.Bar)
    progress("transcribe", 0, 60_000)
    progress._bar.refresh()
    progress("transcribe", 30_000, 60_000)
    progress._bar.refresh()
    drawn = terminal.getvalue()
    assert "transcribing" in drawn
    assert " 50 %" in drawn
    assert "left" in drawn
    assert "\x1b.wav" not in drawn
    progress("align", 0, 60_000)
    assert "timing words" in terminal.getvalue()
    progress.close()
    progress.close()


def test_a_bar_bears_more_than_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = console.Bar("reel.wav")
    progress("chunk", 5_000, 0)
    progress("chunk", 9_000, 3_000)
    progress._bar.refresh()
    assert "100 %" in terminal.getvalue()
    progress.close()


@pytest.mark.parametrize(("quiet", "kind"), [(True, console.Silence), (False, console.Lines)])
def test_no_bar_in_a_log_and_nothing_when_quiet(quiet: bool, kind: type, capsys: pytest.CaptureFixture[str]) -> None:
    progress = console.progress_for(Path("reel.wav"), quiet)
    assert type(progress) is kind
    progress("chunk", 10, 10)
    progress.close()
    assert bool(capsys.readouterr().err) is not quiet


def boom() -> Exception:
    try:
        raise ZeroDivisionError("by\x1bzero")
    except ZeroDivisionError as error:
        return error


def test_a_fault_names_the_file_that_holds_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHPIPE_WORKSPACE", str(tmp_path))
    error = console.fault(boom())
    (kept,) = (tmp_path / "faults").iterdir()
    assert error.exit_code == 1
    assert "fault of speechpipe (ZeroDivisionError: by\\x1bzero)" in str(error)
    assert str(kept) in error.advice
    assert "Traceback" in kept.read_text()
    assert "def boom" not in str(error)


def test_a_lack_of_memory_is_no_fault_of_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHPIPE_WORKSPACE", str(tmp_path))
    error = console.fault(MemoryError())
    assert "not enough memory" in str(error) and "fault" not in str(error) and error.curable
    assert not list(tmp_path.iterdir())


def test_a_traceback_goes_elsewhere_where_the_workspace_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPEECHPIPE_WORKSPACE", str(tmp_path / "file" / "below"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "elsewhere"))
    kept = console.keep_traceback(boom())
    assert kept is not None
    assert kept.parent == tmp_path / "elsewhere"


def test_wrong_settings_do_not_hide_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHPIPE_DECODING__BEAM_SIZE", "many")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert str(tmp_path) in console.fault(boom()).advice


def test_a_terminal_of_no_width_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import pty

    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        assert terminal.isatty()
        assert not console.has_width(terminal)
        monkeypatch.setattr(sys, "stderr", terminal)
        assert type(console.progress_for(Path("reel.wav"), quiet=False)) is console.Lines
    os.close(ours)
