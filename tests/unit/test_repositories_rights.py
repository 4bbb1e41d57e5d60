"""What rights allow, what follows where they are not known, and what may be said of a restricted recording."""

from __future__ import annotations

import html
import json
import shlex
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from speechpipe.errors import UnreadableMedia, one_line
from speechpipe.repositories import Item, Part, Rights
from speechpipe.repositories.rights import is_known, may_show, public_name, public_text, standing, why

CC_BY = "https://creativecommons.org/licenses/by/4.0/"

#: rights → what follows under the policies restrict, open, skip
TABLE: list[tuple[dict[str, Any], tuple[str, str, str]]] = [
    ({}, ("restricted", "open", "forbidden")),
    ({"may_transcribe": False}, ("forbidden", "forbidden", "forbidden")),
    ({"may_transcribe": False, "may_publish": True}, ("forbidden", "forbidden", "forbidden")),
    ({"may_transcribe": True}, ("restricted", "open", "restricted")),
    ({"may_transcribe": True, "may_publish": True}, ("open", "open", "open")),
    ({"may_transcribe": True, "may_publish": False}, ("restricted", "restricted", "restricted")),
    ({"may_publish": False, "access": "open"}, ("restricted", "restricted", "restricted")),
    ({"may_publish": True, "access": "closed"}, ("restricted", "restricted", "restricted")),
    ({"access": "Open"}, ("open", "open", "open")),
    ({"access": "reading room"}, ("restricted", "restricted", "restricted")),
    ({"access": "closed", "statement": CC_BY}, ("restricted", "restricted", "restricted")),
    ({"statement": CC_BY}, ("open", "open", "open")),
    ({"statement": "http://rightsstatements.org/vocab/InC/1.0/"}, ("restricted", "restricted", "restricted")),
    ({"may_train": True}, ("restricted", "open", "restricted")),
]


@pytest.mark.parametrize(("given", "expected"), TABLE)
def test_what_follows_from_rights(given: dict[str, Any], expected: tuple[str, str, str]) -> None:
    rights = Rights(**given)
    assert tuple(standing(rights, unknown) for unknown in ("restrict", "open", "skip")) == expected


def test_the_policy_as_shipped_is_to_transcribe_and_restrict() -> None:
    assert standing(Rights()) == "restricted"
    assert not is_known(Rights()) and is_known(Rights(may_train=False))


def item(standing: str, *, identifier: str = "A-1", title: str | None = "A Title", **rights: Any) -> Item:
    return Item(identifier, (Part("box/tape.wav"),), title, rights=Rights(**rights), standing=standing)  # type: ignore[arg-type]


def test_an_open_recording_is_called_by_its_identifier_and_shown() -> None:
    open_one = item("open", identifier="box/tape.wav")
    assert may_show(open_one) and public_name(open_one) == "box/tape.wav"
    assert public_text(open_one, "box/tape.wav A Title") == "box/tape.wav A Title"


@pytest.mark.parametrize("standing", ["restricted", "forbidden"])
def test_a_restricted_one_keeps_its_identifier_but_not_the_name_of_its_file(standing: str) -> None:
    named = item(standing, may_publish=False)
    assert not may_show(named) and public_name(named) == "A-1"
    assert public_text(named, "In /archive/box/tape.wav (A Title): tape.wav is torn") == (
        "In /archive/A-1 (A-1): A-1 is torn"
    )
    unnamed = item(standing, identifier="box/tape.wav", may_publish=False)
    masked = public_name(unnamed)
    assert masked.startswith("restricted-") and "tape" not in masked and masked == public_name(unnamed)
    assert "tape" not in public_text(unnamed, "box/tape.wav: tape.wav is torn")
    assert masked != public_name(
        Item("box/other.wav", (Part("box/other.wav"),), rights=unnamed.rights, standing="restricted")
    )


#: How names come into messages.
TOLD = [
    lambda name: name,
    lambda name: " ".join(name.split()),
    lambda name: name.upper(),
    lambda name: one_line(name),
    lambda name: repr(name),
    lambda name: json.dumps(name),
    lambda name: quote(name, errors="surrogateescape"),
    lambda name: html.escape(name),
    lambda name: unicodedata.normalize("NFC", name),
    lambda name: unicodedata.normalize("NFD", name),
    lambda name: name.encode("ascii", "backslashreplace").decode(),
    lambda name: str(UnreadableMedia(f"Torn: {name}")),
    lambda name: shlex.quote(name),
]
NAMES = [
    "Secret  talk",
    "Secret\u00a0talk",
    "Secret \t\u2009\u00a0 talk",
    "Secret b\u00e5nd & <1>",
    "Secret\x07 'talk'",
    "Secret\udce5 \\talk",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("told", TOLD)
def test_a_name_is_not_told_however_a_message_writes_it(told: Callable[[str], str], name: str) -> None:
    hidden = Item(
        f"box/{name}.wav",
        (Part(f"box/{name}.wav"),),
        f"{name} by Anna",
        rights=Rights(may_publish=False),
        standing="restricted",
    )
    for text in (
        f"/archive/box/{name}.wav",
        f"{name}.wav",
        f"{name} by Anna",
        f"/archive/box/{name}.sha256",
        f"{name}.wav.vtt",
        f"/archive/box/{name}.md5",
    ):
        said = public_text(hidden, f"Cannot read {told(text)}, line 1.")
        assert "ecret" not in said.lower() and "anna" not in said.lower(), said
        assert said.startswith("Cannot read ") and said.endswith(", line 1.") and public_name(hidden) in said


def test_no_folder_and_no_neighbour_tells_of_it_and_other_words_stay() -> None:
    hidden = Item("N case/1.wav", (Part("N case/1.wav"),), "A", rights=Rights(may_publish=False), standing="restricted")
    name = public_name(hidden)
    told = public_text(hidden, "/archive/N case/manifest-md5.txt: after 1.5 s a part of 21.wav is torn. A thing")
    assert told == f"/archive/{name}/manifest-md5.txt: after 1.5 s {name} part of 21.wav is torn. {name} thing"
    assert public_text(Item("x", (Part("x"),), standing="restricted"), "x (1)") == "x (1)"


def test_where_nothing_is_known_the_file_name_is_the_only_name_there_is() -> None:
    unknown = item("restricted", identifier="box/tape.wav", title=None)
    assert public_name(unknown) == "box/tape.wav" and not may_show(unknown)


def test_the_reason_is_told_without_the_title() -> None:
    told = [
        why(item("forbidden", may_transcribe=False)),
        why(item("forbidden")),
        why(item("restricted", may_publish=False)),
        why(item("restricted")),
        why(item("open", may_publish=True)),
    ]
    assert len(set(told)) == 5 and not any("Title" in reason for reason in told)
    assert "do not allow" in told[0] and "not known" in told[1]
