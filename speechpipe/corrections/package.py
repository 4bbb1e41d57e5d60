"""What a person left of a package of results: the transcript with the corrections of all its files.

A file is as the machine left it where the receipt has its digest, and as a conversion of ours left it where the record
of copies has; any other was corrected by a person. It is compared with the newest file that is none of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from speechpipe import formats
from speechpipe.errors import RepositoryError, UsageError
from speechpipe.files import read_bytes, sha256_bytes
from speechpipe.formats.captions.vtt import timestamp
from speechpipe.formats.comparing.correction import corrected, laid_over
from speechpipe.formats.comparing.difference import difference
from speechpipe.formats.comparing.json_correction import settled, with_human_times
from speechpipe.formats.comparing.together import Side, together
from speechpipe.formats.provenance import NOT_REVIEWED, statement
from speechpipe.repositories.contract import Receipt, Repository
from speechpipe.repositories.results import copies, receipts
from speechpipe.repositories.results.records import MANIFEST
from speechpipe.settings.captions import CAPTION_PRESETS, Captions
from speechpipe.transcript_data import Revision, TranscriptData

#: Who corrected it, where nobody says.
SOMEBODY = "a person"
#: Where what is known of the original is sought, the fullest first.
_FULLEST = ("json", "alto", "words.vtt", "vtt", "srt")


_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", '"': "&quot;"})


@dataclass(frozen=True, slots=True)
class Reviewed:
    """``corrected``: the files that a person changed and that were read; ``unread``: those that cannot be read back;
    ``revision``: who changed any of them, and when the last was; ``original``: what they were compared with."""

    transcript: TranscriptData
    revision: Revision
    corrected: tuple[Path, ...]
    unread: tuple[Path, ...] = ()
    original: Path | None = None


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    format: str
    content: bytes
    #: Whether the machine wrote it, a conversion of ours, or a person.
    by: str

    @property
    def changed(self) -> str:
        """When it was last written."""
        return datetime.fromtimestamp(self.path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def corrected_version(repository: Repository, receipt: Receipt) -> Receipt:
    """The receipt of the newest version that a person corrected, else ``receipt``: their work stands above what a
    machine made later."""
    files, changed = repository.results(receipt)
    theirs = {path.name for path in changed}
    found = [told for path in files if path.name.endswith(MANIFEST) and (told := receipts.read(path))]
    return max((one for one in found if theirs & one.files.keys()), key=lambda one: one.version, default=receipt)


def reviewed(folder: Path, stem: str, limits: Captions, by: str | None = None) -> Reviewed | None:
    """The transcript as a person left it in a folder's files ``stem`` and an ending; None where they changed none that
    the receipt beside them tells of.

    Args:
        limits: what shaped the cues, where the files do not tell. by: who corrected them.

    Raises:
        UsageError: a file cannot be read, or two contradict each other. RepositoryError: the disk cannot be read.
    """
    receipt = receipts.read(folder / (stem + MANIFEST))
    files = list(_files(folder, stem, receipt)) if receipt else []
    theirs = [file for file in files if file.by == "person"]
    if receipt is None or not theirs:
        return None
    unread = tuple(file.path for file in theirs if not formats.FORMATS[file.format].readable)
    readable = {file.format: file for file in theirs if formats.FORMATS[file.format].readable}
    base = _base(files, readable)
    if base is None:
        return None
    original = _read(base)
    revision = Revision(by or SOMEBODY, max(file.changed for file in theirs))
    shape = _shaped(original, receipt, base, limits)
    found, paths = _laid(original, base, readable, revision, shape) if readable else (original, ())
    if not paths and not unread:
        return None
    return Reviewed(found, revision, paths, unread, None if base in readable.values() else base.path)


def said(content: bytes, name: str, left: Reviewed) -> bytes:
    """A file that a person corrected, with who did so in the place of the sentence that nobody has read it."""
    if formats.FORMATS[name].lossless:
        return formats.write(left.transcript, name)
    if name in ("html", "mets"):
        return content
    words = (re.escape(word).encode() for word in NOT_REVIEWED.split())
    told = statement(replace(left.transcript, revision=left.revision))
    told = told.translate(_ESCAPES) if name == "alto" else told
    return re.sub(rb"[ \r\n]+".join(words), lambda _: told.encode(), content, count=1)


def _files(folder: Path, stem: str, receipt: Receipt) -> Iterator[_File]:
    made: dict[str, set[str]] = {}
    for path, digests in copies.recorded(folder / (stem + copies.ENDING)).items():
        made.setdefault(path.name, set()).update(digests)
    for row in formats.FORMATS.values():
        name = stem + row.suffix
        if name not in receipt.files:
            continue
        try:
            content = read_bytes(folder / name)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RepositoryError(f"Cannot read {folder / name}: {error.strerror or error}.") from error
        digest = sha256_bytes(content)
        if digest != receipt.files[name] and row.lossless:
            digest = _spelled_anew(content)
        by = "machine" if digest == receipt.files[name] else "conversion" if digest in made.get(name, ()) else "person"
        yield _File(folder / name, row.name, content, by)


def _spelled_anew(content: bytes) -> str:
    """The digest of a JSON as we write it, whatever line ends or indents an editor gave it."""
    try:
        return sha256_bytes(formats.write(formats.read(content, "json"), "json"))
    except UsageError:
        return sha256_bytes(content)


def _base(files: list[_File], theirs: Mapping[str, _File]) -> _File | None:
    """What corrections are compared with: what a conversion made of earlier ones, else what the machine left, else the
    fullest of the person's own."""
    for by in ("conversion", "machine", "person"):
        of_kind = {file.format: file for file in files if file.by == by}
        if found := next((of_kind[name] for name in _FULLEST if name in of_kind), None):
            return found
    return theirs.get("json")


def _shaped(original: TranscriptData, receipt: Receipt, base: _File, limits: Captions) -> Captions:
    """The limits that shaped the cues of the files: those by which they come out as the receipt says."""
    if base.format != "json" or base.by != "machine":
        return limits
    stem = base.path.name.removesuffix(formats.suffix("json"))
    name = next((name for name in ("vtt", "srt", "alto") if stem + formats.suffix(name) in receipt.files), None)
    for shape in (limits, *(Captions(preset=preset) for preset in CAPTION_PRESETS)) if name else ():
        if sha256_bytes(formats.write(original, name or "", shape)) == receipt.files[stem + formats.suffix(name or "")]:
            return shape
    return limits


def _laid(
    original: TranscriptData, base: _File, theirs: Mapping[str, _File], revision: Revision, limits: Captions
) -> tuple[TranscriptData, tuple[Path, ...]]:
    """The corrections of all files on what they are compared with, which is the person's own where nothing else is
    left; and those files that say anything else than that. The original itself where none does."""
    json = theirs.get("json")
    whole = _settled(json, original if json is not base else None) if json is not None else original
    if json is not None and json is not base and base.format != "alto":
        # Captions alone lack times of words, which the JSON has.
        original = replace(corrected(whole, original, revision, limits), revision=None)
    before = whole if json is base else original
    sides: dict[str, Side] = {}
    for file in theirs.values():
        if file is json or file is base:
            continue
        read = _read(file)
        laid = laid_over(before, read, file.format, revision, limits)
        if laid is not before:
            sides[file.path.name] = Side(file.format, read, laid)
    paths = [base.path.with_name(name) for name in sides]
    if base.by == "person":
        for name, side in sides.items():
            raise _differing(base.path.name, before, name, side.laid)
        return replace(before, revision=revision), (base.path,)
    if json is None and len(sides) < 2:
        return next((side.laid for side in sides.values()), original), tuple(paths)
    if json is not None:
        paths.append(json.path)
        shown = formats.read(formats.write(whole, "alto", limits), "alto")
        sides[json.path.name] = Side("alto", replace(shown, warnings=()), whole)
        whole = with_human_times(original, whole)
    if len(sides) > 1:
        whole = corrected(whole, together(original, sides, limits), revision, limits, exact_ends=True)
    return replace(whole, revision=revision), tuple(paths)


def _differing(name: str, one: TranscriptData, other: str, two: TranscriptData) -> UsageError:
    edits = difference(one, two).edits
    start = timestamp(edits[0].start_ms or 0) if edits else None
    where = f"at {start} “{edits[0].old[:60]}” and “{edits[0].new[:60]}”" if edits else "in times, voices or remarks"
    return UsageError(
        f"{name} and {other} were both corrected and differ, and nothing is left of what they were: {where}.",
        cure="Make them say the same, or delete the one that does not hold.",
    )


def _settled(file: _File, original: TranscriptData | None) -> TranscriptData:
    with _named(file.path):
        return settled(formats.read(file.content, "json"), original, file.content)


def _read(file: _File) -> TranscriptData:
    with _named(file.path):
        return formats.read(file.content, file.format)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """A mistake in a file is told with its name."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", cure=error.advice) from error
