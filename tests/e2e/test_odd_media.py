"""Every odd media file of the collection: decoded, or refused in a sentence; never a crash, a hang or noise."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from speechpipe.audio import Decoded, Pcm, decode, probe
from speechpipe.chunking import find_events, plan_windows, speech_probabilities
from speechpipe.errors import MediaError
from speechpipe.settings import Chunking

#: One child process tries all files, so that a native crash or a hang is a failure of one test, not of the run.
CHILD = """
import json, sys, tempfile, time
from pathlib import Path
from speechpipe.audio import decode, probe
from speechpipe.errors import MediaError

for name in sys.argv[2:]:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            probe(Path(sys.argv[1], name))
            result = decode(Path(sys.argv[1], name), Path(folder), "auto").to_dict()
        except MediaError as error:
            result = {"error": str(error)}
        result["left"] = sorted(path.name for path in Path(folder).iterdir())
    print(json.dumps({"file": name, "seconds": time.monotonic() - started, **result}), flush=True)
"""


@pytest.fixture(scope="module")
def fixtures(speech: Path) -> Path:
    return speech / "fixtures"


@pytest.fixture(scope="module")
def results(fixtures: Path, root: Path) -> dict[str, dict[str, object]]:
    names = sorted(str(path.relative_to(fixtures)) for path in fixtures.rglob("*") if path.is_file())
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(fixtures), *names], capture_output=True, text=True, timeout=60, cwd=root
    )
    found = [json.loads(line) for line in child.stdout.splitlines()]
    done = len(found)
    assert child.returncode == 0, f"ended with {child.returncode} at {names[done : done + 1]}: {child.stderr[-500:]}"
    assert child.stderr == ""
    assert [result["file"] for result in found] == names
    return {result["file"]: result for result in found}


def test_all_are_tried(results: dict[str, dict[str, object]]) -> None:
    assert len(results) >= 130
    assert sum("error" not in result for result in results.values()) >= 90


def test_none_takes_long(results: dict[str, dict[str, object]]) -> None:
    assert max(results.values(), key=lambda result: result["seconds"])["seconds"] < 10  # type: ignore[arg-type,return-value]


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


@pytest.mark.parametrize(
    "name", ["aeneas/mono.empty.wav", "aeneas/mono.invalid.wav", "mutagen/truncated-64bit.mp4", "taglib/segfault.wav"]
)
def test_known_refusals(results: dict[str, dict[str, object]], name: str) -> None:
    assert "error" in results[name]


def test_what_decodes_can_be_chunked(fixtures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In this process, so that noise of the libraries would be seen."""
    seen = 0
    for number, path in enumerate(sorted(path for path in fixtures.rglob("*") if path.is_file())):
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
    assert seen >= 80
    assert capfd.readouterr() == ("", "")
