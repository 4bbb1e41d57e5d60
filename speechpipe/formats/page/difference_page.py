"""A difference as a page by itself: no script, nothing from elsewhere, every text escaped; readable in print."""

from __future__ import annotations

from html import escape

from speechpipe.formats.captions.vtt import timestamp
from speechpipe.formats.comparing.difference import Difference, Edit
from speechpipe.formats.text import clean

_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #767676; padding: .4rem .6rem; text-align: left; vertical-align: top; }
td:first-child { font-variant-numeric: tabular-nums; white-space: nowrap; }
del { background: #fde3e1; color: #7a0000; }
ins { background: #dcf3de; color: #00450c; text-decoration-thickness: 2px; }
"""


def page(difference: Difference, old_name: str, new_name: str) -> bytes:
    """The page as UTF-8."""
    title = _text(f"Changes from {old_name} to {new_name}")
    rows = "\n".join(map(_row, difference.edits))
    table = (
        '<table>\n<thead><tr><th scope="col">Time</th><th scope="col">Who</th><th scope="col">Text</th></tr></thead>'
        f"\n<tbody>\n{rows}\n</tbody>\n</table>\n"
        if rows
        else ""
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        f"<p>{_text(difference.summary)}</p>\n{table}</main>\n</body>\n</html>\n"
    ).encode()


def _row(edit: Edit) -> str:
    when = "" if edit.start_ms is None else timestamp(edit.start_ms)
    removed = f"<del>{_text(edit.old)}</del>" if edit.old else ""
    added = f"<ins>{_text(edit.new)}</ins>" if edit.new else ""
    said = " ".join(filter(None, [_text(edit.before), removed, added, _text(edit.after)]))
    return f'<tr><td>{when}</td><td>{_text(edit.lane or "")}</td><td dir="auto">{said}</td></tr>'


def _text(text: str) -> str:
    return escape(clean(text))
