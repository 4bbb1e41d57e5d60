"""``transcribe()`` for Python: a path, a file object, samples with their rate, or a ``pydub.AudioSegment``."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from speechpipe import audio
from speechpipe.errors import MediaNotFound, MediaUnavailable, UsageError
from speechpipe.files import not_read, sha256_file
from speechpipe.pipeline.assembly import assemble
from speechpipe.pipeline.journals.batches import Progress
from speechpipe.pipeline.recording import Recording
from speechpipe.pipeline.stages import Stages
from speechpipe.pipeline.transcriber import Transcriber
from speechpipe.settings import Settings
from speechpipe.transcript import Transcript
from speechpipe.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray


def transcribe(
    source: Any,
    *,
    model: str | None = None,
    language: str | None = None,
    aligner: str | None = None,
    channels: str | None = None,
    rate: int | None = None,
    settings: Settings | Transcriber | None = None,
    progress: Progress | None = None,
) -> Transcript:
    """Transcribe one recording.

    Args:
        source: a path, a binary file object, a ``pydub.AudioSegment``, or samples (numpy array or torch tensor, shape
            (n,) or (n, channels), floats -1..1 or integers) together with ``rate``.
        model: name or folder of a model; see ``speechpipe models list``.
        language: a code such as ``nb``; None lets the model tell; ``auto-segment`` tells window by window.
        aligner: a CTC model that times the words, ``none``, or None for the model's partner.
        channels: ``auto``, ``mix``, ``split`` or a channel's number counted from 1.
        rate: samples a second of an array; refused for any other source.
        settings: all else; or a ``Transcriber``, whose loaded models are then used again.
        progress: called as ``progress(stage, done_ms, total_ms)``. It may raise, ``Interrupted`` for one, to stop the
            run after the batch of windows in hand; the same call goes on there later.

    Raises:
        SpeechpipeError: see ``speechpipe.errors``; a recording without speech is a result, not an error.
    """
    given = {"model": model, "language": language, "aligner": aligner, "channels": channels}
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(settings, Transcriber):
        if given:
            raise UsageError(f"A Transcriber has its own {', '.join(given)}.", cure="Give these when making it.")
        transcriber = settings
    else:
        tree = settings.with_(**given) if settings else Settings.load(**given)
        transcriber = Transcriber(tree)
    with _local_file(source, rate) as (path, name, passing):
        return _run(transcriber, path, name, passing, progress)


def _run(transcriber: Transcriber, path: Path, name: str, passing: bool, progress: Progress | None) -> Transcript:
    try:
        before, sha256 = path.stat(), sha256_file(path)
    except OSError as error:
        raise not_read(path, error) from error
    recording = Recording(path, name, sha256, transcriber.settings.channels)
    workspace = Workspace(transcriber.settings.workspace_folder, recording.sha256)
    with workspace.locked(name):
        stages = Stages(transcriber, recording, workspace, ahead=True)
        for stage in (stages.chunk, stages.transcribe, stages.align):
            reads = stages.scratch.reads
            stage(progress)
            if stages.scratch.reads > reads and _has_changed(path, before, sha256):
                workspace.clear()
                raise MediaUnavailable(f"{path} changed while it was read.", cure="Do it again when it rests.")
        transcript = assemble(stages.results(), (transcriber.warning,) if transcriber.warning else ())
        if passing:
            workspace.remove()
        else:
            workspace.drop_pcm()
        return transcript


def _has_changed(path: Path, before: os.stat_result, sha256: str) -> bool:
    """As ``sameness`` has it of a recording in a repository."""
    try:
        after = path.stat()
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            return True
        touched = (after.st_ino, after.st_ctime_ns) != (before.st_ino, before.st_ctime_ns)
        return touched and sha256_file(path) != sha256
    except OSError as error:
        raise not_read(path, error) from error


@contextmanager
def _local_file(source: Any, rate: int | None) -> Iterator[tuple[Path, str, bool]]:
    """The source as a file, its name, and whether it passes with this call, so that nothing of it need be kept."""
    if hasattr(source, "raw_data") and hasattr(source, "frame_rate"):
        source, rate = _samples_of_segment(source), source.frame_rate
    elif hasattr(source, "detach") and hasattr(source, "numpy"):
        source = source.detach().cpu().numpy()
    is_array = isinstance(source, np.ndarray)
    if is_array != (rate is not None):
        raise UsageError("An array of samples needs its rate, and nothing else has one.", cure="Give rate=16000 or so.")
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise MediaNotFound(f"There is no file {path}.")
        yield path, path.name, False
        return
    with tempfile.TemporaryDirectory(prefix="speechpipe-") as folder:
        if is_array:
            path, name = Path(folder) / "samples.wav", "samples"
            audio.write_wav(source, rate or 0, path)
        elif hasattr(source, "read"):
            name = Path(str(getattr(source, "name", "") or "stream")).name
            path = Path(folder) / f"source{Path(name).suffix}"
            _spool(source, path)
        else:
            kind = type(source).__name__
            raise UsageError(f"A {kind} is not a recording.", cure="Give a path, a file object or samples with rate.")
        yield path, name, True


def _samples_of_segment(segment: Any) -> NDArray[Any]:
    """A ``pydub.AudioSegment`` as integers of shape (n, channels), at full scale."""
    samples = np.frombuffer(segment.raw_data, dtype=f"<i{segment.sample_width}").reshape(-1, segment.channels)
    return samples if segment.sample_width != 1 else samples.astype("<i2") << 8


def _spool(source: IO[bytes], path: Path) -> None:
    with path.open("wb") as file:
        try:
            shutil.copyfileobj(source, file, 1 << 20)
        except TypeError as error:
            raise UsageError("The file object gives text, not bytes.", cure="Open it with mode 'rb'.") from error
