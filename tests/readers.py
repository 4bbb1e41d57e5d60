"""Trouble in the reader's process: code that each reader runs before its first request, in the place of a disk that
fails, of a decoder that crashes, or of whoever ends processes where memory is short."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from speechpipe.audio.reader import isolated


class Readers:
    """The readers that were started since; ``code`` runs in the first ``so_many`` of them."""

    def __init__(self, folder: Path, code: str, so_many: int) -> None:
        self._begun = folder / "begun"
        self._begun.mkdir(parents=True)
        (folder / "sitecustomize.py").write_text(
            "from pathlib import Path\n"
            f"begun = Path({str(self._begun)!r})\n"
            "number = len(list(begun.iterdir()))\n"
            "(begun / str(number)).touch()\n"
            f"if number < {so_many}:\n" + textwrap.indent(code, "    ")
        )

    @property
    def count(self) -> int:
        return len(list(self._begun.iterdir()))


def readers_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, so_many: int = 1_000) -> Readers:
    isolated._end_all()
    monkeypatch.syspath_prepend(tmp_path / "of-readers")  # readers get this process's path
    return Readers(tmp_path / "of-readers", code, so_many)


def failing_disk(number: int, behind: int) -> str:
    """The disk refuses, with this number of error, what lies behind so many bytes of a recording."""
    return textwrap.dedent(f"""
    import io, os
    from speechpipe.audio.reader import machine

    class Disk(io.FileIO):
        def readinto(self, buffer):
            if self.tell() >= {behind}:
                raise OSError({number}, os.strerror({number}))
            return super().readinto(buffer)

    machine._Watched.__bases__ = (Disk,)
    """)


def at_block(count: int, what: str) -> str:
    """``what`` is done by the decoder before it gives its block of this number, counted in pieces as they decode."""
    return textwrap.dedent(f"""
    import os, signal, time
    from speechpipe.audio.reader.source import Source

    given = Source.blocks

    def blocks(source):
        for at, block in enumerate(given(source)):
            if at == {count}:
                {what}
            yield block

    Source.blocks = blocks
    """)


def readers() -> list[int]:
    """Processes that read media for this one, and for no other test's sake."""
    tasks = Path("/proc/self/task").iterdir()
    found = [child for task in tasks for child in (task / "children").read_text().split()]
    return [
        int(child)
        for child in found
        if b"speechpipe.audio.reader.worker" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
