"""Speech, music, noise, tone and silence, as found in sound of which it is known: precision and recall by the second.

    python bench/events.py           # writes the tables of docs/media.md between their marks

Scenes of ten seconds are laid one after the other: human speech of the collection, synthetic music, noises, tones and
silence, speech over music and over noise. What is found in the whole second, at least half of it, is compared with what
was laid there; the first and last second of each scene are left out, since there one goes over into the other. All of
it three times: as it is, as a worn tape, and as MP3 of 64 kbit/s.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / "bench" / "results" / "events.json"

from bench.media import PAGE, between  # noqa: E402
from speechpipe import audio, chunking  # noqa: E402
from speechpipe.settings.chunking import Chunking  # noqa: E402
from tests.containers import Kind, encode  # noqa: E402
from tests.sounds import RATE, SOUNDS, Sound, coloured, levelled, sound_of  # noqa: E402

SCENE_S = 10
KINDS = ("speech", "music", "noise", "tone", "silence")
SPEECH_DBFS = -23.0
#: Over what somebody speaks, and by how many dB the speech is louder.
BEDS = [
    *((bed, db) for bed in ("piano", "organ", "strings with vibrato", "band", "fiddle") for db in (10, 5, 0)),
    *((bed, db) for bed in ("tape hiss", "pink noise", "motor", "hum, 50 Hz", "applause") for db in (15, 5)),
]


@dataclass(frozen=True)
class Scene:
    name: str
    kind: str
    sound: Sound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--speech", type=Path, default=Path(os.environ.get("SPEECHPIPE_SHARED", ROOT.parent / "shared"), "speech")
    )
    parser.add_argument("--show", action="store_true", help="what was found in each scene; nothing is written")
    given = parser.parse_args()
    confusion: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        laid = list(scenes(talks(given.speech, folder)))
        for condition, change in CONDITIONS.items():
            there = {"silence": "noise"} if condition == "worn tape" else {}  # it hisses, and is never silent
            heard = kinds_of(change(np.concatenate([scene.sound for scene in laid]), folder), folder)
            for number, scene in enumerate(laid):
                inside = heard[number * SCENE_S + 1 : (number + 1) * SCENE_S - 1]
                if given.show:
                    print(f"{condition:12} {scene.kind:8} {scene.name:40} {dict(Counter(inside))}")
                over = "speech over music" if "over" in scene.name and SOUNDS[bed_of(scene)][0] == "music" else ""
                over = over or ("speech over noise" if "over" in scene.name else there.get(scene.kind, scene.kind))
                confusion[condition].update((over, kind) for kind in inside)
    lines = [line for condition, found in confusion.items() for line in rows(condition, found)]
    print("\n".join(lines))
    if given.show:
        return
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(between(page, "events", lines), encoding="utf-8")
    figures = {name: {f"{a} as {b}": n for (a, b), n in sorted(found.items())} for name, found in confusion.items()}
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")


def bed_of(scene: Scene) -> str:
    return scene.name.split(" over ")[1].rsplit(",", 1)[0]


def rows(condition: str, found: Counter[tuple[str, str]]) -> Iterator[str]:
    """A line a kind: seconds, recall, precision, and for what else it was taken."""
    of_kind = {truth: truth.split(" over")[0] for truth, _ in found}
    for truth in (kind for kind in (*KINDS, "speech over music", "speech over noise") if kind in of_kind):
        kind = of_kind[truth]
        seconds = sum(n for (a, _), n in found.items() if a == truth)
        right = found[truth, kind]
        called = sum(n for (a, b), n in found.items() if b == kind)
        true = sum(n for (a, b), n in found.items() if b == kind and of_kind[a] == kind)
        precision = f"{true / called:.3f}" if truth in KINDS and called else ""
        others = sorted(((n, b) for (a, b), n in found.items() if a == truth and b != kind), reverse=True)
        taken = ", ".join(f"{b} {n} s" for n, b in others)
        yield f"| {condition} | {truth} | {seconds} | {right / seconds:.3f} | {precision} | {taken} |"


def scenes(talk: Iterator[Sound]) -> Iterator[Scene]:
    """Between every two sounds somebody speaks, so that each is found between others."""
    seed = 0
    for name, (kind, _, _) in SOUNDS.items():
        for _ in range(2):
            seed += 1
            yield Scene(name, kind, sound_of(name, SCENE_S, seed))
            yield Scene("speech", "speech", levelled(next(talk), SPEECH_DBFS))
    for bed, louder in BEDS:
        seed += 1
        under = levelled(sound_of(bed, SCENE_S, seed), SPEECH_DBFS - louder)
        yield Scene(f"speech over {bed}, {louder} dB", "speech", levelled(next(talk), SPEECH_DBFS) + under)


def talks(speech: Path, folder: Path) -> Iterator[Sound]:
    """Ten seconds of one utterance after the other, their silent ends cut off; each time of others."""
    files = [*sorted((speech / "samromur_is").glob("*.flac")), *sorted((speech / "an4").rglob("*.flac"))[::2]]
    piece = np.zeros(0)
    for path in files:
        lane = audio.decode(path, folder / "talk", "mix").lanes[0]
        with audio.Pcm(folder / "talk" / lane.file) as pcm:
            said = pcm.at(0, pcm.samples).astype(np.float64)
        loud = np.flatnonzero(np.abs(said) > 0.05 * np.abs(said).max())
        piece = np.concatenate([piece, levelled(said[loud[0] : loud[-1] + 1], SPEECH_DBFS), np.zeros(RATE // 4)])
        if len(piece) >= SCENE_S * RATE:
            yield piece[: SCENE_S * RATE]
            piece = np.zeros(0)


def kinds_of(path: Path, folder: Path) -> list[str]:
    """What is heard in each second, by the way that every recording takes."""
    lane = audio.decode(path, folder / "out", "auto").lanes[0]
    with audio.Pcm(folder / "out" / lane.file) as pcm:
        probabilities = chunking.speech_probabilities(pcm)
        windows = chunking.plan_windows(probabilities, pcm.duration_ms, Chunking())
        events = chunking.find_events(pcm, probabilities, windows, None)
        spans = [
            *((w.start_ms, w.end_ms, "speech") for w in windows),
            *((e.start_ms, e.end_ms, e.kind) for e in events),
        ]
        seconds = pcm.duration_ms // 1000
    found = []
    for second in range(seconds):
        share: Counter[str] = Counter()
        for start, end, kind in spans:
            share[kind] += max(0, min(end, (second + 1) * 1000) - max(start, second * 1000))
        found.append(share.most_common(1)[0][0] if share else "nothing")
    return found


def as_it_is(sound: Sound, folder: Path) -> Path:
    audio.write_wav(sound, RATE, folder / "a.wav")
    return folder / "a.wav"


def worn_tape(sound: Sound, folder: Path) -> Path:
    """Nothing above 5 kHz, hiss at -55 dBFS, some mains hum, and a speed that wavers by half a percent."""
    t = np.arange(len(sound)) / RATE
    wavering = np.interp(t + 0.005 / (2 * np.pi * 0.7) * np.sin(2 * np.pi * 0.7 * t), t, sound)
    spectrum = np.fft.rfft(wavering)
    spectrum[np.fft.rfftfreq(len(sound), 1 / RATE) > 5_000] = 0
    hiss = levelled(coloured(len(sound) / RATE, 0, 99), -55)
    return as_it_is(np.fft.irfft(spectrum, len(sound)) + hiss + 0.001 * np.sin(2 * np.pi * 50 * t), folder)


def as_mp3(sound: Sound, folder: Path) -> Path:
    return encode(folder / "a.mp3", Kind("mp3", "mp3", "libmp3lame", 22_050, 2), sound)


CONDITIONS: dict[str, Callable[[Sound, Path], Path]] = {
    "as it is": as_it_is,
    "worn tape": worn_tape,
    "MP3": as_mp3,
}

if __name__ == "__main__":
    main()
