"""Transcripts for tests: one fixed, and strategies that draw texts from what breaks writers."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from speechpipe.transcript import Transcript
from speechpipe.transcript_data import Event, Media, Revision, Rights, Segment, Step, Stream, Word

#: Markup, line ends, controls, marks that combine (one with `>`), right to left, emoji, no characters, lone surrogates.
TROUBLE = [
    *"&<>\"'-—!?.,;: \n\r\t/\\",
    "-->",
    "&amp;",
    "</v>",
    "</script/",
    "<!--",
    "<c>",
    "<00:00:01.000>",
    "]]>",
    "NOTE",
    "WEBVTT",
    *"\x00\x08\x0b\x0c\x1b\x1f\x7f\x85\x9f\u2028\u2029\ufeff\ufffe\uffff\udc80\udfff",
    *"\u0301\u0338\u0327e\u00e9\u212b",
    *"\u0645\u0631\u05e9\u202e\u200f\u200d\u00a0\u202f",
    *"😀👩🏽🇳🇴",
    *"0123456789",
    *"abcABCæøåáčđŋšŧž中文",
]
texts = st.lists(st.sampled_from(TROUBLE), max_size=30).map("".join)
#: As an engine writes it: characters, no space.
word_texts = st.lists(st.sampled_from([c for c in TROUBLE if c.strip()]), min_size=1, max_size=12).map("".join)
times = st.integers(0, 40_000_000)
unsure = st.none() | st.floats(0, 1)
figures = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def spans(draw: st.DrawFn) -> dict[str, int]:
    start = draw(times)
    return {"start_ms": start, "end_ms": start + draw(st.integers(0, 60_000))}


@st.composite
def words(draw: st.DrawFn) -> Word:
    when = draw(st.just({}) | spans())
    timing = draw(st.sampled_from([None, "aligned", "decoder", "interpolated", "human"]))
    return Word(draw(texts), confidence=draw(unsure), timing=timing, **when)


@st.composite
def any_segments(draw: st.DrawFn) -> Segment:
    """A segment of any content that the classes take, sensible or not."""
    return Segment(
        id=draw(st.integers(0, 10**6)),
        text=draw(texts),
        words=tuple(draw(st.lists(words(), max_size=6))),
        language=draw(st.none() | st.sampled_from(["nb", "se", "en", "zh-Hant", "not a language", "<&>"])),
        channel=draw(st.none() | st.integers(0, 3)),
        speaker=draw(st.none() | texts),
        avg_logprob=draw(figures),
        no_speech_prob=draw(unsure),
        compression_ratio=draw(figures),
        temperature=draw(figures),
        flags=tuple(draw(st.lists(texts, max_size=2))),
        **draw(spans()),
    )


@st.composite
def spoken_segments(draw: st.DrawFn) -> Segment:
    """A segment as the pipeline makes it: words in order of time, some without a time, text made of them."""
    at = start = draw(st.integers(0, 3_600_000))
    said: list[Word] = []
    for text in draw(st.lists(word_texts, min_size=1, max_size=60)):
        if draw(st.integers(0, 4)) == 0:
            said.append(Word(text))
            continue
        begins = at + draw(st.integers(0, 1500))
        at = begins + draw(st.integers(0, 1200))
        said.append(Word(text, begins, at, draw(unsure), "aligned"))
    return Segment(
        0,
        start,
        at + draw(st.integers(0, 400)),
        " ".join(word.text for word in said),
        tuple(said) if draw(st.booleans()) else (),
        channel=draw(st.sampled_from([None, 0, 1])),
        speaker=draw(st.sampled_from([None, "Anna", "<O'Neil & co> --> x"])),
    )


events = st.builds(
    lambda span, kind, channel: Event(kind=kind, channel=channel, **span),
    spans(),
    st.sampled_from(["music", "silence", "noise", "tone", "unreadable"]),
    st.none() | st.integers(0, 3),
)
streams = st.builds(Stream, st.integers(0, 9), texts, start_ms=st.none() | st.integers(-5_000, 5_000))
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
steps = st.builds(
    Step,
    what=st.sampled_from(["decode", "chunk", "transcribe", "align", "correct"]) | texts,
    software=texts,
    version=texts,
    model=st.none() | texts,
    model_revision=st.none() | texts,
    settings=st.dictionaries(texts, values | st.lists(values, max_size=3), max_size=3),
    started=st.none() | texts | st.just("2026-01-15T12:00:00Z"),
    ended=st.none() | st.just("2026-01-15T12:00:01+00:00") | st.just("2026-13-45T99:00:00Z"),
)


def transcripts(segments: st.SearchStrategy[Segment]) -> st.SearchStrategy[Transcript]:
    media = st.builds(
        Media,
        name=texts,
        sha256=st.none() | st.just("ab" * 32),
        duration_ms=st.none() | st.integers(0, 50_000_000),
        streams=st.lists(streams, max_size=2).map(tuple),
    )
    return st.builds(
        Transcript,
        media=media,
        outcome=st.sampled_from(["speech", "no_speech", "silent", "no_audio"]),
        segments=st.lists(segments, max_size=5).map(tuple),
        events=st.lists(events, max_size=4).map(tuple),
        languages=st.lists(st.sampled_from(["nb", "se", "en"]), max_size=2).map(tuple),
        steps=st.lists(steps, max_size=3).map(tuple),
        warnings=st.lists(texts, max_size=2).map(tuple),
        complete=st.booleans(),
        incomplete_reason=st.none() | texts,
        revision=st.none() | st.builds(Revision, texts, texts, st.none() | texts),
        identifier=st.none() | texts,
        title=st.none() | texts,
        rights=st.builds(Rights, st.none() | texts, st.none() | texts, st.none() | st.booleans()),
    )


any_transcripts = transcripts(any_segments())
spoken_transcripts = transcripts(spoken_segments())


def spoken(id_: int, text: str, start_ms: int, pace_ms: int = 300, pause_ms: int = 40, **more: object) -> Segment:
    """A segment of ``text`` with a word each ``pace_ms``; a word written ``~word`` has no time."""
    said = []
    for place, word in enumerate(text.split()):
        begins = start_ms + place * pace_ms
        if word.startswith("~"):
            said.append(Word(word[1:]))
        else:
            said.append(Word(word, begins, begins + pace_ms - pause_ms, 0.9, "aligned"))
    end = start_ms + len(said) * pace_ms
    made = Segment(id_, start_ms, end, text.replace("~", ""), tuple(said))
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]


#: An interview on two channels after music, with markup, a number by itself, and words of unknown time.
INTERVIEW = Transcript(
    media=Media("reel <12> & more.wav", sha256="0123456789abcdef" * 4, size=1_000_000, duration_ms=40_000),
    outcome="speech",
    segments=(
        spoken(0, "Velkommen til «Lyd & bilde», Máret. Hvor er du født?", 2_500, channel=0, language="nb"),
        spoken(1, "Giitu! Mun lean eret Kárášjogas,", 6_000, channel=1, language="se"),
        spoken(2, "muhto orron maŋŋá Ruoŧas: ođđajagimánus lei < ~-40 gráda.", 8_300, channel=1, language="se"),
        spoken(
            3, "Og så, i hvilket år flyttet du hit til <Oslo>, sa du at det var i", 12_000, channel=0, language="nb"
        ),
        spoken(4, "1985", 17_500, channel=1, language="nb"),
        Segment(5, 20_000, 26_000, "Dette hørte maskinen uten å vite når -->", language="nb", channel=0),
        spoken(6, "Ja.", 29_000, channel=0, language="nb"),
        spoken(7, "Takk skal du ha.", 29_100, channel=1, language="nb"),
    ),
    events=(Event(0, 2_300, "music", 0), Event(100, 2_200, "music", 1), Event(31_000, 40_000, "silence")),
    languages=("nb", "se"),
    steps=(
        Step("decode", "av", "18.0.0", settings={"channels": "split"}),
        Step(
            "transcribe",
            "faster-whisper",
            "1.2.1",
            "example/asr",
            "0123456789abcdef",
            settings={"beam_size": 5},
            started="2026-01-15T12:00:00Z",
            ended="2026-01-15T12:01:00Z",
        ),
        Step("align", "speechpipe", "0.1.0", "example/aligner", "fedcba98", ended="2026-01-15T12:02:00Z"),
    ),
    warnings=("The container says 41.000 s, 40.000 s were decoded.",),
    identifier="reels/reel <12> & more.wav",
    title="Samtale med Máret, 1985",
    rights=Rights("http://rightsstatements.org/vocab/InC/1.0/", "reading room only", may_publish=False),
)
NOTHING_SAID = Transcript(
    Media("empty.wav", duration_ms=5_000), "no_speech", steps=(Step("chunk", "speechpipe", "0.1.0"),)
)
