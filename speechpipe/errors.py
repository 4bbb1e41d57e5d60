"""The exceptions of speechpipe, each with its exit code and its cure.

    SpeechpipeError                       1   a bug, or an error of no better class
    ├── UsageError                        2   something asked for does not exist
    │   ├── UnknownModel
    │   │   └── NotFetched
    │   ├── LicenceNotAccepted
    │   ├── UnknownLanguage
    │   ├── UnknownFormat
    │   └── UnknownEngine
    ├── MediaError                        3   the recording itself
    │   ├── MediaNotFound
    │   ├── MediaUnavailable
    │   ├── UnreadableMedia
    │   └── ChecksumMismatch
    ├── DependencyError                   4   something that is not installed
    ├── OutputError                       5   a result could not be written
    │   └── NameTaken
    ├── EngineError                       6   a model, or what runs it
    │   ├── BrokenModel
    │   └── HubError
    │       └── HubOutOfReach
    ├── RepositoryError                   7   the store of recordings and results
    │   ├── AlreadyInWork
    │   ├── NotPermitted
    │   └── Withdrawn
    ├── BatchFailed                       8   some of several recordings failed
    └── Interrupted                     130   stopped by a person
        └── CancelledByPerson

A message says what happened and to which file; the cure says what to do. Neither holds a traceback.
"""

from __future__ import annotations

from typing import ClassVar


class SpeechpipeError(Exception):
    """Base of all errors; ``str()`` is one line: what happened, then what to do."""

    exit_code: ClassVar[int] = 1
    cure: ClassVar[str] = "Please report this: it is a fault of speechpipe."
    #: Whether the same call may succeed later without any change to input, software or model.
    curable: ClassVar[bool] = False

    def __init__(self, message: str, *, cure: str | None = None) -> None:
        self.message = one_line(message)
        self.advice = one_line(cure if cure is not None else self.cure)
        super().__init__(f"{self.message} {self.advice}".strip())

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.advice)


class UsageError(SpeechpipeError):
    exit_code = 2
    cure = "See speechpipe --help."


class UnknownModel(UsageError):
    cure = "List the models with: speechpipe models list"


class NotFetched(UnknownModel):
    """A model that is known but not in the store; its cure names the command that fetches it."""


class LicenceNotAccepted(UsageError):
    cure = "See how: speechpipe models accept --help"


class UnknownLanguage(UsageError):
    cure = "Give a language as a short code, such as nb, sv or en."


class UnknownFormat(UsageError):
    cure = "See the formats with: speechpipe convert --help"


class UnknownEngine(UsageError):
    cure = "See the engines with: speechpipe transcribe --help"


class MediaError(SpeechpipeError):
    exit_code = 3
    cure = "Look at the file with: speechpipe inspect FILE"


class MediaNotFound(MediaError):
    cure = "Check the path and that you may read the file."


class MediaUnavailable(MediaError):
    """It is there, but the machine did not give it, or not to its end: no fault of the recording."""

    cure = "Try again later; where it stays so, look at the disk, the network and the memory of the machine."
    curable = True


class UnreadableMedia(MediaError):
    cure = "Play the file in a player; if that fails too, fetch it again from its source."


class ChecksumMismatch(MediaError):
    """The content is not what the repository says it is."""

    cure = "Fetch the file again from its source, or correct the checksum that the repository holds."


class DependencyError(SpeechpipeError):
    """Raised with ``cure`` naming the command that installs what is missing."""

    exit_code = 4
    cure = "See what is installed with: speechpipe doctor"


class OutputError(SpeechpipeError):
    exit_code = 5
    cure = "Choose a folder that you may write to and that has space left."
    curable = True


class NameTaken(OutputError):
    """The results of another recording stand under the same name."""

    cure = "Give another folder with --output."
    curable = False


class EngineError(SpeechpipeError):
    exit_code = 6
    cure = "Try again, or choose another model or engine."
    curable = True


class BrokenModel(EngineError):
    cure = "Fetch or copy the model again."
    curable = False


class HubError(EngineError):
    """A model could not be fetched; what was fetched of it is kept for the next time."""

    cure = "Try again later; what was fetched is kept."


class HubOutOfReach(HubError):
    """Nothing that is a hub answers, or it cannot just now."""


class RepositoryError(SpeechpipeError):
    exit_code = 7
    cure = "Check that the repository can be reached and read."
    curable = True


class AlreadyInWork(RepositoryError):
    cure = "Wait until the other run has ended, then try again."


class NotPermitted(RepositoryError):
    """The rights do not allow it."""

    cure = "Where this is wrong, correct the rights in the metadata of the collection."
    curable = False


class Withdrawn(RepositoryError):
    cure = "The withdrawal can be lifted with speechpipe withdraw --lift."
    curable = False


class BatchFailed(SpeechpipeError):
    exit_code = 8
    cure = "The table above says which, and why."


class Interrupted(SpeechpipeError):
    exit_code = 130
    cure = "Run the same command again to go on where it stopped."
    curable = True


class CancelledByPerson(Interrupted):
    """A person cancelled this recording in a batch that goes on; it stays so until somebody asks for it."""

    cure = "To do it after all, choose Transcribe one recording, or tick 'Do cancelled recordings too' for all of them."
    curable = False

    def __init__(self, message: str = "It was cancelled by a person.", *, cure: str | None = None) -> None:
        super().__init__(message, cure=cure)


def one_line(text: str) -> str:
    """``text`` with every run of white space made one space and control characters shown as escapes."""
    joined = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in joined)


def _rebuild(kind: type[SpeechpipeError], message: str, advice: str) -> SpeechpipeError:
    return kind(message, cure=advice)
