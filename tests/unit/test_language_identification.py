"""What is heard in windows, folded onto the languages that are allowed, smoothed, and said in provenance."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from speechpipe.chunking.plan import Window
from speechpipe.engines.contract import Clip, ModelFiles
from speechpipe.engines.fake import load
from speechpipe.language_identification.probabilities import folded, hear, places
from speechpipe.language_identification.smoothing import FULL_MS, overall, smooth
from speechpipe.language_identification.window_languages import Heard, entry_of, given, heard_of, of_each, of_the_whole
from speechpipe.settings.decoding import Decoding

NB, EN = {"nb": 0.99, "en": 0.01}, {"en": 0.99, "nb": 0.01}


def windows(*lengths_ms: int, channels: tuple[int | None, ...] = (None,)) -> list[Window]:
    made, at = [], 0
    for index, length in enumerate(lengths_ms):
        channel = channels[index % len(channels)]
        made.append(Window(index, channel, f"lane-{channel}", at, at + length))
        at += length + 500
    return made


def test_a_full_window_that_is_sure_stands_alone() -> None:
    assert smooth([EN, EN, NB, EN], [FULL_MS] * 4) == ["en", "en", "nb", "en"]


def test_a_short_window_goes_with_its_neighbours() -> None:
    assert smooth([EN, EN, NB, EN], [FULL_MS, FULL_MS, 600, FULL_MS]) == ["en"] * 4
    assert smooth([EN, NB, NB], [FULL_MS, 600, FULL_MS]) == ["en", "nb", "nb"]


def test_an_unsure_window_goes_with_its_neighbours() -> None:
    unsure = {"nb": 0.6, "en": 0.4}
    assert smooth([EN, unsure, EN], [FULL_MS] * 3) == ["en"] * 3
    assert smooth([NB, unsure, NB], [FULL_MS] * 3) == ["nb"] * 3


def test_a_window_without_evidence_goes_with_its_neighbours() -> None:
    assert smooth([None, NB, {}, NB, None], [FULL_MS] * 5) == ["nb"] * 5
    assert smooth([None, None], [FULL_MS] * 2) == [None, None]
    assert smooth([], []) == []


def test_a_language_that_no_window_is_sure_of_is_not_spoken() -> None:
    """Second best everywhere, it would be the cheapest path without a change."""
    assert smooth([{"nb": 0.5, "da": 0.49}, {"sv": 0.51, "da": 0.49}], [FULL_MS] * 2)[0] in {"nb", "sv"}
    assert "da" not in smooth([{"nb": 0.5, "da": 0.49}, {"sv": 0.51, "da": 0.49}], [FULL_MS] * 2)


def test_where_no_window_is_sure_the_likeliest_overall_is_taken() -> None:
    assert smooth([{"nb": 0.4, "sv": 0.3}, {"sv": 0.45}], [FULL_MS] * 2) == ["sv", "sv"]


def test_the_whole_is_the_mean_weighted_by_length() -> None:
    mean = overall([NB, EN, None], [FULL_MS, FULL_MS // 5, FULL_MS])
    assert list(mean) == ["nb", "en"]
    assert mean["nb"] == pytest.approx((0.99 + 0.01 / 5) / 1.2)


def test_places_are_spread_and_the_longest_of_each_fifth() -> None:
    chosen = places(windows(*[1_000, 9_000] * 10))
    assert [window.index for window in chosen] == [1, 5, 9, 13, 17]
    assert [window.index for window in places(windows(1_000, 2_000))] == [0, 1]
    assert places([]) == []


@pytest.mark.parametrize(
    ("heard", "allowed", "expected"),
    [
        ({"nb": 0.9, "sv": 0.1}, (), {"nb": 0.9, "sv": 0.1}),
        ({"nb": 0.9, "sv": 0.1}, ("sv", "fi"), {"sv": 0.1}),
        ({"nb": 0.6, "fi": 0.3, "et": 0.1}, ("nb", "se"), {"nb": 0.6, "se": 0.4}),
        ({"nb": 0.6, "nn": 0.4}, ("nb", "nn"), {"nb": 0.6, "nn": 0.4}),
        ({}, ("nb",), {}),
    ],
)
def test_heard_languages_are_folded_onto_those_allowed(
    heard: dict[str, float], allowed: tuple[str, ...], expected: dict[str, float]
) -> None:
    assert folded(heard, allowed) == pytest.approx(expected)


def test_an_engine_that_cannot_tell_gives_no_evidence() -> None:
    engine = load(ModelFiles("fake", Path("fake"), "fake"), Decoding())
    assert hear(engine, [Clip(np.ones(16_000, np.float32))]) == [None]


def test_an_engine_that_tells_its_best_alone_is_heard() -> None:
    class Best:
        def detect_language(self, clips: list[Clip]) -> list[tuple[str, float] | None]:
            return [("sv", 0.7), None]

    assert hear(Best(), [Clip(np.ones(1, np.float32))] * 2) == [{"sv": 0.7}, None]  # type: ignore[arg-type]


def test_the_journal_gives_back_what_was_heard() -> None:
    heard = Heard.of({"nb": 0.6, "fi": 0.3, "et": 0.0999, "sv": 0.0001}, ("nb", "sv"))
    assert heard == Heard({"nb": 0.6}, "nb")
    assert heard_of(json.loads(json.dumps(entry_of(heard)))) == heard
    assert Heard.of(None, ("nb",)) is None and Heard.of({}, ()) is None and heard_of(entry_of(None)) is None


def test_the_likeliest_allowed_language_is_kept_however_unlikely() -> None:
    assert Heard.of({"nb": 0.9998, "sv": 0.0002}, ("sv",)) == Heard({"sv": 0.0002}, "nb")


def test_one_language_for_the_whole_with_its_probability() -> None:
    whole = windows(5_000, 5_000)
    spoken = of_the_whole([Heard(NB, "nb"), Heard({"nb": 0.8, "sv": 0.2}, "nb")], whole, [None] * len(whole))
    assert spoken.languages == ("nb", "nb") and not spoken.warnings and not spoken.uncertain
    assert spoken.settings["language_probability"] == pytest.approx(0.895)
    assert list(spoken.settings["language_probabilities"]) == ["nb", "sv", "en"]


def test_an_uncertain_language_is_a_warning_with_the_likeliest() -> None:
    whole = windows(5_000)
    spoken = of_the_whole([Heard({"nb": 0.41, "sv": 0.39, "da": 0.1}, "nb")], whole, [None] * len(whole))
    assert spoken.warnings == ("The language is uncertain, taken for nb: nb 0.41, sv 0.39, da 0.10",)


def test_a_language_that_the_model_does_not_know_is_named_in_the_warning() -> None:
    whole = windows(5_000)
    spoken = of_the_whole([Heard({"sv": 0.02}, "nb")], whole, [None] * len(whole))
    assert spoken.languages == ("sv",)
    assert spoken.warnings == ("The language is uncertain, taken for sv: sv 0.02; in places it sounds like nb",)


def test_where_nothing_can_be_told_no_language_is_claimed() -> None:
    whole = windows(5_000)
    for spoken in (of_the_whole([None], whole, [None] * len(whole)), of_each([None], whole)):
        assert spoken.languages == (None,) and not spoken.uncertain
    assert given("nb", whole).languages == ("nb",)


def test_each_channel_is_smoothed_by_itself() -> None:
    """Two people, one language each, who take turns."""
    turns = windows(*[5_000] * 6, channels=(0, 1))
    unsure = Heard({"nb": 0.3, "en": 0.7}, "en")
    heard = [Heard(NB, "nb"), Heard(EN, "en"), unsure, Heard(EN, "en"), Heard(NB, "nb"), Heard(EN, "en")]
    spoken = of_each(heard, turns)
    assert spoken.languages == ("nb", "en") * 3
    assert spoken.uncertain == {2}
    assert spoken.warnings == ("The language of 1 of 6 windows is uncertain",)


def test_a_channel_where_nothing_was_told_goes_with_the_recording() -> None:
    turns = windows(5_000, 5_000, 5_000, channels=(0, 1))
    spoken = of_each([Heard(NB, "nb"), None, Heard(NB, "nb")], turns)
    assert spoken.languages == ("nb", "nb", "nb") and spoken.uncertain == {1}


def test_a_phantom_in_noise_falls_to_the_languages_of_the_recording_and_is_marked() -> None:
    tape = windows(5_000, 1_200, 5_000)
    spoken = of_each([Heard(NB, "nb"), Heard({"cy": 0.9}, "cy"), Heard(NB, "nb")], tape)
    assert spoken.languages == ("nb", "nb", "nb") and spoken.uncertain == {1}
