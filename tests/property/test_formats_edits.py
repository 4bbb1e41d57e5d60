"""A person deletes captions and changes words, never a time: no word gets a time that nobody gave or knew."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from speechpipe import formats
from speechpipe.formats.comparing.correction import corrected
from speechpipe.settings.captions import Captions
from speechpipe.transcript import Transcript
from speechpipe.transcript_data import Media, Revision, Segment
from tests.transcripts import spoken

KARI = Revision("Kari", "2026-01-01T00:00:00Z")
PHASES = (Phase.explicit, Phase.generate)
SAID = ["yes", "no", "recorded in oslo", "in oslo", "yes in bergen", "yes yes no"]


def answers(chosen: list[str], two_voices: bool = False) -> Transcript:
    """Short answers, each with a pause behind it, so that captions have the least length and words come again."""
    segments, at = list[Segment](), 1_000
    for number, text in enumerate(chosen, 1):
        segments.append(spoken(number, text, at, channel=number % 2 if two_voices else None))
        at = segments[-1].end_ms + (500, 1_500, 2_500)[number % 3]
    return Transcript(Media("a.wav", duration_ms=at + 1_000), "speech", tuple(segments))


def edited(content: str, name: str, chance: random.Random) -> str:
    """The file with some captions gone, and words replaced, added and taken out in others."""
    begins, ends = (" *<TextLine", "</TextLine>\n") if name == "alto" else (r"(?<=\n\n)\d+\n\d\d:", "\n\n")
    words = {"alto": r'(?<=CONTENT=")[^"]+', "words.vtt": r"(?<=<c>)[^<>]+"}
    word = words.get(name, r"[^\s<>]+(?=(?:</v>)?$)")

    def one(found: re.Match[str]) -> str:
        caption, drawn = found[0], chance.random()
        if "[" in caption or drawn > 0.4:
            return caption
        if drawn < 0.15:
            return ""
        end = caption[len(caption.rstrip()) :]
        new = chance.choice(["today", "yes", "no", r"\g<0> too", "in"])
        return re.sub(word, new, caption.rstrip(), count=chance.choice([0, 1])) + end

    return re.sub(f"{begins}.*?{ends}", one, content, flags=re.DOTALL)


def wrong(original: Transcript, found: Transcript) -> list[object]:
    """What has a time that nobody gave, and unchanged words without the one that they had."""
    truth = {(s.channel, w.text, w.start_ms): w for s in original.segments for w in s.words}
    faults: list[object] = []
    for segment in found.segments:
        inside = range(segment.start_ms, segment.end_ms)
        known = Counter(text for channel, text, at in truth if channel == segment.channel and at in inside)
        there = Counter(word.text for word in segment.words)
        timed = Counter(word.text for word in segment.words if word.start_ms is not None)
        faults += [(segment.text, text) for text in known if timed[text] < min(known[text], there[text])]
        times = [word.start_ms for word in segment.words if word.start_ms is not None]
        faults += [(segment.text, times)] if times != sorted(times) or not all(at in inside for at in times) else []
        for word in segment.words:
            is_known = word == truth.get((segment.channel, word.text, word.start_ms))
            if word.start_ms is not None and not is_known and (word.timing, word.confidence) != ("interpolated", None):
                faults.append((segment.text, word))
    return faults


@pytest.mark.parametrize("name", ["vtt", "srt", "words.vtt", "alto"])
@settings(phases=PHASES, max_examples=75, deadline=None)
@given(chosen=st.lists(st.sampled_from(SAID), min_size=2, max_size=30), seed=st.integers(0, 10**6), two=st.booleans())
def test_no_word_gets_a_time_that_nobody_gave(name: str, chosen: list[str], seed: int, two: bool) -> None:
    original = answers(chosen, two)
    content = edited(formats.write(original, name).decode(), name, random.Random(seed))
    found = corrected(original, formats.read(content.encode(), name), KARI, Captions(), exact_ends=name == "alto")
    assert wrong(original, found) == []
