"""Damages 1,000 media files of every container by chance, transcribes each, and tells what came of it.

    python bench/mutate.py           # COUNT=1000; exit code 1 where there was a fault
    python bench/mutate.py --count 100 --seed 7

A fault is any exception but an error that is told in a sentence, a file that takes longer than the watchdog allows, and
more memory than 1 GB, in this process or in the reader's. The engine is the one without a model.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / "bench" / "results" / "mutate.json"

from bench.media import PAGE, between  # noqa: E402
from speechpipe.audio import inspect  # noqa: E402
from speechpipe.audio.reader import isolated  # noqa: E402
from speechpipe.errors import SpeechpipeError  # noqa: E402
from speechpipe.pipeline import Transcriber, transcribe  # noqa: E402
from speechpipe.settings import Settings  # noqa: E402
from tests.containers import read_speech  # noqa: E402
from tests.mutated import Mutant, mutants, some_sound  # noqa: E402

MOST_MB = 1_000
OUTCOMES = ("whole", "incomplete", "refused", "FAULT")


@dataclass
class Tally:
    """Outcomes by damage, what went wrong, the longest wait and the ways in which files were refused."""

    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    faults: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")

    def add(self, mutant: Mutant, outcome: str, seconds: float) -> None:
        self.outcomes[mutant.damage][outcome] += 1
        self.slowest = max(self.slowest, (round(seconds, 2), f"{mutant.path.name}, {mutant.kind}, {mutant.damage}"))
        if seconds > 2 * isolated.PATIENCE:
            self.faults.append(f"{mutant}: took {seconds:.0f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speech", type=Path, help="a mono WAV of 16 bits at 16 kHz; else a synthetic sound")
    given = parser.parse_args()
    sound = read_speech(given.speech) if given.speech else some_sound()
    tally, started = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        transcriber = Transcriber(Settings(engine="fake", aligner="none", workspace=folder / "work"))
        for mutant in mutants(folder, sound, given.count, given.seed):
            began = time.monotonic()
            outcome, fault = tried(mutant.path, transcriber)
            if fault:
                tally.faults.append(f"{mutant}:\n{fault}")
            tally.add(mutant, outcome, time.monotonic() - began)
    isolated._end_all()
    figures = {
        "files": given.count,
        "seed": given.seed,
        "seconds": round(time.monotonic() - started),
        "outcomes": {damage: dict(found) for damage, found in sorted(tally.outcomes.items())},
        "slowest_s": tally.slowest,
        "peak_mb": peak_mb(resource.RUSAGE_SELF),
        "reader_peak_mb": peak_mb(resource.RUSAGE_CHILDREN),
    }
    report(figures, tally)
    if given.count >= 1_000:
        RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
        PAGE.write_text(between(PAGE.read_text(encoding="utf-8"), "mutate", table(tally)[2:]), encoding="utf-8")
    return int(bool(tally.faults) or max(figures["peak_mb"], figures["reader_peak_mb"]) > MOST_MB)  # type: ignore[type-var]


def tried(path: Path, transcriber: Transcriber) -> tuple[str, str]:
    """How it went, and the traceback of what must not happen."""
    try:
        inspect(path)
        transcript = transcribe(path, settings=transcriber)
    except SpeechpipeError as error:
        told = str(error)
        return ("refused", "") if "\n" not in told and path.name in told else ("FAULT", f"it is told as {told!r}")
    except Exception:
        return "FAULT", traceback.format_exc()
    return ("whole" if transcript.complete else "incomplete"), ""


def peak_mb(whose: int) -> float:
    return round(resource.getrusage(whose).ru_maxrss / 1024, 1)


def table(tally: Tally) -> list[str]:
    rows = [f"| damage | {' | '.join(OUTCOMES)} |", "| --- |" + " --- |" * len(OUTCOMES)]
    for damage, found in sorted(tally.outcomes.items()):
        rows.append(f"| {damage} | {' | '.join(str(found[outcome]) for outcome in OUTCOMES)} |")
    return rows


def report(figures: dict[str, object], tally: Tally) -> None:
    print("\n".join(table(tally)))
    print(json.dumps({key: value for key, value in figures.items() if key != "outcomes"}))
    print("\n".join(tally.faults))


if __name__ == "__main__":
    sys.exit(main())
