"""One file a format, one table row a name: transcripts as WebVTT, ALTO, plain text and lossless JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType

from speechpipe.errors import OutputError, UnknownFormat, UsageError
from speechpipe.files import write_atomically
from speechpipe.settings import Captions
from speechpipe.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Format:
    """A row: its module has ``write(transcript, captions) -> bytes`` and, where readable, ``read(bytes)``."""

    name: str
    suffix: str
    module: str
    media_type: str
    readable: bool = False


_ROWS = (
    Format("vtt", ".vtt", "speechpipe.formats.vtt", "text/vtt"),
    Format("alto", ".alto.xml", "speechpipe.formats.alto", "application/xml"),
    Format("json", ".json", "speechpipe.formats.json", "application/json", readable=True),
    Format("txt", ".txt", "speechpipe.formats.txt", "text/plain"),
)
FORMATS: Mapping[str, Format] = MappingProxyType({row.name: row for row in _ROWS})


def write(transcript: Transcript, name: str, captions: Captions | None = None) -> bytes:
    """The transcript in the format ``name``, as UTF-8 bytes; ``captions`` shapes the cues of vtt and alto.

    Raises:
        UnknownFormat: no such format.
    """
    content: bytes = _module(_row(name)).write(transcript, captions or Captions.model_validate({}))
    return content


def read(content: bytes, name: str) -> Transcript:
    """Read what ``write`` wrote, in a format that keeps everything (json).

    Raises:
        UnknownFormat: no such format. UsageError: a format that cannot be read back, or content that is not of it.
    """
    row = _row(name)
    if not row.readable:
        readable = ", ".join(row.name for row in _ROWS if row.readable)
        raise UsageError(f"A transcript cannot be read from {name}.", cure=f"Give it as: {readable}.")
    transcript: Transcript = _module(row).read(content)
    return transcript


def suffix(name: str) -> str:
    """What follows the recording's full file name: ``reel.wav`` as vtt is ``reel.wav.vtt``.

    Raises:
        UnknownFormat: no such format.
    """
    return _row(name).suffix


def save(
    transcript: Transcript, path: Path, formats: Iterable[str] | None = None, captions: Captions | None = None
) -> list[Path]:
    """Write to the file ``path`` (format by its ending), or into the folder ``path`` as NAME.EXT.*, and return what
    was written.

    ``path`` is a folder where it is one already, has no ending, or ``formats`` ask for other than its ending says;
    without ``formats`` a folder gets all of them. Every format is composed before the first is written.

    Raises:
        UnknownFormat: no such format or ending. OutputError: it cannot be written.
    """
    asked = formats.split(",") if isinstance(formats, str) else formats
    rows = list(dict.fromkeys(_row(name.strip()) for name in asked)) if asked is not None else None
    ending = _ending(path)
    if not path.is_dir() and (rows == [ending] or (rows is None and path.suffix)):
        if ending is None:
            raise UnknownFormat(f"The ending of {path.name} names no format: {_choices()}.")
        targets = {path: ending}
    else:
        targets = {path / (file_name(transcript) + row.suffix): row for row in (rows if rows is not None else _ROWS)}
    contents = {target: write(transcript, row.name, captions) for target, row in targets.items()}
    for target, content in contents.items():
        try:
            write_atomically(target, content)
        except ValueError as error:  # a NUL, or a character that the file system's encoding lacks
            raise OutputError(f"{target} cannot be the name of a file: {error}.") from error
    return list(contents)


def file_name(transcript: Transcript) -> str:
    """The recording's own file name, safe to join to a folder: ``media.name`` may come from anywhere."""
    last = re.split(r"[/\\]", transcript.media.name)[-1].replace("\0", "")
    return last if last.strip(". ") else "transcript"


def _row(name: str) -> Format:
    if name not in FORMATS:
        raise UnknownFormat(f"There is no format {name!r}; there are {_choices()}.")
    return FORMATS[name]


def _ending(path: Path) -> Format | None:
    return next((row for row in _ROWS if path.name.lower().endswith(row.suffix)), None)


def _choices() -> str:
    return ", ".join(f"{row.name} ({row.suffix})" for row in _ROWS)


def _module(row: Format) -> ModuleType:
    return import_module(row.module)
