"""Every engine over every embedded model that it runs, on the same windows of the sample archive.

    python bench/engines.py [RECORDING ...]    measure, keep the figures, write the table into docs/engines.md
    python bench/engines.py --table            write the table from the figures kept

Each engine runs in a process of its own, so that its memory is its own. Time inside the model is taken at the package's
own functions (encode, generate, forward), from outside; the rest of an engine's time is ours.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import wraps
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np

from speechpipe import Settings, Transcriber
from speechpipe.audio import Pcm
from speechpipe.engines import ENGINES, load_engine
from speechpipe.engines.contract import Clip, ModelFiles, Options
from speechpipe.engines.loading import cores
from speechpipe.files import sha256_file, write_atomically
from speechpipe.pipeline import Recording
from speechpipe.pipeline.stages import Stages
from speechpipe.settings.decoding import Decoding
from speechpipe.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
SAMPLES, RESULTS, PAGE = (
    ROOT / "sample_audio",
    ROOT / "bench" / "results" / "engines.json",
    ROOT / "docs" / "engines.md",
)
BEGIN, END = "<!-- made by bench/engines.py: begin -->", "<!-- made by bench/engines.py: end -->"

#: Model, its family, and the engines that run it, the reference first.
MODELS = {
    "whisper-tiny-archive": ("whisper", ("faster-whisper", "whisper", "transformers")),
    "wav2vec2-tiny-archive": ("wav2vec2-ctc", ("wav2vec2", "transformers", "torchaudio")),
}
_HF = "transformers.models"
#: Where each package works, the outermost call counts.
WORK = {
    "faster-whisper": ("ctranslate2.models:Whisper.encode", "ctranslate2.models:Whisper.generate"),
    "wav2vec2": ("ctranslate2.models:Wav2Vec2.encode",),
    "whisper": ("whisper.model:AudioEncoder.forward", "whisper.decoding:DecodingTask.run"),
    "transformers": (
        f"{_HF}.whisper.modeling_whisper:WhisperEncoder.forward",
        f"{_HF}.whisper.modeling_whisper:WhisperForConditionalGeneration.forward",
        "transformers.generation.utils:GenerationMixin.generate",
        f"{_HF}.wav2vec2.modeling_wav2vec2:Wav2Vec2ForCTC.forward",
    ),
    "torchaudio": ("torchaudio.models.wav2vec2.model:Wav2Vec2Model.forward",),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", nargs="*", help="names in sample_audio; without any all that have speech")
    parser.add_argument("--table", action="store_true", help="write the table from the figures kept")
    parser.add_argument("--one", nargs=3, metavar=("ENGINE", "MODEL", "WINDOWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(*arguments.one)))
        return 0
    if not arguments.table:
        write_atomically(
            RESULTS, (json.dumps(measured(arguments.recordings), indent=1, ensure_ascii=False) + "\n").encode()
        )
    figures = json.loads(RESULTS.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    write_atomically(PAGE, f"{before}{BEGIN}\n\n{table(figures)}\n\n{END}{rest.split(END)[1]}".encode())
    print(table(figures))
    return 0


def measured(recordings: list[str]) -> dict[str, Any]:
    """All rows, with what they were measured on."""
    rows, audio_s, count = list[dict[str, Any]](), 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        said = windows_of(recordings, Path(folder))
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with np.load(Path(folder) / "windows.npz") as windows:
            audio_s, count = sum(windows[name].size for name in windows.files) / 16_000, len(windows.files)
        for model, (_, engines) in MODELS.items():
            reference: list[str] = []
            for engine in engines:
                command = [sys.executable, __file__, "--one", engine, model, folder]
                run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
                found = json.loads(run.stdout.splitlines()[-1])
                heard = found.pop("texts")
                reference = reference or heard
                rows.append({"engine": engine, "model": model, **compared(said, heard, reference), **found})
                rows[-1]["times_realtime"] = round(audio_s / found["wall_s"], 1)
    return {
        "audio": {"recordings": len(said), "windows": count, "seconds": round(audio_s, 1)},
        "threads": cores(),
        "python": platform.python_version(),
        "rows": rows,
    }


def windows_of(recordings: list[str], folder: Path) -> list[str]:
    """Cut the recordings into the windows that suit the Whisper model; what is really said in each recording."""
    cut, plan, said = dict[str, Any](), list[tuple[str, str, str]](), list[str]()
    for path in sorted(SAMPLES.glob("*.reference.json")):
        reference = json.loads(path.read_text(encoding="utf-8"))
        if not reference["words"] or (recordings and reference["media"] not in recordings):
            continue
        settings = Settings.load(model="whisper-tiny-archive", language=reference["language"], workspace=folder)
        media = SAMPLES / reference["media"]
        recording = Recording(media, media.name, sha256_file(media))
        workspace = Workspace(folder, recording.sha256)
        with workspace.locked(media.name):
            stages = Stages(Transcriber(settings), recording, workspace)
            stages.chunk()
            chunk = workspace.stage_folder("chunk", stages.keys.chunk)
            for channel in sorted({w["channel"] for w in reference["words"]}, key=str):
                own = [w for w in stages.plan.windows if w.channel == channel]
                for window in own:
                    cut[str(len(plan))] = Pcm(chunk / window.file).read(window.start_ms, window.end_ms)
                    plan.append((f"{media.name} {channel}", reference["language"], str(len(plan))))
                said.append(" ".join(w["text"] for w in reference["words"] if w["channel"] == channel))
    np.savez(folder / "windows.npz", **cut)
    (folder / "plan.json").write_text(json.dumps(plan))
    return said


def one(engine: str, model: str, folder: str) -> dict[str, Any]:
    """What one engine hears, how long it takes, and the most memory that this process has had."""
    plan = json.loads((Path(folder) / "plan.json").read_text())
    with np.load(Path(folder) / "windows.npz") as windows:
        clips = [Clip(windows[name], language) for _, language, name in plan]
    began = time.perf_counter()
    family, _ = MODELS[model]
    files = ModelFiles(model, ROOT / "models" / model, family)
    if engine == "torchaudio":  # the same weights as it would publish them; the translation costs memory, too
        from tests.torchaudio_models import archive

        files = archive(Path(folder) / "bundle")
        began = time.perf_counter()
    loaded = load_engine(engine, files, Decoding())
    load_s = time.perf_counter() - began
    clock = Clock()
    for place in WORK[engine]:
        clock.watch(place)
    size = Options().batch_size
    batches = [clips[at : at + size] for at in range(0, len(clips), size)]
    loaded.transcribe(batches[0], Options())  # once for nothing: what is made at the first call
    clock.seconds, began = 0.0, time.perf_counter()
    results = [result for batch in batches for result in loaded.transcribe(batch, Options())]
    wall_s = time.perf_counter() - began
    texts: dict[str, list[str]] = {}
    for (part, _, _), result in zip(plan, results, strict=True):
        texts.setdefault(part, []).extend(u.text for u in result.utterances)
    return {
        "texts": [" ".join(said) for said in texts.values()],
        "wall_s": round(wall_s, 2),
        "model_s": round(clock.seconds, 2),
        "of_bare_speed": round(clock.seconds / wall_s, 2),
        "load_s": round(load_s, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "compute_type": loaded.info.settings["compute_type"],
        "device": loaded.info.settings["device"],
        "version": metadata.version(ENGINES[engine].package),
    }


class Clock:
    """Seconds spent in the functions it watches; one called by another counts once."""

    def __init__(self) -> None:
        self.seconds, self._running = 0.0, False

    def watch(self, place: str) -> None:
        """``module:Class.method``"""
        module, path = place.split(":")
        kind, name = path.split(".")
        owner = getattr(import_module(module), kind)
        setattr(owner, name, self._timed(getattr(owner, name)))

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)  # transformers looks at the signature
        def run(*args: Any, **more: Any) -> Any:
            if self._running:
                return function(*args, **more)
            self._running, began = True, time.perf_counter()
            try:
                return function(*args, **more)
            finally:
                self.seconds += time.perf_counter() - began
                self._running = False

        return run


def compared(said: list[str], heard: list[str], reference: list[str]) -> dict[str, float]:
    """Word error rate, and the share of words that the reference engine has too."""
    import jiwer

    same = 1 - jiwer.wer(reference, heard)
    return {"wer": round(jiwer.wer(said, heard), 4), "same_as_reference": round(same, 4)}


def table(figures: dict[str, Any]) -> str:
    audio = figures["audio"]
    lines = [
        f"{audio['windows']} windows, {audio['seconds']} s, of {audio['recordings']} lanes of `sample_audio/`; "
        f"beam 5, batches of 8, {figures['threads']} threads, Python {figures['python']}.",
        "",
        "| engine | model | computes in | WER | words as reference | times real time | of bare speed | peak memory |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*lines, *_rows(figures["rows"])])


def _rows(rows: Iterable[dict[str, Any]]) -> Iterable[str]:
    seen = set[str]()
    for row in rows:
        same = "is it" if row["model"] not in seen else f"{row['same_as_reference']:.1%}"
        seen.add(row["model"])
        yield (
            f"| `{row['engine']}` {row['version']} | {row['model']} | {row['compute_type']} | {row['wer']:.1%} "
            f"| {same} | {row['times_realtime']:.1f} | {row['of_bare_speed']:.2f} | {row['peak_memory_mb']} MB |"
        )


if __name__ == "__main__":
    sys.exit(main())
