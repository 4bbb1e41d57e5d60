"""How long it takes to find out what is to be done: 2,000 recordings, all new, all done, and all done but one renamed.

Run from the project's root: python bench/selection.py. Writes bench/results/selection.json.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from speechpipe.repositories import Choice, FolderRepository, Package, Policy, Receipt, Selection, select

RECORDINGS, FOLDERS = 2_000, 20
RESULTS = Path(__file__).resolve().parent / "results" / "selection.json"
ENDINGS = (".vtt", ".alto.xml", ".json", ".txt")


def main() -> None:
    figures: dict[str, object] = {"recordings": RECORDINGS, "python": platform.python_version()}
    os.fsync = lambda descriptor: None  # what is measured is reading
    with tempfile.TemporaryDirectory(prefix="speechpipe-") as folder:
        repository = FolderRepository(Path(folder) / "source", Path(folder) / "results")
        for number in range(RECORDINGS):
            path = repository.source / f"box {number % FOLDERS}" / f"reel {number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{number:04} ".encode() * 1000)
        first, figures["all_new_s"] = timed(repository)
        assert len(first.todo) == RECORDINGS
        for choice in first.todo:
            deposit(repository, choice)
        second, figures["all_done_s"] = timed(repository)
        assert not second.todo and len(second.of("done")) == RECORDINGS
        (repository.source / "box 0" / "reel 0.wav").rename(repository.source / "renamed.wav")
        third, figures["one_renamed_s"] = timed(repository)
        assert not third.todo and len(third.of("moved")) == 1
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


def timed(repository: FolderRepository) -> tuple[Selection, float]:
    began = time.monotonic()
    selection = select(repository, Policy(), datetime.now(UTC) + timedelta(hours=1))
    return selection, round(time.monotonic() - began, 2)


def deposit(repository: FolderRepository, choice: Choice) -> None:
    fetched = repository.fetch(choice.item)
    receipt = Receipt(
        choice.item.identifier,
        "done",
        fetched.path.name,
        location=choice.item.location,
        source_size=fetched.stat.size,
        source_mtime_ns=fetched.stat.mtime_ns,
        source_sha256=fetched.sha256,
        software="speechpipe",
        model="some-model",
        outcome="speech",
        finished="2026-01-01T00:00:00Z",
    )
    repository.deposit(choice.item, Package(dict.fromkeys(ENDINGS, b"text" * 500), receipt))


if __name__ == "__main__":
    main()
