"""How much the pipeline costs around the model: ``transcribe()`` against bare CTranslate2 on the same windows.

    python bench/speed.py [RECORDING]

Both in one process, one after the other, the model loaded before; prints and keeps the figures.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim

from speechpipe import Settings, Transcriber, transcribe
from speechpipe.audio import Pcm
from speechpipe.engines.loading import ct2_folder
from speechpipe.files import sha256_file
from speechpipe.pipeline import Recording
from speechpipe.pipeline.stages import Stages
from speechpipe.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 3


def main() -> None:
    recording = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "sample_audio" / "reel-12.flac"
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(model="whisper-tiny-archive", language="en", workspace=folder)
        transcriber = Transcriber(settings)
        windows = windows_of(transcriber, recording, Path(folder))
        warm = transcriber.engine, transcriber.aligner
        assert all(warm)
        rounds = [(whole(settings, transcriber, recording), bare(transcriber, windows)) for _ in range(ROUNDS)]
    wall, model = (statistics.median(times) for times in zip(*rounds, strict=True))
    figures = {
        "recording": recording.name,
        "windows": len(windows),
        "audio_s": round(sum(map(len, windows)) / 16_000, 1),
        "transcribe_s": round(wall, 2),
        "bare_generate_s": round(model, 2),
        "ratio": round(wall / model, 2),
        "rounds": ROUNDS,
        "python": platform.python_version(),
        "ctranslate2": ctranslate2.__version__,
    }
    print(json.dumps(figures, indent=1))
    (ROOT / "bench" / "results" / "speed.json").write_text(json.dumps(figures, indent=1) + "\n")


def windows_of(transcriber: Transcriber, path: Path, folder: Path) -> list[np.ndarray]:
    recording = Recording(path, path.name, sha256_file(path))
    workspace = Workspace(folder, recording.sha256)
    with workspace.locked(path.name):
        stages = Stages(transcriber, recording, workspace)
        stages.chunk()
        chunk = workspace.stage_folder("chunk", stages.chunk_key)
        return [Pcm(chunk / window.file).read(window.start_ms, window.end_ms) for window in stages.plan.windows]


def whole(settings: Settings, transcriber: Transcriber, recording: Path) -> float:
    """Seconds for everything: digest, decoding, speech activity, recognition, alignment, journals."""
    with tempfile.TemporaryDirectory() as fresh:
        transcriber.settings = settings.with_(workspace=Path(fresh))
        began = time.perf_counter()
        transcribe(recording, settings=transcriber)
        return time.perf_counter() - began


def bare(transcriber: Transcriber, windows: list[np.ndarray]) -> float:
    """Seconds of CTranslate2's encode and generate alone: same batches and beam, features made before."""
    kind = transcriber.engine.info.settings["compute_type"]
    whisper = WhisperModel(str(ct2_folder(transcriber.model)), device="cpu", compute_type=str(kind))
    prompt = [whisper.hf_tokenizer.token_to_id(f"<|{name}|>") for name in ("startoftranscript", "en", "transcribe")]
    size = transcriber.settings.decoding.batch_size
    features = [pad_or_trim(whisper.feature_extractor(window)) for window in windows]
    batches = [np.stack(features[start : start + size]) for start in range(0, len(features), size)]
    began = time.perf_counter()
    for batch in batches:
        whisper.model.generate(whisper.encode(batch), [prompt] * len(batch), beam_size=5, max_length=448)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
