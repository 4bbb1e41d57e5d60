"""Whatever a person writes anywhere in a file: it is in the transcript that is read back, or an error names the line;
never is it said that nothing was changed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from speechpipe import formats
from speechpipe.corrections.files import Opened, open_transcript
from speechpipe.errors import UsageError
from speechpipe.formats.text import clean
from tests.transcripts import INTERVIEW

PHASES = (Phase.explicit, Phase.generate)
NAMES = ["vtt", "words.vtt", "srt", "alto", "json"]
#: What people write, with what looks like markup to one format or another.
TYPED = [
    *("<inaudible>", "<mary@nb.no>", "< 6 kroner then", "[applause]", "don\u0092t", "Q&Zulu", "&nosuch;", "a > zebra"),
    *("{\\an8x}", "-- niks --", "NOTE Pernille", "Pernille: quux", "<!-- quux -->", "1954?", "“jaså”", "æøåæ", "\n"),
    *("\n\n", "# %", "/", "]", "STYLE", "WEBVTT", "<i think so>", "<b>bold</b>", "\\", "'", '"', "{zap}"),
]
#: Marks of the format itself, which say nothing: numbers and names of cues and elements, places of what has none.
MARKUP = re.compile(r"</?[a-z]+>|[^\w&@<>]+", re.ASCII)


def visible(text: str) -> set[str]:
    """The words of a text, by which it is found again."""
    return set(re.findall(r"\w{2,}", clean(MARKUP.sub(" ", text))))


def told(opened: Opened) -> str:
    return json.dumps(opened.transcript.to_dict(), ensure_ascii=False)


@pytest.mark.parametrize("name", NAMES)
@settings(phases=PHASES, max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 1), typed=st.lists(st.sampled_from(TYPED), min_size=1, max_size=3).map(" ".join))
def test_what_is_written_anywhere_is_kept_or_refused(tmp_path: Path, name: str, at: float, typed: str) -> None:
    holds(tmp_path, name, at, typed)


def holds(folder: Path, name: str, at: float, typed: str) -> None:
    original = folder / "original.json"
    original.write_bytes(formats.write(INTERVIEW, "json"))
    text = formats.write(INTERVIEW, name).decode()
    place = round(at * len(text))
    path = folder / f"reel.wav{formats.suffix(name)}"
    path.write_text(text[:place] + typed + text[place:], encoding="utf-8", newline="")
    try:
        opened = open_transcript(path, original)
    except UsageError as error:
        assert re.search(r"line \d|WEBVTT|different recordings", str(error)), (typed, str(error))
        return
    said = visible(told(opened))
    lost = visible(typed) - {word for word in visible(typed) if any(word in one for one in said)}
    context = text[max(0, place - 60) : place] + "»" + typed + "«" + text[place : place + 60]
    assert not lost or opened.differs, (lost, context)
    assert not visible(typed) or opened.transcript != INTERVIEW or opened.differs, context


def test_each_thing_that_was_lost_once_is_kept(tmp_path: Path) -> None:
    for name, before in (("vtt", "til «Lyd"), ("srt", "til «Lyd"), ("alto", 'Velkommen" WC'), ("json", "til «Lyd")):
        text = formats.write(INTERVIEW, name).decode()
        for typed in ("don\u0092t ", "R&amp;D " if name == "alto" else "R&D "):
            holds(tmp_path, name, text.index(before) / len(text), typed)
