"""Where captions break: after a sentence, then after a comma, then before a conjunction, then evenly.

Both cuts, of words into cues and of a cue into lines, are the cheapest way through all allowed cuts (dynamic
programming, as in Knuth and Plass, Breaking Paragraphs into Lines, 1981).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import inf

from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import Word

#: Words that a line may well begin with, by language.
CONJUNCTIONS = {
    "da": "og men eller fordi at som når hvis mens så for der",
    "de": "und aber oder weil dass wenn als ob denn",
    "en": "and but or because that which who when if while so",
    "es": "y e pero o porque que cuando si",
    "et": "ja aga või sest et kui",
    "fi": "ja mutta tai koska että joka kun jos",
    "fr": "et mais ou parce que qui quand si",
    "is": "og en eða því að sem þegar ef",
    "it": "e ma o perché che quando se",
    "nb": "og men eller fordi at som når hvis mens så for",
    "nl": "en maar of omdat dat die wanneer als",
    "nn": "og men eller fordi at som når viss om medan så for",
    "no": "og men eller fordi at som når hvis mens så for",
    "se": "ja muhto dahje go ahte mii gos jos",
    "sma": "jïh men jallh juktie ahte gosse",
    "smj": "ja valla jali gå vaj jus",
    "sv": "och men eller därför att som när om medan",
}
_CONJUNCTIONS = {language: frozenset(words.split()) for language, words in CONJUNCTIONS.items()}
_CLOSERS = "\"'»”’)]"
_SENTENCE_ENDS = tuple(".!?…。！？؟")
_CLAUSE_ENDS = tuple(",;:–—،；，、")
_NUMBER = re.compile(r"(?=.*\d)[\d+\-−–±.,:/ \u00a0\u202f]+")
#: A pause this long is as good a place as a sentence's end, and better outside a cue than in it.
PAUSE_MS = 600

# Costs, against each other: one more cue costs 1.
_MEANT_TO_STAND = 8.0
_ANYWHERE, _CONJUNCTION, _CLAUSE, _SENTENCE = 3.0, 1.5, 0.7, 0.0

Spans = list[tuple[int, int]]


def cut_cues(
    words: Sequence[Word], lengths: Sequence[int], spans: Spans, costs: Sequence[float], limits: Captions
) -> list[int]:
    """Indices at which cues begin, and ``len(words)``.

    A cue fits the lines and the longest duration, unless one word alone does not; words without times take as long
    as they take. What a cue misses of the time to read it is a cost, against the least duration of a cue.

    Args:
        lengths: visible characters of each word. spans: when each word is shown, in ms.
        costs: what a break before each word costs, as from ``costs_of_breaks``.
    """
    count = len(words)
    wide, most_lines, longest = (
        inf if m is None else m for m in (limits.max_line_chars, limits.max_lines, limits.max_cue_ms)
    )
    pace = 1000 / limits.max_chars_per_second if limits.max_chars_per_second else 0.0
    least = limits.min_cue_ms
    hurry = 2 / max(1, least)
    silences = [0, *(after[0] - before[1] for before, after in pairwise(spans))]
    paused = [0.0, *accumulate(max(0, silence - PAUSE_MS) / 500 for silence in silences)]
    breaks = [0.0 if s >= PAUSE_MS else cost for s, cost in zip(silences, costs, strict=True)] + [0.0]
    fixed = [1 + cost + pauses for cost, pauses in zip(breaks, paused, strict=True)]
    untils = [0, *(span[0] - limits.min_gap_ms for span in spans[1:]), spans[-1][1] + least]
    timed = any(word.start_ms is not None for word in words)

    best, cut_at = [0.0] + [inf] * count, [0] * (count + 1)
    for a in range(count):
        if best[a] + 1 >= best[count]:
            continue  # one more cue costs at least 1
        start = spans[a][0]
        so_far = best[a] - paused[a + 1]
        characters, used, lines = 0, 0, 1
        for b in range(a + 1, count + 1):
            length = lengths[b - 1] + 1
            characters += length
            used += length
            if used > wide + 1 and b - a > 1:
                used = length
                lines += 1
                if lines > most_lines:
                    break
            if spans[b - 1][1] - start > longest and timed and b - a > 1 and has_time(words, a, b):
                break
            needed, shown = characters * pace, untils[b] - start
            missed = (needed if needed > least else least) - (shown if shown > 0 else 0)
            cost = so_far + fixed[b] + (missed * hurry if missed > 0 else 0.0)
            if cost < best[b]:
                best[b], cut_at[b] = cost, a
    return _edges(cut_at)


def cut_lines(
    words: Sequence[Word], lengths: Sequence[int], costs: Sequence[float], limits: Captions
) -> tuple[tuple[Word, ...], ...]:
    """The words on as few lines as they need, broken where it reads best and as evenly as can be."""
    wide = limits.max_line_chars
    count, characters = len(words), sum(lengths) + len(words) - 1
    if wide is None or characters <= wide or count == 1:
        return (tuple(words),)
    before = [0, *accumulate(length + 1 for length in lengths)]
    furthest, needed = _greedy(before, wide)
    even = characters / needed[0]
    best, cut_at = [0.0] + [inf] * count, [0] * (count + 1)
    for a in range(count):
        if best[a] == inf:
            continue
        # Only ways with the fewest lines: a line may end where one line less is needed for the rest.
        for b in range(furthest[a], a, -1):
            if needed[b] != needed[a] - 1:
                break
            used = before[b] - before[a] - 1
            end = costs[b] if b < count else 0.0
            digits = is_number(words[a].text) and all(is_number(word.text) for word in words[a + 1 : b])
            alone = _MEANT_TO_STAND if digits else 0.0
            cost = best[a] + end + alone + 4 * ((used - even) / wide) ** 2
            if cost < best[b]:
                best[b], cut_at[b] = cost, a
    return tuple(tuple(words[a:b]) for a, b in pairwise(_edges(cut_at)))


def costs_of_breaks(texts: Sequence[str], language: str | None) -> list[float]:
    """What a break before each of these words costs; the first is 0."""
    conjunctions = _CONJUNCTIONS.get((language or "").split("-")[0], frozenset())
    return [0.0, *(badness(before, after, conjunctions) for before, after in pairwise(texts))]


def badness(before: str, after: str, conjunctions: frozenset[str] = frozenset()) -> float:
    """What it costs to break between two words; inside a number with its unit, or a name, most."""
    bare = before.rstrip(_CLOSERS)
    if bare.endswith(_SENTENCE_ENDS):
        return _SENTENCE
    if bare.endswith(_CLAUSE_ENDS):
        return _CLAUSE
    if is_number(before) or (before.istitle() and after.istitle()):
        return _MEANT_TO_STAND
    return _CONJUNCTION if after.strip("«\"'(").casefold() in conjunctions else _ANYWHERE


def is_number(text: str) -> bool:
    """Whether ``text`` is digits and their marks only."""
    return not text[:1].isalpha() and _NUMBER.fullmatch(text) is not None


def has_time(words: Sequence[Word], a: int, b: int) -> bool:
    return any(words[i].start_ms is not None for i in range(a, b))


def _edges(cut_at: Sequence[int]) -> list[int]:
    edges = [len(cut_at) - 1]
    while edges[-1]:
        edges.append(cut_at[edges[-1]])
    return edges[::-1]


def _greedy(before: Sequence[int], wide: int) -> tuple[list[int], list[int]]:
    """For each word, where a line that begins with it must end, and how many lines the words from it on need.

    Args:
        before: characters before each word, spaces included, and of all.
    """
    count = len(before) - 1
    furthest, needed = [count] * count, [0] * (count + 1)
    end = count
    for a in reversed(range(count)):
        while end > a + 1 and before[end] - before[a] - 1 > wide:
            end -= 1
        furthest[a], needed[a] = end, needed[end] + 1
    return furthest, needed
