"""What is called silent, and what is sound without speech."""

from __future__ import annotations

import pytest

from speechpipe.audio import Channel, Decoded, Lane
from speechpipe.chunking.plan import Plan, Window
from speechpipe.pipeline.assembly import _outcome
from speechpipe.transcript_data import Event, Media

SILENCE, HUM = Event(0, 5_000, "silence"), Event(5_000, 9_000, "tone")


def plan(peak: float | None, *events: Event, windows: int = 0, lanes: int = 1) -> Plan:
    decoded = Decoded((Lane(None, "a"),) * lanes, 9_000, channels=(Channel(peak, peak, 0.0, 0.0),) * lanes)
    return Plan(Media("a"), decoded, tuple(Window(i, None, "a", 0, 1) for i in range(windows)), events)


@pytest.mark.parametrize(
    ("what", "outcome"),
    [
        (plan(None), "silent"),
        (plan(-80.0), "silent"),
        (plan(-80.0, SILENCE), "silent"),
        (plan(-12.0, SILENCE), "silent"),  # a click here or there
        (plan(-12.0), "no_speech"),  # too short for an event, but something is heard
        (plan(-12.0, SILENCE, HUM), "no_speech"),
        (plan(-12.0, SILENCE, windows=1), "no_speech"),
        (plan(None, lanes=0), "no_audio"),
    ],
)
def test_outcomes_without_words(what: Plan, outcome: str) -> None:
    assert _outcome(what, spoken=False) == outcome
    assert _outcome(what, spoken=True) == "speech"
