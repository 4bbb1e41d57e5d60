"""Columns that tell of rights, under the names that archives give them: obeyed, or an error; never passed over."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from speechpipe.errors import RepositoryError
from speechpipe.repositories import FolderRepository, Rights
from speechpipe.repositories.metadata.columns import COLUMNS, column, rights, tells_of_rights
from speechpipe.repositories.metadata.dates import first_day, last_day
from speechpipe.repositories.rights import standing

TODAY = date(2026, 5, 17)

#: What a cell says → how a recording stands where nothing else is said and what is not known is open.
CELLS = [
    ("embargo_until", "2026-05-16", "open"),
    ("embargo_until", "2026-05-17", "restricted"),
    ("embargo_until", "2026-05", "restricted"),
    ("embargo_until", "2026", "restricted"),
    ("embargo_until", "2025", "open"),
    ("Embargo-Until", "2090-01-01", "restricted"),
    ("embargo", "yes", "restricted"),
    ("embargo", "no", "open"),
    ("embargo", "2090-01-01", "restricted"),
    ("closed_until", "2090-01-01T00:00:00Z", "restricted"),
    ("open_from", "2026-05-17", "open"),
    ("open_from", "2026-05-18", "restricted"),
    ("open_from", "2026", "open"),
    ("openFrom", "2027", "restricted"),
    ("release_date", "2090-01-01", "restricted"),
    ("release_date", "1954-06-12", "open"),
    ("restricted", "yes", "restricted"),
    ("restricted", "no", "open"),
    ("closed", "Ja", "restricted"),
    ("publish", "no", "restricted"),
    ("publish", "yes", "open"),
    ("may_publish", "nei", "restricted"),
    ("transcribe", "no", "forbidden"),
    ("access", "open", "open"),
    ("access", "Open from 2026-05-17", "open"),
    ("access", "open from 2026-05-18", "restricted"),
    ("access", "open  from 2090", "restricted"),
    ("access", "open from next year", "restricted"),
    ("access", "closed until 2020-01-01", "restricted"),
    ("access", "open to staff", "restricted"),
    ("licence", "https://creativecommons.org/licenses/by-sa/4.0/", "open"),
    ("rights", "All rights reserved; not under creativecommons.org/licenses", "restricted"),
    ("rights_statement", "http://rightsstatements.org/vocab/InC/1.0/", "restricted"),
]


@pytest.mark.parametrize(("name", "cell", "expected"), CELLS)
def test_what_a_cell_says_is_obeyed(name: str, cell: str, expected: str) -> None:
    assert standing(rights({column(name): cell}, TODAY), "open", TODAY) == expected


@pytest.mark.parametrize("name", COLUMNS)
def test_an_empty_cell_says_nothing(name: str) -> None:
    assert rights({name: ""}, TODAY) == rights({name: None}, TODAY) == Rights()
    assert tells_of_rights(name), "a table is asked for each of them"


@pytest.mark.parametrize(
    "told",
    [
        {"may_publish": "yes", "embargo_until": "2090"},
        {"may_publish": "yes", "restricted": "yes"},
        {"publish": "no", "may_publish": "yes"},
        {"may_publish": "yes", "access": "closed"},
        {"access": "open", "restricted": "yes"},
        {"access": "open", "access_rights": "closed"},
        {"licence": "https://creativecommons.org/licenses/by/4.0/", "rights": "No copies"},
    ],
)
def test_of_two_that_contradict_each_other_the_stricter_holds(told: dict[str, object]) -> None:
    for order in (told, dict(reversed(told.items()))):
        assert standing(rights(order, TODAY), "open", TODAY) == "restricted"


UNKNOWN = [
    "Access conditions",
    "accessLevel",
    "allow_download",
    "blocked",
    "closed_reason",
    "confidentiality",
    "consent",
    "copyright",
    "dc:rights",
    "embargoed",
    "GDPR",
    "hemmelig",
    "klausul",
    "may_show",
    "open",
    "permission",
    "privacy",
    "published",
    "public",
    "released",
    "restriction",
    "rettigheter",
    "sensitive",
    "sperret til",
    "tilgang",
    "until",
    "visibility",
]


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_column_that_seems_to_tell_of_rights_and_is_not_known_stops_the_batch(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "metadata.csv").write_text(f"path,{name}\na.wav,\n")
    with pytest.raises(RepositoryError, match=f"no '{column(name)}'.*embargo_until"):
        list(FolderRepository(tmp_path).discover())


@pytest.mark.parametrize(
    "name",
    [
        *("Box", "speaker", "accession", "accession_number", "publisher", "publication_year", "place of publication"),
        *("access_copy", "date", "recorded", "genre", "opening words", "maybe", "description", "disclaimer", "notes"),
    ],
)
def test_what_does_not_tell_of_rights_is_passed_over(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "metadata.csv").write_text(f"path,{name}\na.wav,anything\n")
    (item,) = FolderRepository(tmp_path).discover()
    assert item.standing == "open"


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("may_publish", "perhaps"),
        ("restricted", "somewhat"),
        ("embargo_until", "31.12.2090"),
        ("embargo_until", "2090-13"),
        ("embargo_until", "2090-02-30"),
        ("embargo_until", "soon"),
        ("open_from", "0000"),
        ("access", True),
        ("statement", ["x"]),
        ("may_publish", 0.5),
    ],
)
def test_a_cell_that_cannot_be_understood_is_an_error(name: str, cell: object) -> None:
    with pytest.raises(ValueError, match=name):
        rights({name: cell}, TODAY)


def test_json_may_say_yes_and_no_in_its_own_way() -> None:
    assert rights({"may_publish": True, "may_train": False, "embargo_until": 2020}, TODAY) == Rights(
        may_publish=True, may_train=False
    )


@pytest.mark.parametrize("told", ["2024-02", "2024-02-29"])
def test_a_month_ends_with_its_last_day(told: str) -> None:
    assert last_day(told) == date(2024, 2, 29) and first_day(told).month == 2


OPEN = [
    "https://creativecommons.org/licenses/by/4.0/",
    " http://creativecommons.org/licenses/by-nc-nd/3.0/no/ ",
    "https://creativecommons.org/licenses/by-sa/4.0/deed.nb",
    "https://creativecommons.org/publicdomain/zero/1.0/",
    "http://creativecommons.org/publicdomain/mark/1.0",
    "http://rightsstatements.org/vocab/NoC-US/1.0/",
    "Public  domain",
    "CC0",
]
NOT_OPEN = [
    "All rights reserved; not under creativecommons.org/licenses",
    "Was https://creativecommons.org/licenses/by/4.0/ until 2020",
    "https://creativecommons.org/licenses/by/4.0/ does not apply",
    "https://creativecommons.org/",
    "https://creativecommons.org/licenses/",
    "https://evil.example/creativecommons.org/licenses/by/4.0/",
    "https://creativecommons.org.evil.example/licenses/by/4.0/",
    "https://creativecommons.org/licenses/by/4.0/?no",
    "http://rightsstatements.org/vocab/NoC-CR/1.0/",
    "http://rightsstatements.org/vocab/NoC-OKLR/1.0/",
    "http://rightsstatements.org/vocab/InC/1.0/",
    "not open",
    "open?",
    "no copyright known",
    "free for members",
    "CC BY-ish",
]


@pytest.mark.parametrize("field", ["statement", "access"])
def test_only_a_term_or_the_address_of_a_licence_alone_opens(field: str) -> None:
    assert {standing(Rights(**{field: told}), "open", TODAY) for told in OPEN} == {"open"}
    assert {standing(Rights(**{field: told}), "open", TODAY) for told in NOT_OPEN} == {"restricted"}
