"""Text as it may stand in a delivery file, and its length as a reader sees it."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

# What XML 1.0 forbids, with the C1 controls and lone surrogates, which no reader of captions expects either.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
# C1 controls are quotation marks, dashes and the like of Windows, wrongly decoded; five of them are nothing.
_WINDOWS = {code: told for code in range(0x80, 0xA0) if (told := bytes([code]).decode("cp1252", "ignore"))}
# Spaces that may be broken at: all but the no-break ones, which belong to the word.
_SPACES = re.compile(r"[^\S\u00a0\u2007\u202f]+")
_INVISIBLE = {"Mn", "Me", "Cf", "Cc"}
_FIRST_COMBINING = "\u0300"
_ZERO_WIDTH_JOINER = "\u200d"
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_REGIONAL = range(0x1F1E6, 0x1F200)


def clean(text: str) -> str:
    """``text`` on one line: NFC, each run of breakable spaces as one space, no characters that XML 1.0 forbids.

    The text of an ordinary transcript comes back unchanged.
    """
    if text.isascii() and text.isalnum():
        return text
    return text.strip(" ") if _is_plain(text) else " ".join(tokens(text))


def tokens(text: str) -> list[str]:
    """The words of ``clean(text)``."""
    if text.isascii() and text.isalnum():
        return [text]
    text = text.replace("\n", " ")
    if not _is_plain(text):
        text = _FORBIDDEN.sub("", _SPACES.sub(" ", text.translate(_WINDOWS)))
        text = _SPACES.sub(" ", unicodedata.normalize("NFC", text))
    return spaced.split(" ") if (spaced := text.strip(" ")) else []


def address(name: str) -> str:
    """The URL of the file of this name beside the one that it stands in."""
    try:
        raw = name.encode("utf-8", "surrogateescape")  # a name in an older encoding, byte by byte
    except UnicodeEncodeError:
        raw = name.encode("utf-8", "replace")
    return quote(raw)


def _is_plain(text: str) -> bool:
    """Whether it is in composed form, without controls and without any other space than single ones."""
    return text.isprintable() and "  " not in text and (text.isascii() or unicodedata.is_normalized("NFC", text))


def visible_length(text: str) -> int:
    """Number of characters as a reader sees them.

    Counts extended grapheme clusters (Unicode Standard Annex #29) as far as captions need: combining marks, format
    characters, joined and toned emoji and flags; not Hangul jamo and Indic conjuncts.
    """
    if text.isprintable() and (text.isascii() or max(text) < _FIRST_COMBINING):
        return len(text)
    length, previous, flag_open = 0, "", False
    for character in text:
        code = ord(character)
        extends = unicodedata.category(character) in _INVISIBLE or code in _SKIN_TONES
        second_of_flag = flag_open and code in _REGIONAL
        if not (extends or second_of_flag or previous == _ZERO_WIDTH_JOINER):
            length += 1
        flag_open = code in _REGIONAL and not second_of_flag
        previous = character
    return length
