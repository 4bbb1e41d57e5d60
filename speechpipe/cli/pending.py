"""``speechpipe pending``: what a batch would do now, and why all else would be left. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from speechpipe.cli.options import json_option
from speechpipe.console.terminal import say, say_json, shown
from speechpipe.errors import UsageError

if TYPE_CHECKING:
    from speechpipe.repositories import Choice

EPILOG = """\b
Examples:
  speechpipe pending
  speechpipe pending radio --all
  speechpipe pending radio --verify

\b
Recordings are compared with their receipts by size and date. --verify reads
every one that is done and compares its content, which takes as long as it takes
to read the archive.
"""


@click.command("pending", epilog=EPILOG)
@click.argument("collections", metavar="[COLLECTION…]", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Also what is done.")
@click.option("--verify", is_flag=True, help="Read what is done and compare its content.")
@json_option
def command(collections: tuple[str, ...], everything: bool, verify: bool, as_json: bool) -> int:
    """Show what of the collections would be done now, and why all else would not."""
    from speechpipe.repositories import FolderRepository, Policy, select
    from speechpipe.settings import Settings

    settings = Settings.load()
    known = settings.collections
    if not known:
        raise UsageError("No collection is set.", cure="Name them in speechpipe.toml, see docs/collections.md.")
    for name in collections:
        if name not in known:
            raise UsageError(f"There is no collection {name!r}.", cure=f"Known: {', '.join(known)}.")
    policy = Policy.of(settings.night, verify=verify)
    for name in collections or tuple(known):
        selection = select(FolderRepository.of_collection(known[name], settings.night), policy)
        for choice in selection.choices:
            if everything or choice.kind != "done":
                tell(name, choice, as_json)
        for left in selection.left_out:
            if as_json:
                say_json({"collection": name, "recording": left.called, "kind": "left out", "reason": left.reason})
            else:
                say(f"{shown(left.called)}: {shown(left.reason)}")
        if not as_json:
            say(f"{name}: {selection.sentence}")
    return 0


def tell(collection: str, choice: Choice, as_json: bool) -> None:
    if as_json:
        say_json({"collection": collection, "recording": choice.name, "kind": choice.kind, "reason": choice.reason})
    else:
        say(f"{shown(choice.name)}: {shown(choice.reason)}")
