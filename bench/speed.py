"""What the pipeline costs around the model: three ratios in one run, all in one process, turn by turn.

    python bench/speed.py [RECORDING]

1. the engine against bare CTranslate2 on the same windows, padded alike: encode and generate, features made before;
2. a window that fails among others, against the same window alone: decoding again costs its own windows only;
3. ``transcribe()`` with word times against faster-whisper's batched pipeline with ``word_timestamps=True``: on the same
   windows, and on the windows of its own, of the length that suits the model.

Higher is better for us: 1.0 is as fast. Prints and keeps the figures; ``*_cpu`` are seconds of processor.
"""

from __future__ import annotations

import json
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import jiwer
import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens

from speechpipe import Settings, Transcriber, transcribe
from speechpipe.audio import Pcm
from speechpipe.chunking.plan import Window
from speechpipe.engines.contract import Clip, Options
from speechpipe.engines.loading import ct2_folder, device_for
from speechpipe.files import sha256_file
from speechpipe.pipeline import Recording
from speechpipe.pipeline.stages import Stages
from speechpipe.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 3
LANGUAGE = "en"


def main() -> None:
    recording = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "sample_audio" / "reel-12.flac"
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(model="whisper-tiny-archive", language=LANGUAGE, workspace=folder)
        transcriber = Transcriber(settings)
        route = transcriber.routes.of(LANGUAGE)
        engine, aligner = transcriber.engine_of(route), transcriber.aligner_of(route)
        assert aligner
        plan, clips = windows_of(transcriber, recording, Path(folder))
        device = device_for(settings.decoding)
        kind = str(engine.info.settings["compute_type"])
        whisper = WhisperModel(str(ct2_folder(route.model)), device.name, 0, kind, cpu_threads=device.threads)
        batched = BatchedInferencePipeline(whisper)
        longest = (transcriber.chunking.max_window_ms + 999) // 1000
        same = [{"start": w.start_ms / 1000, "end": w.end_ms / 1000} for w in plan]
        failing = [*clips[:7], replace(clips[0], pcm=np.concatenate([c.pcm for c in clips[:3]])[::-1].copy())]
        once, whole = Options(fallback="off"), Options()
        frames = (route.model.padded_ms or 30_000) // 10  # the same padding, or the bare model had more to do
        features = [pad_or_trim(whisper.feature_extractor(clip.pcm), frames) for clip in clips]

        def engine_on(clips: list[Clip], options: Options) -> Callable[[], Any]:
            def run() -> str:
                said = list[str]()
                new = [
                    replace(clip, pcm=clip.pcm.copy()) for clip in clips
                ]  # the engine knows again what it encoded last
                for start in range(0, len(new), options.batch_size):
                    results = engine.transcribe(new[start : start + options.batch_size], options)
                    said += [u.text for result in results for u in result.utterances]
                return " ".join(said)

            return run

        def peer(**how: Any) -> str:
            extractor = whisper.feature_extractor
            segments, _ = batched.transcribe(
                str(recording), language=LANGUAGE, beam_size=5, batch_size=8, word_timestamps=True, **how
            )
            said = " ".join(segment.text.strip() for segment in segments)
            extractor.n_samples, extractor.nb_max_frames = 480_000, 3000  # it keeps what it was told last
            return said

        tried: dict[str, Callable[[], Any]] = {
            "bare": lambda: bare(whisper, features, whole.batch_size),
            "engine": engine_on(clips, whole),
            "among_off": engine_on(failing, once),
            "among_full": engine_on(failing, whole),
            "alone_off": engine_on(failing[-1:], once),
            "alone_full": engine_on(failing[-1:], whole),
            "transcribe": lambda: transcribed(transcriber, settings, recording),
            "peer_same_windows": lambda: peer(clip_timestamps=same),
            "peer_own_windows": lambda: peer(chunk_length=longest),
        }
        said = {name: run() for name, run in tried.items()}  # once for nothing: caches, and the words
        rounds = [{name: timed(run) for name, run in tried.items()} for _ in range(ROUNDS)]
    wall, cpu = ({name: statistics.median(r[name][k] for r in rounds) for name in tried} for k in (0, 1))
    print_and_keep(recording, clips, said, wall, cpu)


def print_and_keep(
    recording: Path, clips: list[Clip], said: dict[str, Any], wall: dict[str, float], cpu: dict[str, float]
) -> None:
    def ratio(one: Callable[[dict[str, float]], float], other: Callable[[dict[str, float]], float]) -> list[float]:
        return [round(one(times) / other(times), 2) for times in (wall, cpu)]

    figures = {
        "recording": recording.name,
        "windows": len(clips),
        "audio_s": round(sum(clip.pcm.size for clip in clips) / 16_000, 1),
        "ratios": "wall, processor",
        "1_engine_to_bare_generate": ratio(lambda t: t["bare"], lambda t: t["engine"]),
        "2_decoding_again_alone_to_among_others": ratio(
            lambda t: t["alone_full"] - t["alone_off"], lambda t: t["among_full"] - t["among_off"]
        ),
        "3_transcribe_to_batched_pipeline_same_windows": ratio(
            lambda t: t["peer_same_windows"], lambda t: t["transcribe"]
        ),
        "3_transcribe_to_batched_pipeline_own_windows": ratio(
            lambda t: t["peer_own_windows"], lambda t: t["transcribe"]
        ),
        "word_error_rate": {
            name: error_rate(recording, said[name])
            for name in ("bare", "engine", "transcribe", "peer_same_windows", "peer_own_windows")
        },
        "wall_s": {name: round(seconds, 2) for name, seconds in wall.items()},
        "cpu_s": {name: round(seconds, 2) for name, seconds in cpu.items()},
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "rounds": ROUNDS,
        "python": platform.python_version(),
        "ctranslate2": ctranslate2.__version__,
    }
    print(json.dumps(figures, indent=1))
    (ROOT / "bench" / "results" / "speed.json").write_text(json.dumps(figures, indent=1) + "\n")


def timed(run: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    began, worked = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - began, time.process_time() - worked


def windows_of(transcriber: Transcriber, path: Path, folder: Path) -> tuple[list[Window], list[Clip]]:
    recording = Recording(path, path.name, sha256_file(path))
    workspace = Workspace(folder, recording.sha256)
    with workspace.locked(path.name):
        stages = Stages(transcriber, recording, workspace)
        stages.chunk()
        chunk = workspace.stage_folder("chunk", stages.keys.chunk)
        windows = list(stages.plan.windows)
        return windows, [Clip(Pcm(chunk / w.file).read(w.start_ms, w.end_ms), LANGUAGE) for w in windows]


def transcribed(transcriber: Transcriber, settings: Settings, recording: Path) -> str:
    """Everything: digest, decoding, speech activity, recognition, alignment, journals."""
    with tempfile.TemporaryDirectory() as fresh:
        transcriber.settings = settings.with_(workspace=Path(fresh))
        return " ".join(segment.text for segment in transcribe(recording, settings=transcriber).segments)


def bare(whisper: WhisperModel, features: list[np.ndarray], size: int) -> str:
    """CTranslate2's encode and generate alone: same batches, beam and tokens left out."""
    tokenizer = Tokenizer(whisper.hf_tokenizer, True, task="transcribe", language=LANGUAGE)
    said = list[str]()
    prompt = [whisper.hf_tokenizer.token_to_id(f"<|{name}|>") for name in ("startoftranscript", LANGUAGE, "transcribe")]
    for start in range(0, len(features), size):
        batch = np.stack(features[start : start + size])
        found = whisper.model.generate(
            whisper.encode(batch),
            [prompt] * len(batch),
            beam_size=5,
            max_length=448,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
        )
        said += [tokenizer.decode(one.sequences_ids[0]).strip() for one in found]
    return " ".join(said)


def error_rate(recording: Path, said: str) -> float | None:
    reference = recording.with_name(recording.name + ".reference.json")
    if not reference.is_file():
        return None
    return round(float(jiwer.wer(json.loads(reference.read_text())["text"].lower(), said.lower())), 3)


if __name__ == "__main__":
    main()
