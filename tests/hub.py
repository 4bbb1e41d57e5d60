"""A stand-in for the hub of models on this machine: its API, its redirects to another host for large files, its faults.

Written after what huggingface.co answers: ``/api/models/ID/revision/REV?blobs=true`` tells commit and files;
``/ID/resolve/REV/PATH`` answers small files itself and sends those in LFS on to a content delivery network, here the
same server under another host name, so that a token that follows the redirect is noticed.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: From this size on a file is in LFS.
LARGE = 100_000
TOKEN = "hf_let-me-in"


@dataclass
class Repository:
    """``revisions``: branch or tag → commit; ``commits``: commit → path → where its content lies, or the content."""

    revisions: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, Path | bytes]] = field(default_factory=dict)
    card: dict[str, str] = field(default_factory=dict)
    gated: bool = False


@dataclass
class Hub:
    """What the server holds, how it misbehaves, and what it was asked. ``url`` is for HF_ENDPOINT."""

    url: str = ""
    cdn: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    #: (method, path, Range header or None) of every request.
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    #: Requests to the content delivery network that came with a token.
    leaked: list[str] = field(default_factory=list)
    #: Path of a file → after how many bytes of each answer the line is cut; 0 cuts before the first.
    cuts: dict[str, int] = field(default_factory=dict)
    #: How often a line is cut; None: always.
    cut_times: int | None = 1
    #: Path of a file → content that is sent instead, of the same length.
    spoiled: set[str] = field(default_factory=set)
    #: Seconds to wait after each block of 64 KiB.
    slowness: float = 0.0
    #: Answer everything with this status.
    broken: int | None = None
    ignores_range: bool = False

    def add(
        self, name: str, files: dict[str, Path | bytes], *, revision: str = "main", licence: str | None = "apache-2.0"
    ) -> str:
        """Put a commit onto a branch; returns it."""
        repository = self.repositories.setdefault(name, Repository())
        identity = f"{name} {revision} {len(repository.commits)} {sorted(files)}"
        commit = hashlib.sha1(identity.encode()).hexdigest()
        repository.commits[commit] = files
        repository.revisions[revision] = commit
        repository.card = {"license": licence} if licence else {}
        return commit

    def downloads(self, path: str) -> list[str | None]:
        """The Range header of each time that a file's content was asked for."""
        return [span for method, asked, span in self.asked if method == "GET" and asked.endswith(f"/{path}")]


@contextmanager
def running() -> Iterator[Hub]:
    """The stand-in, serving until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://localhost:{server.server_port}"
    hub.cdn = f"http://127.0.0.1:{server.server_port}/cdn"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        return

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        span = self.headers.get("Range")
        self.hub.asked.append((self.command, path, span))
        if self.hub.broken:
            self._error(self.hub.broken, "")
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._info(found[1], found[2] or "main")
        elif found := re.fullmatch(r"/cdn/([^/]+/[^/]+)/([0-9a-f]{40})/(.+)", path):
            if self.headers.get("Authorization"):
                self.hub.leaked.append(path)
            self._content(found[3], self._files(found[1], found[2])[found[3]], span)
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1], found[2], found[3], span)
        else:
            self._error(404, "")

    def _files(self, name: str, commit: str) -> dict[str, Path | bytes]:
        return self.hub.repositories[name].commits[commit]

    def _commit(self, name: str, revision: str) -> str | None:
        """The commit, or None after an answer that there is none."""
        repository = self.hub.repositories.get(name)
        if repository is None:
            # Who has no token is not told whether a repository exists.
            self._error(404 if self._token() else 401, "RepoNotFound")
            return None
        commit = revision if revision in repository.commits else repository.revisions.get(revision)
        if commit is None:
            self._error(404, "RevisionNotFound")
        return commit

    def _token(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _info(self, name: str, revision: str) -> None:
        commit = self._commit(name, revision)
        if commit is None:
            return
        repository = self.hub.repositories[name]
        siblings = []
        for path, content in repository.commits[commit].items():
            data = _bytes(content)
            entry: dict[str, object] = {"rfilename": path, "size": len(data), "blobId": _blob(data)}
            if len(data) >= LARGE:
                pointer = _pointer(data)
                entry["blobId"] = _blob(pointer)
                entry["lfs"] = {
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "size": len(data),
                    "pointerSize": len(pointer),
                }
            siblings.append(entry)
        tags = ["automatic-speech-recognition", *(f"license:{value}" for value in repository.card.values())]
        self._send(
            json.dumps(
                {
                    "_id": "0",
                    "id": name,
                    "modelId": name,
                    "sha": commit,
                    "private": False,
                    "gated": "manual" if repository.gated else False,
                    "tags": tags,
                    "cardData": repository.card,
                    "siblings": siblings,
                }
            ).encode()
        )

    def _resolve(self, name: str, revision: str, path: str, span: str | None) -> None:
        commit = self._commit(name, revision)
        if commit is None:
            return
        if self.hub.repositories[name].gated and not self._token():
            authorised = self.headers.get("Authorization")
            self._error(403 if authorised else 401, "GatedRepo")
            return
        files = self._files(name, commit)
        if path not in files:
            self._error(404, "EntryNotFound")
            return
        data = _bytes(files[path])
        if len(data) < LARGE:
            self._content(path, files[path], span, {"X-Repo-Commit": commit, "ETag": f'"{_blob(data)}"'})
            return
        self._send(
            b"Found. Redirecting",
            302,
            {
                "Location": f"{self.hub.cdn}/{name}/{commit}/{path}",
                "X-Repo-Commit": commit,
                "X-Linked-Size": str(len(data)),
                "X-Linked-ETag": f'"{hashlib.sha256(data).hexdigest()}"',
                "ETag": f'"{_blob(_pointer(data))}"',
            },
        )

    def _content(
        self, path: str, content: Path | bytes, span: str | None, headers: dict[str, str] | None = None
    ) -> None:
        data = _bytes(content)
        if path in self.hub.spoiled:
            data = bytes(len(data))
        begin, status, extra = 0, 200, dict(headers or {})
        if span and not self.hub.ignores_range:
            begin = int(span.removeprefix("bytes=").split("-")[0])
            if begin >= len(data):
                self._error(416, "")
                return
            status = 206
            extra["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        self._send(data[begin:], status, {"Accept-Ranges": "bytes", **extra}, cut=self._cut(path))

    def _cut(self, path: str) -> int | None:
        if path not in self.hub.cuts or self.command == "HEAD":
            return None
        if self.hub.cut_times is not None:
            if self.hub.cut_times <= 0:
                return None
            self.hub.cut_times -= 1
        return self.hub.cuts[path]

    def _error(self, status: int, code: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": code} if code else {}
        self._send(json.dumps({"error": code}).encode(), status, headers)

    def _send(
        self, body: bytes, status: int = 200, headers: dict[str, str] | None = None, cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        whole = body if cut is None else body[:cut]
        try:
            for at in range(0, len(whole), 1 << 16):
                self.wfile.write(whole[at : at + (1 << 16)])
                if self.hub.slowness:
                    time.sleep(self.hub.slowness)
        except OSError:
            cut = 0
        if cut is not None:
            self.close_connection = True


def _bytes(content: Path | bytes) -> bytes:
    return content.read_bytes() if isinstance(content, Path) else content


def _blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _pointer(data: bytes) -> bytes:
    digest = hashlib.sha256(data).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(data)}\n".encode()


def national_models(hub: Hub, embedded: Path) -> None:
    """Repositories laid out as national publishers do, holding the embedded models."""
    whisper, ctc = embedded / "whisper-tiny-archive", embedded / "wav2vec2-tiny-archive"
    original: dict[str, Path | bytes] = {
        name: whisper / name
        for name in ("config.json", "generation_config.json", "preprocessor_config.json", "tokenizer_config.json")
    }
    original |= {name: whisper / name for name in ("tokenizer.json", "model.safetensors")}
    converted: dict[str, Path | bytes] = {
        name: whisper / "ct2" / name
        for name in ("model.bin", "config.json", "vocabulary.json", "tokenizer.json", "preprocessor_config.json")
    }
    card = {"README.md": b"---\nlicense: apache-2.0\n---\n", ".gitattributes": b"*.bin filter=lfs"}
    # NbAiLab: CTranslate2 at the root, among much else that is not needed.
    other = {"ggml-model.bin": bytes(LARGE), "onnx/encoder.onnx": bytes(LARGE), "pytorch_model.bin": bytes(LARGE)}
    hub.add("NbAiLab/nb-whisper-tiny", {**original, **converted, **other, **card})
    # KBLab: revisions, of which only the main one has CTranslate2's form.
    hub.add("KBLab/kb-whisper-tiny", {**original, **converted, **card})
    hub.add("KBLab/kb-whisper-tiny", {**original, **card}, revision="strict")
    # TalTech: CTranslate2 in a sub-folder, its tokenizer at the root only.
    below = {f"ct2/{name}": path for name, path in converted.items() if name not in ("tokenizer.json",)}
    hub.add(
        "TalTechNLP/whisper-large-v3-turbo-et-verbatim", {**original, **below, "ggml/x.bin": b"", **card}, licence="mit"
    )
    # NbAiLab's wav2vec 2.0: transformers' form only.
    names = ("config.json", "preprocessor_config.json", "tokenizer_config.json", "vocab.json", "model.safetensors")
    hub.add("NbAiLab/nb-wav2vec2-300m-bokmaal", {**{name: ctc / name for name in names}, **card})
