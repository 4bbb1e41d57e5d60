"""``speechpipe serve``: the flows and their web page, on this machine."""

from __future__ import annotations

from importlib import import_module, util
from pathlib import Path

import click

from speechpipe.errors import DependencyError
from speechpipe.installed import flows_module

EPILOG = """\b
Example:
  speechpipe serve --folder tapes --data data
"""


@click.command("serve", epilog=EPILOG)
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("data"),
    show_default=True,
    help="Folder for the state of the server, work in progress and transcripts.",
)
@click.option(
    "--folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of the recordings. Default: recordings in the data folder.",
)
@click.option(
    "--port", metavar="N", type=click.IntRange(1, 65535), default=4200, show_default=True, help="Port of the web page."
)
def command(data: Path, folder: Path | None, port: int) -> None:
    """Start the flows with their web page, for this machine only, until Ctrl-C."""
    if util.find_spec("prefect") is None:
        raise DependencyError(
            "The flows need Prefect, which is not installed.", cure="Install it with: pip install 'speechpipe[flows]'"
        )
    import_module(f"{flows_module()}.serve").serve(data=data, folder=folder, port=port)
