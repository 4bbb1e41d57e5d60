"""Running speech cut where there is no pause, mid-word too: no word is lost or said twice at a cut."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import jiwer
import numpy as np
import pytest
from numpy.typing import NDArray

from speechpipe import Settings, Transcriber, transcribe
from speechpipe.audio import Decoded, Lane, decode
from speechpipe.audio.pcm import Pcm
from speechpipe.chunking.plan import Plan, Window, write_plan
from speechpipe.files import sha256_file
from speechpipe.pipeline.assembly import assemble
from speechpipe.pipeline.recording import Recording
from speechpipe.pipeline.stages import Stages
from speechpipe.transcript_data import Media
from speechpipe.workspace import Workspace
from tests.containers import read_channels

#: The samples, where each announcement begins and the last ends in ms, and what is said.
Speech = tuple[NDArray[np.int16], list[int], str]
#: So much of a word's beginning may be the silence before a plosive bursts.
ONSET_MS = 150
WAV2VEC2, WHISPER = MODELS = ("wav2vec2-tiny-archive", "whisper-tiny-archive")


def lost_and_doubled(said: str, heard: str) -> int:
    words = jiwer.process_words(" ".join(said.split()), " ".join(heard.split()))
    return words.deletions + words.insertions


def planned(transcriber: Transcriber, path: Path) -> Plan:
    sha256 = sha256_file(path)
    workspace = Workspace(transcriber.settings.workspace_folder, sha256)
    return Stages(transcriber, Recording(path, path.name, sha256), workspace).plan


@pytest.mark.parametrize("model", MODELS)
def test_no_word_of_the_sample_reels_is_cut_or_left_out(model: str, root: Path, tmp_path: Path) -> None:
    """With the default settings, each spoken word lies whole in one window of its channel."""
    transcriber = Transcriber(Settings.load(model=model, workspace=tmp_path))
    windows = 0
    for file in sorted((root / "sample_audio").glob("*.reference.json")):
        reference = json.loads(file.read_text())
        plan = planned(transcriber, file.with_name(reference["media"]))
        windows += len(plan.windows)
        for word in reference["words"]:
            whole = [
                window
                for window in plan.windows
                if window.channel == word["channel"]
                and window.start_ms <= word["start_ms"] + ONSET_MS
                and word["end_ms"] <= window.end_ms
            ]
            assert len(whole) == 1, (file.name, word)
    assert windows > 20


@pytest.mark.parametrize("name", ["slate.wav", "innspilling.wav"])
@pytest.mark.parametrize(
    ("model", "chunking"),
    [
        pytest.param(WHISPER, {}, id="whisper"),
        pytest.param(WAV2VEC2, {}, id="wav2vec2"),
        # No pause is long enough to cut in, so each cut is one in speech.
        pytest.param(WAV2VEC2, {"max_window_ms": 4_000, "min_pause_ms": 2_000}, id="wav2vec2, cut in speech"),
    ],
)
def test_every_word_is_told_once(name: str, model: str, chunking: dict[str, int], root: Path, tmp_path: Path) -> None:
    path = root / "sample_audio" / name
    reference = json.loads(path.with_name(f"{name}.reference.json").read_text())
    settings = Settings.load(model=model, language=reference["language"], workspace=tmp_path, chunking=chunking)
    transcriber = Transcriber(settings)
    transcript = transcribe(path, settings=transcriber)
    assert lost_and_doubled(reference["text"], transcript.text) == 0
    overlaps = sum(window.overlap_ms > 0 for window in planned(transcriber, path).windows)
    assert overlaps >= 2 if chunking else overlaps == 0
    starts = [word.start_ms for word in transcript.words if word.start_ms is not None]
    assert starts == sorted(starts)


@pytest.fixture(scope="module")
def spelling(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Speech:
    """People who spell and count, one after the other."""
    rows = map(json.loads, (speech / "MANIFEST.jsonl").read_text().splitlines())
    chosen = [row for row in rows if row["path"].startswith("an4") and "split=test" in (row["note"] or "")][:15]
    pieces = []
    for number, row in enumerate(chosen):
        folder = tmp_path_factory.mktemp(f"clip-{number}")
        (lane,) = decode(speech / row["path"], folder, "mix").lanes
        pcm = Pcm(folder / lane.file)
        pieces.append(np.round(pcm.read(0, pcm.duration_ms) * 32_767).astype("<i2"))
    edges = [0, *np.cumsum([len(piece) // 16 for piece in pieces]).tolist()]
    return np.concatenate(pieces), edges, " ".join(row["text"].lower() for row in chosen)


def heard(pcm: NDArray[np.int16], windows: Sequence[Window], work: Path) -> str:
    """What is recognised in windows of our own choosing."""
    transcriber = Transcriber(Settings.load(model=WAV2VEC2, language="en", workspace=work))
    stages = Stages(transcriber, Recording(work / "none.wav", "none.wav", "0" * 64), Workspace(work, "0" * 64))
    folder = stages.workspace.stage_folder("chunk", stages.keys.chunk)
    pcm.tofile(folder / "lane.s16")
    decoded = Decoded((Lane(None, "lane.s16"),), len(pcm) // 16)
    write_plan(folder / "plan.json", Plan(Media("none.wav", sha256="0" * 64), decoded, tuple(windows), ()))
    stages.chunk()
    stages.transcribe()
    stages.align()
    return assemble(stages.results()).text


@pytest.fixture(scope="module")
def reel(root: Path) -> Speech:
    """Two voices that take turns: each announcement begins in a pause of the reference."""
    path = root / "sample_audio" / "interview.wav"
    reference = json.loads(path.with_name(f"{path.name}.reference.json").read_text())
    pcm = np.round(read_channels(path).sum(axis=1) * 32_767).astype("<i2")
    pauses = [(a["end_ms"], b["start_ms"]) for a, b in pairwise(reference["words"])]
    edges = [0, *((end + start) // 2 for end, start in pauses if start - end > 500), len(pcm) // 16]
    return pcm, edges, reference["text"]


@pytest.mark.parametrize("name", ["reel", pytest.param("spelling", marks=pytest.mark.shared)])
def test_speech_cut_off_in_the_middle_of_words_loses_none(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    pcm, edges, said = request.getfixturevalue(name)
    clips = [Window(i, None, "lane.s16", a, b) for i, (a, b) in enumerate(pairwise(edges))]
    alone = lost_and_doubled(said, heard(pcm, clips, tmp_path / "alone"))
    grid = [
        Window(i, None, "lane.s16", max(0, at - 500), min(edges[-1], at + 4_500), 1_000 if i else 0)
        for i, at in enumerate(range(0, edges[-1], 4_000))
    ]
    assert len(grid) > 6
    assert lost_and_doubled(said, heard(pcm, grid, tmp_path / "grid")) <= alone + 1
