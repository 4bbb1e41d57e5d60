"""The transcript as people hold it: the data, and the ways to write it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from speechpipe.formats import save as _save
from speechpipe.formats import write
from speechpipe.transcript_data import TranscriptData


class Transcript(TranscriptData):
    """Everything known about what is said in one recording; ``transcript_data`` has its fields."""

    __slots__ = ()

    @classmethod
    def of(cls, data: TranscriptData) -> Self:
        """``data``, with the ways to write it."""
        return cls(**{field.name: getattr(data, field.name) for field in dataclasses.fields(data)})

    def to_vtt(self) -> str:
        """The transcript as WebVTT."""
        return self._write("vtt").decode("utf-8")

    def to_alto(self) -> str:
        """The transcript as ALTO 4.4 XML."""
        return self._write("alto").decode("utf-8")

    def save(self, path: str | Path, formats: Iterable[str] | None = None) -> list[Path]:
        """Write to a file (the format follows from its ending) or, with ``formats`` or a folder, as NAME.EXT.*.

        Returns the paths written.

        Raises:
            UnknownFormat: no such format. OutputError: it cannot be written.
        """
        return _save(self, Path(path), formats)

    def _write(self, name: str) -> bytes:
        return write(self, name)
