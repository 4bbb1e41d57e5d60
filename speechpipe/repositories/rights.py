"""What the rights of a recording allow, and what may be said of it where others look on."""

from __future__ import annotations

import hashlib
import html
import json
import re
import shlex
import unicodedata
from collections.abc import Iterable
from datetime import date
from pathlib import PurePosixPath
from urllib.parse import quote

from speechpipe.repositories.contract import Item, Standing
from speechpipe.repositories.metadata.dates import first_day
from speechpipe.settings.repositories import Night
from speechpipe.transcript_data import Rights

#: Terms of access that need no further permission, in small letters. The URI of a licence of Creative Commons or of
#: the public domain counts as well, where it is all that is said: a sentence may say that it does not hold.
OPEN_TERMS = frozenset({"open", "public", "free", "cc0", "public domain", "no copyright"})
_OPEN_URI = re.compile(
    r"https?://(?:www\.)?(?:creativecommons\.org/(?:licenses/by(?:-nc)?(?:-nd|-sa)?/[1-4]\.[05](?:/[a-z-]{2,10})?"
    r"|publicdomain/(?:zero|mark)/1\.0)(?:/(?:deed|legalcode)(?:\.[a-z-]{2,10})?)?"
    r"|rightsstatements\.org/(?:vocab|page)/noc-(?:us|nc)/1\.0)/?"
)
#: ``open from 2090-01-01``: closed before, open from that day on.
_OPEN_LATER = re.compile(r"(?:open|public|free) (?:from|on|since) (.+)")
_STRICTER: tuple[Standing, ...] = ("open", "restricted", "forbidden")


def standing(rights: Rights, unknown: str = Night().unknown_rights, today: date | None = None) -> Standing:
    """What follows from the rights. ``unknown``: ``restrict``, ``open`` or ``skip``, for what is not known.

    Permission to transcribe and permission to publish are two things: what may be transcribed is open only where it
    may also be published, or where its access is said to be open. Where two things contradict each other, the stricter
    holds.
    """
    today = today or date.today()
    if rights.may_transcribe is False or (rights.may_transcribe is None and not is_known(rights) and unknown == "skip"):
        return "forbidden"
    if rights.may_publish is False or (rights.access is not None and not _is_open(rights.access, today)):
        return "restricted"
    if rights.may_publish or rights.access is not None:
        return "open"
    if rights.statement is not None:
        return "open" if _is_open(rights.statement, today) else "restricted"
    return "open" if unknown == "open" else "restricted"


def strictest(items: Iterable[Item]) -> Item:
    """The one of which least is allowed."""
    return max(items, key=lambda item: _STRICTER.index(item.standing))


def is_known(rights: Rights) -> bool:
    """Whether anything at all is known of them."""
    return rights != Rights()


def why(item: Item) -> str:
    """Why the item stands as it does, as a sentence for a report; never its title."""
    if item.standing == "forbidden":
        if item.rights.may_transcribe is False:
            return "Its rights do not allow transcription."
        return "Its rights are not known, and the policy is to leave such recordings out."
    if item.standing == "restricted":
        return "Its results are restricted." if is_known(item.rights) else "Its results are restricted: rights unknown."
    return "Its results may be shown."


def may_show(item: Item) -> bool:
    """Whether its title and its text may stand in a log, a run's name, an artifact or a report."""
    return item.standing == "open"


def public_name(item: Item) -> str:
    """What to call the item where others look on.

    The identifier; but where the rights are known to restrict it and nobody gave it an identifier, so that it is called
    by a file's name, which may tell what it is about, a name without meaning.
    """
    if may_show(item) or not is_known(item.rights) or item.identifier != item.location:
        return item.identifier
    return masked(item.location)


def masked(location: str) -> str:
    """A name that stands for the recording at this place and tells nothing."""
    return f"restricted-{hashlib.sha256(location.encode('utf-8', 'surrogateescape')).hexdigest()[:10]}"


def public_text(item: Item, text: str) -> str:
    """``text``, such as the message of an error, with what must not be told of the item replaced by its public name."""
    if may_show(item):
        return text
    name = public_name(item)
    return re.sub("|".join(_secrets(item, name)) or "(?!)", lambda _: name, text, flags=re.IGNORECASE)


def _secrets(item: Item, name: str) -> list[str]:
    """Patterns of what tells what the item is, the longest first: its title, its file's name and place, and the names
    of files and folders that go with it."""
    patterns = [(item.title, r"(?!\w)")]
    if name != item.location:
        path = PurePosixPath(item.location)
        patterns += [(item.location, r"(?!\w)"), (path.name, r"(?!\w)")]
        patterns += [(str(path.with_suffix("")), r"(?=\.[^\W\d])"), (path.stem, r"(?=\.[^\W\d])")]
        patterns += [(str(path.parent), "(?=/)")] if path.parent.name else []
    spelt = {(form, end) for text, end in patterns if text for form in _compositions(text)}
    longest = sorted(spelt, key=lambda one: len(one[0]), reverse=True)
    return [rf"(?<!\w){_loosely(form)}{end}" for form, end in longest]


def _compositions(text: str) -> set[str]:
    return {text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)}


def _loosely(text: str) -> str:
    """A pattern of ``text`` with any white space for its own, and with characters also as messages escape them."""
    white = "|".join(sorted({_written(c) for c in f"{text} " if c.isspace()}))
    return rf"(?:\s|{white})+".join("".join(map(_written, part)) for part in text.split())


def _written(character: str) -> str:
    octets = character.encode("utf-8", "surrogateescape")
    ways = {character, html.escape(character), quote(octets), character.encode("unicode_escape").decode()}
    ways |= {json.dumps(character)[1:-1], repr(character)[1:-1], octets.decode("ascii", "backslashreplace")}
    ways |= {f"\\u{ord(character):04x}"} if not character.isascii() else set()
    ways |= {shlex.quote(character)[1:-1]} if character == "'" else set()
    return f"(?:{'|'.join(sorted(map(re.escape, ways)))})" if len(ways) > 1 else re.escape(character)


def _is_open(told: str, today: date) -> bool:
    term = " ".join(told.lower().split())
    if later := _OPEN_LATER.fullmatch(term):
        try:
            return first_day(later[1]) <= today
        except ValueError:
            return False
    return term in OPEN_TERMS or _OPEN_URI.fullmatch(term) is not None
