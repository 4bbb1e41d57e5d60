"""Our WebVTT before the strict validator of the W3C (npm webvtt-parser), two parsers, and checks that it lacks."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
import webvtt
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from speechpipe import formats
from speechpipe.formats.captions.cues import cues
from speechpipe.settings.captions import CaptionPreset, Captions
from speechpipe.transcript import Transcript
from tests.transcripts import INTERVIEW, NOTHING_SAID, any_transcripts, spoken_transcripts

pytestmark = pytest.mark.extra
NODE = Path(__file__).parent / "node"
PRESETS = get_args(CaptionPreset)
both_files = pytest.mark.parametrize("name", ["vtt", "words.vtt"])


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the validators installed."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "validate-vtt.js"):
        shutil.copy(NODE / name, folder)
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=240)
    return folder


def judged(validator: Path, content: bytes) -> dict[str, Any]:
    (validator / "file.vtt").write_bytes(content)
    node = subprocess.run(["node", "validate-vtt.js", "file.vtt"], cwd=validator, capture_output=True, timeout=60)
    verdict: dict[str, Any] = json.loads(node.stdout)
    return verdict


def overlooked(content: bytes) -> set[str]:
    """Faults that the validator does not see."""
    blocks = [block.split("\n") for block in content.decode().rstrip("\n").split("\n\n")]
    timed = [block for block in blocks if len(block) > 1 and "-->" in block[1]]
    ids = Counter(block[0] for block in timed)
    payloads = ["\n".join(block[2:]) for block in timed]
    found = {
        "an id twice": any(count > 1 for count in ids.values()),
        "a voice not closed": any(text.count("<v ") != text.count("</v>") for text in payloads),
        "a line of digits": any(re.fullmatch(r"\s*\d+\s*", line) for text in payloads for line in text.split("\n")),
    }
    return {fault for fault, is_there in found.items() if is_there}


def read_by_webvtt_py(content: bytes) -> list[list[Any]]:
    def seconds(stamp: str) -> float:
        hours, minutes, rest = stamp.split(":")
        return round(int(hours) * 3600 + int(minutes) * 60 + float(rest), 3)

    read = webvtt.from_buffer(io.StringIO(content.decode()))
    return [[cue.identifier, seconds(cue.start), seconds(cue.end), cue.raw_text] for cue in read]


def check(validator: Path, transcript: Transcript, name: str, limits: Captions) -> None:
    content = formats.write(transcript, name, limits)
    verdict = judged(validator, content)
    made = cues(transcript, limits)
    assert verdict["errors"] == []
    assert [cue[:3] for cue in verdict["cues"]] == [
        [str(cue.number), cue.start_ms / 1000, cue.end_ms / 1000] for cue in made
    ]
    # A player's parser and Python's read the same ids, times and marked-up texts.
    assert verdict["second"] == verdict["cues"] == read_by_webvtt_py(content)
    assert overlooked(content) == set()


@both_files
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("transcript", [INTERVIEW, NOTHING_SAID], ids=["interview", "nothing-said"])
def test_it_finds_no_error(transcript: Transcript, preset: CaptionPreset, name: str, validator: Path) -> None:
    check(validator, transcript, name, Captions(preset=preset))


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],
)
@given(any_transcripts | spoken_transcripts, st.sampled_from(["vtt", "words.vtt"]), st.sampled_from(PRESETS))
def test_it_finds_no_error_in_hostile_texts(
    validator: Path, transcript: Transcript, name: str, preset: CaptionPreset
) -> None:
    check(validator, transcript, name, Captions(preset=preset))


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],
)
@given(spoken_transcripts)
def test_what_was_read_back_and_written_again_has_no_error_either(validator: Path, transcript: Transcript) -> None:
    read = formats.read(formats.write(transcript, "words.vtt"), "words.vtt")
    check(validator, read, "words.vtt", Captions())


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b"&lt;", b"<"),
        (b"00:00:06.000 -->", b"00:00:01.000 -->"),
        (b"WEBVTT\n", b"WEBVTT.\n"),
        (b"</v>", b"</i>"),
        (b"00:00:02.300", b"00:00:02,300"),
    ],
)
def test_it_would_find_our_faults(good: bytes, bad: bytes, validator: Path) -> None:
    content = formats.write(INTERVIEW, "vtt")
    assert good in content
    assert judged(validator, content.replace(good, bad, 1))["errors"] != []


@pytest.mark.parametrize(
    ("good", "bad", "fault"),
    [
        (b"\n\n3\n00:", b"\n\n2\n00:", "an id twice"),
        (b"</v>\n\n4", b"\n\n4", "a voice not closed"),
        (b"<v Channel 2>1985</v>", b"1985", "a line of digits"),
    ],
)
def test_our_own_checks_find_what_it_overlooks(good: bytes, bad: bytes, fault: str, validator: Path) -> None:
    content = formats.write(INTERVIEW, "vtt")
    assert good in content
    spoilt = content.replace(good, bad, 1)
    assert judged(validator, spoilt)["errors"] == []
    assert overlooked(spoilt) == {fault}
