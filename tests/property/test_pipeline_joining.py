"""Whatever is said across a cut: joining two windows neither loses a word nor says one twice."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from speechpipe.chunking.plan import Window
from speechpipe.engines.contract import Utterance
from speechpipe.pipeline.joining import Spot, joined, seam
from speechpipe.transcript_data import Word

CUT, HALF = 10_000, 500
#: Few words, so that they repeat; with punctuation and case that engines write differently.
TEXTS = st.sampled_from(["no", "No,", "yes", "five", "fifty", "fifteen", "Å", "日本", "—"])
LENGTHS = st.integers(120, 1_000)
PAUSES = st.integers(0, 300)
SPEECH = st.lists(st.tuples(TEXTS, LENGTHS, PAUSES), min_size=1, max_size=20)
JITTER = st.integers(-25, 25)


def laid_out(speech: list[tuple[str, int, int]], begin: int) -> list[Spot]:
    ends = list(accumulate((length + pause for _, length, pause in speech), initial=begin))
    return [Spot(text, end, end + length) for (text, length, _), end in zip(speech, ends, strict=False)]


@given(speech=SPEECH, begin=st.integers(CUT - 6_000, CUT - 500), data=st.data())
def test_words_heard_whole_in_a_window_come_out_once(
    speech: list[tuple[str, int, int]], begin: int, data: st.DataObject
) -> None:
    """Each window hears the words that lie whole in it, each at times a little off; of others it hears a scrap or not.

    No word is longer than the overlap, so each lies whole in one of the windows.
    """
    truth = laid_out(speech, begin)
    before, after = [], []
    for spot in truth:
        for heard, inside, cut_off in (
            (before, spot.end_ms <= CUT + HALF, spot.start_ms < CUT + HALF - 100),
            (after, spot.start_ms >= CUT - HALF, spot.end_ms > CUT - HALF + 100),
        ):
            moved = data.draw(JITTER)
            if inside:
                heard.append(replace(spot, start_ms=spot.start_ms + moved, end_ms=spot.end_ms + moved))
            elif cut_off and data.draw(st.booleans()):
                edge = (spot.start_ms, CUT + HALF) if heard is before else (CUT - HALF, spot.end_ms)
                heard.append(Spot("scrap", *edge))
    kept, dropped = seam(before, after, CUT - HALF, CUT + HALF)
    found = [spot.text for spot in (*before[:kept], *after[dropped:])]
    assert found == [spot.text for spot in truth]


@given(speech=SPEECH, begin=st.integers(0, CUT), overlap=st.integers(1, 5_000))
def test_what_only_one_window_heard_is_kept(speech: list[tuple[str, int, int]], begin: int, overlap: int) -> None:
    heard = laid_out(speech, begin)
    assert seam(heard, [], CUT - overlap, CUT + overlap) == (len(heard), 0)
    assert seam([], heard, CUT - overlap, CUT + overlap) == (0, 0)


@given(speech=SPEECH, sizes=st.lists(st.integers(1, 4), min_size=20, max_size=20), timed=st.booleans())
def test_a_window_heard_by_two_is_said_once_and_the_rest_stays(
    speech: list[tuple[str, int, int]], sizes: list[int], timed: bool
) -> None:
    """Two windows of the very same sound: what comes out is one copy, however it is cut into utterances."""
    spots = laid_out(speech, 0)
    length = spots[-1].end_ms + 100
    utterances, at = [], 0
    for size in sizes:
        own = spots[at : at + size]
        at += size
        if own:
            words = tuple(Word(s.text, s.start_ms, s.end_ms) if timed else Word(s.text) for s in own)
            utterances.append(Utterance(own[0].start_ms, own[-1].end_ms, " ".join(s.text for s in own), words))
    one = (Window(0, None, "lane", 0, length), tuple(utterances))
    two = (Window(1, None, "lane", 0, length, length), tuple(utterances))
    (_, first), (_, second) = joined([one, two])
    said = [word.text for utterance in (*first, *second) for word in utterance.words]
    if timed:
        assert said == [spot.text for spot in spots]
    else:  # without times a word is never lost; that it is said twice is possible
        assert len(said) >= len(spots)
    assert all(u.text == " ".join(word.text for word in u.words) for u in (*first, *second))
    assert all(u.start_ms <= u.end_ms and u.words for u in (*first, *second))


@given(speech=SPEECH, begin=st.integers(CUT - 6_000, CUT - 500), made_up=st.lists(TEXTS, min_size=1, max_size=4))
def test_what_a_window_made_up_at_its_edge_goes_where_the_other_heard_better(
    speech: list[tuple[str, int, int]], begin: int, made_up: list[str]
) -> None:
    truth = laid_out(speech, begin)
    before = [spot for spot in truth if spot.end_ms <= CUT - HALF]
    after = [spot for spot in truth if spot.end_ms > CUT - HALF]
    loop = [Spot(text, CUT - HALF + 100 * i, CUT - HALF + 100 * i + 100, False) for i, text in enumerate(made_up)]
    heard_here = any(spot.start_ms < CUT + HALF for spot in after)
    kept, dropped = seam([*before, *loop], after, CUT - HALF, CUT + HALF)
    assert dropped == 0
    assert kept == len(before) + (0 if heard_here else len(loop))
