"""Where the flows may read and write: collections fixed by whoever starts them, never by a form."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from speechpipe.errors import MediaNotFound, UsageError
from speechpipe.files import check_room
from speechpipe.settings import Settings
from speechpipe.settings.repositories import Collection, Night

if TYPE_CHECKING:
    from speechpipe.repositories import FolderRepository
    from speechpipe.repositories.contract import Item

RECORDINGS = "SPEECHPIPE_RECORDINGS"
OUTPUTS = "SPEECHPIPE_OUTPUTS"
#: Control characters, bytes of a name that are no UTF-8, and ends of lines and paragraphs.
_UNSPOKEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
_ESCAPED = re.compile(r"\\(\\|u[0-9a-f]{4})")


@dataclass(frozen=True)
class Place:
    """A collection: its name, which begins the names of its recordings ("" for the one that needs none)."""

    name: str
    collection: Collection
    night: Night

    @cached_property
    def repository(self) -> FolderRepository:
        from speechpipe.repositories import FolderRepository

        return FolderRepository.of_collection(self.collection, self.night)

    def check_room(self) -> None:
        """Raises ``OutputError`` where neither results nor work in progress can be written."""
        from speechpipe.audio.decode import SPARE_BYTES

        self.repository.check_room()
        check_room(Settings.load().workspace_folder, SPARE_BYTES)

    def called(self, identifier: str) -> str:
        return speakable(f"{self.name}/{identifier}" if self.name else identifier)

    def own(self, called: str) -> str | None:
        """The identifier that is ``called`` so; None where it is of another place."""
        name = unspoken(called)
        if not self.name:
            return name
        return name.removeprefix(f"{self.name}/") if name.startswith(f"{self.name}/") else None

    def found(self, item: Item) -> Found:
        from speechpipe.repositories.rights import public_name

        return Found(self.called(public_name(item)), item, self)


@dataclass(frozen=True, slots=True)
class Found:
    """A recording: the name that people give and read, which tells nothing that is restricted, and where it is kept."""

    name: str
    item: Item
    place: Place

    @property
    def hides_its_file(self) -> bool:
        """Whether the name of its file must not be told."""
        return self.item.standing != "open" and self.name != self.place.called(self.item.location)


class Places:
    """The collections of the settings, and the folder that ``serve`` or the demo was given, whose name is empty."""

    def __init__(self, recordings: Path | None, outputs: Path | None, settings: Settings | None = None) -> None:
        settings = settings or Settings.load()
        given = {"": Collection(root=recordings, outputs=outputs)} if recordings and outputs else {}
        self.recordings, self.outputs = recordings, outputs
        self.places = [Place(name, where, settings.night) for name, where in (given | settings.collections).items()]
        self._known: dict[str, Found] = {}
        self._alike: dict[str, Found | None] = {}

    @classmethod
    def from_environment(cls) -> Places:
        """As ``put_into_environment`` left them.

        Raises:
            UsageError: not set, or the folder of a collection is not there.
        """
        recordings, outputs = (os.environ.get(name) for name in (RECORDINGS, OUTPUTS))
        places = cls(Path(recordings) if recordings else None, Path(outputs) if outputs else None)
        if not places.places:
            raise UsageError(f"{RECORDINGS} is not set.", cure="Start the flows with: speechpipe serve")
        for place in places.places:
            if not place.collection.root.is_dir():
                raise UsageError(
                    f"There is no folder {place.collection.root}.", cure="Is its disk there? Else correct its path."
                )
        return places

    def put_into_environment(self) -> None:
        """For the processes of served runs, which inherit it."""
        for name, folder in ((RECORDINGS, self.recordings), (OUTPUTS, self.outputs)):
            if folder is not None:
                os.environ[name] = str(folder.resolve())

    def within(self, collection: str) -> Iterator[tuple[Place, PurePosixPath]]:
        """The places that a choice of collection means, each with the folder in it; all of them where it is empty."""
        for place in self.places:
            inside = _below(place.name, collection)
            if inside is not None:
                yield place, inside

    def find(self, name: str) -> Found:
        """The recording of this name: one that was seen, or is looked for now.

        Raises:
            MediaNotFound: there is none. RepositoryError: its collection cannot be read.
        """
        if name not in self._known:
            for place in self.places:
                for item in place.repository.discover():
                    found = place.found(item)
                    names = (found.name, *map(place.called, (item.identifier, item.location)))
                    self._known.update((called, found) for called in names)
            self._alike = _by_what_is_shown(self._known)
        for found in filter(None, (self._known.get(name), self._alike.get(_as_shown(name)))):
            return found.place.found(found.place.repository.current(found.item))
        told = repr(name) if self.called(name) == name else "of this name"
        raise MediaNotFound(f"There is no recording {told}.", cure="Its name stands in the report, or ask for all.")

    def called(self, name: str) -> str:
        """What to call a recording that somebody asked for as ``name``, where others look on: its name; where there is
        none, ``name`` itself, unless it may mean one of which nothing must be told."""
        from speechpipe.repositories.metadata.spelling import Rows

        if found := self._known.get(name) or self._alike.get(_as_shown(name)):
            return found.name
        hidden = {found.item.location for found in self._known.values() if found.hides_its_file}
        return "a restricted recording" if any(Rows(hidden).like(unspoken(name.strip()))) else name


def _as_shown(name: str) -> str:
    """A name as it may come back from a page, from which people copy more than a name: white space is not kept there,
    and letters may be composed otherwise."""
    return " ".join(unicodedata.normalize("NFC", unspoken(name)).split())


def _by_what_is_shown(known: Mapping[str, Found]) -> dict[str, Found | None]:
    """None where several names look the same."""
    alike: dict[str, Found | None] = {}
    for called, found in known.items():
        shown = _as_shown(called)
        alike[shown] = found if alike.get(shown, found) is found else None
    return alike


def below(text: str) -> str:
    """``text`` with paths of recordings as people know them, from the folder of recordings on; it can be sent."""
    folder = os.environ.get(RECORDINGS)
    told = text.replace(f"{folder.rstrip('/')}/", "") if folder else text
    return told.encode("utf-8", "backslashreplace").decode()


def speakable(name: str) -> str:
    """``name`` on one line and in UTF-8, as a form, the name of a run and a message need it; ``unspoken`` undoes it."""
    return "".join(_escape(c) if unicodedata.category(c) in _UNSPOKEN or c == "\\" else c for c in name)


def unspoken(name: str) -> str:
    return _ESCAPED.sub(lambda found: found[1] if found[1] == "\\" else chr(int(found[1][1:], 16)), name)


def _escape(character: str) -> str:
    return "\\\\" if character == "\\" else f"\\u{ord(character):04x}"


def _below(place: str, collection: str) -> PurePosixPath | None:
    """The folder within ``place`` that ``collection`` means; None where it means another place."""
    if not collection or collection == place:
        return PurePosixPath()
    path = PurePosixPath(collection)
    if not place:
        return path
    return path.relative_to(place) if path.is_relative_to(place) else None
