"""What rights allow, what follows where they are not known, and what may be said of a restricted recording."""

from __future__ import annotations

from typing import Any

import pytest

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
