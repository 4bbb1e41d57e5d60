"""``speechpipe models list`` and ``models languages``: what there is to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from speechpipe import languages as known
from speechpipe.cli.options import json_option
from speechpipe.cli.tables import table
from speechpipe.console.terminal import note, say, say_json
from speechpipe.errors import UsageError
from speechpipe.settings import Settings

if TYPE_CHECKING:
    from speechpipe.registry import ModelEntry

EPILOG = """\b
Examples:
  speechpipe models list --language nn
  speechpipe models list --language da --role aligner
  speechpipe models list --installed --json
"""
LANGUAGES_EPILOG = "\b\nExample:\n  speechpipe models languages\n"
_LEGEND = "~ estimated; ? not verified; * accept the licence first. What one is good for: speechpipe models show NAME"


@click.command("list", epilog=EPILOG)
@click.option("--language", metavar="CODE", help="Only models of this language, such as nn or sv.")
@click.option(
    "--role",
    type=click.Choice(["asr", "aligner", "pretrained"]),
    help="Only models that recognise (asr), that time words (aligner), or that are only pretrained.",
)
@click.option("--installed", is_flag=True, help="Only models that are here.")
@json_option
def list_(language: str | None, role: str | None, installed: bool, as_json: bool) -> None:
    """List the models that speechpipe knows by name; --json prints one object a line."""
    from speechpipe.registry import list_models

    code = known.check(language) if language else None
    here = installed_names()
    entries = [
        entry
        for entry in list_models()
        if (code is None or code in entry.languages)
        and (role is None or role in entry.roles)
        and (not installed or entry.name in here)
    ]
    if not entries:
        raise UsageError("There is no such model.", cure=_cure(code, installed))
    if as_json:
        for entry in entries:
            say_json(as_data(entry, here))
        return
    head = ("NAME", "LANGUAGES", "USE", "DOWNLOAD", "LICENCE", "")
    for line in table(head, [_row(entry, here) for entry in entries]):
        say(line)
    note(f"\n{len(entries)} models. {_LEGEND}")


@click.command("languages", epilog=LANGUAGES_EPILOG)
@json_option
def languages(as_json: bool) -> None:
    """List the languages: their codes, what Whisper calls them, and how many models of their own they have."""
    from speechpipe.registry import list_models

    own = [entry for entry in list_models() if entry.national and entry.usable and not entry.demonstration]
    counts = {code: sum(code in entry.languages for entry in own) for code in known.LANGUAGES}
    if as_json:
        for code, language in known.LANGUAGES.items():
            say_json({"code": code, **language._asdict(), "national_models": counts[code]})
        return
    rows = [
        (
            code,
            language.name,
            "not known" if language.whisper is None else f"{language.whisper}{' (borrowed)' * language.borrowed}",
            str(counts[code] or ""),
        )
        for code, language in known.LANGUAGES.items()
    ]
    for line in table(("CODE", "LANGUAGE", "IN WHISPER", "MODELS OF ITS OWN"), rows):
        say(line)


def installed_names() -> frozenset[str]:
    """Names of the models that are here: those that travel with speechpipe, and those in the store."""
    from speechpipe.registry import list_models
    from speechpipe.registry.storing.store import Store

    stored = {lock.name for lock in Store(Settings.load().store_folder).installed()}
    return frozenset(stored | {entry.name for entry in list_models() if entry.embedded})


def as_data(entry: ModelEntry, here: frozenset[str]) -> dict[str, Any]:
    return {**entry.model_dump(mode="json"), "installed": entry.name in here}


def _row(entry: ModelEntry, here: frozenset[str]) -> tuple[str, ...]:
    from speechpipe.registry import words

    first, *more = entry.languages
    spoken = ", ".join(entry.languages) if len(more) < 2 else f"{first} +{len(more)}"
    uses = {"asr": "recognise", "aligner": "align", "pretrained": "none"}
    octets = entry.size or entry.download_bytes
    guess = f"~{words.size(3 * entry.parameters)}" if entry.parameters else "?"
    remarks = {"demo": entry.demonstration, "unusable": not entry.usable, "here": entry.name in here}
    return (
        entry.name,
        spoken if entry.national else str(len(entry.languages)),
        uses[entry.roles[0]] if len(entry.roles) == 1 else "both",
        words.size(octets) if octets else guess,
        words.licence_name(entry) + ("*" if words.gated(entry) else ""),
        next((text for text, holds in remarks.items() if holds), ""),
    )


def _cure(code: str | None, installed: bool) -> str:
    if installed:
        return "See those that could be fetched without --installed."
    return f"Ask for one with: speechpipe models recommend --language {code}" if code else "Leave out a condition."
