"""Every trace that speechpipe left of a recording on this machine's disks, and the one way to erase them.

Withdrawal erases all of them; where rights close, ``close`` erases what went out while they were open. The web page of
a server has more, see ``flows/seen/traces.py``. What a person changed is never erased unasked: it is brought to the
restricted results. What was copied by hand, printed to stdout, or converted from a copy, is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from speechpipe.errors import AlreadyInWork, OutputError
from speechpipe.files import explained, read_bytes, write_atomically
from speechpipe.reports.morning import without
from speechpipe.repositories.contract import Receipt, Repository
from speechpipe.repositories.results import copies
from speechpipe.repositories.results.copies import Erased
from speechpipe.repositories.results.records import MANIFEST
from speechpipe.repositories.rights import masked
from speechpipe.workspace import Workspace


def erase(repository: Repository, receipt: Receipt, *, corrections: bool = False) -> Erased:
    """All results with their records, on either side since rights may have changed, and the copies made of them.

    Raises:
        OutputError: they cannot be erased; the same call goes on there.
    """
    done = Erased()
    for restricted in (False, True):
        done += repository.erase(replace(receipt, restricted=restricted), corrections=corrections)
    return done


def close(repository: Repository, receipt: Receipt, workspace: Path, reports: Path | None, names: set[str]) -> Erased:
    """What went out while the rights were open: copies of the results are erased, rows leave the reports below
    ``reports``, and work in progress is for its owner alone. To be called before the results move; may be repeated.

    ``receipt``: of the open side; ``names``: what the recording is called in reports.

    Raises:
        OutputError: something cannot be erased; the same call goes on there.
    """
    done = repository.erase_copies(replace(receipt, restricted=False))
    forget_in_reports(reports, names)
    if receipt.source_sha256:
        folder = Workspace(workspace, receipt.source_sha256).folder
        with explained(folder), suppress(FileNotFoundError):
            folder.chmod(0o700)
    return done


def erase_scratch(workspace: Path, contents: Iterable[str]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Remove work in progress on these contents: what was removed, and what another process holds, which stops by the
    tombstone and removes it itself. Raises ``OutputError``."""
    erased: list[Path] = []
    held: list[Path] = []
    for content in contents:
        space = Workspace(workspace, content)
        if not space.folder.is_dir():
            continue
        try:
            with space.locked("This recording"):
                space.remove()
        except AlreadyInWork:
            held.append(space.folder)
            continue
        if space.folder.exists():
            raise OutputError(f"{space.folder} cannot be removed.", cure="Remove it as the user who made it.")
        erased.append(space.folder)
    return tuple(erased), tuple(held)


def forget_in_reports(folder: Path | None, names: Collection[str]) -> None:
    """Take the rows of these recordings from all reports in a folder. Raises ``OutputError``."""
    for path in sorted(folder.glob("*.*")) if folder and names else ():
        with explained(path):
            content = read_bytes(path)
        if path.suffix in (".html", ".csv") and (kept := without(content, names)) != content:
            write_atomically(path, kept)


def names_of(receipt: Receipt, *prefixes: str) -> set[str]:
    """What a recording may be called in reports and on the page; ``prefixes``: names of its collection, "" for none."""
    location = receipt.location or receipt.identifier
    return {
        f"{prefix}/{name}" if prefix else name
        for prefix in prefixes or ("",)
        for name in (receipt.identifier, location, masked(location))
    }


def record_conversion(read: Sequence[Path], stem: str, files: Mapping[Path, bytes]) -> bool:
    """Keep, beside the results that one of the files ``read`` is of, where files made from it go; to be called before
    they are written. False where none lies beside its receipt, so that they will not be known.

    Raises:
        OutputError: it cannot be kept.
    """
    for path in read:
        with suppress(OSError):
            private = path.with_name(stem + MANIFEST).stat().st_mode & 0o077 == 0
            copies.record(path.with_name(stem + copies.ENDING), files, private=private)
            return True
    return False
