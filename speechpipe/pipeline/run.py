"""One recording of a repository: fetched, put through the stages, deposited, and its receipt."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from speechpipe import formats, installed
from speechpipe.errors import (
    AlreadyInWork,
    CancelledByPerson,
    Interrupted,
    NameTaken,
    NotPermitted,
    RepositoryError,
    SpeechpipeError,
    Withdrawn,
)
from speechpipe.flags import wants_a_look
from speechpipe.moments import now
from speechpipe.pipeline.assembly import assemble
from speechpipe.pipeline.journals.batches import Progress
from speechpipe.pipeline.recording import Recording, Summary
from speechpipe.pipeline.sameness import unchanged
from speechpipe.pipeline.stages import Stages
from speechpipe.pipeline.transcriber import Transcriber
from speechpipe.repositories.contract import Deposited, Fetched, Item, Package, Receipt, Repository, Status
from speechpipe.repositories.results.receipts import same_file
from speechpipe.repositories.rights import is_known, may_show, public_name, why
from speechpipe.repositories.selection import after_failure
from speechpipe.transcript import Transcript
from speechpipe.withdrawal.withdraw import refuse_withdrawn
from speechpipe.workspace import Workspace

FIRST_WORDS = 8

#: What leaves a receipt that is none of a failure.
STATUS: dict[type[SpeechpipeError], Status] = {NotPermitted: "skipped", CancelledByPerson: "cancelled"}

#: Settings of the machine, not of the text.
MACHINE = {"batch_size", "device", "compute_type", "threads"}


def process(
    transcriber: Transcriber, repository: Repository, item: Item, progress: Progress | None = None, again: bool = False
) -> Receipt:
    """Do one recording, or find it done. On failure the repository keeps a receipt that says why.

    Raises:
        SpeechpipeError: the recording failed; the receipt of the failure is written already.
    """
    run = Run(transcriber, repository, item, ahead=True)
    if not again and (receipt := run.already()):
        return receipt
    with run:
        run.chunk(progress)
        run.transcribe(progress)
        run.align(progress)
        return run.deposit()


class Run:
    """A recording in work. ``already()`` is asked before entering; entering takes the recording's lock.

    ``ahead``: the transcription may begin in ``chunk()`` already. ``waiting``: called again and again while another run
    has the recording, or one of the same content; None: that is an error at once.

    A ``SpeechpipeError`` that leaves the ``with`` block is kept in a receipt of failure.
    """

    def __init__(
        self,
        transcriber: Transcriber,
        repository: Repository,
        item: Item,
        ahead: bool = False,
        waiting: Callable[[], None] | None = None,
    ) -> None:
        self._ahead, self._waiting = ahead, waiting
        self.transcriber, self.repository, self.item = transcriber, repository, item
        self.name = Path(item.parts[0].location).name
        self.stages: Stages | None = None
        self.deposited: Deposited | None = None
        self._fetched: Fetched | None = None
        self._stack = ExitStack()
        self._began = time.monotonic()

    def already(self) -> Receipt | None:
        """The receipt, where this input was done with these settings and its files are still there. Raises Withdrawn:
        it was withdrawn since."""
        receipt = self.repository.existing(self.item) if self.item.standing != "forbidden" else None
        if receipt is None or receipt.status != "done" or receipt.key != self.key:
            return None
        refuse_withdrawn(self.transcriber.settings, self.repository, self.item, receipt.source_sha256)
        if not all(path.exists() for path in self.repository.paths(self.item, receipt)):
            return None
        if not same_file(receipt, self.repository.stat(self.item)):
            return None
        if receipt.origin != self.repository.origin:  # of one name, size and date; perhaps another recording
            return receipt if self.repository.fetch(self.item).sha256 == receipt.source_sha256 else None
        return receipt

    @property
    def key(self) -> str:
        """Digest of what was asked for. Newer software or weights alone do not undo what is done."""
        settings = self.transcriber.settings
        asked = {
            "model": self.transcriber.model.name,
            "engine": self.transcriber.engine_name,
            "aligner": self.transcriber.aligner_model and self.transcriber.aligner_model.name,
            "language": self.item.language or settings.language,
            "languages": [settings.languages, settings.models, settings.aligners],
            "channels": self._channels,
            "streams": settings.streams,
            "formats": sorted(settings.formats),
            "chunking": self.transcriber.chunking.model_dump(),
            "captions": settings.captions.model_dump(),
            "decoding": settings.decoding.model_dump(exclude=MACHINE),
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]

    def __enter__(self) -> Run:
        self._began = time.monotonic()
        try:
            self._fetched = self._fetch()
            recording = Recording(
                self.fetched.path, self.name, self.fetched.sha256, self._channels, self.item.language
            )  # fmt: skip
            workspace = Workspace(self.transcriber.settings.workspace_folder, recording.sha256)
            self._stack.enter_context(workspace.locked(public_name(self.item), self._waiting))
        except SpeechpipeError as error:
            self._record(error)
            raise
        self.stages = Stages(self.transcriber, recording, workspace, self._ahead)
        return self

    def _fetch(self) -> Fetched:
        """The recording, where nothing forbids it; a content that a receipt already tells is not hashed again."""
        self._follow_rights()
        known = self.repository.existing(self.item)
        if known is not None and known.origin != self.repository.origin:
            known = None
        fetched = self.repository.fetch(self.item, known)
        refuse_withdrawn(self.transcriber.settings, self.repository, self.item, fetched.sha256)
        self._refuse_anothers(fetched)
        return fetched

    def _refuse_anothers(self, fetched: Fetched) -> None:
        if self._is_anothers(fetched.sha256):
            done = self.repository.existing(self.item, done=True)
            when = f", done {done.finished}," if done and done.finished else ""
            raise NameTaken(
                f"{fetched.path} is not written: the results of another recording named {self.name}{when} stand where"
                " these would be written."
            )

    def _follow_rights(self) -> None:
        """Rights may have changed since the recording was discovered. Raises NotPermitted where they forbid it."""
        self.item = self.repository.current(self.item)
        if self.item.standing == "forbidden":
            raise NotPermitted(f"{public_name(self.item)} is not transcribed. {why(self.item)}")

    def _is_anothers(self, sha256: str | None = None) -> bool:
        """Whether a recording of the same name, but from another folder and of other content, was done before."""
        done = self.repository.existing(self.item, done=True) if self.repository.origin else None
        return done is not None and done.origin != self.repository.origin and done.source_sha256 != sha256

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, SpeechpipeError):
                self._record(error)
            self._leave_no_scratch_of_what_was_withdrawn()
        finally:
            self._stack.close()

    def chunk(self, progress: Progress | None = None) -> Summary:
        """All stages raise RepositoryError where the recording changed, MediaUnavailable where it went while it was
        read, and Withdrawn where it was withdrawn meanwhile."""
        with self._unchanged():
            return self._stages.chunk(self._watched(progress))

    def transcribe(self, progress: Progress | None = None) -> Summary:
        with self._unchanged():
            return self._stages.transcribe(self._watched(progress))

    def align(self, progress: Progress | None = None) -> Summary:
        with self._unchanged():
            return self._stages.align(self._watched(progress))

    def _unchanged(self) -> AbstractContextManager[None]:
        return unchanged(self._stages, self.repository, self.item, self.fetched)

    def transcript(self) -> Transcript:
        """What the stages found; all three must be done."""
        warning = self.transcriber.warning
        found = assemble(self._stages.results(), (warning,) if warning else ())
        item = self.item
        return replace(found, identifier=item.identifier, title=item.title, rights=item.rights)

    def deposit(self) -> Receipt:
        """Write every format into the repository, the receipt last; then let the scratch audio go.

        Raises:
            Withdrawn: it was withdrawn meanwhile; nothing of it stays. NotPermitted: so its rights say by now.
        """
        self._follow_rights()
        transcript = self.transcript()
        settings = self.transcriber.settings
        files, describe = formats.parts(transcript, settings.formats, settings.captions)
        with self.repository.held(self.item):
            # Much may have happened since the recording was fetched. A tombstone stands before anything is erased, and
            # what is erased is held too: so either this is seen here, or the files are seen there.
            self._refuse_withdrawn()
            self._refuse_anothers(self.fetched)
            if self.repository.current(self.item) != self.item:
                raise RepositoryError(f"The rights of {public_name(self.item)} changed while it was put away.")
            self.deposited = self.repository.deposit(self.item, Package(files, self._receipt(transcript), describe))
        try:
            self._refuse_withdrawn()
        except Withdrawn:  # who withdrew it erases it, but may be killed
            self.repository.erase(self.deposited.receipt)
            raise
        self._stages.workspace.drop_pcm()
        return self.deposited.receipt

    def _leave_no_scratch_of_what_was_withdrawn(self) -> None:
        """Right before the lock is let go: who withdraws leaves the scratch to whom holds it."""
        try:
            self._refuse_withdrawn(by_name=False)
        except Withdrawn:
            self._stages.workspace.remove()
        except RepositoryError:
            pass  # a tombstone that cannot be read: that was said, and stops the next run too

    def _refuse_withdrawn(self, *, by_name: bool = True) -> None:
        refuse_withdrawn(
            self.transcriber.settings, self.repository, self.item, self.fetched.sha256, by_name=by_name
        )  # fmt: skip

    def _watched(self, progress: Progress | None) -> Progress:
        """``progress``, at whose every call the work ends where the recording was withdrawn."""
        self._refuse_withdrawn()

        def told(stage: str, done_ms: int, total_ms: int) -> None:
            self._refuse_withdrawn(by_name=False)
            if progress is not None:
                progress(stage, done_ms, total_ms)

        return told

    @property
    def fetched(self) -> Fetched:
        if self._fetched is None:
            raise RuntimeError("the run was not entered")
        return self._fetched

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
            location=self.item.location,
            origin=self.repository.origin,
            source_size=self.fetched.stat.size,
            source_mtime_ns=self.fetched.stat.mtime_ns,
            source_checksum=self.fetched.checksum,
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
            flagged=sum(wants_a_look(segment.flags) for segment in transcript.segments),
            first_words=(" ".join(words[:FIRST_WORDS]) or None) if may_show(self.item) else None,
            restricted=not may_show(self.item),
            rights_known=is_known(self.item.rights),
            audio_ms=transcript.media.duration_ms,
            wall_ms=self._wall_ms,
            finished=now(),
        )

    @property
    def _wall_ms(self) -> int:
        return round((time.monotonic() - self._began) * 1000)

    def _record(self, error: SpeechpipeError) -> None:
        """Keep why it failed. Where even that cannot be written, the error itself is what the caller sees."""
        unsaid = isinstance(error, AlreadyInWork | Interrupted | Withdrawn | NameTaken)
        if unsaid and not isinstance(error, CancelledByPerson):
            return  # says nothing of the recording, or must leave no trace of it
        receipt = Receipt(
            identifier=self.item.identifier,
            status=next((status for kind, status in STATUS.items() if isinstance(error, kind)), "failed"),
            source_name=self.name,
            location=self.item.location,
            origin=self.repository.origin,
            source_sha256=self._fetched.sha256 if self._fetched else None,
            restricted=not may_show(self.item),
            rights_known=is_known(self.item.rights),
            error=type(error).__name__,
            message=error.message,
            cure=error.advice,
            curable=error.curable,
            software=f"speechpipe {installed.version()}",
            model=self.transcriber.model.name,
            model_revision=self.transcriber.model.revision,
            wall_ms=self._wall_ms,
            finished=now(),
        )
        try:
            stat = self._fetched.stat if self._fetched else self.repository.stat(self.item)
            receipt = replace(receipt, key=self.key, source_size=stat.size, source_mtime_ns=stat.mtime_ns)
            receipt = replace(receipt, source_checksum=self.repository.checksum(self.item))
        except SpeechpipeError:
            pass  # the recording is gone; the receipt says so in its message
        try:
            with self.repository.held(self.item):
                if not self._is_anothers(receipt.source_sha256):
                    before = self.repository.existing(self.item)
                    self.repository.record_failure(self.item, after_failure(receipt, before, datetime.now(UTC)))
        except SpeechpipeError as second:
            error.add_note(str(second))
