"""The reader's process: its limits, its end where it hangs or crashes, and the errors that come across."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import Pcm, decode, inspect, probe, write_wav
from speechpipe.audio.reader import isolated
from speechpipe.audio.reader.isolated import Exchange
from speechpipe.audio.reader.machine import MEMORY
from speechpipe.audio.reader.worker import gathered
from speechpipe.errors import MediaNotFound, MediaUnavailable, UnreadableMedia, UsageError
from tests.readers import readers

MINUTES = 10


@pytest.fixture(scope="module")
def reel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes of noise at a low rate: longer than what is looked at before the decode."""
    path = tmp_path_factory.mktemp("reel") / "reel.wav"
    write_wav(np.random.default_rng(1).integers(40, 210, MINUTES * 60 * 8_000).astype("u1"), 8_000, path)
    return path


@pytest.fixture(autouse=True)
def no_idle_reader() -> None:
    """Each test starts its own, so that the only child is the one it looks for."""
    isolated._end_all()


def reader() -> int:
    (found,) = readers()
    return found


def test_a_reader_serves_one_file_after_the_other(reel: Path, root: Path) -> None:
    probe(reel)
    first = reader()
    probe(root / "sample_audio" / "no-speech.mp3")
    with pytest.raises(UnreadableMedia):
        probe(root / "README.md")
    assert reader() == first


def test_blocks_come_across_as_they_are(tmp_path: Path) -> None:
    sound = np.random.default_rng(2).uniform(-0.5, 0.5, (16_000, 3)).astype(np.float32)
    write_wav(sound, 16_000, tmp_path / "a.wav")
    exchange = Exchange("decode", tmp_path / "a.wav")
    np.testing.assert_allclose(np.concatenate(list(exchange), axis=1), sound.T, atol=1e-6)
    assert exchange.answer["incomplete_reason"] is None
    assert exchange.answer["declared_ms"] == 1_000


def test_a_reader_that_crashes_costs_what_was_not_yet_read(reel: Path, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(done_ms: int, total_ms: int | None) -> None:
        for one in set(readers()) - set(killed):
            killed.append(one)
            os.kill(one, signal.SIGSEGV)

    decoded = decode(reel, tmp_path, "auto", kill)
    assert len(killed) == 2
    assert not decoded.complete
    assert decoded.incomplete_reason == "only the beginning could be read: its decoder crashed (signal 11)"
    assert 5_000 <= decoded.duration_ms < MINUTES * 60_000
    assert Pcm(tmp_path / "lane-0.s16").duration_ms == decoded.duration_ms
    assert decode(reel, tmp_path / "again", "auto").complete


def test_a_reader_that_hangs_is_ended_and_one_that_is_idle_waits_for_the_disk(reel: Path, tmp_path: Path) -> None:
    stopped: list[int] = []

    def stop(done_ms: int, total_ms: int | None) -> None:
        if not stopped:
            stopped.append(reader())
            os.kill(stopped[0], signal.SIGSTOP)

    with pytest.raises(MediaUnavailable, match="gave no sign of life for 3 s and was ended"):
        decode(reel, tmp_path, "auto", stop, patience=3)
    assert readers() == []


def test_a_reader_that_ends_before_any_sound_says_nothing_of_the_file(root: Path) -> None:
    exchange = Exchange("inspect", root / "sample_audio" / "no-speech.mp3", patience=0)
    with pytest.raises(MediaUnavailable, match="gave no sign of life"):
        list(exchange)
    assert readers() == []


def test_an_abandoned_reading_leaves_no_process(reel: Path) -> None:
    blocks = iter(Exchange("decode", reel))
    next(blocks)
    assert len(readers()) == 1
    blocks.close()
    assert readers() == []


def test_it_may_write_no_file_and_has_bounded_memory(reel: Path) -> None:
    blocks = iter(Exchange("decode", reel))
    next(blocks)
    limits = Path(f"/proc/{reader()}/limits").read_text()
    blocks.close()
    assert re.search(rf"Max data size +{MEMORY} ", limits)
    assert re.search(r"Max file size +0 ", limits)
    assert re.search(r"Max core file size +0 ", limits)


def test_it_goes_when_its_run_is_killed(reel: Path, root: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from speechpipe.audio.reader.isolated import Exchange\n"
        "blocks = iter(Exchange('decode', Path(sys.argv[1]))); next(blocks)\n"
        "print(open('/proc/self/task/%d/children' % __import__('os').getpid()).read(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(reel)], stdout=subprocess.PIPE, text=True, cwd=root
    ) as run:
        child = int(run.stdout.readline().split()[0])  # type: ignore[union-attr]
        run.kill()
    for _ in range(1_200):
        if not Path(f"/proc/{child}").exists() or "zombie" in Path(f"/proc/{child}/status").read_text():
            return
        time.sleep(0.1)
    pytest.fail("the reader outlived its run")


def test_errors_keep_their_class_and_name_the_file_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("diary.wav").write_text("no recording\n" * 100)
    with pytest.raises(UnreadableMedia, match=r"^diary\.wav is damaged") as raised:
        probe(Path("diary.wav"))
    assert str(tmp_path) not in str(raised.value)
    with pytest.raises(MediaNotFound, match=r"There is no file tape\.wav"):
        probe(Path("tape.wav"))


def test_a_stream_that_is_not_there(reel: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no audio stream 3"):
        decode(reel, tmp_path, "auto", stream=3)


def test_modules_in_the_folder_that_one_stands_in_are_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reel: Path
) -> None:
    for name in ("av.py", "json.py", "numpy.py", "speechpipe.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'harm')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    assert probe(reel).declared_ms == MINUTES * 60_000
    assert not (tmp_path / "harm").exists()


def test_names_of_every_kind(reel: Path, tmp_path: Path) -> None:
    for name in (b"with\nnewline.wav", b"-dash.wav", b"caf\xe9.wav", "søndag ü.wav".encode(), b"file:x.wav"):
        link = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        link.symlink_to(reel)
        assert inspect(link).media.declared_ms == MINUTES * 60_000


def test_short_blocks_are_joined_but_not_over_a_change_of_channels() -> None:
    short = [np.full((1, 400), i, np.float32) for i in range(100)] + [np.ones((2, 300), np.float32)] * 3
    joined = list(gathered(iter(short)))
    assert [block.shape for block in joined] == [(1, 16_000), (1, 16_000), (1, 8_000), (2, 900)]
    np.testing.assert_array_equal(np.concatenate(joined[:3], axis=1), np.concatenate(short[:100], axis=1))
    assert list(gathered(iter([]))) == []


@pytest.mark.filterwarnings("error")
def test_floats_beyond_all_reason_stay_within_bounds(tmp_path: Path) -> None:
    """NaN, infinity and 1e38 in a file of floats: sums of channels and squares of samples stay finite."""
    wild = np.array([[3e38, -3e38], [np.nan, 0.25], [np.inf, 0.25], [0.5, 0.5]] * 4_000, "<f4")
    head = b"RIFF" + struct.pack("<I", 36 + wild.nbytes) + b"WAVEfmt " + struct.pack("<I", 16)
    head += struct.pack("<HHIIHH", 3, 2, 16_000, 128_000, 8, 32) + b"data" + struct.pack("<I", wild.nbytes)
    (tmp_path / "a.wav").write_bytes(head + wild.tobytes())
    blocks = np.concatenate(list(Exchange("decode", tmp_path / "a.wav")), axis=1)
    np.testing.assert_allclose(blocks[:, :4], [[16, 0, 0, 0.5], [-16, 0.25, 0.25, 0.5]])
    decoded = decode(tmp_path / "a.wav", tmp_path / "out", "split")
    assert decoded.duration_ms == 1_000
    assert all(channel.rms_dbfs is not None for channel in decoded.channels)
