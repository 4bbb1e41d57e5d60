"""Work in progress and results of an earlier version are read: ``tests/data/earlier`` was made from sample_audio's
slate by the version before the rooms were parted."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from speechpipe import Settings, Transcriber, formats
from speechpipe.chunking.plan import read_plan
from speechpipe.pipeline import Run
from speechpipe.pipeline.assembly import assemble
from speechpipe.pipeline.journals.results import Results
from speechpipe.repositories import FolderRepository
from speechpipe.settings.captions import Captions
from speechpipe.transcript import Transcript
from speechpipe.workspace import Workspace, read_json

MODEL = "whisper-tiny-archive"


@pytest.fixture
def earlier(root: Path, tmp_path: Path) -> Path:
    shutil.copytree(root / "tests" / "data" / "earlier", tmp_path / "earlier")
    return tmp_path / "earlier"


@pytest.fixture
def kept(earlier: Path) -> Transcript:
    return Transcript.from_dict(json.loads((earlier / "results" / "slate.wav.json").read_text(encoding="utf-8")))


def test_the_journals_of_its_stages_give_its_transcript(earlier: Path, kept: Transcript, tmp_path: Path) -> None:
    keys = {stage: path.name.split("-")[1].split(".")[0] for stage in ("chunk", "transcribe", "align")
            for path in (earlier / "work").glob(f"{stage}-*.done.json")}  # fmt: skip
    workspace = Workspace(tmp_path / "work", kept.media.sha256 or "")
    shutil.copytree(earlier / "work", workspace.folder, dirs_exist_ok=True)
    data = read_json(workspace.stage_folder("chunk", keys["chunk"]) / "plan.json")
    assert data is not None
    found = assemble(Results(workspace, read_plan(data), keys))
    assert found.segments == kept.segments
    assert found.steps == kept.steps
    assert (found.media, found.events, found.outcome) == (kept.media, kept.events, kept.outcome)


@pytest.mark.parametrize("name", ["vtt", "alto", "json", "srt", "words.vtt"])
def test_every_file_of_its_results_is_read_and_written_the_same(name: str, earlier: Path, kept: Transcript) -> None:
    content = (earlier / "results" / f"slate.wav{formats.suffix(name)}").read_bytes()
    assert formats.read(content, name).text.split() == kept.text.split()
    assert formats.write(kept, name, Captions.model_validate({})) == content


def test_what_it_did_is_known_as_done(earlier: Path, root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(root / "sample_audio" / "slate.wav", source)
    receipt = json.loads((earlier / "results" / "slate.wav.speechpipe.json").read_text(encoding="utf-8"))
    os.utime(source / "slate.wav", ns=(receipt["source_mtime_ns"],) * 2)
    repository = FolderRepository(source, earlier / "results", unknown_rights="open")
    (item,) = repository.discover()
    found = repository.existing(item)
    assert found is not None
    assert (found.status, found.key, found.words) == ("done", receipt["key"], 16)
    assert {path.name for path in repository.paths(item, found)} == set(receipt["files"])
    settings = Settings.load(
        model=MODEL, language="en", formats=("vtt", "alto", "json", "srt", "words.vtt", "txt"), workspace=tmp_path / "w"
    )
    assert Run(Transcriber(settings), repository, item).already() == found
