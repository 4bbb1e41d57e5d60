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
@click.option(
    "--at-once",
    metavar="N",
    type=click.IntRange(1, 256),
    help="Recordings or groups worked on together. Default: as many as cores and memory bear.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="Where browsers see it, with a proxy before it. No other name but this machine's own is answered.",
)
@click.option(
    "--auth-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Holds user:password, the login, and is readable by its owner alone. Default: login in the data folder, made "
    "at the first start.",
)
@click.option("--new-login", is_flag=True, help="Make a new login in the data folder; the one before is void.")
@click.option(
    "--no-login",
    is_flag=True,
    help="Ask nobody for a login. Every user and program of this machine, and whoever a proxy lets through, can then "
    "start, change and delete all that the page shows, and read the names of recordings and what is said in them.",
)
def command(
    data: Path,
    folder: Path | None,
    port: int,
    at_once: int | None,
    public_url: str | None,
    auth_file: Path | None,
    new_login: bool,
    no_login: bool,
) -> None:
    """Start the flows with their web page, for this machine only, until Ctrl-C."""
    if util.find_spec("prefect") is None:
        raise DependencyError(
            "The flows need Prefect, which is not installed.", cure="Install it with: pip install 'speechpipe[flows]'"
        )
    import_module(f"{flows_module()}.serve").serve(
        data=data,
        folder=folder,
        port=port,
        together=at_once,
        public_url=public_url,
        auth_file=auth_file,
        new_login=new_login,
        no_login=no_login,
    )
