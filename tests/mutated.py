"""Media files damaged by chance, from a seed: each time the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.containers import KINDS, RATE, encode, riff

#: Longest file that is damaged: DV would be 15 MB of grey picture.
LARGEST = 4 << 20
_HEADER = 512
_FORMS = (b"RIFX", b"RF64", b"BW64")

Damage = Callable[[bytearray, np.random.Generator, bytes], bytes | bytearray]


def _flip(content: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """Single bytes anywhere."""
    for at in rng.integers(0, len(content), rng.integers(1, 200)):
        content[at] = rng.integers(256)
    return content


def _header(content: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """Bytes at the start, many of them to the ends of their range: lengths, rates, counts."""
    for at in rng.integers(0, min(_HEADER, len(content)), rng.integers(1, 24)):
        content[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)])
    return content


def _field(content: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """A number of four or eight bytes, at the start or at the end, made extreme."""
    width = int(rng.choice([4, 8]))
    value = int(rng.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1]))
    reach = min(_HEADER, len(content)) - width
    at = int(rng.integers(max(1, reach)))
    at = at if rng.random() < 0.7 else len(content) - reach - width + at  # indices stand at the end
    content[at : at + width] = value.to_bytes(width, str(rng.choice(["little", "big"])))  # type: ignore[arg-type]
    return content


def _cut(content: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    return content[: rng.integers(1, len(content))]


def _hole(content: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """A piece taken out: all that follows has moved."""
    start = int(rng.integers(len(content)))
    del content[start : start + int(rng.integers(1, max(2, len(content) // 4)))]
    return content or bytearray(1)


def _blank(content: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """A piece that reads as zeros, as from a bad sector."""
    start = int(rng.integers(len(content)))
    end = min(len(content), start + int(rng.integers(1, max(2, len(content) // 3))))
    content[start:end] = bytes(end - start)
    return content


def _repeat(content: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """A piece that comes twice: its time stamps run back."""
    start, end = sorted(int(at) for at in rng.integers(0, len(content) + 1, 2))
    return content[:end] + content[start:]


def _splice(content: bytearray, rng: np.random.Generator, other: bytes) -> bytes:
    """The head of one file, the rest of another."""
    return bytes(content[: rng.integers(1, len(content))]) + other[rng.integers(0, len(other)) :]


DAMAGES: dict[str, Damage] = {
    "bytes flipped": _flip,
    "header altered": _header,
    "a length or count made extreme": _field,
    "cut off": _cut,
    "a piece missing": _hole,
    "a piece zeroed": _blank,
    "a piece repeated": _repeat,
    "spliced with another file": _splice,
}


@dataclass(frozen=True)
class Mutant:
    path: Path
    kind: str
    damage: str


def mutants(folder: Path, sound: NDArray[np.float64], count: int, seed: int) -> Iterator[Mutant]:
    """``count`` damaged files, one after the other in ``folder``; each is gone when the next is asked for."""
    whole = originals(folder, sound)
    names, damages = sorted(whole), list(DAMAGES)
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        name, damage = names[number % len(names)], str(rng.choice(damages))
        other = whole[str(rng.choice(names))].read_bytes()
        path = folder / f"{number:04}{whole[name].suffix}"
        path.write_bytes(DAMAGES[damage](bytearray(whole[name].read_bytes()), rng, other))
        yield Mutant(path, name, damage)
        path.unlink()


def originals(folder: Path, sound: NDArray[np.float64]) -> dict[str, Path]:
    """``sound`` as a file of every kind, by the kind's name."""
    made = {name: encode(folder / f"k{i}.{kind.ending}", kind, sound) for i, (name, kind) in enumerate(KINDS.items())}
    made |= {form.decode(): riff(folder / f"{form.decode()}.wav", form, sound) for form in _FORMS}
    for path in made.values():
        if path.stat().st_size > LARGEST:
            path.write_bytes(path.read_bytes()[:LARGEST])
    return made


def some_sound(seconds: float = 2.0) -> NDArray[np.float64]:
    """A buzz that comes and goes, as syllables do."""
    t = np.arange(round(seconds * RATE)) / RATE
    buzz: NDArray[np.float64] = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 20))
    return 0.2 * buzz * np.clip(np.sin(2 * np.pi * 4 * t), 0, 1)
