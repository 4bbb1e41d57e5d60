"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from speechpipe.errors import UnknownFormat, UsageError
from speechpipe.settings.captions import CAPTION_PRESETS, FORMATS

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def formats_option(required: bool = False) -> Callable[[Any], Any]:
    return click.option(
        "--format",
        "formats",
        metavar="NAME[,NAME…]",
        required=required,
        callback=_formats,
        help=f"Formats, with commas between: {', '.join(FORMATS)}.",
    )


def captions_option() -> Callable[[Any], Any]:
    return click.option(
        "--captions",
        type=click.Choice(list(CAPTION_PRESETS)),
        callback=lambda _context, _option, preset: {"preset": preset} if preset else None,
        help="How words become captions. Default: as set, else web.",
    )


def vocabulary_option() -> Callable[[Any], Any]:
    return click.option(
        "--vocabulary",
        metavar="FILE|WORDS",
        callback=_vocabulary,
        help="Names and places to expect: with commas between, or a file with one a line.",
    )


def languages_option() -> Callable[[Any], Any]:
    return click.option(
        "--languages",
        metavar="CODE[,CODE…]",
        callback=_languages,
        help="Only these languages may be heard, such as nb,se.",
    )


def model_for_option() -> Callable[[Any], Any]:
    return click.option(
        "--model-for",
        "models",
        metavar="CODE=MODEL",
        multiple=True,
        callback=_models,
        help="The model of one language, such as se=MODEL. May be given several times.",
    )


def _languages(context: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(code.strip() for code in value.split(",") if code.strip())


def _models(context: click.Context, option: click.Parameter, value: tuple[str, ...]) -> dict[str, str] | None:
    table = dict(pair.partition("=")[::2] for pair in value)
    if not all(table) or not all(table.values()):
        raise UsageError(f"--model-for {' '.join(value)} is no language with its model.", cure="Give se=MODEL or so.")
    return table or None


def _vocabulary(context: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    # pathlib raises where the words are many.
    is_file = os.path.exists(value) and not os.path.isdir(value)  # noqa: PTH110, PTH112
    if value.endswith(".txt") and not is_file:
        raise UsageError(f"There is no file {value}.", cure=_NAMES)
    try:
        names = Path(value).read_text(encoding="utf-8-sig").splitlines() if is_file else value.split(",")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The vocabulary {value} cannot be read as text in UTF-8: {error}.", cure=_NAMES) from error
    words = tuple(dict.fromkeys(" ".join(name.split()) for name in names if name.strip()))
    if not words:
        raise UsageError(f"There are no names in the vocabulary {value!r}.", cure=_NAMES)
    return words


_NAMES = 'Give a text file with one name a line, or names such as "Hitra, Vadsø".'


def _formats(context: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = tuple(dict.fromkeys(name.strip().lower() for name in value.split(",") if name.strip()))
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise UnknownFormat(f"There is no format {unknown[0] if unknown else value!r}. Known: {', '.join(FORMATS)}.")
    return names
