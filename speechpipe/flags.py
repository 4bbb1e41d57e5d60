"""What marks a segment, and what it means, in words for people. A flag marks; it never deletes text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

#: In the order in which a person should look at them.
FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "repetition": "The same words come again and again: probably a loop of the model, not what was said.",
        "low_logprob": "The model itself holds this text to be unlikely.",
        "low_confidence": "The words do not fit the sound well.",
        "language_uncertain": "This stretch does not itself sound like the language it was transcribed in.",
        "decoded_again": "The first attempt failed; this text comes from another one.",
        "without_prompt": "It was recognised without being told names, or what was said before.",
        "no_repeats": "It was recognised with repetitions made harder: words truly said again may lack.",
        "wider_beam": "It was recognised with more alternatives kept.",
        "in_halves": "It was recognised in two parts, cut in the quietest place.",
        "sampled": "It was recognised with chance in it, as the last resort: read it with care.",
        "no_memory_to_cure": "Not everything that could cure its faults was tried, since memory was short.",
        "smaller_batch": "It was recognised in a smaller batch, since memory was short.",
        "alignment_fallback": "The text could not be timed against the sound: the times are the model's, or spread.",
        "cued": "The times are those of a caption that was read, not of the words.",
    }
)

#: Those that tell how the text came about; all others want a look.
NEUTRAL = frozenset(
    {"decoded_again", "without_prompt", "no_repeats", "wider_beam", "in_halves", "smaller_batch", "cued"}
)


def wants_a_look(flags: Iterable[str]) -> bool:
    return not NEUTRAL.issuperset(flags)
