"""One file a format, one table row a name: transcripts as captions, ALTO, METS, text, tables and lossless JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType

from speechpipe.errors import OutputError, UnknownFormat, UsageError
from speechpipe.files import write_atomically
from speechpipe.formats.names import file_name
from speechpipe.formats.provenance import withhold
from speechpipe.settings.captions import DEFAULT_FORMATS, Captions
from speechpipe.transcript_data import TranscriptData


@dataclass(frozen=True, slots=True)
class Format:
    """A row: its module has ``write(transcript, captions) -> bytes``.

    ``reader``: the module with ``read(bytes) -> Transcript``, where there is one. ``lossless``: nothing is left out, so
    that nothing is withheld either. ``describes``: it tells of the other files of its package, so its module has
    ``describe(transcript, captions, files, types) -> bytes`` instead of ``write``.
    """

    name: str
    suffix: str
    module: str
    media_type: str
    reader: str | None = None
    lossless: bool = False
    describes: bool = False

    @property
    def readable(self) -> bool:
        return self.reader is not None


_HERE = "speechpipe.formats"
_ROWS = (
    Format("vtt", ".vtt", f"{_HERE}.captions.vtt", "text/vtt", reader=f"{_HERE}.reading.vtt"),
    Format("alto", ".alto.xml", f"{_HERE}.archive.alto", "application/xml", reader=f"{_HERE}.reading.alto"),
    Format("json", ".json", f"{_HERE}.json", "application/json", reader=f"{_HERE}.json", lossless=True),
    Format("txt", ".txt", f"{_HERE}.plain.txt", "text/plain"),
    Format("srt", ".srt", f"{_HERE}.captions.srt", "application/x-subrip", reader=f"{_HERE}.reading.srt"),
    Format("words.vtt", ".words.vtt", f"{_HERE}.captions.words_vtt", "text/vtt", reader=f"{_HERE}.reading.vtt"),
    Format("tsv", ".words.tsv", f"{_HERE}.plain.tsv", "text/tab-separated-values"),
    Format("html", ".html", f"{_HERE}.page.recording", "text/html"),
    Format("mets", ".mets.xml", f"{_HERE}.archive.mets", "application/xml", describes=True),
)
FORMATS: Mapping[str, Format] = MappingProxyType({row.name: row for row in _ROWS})


def write(transcript: TranscriptData, name: str, captions: Captions | None = None) -> bytes:
    """The transcript in the format ``name``, as UTF-8 bytes; ``captions`` shapes the cues of all that has cues.

    Raises:
        UnknownFormat: no such format.
    """
    row = _row(name)
    if row.describes:
        return _describe(row, transcript, captions, {})
    limits = captions or Captions.model_validate({})
    shown = transcript if row.lossless else withhold(transcript, limits.withhold)
    content: bytes = import_module(row.module).write(shown, limits)
    return content


def parts(
    transcript: TranscriptData, names: Iterable[str], captions: Captions | None = None
) -> tuple[dict[str, bytes], Callable[[Mapping[str, bytes]], dict[str, bytes]]]:
    """The transcript in several formats, by suffix: those that stand alone, and a function for those that describe
    the others, once these and their names are known.

    Raises:
        UnknownFormat: no such format.
    """
    rows = [_row(name) for name in dict.fromkeys(names)]
    alone = {row.suffix: write(transcript, row.name, captions) for row in rows if not row.describes}
    describing = [row for row in rows if row.describes]
    return alone, lambda files: {row.suffix: _describe(row, transcript, captions, files) for row in describing}


def compose(
    transcript: TranscriptData,
    names: Iterable[str],
    stem: str,
    captions: Captions | None = None,
    beside: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """The transcript in several formats: file names, ``stem`` and a suffix, to contents.

    Those that describe the others come last; ``beside`` are files of the package that stand already.

    Raises:
        UnknownFormat: no such format.
    """
    alone, describe = parts(transcript, names, captions)
    files = {stem + suffix: content for suffix, content in alone.items()}
    described = {stem + row.suffix for row in _ROWS if row.describes}
    package = {name: content for name, content in {**(beside or {}), **files}.items() if name not in described}
    return files | {stem + suffix: content for suffix, content in describe(package).items()}


def read(content: bytes, name: str) -> TranscriptData:
    """Read a file that ``write`` wrote and a person may have corrected; what was repaired stands in ``warnings``.

    From json all comes back; from the others what they hold.

    Raises:
        UnknownFormat: no such format. UsageError: a format that cannot be read back, or content that is not of it.
    """
    row = _row(name)
    if row.reader is None:
        readable = ", ".join(row.name for row in _ROWS if row.readable)
        raise UsageError(f"A transcript cannot be read from {name}.", cure=f"Give it as: {readable}.")
    transcript: TranscriptData = import_module(row.reader).read(content)
    return transcript


def format_of(path: Path) -> str | None:
    """The format that the ending of a file's name says, or None."""
    row = _ending(path)
    return row.name if row else None


def suffix(name: str) -> str:
    """What follows the recording's full file name: ``reel.wav`` as vtt is ``reel.wav.vtt``.

    Raises:
        UnknownFormat: no such format.
    """
    return _row(name).suffix


def save(
    transcript: TranscriptData, path: Path, formats: Iterable[str] | None = None, captions: Captions | None = None
) -> list[Path]:
    """Write to the file ``path`` (format by its ending), or into the folder ``path`` as NAME.EXT.*, and return what
    was written.

    ``path`` is a folder where it is one already, has no ending, or ``formats`` ask for other than its ending says;
    without ``formats`` a folder gets those of ``DEFAULT_FORMATS``. All are composed before the first is written.

    Raises:
        UnknownFormat: no such format or ending. OutputError: it cannot be written.
    """
    asked = formats.split(",") if isinstance(formats, str) else formats
    rows = list(dict.fromkeys(_row(name.strip()) for name in asked)) if asked is not None else None
    ending = _ending(path)
    if not path.is_dir() and (rows == [ending] or (rows is None and path.suffix)):
        if ending is None:
            raise UnknownFormat(f"The ending of {path.name} names no format: {_choices()}.")
        contents = {path: write(transcript, ending.name, captions)}
    else:
        names = [row.name for row in rows] if rows is not None else DEFAULT_FORMATS
        composed = compose(transcript, names, file_name(transcript), captions)
        contents = {path / name: content for name, content in composed.items()}
    for target, content in contents.items():
        try:
            write_atomically(target, content)
        except ValueError as error:  # a NUL, or a character that the file system's encoding lacks
            raise OutputError(f"{target} cannot be the name of a file: {error}.") from error
    return list(contents)


def _row(name: str) -> Format:
    if name not in FORMATS:
        raise UnknownFormat(f"There is no format {name!r}; there are {_choices()}.")
    return FORMATS[name]


def _ending(path: Path) -> Format | None:
    """The longest ending that fits: .words.vtt before .vtt."""
    fitting = [row for row in _ROWS if path.name.lower().endswith(row.suffix)]
    return max(fitting, key=lambda row: len(row.suffix), default=None)


def _describe(row: Format, transcript: TranscriptData, captions: Captions | None, files: Mapping[str, bytes]) -> bytes:
    limits = captions or Captions.model_validate({})
    types = {name: other.media_type if (other := _ending(Path(name))) else "application/octet-stream" for name in files}
    module: ModuleType = import_module(row.module)
    content: bytes = module.describe(withhold(transcript, limits.withhold), limits, files, types)
    return content


def _choices() -> str:
    return ", ".join(f"{row.name} ({row.suffix})" for row in _ROWS)
