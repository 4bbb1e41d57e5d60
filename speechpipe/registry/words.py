"""What the registry knows of a model, in words for people who are no engineers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from speechpipe import languages
from speechpipe.registry.entries import Measurement, ModelEntry

#: What a licence means for a library.
LICENCES = {
    "Apache-2.0": "free for any use, its notice kept",
    "MIT": "free for any use, its notice kept",
    "CC0-1.0": "free for any use",
    "CC-BY-4.0": "free for any use, its makers named",
    "CC-BY-SA-4.0": "free for any use, its makers named; what is built from it is shared alike",
    "CC-BY-NC-4.0": "not for commercial use",
    "CC-BY-NC-SA-4.0": "not for commercial use; what is built from it is shared alike",
    "OpenRAIL": "some uses are forbidden",
    "other": "terms of its publisher's own",
}
_WORDING = {
    "verbatim": "word for word",
    "readable": "whole sentences, not word for word",
    "subtitle": "shortened, as subtitles are",
    "semantic": "condensed to what is meant",
}
_CT2 = {
    "seen": "ready to use",
    "stated": "ready to use, as its makers say",
    "none": "is converted once, when it is fetched",
    "unknown": "ready to use or converted once, which shows when it is fetched",
}
#: Up to how many parameters, and how fast on a processor and on a GPU. Estimated from the benchmarks of faster-whisper
#: 1.2 (small, int8: thirteen minutes in one on eight cores; large-v2 on an RTX 3070 Ti: 17 seconds), in proportion.
_SPEEDS = (
    (100_000_000, "very fast", "very fast"),
    (400_000_000, "fast", "very fast"),
    (1_000_000_000, "slow", "fast"),
    (None, "very slow", "fast"),
)


def purpose(entry: ModelEntry) -> str:
    """One sentence: what it is good for."""
    if entry.good_for:
        return entry.good_for
    named = spoken(entry.languages)
    if entry.roles == ("pretrained",):
        return f"A beginning for who trains a model of {named}; nothing by itself."
    if entry.roles[0] == "aligner":
        return f"Times the words of {named}; it can recognise too, letter by letter."
    return f"{named}, letter by letter; it times words too." if "aligner" in entry.roles else f"Speech in {named}."


def spoken(codes: Sequence[str], most: int = 4) -> str:
    """``Norwegian Bokmål, Norwegian Nynorsk``; of many languages, how many."""
    return f"{len(codes)} languages" if len(codes) > most else ", ".join(languages.name(code) for code in codes)


def style(entry: ModelEntry) -> str | None:
    """How it writes; None where not known."""
    cased = {True: "capital letters", False: "lower case", None: None}[entry.style.cased]
    points = {True: "punctuation", False: "no punctuation", None: None}[entry.style.punctuated]
    parts = [_WORDING.get(entry.style.wording or ""), cased, points]
    return "; ".join(part for part in parts if part) or None


def licence(entry: ModelEntry) -> str:
    """Its name, what it means, and whether it has to be accepted first."""
    if entry.licence is None:
        known = "none, so nobody has leave to use it" if entry.licence_status == "none-stated" else "not known"
    else:
        known = f"{entry.licence}, {LICENCES.get(entry.licence, 'read what it allows')}"
        if not entry.has_terms:
            known += " (not verified)"
    if entry.licence_status == "none-stated":
        return f"{known}; ask its publisher, and accept it before use"
    return f"{known}; accept it before use" if gated(entry) else known


def licence_name(entry: ModelEntry) -> str:
    """Its name alone, for a table: ``MIT``, ``MIT ?`` where not verified, ``not known``, ``none stated``."""
    if entry.licence is None:
        return "none stated" if entry.licence_status == "none-stated" else "not known"
    return entry.licence if entry.has_terms else f"{entry.licence} ?"


def gated(entry: ModelEntry) -> bool:
    """Whether a person has to accept its licence by name before it runs."""
    return not entry.embedded and (bool(entry.restrictions) or not entry.has_terms)


def download(entry: ModelEntry) -> str | None:
    """How much is fetched: as it was seen, or estimated from the parameters at two to four bytes each."""
    if entry.download_bytes:
        return f"about {size(entry.download_bytes)}"
    if entry.size:
        return f"{size(entry.size)}, here already"
    if entry.parameters is None:
        return None
    return f"{size(2 * entry.parameters)} to {size(4 * entry.parameters)}, estimated"


def size(octets: float) -> str:
    """``3.1 GB``, ``480 MB``."""
    return f"{octets / 1e9:.1f} GB" if octets >= 0.95e9 else f"{max(1, round(octets / 1e6))} MB"


def speed(entry: ModelEntry, device: str) -> str | None:
    """``fast`` on a ``cpu`` or on another device; an estimate; None where its size is not known."""
    if entry.parameters is None:
        return None
    row = next(row for row in _SPEEDS if row[0] is None or entry.parameters <= row[0])
    return row[1] if device == "cpu" else row[2]


def form(entry: ModelEntry) -> str:
    """How it comes to the form that the engines run."""
    if entry.bundle:
        return "runs through torchaudio, an extra"
    if entry.needs_torch:
        return "runs through transformers, an extra"
    other = entry.layout.ct2_repository
    if other is None:
        return _CT2[entry.layout.ct2_status]
    whose = "its publisher" if entry.layout.ct2_by == "publisher" else "a third party"
    return f"ready to use in {other}, by {whose}"


def rates(measured: Measurement) -> str:
    """``FLEURS nb_no: 6.6 % of the words wrong, 10.4 % by large-v3 (arXiv 2402.01917)``."""
    text = f"{measured.set}: {percent(measured.wer)} of the words wrong"
    if measured.cer is not None:
        text += f", {percent(measured.cer)} of the letters"
    if measured.base_wer is not None:
        text += f", {percent(measured.base_wer)} by {measured.base or 'the model it was made from'}"
    how = {True: "case and punctuation not counted", False: "case and punctuation counted", None: None}
    remarks = [measured.how, how[measured.normalised], measured.source]
    return f"{text} ({'; '.join(remark for remark in remarks if remark)})"


def percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def fetch_command(name: str) -> str:
    return f"speechpipe models fetch {name}"


def listed(names: Iterable[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
