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


@pytest.mark.parametrize("code", ["se", "sma", "smj", "ga", "fy", "kl", "ltg", "hsb", "rm"])
def test_languages_that_whisper_lacks_are_known_all_the_same(code: str) -> None:
    assert languages.check(code) == code
    assert languages.whisper_code(code) is None
    assert languages.name(code)


def test_a_borrowed_token_is_another_languages() -> None:
    borrowed = {code: row.whisper for code, row in languages.LANGUAGES.items() if row.borrowed}
    assert borrowed == {"gsw": "de", "gd": "cy", "vls": "nl", "cnr": "sr"}
    assert not languages.LANGUAGES["nb"].borrowed, "no is Norwegian itself"


@pytest.mark.parametrize(
    ("written", "nearest"),
    [
        ("norsk", "nb"),
        ("Norwegian", "nb"),
        ("norwgian", "nb"),
        ("nynorsk", "nn"),
        ("svenska", "sv"),
        ("Swedish", "sv"),
        ("suomi", "fi"),
        ("deutsch", "de"),
        ("english", "en"),
        ("sami", "se"),
        ("Gaelic", "gd"),
        ("eesti", "et"),
    ],
)
def test_a_name_brings_up_the_code(written: str, nearest: str) -> None:
    assert languages.near(written)[0] == nearest
    with pytest.raises(UnknownLanguage, match=rf"Did you mean {nearest} \("):
        languages.check(written)


@pytest.mark.parametrize("written", ["", " ", "x", "xx", "kqzx", "🇳🇴"])
def test_nothing_near_is_made_up(written: str) -> None:
    assert languages.near(written) == []


def test_rows_of_the_table_in_words() -> None:
    assert languages.row("nob") == "nb (Norwegian Bokmål)"
    assert languages.row("gsw") == "gsw (Swiss German; Whisper borrows de)"
    assert languages.row("se") == "se (Northern Sámi; not in Whisper)"


def test_kin_is_in_the_table() -> None:
    assert languages.related("sma") == ["smj", "se"]
    assert languages.related("vls") == ["nl"]
    assert languages.related("cnr") == ["sr"]
    assert languages.related("sv") == []
    for code in languages.LANGUAGES:
        assert all(languages.check(other) != code for other in languages.related(code))


def test_what_a_language_calls_itself_belongs_to_the_table() -> None:
    assert set(languages._OWN_NAMES) <= set(languages.LANGUAGES)


def test_the_error_for_a_language_that_a_model_lacks_shows_the_rows() -> None:
    error = languages.unsupported("some/model", "sme", ["nn", "nb", "gsw"])
    assert error.message == "The model some/model does not know se (Northern Sámi; not in Whisper)."
    assert "It knows gsw (Swiss German; Whisper borrows de), nb (Norwegian Bokmål), nn (" in error.advice
    assert error.advice.endswith("speechpipe models recommend --language se")


def test_of_many_languages_the_error_shows_a_few() -> None:
    error = languages.unsupported("some/model", "se", [c for c, row in languages.LANGUAGES.items() if row.whisper])
    assert error.advice.count("(") == 6
    assert " more." in error.advice
    assert "It knows" not in languages.unsupported("some/model", "se", []).advice


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
