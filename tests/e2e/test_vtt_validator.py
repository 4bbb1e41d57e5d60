"""Our WebVTT before the strict validator of the W3C (npm webvtt-parser)."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from speechpipe import formats
from speechpipe.formats.captions import cues
from speechpipe.settings import Captions
from speechpipe.transcript import Transcript
from tests.transcripts import INTERVIEW, NOTHING_SAID, any_transcripts, spoken_transcripts

pytestmark = pytest.mark.extra
NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the validator installed."""
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


@pytest.mark.parametrize("transcript", [INTERVIEW, NOTHING_SAID], ids=["interview", "nothing-said"])
def test_it_finds_no_error(transcript: Transcript, validator: Path) -> None:
    verdict = judged(validator, formats.write(transcript, "vtt"))
    made = cues(transcript, Captions.model_validate({}))
    assert verdict["errors"] == []
    assert verdict["cues"] == [[str(cue.number), cue.start_ms / 1000, cue.end_ms / 1000] for cue in made]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],
)
@given(any_transcripts | spoken_transcripts)
def test_it_finds_no_error_in_hostile_texts(validator: Path, transcript: Transcript) -> None:
    verdict = judged(validator, formats.write(transcript, "vtt"))
    assert verdict["errors"] == []
    assert len(verdict["cues"]) == len(cues(transcript, Captions.model_validate({})))


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
