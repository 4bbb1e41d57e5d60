"""Defaults < file < environment < call, for every setting, and a plain line for each mistake."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest

from speechpipe.errors import UsageError
from speechpipe.settings import Settings
from speechpipe.settings.alignment import Alignment
from speechpipe.settings.captions import Captions
from speechpipe.settings.chunking import Chunking
from speechpipe.settings.decoding import Decoding
from speechpipe.settings.repositories import Collection, Night


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder without settings, and an environment without ours."""
    import os

    for name in list(os.environ):
        if name.startswith("SPEECHPIPE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield tmp_path


# path of names → (as TOML, as environment variable, as call), each different from the others and the default
EVERY: dict[str, tuple[tuple[str, Any], tuple[str, Any], Any]] = {
    "model": (('"file"', "file"), ("env", "env"), "call"),
    "aligner": (('"file"', "file"), ("none", "none"), "call"),
    "engine": (('"file"', "file"), ("env", "env"), "call"),
    "language": (('"nb"', "nb"), ("sv", "sv"), "se"),
    "languages": (('["nb"]', ("nb",)), ('["sv"]', ("sv",)), ("se", "nb")),
    "models": (('{ nb = "file" }', {"nb": "file"}), ('{"nb": "env"}', {"nb": "env"}), {"nb": "call"}),
    "aligners": (('{ nb = "file" }', {"nb": "file"}), ('{"nb": "env"}', {"nb": "env"}), {"nb": "call"}),
    "streams": (('"all"', "all"), ("nb,se", "nb,se"), "2"),
    "channels": (('"mix"', "mix"), ("split", "split"), "1"),
    "formats": (('["vtt"]', ("vtt",)), ('["alto"]', ("alto",)), ("json", "txt")),
    "offline": (("true", True), ("true", True), True),
    "workspace": (('"/file"', Path("/file")), ("/env", Path("/env")), Path("/call")),
    "accepted_licences": (('["OpenRAIL"]', ("OpenRAIL",)), ('["OTHER"]', ("OTHER",)), ("CC-BY-NC-4.0",)),
    "models_folder": (('"/file"', Path("/file")), ("/env", Path("/env")), Path("/call")),
    "chunking.max_window_ms": (("20000", 20_000), ("15000", 15_000), 10_000),
    "chunking.speech_threshold": (("0.6", 0.6), ("0.7", 0.7), 0.8),
    "chunking.silence_threshold": (("0.2", 0.2), ("0.25", 0.25), 0.3),
    "chunking.min_speech_ms": (("1", 1), ("2", 2), 3),
    "chunking.min_pause_ms": (("1", 1), ("2", 2), 3),
    "chunking.padding_ms": (("1", 1), ("2", 2), 3),
    "chunking.overlap_ms": (("1", 1), ("2", 2), 3),
    "chunking.also": (('["music"]', ("music",)), ('["noise"]', ("noise",)), ("tone", "music")),
    "decoding.beam_size": (("2", 2), ("3", 3), 4),
    "decoding.batch_size": (("2", 2), ("3", 3), 4),
    "decoding.prompt": (('"file"', "file"), ("env", "env"), "call"),
    "decoding.vocabulary": (('["Vadsø"]', ("Vadsø",)), ('["Bergen"]', ("Bergen",)), ("Hitra", "Smøla")),
    "decoding.context": (("true", True), ("true", True), True),
    "decoding.fallback": (('"off"', "off"), ("deterministic", "deterministic"), "off"),
    "decoding.device": (('"cpu"', "cpu"), ("cuda", "cuda"), "cpu"),
    "decoding.compute_type": (('"int8"', "int8"), ("float16", "float16"), "float32"),
    "decoding.threads": (("1", 1), ("2", 2), 3),
    "alignment.method": (('"torchaudio"', "torchaudio"), ("torchaudio", "torchaudio"), "torchaudio"),
    "captions.max_lines": (("1", 1), ("3", 3), 4),
    "captions.max_line_chars": (("20", 20), ("30", 30), 40),
    "captions.min_cue_ms": (("1", 1), ("2", 2), 3),
    "captions.max_cue_ms": (("2000", 2_000), ("3000", 3_000), 4_000),
    "captions.max_chars_per_second": (("11.5", 11.5), ("12.5", 12.5), 13.5),
    "captions.min_gap_ms": (("1", 1), ("2", 2), 3),
    "captions.preset": (('"broadcast"', "broadcast"), ("verbatim", "verbatim"), "one-cue-per-segment"),
    "captions.whole_segments": (("true", True), ("true", True), True),
    "captions.keep_cues": (("false", False), ("false", False), False),
    "captions.withhold": (('["repetition"]', ("repetition",)), ('["a"]', ("a",)), ("b", "c")),
    "captions.header": (("false", False), ("false", False), False),
    "night.settle_minutes": (("1", 1.0), ("2", 2.0), 3.0),
    "night.ready_marker": (('".ok"', ".ok"), ("READY", "READY"), ".done"),
    "night.unknown_rights": (('"open"', "open"), ("skip", "skip"), "open"),
    "night.rerun": (('"failed"', "failed"), ("all", "all"), "model-changed"),
    "night.rerun_quota": (("1", 1), ("2", 2), 3),
    "collections": (
        ('{ a = { root = "/1", outputs = "/2" } }', {"a": Collection(root=Path("/1"), outputs=Path("/2"))}),
        ('{"a": {"root": "/3", "outputs": "/4"}}', {"a": Collection(root=Path("/3"), outputs=Path("/4"))}),
        {"a": Collection(root=Path("/5"), outputs=Path("/6"), restricted=Path("/7"))},
    ),
}
SECTIONS = {"chunking": Chunking, "decoding": Decoding, "alignment": Alignment, "captions": Captions, "night": Night}


def value(settings: Settings, path: str) -> Any:
    found: Any = settings
    for name in path.split("."):
        found = getattr(found, name)
    return found


def call(path: str, given: Any) -> dict[str, Any]:
    section, _, name = path.rpartition(".")
    return {section: {name: given}} if section else {name: given}


def test_every_setting_is_tried_below() -> None:
    top = [name for name in Settings.model_fields if name not in SECTIONS]
    nested = [f"{section}.{name}" for section, kind in SECTIONS.items() for name in kind.model_fields]
    assert sorted(EVERY) == sorted(top + nested)


@pytest.mark.parametrize("path", EVERY)
def test_defaults_then_file_then_environment_then_call(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (toml, from_file), (variable, from_environment), from_call = EVERY[path]
    assert value(Settings.load(), path) not in (from_file, from_environment)
    section, _, name = path.rpartition(".")
    (tmp_path / "speechpipe.toml").write_text(f"[{section}]\n{name} = {toml}\n" if section else f"{name} = {toml}\n")
    assert value(Settings.load(), path) == from_file
    monkeypatch.setenv("SPEECHPIPE_" + path.upper().replace(".", "__"), variable)
    assert value(Settings.load(), path) == from_environment
    assert value(Settings.load(**call(path, from_call)), path) == from_call


def test_sources_are_merged_setting_by_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "speechpipe.toml").write_text("[chunking]\nmin_speech_ms = 11\nmin_pause_ms = 11\n")
    monkeypatch.setenv("SPEECHPIPE_CHUNKING__MIN_PAUSE_MS", "22")
    chunking = Settings.load(chunking={"padding_ms": 33}).chunking
    assert (chunking.min_speech_ms, chunking.min_pause_ms, chunking.padding_ms) == (11, 22, 33)
    assert chunking.max_window_ms == Chunking.model_fields["max_window_ms"].default


def test_none_in_a_call_counts_as_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHPIPE_MODEL", "env")
    assert Settings.load(model=None).model == "env"


def test_another_file_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "speechpipe.toml").write_text('model = "here"')
    (tmp_path / "other.toml").write_text('model = "other"')
    monkeypatch.setenv("SPEECHPIPE_SETTINGS", str(tmp_path / "other.toml"))
    assert Settings.load().model == "other"


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("modle = 'x'", "modle"),
        ("[chunking]\nmax_windows_ms = 1", "chunking.max_windows_ms"),
        ("[chunking]\nmax_window_ms = 40000", "chunking.max_window_ms: .*30000.*40000"),
        ("[decoding]\nbeam_size = 0", "decoding.beam_size"),
        ("[decoding]\ndevice = 'tpu'", "decoding.device: .*'tpu'"),
        ("offline = 'perhaps'", "offline: .*'perhaps'"),
        ("model = ", "cannot be read"),
    ],
)
def test_a_mistake_in_the_file_is_told_in_a_line(toml: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "speechpipe.toml").write_text(toml)
    with pytest.raises(UsageError, match=told) as raised:
        Settings.load()
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "given"),
    [("SPEECHPIPE_DECODING__BEAM_SIZE", "many"), ("SPEECHPIPE_OFFLINE", "perhaps"), ("SPEECHPIPE_FORMATS", "[")],
)
def test_a_mistake_in_the_environment_is_told_in_a_line(name: str, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, given)
    with pytest.raises(UsageError):
        Settings.load()


def test_a_name_that_is_none_is_refused_in_a_call() -> None:
    with pytest.raises(UsageError, match="colour"):
        Settings.load(colour="blue")


def test_settings_are_frozen_and_with_gives_a_changed_copy() -> None:
    settings = Settings.load()
    for target, name in ((settings, "model"), (settings.captions, "max_lines")):
        with pytest.raises(pydantic.ValidationError):
            setattr(target, name, "x")
    assert settings.with_(model="x").model == "x"
    assert settings.model == "auto"


def test_the_workspace_is_as_set_or_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert Settings.load().workspace_folder == tmp_path / "cache" / "speechpipe" / "work"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.load().workspace_folder == tmp_path / ".cache" / "speechpipe" / "work"
    assert Settings.load(workspace=tmp_path / "w").workspace_folder == tmp_path / "w"


@pytest.mark.parametrize("kind", SECTIONS.values())
def test_every_section_has_defaults(kind: type[pydantic.BaseModel]) -> None:
    assert kind.model_validate({}) == kind()


@pytest.mark.parametrize("kind", ["gone", "dangling", "folder", "pipe"])
@pytest.mark.parametrize("named", [True, False])
def test_a_file_of_settings_that_cannot_be_read_is_an_error(
    kind: str, named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / ("radio.toml" if named else "speechpipe.toml")
    if named:
        monkeypatch.setenv("SPEECHPIPE_SETTINGS", str(file))
    if kind == "dangling":
        file.symlink_to(tmp_path / "nowhere.toml")
    elif kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    if kind == "gone" and not named:
        assert Settings.load() == Settings(), "nothing says that there should be one"
        return
    with pytest.raises(UsageError, match="settings") as caught:
        Settings.load()
    assert file.name in caught.value.message and ("SPEECHPIPE_SETTINGS" in str(caught.value))


def test_a_device_that_is_empty_stands_for_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHPIPE_SETTINGS", os.devnull)
    assert Settings.load() == Settings()
