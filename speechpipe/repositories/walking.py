"""Looking through a folder for recordings, in the order of names, and telling what cannot be offered."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from speechpipe.repositories.contract import Item, LeftOut
from speechpipe.repositories.metadata.knowledge import Knowledge
from speechpipe.repositories.rights import is_known, masked, may_show

#: Endings of files that may hold sound, in any case.
MEDIA_ENDINGS = frozenset(
    {".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".bwf", ".caf", ".dts", ".flac", ".gsm", ".m4a"}
    | {".m4b", ".mka", ".mp2", ".mp3", ".mpa", ".oga", ".ogg", ".opus", ".ra", ".rf64", ".snd", ".spx", ".tta", ".voc"}
    | {".w64", ".wav", ".wave", ".wma", ".wv"}
    | {".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg"}
    | {".mpg", ".mts", ".mxf", ".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv"}
)

#: What file systems and their tools keep for themselves.
_NOT_ARCHIVE = frozenset({"lost+found", "System Volume Information", "$RECYCLE.BIN", "@eaDir", "__MACOSX"})


def recordings(source: Path, known: Knowledge, results: Collection[Path], left_out: list[LeftOut]) -> Iterator[str]:
    """Where every file below ``source`` lies that has the ending of a recording or a row; the folders of ``results``,
    links to folders and hidden ones are passed over. What is not offered goes into ``left_out``."""
    yield from _below(source, PurePosixPath(), known, {folder.resolve() for folder in results}, left_out)


def _below(
    source: Path, folder: PurePosixPath, known: Knowledge, results: Collection[Path], left_out: list[LeftOut]
) -> Iterator[str]:
    try:
        with os.scandir(source / folder) as scan:
            entries = sorted(scan, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        left_out.append(LeftOut(folder.as_posix(), f"This folder cannot be read: {error.strerror or error}."))
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name in _NOT_ARCHIVE:
            continue
        location = (folder / entry.name).as_posix()
        if entry.is_dir(follow_symlinks=False):
            if Path(entry.path).resolve() not in results:
                yield from _below(source, folder / entry.name, known, results, left_out)
        elif PurePosixPath(entry.name).suffix.lower() in MEDIA_ENDINGS or location in known.table.items:
            if reason := _outside(entry, source):
                left_out.append(left_out_as(location, reason, known.item(location)))
            elif entry.is_file():
                yield location


def _outside(entry: os.DirEntry[str], source: Path) -> str | None:
    """Why a link is not offered."""
    if not entry.is_symlink():
        return None
    try:
        path = Path(entry.path).resolve(strict=True)
    except (OSError, RuntimeError):
        return "It is a link that leads to no file."
    return None if path.is_relative_to(source.resolve()) else "It is a link that leads out of the collection."


def left_out_as(location: str, reason: str, item: Item) -> LeftOut:
    """``location``, which belongs to ``item``, with a name that tells no more of it than may be told."""
    return LeftOut(location, reason, masked(location) if is_known(item.rights) and not may_show(item) else None)
