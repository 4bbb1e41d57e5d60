"""What is seen of a model while it is fetched: a bar with the time left on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol

from speechpipe.console.terminal import has_width, note, shown


class Fetching(Protocol):
    def __call__(self, stage: str, done: int, total: int) -> None: ...
    def close(self) -> None: ...


def fetching_progress(name: str, quiet: bool = False) -> Fetching:
    if quiet:
        return Quiet()
    return FetchBar(name) if has_width(sys.stderr) else FetchLines(name)


#: Stages that have no measure, and what is said of them.
WORDS = {
    "wait": "another process is at this model; waiting for it",
    "index": "the hub is out of reach; the same files are taken from the package index",
    "convert": "converting it to CTranslate2, which takes minutes for a large model",
}
DOING = {"fetch": "fetching", "export": "writing", "import": "reading"}


class Quiet:
    def __call__(self, stage: str, done: int, total: int) -> None:
        return

    def close(self) -> None:
        return


class FetchLines:
    """The size first, then a line each ten percent with the time left."""

    def __init__(self, name: str) -> None:
        self._name = shown(name)
        self._stage = ""
        self._tenths = 0
        self._begun = (0.0, 0)

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self._stage, self._tenths, self._begun = stage, 0, (time.monotonic(), done)
            note(f"{self._name}: {WORDS.get(stage) or f'{DOING.get(stage, stage)} {size(total)}'}")
        tenths = done * 10 // total if total > 0 and stage not in WORDS else 0
        if tenths > self._tenths:
            self._tenths = tenths
            note(f"{self._name}: {tenths * 10} % of {size(total)}{self._left(done, total)}")

    def _left(self, done: int, total: int) -> str:
        begun, before = self._begun
        passed = time.monotonic() - begun
        if done <= before or done >= total or passed < 1:
            return ""
        return f", {duration(passed * (total - done) / (done - before))} left"

    def close(self) -> None:
        return


class FetchBar:
    FORMAT = "{desc} {percentage:3.0f} % |{bar}| {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left"

    def __init__(self, name: str) -> None:
        self._name = shown(name)
        self._stage = ""
        self._bar: Any = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if stage != self._stage:
            self.close()
            self._stage = stage
            if stage in WORDS:
                note(f"{self._name}: {WORDS[stage]}")
            else:
                label = f"{self._name}: {DOING.get(stage, stage)}"
                self._bar = tqdm(
                    total=total, initial=done, desc=label, bar_format=self.FORMAT, unit="B", unit_scale=True,
                    leave=False, dynamic_ncols=True, file=sys.stderr,
                )  # fmt: skip
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def size(octets: int) -> str:
    return f"{octets / 1e9:.1f} GB" if octets >= 999_950_000 else f"{octets / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
