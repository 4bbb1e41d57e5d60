"""``speechpipe models``: which there are, what each is good for, and the store of those that are here."""

from __future__ import annotations

from importlib import import_module

import click

EPILOG = """\b
Examples:
  speechpipe models recommend --language nn
  speechpipe models list --language sv
  speechpipe models show KBLab/kb-whisper-large
"""

#: Name of a command → its module here, and what it does; the module holds it under its name.
COMMANDS = {
    "list": ("listing", "List the models that speechpipe knows."),
    "show": ("show", "Show what is known of one model, in words."),
    "recommend": ("recommend", "Recommend models for a language and a machine."),
    "languages": ("listing", "List the languages and their codes."),
    "fetch": ("store", "Fetch models into the store."),
    "accept": ("store", "Show a licence's conditions and accept them."),
    "verify": ("store", "Digest every file of the models in the store."),
    "export": ("store", "Write models into one file, for a machine offline."),
    "import": ("store", "Take the models of such a file into the store."),
    "prune": ("store", "Remove what is half fetched, or not used any more."),
}


class Models(click.Group):
    """Loads a command on use, so that looking needs nothing of what fetching needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"{__name__}.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_", None) or getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group("models", cls=Models, epilog=EPILOG)
def command() -> None:
    """Choose models, look at them, and keep those that are here."""
