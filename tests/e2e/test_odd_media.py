"""Odd media files, made here and of the collection: decoded, or refused in a sentence; no crash, hang or noise."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import Decoded, Pcm, decode, probe
from speechpipe.chunking import find_events, plan_windows, speech_probabilities
from speechpipe.errors import MediaError
from speechpipe.settings.chunking import Chunking
from tests.containers import KINDS, chunk, encode

#: One child process tries all files, so that a native crash or a hang is a failure of one test, not of the run.
CHILD = """
import json, sys, tempfile
from pathlib import Path
from speechpipe.audio import decode, probe
from speechpipe.errors import MediaError

for name in sys.argv[2:]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            probe(Path(sys.argv[1], name))
            result = decode(Path(sys.argv[1], name), Path(folder), "auto").to_dict()
        except MediaError as error:
            result = {"error": str(error)}
        result["left"] = sorted(path.name for path in Path(folder).iterdir())
    print(json.dumps({"file": name, **result}), flush=True)
"""


only_made = pytest.mark.parametrize("fixtures", ["made"], indirect=True)
only_collection = pytest.mark.parametrize(
    "fixtures", [pytest.param("collection", marks=pytest.mark.shared)], indirect=True
)
SOUND = np.random.default_rng(1).integers(-9_000, 9_000, 16_000).astype("<i2").tobytes()
FORMAT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16))
DATA = chunk(b"data", SOUND)


def of_chunks(*chunks: bytes, form: bytes = b"RIFF", more: int = 0) -> bytes:
    content = b"".join(chunks)
    return form + struct.pack("<I", len(content) + 4 + more) + b"WAVE" + content


def encoded(folder: Path, name: str, begin: int = 0, end: int | None = None) -> bytes:
    """A second of noise as a file of that kind, of which only a part is left."""
    kind = KINDS[name]
    sound = np.frombuffer(SOUND, "<i2") / 32_768
    return encode(folder / f"whole.{kind.ending}", kind, sound).read_bytes()[begin:end]


def odd(folder: Path) -> dict[str, tuple[bytes, tuple[int, bool] | None]]:
    """Name → content, and how long it is in ms and whether it is whole; None where nothing can be heard in it."""
    whole, cut = (1_000, True), (500, False)
    return {
        "empty.wav": (b"", None),
        "text.wav": (b"Dear diary, this is no recording.\n" * 50, None),
        "header-alone.wav": (b"RIFF\x24\0\0\0WAVE", None),
        "no-data.wav": (of_chunks(FORMAT), None),
        "no-format.wav": (of_chunks(DATA), None),
        "no-samples.wav": (of_chunks(FORMAT, chunk(b"data", b"")), (0, True)),
        "cut-off.wav": (of_chunks(FORMAT, DATA)[: -len(SOUND) // 2], cut),
        "extra-byte.wav": (of_chunks(FORMAT, DATA) + b"x", whole),
        "rubbish-behind.wav": (of_chunks(FORMAT, DATA) + bytes(range(256)) * 8, whole),
        "unknown-chunk.wav": (of_chunks(chunk(b"\xff x\0", b"abc"), FORMAT, DATA), whole),
        "list-behind.wav": (of_chunks(FORMAT, DATA, chunk(b"LIST", b"INFOICMT\xff\xff\xff\x7f")), whole),
        "long-format.wav": (of_chunks(chunk(b"fmt ", FORMAT[8:] + b"\0\0"), DATA), whole),
        "length-of-riff-too-long.wav": (of_chunks(FORMAT, DATA, more=10**6), whole),
        "wav-named.mp3": (of_chunks(FORMAT, DATA), whole),
        "no-moov.mp4": (encoded(folder, "MP4, AAC", end=-3_000), None),
        "head-lost.mp3": (encoded(folder, "MP3", begin=1_000), (993, True)),
        "begins-late.flac": (encoded(folder, "FLAC", end=60), None),
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    for name, (content, _) in odd(tmp_path_factory.mktemp("whole")).items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module", params=["made", pytest.param("collection", marks=pytest.mark.shared)])
def fixtures(request: pytest.FixtureRequest) -> Path:
    if request.param == "made":
        return request.getfixturevalue("made")
    return request.getfixturevalue("speech") / "fixtures"


@pytest.fixture(scope="module")
def results(fixtures: Path, root: Path) -> dict[str, dict[str, object]]:
    names = sorted(str(path.relative_to(fixtures)) for path in fixtures.rglob("*") if path.is_file())
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(fixtures), *names], capture_output=True, text=True, timeout=280, cwd=root
    )
    found = [json.loads(line) for line in child.stdout.splitlines()]
    done = len(found)
    assert child.returncode == 0, f"ended with {child.returncode} at {names[done : done + 1]}: {child.stderr[-500:]}"
    assert child.stderr == ""
    assert [result["file"] for result in found] == names
    return {result["file"]: result for result in found}


def heard(result: dict[str, object]) -> tuple[object, object] | None:
    return None if "error" in result else (result["duration_ms"], result["complete"])


@only_made
def test_each_odd_file_is_heard_as_far_as_it_can_be(results: dict[str, dict[str, object]], tmp_path: Path) -> None:
    expected = {name: outcome for name, (_, outcome) in odd(tmp_path).items()}
    assert {name: heard(result) for name, result in results.items()} == expected


@only_collection
def test_all_are_tried(results: dict[str, dict[str, object]]) -> None:
    assert len(results) >= 130
    assert sum("error" not in result for result in results.values()) >= 90


def test_every_refusal_is_one_line_that_names_the_file(results: dict[str, dict[str, object]]) -> None:
    for name, result in results.items():
        if "error" in result:
            assert name in str(result["error"])
            assert "\n" not in str(result["error"])
            assert result["left"] == []


def test_every_result_is_whole(results: dict[str, dict[str, object]]) -> None:
    for result in results.values():
        if "error" not in result:
            lanes = sorted(lane["file"] for lane in result["lanes"])  # type: ignore[attr-defined]
            assert result["left"] == lanes
            assert result["complete"] == (result["incomplete_reason"] is None)
            assert bool(lanes) == (result["policy"] != "none")


@only_collection
@pytest.mark.parametrize(
    ("name", "duration_ms", "complete"),
    [
        ("jhove/bwf-v2-pcm-44khz-8bit-mono-populated.wav", 0, True),
        ("scipy/test-44100Hz-le-1ch-4bytes-rf64.wav", 100, True),
        ("bmx/sample.mxf", 80, True),
        ("file-scraper/valid_4_ffv1_flac.mkv", 1_012, True),
        ("file-scraper/valid__aiff-c.aiff", 859, True),
        ("taglib/uint8we.wav", 2_937, True),
        ("tika/testAMR.amr", 5_560, True),
        ("tinytag/vbr16.mp3", 9_040, True),
        ("opencast/vonly.mov", 0, True),
        ("opencast/nostreams.mp4", 0, True),
        ("aeneas/mono.zero.wav", 0, True),
        ("file-scraper/invalid__data_bytes_missing.wav", 859, False),
        ("file-scraper/invalid_1_missing_header.mp3", 837, False),
        ("mutagen/variable-block.flac", 906, False),
    ],
)
def test_known_ones(results: dict[str, dict[str, object]], name: str, duration_ms: int, complete: bool) -> None:
    assert "error" not in results[name]
    assert (results[name]["duration_ms"], results[name]["complete"]) == (duration_ms, complete)


@only_collection
@pytest.mark.parametrize(
    "name", ["aeneas/mono.empty.wav", "aeneas/mono.invalid.wav", "mutagen/truncated-64bit.mp4", "taglib/segfault.wav"]
)
def test_known_refusals(results: dict[str, dict[str, object]], name: str) -> None:
    assert "error" in results[name]


def test_what_decodes_can_be_chunked(fixtures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In this process, so that noise of the libraries would be seen."""
    tried = seen = 0
    for number, path in enumerate(sorted(path for path in fixtures.rglob("*") if path.is_file())):
        tried += 1
        try:
            probe(path)
            decoded: Decoded = decode(path, tmp_path / str(number), "auto")
        except MediaError:
            continue
        for lane in decoded.lanes:
            with Pcm(tmp_path / str(number) / lane.file) as pcm:
                probabilities = speech_probabilities(pcm)
                windows = plan_windows(probabilities, pcm.duration_ms, Chunking())
                events = find_events(pcm, probabilities, windows, lane.channel)
            spans = sorted((span.start_ms, span.end_ms) for span in (*windows, *events))
            assert all(a[1] <= b[0] for a, b in pairwise(spans))
            assert all(0 <= start < end <= decoded.duration_ms for start, end in spans)
            seen += 1
    assert seen > tried / 2
    assert capfd.readouterr() == ("", "")
