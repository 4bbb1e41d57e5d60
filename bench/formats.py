"""Writing and reading each format for ten hours of speech, beside other libraries where they do the same.

    .venv/bin/python bench/formats.py [PYTHON_WITH_PEERS]

Each measurement runs in a process of its own; seconds are the best of three, of processor time, and the memory is the
growth of the process at its peak. The peers (webvtt-py, pysubs2, ttconv) write and read captions that are made
already; ours are shaped from 90,000 words each time they are written, which takes what ``shaping`` says. ttconv needs
minutes for ten hours, so it gets one. The peers are measured in the same run with the Python of an environment that
has them, made so in a folder outside the project:

    python3 -m venv ../peers && ../peers/bin/pip install webvtt-py pysubs2 ttconv
    .venv/bin/python bench/formats.py ../peers/bin/python

Without that argument the peers' last figures are kept. The figures go to ``bench/results/formats.json``.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "bench" / "results" / "formats.json"
ROUNDS = 3
WORDS = 90_000
#: A peer that needs longer for reading and writing is not waited for.
PATIENCE_S = 120
#: Ordinary words with what has to be escaped.
TEXTS = (
    *("og", "det", "var", "en", "gang", "ei", "lita", "jente", "som", "bodde", "i", "skogen,", "hun", "gikk", "der"),
    *("hver", "dag.", "Máret", "Kárášjohka", "1985", "men", "eller", "fordi", "&", "huset", "<", "stort"),
)


def recording(count: int = WORDS) -> Any:
    """So many words of two people, in segments of 12 words."""
    from speechpipe.transcript import Transcript
    from speechpipe.transcript_data import Media, Segment, Step, Word

    drawn, segments, at = random.Random(1), [], 0
    while len(segments) * 12 < count:
        words, start = [], at
        for _ in range(12):
            end = at + drawn.randint(120, 500)
            words.append(Word(drawn.choice(TEXTS), at, end, round(drawn.random(), 4), "aligned"))
            at = end + drawn.choice((0, 20, 60, 200))
        text, channel = " ".join(word.text for word in words), len(segments) // 3 % 2
        segments.append(Segment(len(segments), start, at, text, tuple(words), "nb", channel, None, -0.3, 0.1, 1.2, 0.0))
        at += drawn.choice((100, 500, 1_500))
    media = Media("reel.wav", sha256="ab" * 32, duration_ms=at + 5_000)
    return Transcript(media, "speech", tuple(segments), languages=("nb",), steps=(Step("transcribe", "x", "1"),))


def measured(work: Callable[[], object]) -> dict[str, float]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times, peak = [], 0
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
        peak = peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": round(min(times), 3), "peak_mb": round(peak / 1024, 1)}


def write(name: str, folder: Path) -> dict[str, Any]:
    from speechpipe import formats

    transcript = recording()
    figures = measured(lambda: formats.write(transcript, name))
    content = formats.write(transcript, name)
    (folder / f"reel.{name}").write_bytes(content)
    return {"mb": round(len(content) / 1e6, 1), "write": figures}


def shape(name: str, _folder: Path) -> dict[str, Any]:
    from speechpipe.formats.captions.cues import cues
    from speechpipe.settings.captions import Captions

    transcript = recording()
    return {name: measured(lambda: cues(transcript, Captions()))}


def read(name: str, folder: Path) -> dict[str, Any]:
    from speechpipe import formats

    content = (folder / f"reel.{name}").read_bytes()
    return {"read": measured(lambda: formats.read(content, name))}


#: Run by the peers' Python: ``kind`` and a file; prints seconds of reading it and of writing what was read.
PEER = """
import io, json, sys, time
kind, path = sys.argv[1:]
text = open(path, encoding="utf-8").read()
if kind == "webvtt-py":
    import webvtt
    def read(): return webvtt.from_buffer(io.StringIO(text))
    def write(made): out = io.StringIO(); made.write(out); return out.getvalue()
elif kind == "pysubs2":
    import pysubs2
    form = path.rsplit(".", 1)[1]
    def read(): return pysubs2.SSAFile.from_string(text, format_=form)
    def write(made): return made.to_string(form)
else:
    import importlib, logging
    logging.disable(logging.CRITICAL)
    form = path.rsplit(".", 1)[1]
    reader = importlib.import_module(f"ttconv.{form}.reader")
    writer = importlib.import_module(f"ttconv.{form}.writer")
    def read(): return reader.to_model(io.StringIO(text))
    def write(made): return writer.from_model(made)
def best(work, rounds):
    times = []
    for _ in range(rounds):
        began = time.process_time(); result = work(); times.append(time.process_time() - began)
    return result, round(min(times), 3)
rounds = 1 if kind == "ttconv" else 3
made, reading = best(read, rounds)
_, writing = best(lambda: write(made), rounds)
print(json.dumps({"read": reading, "write": writing}))
"""


def peers(python: str, folder: Path) -> dict[str, Any]:
    from speechpipe import formats

    found: dict[str, Any] = {}
    for name in ("vtt", "srt"):
        (folder / f"hour.{name}").write_bytes(formats.write(recording(WORDS // 10), name))
    for kind, name in (
        ("webvtt-py", "vtt"),
        ("pysubs2", "vtt"),
        ("pysubs2", "srt"),
        ("ttconv", "vtt"),
        ("ttconv", "srt"),
    ):
        file, what = (folder / f"hour.{name}", ", one hour") if kind == "ttconv" else (folder / f"reel.{name}", "")
        command = [python, "-c", PEER, kind, str(file)]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
            told = json.loads(run.stdout) if run.returncode == 0 else run.stderr.strip()[-200:]
        except subprocess.TimeoutExpired:
            told = f"more than {PATIENCE_S} s"
        found[f"{kind} {name}{what}"] = told
        print(kind, name, told, flush=True)
    return found


def measured_apart(*arguments: str) -> dict[str, Any]:
    """What this script prints when it is called so."""
    run = subprocess.run([sys.executable, __file__, "--one", *arguments], capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(run.stdout)
    return figures


def main() -> None:
    if "--one" in sys.argv:
        action, name, folder = sys.argv[2:]
        print(json.dumps({"write": write, "read": read, "shape": shape}[action](name, Path(folder))))
        return
    from speechpipe.formats import FORMATS

    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Any] = {"words": WORDS, "rounds": ROUNDS, **measured_apart("shape", "shaping", folder)}
        print("shaping", json.dumps(found["shaping"]), flush=True)
        found["formats"] = {}
        for name, row in FORMATS.items():
            figures: dict[str, Any] = {}
            for action in ("write", "read") if row.readable else ("write",):
                figures |= measured_apart(action, name, folder)
            found["formats"][name] = figures
            print(name, json.dumps(figures), flush=True)
        if len(sys.argv) > 1:
            found["peers"] = peers(sys.argv[1], Path(folder))
        elif RESULT.exists():
            found["peers"] = json.loads(RESULT.read_text()).get("peers")
    RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
