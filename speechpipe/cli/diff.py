"""``speechpipe diff``: what a person changed, word by word."""

from __future__ import annotations

from pathlib import Path

import click

from speechpipe.cli.options import json_option
from speechpipe.console.terminal import note, say, say_json, shown
from speechpipe.files import write_atomically

EPILOG = """\b
Examples:
  speechpipe diff reel-12.wav.json corrected/reel-12.wav.vtt
  speechpipe diff reel-12.wav.json corrected/reel-12.wav.json --html changes.html
"""


@click.command("diff", epilog=EPILOG)
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--html", metavar="FILE", type=click.Path(path_type=Path), help="Write the changes as a page, too.")
@json_option
def command(old: Path, new: Path, html: Path | None, as_json: bool) -> None:
    """Show which words differ between two transcripts of a recording, in any of the formats that can be read."""
    from speechpipe.corrections.files import read_file
    from speechpipe.formats.captions.vtt import timestamp
    from speechpipe.formats.comparing.correction import check_same_recording
    from speechpipe.formats.comparing.difference import difference
    from speechpipe.formats.comparing.json_correction import settled
    from speechpipe.formats.page.difference_page import page

    before, after = read_file(old), read_file(new)
    check_same_recording(before, after)
    after = settled(after, before, new.read_bytes())
    found = difference(before, after)
    for edit in found.edits:
        when = None if edit.start_ms is None else timestamp(edit.start_ms)
        if as_json:
            say_json({"time": when, "voice": edit.lane, "old": edit.old, "new": edit.new})
            continue
        removed = click.style(f"[-{shown(edit.old)}-]", fg="red") if edit.old else ""
        added = click.style(f"{{+{shown(edit.new)}+}}", fg="green") if edit.new else ""
        who = f" {shown(edit.lane)}:" if edit.lane else ""
        said = " ".join(filter(None, [shown(edit.before), removed, added, shown(edit.after)]))
        click.echo(f"{when}{who} {said}")
    if not as_json:
        say(found.summary)
    for warning in after.warnings:
        if warning not in before.warnings:
            note(f"Note: {warning}")
    if html is not None:
        write_atomically(html, page(found, old.name, new.name))
