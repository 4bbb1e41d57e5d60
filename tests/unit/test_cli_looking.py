"""The commands that look and change nothing: inspect, models, doctor; and how serve begins."""

from __future__ import annotations

import errno
import fcntl
import json
import sys
import types
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from speechpipe import installed
from speechpipe.cli import cli, doctor, inspect
from speechpipe.transcript_data import Media, Stream


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)))


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\1\0\1" * 8000)
    return path


def test_inspect_says_what_the_container_says(tone: Path) -> None:
    result = run("inspect", tone)
    assert result.exit_code == 0, result.output
    assert "tone.wav" in result.output
    assert "0:00:01.000" in result.output
    assert "8000 Hz, 2 channels" in result.output
    assert "pcm_s16le" in result.output


def test_inspect_as_json(tone: Path) -> None:
    data = json.loads(run("inspect", tone, "--json").stdout)
    assert data["recording"] == str(tone)
    assert data["declared_ms"] == 1000
    assert data["streams"][0]["channels"] == 2


def test_inspect_of_nothing(tmp_path: Path) -> None:
    result = run("inspect", tmp_path / "none.wav", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["error"] == "MediaNotFound"
    assert result.stderr.count("\n") == 1


def test_inspect_says_what_is_not_known_and_shows_names_safely() -> None:
    stream = Stream(0, "video", codec="h\x1b264")
    lines = inspect.lines(Media("a\x1b[2J.avi", container="avi", streams=(stream,)))
    text = "\n".join(lines)
    assert "\x1b" not in text
    assert "Length:      not known" in lines
    assert any("no audio stream" in line for line in lines)


@pytest.mark.parametrize(
    ("octets", "text"),
    [(None, "not known"), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB (1000 B)"), (52_428_800, "52.4 MB (52428800 B)")],
)
def test_sizes(octets: int | None, text: str) -> None:
    assert inspect.size(octets) == text


@pytest.mark.parametrize(("ms", "text"), [(None, "not known"), (0, "0:00:00.000"), (36_061_007, "10:01:01.007")])
def test_lengths(ms: int | None, text: str) -> None:
    assert inspect.clock(ms) == text


def test_models_are_listed_with_what_they_are_not_for() -> None:
    lines = run("models", "list").output.splitlines()
    (whisper,) = [line for line in lines if line.startswith("whisper-tiny-archive ")]
    assert whisper.endswith("demo")
    assert "en, nb" in whisper


def test_models_as_json_one_a_line() -> None:
    entries = [json.loads(line) for line in run("models", "list", "--json").stdout.splitlines()]
    assert {"whisper-tiny-archive", "wav2vec2-tiny-archive"} <= {entry["name"] for entry in entries}
    assert all(entry["licence_status"] and entry["roles"] for entry in entries)


def test_a_model_is_shown_with_licence_measurement_and_warning() -> None:
    result = run("models", "show", "whisper-tiny-archive")
    assert result.exit_code == 0
    for label in ("Languages:", "Licence:", "Measured:", "SHA-256:", "Files:       whole", "Warning:"):
        assert label in result.output


def test_a_model_as_json_has_its_digest() -> None:
    data = json.loads(run("models", "show", "whisper-tiny-archive", "--json").stdout)
    assert data["demonstration"] is True
    assert len(data["sha256"]) == 64


def test_an_unknown_model() -> None:
    result = run("models", "show", "whisper-tiny-archiv", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"] == "UnknownModel"
    assert "whisper-tiny-archive" in result.stderr


def test_doctor_finds_this_installation_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHPIPE_WORKSPACE", str(tmp_path / "work"))
    result = run("doctor", "--json")
    data = json.loads(result.stdout)
    assert result.exit_code == 0, data
    assert data["ok"] is True
    assert {"python", "media", "speech", "devices", "flows", "model", "workspace"} <= {
        c["what"] for c in data["checks"]
    }
    assert str(tmp_path / "work") in result.stdout


def test_doctor_says_what_stands_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPEECHPIPE_WORKSPACE", str(tmp_path / "file" / "work"))
    result = run("doctor")
    assert result.exit_code == 4
    assert "FAILED  workspace" in result.output
    assert "--workspace" in result.output


def test_doctor_bears_a_library_that_breaks_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    def media() -> Iterator[doctor.Check]:
        raise OSError("libfoo.so: wrong ELF class\x1b")
        yield

    monkeypatch.setattr(doctor, "EXAMINATIONS", (doctor.python, media))
    result = run("doctor")
    assert result.exit_code == 4
    assert "FAILED  media          OSError: libfoo.so: wrong ELF class\\x1b" in result.output
    assert "ok      python" in result.output


def test_doctor_names_an_altered_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from speechpipe import registry
    from speechpipe.errors import BrokenModel

    def find(name: str) -> None:
        raise BrokenModel(f"The file {name}/model.bin of the model is altered.")

    monkeypatch.setattr(registry, "find", find)
    monkeypatch.setattr(doctor, "EXAMINATIONS", (doctor.models,))
    result = run("doctor")
    assert result.exit_code == 4
    assert result.output.count("FAILED  model ") == sum(entry.embedded for entry in registry.list_models())


def test_doctor_does_not_miss_prefect_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    (check,) = doctor.flows()
    assert check.state == "note"
    assert "pip install 'speechpipe[flows]'" in check.cure


def test_little_space_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=10_000_000))
    assert doctor.space(tmp_path).state == "note"


def test_serve_without_prefect_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechpipe.cli.serve.util.find_spec", lambda name: None)
    result = run("serve")
    assert result.exit_code == 4
    assert "pip install 'speechpipe[flows]'" in result.output
    assert result.output.count("\n") == 1


def test_serve_hands_over_to_the_flows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called: dict[str, object] = {}
    module = types.ModuleType("serve")
    module.serve = lambda **given: called.update(given)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, f"{installed.flows_module()}.serve", module)
    result = run("serve", "--data", tmp_path / "data", "--folder", tmp_path, "--port", "4299")
    assert result.exit_code == 0, result.output
    assert {"data": tmp_path / "data", "folder": tmp_path, "port": 4299}.items() <= called.items()
    assert called["auth_file"] is None and called["public_url"] is None and called["together"] is None


@pytest.mark.parametrize("has_locks", [True, False])
def test_doctor_says_where_the_file_system_has_no_locks(
    has_locks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(descriptor: int, what: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    (tmp_path / "source").mkdir()
    (tmp_path / "out").mkdir()
    settings = f'[collections.tapes]\nroot = "{tmp_path / "source"}"\noutputs = "{tmp_path / "out"}"\n'
    (tmp_path / "speechpipe.toml").write_text(settings)
    monkeypatch.setenv("SPEECHPIPE_SETTINGS", str(tmp_path / "speechpipe.toml"))
    monkeypatch.setenv("SPEECHPIPE_WORKSPACE", str(tmp_path / "work"))
    if not has_locks:
        monkeypatch.setattr(fcntl, "flock", none)
    checks = [*doctor.workspace(), *doctor.outputs()]
    told = {check.what: (check.state, check.detail) for check in checks if "locks" in check.detail}
    assert set(told) == {"workspace", "tapes"}
    for state, detail in told.values():
        assert state == ("ok" if has_locks else "note")
        assert ("has no locks" in detail) != has_locks
    assert list((tmp_path / "out").iterdir()) == []
