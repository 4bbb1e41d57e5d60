"""From written words to the letters of a CTC model, one way only: the written word itself is never changed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from speechpipe.emissions import Emissions

#: Stands for what is spoken but not in the alphabet: digits, foreign letters, signs. It matches any sound.
STAR = -1

#: Punctuation to Unicode, spoken all the same.
_SPOKEN = frozenset("%‰&@#§¶†")

_CASES: dict[str, tuple[Callable[[str], str], ...]] = {
    "lower": (str.lower,),
    "upper": (str.upper,),
    "mixed": (str, str.lower, str.upper),
}


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The tokens that spell words: id by text."""

    ids: dict[str, int]
    case: str
    longest: int

    @classmethod
    def of(cls, emissions: Emissions) -> Alphabet | None:
        """None where tokens and emissions do not fit each other."""
        shape = emissions.log_probs.shape
        special = {emissions.blank_id, emissions.word_delimiter_id}
        if len(shape) != 2 or len(emissions.tokens) != shape[1]:
            return None
        if not all(0 <= i < shape[1] for i in special if i is not None):
            return None
        return _alphabet(emissions.tokens, frozenset(special), emissions.case)

    def spell(self, word: str) -> tuple[int, ...]:
        """The ids of a word's letters, what is not in the alphabet as one ``STAR`` a run; () for punctuation."""
        found = list[int]()
        for token in self._tokens(unicodedata.normalize("NFC", word)):
            if token != STAR or found[-1:] != [STAR]:
                found.append(token)
        return tuple(found)

    def _tokens(self, word: str) -> Iterator[int]:
        at = 0
        while at < len(word):
            length, ids = self._longest_match(word, at)
            yield from ids
            at += length

    def _longest_match(self, word: str, at: int) -> tuple[int, list[int]]:
        for length in range(self.longest, 0, -1):
            piece = word[at : at + length]
            for case in _CASES[self.case]:
                if case(piece) in self.ids:
                    return len(piece), [self.ids[case(piece)]]
        return 1, list(self._outside(word[at]))

    def _outside(self, character: str) -> Iterator[int]:
        """Accents are dropped and ß is ss; letters, digits and signs left over are stars; all else is mute."""
        for part in unicodedata.normalize("NFKD", character.casefold()):
            ids = [self.ids[case(part)] for case in _CASES[self.case] if case(part) in self.ids]
            if ids:
                yield ids[0]
            elif unicodedata.category(part)[0] in "LNS" or part in _SPOKEN:
                yield STAR


@lru_cache(maxsize=8)
def _alphabet(tokens: tuple[str, ...], special: frozenset[int | None], case: str) -> Alphabet:
    ids = {t: i for i, t in enumerate(tokens) if t and i not in special and not _is_special(t)}
    return Alphabet(ids, case, max(map(len, ids), default=1))


def _is_special(token: str) -> bool:
    return len(token) > 1 and token[0] in "<[" and token[-1] in ">]"
