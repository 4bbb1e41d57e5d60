"""The text of a WebVTT cue: tags, time stamps and character references, by the letter of the standard (section 6.4)."""

from __future__ import annotations

import html
import html.entities
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from speechpipe.formats.reading.webvtt import time_stamp

_TAG = re.compile(r"<([^>]*)(?:>|$)")
#: What a person may mean as a tag, a time stamp or a reference. The standard has players drop what else begins alike.
_MEANT = re.compile(
    r"</(?:c|i|b|u|ruby|rt|v|lang)>|<(?:c|i|b|u|ruby|rt)(?:\.[^\s.<>]*)*>"
    r"|<(?:v|lang)(?:\.[^\s.<>]*)*(?:[\t\n\f ][^<>]*)?>|<[\d:.]+>"
    r"|&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{0,40});|[<&]",
    re.ASCII,
)
#: A word by itself in a tag that says nothing of it.
_WORD = re.compile(r"(?<![^\s>])<c>([^<&]*)</c>(?![^\s<])")
#: A cue as most are: all of it in one voice.
_ONE_VOICE = re.compile(r"<v ([^\s<>&]+(?: [^\s<>&]+)*)>([^<]*)</v>")
_START = re.compile(r"([^\t\n\f .]*)((?:\.[^\t\n\f .]*)*)(?:[\t\n\f ](.*))?", re.DOTALL)
#: Tags that are kept; others are ignored and their text stays.
TAGS = frozenset({"c", "i", "b", "u", "ruby", "rt", "v", "lang"})


@dataclass(slots=True)
class Node:
    """A tag with its classes, annotation (the voice's name, the language) and what stands in it."""

    tag: str = ""
    classes: tuple[str, ...] = ()
    annotation: str | None = None
    children: list[Node | str | int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that stands in one voice, after this time stamp (ms; None: none stands before it in the cue)."""

    text: str
    voice: str | None
    stamp_ms: int | None


def tree(text: str) -> Node:
    """The tree of a cue's text: strings, time stamps (ms, as numbers) and tags."""
    root = Node()
    path = [root]
    *inner, last = _TAG.split(text)
    for plain, tag in zip(inner[::2], inner[1::2], strict=True):
        _add_text(path[-1], plain)
        _tag(path, tag)
    _add_text(path[-1], last)
    return root


def pieces(text: str) -> list[Piece]:
    """The text without its markup, cut where the voice or the time stamp changes.

    What only looks like markup, such as ``<inaudible>`` or ``< 6``, is text, though the standard drops it.
    """
    if "<" not in text:
        return [Piece(html.unescape(_meant(text)) if "&" in text else text, None, None)]
    if one := _ONE_VOICE.fullmatch(text):
        return [Piece(html.unescape(_meant(one[2])) if "&" in one[2] else one[2], one[1], None)]
    stamp: int | None = None
    found: list[Piece] = []
    text = _meant(_WORD.sub(r"\1", text))
    # Not by recursion: nothing limits how deep tags may be nested.
    path: list[tuple[Iterator[Node | str | int], str | None]] = [(iter(tree(text).children), None)]
    while path:
        children, voice = path[-1]
        child = next(children, None)
        if child is None:
            path.pop()
        elif isinstance(child, str):
            found.append(Piece(child, voice, stamp))
        elif isinstance(child, int):
            stamp = child
        elif child.tag == "rt":  # the reading of ruby, which players show above its text
            path.append((iter([" (", *child.children, ")"]), voice))
        else:
            path.append((iter(child.children), child.annotation or voice if child.tag == "v" else voice))
    return found


def _meant(text: str) -> str:
    """``text`` with all that is neither a tag, nor a time stamp, nor a reference, escaped."""
    return _MEANT.sub(_kept, text)


def _kept(found: re.Match[str]) -> str:
    mark = found[0]
    if mark[0] == "&":
        known = html.unescape(mark) if mark[1:2] == "#" else html.entities.html5.get(mark[1:], "")
        return mark if known else f"&amp;{mark[1:]}"
    is_text = mark == "<" or (mark[1].isdigit() and time_stamp(mark[1:-1]) is None) or mark[1] in ":."
    return f"&lt;{mark[1:]}" if is_text else mark


def _add_text(node: Node, text: str) -> None:
    if text:
        node.children.append(html.unescape(text) if "&" in text else text)


def _tag(path: list[Node], content: str) -> None:
    if content.startswith("/"):
        _close(path, content[1:])
    elif content[:1].isdigit() and content[:1].isascii():
        stamp = time_stamp(content)
        if stamp is not None:
            path[-1].children.append(stamp)
    else:
        _open(path, content)


def _open(path: list[Node], content: str) -> None:
    found = _START.fullmatch(content)
    if found is None:
        return
    name, dotted, annotation = found.groups()
    if name not in TAGS or (name == "rt" and path[-1].tag != "ruby"):
        return
    node = Node(name, tuple(part for part in dotted.split(".") if part))
    if name in {"v", "lang"}:
        node.annotation = " ".join(re.split(r"[\t\n\f\r ]+", html.unescape(annotation or "").strip("\t\n\f\r ")))
    path[-1].children.append(node)
    path.append(node)


def _close(path: list[Node], name: str) -> None:
    if len(path) > 1 and path[-1].tag == name:
        path.pop()
    elif name == "ruby" and len(path) > 2 and path[-1].tag == "rt":
        del path[-2:]
