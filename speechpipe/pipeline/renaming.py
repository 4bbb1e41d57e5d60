"""What follows from a selection alone: results move with their recording, and what names the files is put right."""

from __future__ import annotations

from dataclasses import replace

from speechpipe import formats
from speechpipe.errors import OutputError
from speechpipe.files import explained, sha256_bytes
from speechpipe.pipeline.closing import close
from speechpipe.repositories import selection as repositories
from speechpipe.repositories.contract import Item, Package, Receipt, Repository
from speechpipe.repositories.selection import Choice, Selection


def settle(repository: Repository, selection: Selection) -> Selection:
    """As ``repositories.selection.settle``; files of a moved package that name the others name them as they lie now.

    Raises:
        OutputError: nothing can be written. RepositoryError: its metadata cannot be trusted.
    """
    close(repository)
    settled = repositories.settle(repository, selection)
    pairs = zip(selection.choices, settled.choices, strict=True)
    return replace(settled, choices=tuple(_described(repository, before, after) for before, after in pairs))


def _described(repository: Repository, before: Choice, after: Choice) -> Choice:
    if after.kind != "moved" or before.receipt is None or after.receipt is None:
        return after
    try:
        receipt = _renamed(repository, after.item, before.receipt.source_name, after.receipt)
    except OutputError:  # its text is where it belongs; it must not cost a night
        return after
    return replace(after, receipt=receipt)


def _renamed(repository: Repository, item: Item, old: str, receipt: Receipt) -> Receipt:
    """The package with its new names; as it is where a person has corrected a file of it, since it is frozen then."""
    paths = {path: formats.format_of(path) for path in repository.paths(item, receipt)}
    if old == receipt.source_name or not any(name and formats.FORMATS[name].describes for name in paths.values()):
        return receipt
    files: dict[str, bytes] = {}
    for path, name in paths.items():
        with explained(path):
            content = path.read_bytes()
        if name is None or sha256_bytes(content) != receipt.files[path.name]:
            return receipt
        files[formats.suffix(name)] = formats.renamed(content, name, old, receipt.source_name)
    return repository.deposit(item, Package(files, receipt)).receipt
