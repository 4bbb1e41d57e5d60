"""Where the flows may read and write: folders fixed by whoever starts them, never by a form."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from speechpipe.errors import MediaNotFound, UsageError

if TYPE_CHECKING:
    from speechpipe.repositories import FolderRepository
    from speechpipe.repositories.contract import Item

RECORDINGS = "SPEECHPIPE_RECORDINGS"
OUTPUTS = "SPEECHPIPE_OUTPUTS"


@dataclass(frozen=True, slots=True)
class Places:
    """``recordings``: the folder below which recordings are looked for; ``outputs``: the tree of results."""

    recordings: Path
    outputs: Path

    @classmethod
    def from_environment(cls) -> Places:
        """As ``put_into_environment`` left them.

        Raises:
            UsageError: not set, or the folder of recordings is not there.
        """
        missing = [name for name in (RECORDINGS, OUTPUTS) if not os.environ.get(name)]
        if missing:
            raise UsageError(f"{' and '.join(missing)} is not set.", cure="Start the flows with: speechpipe serve")
        places = cls(Path(os.environ[RECORDINGS]), Path(os.environ[OUTPUTS]))
        if not places.recordings.is_dir():
            raise UsageError(f"There is no folder {places.recordings}.", cure="Choose the folder of your recordings.")
        return places

    def put_into_environment(self) -> None:
        """For the processes of served runs, which inherit it."""
        os.environ[RECORDINGS] = str(self.recordings.resolve())
        os.environ[OUTPUTS] = str(self.outputs.resolve())

    def repository(self) -> FolderRepository:
        from speechpipe.repositories import FolderRepository

        return FolderRepository(self.recordings, self.outputs)

    def items(self, folder: str = "") -> Iterator[Item]:
        """Every recording in ``folder``, a path relative to ``recordings``; all of them where it is empty.

        Raises:
            UsageError: the folder leads out of ``recordings``, or is not there.
            RepositoryError: it cannot be read.
        """
        inside = PurePosixPath(folder)
        if not self._below(folder).is_dir():
            raise UsageError(f"There is no folder {folder!r} among the recordings.", cure="Choose one that exists.")
        for item in self.repository().discover():
            if PurePosixPath(item.parts[0].location).is_relative_to(inside):
                yield item

    def item(self, recording: str) -> Item:
        """The recording at this path relative to ``recordings``.

        Raises:
            UsageError: the path leads out of ``recordings``.
            MediaNotFound: there is no such recording.
        """
        if self._below(recording).is_file():
            for item in self.repository().discover():
                if recording in (item.identifier, item.parts[0].location):
                    return item
        raise MediaNotFound(f"There is no recording {recording!r} in {self.recordings.name}.")

    def _below(self, relative: str) -> Path:
        path = (self.recordings / checked(relative)).resolve()
        if not path.is_relative_to(self.recordings.resolve()):
            raise UsageError(f"{relative!r} leads out of the folder of recordings.", cure="Choose one inside it.")
        return path


def below(text: str) -> str:
    """``text`` with paths of recordings as people know them: from the folder of recordings on."""
    folder = os.environ.get(RECORDINGS)
    return text.replace(f"{folder.rstrip('/')}/", "") if folder else text


def checked(relative: str) -> str:
    """``relative`` where it is a plain path downwards; nothing is read from disk.

    Raises:
        UsageError: it is absolute, climbs up, or holds what no path should.
    """
    parts = relative.split("/")
    if relative.startswith(("/", "~")) or ".." in parts or "\\" in relative or not relative.isprintable():
        raise UsageError(
            f"{relative!r} is no folder or file below the recordings.", cure="Write it relative, as in: 1954/radio"
        )
    return relative
