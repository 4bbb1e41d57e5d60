"""Where captions break: after a sentence, then after a comma, then before a conjunction, then evenly.

Both cuts, of words into cues and of a cue into lines, are the cheapest way through all allowed cuts (dynamic
programming, as in Knuth and Plass, Breaking Paragraphs into Lines, 1981).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, islice, pairwise
from math import inf

from speechpipe.formats.text import visible_length
from speechpipe.settings import Captions
from speechpipe.transcript import Word

#: Words that a line may well begin with: conjunctions of the languages most met with here.
_CONJUNCTIONS = {
    "en": "and but or because that which who when if while so",
    "nb, nn, da": "og men eller fordi at som når hvis mens så for",
    "sv": "och eller därför att när om medan",
    "fi": "ja mutta tai koska että joka kun jos",
    "se": "ja muhto dahje go ahte mii gos jos",
    "de": "und aber oder weil dass wenn als ob",
    "fr": "et mais ou parce que qui quand si",
}
CONJUNCTIONS = frozenset(word for words in _CONJUNCTIONS.values() for word in words.split())
_CLOSERS = "\"'»”’)]"
_SENTENCE_ENDS = tuple(".!?…。！？؟")
_CLAUSE_ENDS = tuple(",;:–—،；，、")
_NUMBER_MARKS = frozenset("+-−–±.,:/ \u00a0\u202f")
#: A pause this long is as good a place as a sentence's end, and better outside a cue than in it.
_PAUSE_MS = 600

# Costs, against each other: one more cue costs 1, one more line outweighs everything.
_MEANT_TO_STAND = 8.0
_ANYWHERE, _CONJUNCTION, _CLAUSE, _SENTENCE = 3.0, 1.5, 0.7, 0.0
_LINE = 1e6

Cost = Callable[[int, int], float]
Spans = list[tuple[int, int]]


def cut_cues(words: list[Word], spans: Spans, limits: Captions) -> list[int]:
    """Indices at which cues begin, and ``len(words)``; ``spans`` is when each word is shown, in ms.

    A cue fits the lines and the longest duration, unless one word alone does not; words without times take as long
    as they take.
    """
    lengths = [visible_length(word.text) for word in words]
    reach = [_reach(lengths, a, limits) for a in range(len(words))]
    silences = [0, *(after[0] - before[1] for before, after in pairwise(spans))]  # before each word
    long_silences = [0, *accumulate(max(0, silence - _PAUSE_MS) for silence in silences)]
    timed = [0, *accumulate(word.start_ms is not None for word in words)]
    characters = [0, *accumulate(length + 1 for length in lengths)]

    def cost(a: int, b: int) -> float:
        too_long = timed[b] > timed[a] and spans[b - 1][1] - spans[a][0] > limits.max_cue_ms
        if b - a > 1 and (b > reach[a] or too_long):
            return inf
        return 1 + (long_silences[b] - long_silences[a + 1]) / 500 + hurry(a, b) + break_before(b)

    def hurry(a: int, b: int) -> float:
        """By how much the cue misses the time to read it, against the least duration of a cue."""
        until = spans[b][0] - limits.min_gap_ms if b < len(words) else spans[b - 1][1] + limits.min_cue_ms
        needed = max(limits.min_cue_ms, 1000 * (characters[b] - characters[a]) / limits.max_chars_per_second)
        return 2 * max(0.0, needed - max(0, until - spans[a][0])) / max(1, limits.min_cue_ms)

    def break_before(b: int) -> float:
        if b == len(words) or silences[b] >= _PAUSE_MS:
            return _SENTENCE
        return badness(words[b - 1].text, words[b].text)

    return cheapest_cuts(len(words), cost)


def cut_lines(words: list[Word], limits: Captions) -> tuple[tuple[Word, ...], ...]:
    """The words on as few lines as they need, broken where it reads best and as evenly as can be."""
    wide = limits.max_line_chars
    lengths = [visible_length(word.text) for word in words]
    rows = _rows(lengths, wide)
    even = (sum(lengths) + len(words) - 1) / rows

    def cost(a: int, b: int) -> float:
        length = sum(lengths[a:b]) + b - a - 1
        if length > wide and b - a > 1:
            return inf
        alone = _MEANT_TO_STAND if rows > 1 and is_number(" ".join(word.text for word in words[a:b])) else 0.0
        end = badness(words[b - 1].text, words[b].text) if b < len(words) else 0.0
        return _LINE + end + alone + 4 * ((length - even) / wide) ** 2

    return tuple(tuple(words[a:b]) for a, b in pairwise(cheapest_cuts(len(words), cost)))


def badness(before: str, after: str) -> float:
    """What it costs to break between two words; inside a number with its unit, or a name, most."""
    bare = before.rstrip(_CLOSERS)
    if bare.endswith(_SENTENCE_ENDS):
        return _SENTENCE
    if bare.endswith(_CLAUSE_ENDS):
        return _CLAUSE
    if is_number(before) or (before.istitle() and after.istitle()):
        return _MEANT_TO_STAND
    return _CONJUNCTION if after.strip("«\"'(").casefold() in CONJUNCTIONS else _ANYWHERE


def is_number(text: str) -> bool:
    """Whether ``text`` is digits and their marks only."""
    return any(c.isdigit() for c in text) and all(c.isdigit() or c in _NUMBER_MARKS for c in text)


def cheapest_cuts(count: int, cost: Cost) -> list[int]:
    """Cut ``range(count)`` into the parts of least total cost; returns their edges, 0 and ``count`` included.

    ``cost(a, b)`` of the part from a to before b is ``inf`` where it must not be. It is finite where b - a is 1, and
    is not asked for greater b once it is infinite.
    """
    best = [(0.0, 0)] + [(inf, 0)] * count  # (cost up to here, where the last part begins)
    for a in range(count):
        for b in range(a + 1, count + 1):
            step = cost(a, b)
            if step == inf:
                break
            best[b] = min(best[b], (best[a][0] + step, a))
    edges = [count]
    while edges[-1]:
        edges.append(best[edges[-1]][1])
    return edges[::-1]


def _rows(lengths: list[int], wide: int) -> int:
    """Fewest lines that hold words of these lengths."""
    return 1 + sum(_begins_line(lengths, wide))


def _reach(lengths: list[int], a: int, limits: Captions) -> int:
    """How far a cue from word ``a`` may go and still fit its lines: the index after its last word."""
    lines = accumulate(_begins_line(islice(lengths, a, None), limits.max_line_chars))
    return next((b for b, line in enumerate(lines, a) if line >= limits.max_lines), len(lengths))


def _begins_line(lengths: Iterable[int], wide: int) -> Iterator[bool]:
    """Whether each word begins a further line when lines are filled greedily, which needs the fewest of them."""
    used = -1
    for length in lengths:
        further = used >= 0 and used + 1 + length > wide
        used = length if further or used < 0 else used + 1 + length
        yield further
