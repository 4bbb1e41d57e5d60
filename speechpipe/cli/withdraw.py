"""``speechpipe withdraw``: erase what was made of a recording, and keep it from being done again."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from speechpipe.cli.options import json_option
from speechpipe.console.terminal import note, say, say_json, shown
from speechpipe.errors import MediaNotFound, UsageError

if TYPE_CHECKING:
    from speechpipe.repositories import FolderRepository, Receipt
    from speechpipe.settings import Settings
    from speechpipe.withdrawal.withdraw import Recording, Withdrawal

EPILOG = """\b
Examples:
  speechpipe withdraw NRK-1954-12
  speechpipe withdraw tapes/reel-12.wav --output transcripts
  speechpipe withdraw --lift NRK-1954-12

\b
Erased: all results in all versions, exports, what "speechpipe convert" made of
them, work in progress, rows of reports and what a server shows of it. What a
person changed is brought to the restricted results, and named; it goes only
with --with-corrections. A tombstone stays, which keeps the recording from
being done again under any name. The recording itself is not touched, nor are
copies that were made by hand.
"""
PAGE = "A running server forgets it within a minute; one that is stopped, when it starts."


@click.command("withdraw", epilog=EPILOG)
@click.argument("name", metavar="ID|FILE")
@click.option("--collection", metavar="NAME", help="A collection of the settings. Default: all of them.")
@click.option("--folder", metavar="DIR", type=click.Path(path_type=Path), help="Recordings, where no settings say.")
@click.option("--output", metavar="DIR", type=click.Path(path_type=Path), help="Their results. Default: beside.")
@click.option("--reason", metavar="TEXT", help="Kept on the tombstone.")
@click.option("--with-corrections", is_flag=True, help="Erase also what a person changed.")
@click.option("--lift", "is_lifted", is_flag=True, help="Take the tombstone away, so that it may be done again.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def command(
    name: str,
    collection: str | None,
    folder: Path | None,
    output: Path | None,
    reason: str | None,
    with_corrections: bool,
    is_lifted: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Erase everything made of a recording and keep it from being done again."""
    from speechpipe.settings import Settings
    from speechpipe.withdrawal import withdraw

    settings = Settings.load()
    where = places(settings, collection, folder, output, name)
    if is_lifted:
        return lift(name, where, as_json)
    recordings = found(name, where)
    recordings += withdraw.elsewhere(settings, recordings)
    if not yes:
        ask(recordings, withdraw.corrections(recordings), with_corrections)
    done = withdraw.withdraw(recordings, settings, reason, with_corrections=with_corrections)
    tell(done, as_json)
    return 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look, and what the recording is called there. ``label``: the name of a collection; None: a file that
    is done as a person named it, of which nothing is known but its results."""

    label: str | None
    repository: FolderRepository
    called: str


def places(
    settings: Settings, collection: str | None, folder: Path | None, output: Path | None, name: str
) -> list[Place]:
    """Where the recording may be known: in the folders that are named; else in the collections of the settings, by its
    name or by its path, and where it lies itself.

    Raises:
        UsageError: there is no such collection, or no place at all.
    """
    from speechpipe.repositories import FolderRepository

    path = Path(name)
    if folder is not None:
        return [Place(str(folder), FolderRepository(folder, output), _within(folder, path) or name)]
    if collection is not None and collection not in settings.collections:
        raise UsageError(f"There is no collection {collection!r}.", cure=f"Known: {', '.join(settings.collections)}.")
    itself = [Place(None, FolderRepository.around(path, output), path.name)] if path.name and "\0" not in name else []
    if output is not None:
        return itself
    wanted = {key: value for key, value in settings.collections.items() if collection in (None, key)}
    inside = {key: location for key, value in wanted.items() if (location := _within(value.root, path))}
    known = [
        Place(key, FolderRepository.of_collection(value, settings.night), inside.get(key, name))
        for key, value in wanted.items()
        if key in inside or not inside
    ]
    if collection is not None or any(_within(value.outputs, path) for value in wanted.values()):
        return known
    return known + itself


def _within(root: Path, path: Path) -> str | None:
    """The file's location in a collection; None where it is not there. A path from elsewhere may be an identifier."""
    if "\0" in str(path) or not (path.exists() or path.is_absolute()):
        return None
    place, top = path.parent.resolve() / path.name, root.resolve()
    return place.relative_to(top).as_posix() if place.is_relative_to(top) and place != top else None


def found(name: str, where: list[Place]) -> list[Recording]:
    """What the places know of the recording.

    Raises:
        MediaNotFound: nothing. UsageError: several collections know one of this name, or there is none to ask.
    """
    from speechpipe.withdrawal import withdraw

    known: dict[str | None, list[Recording]] = {}
    for place in where:
        find = withdraw.find if place.label is not None else withdraw.of_file
        with suppress(MediaNotFound):
            known[place.label] = find(place.repository, place.called)
    labels = [label for label in known if label is not None]
    if len(labels) > 1:
        raise UsageError(
            f"Several collections know {name!r}: {', '.join(labels)}.", cure="Choose one with --collection."
        )
    if not known and not Path(name).exists() and not any(place.label or place.repository.origin for place in where):
        raise UsageError(f"There is no file {name}, and no collection is set.", cure="Give --folder and --output.")
    if not known:
        raise MediaNotFound(
            f"There is no recording {name!r} of which anything was made, so nothing was withdrawn.",
            cure="Check the name; give the --output that it was transcribed with, or the --collection that it is in.",
        )
    return [recording for recordings in known.values() for recording in recordings]


def ask(recordings: list[Recording], corrected: tuple[Path, ...], with_corrections: bool) -> None:
    """Raises UsageError where nobody is there to answer, click.Abort where the answer is no."""
    names = ", ".join(dict.fromkeys(shown(recording.receipt.identifier) for recording in recordings))
    if not sys.stdin.isatty():
        raise UsageError(f"{names} would be erased for good.", cure="Give --yes where that is meant.")
    for path in corrected:
        note(f"  changed by a person: {shown(path)}")
    also = "erased too" if with_corrections else "brought to the restricted results"
    told = f" What a person changed is {also}." if corrected else ""
    click.confirm(f"Erase everything that was made of {names}?{told} This cannot be undone.", abort=True, err=True)


def tell(done: Withdrawal, as_json: bool) -> None:
    files = done.files
    if as_json:
        facts = {name: [str(path) for path in getattr(files, name)] for name in ("erased", "kept", "gone", "left")}
        facts |= {"scratch": list(map(str, done.scratch)), "in_work": list(map(str, done.held))}
        say_json({"status": "withdrawn", "recordings": done.recordings, **facts})
        return
    for told, paths in (
        ("erased", files.erased),
        ("removed work in progress in", done.scratch),
        ("changed by a person, now in", files.kept),
        ("gone before", files.gone),
        ("not told to be of it, left:", files.left),
        ("still in work, which stops by itself:", done.held),
    ):
        for path in paths:
            say(f"  {told} {shown(path)}")
    kept = f" {len(files.kept)} that a person changed are kept: --with-corrections erases them." if files.kept else ""
    counted = f"{len(files.erased)} files erased" if files.erased else "nothing that was made of it was left to erase"
    say(f"{', '.join(map(shown, done.recordings))}: withdrawn, {counted}.{kept}")
    note(PAGE)


def lift(name: str, where: list[Place], as_json: bool) -> int:
    from speechpipe.withdrawal import withdraw

    lifted: list[Receipt] = []
    for place in where:
        with suppress(MediaNotFound):
            lifted += withdraw.lift(place.repository, place.called)
    if not lifted:
        raise MediaNotFound(f"{name!r} was not withdrawn.", cure="Check the name and the collection.")
    names = list(dict.fromkeys(receipt.identifier for receipt in lifted))
    if as_json:
        say_json({"status": "lifted", "recordings": names})
    else:
        say(f"{', '.join(map(shown, names))}: may be done again.")
    return 0
