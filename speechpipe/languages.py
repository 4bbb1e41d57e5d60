"""Languages by their BCP 47 codes: English names, the codes of other standards, and what Whisper calls them."""

from __future__ import annotations

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
        UnknownLanguage: not in the table.
    """
    primary = code.strip().replace("_", "-").split("-")[0].lower()
    known = _CANONICAL.get(primary)
    if known is None:
        raise UnknownLanguage(f"There is no language {code!r}.")
    return known


def name(code: str) -> str:
    """The English name. Raises ``UnknownLanguage``."""
    return LANGUAGES[check(code)].name


def whisper_code(code: str) -> str | None:
    """What Whisper calls the language (``nb`` → ``no``); None where it does not know it. Raises ``UnknownLanguage``."""
    return LANGUAGES[check(code)].whisper


#: BCP 47 code → language: all that Whisper knows, and the small languages of the archives of northern Europe.
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
