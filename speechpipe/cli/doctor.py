"""``speechpipe doctor``: what is installed, and whether it works."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import click

from speechpipe import locks
from speechpipe.cli.options import json_option
from speechpipe.console.terminal import say, say_json, shown
from speechpipe.errors import DependencyError, SpeechpipeError, one_line
from speechpipe.installed import flows_module, version

EPILOG = """\b
Examples:
  speechpipe doctor
  speechpipe doctor --json

Exit code 0: recordings can be transcribed; 4: something marked FAILED stands in the way.
"""
#: Scratch of one hour: 16-bit samples at 16 kHz, for two channels.
BYTES_AN_HOUR = 2 * 2 * 16_000 * 3600
State = Literal["ok", "note", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """``note``: something that not everybody needs is absent."""

    what: str
    state: State
    detail: str
    cure: str = ""


@click.command("doctor", epilog=EPILOG)
@json_option
def command(as_json: bool) -> int:
    """Check what is installed and whether it works: libraries, devices, models, workspace."""
    checks = [check for examine in EXAMINATIONS for check in guarded(examine)]
    failed = any(check.state == "failed" for check in checks)
    if as_json:
        say_json({"ok": not failed, "version": version(), "checks": [asdict(check) for check in checks]})
    else:
        marks = {"ok": "ok", "note": "note", "failed": "FAILED"}
        for check in checks:
            say(f"{marks[check.state]:<7} {check.what:<14} {shown(check.detail)} {check.cure}".rstrip())
        say("Something stands in the way: see FAILED." if failed else "Recordings can be transcribed.")
    return DependencyError.exit_code if failed else 0


def guarded(examine: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """What ``examine`` finds; an error in it is a finding too."""
    try:
        yield from examine()
    except SpeechpipeError as error:
        yield Check(examine.__name__, "failed", error.message, error.advice)
    except Exception as error:  # a broken library may raise anything at import
        yield Check(examine.__name__, "failed", one_line(f"{type(error).__name__}: {error}"), "Install it again.")


def python() -> Iterator[Check]:
    fits = sys.version_info >= (3, 11)
    yield Check("python", "ok" if fits else "failed", platform.python_version(), "" if fits else "Take 3.11 or newer.")
    yield Check("speechpipe", "ok", version())


def media() -> Iterator[Check]:
    import av

    libraries = ", ".join(f"{name} {'.'.join(map(str, v))}" for name, v in sorted(av.library_versions.items()))
    yield Check("media", "ok", f"PyAV {av.__version__} with FFmpeg's {libraries}")


def speech() -> Iterator[Check]:
    from faster_whisper.vad import get_vad_model

    get_vad_model()
    names = ("faster-whisper", "onnxruntime")
    yield Check("speech", "ok", ", ".join(f"{name} {metadata.version(name)}" for name in names))


def devices() -> Iterator[Check]:
    import ctranslate2

    gpus = ctranslate2.get_cuda_device_count()
    kinds = ", ".join(sorted(ctranslate2.get_supported_compute_types("cpu")))
    found = f"{gpus} CUDA device{'' if gpus == 1 else 's'}" if gpus else "no CUDA device, the processor is used"
    yield Check("devices", "ok", f"ctranslate2 {ctranslate2.__version__}: {found} (cpu: {kinds})")


def flows() -> Iterator[Check]:
    try:
        yield Check("flows", "ok", f"prefect {metadata.version('prefect')}, flows in {flows_module()}")
    except metadata.PackageNotFoundError:
        yield Check("flows", "note", "prefect is not installed, serve needs it.", "pip install 'speechpipe[flows]'")


def models() -> Iterator[Check]:
    from speechpipe.registry import find, list_models

    entries = [entry for entry in list_models() if entry.embedded]
    if not entries:
        yield Check("models", "failed", "no model is at hand.", "Name the folder of one with --model.")
    for entry in entries:
        try:
            find(entry.name)
            yield Check("model", "ok", f"{entry.name}, whole")
        except SpeechpipeError as error:
            yield Check("model", "failed", error.message, error.advice)


def workspace() -> Iterator[Check]:
    from speechpipe.settings import Settings

    folder = Settings.load().workspace_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"speechpipe")
    except OSError as error:
        yield Check(
            "workspace", "failed", f"cannot write {folder}: {error.strerror}.", "Name another with --workspace."
        )
        return
    yield space(folder)
    yield locking("workspace", folder)


def outputs() -> Iterator[Check]:
    """Whether runs that write into the same results can keep out of each other's way."""
    from speechpipe.settings import Settings

    for name, collection in Settings.load().collections.items():
        for folder in (collection.outputs, collection.restricted):
            if folder is not None and folder.is_dir():
                yield locking(name, folder)


def locking(what: str, folder: Path) -> Check:
    try:
        kept = locks.are_kept(folder)
    except OSError as error:
        return Check(what, "failed", f"cannot write {folder}: {error.strerror}.", "Allow it, or name another.")
    if kept:
        return Check(what, "ok", f"{folder} has locks")
    detail = f"{folder} has no locks, as some network disks: files that name their owner are used instead."
    return Check(what, "note", detail, "After a power cut one may have to be removed; the message names it.")


def space(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    hours = free // BYTES_AN_HOUR
    detail = f"{folder}, writable, {free / 1e9:.1f} GB free (about {hours} hours of two channels)"
    return Check("workspace", "ok" if hours else "note", detail, "" if hours else "Free some space.")


EXAMINATIONS: tuple[Callable[[], Iterator[Check]], ...] = (
    python,
    media,
    speech,
    devices,
    flows,
    models,
    workspace,
    outputs,
)
