"""The language of every window: as given, heard at several places for the whole, or heard in each and smoothed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from speechpipe.chunking.plan import Window
from speechpipe.language_identification import smoothing
from speechpipe.language_identification.probabilities import folded

#: Below this mean probability the transcript warns that its language is uncertain.
UNCERTAIN = 0.6
_KEPT = 0.001
#: Flag of a segment whose window does not itself sound like the language that it was given.
UNCERTAIN_FLAG = "language_uncertain"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a window sounds like: probabilities of the allowed languages, and the engine's own best of all it knows."""

    allowed: Mapping[str, float]
    best: str

    @classmethod
    def of(cls, probabilities: Mapping[str, float] | None, allowed: Collection[str]) -> Heard | None:
        """None where the engine could not tell."""
        if not probabilities:
            return None
        best = max(probabilities, key=lambda language: probabilities[language])
        ranked = sorted(folded(probabilities, allowed).items(), key=lambda item: (-item[1], item[0]))
        return cls({code: round(p, 4) for i, (code, p) in enumerate(ranked) if not i or p >= _KEPT}, best)


def entry_of(heard: Heard | None) -> dict[str, Any]:
    return {} if heard is None else {"allowed": dict(heard.allowed), "best": heard.best}


def heard_of(entry: Mapping[str, Any]) -> Heard | None:
    return Heard(entry["allowed"], entry["best"]) if entry else None


@dataclass(frozen=True, slots=True)
class Spoken:
    """The language of each window, the windows in doubt, and what is said of it in provenance and warnings."""

    languages: tuple[str | None, ...]
    uncertain: frozenset[int] = frozenset()
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def given(language: str | None, windows: Sequence[Window]) -> Spoken:
    return Spoken((language,) * len(windows), settings={"language": language, "language_probability": None})


def of_the_whole(heard: Sequence[Heard | None], places: Sequence[Window], told: Sequence[str | None]) -> Spoken:
    """One language for all windows: the likeliest at the ``places`` where it was listened for.

    ``told``: the language of each window by the container's word for its stream, which stands; None where it has none.
    """
    tagged = {"language_of_streams": sorted(set(filter(None, told)))} if any(told) else {}
    ranked = smoothing.overall(_allowed(heard), [window.length_ms for window in places])
    if not ranked:
        return Spoken(tuple(told), settings={"language": None, "language_probability": None, **tagged})
    language, probability = next(iter(ranked.items()))
    settings = {
        "language": language,
        "language_probability": round(probability, 4),
        "language_probabilities": {code: round(p, 4) for code, p in list(ranked.items())[:5]},
        "language_places": len(places),
        **tagged,
    }
    warnings = () if probability >= UNCERTAIN else (_doubt(language, heard, ranked),)
    return Spoken(tuple(one or language for one in told), settings=settings, warnings=warnings)


def of_each(heard: Sequence[Heard | None], windows: Sequence[Window]) -> Spoken:
    """A language for each window, smoothed along each channel."""
    found: list[str | None] = [None] * len(windows)
    for channel in dict.fromkeys(window.channel for window in windows):
        own = [i for i, window in enumerate(windows) if window.channel == channel]
        steady = smoothing.smooth(_allowed([heard[i] for i in own]), [windows[i].length_ms for i in own])
        for i, language in zip(own, steady, strict=True):
            found[i] = language
    main = next(iter(smoothing.overall(_allowed(heard), [window.length_ms for window in windows])), None)
    found = [language or main for language in found]  # a channel where nothing could be told goes with the recording
    doubted = frozenset(i for i, language in enumerate(found) if language and not _sure(heard[i], language))
    settings = {
        "language": "auto-segment",
        "language_smoothing": f"Viterbi, {smoothing.SWITCH} nats a change, {smoothing.FULL_MS} ms for a full say",
    }
    warnings = (f"The language of {len(doubted)} of {len(windows)} windows is uncertain",) if doubted else ()
    return Spoken(tuple(found), doubted, settings, warnings)


def _allowed(heard: Sequence[Heard | None]) -> list[Mapping[str, float] | None]:
    return [None if one is None else one.allowed for one in heard]


def _sure(heard: Heard | None, language: str) -> bool:
    return heard is not None and heard.allowed.get(language, 0.0) >= smoothing.SPOKEN


def _doubt(language: str, heard: Sequence[Heard | None], ranked: Mapping[str, float]) -> str:
    """What a person needs to judge it: the likeliest languages, or what it sounded like where that is not allowed."""
    likely = ", ".join(f"{code} {probability:.2f}" for code, probability in list(ranked.items())[:3])
    others = {one.best for one in heard if one and one.best not in ranked}
    foreign = f"; in places it sounds like {', '.join(sorted(others))}" if others else ""
    return f"The language is uncertain, taken for {language}: {likely}{foreign}"
