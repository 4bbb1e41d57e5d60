"""``speechpipe withdraw``: erase what was made of a recording, and keep it from being done again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from speechpipe.cli.console import note, say, say_json, shown
from speechpipe.cli.options import json_option
from speechpipe.errors import MediaNotFound, UsageError

if TYPE_CHECKING:
    from speechpipe.pipeline.withdrawal import Recording
    from speechpipe.repositories import FolderRepository, Receipt
    from speechpipe.settings import Settings

    Places = dict[str, FolderRepository]

#: Stands for the name of a collection where a file was named.
ONE_FILE = ""

EPILOG = """\b
Examples:
  speechpipe withdraw NRK-1954-12
  speechpipe withdraw tapes/reel-12.wav --output transcripts
  speechpipe withdraw --lift NRK-1954-12

\b
Erased: all results in all versions, those too that a person corrected, and the
work in progress. A tombstone stays, which keeps the recording from being done
again under any name. The recording itself is not touched, nor are copies of
results that were made elsewhere.
"""


@click.command("withdraw", epilog=EPILOG)
@click.argument("name", metavar="ID|FILE")
@click.option("--collection", metavar="NAME", help="A collection of the settings. Default: all of them.")
@click.option("--folder", metavar="DIR", type=click.Path(path_type=Path), help="Recordings, where no settings say.")
@click.option("--output", metavar="DIR", type=click.Path(path_type=Path), help="Their results. Default: beside.")
@click.option("--reason", metavar="TEXT", help="Kept on the tombstone.")
@click.option("--lift", "is_lifted", is_flag=True, help="Take the tombstone away, so that it may be done again.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def command(
    name: str,
    collection: str | None,
    folder: Path | None,
    output: Path | None,
    reason: str | None,
    is_lifted: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Erase everything made of a recording and keep it from being done again."""
    from speechpipe.pipeline import withdrawal
    from speechpipe.settings import Settings

    settings = Settings.load()
    if is_lifted:
        return lift(name, places(settings, collection, folder, output, name), as_json)
    repository, recordings = found(name, settings, collection, folder, output)
    corrected = withdrawal.corrections(repository, recordings)
    if not yes:
        ask(recordings, corrected)
    done = withdrawal.withdraw(repository, recordings, settings, reason)
    if as_json:
        say_json({"status": "withdrawn", "recordings": done.recordings, "erased": list(map(str, done.erased))})
        return 0
    for path in done.erased:
        say(f"  erased {shown(path)}")
    say(f"{', '.join(map(shown, done.recordings))}: withdrawn, {len(done.erased)} files erased.")
    return 0


def found(
    name: str, settings: Settings, collection: str | None, folder: Path | None, output: Path | None
) -> tuple[FolderRepository, list[Recording]]:
    """The one repository that knows the recording. Raises MediaNotFound: none does. UsageError: several do."""
    from speechpipe.pipeline import withdrawal
    from speechpipe.repositories import Item, Part

    known: list[tuple[str, FolderRepository, list[Recording]]] = []
    for label, repository in places(settings, collection, folder, output, name).items():
        if label == ONE_FILE:
            item = Item(Path(name).name, (Part(Path(name).name),))
            if Path(name).is_file() or repository.existing(item) is not None:
                known.append((label, repository, [withdrawal.of_item(repository, item)]))
            continue
        try:
            known.append((label, repository, withdrawal.find(repository, name)))
        except MediaNotFound:
            continue
    if not known:
        raise MediaNotFound(f"There is no recording {name!r}, and nothing was done of one.", cure="Check the name.")
    if len(known) > 1:
        labels = ", ".join(label for label, _, _ in known)
        raise UsageError(f"Several collections know {name!r}: {labels}.", cure="Choose one with --collection.")
    return known[0][1:]


def places(settings: Settings, collection: str | None, folder: Path | None, output: Path | None, name: str) -> Places:
    """Where to look, by name."""
    from speechpipe.repositories import FolderRepository

    if folder is not None:
        return {str(folder): FolderRepository(folder, output)}
    if collection is not None and collection not in settings.collections:
        raise UsageError(f"There is no collection {collection!r}.", cure=f"Known: {', '.join(settings.collections)}.")
    if collection is None and (Path(name).is_file() or output is not None):
        path = Path(name)
        return {ONE_FILE: FolderRepository(path.parent.resolve(), output, follow_links=True)}
    wanted = {key: value for key, value in settings.collections.items() if collection in (None, key)}
    if not wanted:
        raise UsageError(f"There is no file {name}, and no collection is set.", cure="Give --folder and --output.")
    return {key: FolderRepository.of_collection(value, settings.night) for key, value in wanted.items()}


def ask(recordings: list[Recording], corrected: tuple[Path, ...]) -> None:
    """Raises UsageError where nobody is there to answer, click.Abort where the answer is no."""
    names = ", ".join(shown(recording.receipt.identifier) for recording in recordings)
    if not sys.stdin.isatty():
        raise UsageError(f"{names} would be erased for good.", cure="Give --yes where that is meant.")
    for path in corrected:
        note(f"  corrected by a person: {shown(path)}")
    also = f", {len(corrected)} corrected files among it" if corrected else ""
    click.confirm(f"Erase everything that was made of {names}{also}? This cannot be undone.", abort=True, err=True)


def lift(name: str, where: Places, as_json: bool) -> int:
    from speechpipe.pipeline import withdrawal

    lifted: list[Receipt] = []
    for label, repository in where.items():
        try:
            lifted += withdrawal.lift(repository, Path(name).name if label == ONE_FILE else name)
        except MediaNotFound:
            continue
    if not lifted:
        raise MediaNotFound(f"{name!r} was not withdrawn.", cure="Check the name and the collection.")
    names = [receipt.identifier for receipt in lifted]
    if as_json:
        say_json({"status": "lifted", "recordings": names})
    else:
        say(f"{', '.join(map(shown, dict.fromkeys(names)))}: may be done again.")
    return 0
