"""From the command line, a model in several forms: the engine that was asked for, its files digested, its name kept."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from speechpipe import Settings, Transcriber, transcribe
from tests import ctc_models

pytestmark = pytest.mark.extra

ROOT = Path(__file__).resolve().parents[2]
SLATE = ROOT / "sample_audio" / "slate.wav"
EMBEDDED = ROOT / "models" / "whisper-tiny-archive"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """For each engine: text, software, digest of the model, and what it computed in."""
    heard = {}
    for engine in ("faster-whisper", "transformers", "whisper"):
        settings = Settings.load(
            model="whisper-tiny-archive", language="en", engine=engine, workspace=tmp_path_factory.mktemp("w")
        )
        transcript = transcribe(SLATE, settings=Transcriber(settings))
        (step,) = (step for step in transcript.steps if step.what == "transcribe")
        heard[engine] = {
            "text": transcript.text,
            "software": step.software,
            "sha256": str(step.model_sha256),
            "compute_type": str(step.settings["compute_type"]),
        }
    return heard


def test_every_engine_hears_the_same_through_the_pipeline(found: dict[str, dict[str, str]]) -> None:
    assert len({one["text"] for one in found.values()}) == 1
    assert "recorded in bergen in nineteen fifty four" in found["whisper"]["text"].replace("\n", " ")
    assert {engine: one["software"] for engine, one in found.items()} == {engine: engine for engine in found}


def test_the_digest_is_that_of_the_files_that_were_read(found: dict[str, dict[str, str]]) -> None:
    assert found["transformers"]["sha256"] == found["whisper"]["sha256"] != found["faster-whisper"]["sha256"]
    assert found["transformers"]["compute_type"] == "float32"


def test_altered_weights_of_the_form_that_is_asked_for_are_refused(tmp_path: Path) -> None:
    from speechpipe.errors import BrokenModel

    copy = tmp_path / "model"
    shutil.copytree(EMBEDDED, copy)
    weights = copy / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(bytes(changed))
    with pytest.raises(BrokenModel, match=r"model\.safetensors.*altered"):
        Transcriber(Settings.load(model=str(copy), engine="transformers"))
    assert Transcriber(Settings.load(model=str(copy))).engine_name == "faster-whisper"


@pytest.mark.parametrize("build", [ctc_models.bert, ctc_models.hubert], ids=["wav2vec2-bert", "hubert"])
def test_a_folder_of_hugging_face_alone_is_found_run_and_aligns(tmp_path: Path, build: object) -> None:
    model = build(tmp_path / "own")  # type: ignore[operator]
    settings = Settings.load(model=str(model.path), language="en", workspace=tmp_path / "w")
    transcriber = Transcriber(settings)
    assert transcriber.engine_name == "transformers"
    assert transcriber.aligner_model == transcriber.model
    transcript = transcribe(SLATE, settings=transcriber)
    assert {word.timing for segment in transcript.segments for word in segment.words} == {"aligned"}
    lines = sorted((hashlib.sha256(p.read_bytes()).hexdigest(), p.name) for p in model.path.iterdir())
    whole = "".join(f"{digest}  {name}\n" for digest, name in sorted(lines, key=lambda line: line[1]))
    assert transcriber.model.sha256 == hashlib.sha256(whole.encode()).hexdigest()
    assert json.loads((model.path / "config.json").read_text())["vocab_size"] == 34
