"""Whatever a model says in whichever attempt: the best of what was tried is kept, and no try is made in vain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speechpipe.engines.contract import Options
from speechpipe.engines.whisper.fallback import FIRST, Attempt, Job, Limits, Take, decoded, is_loop, quietest

LIMITS = Limits()
TEXTS = st.sampled_from(["", "tape four", "eight " * 12, "takk for meg " * 4, "謝謝觀看" * 4, "æøå ŋđ", "..."])
TAKES = st.builds(
    lambda text, logprob, no_speech, tokens: Take(((0, 500, text),) if text else (), logprob, no_speech, tokens),
    TEXTS,
    st.floats(-3, 0),
    st.floats(0, 1),
    st.integers(1, 50),
)
OPTIONS = st.builds(Options, fallback=st.sampled_from(["off", "deterministic", "full"]))
PROMPTS = st.sampled_from([(), (1, 2)])


@given(st.lists(TAKES, min_size=12, max_size=12), OPTIONS, PROMPTS, st.integers(400, 40_000))
def test_the_best_of_what_was_tried_is_kept(
    says: list[Take], options: Options, prompt: tuple[int, ...], samples: int
) -> None:
    pcm = np.ones(samples, np.float32)
    heard: list[tuple[Attempt, Take]] = []
    lengths: list[int] = []

    def decode(jobs: Sequence[Job], attempt: Attempt) -> list[Take]:
        lengths.append(sum(job.pcm.size for job in jobs))
        take = says[len(heard)]
        heard.append((attempt, take))
        return [take] * len(jobs)

    (kept,) = decoded([Job(pcm, "en", prompt)], decode, options)
    whole = [take for attempt, take in heard if not attempt.halves]
    assert all(LIMITS.rank(kept.take) <= LIMITS.rank(take) for take in whole)
    assert set(lengths) == {samples}
    assert heard[0][0] is FIRST
    assert (len(heard) == 1) or LIMITS.faults(heard[0][1])
    assert all(LIMITS.rank(take)[0] for take in whole[:-1])
    assert options.fallback != "off" or len(heard) == 1
    assert options.fallback == "full" or not any(attempt.temperature for attempt, _ in heard)
    times = [(u.start_ms, u.end_ms) for u in kept.utterances()]
    assert times == sorted(times)
    assert all(0 <= start <= end for start, end in times)


@given(st.lists(st.sampled_from(["tape", "four", "é", "看", "7", "-"]), max_size=12), st.integers(4, 8))
def test_what_is_said_again_and_again_is_a_loop_wherever_it_stands(words: list[str], times: int) -> None:
    phrase = " ".join(["reel", "nine", *words])
    assert is_loop(f"something before {(phrase + ' ') * times} and something after") is (len(words) <= 14)
    assert not is_loop(" ".join(f"word{number}" for number in range(len(words))))


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40), st.integers(32_000, 60_000))
def test_the_quietest_place_leaves_a_quarter_on_either_side(shape: list[float], samples: int) -> None:
    pcm = np.resize(np.array(shape, np.float32), samples)
    assert samples // 4 <= quietest(pcm) <= samples - samples // 4
