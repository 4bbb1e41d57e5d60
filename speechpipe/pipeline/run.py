"""One recording of a repository: fetched, put through the stages, deposited, and its receipt."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from speechpipe import formats, installed
from speechpipe.errors import AlreadyInWork, Interrupted, MediaNotFound, SpeechpipeError
from speechpipe.files import sha256_file
from speechpipe.pipeline.assembly import assemble
from speechpipe.pipeline.models import Transcriber
from speechpipe.pipeline.stages import Progress, Recording, Stages, Summary, now
from speechpipe.repositories.contract import Deposited, Item, Package, Receipt, Repository
from speechpipe.transcript import Transcript
from speechpipe.workspace import Workspace

FIRST_WORDS = 8


def process(
    transcriber: Transcriber, repository: Repository, item: Item, progress: Progress | None = None, again: bool = False
) -> Receipt:
    """Do one recording, or find it done. On failure the repository keeps a receipt that says why.

    Raises:
        SpeechpipeError: the recording failed; the receipt of the failure is written already.
    """
    run = Run(transcriber, repository, item)
    if not again and (receipt := run.already()):
        return receipt
    with run:
        run.chunk(progress)
        run.transcribe(progress)
        run.align(progress)
        return run.deposit()


class Run:
    """A recording in work. ``already()`` is asked before entering; entering takes the recording's lock.

    A ``SpeechpipeError`` that leaves the ``with`` block is kept in a receipt of failure.
    """

    def __init__(self, transcriber: Transcriber, repository: Repository, item: Item) -> None:
        self.transcriber, self.repository, self.item = transcriber, repository, item
        self.name = Path(item.parts[0].location).name
        self.stages: Stages | None = None
        self.deposited: Deposited | None = None
        self._stack = ExitStack()
        self._began = time.monotonic()

    def already(self) -> Receipt | None:
        """The receipt, where this input was done with these settings and its files are still there."""
        receipt = self.repository.existing(self.item)
        if receipt is None or receipt.status != "done" or receipt.key != self.key:
            return None
        if not all(path.exists() for path in self.repository.paths(self.item, receipt)):
            return None
        stat = self.repository.fetch(self.item).stat()
        unchanged = (stat.st_size, stat.st_mtime_ns) == (receipt.source_size, receipt.source_mtime_ns)
        return receipt if unchanged else None

    @property
    def key(self) -> str:
        """Digest of what was asked for. Newer software or weights alone do not undo what is done."""
        settings = self.transcriber.settings
        asked = {
            "model": self.transcriber.model.name,
            "engine": self.transcriber.engine_name,
            "aligner": self.transcriber.aligner_model and self.transcriber.aligner_model.name,
            "language": self.item.language or settings.language,
            "channels": self._channels,
            "formats": sorted(settings.formats),
            "chunking": self.transcriber.chunking.model_dump(),
            "captions": settings.captions.model_dump(),
            "decoding": settings.decoding.model_dump(include={"beam_size"}),
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]

    def __enter__(self) -> Run:
        self._began = time.monotonic()
        try:
            self._path = self.repository.fetch(self.item)
            self._stat = self._path.stat()
            recording = Recording(
                self._path, self.name, sha256_file(self._path), self._channels, self.item.language
            )  # fmt: skip
            workspace = Workspace(self.transcriber.settings.workspace_folder, recording.sha256)
            self._stack.enter_context(workspace.locked(self.name))
        except SpeechpipeError as error:
            self._record(error)
            raise
        except OSError as error:
            unreadable = MediaNotFound(f"Cannot read {self._path}: {error.strerror or error}.")
            self._record(unreadable)
            raise unreadable from error
        self.stages = Stages(self.transcriber, recording, workspace)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, SpeechpipeError):
                self._record(error)
        finally:
            self._stack.close()

    def chunk(self, progress: Progress | None = None) -> Summary:
        return self._stages.chunk(progress)

    def transcribe(self, progress: Progress | None = None) -> Summary:
        return self._stages.transcribe(progress)

    def align(self, progress: Progress | None = None) -> Summary:
        return self._stages.align(progress)

    def transcript(self) -> Transcript:
        """What the stages found; all three must be done."""
        warning = self.transcriber.warning
        found = assemble(self._stages, (warning,) if warning else ())
        item = self.item
        return replace(found, identifier=item.identifier, title=item.title, rights=item.rights)

    def deposit(self) -> Receipt:
        """Write every format into the repository, the receipt last; then let the scratch audio go."""
        transcript = self.transcript()
        settings = self.transcriber.settings
        files = {formats.suffix(name): formats.write(transcript, name, settings.captions) for name in settings.formats}
        self.deposited = self.repository.deposit(self.item, Package(files, self._receipt(transcript)))
        self._stages.workspace.drop_pcm()
        return self.deposited.receipt

    @property
    def _stages(self) -> Stages:
        if self.stages is None:
            raise RuntimeError("the run was not entered")
        return self.stages

    @property
    def _channels(self) -> str:
        chosen = self.transcriber.settings.channels
        return self.item.channels or chosen if chosen == "auto" else chosen

    def _receipt(self, transcript: Transcript) -> Receipt:
        words = transcript.text.split()
        model = self.transcriber.model
        return Receipt(
            identifier=self.item.identifier,
            status="done",
            source_name=self.name,
            key=self.key,
            source_size=self._stat.st_size,
            source_mtime_ns=self._stat.st_mtime_ns,
            source_sha256=transcript.media.sha256,
            outcome=transcript.outcome,
            complete=transcript.complete,
            message=transcript.incomplete_reason,
            software=f"speechpipe {installed.version()}",
            model=model.name,
            model_revision=model.revision,
            languages=transcript.languages,
            words=len(words),
            confidence=transcript.confidence,
            first_words=" ".join(words[:FIRST_WORDS]) or None,
            audio_ms=transcript.media.duration_ms,
            wall_ms=self._wall_ms,
            finished=now(),
        )

    @property
    def _wall_ms(self) -> int:
        return round((time.monotonic() - self._began) * 1000)

    def _record(self, error: SpeechpipeError) -> None:
        """Keep why it failed. Where even that cannot be written, the error itself is what the caller sees."""
        if isinstance(error, AlreadyInWork | Interrupted):
            return  # says nothing of the recording
        receipt = Receipt(
            identifier=self.item.identifier,
            status="failed",
            source_name=self.name,
            error=type(error).__name__,
            message=error.message,
            cure=error.advice,
            curable=error.curable,
            software=f"speechpipe {installed.version()}",
            model=self.transcriber.model.name,
            wall_ms=self._wall_ms,
            finished=now(),
        )
        try:
            stat = self.repository.fetch(self.item).stat()
            receipt = replace(receipt, key=self.key, source_size=stat.st_size, source_mtime_ns=stat.st_mtime_ns)
        except (SpeechpipeError, OSError):
            pass  # the recording is gone; the receipt says so in its message
        try:
            self.repository.record_failure(self.item, receipt)
        except SpeechpipeError as second:
            error.add_note(str(second))
