"""Sounds whose kind is known, at 16 kHz: music, tones, noises and silence, each ``seconds`` long and from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
Sound = NDArray[np.float64]


def times(seconds: float) -> Sound:
    return np.arange(round(seconds * RATE)) / RATE


def levelled(sound: Sound, dbfs: float) -> Sound:
    """``sound`` at that root mean square."""
    return sound * 10 ** (dbfs / 20) / max(1e-9, float(np.sqrt(np.mean(np.square(sound)))))


def coloured(seconds: float, exponent: float, seed: int) -> Sound:
    """Noise whose power falls as 1/f to the ``exponent``."""
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    return np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 1) ** (exponent / 2), count)


def hum(seconds: float, mains: float) -> Sound:
    return sum((np.sin(2 * np.pi * mains * k * times(seconds) + k) / k for k in (1, 2, 3, 4, 6)), np.zeros(1))


def notes(
    seconds: float,
    seed: int,
    *,
    each: float,
    voices: int = 1,
    harmonics: int = 5,
    decay: float = 2.0,
    vibrato: float = 0.0,
    lowest: float = 196.0,
) -> Sound:
    """A walk over a major scale: each step ``voices`` notes in thirds, struck (decaying) or held."""
    rng = np.random.default_rng(seed)
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 17, 19, 21, 23, 24])
    sound, step, count = np.zeros(round(seconds * RATE)), 7, round(each * RATE)
    for start in range(0, len(sound), count):
        step = int(np.clip(step + rng.integers(-3, 4), 0, len(scale) - 5))
        t = np.arange(min(count, len(sound) - start)) / RATE
        envelope = np.minimum(1, t / 0.01) * np.exp(-decay * t) * np.minimum(1, (t[-1] - t) / 0.02)
        for voice in range(voices):
            hertz = lowest * 2 ** (scale[step + 2 * voice] / 12)
            phase = 2 * np.pi * hertz * t + vibrato * np.sin(2 * np.pi * 5.5 * t)
            for k in range(1, harmonics + 1):
                if hertz * k < RATE / 2:
                    sound[start : start + len(t)] += envelope * np.sin(k * phase) / k**1.2
    return sound


def drums(seconds: float, seed: int) -> Sound:
    """A kick on each half second, a snare between, cymbals on every eighth of a second."""
    rng, t = np.random.default_rng(seed), times(seconds)
    kick = np.sin(2 * np.pi * 55 * t) * np.exp(-18 * (t % 0.5))
    snare = rng.standard_normal(len(t)) * np.exp(-25 * ((t + 0.25) % 0.5))
    cymbal = np.diff(rng.standard_normal(len(t) + 1)) * np.exp(-60 * (t % 0.125))
    return kick + 0.5 * snare + 0.2 * cymbal


def claps(seconds: float, seed: int, per_second: float) -> Sound:
    """Applause, or rain: short bursts at random times."""
    rng, count = np.random.default_rng(seed), round(seconds * RATE)
    strikes = (rng.random(count) < per_second / RATE) * rng.exponential(1, count)
    burst = rng.standard_normal(200) * np.exp(-np.arange(200) / 40)
    return np.convolve(strikes, burst)[:count] + 1e-3 * rng.standard_normal(count)


def motor(seconds: float, seed: int) -> Sound:
    """An engine: a rough low buzz that wanders, in broad noise."""
    rng = np.random.default_rng(seed)
    speed = 30 + 3 * np.cumsum(coloured(seconds, 2, seed)) / 1e3
    pulses = np.sign(np.sin(2 * np.pi * np.cumsum(speed) / RATE)) * (1 + 0.5 * rng.standard_normal(len(speed)))
    return np.convolve(pulses, np.exp(-np.arange(80) / 20), "same") + 20 * levelled(coloured(seconds, 1, seed + 1), -10)


def dial(seconds: float, low: float, high: float) -> Sound:
    """Two tones at once, as telephones give them."""
    return np.sin(2 * np.pi * low * times(seconds)) + np.sin(2 * np.pi * high * times(seconds))


#: Name → the kind that it is to be called, its level in dBFS, and what makes it of seconds and a seed.
SOUNDS: Mapping[str, tuple[str, float, Callable[[float, int], Sound]]] = {
    "piano": ("music", -22, lambda s, n: notes(s, n, each=0.25)),
    "piano, slow, two hands": ("music", -22, lambda s, n: notes(s, n, each=0.6, voices=2)),
    "guitar": ("music", -25, lambda s, n: notes(s, n, each=0.33, voices=3, harmonics=8, decay=4)),
    "organ": ("music", -20, lambda s, n: notes(s, n, each=2.0, voices=3, decay=0)),
    "strings with vibrato": (
        "music",
        -24,
        lambda s, n: notes(s, n, each=1.0, voices=3, decay=0, vibrato=0.3, harmonics=9),
    ),
    "fiddle": ("music", -20, lambda s, n: notes(s, n, each=0.15, decay=0.3, harmonics=12, lowest=294)),
    "flute": ("music", -24, lambda s, n: notes(s, n, each=0.5, decay=0.2, harmonics=2, lowest=523, vibrato=0.1)),
    "bass": ("music", -20, lambda s, n: notes(s, n, each=0.4, lowest=55, harmonics=6)),
    "band": ("music", -18, lambda s, n: notes(s, n, each=0.25, voices=3) + 0.7 * drums(s, n)),
    "drums": ("music", -20, drums),
    "line-up tone": ("tone", -18, lambda s, n: np.sin(2 * np.pi * 1_000 * times(s))),
    "line-up tone, 440 Hz": ("tone", -12, lambda s, n: np.sin(2 * np.pi * 440 * times(s))),
    "dial tone": ("tone", -15, lambda s, n: dial(s, 350, 440)),
    "hum, 50 Hz": ("tone", -35, lambda s, n: hum(s, 50)),
    "hum, 60 Hz": ("tone", -35, lambda s, n: hum(s, 60)),
    "tape hiss": ("noise", -45, lambda s, n: coloured(s, -0.5, n)),
    "white noise": ("noise", -25, lambda s, n: coloured(s, 0, n)),
    "pink noise": ("noise", -25, lambda s, n: coloured(s, 1, n)),
    "rumble": ("noise", -22, lambda s, n: coloured(s, 2, n)),
    "applause": ("noise", -25, lambda s, n: claps(s, n, 400)),
    "rain": ("noise", -35, lambda s, n: claps(s, n, 3_000)),
    "crackle": ("noise", -40, lambda s, n: claps(s, n, 12)),
    "motor": ("noise", -25, motor),
    "digital silence": ("silence", -np.inf, lambda s, n: np.zeros(round(s * RATE))),
    "empty tape": ("silence", -72, lambda s, n: coloured(s, 0, n)),
}


def sound_of(name: str, seconds: float, seed: int) -> Sound:
    _, dbfs, make = SOUNDS[name]
    sound = make(seconds, seed)
    return levelled(sound, dbfs) if np.isfinite(dbfs) else sound
