"""The result of chunking, and its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speechpipe.audio import Decoded
from speechpipe.files import write_atomically
from speechpipe.transcript_data import Event, Media, Stream


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one lane that an engine hears as one clip. ``file`` is the lane's PCM.

    ``overlap_ms``: so much of its beginning is also the end of the lane's window before it, which was cut in speech.
    ``language``: what the container says of the stream, where single streams were asked for.
    """

    index: int
    channel: int | None
    file: str
    start_ms: int
    end_ms: int
    overlap_ms: int = 0
    language: str | None = None

    @property
    def length_ms(self) -> int:
        return self.end_ms - self.start_ms


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decoded, and how it is cut. ``windows[i].index`` is ``i``; it names the window in the journals."""

    media: Media
    decoded: Decoded
    windows: tuple[Window, ...]
    events: tuple[Event, ...]


def write_plan(path: Path, plan: Plan) -> None:
    content = {
        "media": asdict(plan.media),
        "decoded": plan.decoded.to_dict(),
        "windows": [asdict(window) for window in plan.windows],
        "events": [asdict(event) for event in plan.events],
    }
    write_atomically(path, json.dumps(content, indent=1).encode("ascii") + b"\n")


def read_plan(content: Mapping[str, Any]) -> Plan:
    streams = tuple(Stream(**stream) for stream in content["media"]["streams"])
    return Plan(
        Media(**{**content["media"], "streams": streams}),
        Decoded.from_dict(content["decoded"]),
        tuple(Window(**window) for window in content["windows"]),
        tuple(Event(**event) for event in content["events"]),
    )
