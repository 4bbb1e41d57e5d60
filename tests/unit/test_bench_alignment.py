"""The measurement of word boundaries counts what it says it counts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speechpipe.transcript_data import Word


@pytest.fixture
def bench() -> Iterator[Any]:
    from importlib.util import module_from_spec, spec_from_file_location

    path = Path(__file__).resolve().parents[2] / "bench" / "alignment.py"
    spec = spec_from_file_location("bench_alignment", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before


def reference(*rows: tuple[str, int, int, int | None]) -> list[dict[str, object]]:
    return [{"text": t, "start_ms": a, "end_ms": b, "channel": c} for t, a, b, c in rows]


def said(channel: int | None, text: str, start: int, end: int, timing: Any = "aligned") -> tuple[int | None, Word]:
    return channel, Word(text, start, end, None, timing)


def test_equal_words_are_matched_in_order(bench: Any) -> None:
    truth = reference(("tape", 0, 100, None), ("four", 100, 200, None), ("one", 200, 300, None))
    mine = [said(0, "tape", 10, 90), said(0, "for", 100, 200), said(0, "one", 230, 310, "interpolated")]
    errors, aligned = bench.compare(truth, mine)
    assert errors.tolist() == [[10, -10], [30, 10]]
    assert aligned == 1


def test_channels_are_kept_apart(bench: Any) -> None:
    truth = reference(("yes", 0, 100, 0), ("yes", 500, 600, 1))
    errors, _ = bench.compare(truth, [said(1, "yes", 505, 600), said(0, "yes", 1, 100)])
    assert sorted(errors.tolist()) == [[1, 0], [5, 0]]
    assert bench.compare(truth, [said(2, "yes", 0, 100)])[0].shape == (0, 2)


def test_summary(bench: Any) -> None:
    found = bench.summary(np.array([[-10, 20], [-30, 40], [-10, 20]]))
    assert found == {"median_ms": 20, "p90_ms": 35, "start_bias_ms": -10, "end_bias_ms": 20}
    assert set(bench.summary(np.empty((0, 2))).values()) == {None}
