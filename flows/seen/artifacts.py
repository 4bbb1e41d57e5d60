"""What is shown of a recording on its page, as its rights allow: its row, its captions, where its files lie."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from prefect.artifacts import create_markdown_artifact

from speechpipe.reports.morning import Row
from speechpipe.repositories.contract import Receipt
from speechpipe.repositories.rights import may_show, public_text

from ..places import Found, below
from .rows import escaped, fenced

SHOWN_CUES = 100


def row_of(found: Found, receipt: Receipt) -> Row:
    """What may be told of a recording to everybody who opens the web page."""
    files = found.place.repository.paths(found.item, receipt) if may_show(found.item) else ()
    row = Row.of(receipt, files, name=found.name, text=may_show(found.item))
    told, cure = (text and told_in_public(found, text) for text in (row.message, row.cure))
    return replace(row, message=told, cure=cure)


def told_in_public(found: Found, text: str) -> str:
    return below(public_text(found.item, text))


def show(found: Found, receipt: Receipt, sentence: str) -> object:
    """What was recognised and where it lies, on the recording's page; returns the artifact's id."""
    files = found.place.repository.paths(found.item, receipt)
    parts = ["\n".join(f"- {escaped(below(str(file)))}" for file in files)] if may_show(found.item) else []
    parts += [_captions(files)] if may_show(found.item) else ["Its text is not shown here, as its rights say."]
    return create_markdown_artifact(
        "\n\n".join(filter(None, parts)) or sentence, key=slug("transcript", found.name), description=sentence
    )


def _captions(files: tuple[Path, ...]) -> str:
    captions = next((file for file in files if file.suffix == ".vtt"), None)
    blocks = captions.read_text(encoding="utf-8").strip().split("\n\n") if captions else []
    cues = [block for block in blocks if "-->" in block]
    more = f"\n\nThe file of captions has {len(cues) - SHOWN_CUES} more." if len(cues) > SHOWN_CUES else ""
    return fenced("\n\n".join(cues[:SHOWN_CUES])) + more if cues else ""


def told_of(row: Row) -> str:
    """``reel-12.wav: speech in English, 120 words, mean confidence 0.87.``"""
    parts = [f"{row.outcome} in {row.language}" if row.language else row.outcome]
    parts += [f"{row.words} words"] if row.words else []
    parts += [f"mean confidence {row.confidence:.2f}"] if row.confidence is not None else []
    return f"{row.recording}: {', '.join(parts)}."


def slug(kind: str, name: str) -> str:
    """A key as Prefect wants them: small letters, digits, dashes."""
    return f"{kind}-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}"[:200].rstrip("-")
