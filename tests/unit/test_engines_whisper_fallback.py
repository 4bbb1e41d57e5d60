"""What Whisper heard, judged and decoded again: examples of each fault, the order of attempts, the best kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from speechpipe.engines.contract import Options
from speechpipe.engines.whisper.fallback import (
    FIRST,
    LADDER,
    Attempt,
    Job,
    Kept,
    Limits,
    Take,
    decoded,
    is_loop,
    quietest,
)

PCM = np.random.default_rng(0).normal(0, 0.1, 64_000).astype(np.float32)
JOB = Job(PCM, "en")
LOOP = "eight " * 12


def take(text: str = "tape four", logprob: float = -0.3, no_speech: float = 0.1, tokens: int = 5) -> Take:
    return Take(((0, 1000, text),) if text else (), logprob, no_speech, tokens)


GOOD, UNLIKELY, LOOPING = take(), take(logprob=-1.2), take(LOOP)
SILENT, NOTHING = take("thank you", -1.5, 0.9), take("")


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("eight eight eight eight eight eight", True),
        ("eight eight eight eight eight", False),
        ("four four four four", False),
        ("no. No, no! NO no no", True),
        ("on tape " * 4, True),
        ("on tape " * 3, False),
        ("before it one two three " + "the end of tape " * 4 + "and after", True),
        ("a b c d e f g h " * 4, True),
        ("a b c d e f g h i j k l m n o p " * 4, True),
        ("a b c d e f g h i j k l m n o p q " * 4, False),
        ("謝謝觀看謝謝觀看謝謝觀看謝謝觀看", True),
        ("请不吝点赞订阅转发打赏支持明镜与点点栏目", False),
        ("ขอบคุณขอบคุณขอบคุณขอบคุณ", True),
        ("takk for at du så på " * 4, True),
        ("tape four one seven side two recorded in bergen", False),
        ("", False),
        ("... --- ...", False),
    ],
)
def test_loops(text: str, loop: bool) -> None:
    assert is_loop(text) is loop


def test_a_loop_over_several_pieces_is_one() -> None:
    pieces = tuple((1000 * i, 1000 * (i + 1), "Takk for meg.") for i in range(4))
    assert Limits().faults(Take(pieces, -0.1, 0.0, 20)) == ("repetition",)
    assert Limits().faults(Take(pieces[:3], -0.1, 0.0, 20)) == ()


@pytest.mark.parametrize(
    ("heard", "faults"),
    [
        (GOOD, ()),
        (take(logprob=-1.0), ()),
        (UNLIKELY, ("low_logprob",)),
        (LOOPING, ("repetition",)),
        (take(LOOP, -1.2), ("repetition", "low_logprob")),
        (
            take("one two three four five six seven " * 2 + "and one two three four five six seven " * 5),
            ("repetition",),
        ),
        (SILENT, ()),
        (take("thank you", -0.5, 0.9), ()),
        (take("thank you", -1.5, 0.6), ("low_logprob",)),
        (NOTHING, ()),
        (take("", -1.5), ()),
    ],
)
def test_faults(heard: Take, faults: tuple[str, ...]) -> None:
    assert Limits().faults(heard) == faults


def test_silence_is_no_speech_and_unlikely_as_text() -> None:
    heard = [SILENT, take("thank you", -0.5, 0.9), UNLIKELY, take("", -0.1, 0.9), NOTHING]
    assert [Limits().silent(one) for one in heard] == [True, False, False, True, False]


def test_the_order_in_which_takes_are_preferred() -> None:
    better = take(logprob=-0.2)
    ranked = sorted([NOTHING, LOOPING, SILENT, UNLIKELY, GOOD, better], key=Limits().rank)
    assert ranked == [better, GOOD, UNLIKELY, SILENT, LOOPING, NOTHING]


def test_compression_is_that_of_the_reference() -> None:
    assert take("a" * 100).compression_ratio == 100 / 12
    assert NOTHING.compression_ratio == 0


class Script:
    """Gives each attempt the take that is written for it, else a loop; keeps what it was asked."""

    def __init__(self, first: Take = LOOPING, **takes: Take | Sequence[Take] | Exception) -> None:
        self.takes: dict[str, Take | Sequence[Take] | Exception] = {"first": first, **takes}
        self.asked: list[tuple[str, float, list[Job]]] = []

    def __call__(self, jobs: Sequence[Job], attempt: Attempt) -> list[Take]:
        self.asked.append((attempt.name, attempt.temperature, list(jobs)))
        found = self.takes.get(attempt.name, self.takes["first"])
        if isinstance(found, Exception):
            raise found
        return [found] * len(jobs) if isinstance(found, Take) else list(found)

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.asked]


def kept(script: Script, job: Job = JOB, options: Options = Options()) -> Kept:  # noqa: B008
    (found,) = decoded([job], script, options)
    return found


def test_a_good_take_is_decoded_once() -> None:
    script = Script(GOOD)
    (utterance,) = kept(script).utterances()
    assert script.names == ["first"]
    assert (utterance.text, utterance.temperature, utterance.flags) == ("tape four", 0.0, ())
    assert (utterance.avg_logprob, utterance.no_speech_prob) == (-0.3, 0.1)
    assert utterance.compression_ratio == round(GOOD.compression_ratio, 4)


def test_deterministic_ways_come_first_then_sampled_ones_and_the_loop_is_kept_with_its_flag() -> None:
    script = Script()
    found = kept(script)
    assert script.names == ["first", "no_repeats", "wider_beam", "in_halves", "sampled", "sampled"]
    assert [temperature for _, temperature, _ in script.asked] == [0, 0, 0, 0, 0.4, 0.8]
    assert (found.take, found.faults) == (LOOPING, ("repetition",))
    assert [(u.text, u.flags) for u in found.utterances()] == [(LOOP, ("repetition",))]


def test_what_is_merely_unlikely_is_not_kept_from_repeating() -> None:
    script = Script(UNLIKELY)
    kept(script)
    assert script.names == ["first", "wider_beam", "in_halves", "sampled", "sampled"]


@pytest.mark.parametrize(("fallback", "tried"), [("off", 1), ("deterministic", 4), ("full", 6)])
def test_how_far_it_goes_is_an_option(fallback: str, tried: int) -> None:
    script = Script()
    found = kept(script, options=Options(fallback=fallback))  # type: ignore[arg-type]
    assert len(script.asked) == tried
    assert [u.flags for u in found.utterances()] == [("repetition",)]


def test_the_first_without_fault_ends_it_and_is_named() -> None:
    script = Script(wider_beam=GOOD)
    assert [(u.text, u.flags) for u in kept(script).utterances()] == [("tape four", ("decoded_again", "wider_beam"))]
    assert script.names[-1] == "wider_beam"


def test_a_sampled_take_tells_its_temperature() -> None:
    (utterance,) = kept(Script(sampled=GOOD)).utterances()
    assert (utterance.temperature, utterance.flags) == (0.4, ("decoded_again", "sampled"))


def test_the_best_of_what_is_still_at_fault_is_kept() -> None:
    found = kept(Script(take(LOOP, -0.2), no_repeats=take(logprob=-1.4), in_halves=[UNLIKELY, UNLIKELY]))
    assert (found.attempt.name, found.faults) == ("in_halves", ("low_logprob",))
    assert [u.flags for u in found.utterances()] == [("decoded_again", "in_halves", "low_logprob")] * 2


def test_nothing_does_not_replace_a_text_but_silence_replaces_a_loop() -> None:
    assert kept(Script(no_repeats=NOTHING)).take == LOOPING
    assert list(kept(Script(no_repeats=SILENT)).utterances()) == []
    assert kept(Script(UNLIKELY, wider_beam=SILENT)).take == UNLIKELY


def test_silence_is_not_decoded_again() -> None:
    script = Script(SILENT)
    assert list(kept(script).utterances()) == []
    assert script.names == ["first"]


def test_what_was_told_before_is_the_first_to_go() -> None:
    script = Script(without_prompt=GOOD)
    kept(script, replace(JOB, prompt=(1, 2)))
    assert [(name, jobs[0].prompt) for name, _, jobs in script.asked] == [("first", (1, 2)), ("without_prompt", ())]


def test_only_those_that_failed_are_decoded_again_and_alone() -> None:
    jobs = [replace(JOB, language=code) for code in ("en", "nb", "sv")]
    asked: list[list[str | None]] = []

    def decode(some: Sequence[Job], attempt: Attempt) -> list[Take]:
        asked.append([job.language for job in some])
        return [LOOPING if job.language == "nb" and attempt is FIRST else GOOD for job in some]

    found = decoded(jobs, decode, Options())
    assert asked == [["en", "nb", "sv"], ["nb"]]
    assert [k.attempt.name for k in found] == ["first", "no_repeats", "first"]


def test_halves_are_cut_in_the_quietest_place_and_joined() -> None:
    pcm = PCM.copy()
    pcm[24_000:28_000] *= 0.01
    script = Script(UNLIKELY, in_halves=[take("tape", -0.2, 0.3, 3), take("four", -0.8, 0.1, 6)])
    found = kept(script, Job(pcm, "en"))
    (left, right) = script.asked[-1][2]
    assert 24_000 < left.pcm.size < 28_000
    assert np.array_equal(np.concatenate([left.pcm, right.pcm]), pcm)
    ms = left.pcm.size // 16
    assert found.take.pieces == ((0, 1000, "tape"), (ms, ms + 1000, "four"))
    assert found.take.avg_logprob == pytest.approx((-0.2 * 3 - 0.8 * 6) / 9)
    assert (found.take.no_speech_prob, found.take.tokens) == (0.1, 9)


def test_a_silent_half_adds_nothing() -> None:
    assert kept(Script(UNLIKELY, in_halves=[SILENT, take("four")])).take.text == "four"
    assert list(kept(Script(LOOPING, in_halves=[SILENT, SILENT])).utterances()) == []


def test_a_clip_under_two_seconds_is_not_halved() -> None:
    script = Script(UNLIKELY)
    kept(script, Job(PCM[:31_999], "en"))
    assert "in_halves" not in script.names
    kept(script, Job(PCM[:32_000], "en"))
    assert "in_halves" in script.names


def test_an_attempt_that_does_not_fit_into_memory_is_passed_over() -> None:
    script = Script(UNLIKELY, wider_beam=RuntimeError("CUDA failed with error out of memory"), in_halves=GOOD)
    assert kept(script).attempt.name == "in_halves"
    assert next(kept(script).utterances()).flags == ("decoded_again", "in_halves"), "it was cured all the same"
    (uncured,) = kept(Script(UNLIKELY, wider_beam=MemoryError(), sampled=MemoryError())).utterances()
    assert uncured.flags == ("low_logprob", "no_memory_to_cure")
    with pytest.raises(RuntimeError, match="else"):
        kept(Script(UNLIKELY, wider_beam=RuntimeError("something else")))


def test_flags_of_takes_come_along_once() -> None:
    divided = replace(GOOD, flags=("smaller_batch",))
    assert next(kept(Script(divided)).utterances()).flags == ("smaller_batch",)
    halves = kept(Script(UNLIKELY, in_halves=[divided, divided])).utterances()
    assert next(halves).flags == ("decoded_again", "in_halves", "smaller_batch")


@pytest.mark.parametrize("at", [0.3, 0.5, 0.7])
def test_the_quietest_place_is_found_within_the_middle_half(at: float) -> None:
    pcm = PCM.copy()
    centre = int(at * pcm.size)
    pcm[centre - 800 : centre + 800] = 0
    pcm[:8000] = 0
    assert quietest(pcm) == centre


@pytest.mark.parametrize("make", [np.zeros, np.ones])
def test_where_all_is_alike_the_first_place_is_taken(make: Callable[..., np.ndarray]) -> None:
    assert quietest(make(64_000, np.float32)) == 16_800


def test_attempts_are_named_for_people_and_only_the_last_are_sampled() -> None:
    sampled = [bool(attempt.temperature) for attempt in LADDER]
    assert sampled == sorted(sampled)
    assert all(attempt.hypotheses > 1 for attempt in LADDER if attempt.temperature)
