"""Bad input on the command line: one clear line, the right code, nothing half-written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from speechpipe.cli import cli

MODEL = "whisper-tiny-archive"


def write_wav(path: Path, seconds: float, level: float = 0.3) -> Path:
    wave_of = np.sin(np.arange(int(16_000 * seconds)) * 0.05) * level * 32_767
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(wave_of.astype("<i2").tobytes())
    return path


def empty(folder: Path) -> Path:
    (folder / "bad.wav").write_bytes(b"")
    return folder / "bad.wav"


def text(folder: Path) -> Path:
    (folder / "bad.wav").write_text("This is a letter about a recording.\n" * 50)
    return folder / "bad.wav"


def random_bytes(folder: Path) -> Path:
    (folder / "bad.wav").write_bytes(np.random.default_rng(1).bytes(50_000))
    return folder / "bad.wav"


def head_only(folder: Path) -> Path:
    whole = write_wav(folder / "bad.wav", 1)
    whole.write_bytes(whole.read_bytes()[:20])
    return whole


def picture(folder: Path) -> Path:
    (folder / "bad.wav").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 200)
    return folder / "bad.wav"


def playlist(folder: Path) -> Path:
    (folder / "bad.wav").write_text("#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n")
    return folder / "bad.wav"


def missing(folder: Path) -> Path:
    return folder / "not-there.wav"


def below_a_file(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file" / "bad.wav"


def endless_link(folder: Path) -> Path:
    (folder / "bad.wav").symlink_to(folder / "bad.wav")
    return folder / "bad.wav"


UNREADABLE = [empty, text, random_bytes, head_only, picture, playlist, missing, below_a_file, endless_link]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def given(tmp_path: Path) -> Path:
    (tmp_path / "given").mkdir()
    return tmp_path / "given"


@pytest.fixture
def transcribe(tmp_path: Path, out: Path) -> Callable[..., Result]:
    def call(*arguments: object, output: Path | None = None) -> Result:
        fixed = ["--output", str(output or out), "--workspace", str(tmp_path / "work")]
        return CliRunner().invoke(cli, ["transcribe", *map(str, arguments), *fixed])

    return call


def one_clear_line(result: Result, *named: object) -> None:
    lines = [line for line in result.stderr.splitlines() if line.startswith("speechpipe: ")]
    assert len(lines) == 1, result.stderr
    for name in named:
        assert str(name) in lines[0]
    assert lines[0].count(". ") >= 1, "what happened, then what to do"
    assert "Traceback" not in result.output
    assert not [line for line in result.stderr.splitlines() if line.startswith("Error")]


def results(folder: Path) -> list[str]:
    """All that was written but the receipt of the failure."""
    found = sorted(path.name for path in folder.rglob("*") if path.is_file()) if folder.exists() else []
    return [name for name in found if not name.endswith(".speechpipe.failed.json")]


@pytest.mark.parametrize("make", UNREADABLE, ids=lambda make: make.__name__)
def test_a_recording_that_cannot_be_read(
    make: Callable[[Path], Path], given: Path, out: Path, transcribe: Callable[..., Result]
) -> None:
    bad = make(given)
    result = transcribe(bad, "--engine", "fake", "--quiet")
    assert result.exit_code == 3
    one_clear_line(result, bad)
    assert result.stdout == ""
    assert results(out) == []


@pytest.mark.parametrize("make", UNREADABLE, ids=lambda make: make.__name__)
def test_the_others_are_done_all_the_same(
    make: Callable[[Path], Path], given: Path, out: Path, transcribe: Callable[..., Result]
) -> None:
    bad = make(given)
    good = [write_wav(given / "first.wav", 1), write_wav(given / "last.wav", 1.5)]
    result = transcribe(good[0], bad, good[1], "--engine", "fake", "--json")
    assert result.exit_code == 8
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [entry["status"] for entry in told] == ["done", "failed", "done"]
    assert told[1]["recording"] == str(bad)
    assert told[1]["exit_code"] == 3
    assert told[1]["cure"]
    assert "3 recordings: 2 done, 1 failed." in result.stderr
    assert {"first.wav.vtt", "last.wav.alto.xml"} <= set(results(out))
    assert not [name for name in results(out) if name.startswith(bad.name)]


def test_a_truncated_recording_is_done_as_far_as_it_goes_and_says_so(
    given: Path, out: Path, transcribe: Callable[..., Result]
) -> None:
    whole = write_wav(given / "torn.wav", 4)
    whole.write_bytes(whole.read_bytes()[:64_044])
    result = transcribe(whole, "--engine", "fake", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["complete"] is False
    assert 1_900 <= told["audio_ms"] <= 2_100
    assert told["message"]
    assert "Incomplete" in (out / "torn.wav.txt").read_text()


def test_sound_of_no_length_is_a_result(given: Path, out: Path, transcribe: Callable[..., Result]) -> None:
    result = transcribe(write_wav(given / "nothing.wav", 0), "--engine", "fake", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["outcome"] in ("silent", "no_speech")
    assert told["words"] == 0
    assert json.loads((out / "nothing.wav.json").read_text())["segments"] == []


def test_a_film_without_sound_is_a_result(given: Path, out: Path, transcribe: Callable[..., Result]) -> None:
    import av

    with av.open(str(given / "mute.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    result = transcribe(given / "mute.mp4", "--engine", "fake", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["outcome"] == "no_audio"
    assert {f"mute.mp4{end}" for end in (".vtt", ".alto.xml", ".json", ".txt")} <= set(results(out))


def test_an_output_folder_that_cannot_be(given: Path, tmp_path: Path, transcribe: Callable[..., Result]) -> None:
    good = write_wav(given / "good.wav", 1)
    (tmp_path / "file").write_text("kept")
    result = transcribe(good, "--engine", "fake", "--quiet", output=tmp_path / "file" / "below")
    assert result.exit_code == 5
    one_clear_line(result, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_workspace_that_cannot_be(given: Path, tmp_path: Path, out: Path) -> None:
    good = write_wav(given / "good.wav", 1)
    (tmp_path / "file").write_text("")
    arguments = ["transcribe", good, "--engine", "fake", "--quiet", "--output", out, "--workspace", tmp_path / "file/w"]
    result = CliRunner().invoke(cli, list(map(str, arguments)))
    assert result.exit_code == 5
    one_clear_line(result, tmp_path / "file")
    assert results(out) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--model", "whisper-tiny-archiv"], "whisper-tiny-archive"),
        (["--model", "./no-such-folder"], "./no-such-folder"),
        ([], "--model"),
        (["--model", MODEL, "--language", "klingonsk"], "klingonsk"),
        (["--model", MODEL, "--format", "vtt,docx"], "docx"),
        (["--model", MODEL, "--engine", "kaldi"], "kaldi"),
        (["--model", MODEL, "--engine", "wav2vec2"], "wav2vec2"),
        (["--model", MODEL, "--aligner", "nothing"], "nothing"),
        (["--model", MODEL, "--aligner", MODEL], "align"),
        (["--engine", "fake", "--channels", "left"], "left"),
        (["--engine", "fake", "--channels", "3"], "3"),
    ],
)
def test_what_does_not_exist_is_named(
    arguments: list[str], named: str, given: Path, out: Path, transcribe: Callable[..., Result]
) -> None:
    result = transcribe(write_wav(given / "good.wav", 1), *arguments, "--json", "--quiet")
    assert result.exit_code == 2
    one_clear_line(result, named)
    if "--format" not in arguments:  # refused while reading the command line, before any recording
        told = json.loads(result.stdout)
        assert told["status"] == "failed"
        assert told["exit_code"] == 2
    assert results(out) == []


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("SPEECHPIPE_FORMATS", '["vtt", "docx"]', "docx"),
        ("SPEECHPIPE_DECODING__BEAM_SIZE", "many", "beam_size"),
        ("SPEECHPIPE_SETTINGS", "{given}/bad.toml", "settings"),
    ],
)
def test_wrong_settings_are_named_before_any_work(
    name: str,
    value: str,
    named: str,
    given: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    transcribe: Callable[..., Result],
) -> None:
    (given / "bad.toml").write_text("model = [")
    monkeypatch.setenv(name, value.format(given=given))
    result = transcribe(write_wav(given / "good.wav", 1), "--engine", "fake")
    assert result.exit_code == 2
    one_clear_line(result, named)
    assert not (given.parent / "work").exists()
    assert results(out) == []


def copied(model: Path, folder: Path) -> Path:
    target = folder / "my-model"
    shutil.copytree(model, target, ignore=shutil.ignore_patterns("*.safetensors"))
    return target


@pytest.mark.parametrize("name", ["ct2/model.bin", "ct2/config.json", "ct2/tokenizer.json"])
@pytest.mark.parametrize("harm", ["missing", "cut", "altered"])
def test_a_model_with_a_file_missing_or_altered(
    name: str, harm: str, root: Path, given: Path, out: Path, transcribe: Callable[..., Result]
) -> None:
    model = copied(root / "models" / MODEL, given)
    file = model / name
    content = file.read_bytes()
    if harm == "missing":
        file.unlink()
    else:
        middle = len(content) // 2
        file.write_bytes(content[:middle] if harm == "cut" else content[:middle] + b"\0\1" + content[middle + 2 :])
    result = transcribe(write_wav(given / "good.wav", 1), "--model", model, "--quiet")
    assert result.exit_code == 6
    one_clear_line(result, file.name)
    assert results(out) == []


def test_a_folder_is_no_recording(given: Path, out: Path, transcribe: Callable[..., Result]) -> None:
    good = write_wav(given / "good.wav", 1)
    alone = transcribe(given, "--engine", "fake", "--quiet")
    assert alone.exit_code == 2
    one_clear_line(alone, given, "speechpipe serve")
    both = transcribe(given, good, "--engine", "fake", "--quiet")
    assert both.exit_code == 8
    assert "good.wav.vtt" in results(out)


def test_two_recordings_of_one_name_do_not_overwrite_each_other(
    given: Path, out: Path, transcribe: Callable[..., Result]
) -> None:
    for side in "ab":
        (given / side).mkdir()
    first, second = write_wav(given / "a" / "reel.wav", 1), write_wav(given / "b" / "reel.wav", 2)
    result = transcribe(first, second, "--engine", "fake", "--quiet")
    assert result.exit_code == 8
    one_clear_line(result, first, second)
    assert json.loads((out / "reel.wav.json").read_text())["media"]["duration_ms"] == 1000


def test_a_hostile_name_never_reaches_the_terminal_raw(
    given: Path, out: Path, transcribe: Callable[..., Result]
) -> None:
    good = write_wav(given / "\x1b[2J\x1b]0;owned\x07\u202efdp.wav", 1)
    for arguments in ([], ["--json"]):
        result = transcribe(good, "--engine", "fake", "--again", *arguments)
        assert result.exit_code == 0, result.stderr
        assert not {"\x1b", "\x07", "\u202e"} & set(result.output)
    assert json.loads(result.stdout)["recording"] == str(good)


def test_a_fault_in_one_recording_does_not_cost_the_others(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transcribe: Callable[..., Result]
) -> None:
    from speechpipe import pipeline

    real = pipeline.process

    def process(transcriber: object, repository: object, item: object, *rest: object, **more: object) -> object:
        if "first" in item.identifier:  # type: ignore[attr-defined]
            raise ZeroDivisionError("surprise")
        return real(transcriber, repository, item, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "process", process)
    monkeypatch.setenv("SPEECHPIPE_WORKSPACE", str(tmp_path / "faults-here"))
    good = [write_wav(given / name, 1) for name in ("first.wav", "second.wav")]
    result = transcribe(*good, "--engine", "fake", "--json", "--quiet")
    assert result.exit_code == 8
    assert [json.loads(line)["status"] for line in result.stdout.splitlines()] == ["failed", "done"]
    one_clear_line(result, "ZeroDivisionError", tmp_path / "faults-here")
    assert transcribe(good[0], "--engine", "fake", "--quiet").exit_code == 1


def test_from_a_shell_nothing_but_the_line_and_the_code(given: Path, out: Path, tmp_path: Path, root: Path) -> None:
    bad = text(given)
    command = [sys.executable, "-m", "speechpipe.cli", "transcribe", bad, "--engine", "fake", "--output", out]
    command += ["--workspace", tmp_path / "work"]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=root, check=False)
    assert result.returncode == 3
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith(f"speechpipe: {bad}")
    assert "Traceback" not in result.stderr
