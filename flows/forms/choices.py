"""What the forms offer: labels that people read, and what each stands for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import time
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from speechpipe import languages
from speechpipe.registry import ModelEntry, list_models
from speechpipe.registry.storing.store import Store
from speechpipe.registry.words import licence_name
from speechpipe.settings import Settings

from ..places import RECORDINGS

AUTOMATIC = "Automatic"
EVERYTHING = "All collections"
NO_END = "No end"
#: A list longer than this helps nobody; then only the uppermost folders are offered.
MOST_COLLECTIONS = 300
#: So many choices are named where something else was asked for.
MOST_NAMED = 5

#: Each table: what the form shows → what it stands for. None leaves it as it is set for the whole installation.
Table = Mapping[str, str | None]


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as scan:
            names = [e.name for e in scan if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
    except OSError:
        return []
    return [folder / name for name in sorted(names) if name.isprintable() and "\\" not in name]


def _size(octets: int | None) -> str:
    if not octets:
        return ""
    return f"{octets / 1e9:.1f} GB" if octets >= 1e9 else f"{max(1, round(octets / 1e6))} MB"


def model_label(entry: ModelEntry, size: int | None) -> str:
    """``nb-whisper-large (Norwegian Bokmål; Apache-2.0; 3.1 GB)``; says where a model is for trying out only."""
    named = [languages.name(code) for code in entry.languages]
    spoken = ", ".join(named) if len(named) <= 3 else f"{len(named)} languages"
    told = [spoken, entry.licence or f"licence {licence_name(entry)}", _size(size)]
    told += ["demonstration only"] if entry.demonstration else []
    return f"{entry.name} ({'; '.join(filter(None, told))})"


def installed_models(role: str) -> dict[str, str | None]:
    """The models of this role whose files are here, by label: what is not here is fetched by an operator first."""
    fetched = {lock.name: lock for lock in Store(Settings.load().store_folder).installed()}
    shown: dict[str, str | None] = {}
    for entry in list_models():
        lock = fetched.pop(entry.name, None)
        size = lock.size if lock else entry.size
        if size and role in entry.roles:
            shown[model_label(entry, size)] = entry.name
    for lock in fetched.values():  # known to the store alone
        if role == "asr" or lock.family.endswith("-ctc"):
            told = [lock.licence or "licence not known", _size(lock.size)]
            shown[f"{lock.name} ({'; '.join(told)})"] = lock.name
    return shown


def collections(recordings: Path | None = None) -> list[str]:
    """The folders of recordings, two deep, as they can be chosen; the first stands for all of them."""
    configured = os.environ.get(RECORDINGS)
    root = recordings or (Path(configured) if configured else None)
    if root is None:
        return [EVERYTHING]
    upper = _folders(root)
    names = [name for folder in upper for name in (folder.name, *(f"{folder.name}/{f.name}" for f in _folders(folder)))]
    return [EVERYTHING, *(names if len(names) <= MOST_COLLECTIONS else [folder.name for folder in upper])]


def label(table: Table, value: str | None) -> str:
    """What the form shows for ``value``, which may be a label already, also one from before its brackets changed.

    Raises:
        ValueError: neither.
    """
    if value in table:
        return str(value)
    name = value.split(" (")[0] if value else value
    for shown, means in table.items():
        if means in (value, name):
            return shown
    near = get_close_matches(str(value), table, MOST_NAMED) or list(table)[:MOST_NAMED]
    raise ValueError(f"{value!r} is not among the choices, such as: {', '.join(near)}")


def one_of(table: Callable[[], Table]) -> tuple[Callable[[str], str], Callable[[dict[str, Any]], None]]:
    """The check of a field that takes one of a table, and what its form needs to know.

    The table is made when the form is, so that a form made anew shows what has come since.
    """

    def offer(schema: dict[str, Any]) -> None:
        schema["enum"] = list(table())

    return lambda value: label(table(), value), offer


def models() -> Table:
    return {AUTOMATIC: None} | installed_models("asr")


def aligners() -> Table:
    return {AUTOMATIC: None, "None: the times that the speech model gives": "none"} | installed_models("aligner")


LANGUAGES: Table = {
    "Automatic: as heard": None,
    **dict(sorted((language.name, code) for code, language in languages.LANGUAGES.items())),
}
CHANNELS: Table = {
    AUTOMATIC: None,
    "Mixed into one": "mix",
    "Each channel apart, as in an interview with one microphone each": "split",
    "Only the first (left)": "1",
    "Only the second (right)": "2",
}
STREAMS: Table = {
    "Automatic: the main one": None,
    "All, each in its own language": "all",
    "Only the first": "1",
    "Only the second": "2",
    "Only the third": "3",
    **{f"Those in {name}": code for name, code in LANGUAGES.items() if code},
}
FORMATS: Table = {
    "WebVTT captions (.vtt)": "vtt",
    "ALTO full text (.alto.xml)": "alto",
    "All that is known (.json)": "json",
    "Plain text (.txt)": "txt",
    "SubRip captions (.srt)": "srt",
    "WebVTT with the time of each word (.words.vtt)": "words.vtt",
    "Words as a table (.words.tsv)": "tsv",
    "Page to hear, read and search (.html)": "html",
    "METS with PREMIS (.mets.xml)": "mets",
}

_check_format, _formats = one_of(lambda: FORMATS)
Format = Annotated[str, AfterValidator(_check_format), Field(json_schema_extra=_formats)]


def _is_time(value: str) -> str:
    if value != NO_END and f"{time.fromisoformat(value):%H:%M}" != value:
        raise ValueError(f"{value!r} is no time of day such as 07:00")
    return value


#: A time of day, offered by the half hour.
Clock = Annotated[
    str,
    AfterValidator(_is_time),
    Field(
        json_schema_extra={"enum": [NO_END, *(f"{hour:02d}:{minute:02d}" for hour in range(24) for minute in (0, 30))]}
    ),
]


def _offer_collections(schema: dict[str, Any]) -> None:
    schema["enum"] = collections()


def _is_collection(value: str) -> str:
    if value not in (offered := collections()):
        near = get_close_matches(value, offered, MOST_NAMED) or offered[:MOST_NAMED]
        raise ValueError(f"There is no collection {value!r}; there are such as: {', '.join(near)}")
    return value


Collection = Annotated[str, AfterValidator(_is_collection), Field(json_schema_extra=_offer_collections)]


def folder_of(collection: str) -> str:
    return "" if collection == EVERYTHING else collection


def end_of(until: str) -> str:
    return "" if until == NO_END else until
