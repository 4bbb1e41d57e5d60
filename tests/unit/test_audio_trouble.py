"""Trouble of the machine while a recording is read is told apart from damage of the recording, and may pass."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speechpipe.audio import decode, inspect, probe, write_wav
from speechpipe.audio.reader import isolated, machine
from speechpipe.audio.reader.isolated import Exchange
from speechpipe.audio.reader.readers import reading
from speechpipe.errors import MediaNotFound, MediaUnavailable
from tests.containers import KINDS, encode
from tests.readers import at_block, failing_disk, readers, readers_that

SECONDS = 60
BLOCK = 150  # of a few dozen milliseconds
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
CRASHED = "os.kill(os.getpid(), signal.SIGSEGV)"
CONTAINERS = ["FLAC", "MP3", "M4A, AAC", "Ogg Vorbis", "WMA", "MPEG-TS, AAC", "AAC in ADTS", "MOV, PCM"]


@pytest.fixture(scope="module")
def reel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reel") / "reel.wav"
    write_wav(np.random.default_rng(1).integers(40, 210, SECONDS * 8_000).astype("u1"), 8_000, path)
    return path


@pytest.fixture(scope="module")
def whole(reel: Path) -> np.ndarray:
    return read(Exchange("decode", reel))


@pytest.fixture(autouse=True)
def fresh_readers() -> Iterator[None]:
    isolated._end_all()
    yield
    isolated._end_all()


def read(exchange: Exchange) -> np.ndarray:
    return np.concatenate(list(exchange), axis=1)


# Readers that end.


@pytest.mark.parametrize("trouble", [KILLED, CRASHED, "os._exit(1)"], ids=["killed", "crashed", "ended"])
def test_after_one_end_a_fresh_reader_goes_on_where_it_stood(
    trouble: str, reel: Path, whole: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = readers_that(tmp_path, monkeypatch, at_block(BLOCK, trouble), so_many=1)
    exchange = Exchange("decode", reel)
    np.testing.assert_array_equal(read(exchange), whole)
    assert exchange.answer["incomplete_reason"] is None and not exchange.broken
    assert started.count == 2


def test_a_reader_killed_from_outside_each_time_is_no_damage(reel: Path) -> None:
    """As the system does where memory is short: by no means is the beginning all that there is of the recording."""
    killed: list[int] = []
    given = 0
    told = r"reel\.wav .* ended from outside \(signal 9\), as where memory is short"
    with pytest.raises(MediaUnavailable, match=told) as caught:
        for block in Exchange("decode", reel):
            given += block.shape[1]
            for one in set(readers()) - set(killed):
                killed.append(one)
                os.kill(one, signal.SIGKILL)
    assert caught.value.curable and len(killed) == 2
    assert 0 < given < SECONDS * 16_000


def test_what_a_killed_reader_gave_is_not_left_as_the_recording(
    reel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers_that(tmp_path, monkeypatch, at_block(BLOCK, KILLED))
    with pytest.raises(MediaUnavailable):
        decode(reel, tmp_path / "out", "auto")
    assert not list((tmp_path / "out").iterdir())


def test_a_decoder_that_crashes_each_time_at_one_place_is_damage(
    reel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = readers_that(tmp_path, monkeypatch, at_block(BLOCK, CRASHED))
    exchange = Exchange("decode", reel)
    assert 0 < read(exchange).shape[1] < SECONDS * 16_000
    assert exchange.broken == "its decoder crashed (signal 11)"
    assert started.count == 2


def test_once_killed_and_once_crashed_says_nothing_of_the_file(
    reel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = "os.kill(os.getpid(), signal.SIGSEGV if number else signal.SIGKILL)"
    readers_that(tmp_path, monkeypatch, at_block(BLOCK, once))
    with pytest.raises(MediaUnavailable):
        read(Exchange("decode", reel))


# Readers that give no sign of life.


def test_who_computes_without_a_sign_has_lost_its_way_in_the_file(
    reel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers_that(tmp_path, monkeypatch, at_block(BLOCK, "while True: pass"))
    exchange = Exchange("decode", reel, patience=3)
    assert read(exchange).size > 0
    assert exchange.broken == "its decoder gave no sign of life for 3 s and was ended"


def test_a_machine_that_slept_has_not_waited(reel: Path, whole: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a process goes on after a halt, the wait that it was in is over in vain, however long it was to last."""
    select, waits = isolated.select.select, list[float]()

    def over(readable: list[int], writable: list[int], other: list[int], seconds: float) -> object:
        waits.append(seconds)
        return ([], [], []) if len(waits) % 5 == 1 else select(readable, writable, other, seconds)

    monkeypatch.setattr(isolated.select, "select", over)
    np.testing.assert_array_equal(read(Exchange("decode", reel, patience=300)), whole)
    assert len(waits) > 50 and max(waits) <= 1


# Disks that fail.


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EACCES])
def test_what_the_disk_refuses_is_no_damage_and_is_told_in_its_words(
    number: int, reel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = readers_that(tmp_path, monkeypatch, failing_disk(number, reel.stat().st_size // 2))
    told = "You may not read" if number == errno.EACCES else os.strerror(number)
    with pytest.raises(MediaUnavailable, match=told) as caught:
        decode(reel, tmp_path / "out", "auto")
    assert str(reel) in caught.value.message and caught.value.curable
    assert not list((tmp_path / "out").iterdir())
    assert started.count == 2, "it was tried once more"


def test_a_disk_that_is_well_again_gives_the_whole_recording(
    reel: Path, whole: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers_that(tmp_path, monkeypatch, failing_disk(errno.EIO, reel.stat().st_size // 2), so_many=1)
    np.testing.assert_array_equal(read(Exchange("decode", reel)), whole)


@pytest.mark.parametrize("name", CONTAINERS)
def test_no_container_hides_what_the_disk_refused(name: str, tmp_path: Path, talk: np.ndarray) -> None:
    """FFmpeg makes of it the end of a file, or damage; and what it had in hand is no sound of the recording."""

    class Disk(io.FileIO):
        def readinto(self, buffer: Any, /) -> int | None:  # type: ignore[override]
            if self.tell() >= behind:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().readinto(buffer)

    path = encode(tmp_path / f"a.{KINDS[name].ending}", KINDS[name], talk)
    behind = path.stat().st_size // 2
    machine._Watched.__bases__ = (Disk,)
    given = 0
    try:
        with pytest.raises(MediaUnavailable, match="Input/output error"), reading(path) as reader:
            assert reader is not None
            for block in reader.source.blocks():
                given += block.shape[1]
    finally:
        machine._Watched.__bases__ = (io.FileIO,)
        machine.begin()
    assert given < 11 * 16_000


def test_the_second_reader_hides_nothing_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import soundfile

    path = tmp_path / "a.wav"
    soundfile.write(path, np.tile(np.float32([0.1, -0.1]), 80_000), 16_000, "PCM_16", "BIG")
    assert path.read_bytes()[:4] == b"RIFX"
    readers_that(tmp_path, monkeypatch, failing_disk(errno.EIO, 100_000))
    with pytest.raises(MediaUnavailable, match="Input/output error"):
        read(Exchange("decode", path))


@pytest.mark.parametrize("look", [probe, inspect])
def test_a_look_at_a_file_that_the_disk_refuses(
    look: Callable[[Path], object], reel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers_that(tmp_path, monkeypatch, failing_disk(errno.EIO, 0))
    with pytest.raises(MediaUnavailable, match=r"cannot be read: Input/output error\."):
        look(reel)


def test_a_file_that_went_meanwhile_is_not_there(reel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look from here and the reader's."""
    readers_that(tmp_path, monkeypatch, f"import os; os.unlink({str(tmp_path / 'a.wav')!r})")
    (tmp_path / "a.wav").write_bytes(reel.read_bytes())
    with pytest.raises(MediaNotFound, match=r"There is no file .*a\.wav"):
        probe(tmp_path / "a.wav")


# Memory.


def test_no_memory_for_another_process_is_no_fault_of_the_file(reel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated.sys, "executable", "/proc/self/mem")  # which the system does not run
    with pytest.raises(MediaUnavailable, match="its reader cannot be started"):
        probe(reel)


SMALL = """
import resource, sys
from pathlib import Path
from speechpipe.audio.reader import machine
from speechpipe.errors import MediaUnavailable
if len(sys.argv) > 1:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(getattr(resource, sys.argv[1]), (used + int(sys.argv[2]),) * 2)
machine.limit()
try:
    bytearray(4 << 30)
except MemoryError:
    try:
        machine.check_memory(Path("reel.wav"))
        print("the file is to blame")
    except MediaUnavailable as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("limit", "blamed"),
    [
        ((), "the file is to blame"),
        (("RLIMIT_AS", 2 << 30), "the file is to blame"),
        (("RLIMIT_AS", 300 << 20), "Reading reel.wav needs more memory than the machine has left."),
        (("RLIMIT_DATA", 100 << 20), "Reading reel.wav needs more memory than the machine has left."),
    ],
)
def test_who_is_to_blame_for_a_lack_of_memory(limit: tuple[object, ...], blamed: str, root: Path) -> None:
    """A recording that asks for more than any does is damaged; one that asks for little of a machine that has less
    is not."""
    command = [sys.executable, "-c", SMALL, *map(str, limit)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert ran.stdout.startswith(blamed), ran.stdout + ran.stderr
