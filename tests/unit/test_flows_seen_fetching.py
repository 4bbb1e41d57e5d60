"""What is said of a model while it is fetched: when it begins, at each tenth, and when it is ready."""

from __future__ import annotations

import logging

import pytest

from flows.seen.fetching import Fetching

MB = 1_000_000
NAME = "NbAiLab/nb-whisper-small"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    log = logging.getLogger("speechpipe.flows")
    monkeypatch.setattr(log, "info", lambda told, *parts: lines.append(told % parts))
    return lines


def test_a_model_is_told_in_sentences_at_most_one_a_tenth(said: list[str]) -> None:
    fetching = Fetching()
    for percent in range(101):
        fetching(NAME, "fetch", percent * 5 * MB, 500 * MB)
    fetching(NAME, "convert", 0, 1)
    fetching(NAME, "convert", 1, 1)
    fetching.close()
    assert said[:2] == [
        f"The model {NAME} is not here yet and is fetched now: 500.0 MB.",
        f"The model {NAME}: 10 % of 500.0 MB are here.",
    ]
    assert said[-2:] == [
        f"The model {NAME} is converted, which takes minutes for a large one.",
        f"The model {NAME} is ready.",
    ]
    assert len(said) == 1 + 10 + 2


def test_one_that_another_run_fetches_is_waited_for(said: list[str]) -> None:
    Fetching()(NAME, "wait", 0, 1)
    assert said == [f"Another run fetches the model {NAME}; it is waited for."]


def test_several_are_told_apart(said: list[str]) -> None:
    fetching = Fetching()
    for name in ("a/b", "c/d"):
        fetching(name, "fetch", 0, MB)
        fetching(name, "fetch", MB, MB)
    fetching.close()
    assert [line.split()[2].rstrip(":") for line in said] == ["a/b", "a/b", "c/d", "c/d", "a/b", "c/d"]


def test_nothing_fetched_nothing_said(said: list[str]) -> None:
    Fetching().close()
    assert said == []
