"""Languages by their BCP 47 codes: English names, the codes of other standards, and what Whisper calls them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

from speechpipe.errors import UnknownLanguage


class Language(NamedTuple):
    """``whisper``: the code Whisper knows it by, None where it does not; ``borrowed`` where that is the code of a
    related language, in whose spelling it writes. ``aliases``: ISO 639-2/3 and older codes."""

    name: str
    whisper: str | None
    aliases: str = ""
    borrowed: bool = False


def check(code: str) -> str:
    """The canonical code of a language given as BCP 47 or ISO 639-1/2/3, in any case: ``nob``, ``nb-NO`` → ``nb``.

    Region and script are dropped: no model here tells them apart. ``no`` counts as Bokmål, as Whisper means it.

    Raises:
        UnknownLanguage: not in the table; says which rows come near, also to a name.
    """
    primary = code.strip().replace("_", "-").split("-")[0].lower()
    known = _CANONICAL.get(primary)
    if known is None:
        rows = ", ".join(row(other) for other in near(code))
        cure = f"Did you mean {rows}?" if rows else UnknownLanguage.cure
        raise UnknownLanguage(f"There is no language {code!r}.", cure=f"{cure} {_ALL}")
    return known


def name(code: str) -> str:
    """The English name. Raises ``UnknownLanguage``."""
    return LANGUAGES[check(code)].name


def whisper_code(code: str) -> str | None:
    """What Whisper calls the language (``nb`` → ``no``), or the related one whose token serves (``gsw`` → ``de``);
    None where there is neither. Raises ``UnknownLanguage``."""
    return LANGUAGES[check(code)].whisper


def row(code: str) -> str:
    """One row of the table in words: ``gsw (Swiss German; Whisper borrows de)``. Raises ``UnknownLanguage``."""
    known = check(code)
    language = LANGUAGES[known]
    if language.whisper is None:
        return f"{known} ({language.name}; not in Whisper)"
    if language.borrowed:
        return f"{known} ({language.name}; Whisper borrows {language.whisper})"
    return f"{known} ({language.name})"


def near(text: str, most: int = 3) -> list[str]:
    """Codes of the languages whose code or English name comes near to ``text``, the nearest first."""
    wanted = text.strip().casefold()[:40]
    if len(wanted) < 2:
        return []
    scores = {code: max(_likeness(wanted, known) for known in _spellings(code)) for code in LANGUAGES}
    return sorted((code for code, score in scores.items() if score >= 0.75), key=lambda code: -scores[code])[:most]


def related(code: str) -> list[str]:
    """Codes of the languages nearest of kin to one that few models know. Raises ``UnknownLanguage``."""
    known = check(code)
    borrowed = [LANGUAGES[known].whisper] if LANGUAGES[known].borrowed else []
    return [check(other) for other in (*_KIN.get(known, "").split(), *filter(None, borrowed))]


def unsupported(model: str, code: str, known: Collection[str]) -> UnknownLanguage:
    """The error for a language that a model does not know: its row of the table, and those that the model knows."""
    rows = [row(other) for other in sorted(set(known) & set(LANGUAGES))]
    told = f"It knows {', '.join(rows[:_MOST])}{f' and {len(rows) - _MOST} more' if len(rows) > _MOST else ''}. "
    return UnknownLanguage(
        f"The model {model} does not know {row(code)}.",
        cure=f"{told if rows else ''}Find a model for it with: speechpipe models recommend --language {check(code)}",
    )


def _spellings(code: str) -> Iterator[str]:
    yield code
    full = LANGUAGES[code].name.casefold()
    yield from (full, *full.split())
    yield from _OWN_NAMES.get(code, "").split()


def _likeness(wanted: str, known: str) -> float:
    """1 for the same, 0 for nothing in common; codes are too short to be like anything."""
    if min(len(wanted), len(known)) < 3:
        return float(wanted == known)
    return SequenceMatcher(None, wanted, known).ratio()


#: What the languages of the registry call themselves, so that a person who writes that finds the code.
_OWN_NAMES = {
    "bg": "български",
    "ca": "català valencià",
    "cnr": "crnogorski",
    "cs": "čeština česky",
    "cy": "cymraeg",
    "da": "dansk",
    "de": "deutsch",
    "el": "ελληνικά",
    "es": "español castellano",
    "et": "eesti",
    "eu": "euskara euskera",
    "fi": "suomi",
    "fo": "føroyskt",
    "fr": "français",
    "fy": "frysk",
    "ga": "gaeilge",
    "gd": "gàidhlig",
    "gl": "galego",
    "gsw": "schwiizerdütsch schweizerdeutsch",
    "hr": "hrvatski",
    "hsb": "hornjoserbsce",
    "hu": "magyar",
    "is": "íslenska",
    "it": "italiano",
    "lb": "lëtzebuergesch",
    "lt": "lietuvių",
    "ltg": "latgalīšu",
    "lv": "latviešu",
    "nb": "norsk bokmål",
    "nl": "nederlands vlaams",
    "nn": "nynorsk",
    "pl": "polski",
    "pt": "português",
    "rm": "rumantsch",
    "ro": "română",
    "se": "davvisámegiella",
    "sk": "slovenčina",
    "sl": "slovenščina",
    "sv": "svenska",
    "uk": "українська",
    "vls": "westvlaams",
    "yi": "yidish ייִדיש",
}
_ALL = "All are listed by: speechpipe models languages"
#: As many rows as one line of an error bears.
_MOST = 6
#: Of languages that Whisper does not know: their nearest kin.
_KIN = {"se": "smj sma", "smj": "se sma", "sma": "smj se", "ga": "gd", "fy": "nl", "ltg": "lv", "hsb": "cs"}

#: BCP 47 code → language: all that Whisper knows, and the small languages of Europe's archives.
LANGUAGES = {
    "af": Language("Afrikaans", "af", "afr"),
    "am": Language("Amharic", "am", "amh"),
    "ar": Language("Arabic", "ar", "ara arb"),
    "as": Language("Assamese", "as", "asm"),
    "az": Language("Azerbaijani", "az", "aze azj"),
    "ba": Language("Bashkir", "ba", "bak"),
    "be": Language("Belarusian", "be", "bel"),
    "bg": Language("Bulgarian", "bg", "bul"),
    "bn": Language("Bengali", "bn", "ben"),
    "bo": Language("Tibetan", "bo", "bod tib"),
    "br": Language("Breton", "br", "bre"),
    "bs": Language("Bosnian", "bs", "bos"),
    "ca": Language("Catalan", "ca", "cat va"),
    "cnr": Language("Montenegrin", "sr", borrowed=True),
    "cs": Language("Czech", "cs", "ces cze"),
    "cy": Language("Welsh", "cy", "cym wel"),
    "da": Language("Danish", "da", "dan"),
    "de": Language("German", "de", "deu ger"),
    "el": Language("Greek", "el", "ell gre"),
    "en": Language("English", "en", "eng"),
    "es": Language("Spanish", "es", "spa"),
    "et": Language("Estonian", "et", "est ekk"),
    "eu": Language("Basque", "eu", "eus baq"),
    "fa": Language("Persian", "fa", "fas per pes"),
    "fi": Language("Finnish", "fi", "fin"),
    "fil": Language("Filipino", "tl", "tl tgl"),
    "fo": Language("Faroese", "fo", "fao"),
    "fr": Language("French", "fr", "fra fre"),
    "fy": Language("Western Frisian", None, "fry"),
    "ga": Language("Irish", None, "gle"),
    "gd": Language("Scottish Gaelic", "cy", "gla", borrowed=True),
    "gl": Language("Galician", "gl", "glg"),
    "gsw": Language("Swiss German", "de", borrowed=True),
    "gu": Language("Gujarati", "gu", "guj"),
    "ha": Language("Hausa", "ha", "hau"),
    "haw": Language("Hawaiian", "haw", ""),
    "he": Language("Hebrew", "he", "heb iw"),
    "hi": Language("Hindi", "hi", "hin"),
    "hr": Language("Croatian", "hr", "hrv"),
    "hsb": Language("Upper Sorbian", None),
    "ht": Language("Haitian Creole", "ht", "hat"),
    "hu": Language("Hungarian", "hu", "hun"),
    "hy": Language("Armenian", "hy", "hye arm"),
    "id": Language("Indonesian", "id", "ind in"),
    "is": Language("Icelandic", "is", "isl ice"),
    "it": Language("Italian", "it", "ita"),
    "ja": Language("Japanese", "ja", "jpn"),
    "jv": Language("Javanese", "jw", "jav jw"),
    "ka": Language("Georgian", "ka", "kat geo"),
    "kk": Language("Kazakh", "kk", "kaz"),
    "kl": Language("Greenlandic", None, "kal"),
    "km": Language("Khmer", "km", "khm"),
    "kn": Language("Kannada", "kn", "kan"),
    "ko": Language("Korean", "ko", "kor"),
    "la": Language("Latin", "la", "lat"),
    "lb": Language("Luxembourgish", "lb", "ltz"),
    "ln": Language("Lingala", "ln", "lin"),
    "lo": Language("Lao", "lo", "lao"),
    "lt": Language("Lithuanian", "lt", "lit"),
    "ltg": Language("Latgalian", None),
    "lv": Language("Latvian", "lv", "lav lvs"),
    "mg": Language("Malagasy", "mg", "mlg plt"),
    "mi": Language("Māori", "mi", "mri mao"),
    "mk": Language("Macedonian", "mk", "mkd mac"),
    "ml": Language("Malayalam", "ml", "mal"),
    "mn": Language("Mongolian", "mn", "mon khk"),
    "mr": Language("Marathi", "mr", "mar"),
    "ms": Language("Malay", "ms", "msa may zsm"),
    "mt": Language("Maltese", "mt", "mlt"),
    "my": Language("Burmese", "my", "mya bur"),
    "nb": Language("Norwegian Bokmål", "no", "nob no nor"),
    "ne": Language("Nepali", "ne", "nep npi"),
    "nl": Language("Dutch", "nl", "nld dut"),
    "nn": Language("Norwegian Nynorsk", "nn", "nno"),
    "oc": Language("Occitan", "oc", "oci"),
    "pa": Language("Punjabi", "pa", "pan"),
    "pl": Language("Polish", "pl", "pol"),
    "ps": Language("Pashto", "ps", "pus"),
    "pt": Language("Portuguese", "pt", "por"),
    "rm": Language("Romansh", None, "roh"),
    "ro": Language("Romanian", "ro", "ron rum mo mol"),
    "ru": Language("Russian", "ru", "rus"),
    "sa": Language("Sanskrit", "sa", "san"),
    "sd": Language("Sindhi", "sd", "snd"),
    "se": Language("Northern Sámi", None, "sme"),
    "si": Language("Sinhala", "si", "sin"),
    "sk": Language("Slovak", "sk", "slk slo"),
    "sl": Language("Slovenian", "sl", "slv"),
    "sma": Language("Southern Sámi", None, ""),
    "smj": Language("Lule Sámi", None, ""),
    "sn": Language("Shona", "sn", "sna"),
    "so": Language("Somali", "so", "som"),
    "sq": Language("Albanian", "sq", "sqi alb als"),
    "sr": Language("Serbian", "sr", "srp"),
    "su": Language("Sundanese", "su", "sun"),
    "sv": Language("Swedish", "sv", "swe"),
    "sw": Language("Swahili", "sw", "swa swh"),
    "ta": Language("Tamil", "ta", "tam"),
    "te": Language("Telugu", "te", "tel"),
    "tg": Language("Tajik", "tg", "tgk"),
    "th": Language("Thai", "th", "tha"),
    "tk": Language("Turkmen", "tk", "tuk"),
    "tr": Language("Turkish", "tr", "tur"),
    "tt": Language("Tatar", "tt", "tat"),
    "uk": Language("Ukrainian", "uk", "ukr"),
    "ur": Language("Urdu", "ur", "urd"),
    "uz": Language("Uzbek", "uz", "uzb uzn"),
    "vi": Language("Vietnamese", "vi", "vie"),
    "vls": Language("West Flemish", "nl", borrowed=True),
    "yi": Language("Yiddish", "yi", "yid ydd ji"),
    "yo": Language("Yoruba", "yo", "yor"),
    "yue": Language("Cantonese", "yue", ""),
    "zh": Language("Chinese", "zh", "zho chi cmn"),
}

_CANONICAL = {alias: code for code, language in LANGUAGES.items() for alias in (code, *language.aliases.split())}
