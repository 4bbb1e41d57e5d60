"""Programs in a home of their own, and what they left in it or whom they called. Used by several tests."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

#: Of a traced program: where it connects to or sends, other than to this machine. Port 0 only asks for a route.
_FOREIGN = re.compile(
    r"(?:connect|sendto|sendmsg|sendmmsg)\(.*"
    r'(?:sin_port=htons\((?!0\))\d+\), sin_addr=inet_addr\("(?!127\.)|inet_pton\(AF_INET6, "(?!::1"))'
)
_LOCAL = re.compile(r"'(?:127\.0\.0\.1|localhost|::1|0\.0\.0\.0|)'|None|^socket\.\w+ '/|^socket\.\w+ b?'\\x00")


@dataclass(frozen=True)
class Home:
    """A fresh home in ``folder``, and the environment of a program that lives in it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        self.home.mkdir(parents=True, exist_ok=True)
        dropped = ("PREFECT_", "SPEECHPIPE_", "XDG_", "HF_", "ORT_", "DO_NOT_TRACK")
        dropped += ("CI", "GITHUB_", "TF_BUILD")  # where these are set, onnxruntime reports nothing anyway
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        watch = str(Path(__file__).parent / "watch")
        return kept | {"HOME": str(self.home), "PYTHONPATH": watch, "WATCH_NOTES": str(self.folder / "notes.txt")}

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def left(self) -> list[str]:
        return sorted(str(path.relative_to(self.home)) for path in self.home.rglob("*"))

    def called(self) -> list[str]:
        """Whom Python looked up or connected to, other than this machine."""
        notes = self.folder / "notes.txt"
        return [line for line in notes.read_text().splitlines() if not _LOCAL.search(line)] if notes.exists() else []


def sent_abroad(trace: Path) -> list[str]:
    """Lines of a trace by strace in which something goes to another machine, a name server among them."""
    return [line for line in trace.read_text(errors="replace").splitlines() if _FOREIGN.search(line)]
