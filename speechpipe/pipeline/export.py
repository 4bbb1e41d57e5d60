"""Files in other formats from a transcript that was deposited, without listening again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from speechpipe import formats
from speechpipe.errors import OutputError, RepositoryError, UsageError, Withdrawn
from speechpipe.files import write_atomically
from speechpipe.repositories.contract import Item, Receipt, Repository
from speechpipe.repositories.rights import public_name
from speechpipe.settings import Captions


def export(
    repository: Repository, item: Item, receipt: Receipt, names: Sequence[str], target: Path, captions: Captions
) -> list[Path]:
    """Write one recording's transcript in the formats ``names`` below ``target``, where the recording's own folder is
    mirrored. A file that was deposited, and perhaps corrected by a person, is copied; others are made from the JSON,
    and what describes a package describes the files named.

    Where they go is kept, so that a withdrawal finds them.

    Raises:
        UsageError: no JSON was deposited, or it is no transcript. RepositoryError: it cannot be read. OutputError.
        Withdrawn: it was withdrawn meanwhile.
    """
    with repository.held(item):
        if repository.tombstone(item, receipt.source_sha256) is not None:
            raise Withdrawn(f"{public_name(item)} was withdrawn.")
        return _exported(repository, item, receipt, names, target, captions)


def _exported(
    repository: Repository, item: Item, receipt: Receipt, names: Sequence[str], target: Path, captions: Captions
) -> list[Path]:
    deposited = repository.paths(item, receipt)
    whole = next((path for path in deposited if path.name.endswith(formats.suffix("json"))), None)
    if whole is None:
        raise UsageError(
            f"{item.identifier} has no JSON, from which others are made.",
            cure="Transcribe it again with 'All that is known (.json)' among the files to write.",
        )
    stem = whole.name.removesuffix(formats.suffix("json"))
    asked = {stem + formats.suffix(name): name for name in names}
    files = {path.name: _read(path) for path in deposited if path.name in asked}
    if missing := [name for filename, name in asked.items() if filename not in files]:
        files |= formats.compose(formats.read(_read(whole), "json"), missing, stem, captions, beside=files)
    folder = target / PurePosixPath(item.location).parent
    if not folder.resolve().is_relative_to(target.resolve()):
        raise OutputError(f"{folder} leads out of {target}.", cure="Remove the link.")
    repository.record_copies(item, receipt, {folder / filename: files[filename] for filename in asked})
    for filename in asked:
        write_atomically(folder / filename, files[filename])
    return [folder / filename for filename in asked]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RepositoryError(f"Cannot read {path}: {error.strerror or error}.") from error
