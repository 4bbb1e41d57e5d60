"""Builds the sample archive: `python sample_audio/build.py [FOLDER]` (needs libespeak-ng and libflite; see README.md).

Every run gives the same sounds. Beside each readable recording stands NAME.EXT.reference.json with what is said in it
and when, as the synthesiser itself timed it.
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from voices import RATE, Speaker

Sound = NDArray[np.float32]
MICHAEL, ROBERT, STEPH, MICHEL = (
    "espeak:en-us+Michael",
    "espeak:en-us+robert",
    "espeak:en-us+steph3",
    "espeak:en-029+michel",
)
RMS = "flite:rms"

# What is said, line by line: (voice, words) or a sound between lines: (name, seconds).
SLATE = [
    ("pause", 0.6), (STEPH, "tape four one seven side two"), ("pause", 0.9),
    (STEPH, "recorded in bergen in nineteen fifty four"), ("pause", 0.8),
    (STEPH, "interview with mary"), ("pause", 0.7),
]  # fmt: skip
REEL = [
    ("pause", 1.0), (ROBERT, "this is tape number twelve"), ("pause", 0.8),
    (ROBERT, "recorded in oslo in nineteen sixty three"), ("pause", 1.2), ("tone", 4.0), ("pause", 1.0),
    (ROBERT, "folk music from bergen"), ("pause", 0.8), ("music", 36.0), ("pause", 1.2),
    (STEPH, "interview with erik"), ("pause", 0.7), (STEPH, "part one"), ("pause", 0.9),
    (MICHAEL, "recorded in london in may nineteen forty"), ("pause", 1.0), ("hum", 9.0),
    (MICHAEL, "box seventeen reel five"), ("pause", 0.8), (MICHAEL, "lecture twenty six"), ("silence", 12.0),
    (MICHEL, "radio story from oslo"), ("pause", 0.9), (MICHEL, "part four"), ("pause", 0.9),
    (RMS, "church music from london"), ("pause", 0.8), ("music", 26.0), ("pause", 1.0),
    (RMS, "recorded in june nineteen thirty"), ("pause", 0.9), (STEPH, "session fourteen"), ("pause", 0.7),
    (STEPH, "song by anna"), ("hum", 6.0), (ROBERT, "copy number two"), ("pause", 0.8),
    (ROBERT, "end of tape"), ("silence", 4.0),
]  # fmt: skip
INTERVIEW = [  # (channel, voice, words)
    (0, MICHAEL, "interview with anna"), (1, STEPH, "this is anna"), (0, MICHAEL, "recorded in oslo"),
    (1, STEPH, "recorded in nineteen fifty two"), (0, MICHAEL, "radio interview from bergen"),
    (1, STEPH, "song by mary"), (0, MICHAEL, "tape three side one"), (1, STEPH, "yes"),
    (0, MICHAEL, "date march third nineteen sixty"), (1, STEPH, "folk music"), (0, MICHAEL, "interview continued"),
    (1, STEPH, "end of interview"),
]  # fmt: skip
FILM = [
    ("pause", 0.8), (MICHAEL, "radio lecture from london"), ("pause", 0.8), (MICHAEL, "recorded by john"),
    ("pause", 0.9), (MICHAEL, "reel eight part two"), ("pause", 0.8), (MICHAEL, "end of reel"), ("pause", 0.8),
]  # fmt: skip
NORSK_A, NORSK_B = "espeak:nb+steph3", "espeak:nb+Michael"
INNSPILLING = [
    ("pause", 0.7), (NORSK_A, "bånd tre side to"), ("pause", 0.9), (NORSK_A, "innspilt i bergen i nitten førti"),
    ("pause", 1.0), (NORSK_B, "intervju med radio"), ("pause", 0.8), (NORSK_B, "folkemusikk i oslo"), ("pause", 0.8),
    (NORSK_A, "neste side"), ("pause", 0.8), (NORSK_A, "slutt på bånd"), ("pause", 0.7),
]  # fmt: skip
NO_SPEECH = [("pause", 1.0), ("music", 24.0), ("silence", 6.0), ("music", 14.0), ("hum", 5.0)]
BROKEN = "This is a note that someone saved under the name of a sound file. There is no sound in it.\n"


def build(folder: Path) -> None:
    speaker = Speaker()
    folder.mkdir(parents=True, exist_ok=True)
    for name, language, script, seed in (
        ("slate.wav", "en", SLATE, 1),
        ("reel-12.flac", "en", REEL, 2),
        ("film.mp4", "en", FILM, 3),
        ("innspilling.wav", "nb", INNSPILLING, 4),
        ("no-speech.mp3", None, NO_SPEECH, 5),
    ):
        sound, words = compose(script, speaker, np.random.default_rng(seed))
        write_media(folder / name, sound[None])
        write_reference(folder / name, language, words)
    sounds, words = converse(INTERVIEW, speaker, np.random.default_rng(6))
    write_media(folder / "interview.wav", sounds)
    write_reference(folder / "interview.wav", "en", words)
    (folder / "broken.wav").write_text(BROKEN)


Timed = tuple[str, float, float, int | None]  # word, start s, end s, channel


def compose(
    script: list[tuple[str, str | float]], speaker: Speaker, rng: np.random.Generator
) -> tuple[Sound, list[Timed]]:
    """One channel after a script; hiss lies under all of it but the digital silence."""
    parts: list[Sound] = []
    words: list[Timed] = []
    at = 0
    for what, how in script:
        if isinstance(how, str):
            sound, spoken = speaker.say(how, what)
            sound = level(sound, 0.07)
            words += [(w, at / RATE + start, at / RATE + end, None) for w, start, end in spoken]
        else:
            sound = SOUNDS[what](how, rng)
        parts.append(sound if what == "silence" else sound + hiss(len(sound), rng))
        at += len(sound)
    return np.concatenate(parts), words


def converse(
    script: list[tuple[int, str, str]], speaker: Speaker, rng: np.random.Generator
) -> tuple[Sound, list[Timed]]:
    """Two channels, one speaker on each, who take turns; on the other's channel only hiss is heard."""
    turns: list[tuple[int, int, Sound]] = []
    words: list[Timed] = []
    at = round(0.6 * RATE)
    for channel, voice, text in script:
        sound, spoken = speaker.say(text, voice)
        turns.append((channel, at, level(sound, 0.07)))
        words += [(w, at / RATE + start, at / RATE + end, channel) for w, start, end in spoken]
        at += len(sound) + round(0.7 * RATE)
    sounds = np.stack([hiss(at, rng), hiss(at, rng)])
    for channel, start, sound in turns:
        sounds[channel, start : start + len(sound)] += sound
    return sounds, words


def level(sound: Sound, rms: float) -> Sound:
    return (sound * (rms / np.sqrt(np.mean(sound**2)))).astype(np.float32)


def hiss(count: int, rng: np.random.Generator) -> Sound:
    """Tape hiss, 38 dB below the speech."""
    return (rng.standard_normal(count) * 0.0009).astype(np.float32)


def nothing(seconds: float, rng: np.random.Generator) -> Sound:
    return np.zeros(round(seconds * RATE), np.float32)


def tone(seconds: float, rng: np.random.Generator) -> Sound:
    t = np.arange(round(seconds * RATE)) / RATE
    return faded(0.1 * np.sin(2 * np.pi * 1000 * t))


def hum(seconds: float, rng: np.random.Generator) -> Sound:
    """Mains hum: 50 Hz and its harmonics."""
    t = np.arange(round(seconds * RATE)) / RATE
    return faded(sum(a * np.sin(2 * np.pi * 50 * k * t) for k, a in ((1, 0.05), (2, 0.03), (3, 0.015), (5, 0.006))))


def music(seconds: float, rng: np.random.Generator) -> Sound:
    """A slow waltz of plucked strings, composed by chance over four chords."""
    beat, total = 0.42, round(seconds * RATE)
    out = np.zeros(total + 2 * RATE)
    chords = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7))
    for n in range(int(seconds / beat) - 3):
        chord = chords[n // 3 % 4]
        notes = [chord[0] - 12] if n % 3 == 0 else [chord[1], chord[2]]
        melody = [int(rng.choice(chord)) + 12] if rng.random() < 0.75 else []
        for note, loud in [(m, 0.6) for m in notes] + [(m, 1.0) for m in melody]:
            start = round(n * beat * RATE)
            pluck = plucked(220 * 2 ** (note / 12)) * loud
            out[start : start + len(pluck)] += pluck[: len(out) - start]
    return faded(level(out[:total].astype(np.float32), 0.05))


def plucked(frequency: float) -> NDArray[np.float64]:
    t = np.arange(round(1.6 * RATE)) / RATE
    partials = sum(np.sin(2 * np.pi * frequency * k * t) * np.exp(-t * (2 + k)) / k for k in range(1, 7))
    return partials * np.minimum(1, t / 0.006)


def faded(sound: NDArray[np.floating]) -> Sound:
    ramp = np.linspace(0, 1, RATE // 10)
    sound[: len(ramp)] *= ramp
    sound[-len(ramp) :] *= ramp[::-1]
    return np.asarray(sound, np.float32)


SOUNDS = {"pause": nothing, "silence": nothing, "tone": tone, "hum": hum, "music": music}

# suffix -> container, audio codec, its sample format, bit rate
CONTAINERS = {
    ".wav": ("wav", "pcm_s16le", "s16", None),
    ".flac": ("flac", "flac", "s16", None),
    ".mp3": ("mp3", "libmp3lame", "s16p", 48_000),
    ".mp4": ("mp4", "aac", "fltp", 64_000),
}
# Looking ahead in threads of its own, the encoder would not give the same bytes each time.
H264 = {"crf": "30", "x264-params": "threads=1:lookahead-threads=1:deterministic=1:rc-lookahead=0:sync-lookahead=0"}


def write_media(path: Path, sounds: Sound) -> None:
    """Channels × samples to a file, with a test pattern where the container is for films; the same bytes each time."""
    container, codec, sample_format, bit_rate = CONTAINERS[path.suffix]
    layout = ("mono", "stereo")[len(sounds) - 1]
    with av.open(str(path), "w", format=container, options={"fflags": "+bitexact"}) as media:
        picture = media.add_stream("libx264", rate=10, options=H264) if container == "mp4" else None
        track = media.add_stream(codec, rate=RATE, layout=layout)
        track.format = sample_format
        if bit_rate:
            track.bit_rate = bit_rate
        for stream in media.streams:
            stream.codec_context.flags |= av.codec.context.Flags.bitexact
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = 320, 240, "yuv420p"
            for n in range(int(sounds.shape[1] / RATE * 10)):
                media.mux(picture.encode(test_pattern(n)))
            media.mux(picture.encode(None))
        samples = np.clip(np.round(sounds * 32767), -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        resampler = av.AudioResampler(sample_format, layout, RATE, frame_size=track.codec_context.frame_size or 4096)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            media.mux(track.encode(piece))
        media.mux(track.encode(None))


def test_pattern(n: int) -> av.VideoFrame:
    """Eight bars of colour and a white square that walks along under them."""
    picture = np.zeros((240, 320, 3), np.uint8)
    for i in range(8):
        picture[:180, i * 40 : i * 40 + 40] = [255 * (i >> bit & 1) for bit in (2, 1, 0)]
    x = n * 4 % 300
    picture[200:220, x : x + 20] = 255
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame.pts, frame.time_base = n, Fraction(1, 10)
    return frame


def write_reference(media: Path, language: str | None, words: list[Timed]) -> None:
    reference = {
        "media": media.name,
        "source": "the script and the synthesiser's own times; not made by a recogniser",
        "language": language,
        "text": " ".join(word for word, *_ in words),
        "words": [
            {"text": word, "start_ms": round(start * 1000), "end_ms": round(end * 1000), "channel": channel}
            for word, start, end, channel in words
        ],
    }
    path = media.with_name(media.name + ".reference.json")
    path.write_text(json.dumps(reference, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
