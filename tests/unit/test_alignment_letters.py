"""Written words spelled in a model's letters: case, accents, ligatures, stars for what is spoken but not in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from speechpipe.alignment.letters import STAR, Alphabet
from speechpipe.emissions import Emissions

TOKENS = ("<pad>", "<s>", "[UNK]", "|", *"abcdefghijklmnopqrstuvwxyzæøå")


def emissions(tokens: tuple[str, ...] = TOKENS, case: Literal["lower", "upper", "mixed"] = "lower") -> Emissions:
    return Emissions(np.zeros((0, len(tokens)), np.float32), tokens, 0, 3, 320, 160, case)


def spell(word: str, alphabet: Alphabet | None = None) -> str:
    """The letters' text, ``*`` for a star."""
    alphabet = alphabet or Alphabet.of(emissions())
    assert alphabet is not None
    names = {i: text for text, i in alphabet.ids.items()}
    return "".join("*" if i == STAR else names[i] for i in alphabet.spell(word))


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("tape", "tape"),
        ("Tape,", "tape"),
        ("«Bånd!»", "bånd"),
        ("BÅND", "bånd"),
        ("ba\u030and", "bånd"),  # å in two code points
        ("don't", "dont"),
        ("twenty-six", "twentysix"),
        ("idé", "ide"),
        ("Straße", "strasse"),
        ("ﬁlm", "film"),
        ("İstanbul", "istanbul"),
        ("1954", "*"),
        ("19.5", "*"),
        ("b2b", "b*b"),
        ("2b", "*b"),
        ("10%", "*"),
        ("R&B", "r*b"),
        ("§", "*"),
        ("№", "no"),
        ("½", "*"),
        ("100€", "*"),
        ("Москва", "*"),
        ("東京", "*"),
        ("🎤", "*"),
        ("–", ""),
        ("...", ""),
        ("\u200b", ""),
        ("\u0301", ""),
        ("|", "*"),  # a sign, and not the delimiter
        ("<s>", "*s*"),  # signs and a letter, and not the special token
        ("[UNK]", "unk"),
        ("", ""),
    ],
)
def test_spelling(written: str, spelled: str) -> None:
    assert spell(written) == spelled


def test_upper_case_models() -> None:
    alphabet = Alphabet.of(emissions(("<pad>", "<s>", "</s>", "|", *"ABSE'"), "upper"))
    assert spell("Ab's", alphabet) == "AB'S"
    assert spell("ß", alphabet) == "SS"


def test_mixed_case_models_prefer_the_letter_as_written() -> None:
    alphabet = Alphabet.of(emissions(("<pad>", "<s>", "</s>", "|", *"aAb"), "mixed"))
    assert spell("aAB", alphabet) == "aAb"


def test_tokens_of_several_letters_are_taken_whole() -> None:
    alphabet = Alphabet.of(emissions(("<pad>", "<s>", "</s>", "|", *"schu", "sch", "ch")))
    assert alphabet is not None
    assert list(alphabet.spell("schuch")) == [8, 7, 9]  # sch u ch


def test_letters_with_marks_in_the_vocabulary_keep_them() -> None:
    assert spell("idé", Alphabet.of(emissions(("<pad>", "<s>", "</s>", "|", *"ideé")))) == "idé"


@pytest.mark.parametrize(
    "broken",
    [
        replace(emissions(), log_probs=np.zeros((3, 2), np.float32)),
        replace(emissions(), log_probs=np.zeros(3, np.float32)),
        replace(emissions(), blank_id=len(TOKENS)),
        replace(emissions(), blank_id=-1),
        replace(emissions(), word_delimiter_id=99),
    ],
)
def test_tokens_that_do_not_fit_the_emissions(broken: Emissions) -> None:
    assert Alphabet.of(broken) is None
