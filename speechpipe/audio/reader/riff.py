"""The chunks of RIFF, RIFX, RF64, BW64 and AIFF files: how much sound is declared, and what broadcasters note."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from speechpipe.audio.reader.machine import open_media

Order = Literal["little", "big"]

#: (form, type) of a file → the chunk of its sound, and the order of bytes in lengths.
_FORMS: dict[tuple[bytes, bytes], tuple[bytes, Order]] = {
    (b"RIFF", b"WAVE"): (b"data", "little"),
    (b"RIFX", b"WAVE"): (b"data", "big"),
    (b"RF64", b"WAVE"): (b"data", "little"),
    (b"BW64", b"WAVE"): (b"data", "little"),
    (b"FORM", b"AIFF"): (b"SSND", "big"),
    (b"FORM", b"AIFC"): (b"SSND", "big"),
}
_MOST_CHUNKS = 1000
_LONGEST_NOTE = 1 << 20


class Chunk(NamedTuple):
    """``start``: of its content in the file; ``length``: as declared, or as ``ds64`` declares it."""

    name: bytes
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Bext:
    """The Broadcast Wave extension (EBU Tech 3285). ``time_reference``: samples since midnight at the first one."""

    description: str | None = None
    originator: str | None = None
    originator_reference: str | None = None
    origination: str | None = None
    time_reference: int | None = None
    version: int | None = None
    umid: str | None = None
    loudness_lufs: float | None = None
    coding_history: tuple[str, ...] = ()


def missing_bytes(path: Path) -> int:
    """By how many bytes a RIFF, RF64 or AIFF file is shorter than the header of its sound says; 0 for all else.

    FFmpeg does not tell: it takes the duration of such a file from its size.
    """
    size = path.stat().st_size
    with open_media(path) as file:
        form = _form(file)
        if form is None:
            return 0
        for chunk in _chunks(file, form[1]):
            if chunk.name == form[0]:
                return max(0, chunk.start + chunk.length - size)
    return 0


def broadcast_notes(path: Path) -> tuple[Bext | None, dict[str, str]]:
    """The ``bext`` chunk and the plain fields of the ``iXML`` chunk; None and empty where there are none."""
    bext: Bext | None = None
    ixml: dict[str, str] = {}
    with open_media(path) as file:
        form = _form(file)
        if form is None or form[1] != "little":
            return None, {}
        for chunk in _chunks(file, form[1]):
            if chunk.name in (b"bext", b"iXML") and 0 < chunk.length <= _LONGEST_NOTE:
                content = file.read(chunk.length)
                if chunk.name == b"bext" and len(content) >= 346:
                    bext = _bext(content)
                elif chunk.name == b"iXML":
                    ixml = _ixml(content)
    return bext, ixml


def _form(file: BinaryIO) -> tuple[bytes, Order] | None:
    head = file.read(12)
    return _FORMS.get((head[:4], head[8:12]))


def _chunks(file: BinaryIO, order: Order) -> Iterator[Chunk]:
    """The chunks in order; the file stands at the content of the one given out."""
    long_size = None
    for _ in range(_MOST_CHUNKS):
        name, length = file.read(4), int.from_bytes(file.read(4), order)
        if len(name) < 4:
            return
        start = file.tell()
        if name == b"ds64" and length >= 16:
            long_size = int.from_bytes(file.read(16)[8:], order)
            file.seek(start)
        if name == b"data" and (length >= 0xFFFFFF00 or 0x7FFFF000 <= length < 0x80000000):
            length = long_size or 0  # written by a pipe, or it stands in ds64
        yield Chunk(name, start, length)
        file.seek(start + length + length % 2)


def _bext(content: bytes) -> Bext:
    version = int.from_bytes(content[346:348], "little") if len(content) >= 348 else None
    umid = content[348:412] if any(content[380:412]) else content[348:380]
    loudness = int.from_bytes(content[412:414], "little", signed=True) if version == 2 and len(content) >= 414 else None
    day, time = _text(content[320:330]), _text(content[330:338])
    return Bext(
        description=_text(content[:256]),
        originator=_text(content[256:288]),
        originator_reference=_text(content[288:320]),
        origination=" ".join(part for part in (day, time) if part) or None,
        time_reference=int.from_bytes(content[338:346], "little"),
        version=version,
        umid=umid.hex() if version and any(umid) else None,
        loudness_lufs=loudness / 100 if loudness is not None and loudness != 0x7FFF else None,
        coding_history=tuple((_text(content[602:]) or "").splitlines()),
    )


def _text(field: bytes) -> str | None:
    """A field of ASCII, or what archives wrote into it; None where it is empty."""
    raw = field.split(b"\0")[0]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return re.sub(r"[^\S\n]+", " ", text.replace("\r\n", "\n")).strip() or None


def _ixml(content: bytes) -> dict[str, str]:
    """Leaves of the document by their path; empty where it is no XML. No entity is resolved."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content.rstrip(b"\0"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return {}
    found: dict[str, str] = {}
    for node in root.iter(etree.Element):
        if len(node) == 0 and node.text and node.text.strip():
            parents = [str(above.tag) for above in reversed(list(node.iterancestors()))][1:]
            found.setdefault("/".join([*parents, str(node.tag)]), " ".join(node.text.split()))
    return found
