"""Languages: codes in every spelling lead to one; the table agrees with Whisper's own."""

from __future__ import annotations

import pytest

from speechpipe import languages
from speechpipe.errors import UnknownLanguage

SPELLINGS = {
    "nb": ["nb", "NB", "no", "NO", "nob", "nor", "nb-NO", "nb_NO", " nb ", "NB-no"],
    "nn": ["nn", "nno", "nn-NO"],
    "en": ["en", "eng", "en-GB", "en-US-x-scouse"],
    "de": ["de", "deu", "ger", "de-CH"],
    "se": ["se", "sme"],
    "sma": ["sma"],
    "he": ["he", "iw", "heb"],
    "jv": ["jv", "jw"],
    "fil": ["tl", "fil", "tgl"],
    "zh": ["zh", "zh-Hant-TW", "cmn", "chi"],
}


@pytest.mark.parametrize(("canonical", "given"), [(c, g) for c, spellings in SPELLINGS.items() for g in spellings])
def test_every_spelling_leads_to_one_code(canonical: str, given: str) -> None:
    assert languages.check(given) == canonical


@pytest.mark.parametrize("given", ["", "-", "xx", "klingon", "e n", "🇳🇴", "nb\x00", "english", "n"])
def test_what_is_no_language_is_named(given: str) -> None:
    for question in (languages.check, languages.name, languages.whisper_code):
        with pytest.raises(UnknownLanguage, match="There is no language"):
            question(given)


@pytest.mark.parametrize(
    ("code", "whisper"),
    [
        ("nb", "no"),
        ("nn", "nn"),
        ("nob", "no"),
        ("en-GB", "en"),
        ("jv", "jw"),
        ("fil", "tl"),
        ("fo", "fo"),
        ("is", "is"),
        ("gsw", "de"),
        ("gd", "cy"),
        ("vls", "nl"),
    ],
)
def test_whispers_own_code(code: str, whisper: str) -> None:
    assert languages.whisper_code(code) == whisper


@pytest.mark.parametrize("code", ["se", "sma", "smj", "ga", "fy", "kl", "ltg"])
def test_languages_that_whisper_lacks_are_known_all_the_same(code: str) -> None:
    assert languages.check(code) == code
    assert languages.whisper_code(code) is None
    assert languages.name(code)


def test_the_table_holds_exactly_whispers_languages() -> None:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    assert {row.whisper for row in languages.LANGUAGES.values()} - {None} == set(_LANGUAGE_CODES)


def test_no_code_stands_for_two_languages() -> None:
    spoken_for = [alias for code, row in languages.LANGUAGES.items() for alias in (code, *row.aliases.split())]
    assert len(spoken_for) == len(set(spoken_for))


def test_names_are_english() -> None:
    assert languages.name("nb-NO") == "Norwegian Bokmål"
    assert languages.name("gsw") == "Swiss German"
    assert len({row.name for row in languages.LANGUAGES.values()}) == len(languages.LANGUAGES)
