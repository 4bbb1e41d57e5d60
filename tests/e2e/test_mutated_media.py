"""Damaged media of every container: each has an outcome, told in a sentence; ``make mutate`` tries a thousand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import inspect
from speechpipe.audio.reader import isolated
from speechpipe.errors import SpeechpipeError
from speechpipe.pipeline import Transcriber, transcribe
from speechpipe.settings import Settings
from tests.containers import KINDS
from tests.mutated import DAMAGES, mutants, originals, some_sound

COUNT = 60
SEED = 4


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], str]]:
    folder = tmp_path_factory.mktemp("mutants")
    transcriber = Transcriber(Settings(engine="fake", aligner="none", workspace=folder / "work"))
    found = {}
    for mutant in mutants(folder, some_sound(), COUNT, SEED):
        try:
            inspect(mutant.path)
            transcript = transcribe(mutant.path, settings=transcriber)
            assert transcript.complete == (transcript.incomplete_reason is None)
            spans = [(event.start_ms, event.end_ms) for event in transcript.events]
            assert all(0 <= start < end <= (transcript.media.duration_ms or 0) for start, end in spans)
            outcome = "whole" if transcript.complete else "incomplete"
        except SpeechpipeError as error:
            assert mutant.path.name in str(error)
            assert "\n" not in str(error)
            assert "no sign of life" not in str(error)
            outcome = "refused"
        found[mutant.path.name, mutant.damage] = outcome
    yield found
    isolated._end_all()


def test_each_has_an_outcome(outcomes: dict[tuple[str, str], str]) -> None:
    assert len(outcomes) == COUNT
    assert set(outcomes.values()) == {"whole", "incomplete", "refused"}
    assert {damage for _, damage in outcomes} == set(DAMAGES)


def test_most_of_it_is_heard(outcomes: dict[tuple[str, str], str]) -> None:
    """Damage is no reason to give up."""
    refused = sum(outcome == "refused" for outcome in outcomes.values())
    assert refused < COUNT // 2


def test_the_reader_stays_below_a_gigabyte(outcomes: dict[tuple[str, str], str]) -> None:
    tables = [Path(f"/proc/{worker.process.pid}/status").read_text() for worker in isolated._idle]
    peaks = [int(peak) for table in tables for peak in re.findall(r"VmHWM:\s+(\d+) kB", table)]
    assert 10 << 10 < max(peaks) < 1_000 << 10


def test_a_seed_gives_the_same_files_again(tmp_path: Path) -> None:
    sound = some_sound(0.2)
    once = [mutant.path.read_bytes() for mutant in mutants(tmp_path, sound, 8, 1)]
    assert once == [mutant.path.read_bytes() for mutant in mutants(tmp_path, sound, 8, 1)]
    assert once != [mutant.path.read_bytes() for mutant in mutants(tmp_path, sound, 8, 2)]


@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_changes_a_file(name: str) -> None:
    whole, other = bytes(range(1, 251)) * 8, bytes(300)
    for seed in range(20):
        assert DAMAGES[name](bytearray(whole), np.random.default_rng(seed), other) != whole


def test_every_container_is_among_them(tmp_path: Path) -> None:
    made = originals(tmp_path, some_sound(0.2))
    assert set(made) >= set(KINDS) | {"RIFX", "RF64"}
    assert all(path.stat().st_size for path in made.values())
