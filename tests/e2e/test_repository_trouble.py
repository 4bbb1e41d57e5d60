"""Trouble with repositories, each with a clear outcome: a full disk, a read-only or vanished one, names of every kind.

A full and a read-only disk are real ones: small mounts in a name space of their own, where the kernel lets us have one;
elsewhere a limit of file size, and a folder in which the kernel itself lets nobody write.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speechpipe import Settings, Transcriber
from speechpipe.audio import write_wav
from speechpipe.errors import (
    ChecksumMismatch,
    MediaNotFound,
    NameTaken,
    NotPermitted,
    OutputError,
    RepositoryError,
    SpeechpipeError,
    Withdrawn,
)
from speechpipe.pipeline import Run, process
from speechpipe.repositories import FolderRepository, Item, LeftOut, Policy, Receipt, select, settle
from speechpipe.repositories.metadata import fixity
from speechpipe.repositories.rights import public_name
from speechpipe.settings.repositories import Collection

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "--")
AT_ONCE = Policy(settle=timedelta(0))


def tone(path: Path, seconds: float = 1.0, level: float = 0.3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(np.sin(np.arange(int(16_000 * seconds)) * 0.05).astype(np.float32) * level, 16_000, path)
    return path


@pytest.fixture
def transcriber(tmp_path: Path) -> Transcriber:
    return Transcriber(Settings.load(engine="fake", workspace=tmp_path / "work"))


@pytest.fixture
def repository(tmp_path: Path) -> FolderRepository:
    (tmp_path / "source").mkdir()
    return FolderRepository(tmp_path / "source", tmp_path / "results")


def night(transcriber: Transcriber, repository: FolderRepository) -> dict[str, Receipt | SpeechpipeError]:
    """What a batch does, one after the other."""
    outcomes: dict[str, Receipt | SpeechpipeError] = {}
    for choice in settle(repository, select(repository, AT_ONCE)).todo:
        try:
            outcomes[choice.item.location] = process(transcriber, repository, choice.item, again=choice.again)
        except SpeechpipeError as error:
            outcomes[choice.item.location] = error
    return outcomes


# Disks.

SCRIPT = """
import json, os, resource, sys
from pathlib import Path
from speechpipe import Settings, Transcriber
from speechpipe.errors import SpeechpipeError
from speechpipe.pipeline import process
from datetime import timedelta
from speechpipe.repositories import FolderRepository, Policy, select, settle

source, disk, work, trouble = map(Path, sys.argv[1:5])
begin, end = __import__("json").loads(sys.argv[5])
repository = FolderRepository(source, disk / "results")
transcriber = Transcriber(Settings.load(engine="fake", workspace=work))

def state():
    files = (path for path in disk.rglob("*") if path.is_file() and path.name != "ballast")
    return sorted(f"{path.relative_to(disk)}: {path.stat().st_size > 0}" for path in files)

def attempt(name):
    item = repository.item(name)
    try:
        receipt = process(transcriber, repository, item, again=True)
        return {"status": receipt.status, "state": state()}
    except SpeechpipeError as error:
        return {"error": type(error).__name__, "told": str(error), "curable": error.curable, "state": state()}

def batch():
    try:
        return settle(repository, select(repository, Policy(settle=timedelta(0)))).sentence
    except SpeechpipeError as error:
        return {"error": type(error).__name__, "told": str(error), "curable": error.curable, "state": state()}

told = [attempt("a.wav")]
exec(begin)
told += [attempt("a.wav"), attempt("b.wav"), batch()]
exec(end)
told += [batch(), attempt("b.wav")]
print(json.dumps(told))
"""
MOUNT = 'mount -t tmpfs -o size=256k none "$1" && shift && exec "$@"'
FILL = """
with open(disk / "ballast", "wb", buffering=0) as file:
    try:
        while file.write(b"x" * 512):
            pass
    except OSError:
        pass
"""
LIMIT = "resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))"
UNLIMITED = "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))"
REMOUNT = "import subprocess; subprocess.run(['mount', '-o', 'remount,{}', str(disk)], check=True)"


@cache
def may_mount() -> bool:
    try:
        command = [*NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def on_disk(tmp_path: Path, begin: str, end: str, mounted: bool) -> list[dict[str, Any]]:
    for name, seconds in (("a.wav", 1.0), ("b.wav", 2.0)):
        tone(tmp_path / "source" / name, seconds)
    (tmp_path / "disk").mkdir()
    folders = [str(tmp_path / name) for name in ("source", "disk", "work", "unused")]
    program = [sys.executable, "-c", textwrap.dedent(SCRIPT), *folders, json.dumps([begin, end])]
    command = [*NAMESPACE, "sh", "-c", MOUNT, "sh", folders[1], *program] if mounted else program
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    told: list[dict[str, Any]] = json.loads(ran.stdout)
    return told


@pytest.mark.parametrize("kind", ["a disk", "a limit"])
def test_a_full_disk_costs_nothing_that_was_there_and_is_over_when_there_is_space(kind: str, tmp_path: Path) -> None:
    mounted = kind == "a disk" and may_mount()
    begin, end = (FILL, "(disk / 'ballast').unlink()") if mounted else (LIMIT, UNLIMITED)
    first, again, other, all_of_them, told, freed = on_disk(tmp_path, begin, end, mounted)
    assert first["status"] == "done" and len(first["state"]) == 5
    assert told == "2 recordings: 1 new, 1 done."
    for failed in (again, other, all_of_them):
        assert failed["error"] == "OutputError" and failed["curable"]
        assert "No space is left for" in failed["told"] if mounted else "Cannot write" in failed["told"]
    assert again["state"] == first["state"], "what stood there still stands, and no temporary file"
    assert not any("b.wav.vtt" in name or ".part" in name for name in other["state"])
    assert freed["status"] == "done" and not any("failed" in name for name in freed["state"])


def test_a_read_only_disk_is_told_and_left_as_it_is(tmp_path: Path, transcriber: Transcriber) -> None:
    if may_mount():
        first, *failures, told, freed = on_disk(tmp_path, REMOUNT.format("ro"), REMOUNT.format("rw"), True)
        for failed in failures:
            assert failed["error"] == "OutputError" and "Read-only file system" in failed["told"]
            assert failed["state"] == first["state"]
        assert (freed["status"], told) == ("done", "2 recordings: 1 new, 1 done.")
    nobody_writes = FolderRepository(tone(tmp_path / "in" / "c.wav").parent, Path("/proc/self/results"))
    (item,) = nobody_writes.discover()
    with pytest.raises(OutputError, match="Cannot write"):
        process(transcriber, nobody_writes, item)
    with pytest.raises(OutputError, match="Cannot write"):
        settle(nobody_writes, select(nobody_writes, AT_ONCE))


def test_a_repository_that_vanishes_in_mid_run_is_tried_again_when_it_is_back(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path
) -> None:
    names = [tone(repository.source / f"{number}.wav", number).name for number in (1, 2, 3)]
    items = [repository.item(name) for name in names]
    unmounted = tmp_path / "unmounted"

    def unmount(stage: str, done_ms: int, total_ms: int) -> None:
        if not unmounted.exists():
            repository.source.rename(unmounted)
            repository.source.mkdir()

    assert process(transcriber, repository, items[0]).status == "done"
    with pytest.raises(RepositoryError, match="gone or empty") as caught:
        process(transcriber, repository, items[1], unmount)
    assert caught.value.curable
    with pytest.raises(RepositoryError, match="gone or empty"):
        process(transcriber, repository, items[2])
    with pytest.raises(RepositoryError, match="mounted"):
        select(repository, AT_ONCE)
    repository.source.rmdir()
    unmounted.rename(repository.source)
    waiting = select(repository, AT_ONCE).of("waiting")
    assert [choice.item.location for choice in waiting] == names[1:], (
        "curable failures rest before they are tried again"
    )
    for item in items[1:]:
        assert process(transcriber, repository, item).status == "done"
    assert [choice.kind for choice in select(repository, AT_ONCE).choices] == ["done"] * 3


def test_a_recording_that_changes_while_it_is_read_is_not_taken(
    transcriber: Transcriber, repository: FolderRepository
) -> None:
    path = tone(repository.source / "a.wav", 5)
    item = repository.item("a.wav")
    with pytest.raises(RepositoryError, match="changed while it was read") as caught:
        process(transcriber, repository, item, lambda *progress: tone(path, 7))
    assert caught.value.curable and not list(repository.outputs.glob("*.vtt"))
    assert process(transcriber, repository, item).audio_ms == 7000


# Names.

NAMES = {
    "spaces": "  side A  of reel .wav",
    "composed": unicodedata.normalize("NFC", "lydbånd é.wav"),
    "decomposed": unicodedata.normalize("NFD", "lydbånd é.wav"),
    "quotes": 'it\'s "his" `voice`; $(rm -rf) & co.wav',
    "newline": "side A\nside B\r.wav",
    "dashes": "--output=x.wav",
    "255 bytes": "x" * 251 + ".wav",
    "255 bytes of Japanese": "録" * 83 + "é.wav",
    "not UTF-8": os.fsdecode(b"b\xe5nd.wav"),
    "markup": "<b onclick=x>&amp;.wav",
    "a pattern": "[a-z]*?.wav",
    "a version": "a.wav.v2.wav",
    "many dots": "a...wav",
}


def test_every_name_goes_all_the_way_and_none_gets_into_anothers_way(
    transcriber: Transcriber, repository: FolderRepository
) -> None:
    for number, name in enumerate([*NAMES.values(), "box 1/same.wav", "box 2/same.wav"], 1):
        tone(repository.source / name, number / 10)
    outcomes = night(transcriber, repository)
    assert {name: type(outcome) for name, outcome in outcomes.items()} == dict.fromkeys(outcomes, Receipt)
    assert len(outcomes) == len(NAMES) + 2
    lengths = {}
    for item in repository.discover():
        receipt = repository.existing(item)
        assert receipt is not None and receipt == outcomes[item.location]
        (transcript,) = [path for path in repository.paths(item, receipt) if path.name.endswith(".json")]
        lengths[item.location] = json.loads(transcript.read_bytes())["media"]["duration_ms"]
    assert sorted(lengths.values()) == [100 * number for number in range(1, len(NAMES) + 3)]
    assert not select(repository, AT_ONCE).todo


def test_the_command_line_takes_every_name(tmp_path: Path, root: Path) -> None:
    for name in NAMES.values():
        tone(tmp_path / "in" / name)
    command = [sys.executable, "-m", "speechpipe.cli", "transcribe", "--engine", "fake", "--json", "--quiet"]
    command += ["--output", str(tmp_path / "out"), "--workspace", str(tmp_path / "work"), "--", *NAMES.values()]
    environment = os.environ | {"PYTHONPATH": str(root)}
    ran = subprocess.run(command, cwd=tmp_path / "in", env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [one["recording"] for one in told] == list(NAMES.values())
    files = {file for one in told for file in one["files"]}
    assert len(files) == 4 * len(NAMES) and all((tmp_path / "in" / file).is_file() for file in files)


def test_a_link_out_of_the_repository_is_told_and_not_followed(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path
) -> None:
    tone(tmp_path / "secret.wav")
    (tmp_path / "elsewhere").mkdir()
    tone(tmp_path / "elsewhere" / "b.wav")
    tone(repository.source / "a.wav")
    (repository.source / "leak.wav").symlink_to(tmp_path / "secret.wav")
    (repository.source / "folder").symlink_to(tmp_path / "elsewhere")
    assert list(night(transcriber, repository)) == ["a.wav"]
    assert select(repository, AT_ONCE).left_out == (
        LeftOut("leak.wav", "It is a link that leads out of the collection."),
    )


def test_of_two_recordings_of_one_name_the_second_does_not_overwrite_the_first(
    transcriber: Transcriber, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    tone(tmp_path / "a" / "reel.wav", 1)
    tone(tmp_path / "b" / "reel.wav", 2)
    first, item = FolderRepository.of_file(tmp_path / "a" / "reel.wav", out)
    done = process(transcriber, first, item)
    before = {path: path.read_bytes() for path in out.iterdir()}
    second, _ = FolderRepository.of_file(tmp_path / "b" / "reel.wav", out)
    for again in (False, True):
        with pytest.raises(NameTaken, match=r"another recording named reel\.wav") as caught:
            process(transcriber, second, item, again=again)
        assert "--output" in caught.value.advice
    assert {path: path.read_bytes() for path in out.iterdir()} == before, "not even a receipt of failure"
    (tmp_path / "b" / "reel.wav").write_bytes(b"no sound")
    with pytest.raises(NameTaken):
        process(transcriber, second, item)
    (tmp_path / "b" / "reel.wav.md5").write_text("0" * 32)
    with pytest.raises(ChecksumMismatch):
        process(transcriber, second, item)
    assert first.existing(item) == done, "the failure of one is not told of the other"


def test_of_two_recordings_of_one_name_size_and_date_the_second_is_not_taken_for_the_first(
    transcriber: Transcriber, tmp_path: Path
) -> None:
    for folder, level in (("a", 0.3), ("b", 0.2)):
        os.utime(tone(tmp_path / folder / "reel.wav", 1, level), (1_000_000, 1_000_000))
    first, item = FolderRepository.of_file(tmp_path / "a" / "reel.wav", tmp_path / "out")
    process(transcriber, first, item)
    second, _ = FolderRepository.of_file(tmp_path / "b" / "reel.wav", tmp_path / "out")
    with pytest.raises(NameTaken):
        process(transcriber, second, item)


def test_the_same_recording_from_another_folder_or_changed_in_its_own_is_no_other(
    transcriber: Transcriber, tmp_path: Path
) -> None:
    tone(tmp_path / "a" / "reel.wav", 1)
    first, item = FolderRepository.of_file(tmp_path / "a" / "reel.wav", tmp_path / "out")
    done = process(transcriber, first, item)
    (tmp_path / "a").rename(tmp_path / "moved")
    moved, _ = FolderRepository.of_file(tmp_path / "moved" / "reel.wav", tmp_path / "out")
    assert Run(transcriber, moved, item).already() == done
    assert process(transcriber, moved, item, again=True).version == 1
    tone(tmp_path / "moved" / "reel.wav", 3)
    assert process(transcriber, moved, item).audio_ms == 3000


def test_one_unreadable_recording_does_not_cost_the_others(
    transcriber: Transcriber, repository: FolderRepository
) -> None:
    for name in ("a.wav", "c.wav"):
        tone(repository.source / name)
    (repository.source / "b.wav").write_bytes(b"no sound")
    (tone(repository.source / "d.wav").with_name("d.wav.md5")).write_text("0" * 32 + "  d.wav\n")
    kinds = {name: type(outcome).__name__ for name, outcome in night(transcriber, repository).items()}
    assert kinds == {
        "a.wav": "Receipt",
        "b.wav": "UnreadableMedia",
        "c.wav": "Receipt",
        "d.wav": ChecksumMismatch.__name__,
    }
    failed = {choice.name: choice.receipt for choice in select(repository, AT_ONCE).of("failed")}
    assert {name: receipt and receipt.error for name, receipt in failed.items()} == {
        "b.wav": "UnreadableMedia",
        "d.wav": "ChecksumMismatch",
    }
    assert night(transcriber, repository) == {}, "they are not tried again"
    (repository.source / "d.wav.md5").unlink()
    assert list(night(transcriber, repository)) == ["d.wav"]


# Hashing, rights, tombstones, as a run meets them.


def test_a_recording_is_hashed_once_and_not_again_for_another_format(
    transcriber: Transcriber, repository: FolderRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone(repository.source / "a.wav")
    item = repository.item("a.wav")
    read: list[Path] = []
    real = fixity.read_through

    def counted(path: Path, *rest: Any) -> Any:
        read.append(path)
        return real(path, *rest)

    monkeypatch.setattr(fixity, "read_through", counted)
    process(transcriber, repository, item)
    process(transcriber, repository, item, again=True)
    assert read == [repository.source / "a.wav"]
    tone(repository.source / "a.wav", 2)
    process(transcriber, repository, item)
    assert len(read) == 2


def test_failures_count_their_attempts_and_rest(transcriber: Transcriber, repository: FolderRepository) -> None:
    tone(repository.source / "a.wav")
    item = repository.item("a.wav")

    def broken(stage: str, done_ms: int, total_ms: int) -> None:
        raise OutputError("No space is left.")

    rests = []
    for attempt in (1, 2, 3):
        with pytest.raises(OutputError):
            process(transcriber, repository, item, broken)
        receipt = repository.existing(item)
        assert receipt is not None and receipt.attempts == attempt and receipt.not_before
        rests.append(receipt.not_before)
    assert rests == sorted(set(rests))
    assert process(transcriber, repository, item).attempts is None


@pytest.fixture
def listed(repository: FolderRepository, root: Path) -> Callable[[str], Item]:
    def make(rights: str) -> Item:
        (repository.source / "a.wav").write_bytes((root / "sample_audio" / "slate.wav").read_bytes())
        table = f"path,identifier,title,may_transcribe,may_publish\na.wav,A-1,A Secret Title,{rights}\n"
        (repository.source / "metadata.csv").write_text(table)
        return repository.item("A-1")

    return make


def test_what_may_not_be_transcribed_is_refused_with_a_receipt(
    transcriber: Transcriber, repository: FolderRepository, listed: Callable[[str], Item], tmp_path: Path
) -> None:
    item = listed("no,")
    with pytest.raises(NotPermitted, match=r"A-1 is not transcribed\. Its rights do not allow"):
        process(transcriber, repository, item)
    receipt = repository.existing(item)
    assert receipt is not None and receipt.status == "skipped" and receipt.curable is False
    assert not (tmp_path / "work").exists() or not list((tmp_path / "work").iterdir()), "the sound was not even decoded"
    process(transcriber, repository, listed("yes,no"))
    with pytest.raises(NotPermitted):
        process(transcriber, repository, listed("no,"))
    file, own = FolderRepository.of_file(repository.source / "a.wav", tmp_path / "mine")
    assert process(transcriber, file, own).status == "done", "a person's explicit call needs no rights"


def test_a_restricted_recording_leaves_its_text_nowhere_but_in_its_folder(
    transcriber: Transcriber, repository: FolderRepository, listed: Callable[[str], Item], tmp_path: Path
) -> None:
    item = listed("yes,no")
    receipt = process(transcriber, repository, item)
    assert receipt.restricted and receipt.first_words is None and receipt.words
    assert not repository.outputs.exists()
    files = list(repository.restricted.iterdir())
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert public_name(item) == "A-1" and len(files) == 5
    (scratch,) = (path for path in (tmp_path / "work").iterdir() if path.is_dir())
    assert scratch.stat().st_mode & 0o077 == 0


def test_what_was_withdrawn_is_refused_under_any_name_and_by_any_way(
    transcriber: Transcriber, repository: FolderRepository, tmp_path: Path
) -> None:
    tone(repository.source / "a.wav")
    item = repository.item("a.wav")
    done = process(transcriber, repository, item)
    repository.erase(done)
    repository.withdraw(done)
    (tmp_path / "copies").mkdir()
    copy = tmp_path / "copies" / "b.wav"
    copy.write_bytes((repository.source / "a.wav").read_bytes())
    tapes = Collection(root=repository.source, outputs=repository.outputs)
    everywhere = Transcriber(transcriber.settings.with_(collections={"tapes": tapes}))
    for taken, runs in (((repository, item), transcriber), (FolderRepository.of_file(copy), everywhere)):
        with pytest.raises(Withdrawn, match=r"was withdrawn\. To lift this: speechpipe withdraw --lift a\.wav"):
            process(runs, *taken)
    assert repository.existing(item) is None and not list((tmp_path / "copies").glob("*.json"))


def test_a_recording_that_is_gone_is_media_not_found(transcriber: Transcriber, repository: FolderRepository) -> None:
    for name in ("a.wav", "b.wav"):
        tone(repository.source / name)
    item = repository.item("a.wav")
    (repository.source / "a.wav").unlink()
    with pytest.raises(MediaNotFound):
        process(transcriber, repository, item)
    assert (receipt := repository.existing(item)) and receipt.error == "MediaNotFound"
