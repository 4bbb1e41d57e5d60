"""Files in other formats from a transcript that was deposited, without listening again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from speechpipe import formats
from speechpipe.corrections.package import corrected_version, reviewed, said
from speechpipe.errors import OutputError, RepositoryError, UsageError, Withdrawn
from speechpipe.files import read_bytes, write_atomically
from speechpipe.repositories.contract import Item, Receipt, Repository
from speechpipe.repositories.rights import public_name
from speechpipe.settings.captions import Captions


def export(
    repository: Repository, item: Item, receipt: Receipt, names: Sequence[str], target: Path, captions: Captions
) -> list[Path]:
    """Write one recording's transcript in the formats ``names`` below ``target``, where the recording's own folder is
    mirrored: what a person left, where they corrected a file of any version, else the version of ``receipt``.

    The file that a person corrected is copied, but for its sentence on who has read it; others are made from what they
    left. Without a correction a file that was deposited is copied and others are made from the JSON. What describes a
    package describes the files named.

    Where they go is kept, so that a withdrawal finds them.

    Raises:
        UsageError: no JSON was deposited, or it is no transcript; two corrected files contradict each other.
        RepositoryError: it cannot be read. OutputError.
        Withdrawn: it was withdrawn meanwhile.
    """
    with repository.held(item):
        if repository.tombstone(item, receipt.source_sha256) is not None:
            raise Withdrawn(f"{public_name(item)} was withdrawn.")
        return _exported(repository, item, receipt, names, target, captions)


def _exported(
    repository: Repository, item: Item, receipt: Receipt, names: Sequence[str], target: Path, captions: Captions
) -> list[Path]:
    receipt = corrected_version(repository, receipt)
    deposited = repository.paths(item, receipt)
    whole = next((path for path in deposited if path.name.endswith(formats.suffix("json"))), None)
    if whole is None:
        raise UsageError(
            f"{item.identifier} has no JSON, from which others are made.",
            cure="Transcribe it again with 'All that is known (.json)' among the files to write.",
        )
    stem = whole.name.removesuffix(formats.suffix("json"))
    asked = {stem + formats.suffix(name): name for name in names}
    left = reviewed(whole.parent, stem, captions)
    copied = deposited if left is None else [*left.unread, *(left.corrected if len(left.corrected) == 1 else ())]
    files = {path.name: _read(path) for path in copied if path.name in asked}
    if left is not None:
        files = {name: said(content, asked[name], left) for name, content in files.items()}
    if missing := [name for filename, name in asked.items() if filename not in files]:
        transcript = formats.read(_read(whole), "json") if left is None else left.transcript
        files |= formats.compose(transcript, missing, stem, captions, beside=files)
    folder = target / PurePosixPath(item.location).parent
    if not folder.resolve().is_relative_to(target.resolve()):
        raise OutputError(f"{folder} leads out of {target}.", cure="Remove the link.")
    repository.record_copies(item, receipt, {folder / filename: files[filename] for filename in asked})
    for filename in asked:
        write_atomically(folder / filename, files[filename])
    return [folder / filename for filename in asked]


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise RepositoryError(f"Cannot read {path}: {error.strerror or error}.") from error
