"""Tries ``inspect`` and ``transcribe`` on every container and on every file of the speech collection.

    python bench/media.py            # writes the tables of docs/media.md between their marks

The engine is the one without a model: what is tried here is all that comes before it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PAGE = ROOT / "docs" / "media.md"
NO_MEDIA = {".md", ".jsonl", ".vtt", ".srt", ""}

from speechpipe.audio import Pcm, decode, inspect  # noqa: E402
from speechpipe.errors import SpeechpipeError  # noqa: E402
from speechpipe.pipeline import Transcriber, transcribe  # noqa: E402
from speechpipe.settings import Settings  # noqa: E402
from tests.containers import KINDS, RATE, encode, read_speech  # noqa: E402


@dataclass(frozen=True)
class Row:
    name: str
    form: str
    outcome: str
    audio_ms: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--speech", type=Path, default=Path(os.environ.get("SPEECHPIPE_SHARED", ROOT.parent / "shared"), "speech")
    )
    speech = parser.parse_args().speech
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        containers = list(container_rows(Path(folder), read_speech(speech / "jfk" / "jfk_16k.wav")))
        rows = list(file_rows(speech, Transcriber(Settings(engine="fake", aligner="none", workspace=Path(folder)))))
    page = PAGE.read_text(encoding="utf-8")
    page = between(page, "containers", containers)
    page = between(page, "collection", collection_rows(rows))
    page = between(page, "fixtures", fixture_rows(rows))
    PAGE.write_text(page, encoding="utf-8")
    print(f"{len(containers)} containers and {len(rows)} files in {time.monotonic() - started:.0f} s")


def container_rows(folder: Path, sound: np.ndarray) -> Iterator[str]:
    """Each kind of file: whether all of the sound comes back, and by how much it is late."""
    for name, kind in KINDS.items():
        path = encode(folder / f"a.{kind.ending}", kind, sound)
        stream = next(s for s in inspect(path).media.streams if s.kind == "audio")
        decoded = decode(path, folder / "out", "auto")
        with Pcm(folder / "out" / decoded.lanes[0].file) as pcm:
            found = pcm.read(0, decoded.duration_ms)
        size = 1 << 20
        cross = np.fft.irfft(np.fft.rfft(found, size) * np.conj(np.fft.rfft(sound, size)), size)
        late = int(cross.argmax())
        late = late if late < size // 2 else late - size
        like = cross.max() / np.linalg.norm(found) / np.linalg.norm(sound)
        rate = f"{kind.rate / 1000:g} kHz, {kind.channels}"
        lateness = f"{late * 1000 / RATE:.0f} ms"
        yield f"| {name} | {stream.codec} | {rate} | {decoded.duration_ms} ms | {lateness} | {like:.3f} |"
        path.unlink()


def file_rows(speech: Path, transcriber: Transcriber) -> Iterator[Row]:
    for path in sorted(speech.rglob("*")):
        if path.is_file() and path.suffix.lower() not in NO_MEDIA:
            yield tried(path, str(path.relative_to(speech)), transcriber)


def tried(path: Path, name: str, transcriber: Transcriber) -> Row:
    form, audio_ms = "", 0
    try:
        media = inspect(path).media
        sound = next((s for s in media.streams if s.kind == "audio"), None)
        form = f"{(media.container or '').split(',')[0]}"
        form += f", {sound.codec}, {sound.sample_rate} Hz, {sound.channels} ch" if sound else ", no sound"
        transcript = transcribe(path, settings=transcriber)
        audio_ms = transcript.media.duration_ms or 0
        outcome = transcript.outcome.replace("_", " ")
        if not transcript.complete:
            outcome += f"; incomplete: {transcript.incomplete_reason}"
    except SpeechpipeError as error:
        outcome = f"refused: {error.message.replace(str(path), 'it')}"
    except Exception as error:  # a fault of ours, to be seen in the table
        outcome = f"FAULT {type(error).__name__}: {error}"
    return Row(name, form, outcome.replace("|", "\\|"), audio_ms)


def collection_rows(rows: list[Row]) -> list[str]:
    """A line a folder of speech and form."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        top = row.name.split("/")[0]
        if top != "fixtures":
            groups[top, row.form].append(row)
    lines = []
    for (top, form), group in sorted(groups.items()):
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in Counter(r.outcome for r in group).items())
        minutes = sum(row.audio_ms for row in group) / 60_000
        lines.append(f"| {top} | {form} | {len(group)} | {minutes:.1f} | {outcomes} |")
    return lines


def fixture_rows(rows: list[Row]) -> list[str]:
    short = "fixtures/"
    return [
        f"| {row.name.removeprefix(short)} | {row.form or '?'} | {row.audio_ms / 1000:.1f} | {row.outcome} |"
        for row in rows
        if row.name.startswith(short)
    ]


def between(page: str, mark: str, lines: list[str]) -> str:
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    before, rest = page.split(begin, 1)
    table, after = rest.split(end, 1)
    head = "".join(line + "\n" for line in table.splitlines()[:2])
    return before + begin + head + "".join(line + "\n" for line in lines) + end + after


if __name__ == "__main__":
    main()
