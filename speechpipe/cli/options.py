"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from speechpipe.errors import UnknownFormat
from speechpipe.settings import FORMATS

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


def _formats(context: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = tuple(dict.fromkeys(name.strip().lower() for name in value.split(",") if name.strip()))
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise UnknownFormat(f"There is no format {unknown[0] if unknown else value!r}. Known: {', '.join(FORMATS)}.")
    return names
