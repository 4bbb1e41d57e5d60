"""A file that a person may have corrected becomes a transcript again: what was known is kept, new words get times."""

from __future__ import annotations

import codecs
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from speechpipe import alignment, audio, engines, formats, installed, registry
from speechpipe.corrections.package import SOMEBODY, reviewed
from speechpipe.emissions import AcousticModel
from speechpipe.engines.contract import ModelFiles
from speechpipe.errors import MediaNotFound, UnknownFormat, UnknownModel, UsageError
from speechpipe.files import not_read, read_bytes, sha256_file
from speechpipe.formats.captions.cues import words_of
from speechpipe.formats.comparing.correction import check_same_recording, laid_over
from speechpipe.formats.comparing.json_correction import settled, with_human_times
from speechpipe.pipeline.chunk.audio_streams import BEST, decode_streams
from speechpipe.pipeline.provenance import ASKED
from speechpipe.pipeline.word_times import shifted
from speechpipe.settings import Settings
from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import Revision, Segment, Step, TranscriptData, Word

LARGEST = 1 << 30  # a transcript of 100 hours is some 200 MB
#: Sound on either side of a segment that its words may lie in, since a person's cue may be cut close.
MARGIN_MS = 200
#: What aligners hear at once; a longer segment keeps the times that it has.
LONGEST_MS = 30_000


@dataclass(frozen=True, slots=True)
class Opened:
    """A transcript that was read; ``original``: what it was compared with; ``corrected``: the files of its package that
    a person changed; ``unread``: those of them that cannot be read back; ``differs``: the first line, from 1, in which
    a file that says nothing else than the original is not as it was written."""

    transcript: TranscriptData
    original: Path | None = None
    corrected: tuple[Path, ...] = ()
    unread: tuple[Path, ...] = ()
    differs: int | None = None


def open_transcript(
    path: Path, original: Path | None = None, by: str | None = None, limits: Captions | None = None
) -> Opened:
    """Read a transcript in any format that can be read.

    What a person changed is found by comparing with ``original``. Without one, a file of a package that lies beside its
    receipt stands for all of it: what a person left in any of its files. Others are compared with the JSON beside them.

    Raises:
        MediaNotFound: it cannot be read. UnknownFormat, UsageError: it is no transcript, or of another recording, or
        two files of its package contradict each other.
    """
    name, read, shape = format_of(path), read_file(path), limits or Captions()
    exact = formats.FORMATS[name].lossless
    if original is None and (left := reviewed(path.parent, stem_of(path), shape, by)) is not None:
        return Opened(left.transcript, left.original, left.corrected, left.unread)
    if original is None and not exact:
        beside = path.with_name(stem_of(path) + formats.suffix("json"))
        original = beside if beside.is_file() else None
    revision = Revision(by or SOMEBODY, _changed(path))
    known = read_file(original) if original is not None else None
    if known is not None:
        check_same_recording(known, read)
    if exact:
        whole = settled(read, known, read_bytes(path))
        if known is not None and not by and replace(whole, revision=known.revision) == known:
            return Opened(known, original)
        is_revised = known is not None or by is not None
        whole = whole if known is None else with_human_times(known, whole)
        return Opened(replace(whole, revision=revision) if is_revised else whole, original)
    if known is None:
        return Opened(replace(read, revision=revision) if by else read)
    found = laid_over(known, read, name, revision, shape)
    return Opened(
        found, original, differs=_differs(path, formats.write(known, name, shape)) if found is known else None
    )


def _differs(path: Path, written: bytes) -> int | None:
    """The first line of a file that is not as it was written, apart from how lines end and from blank ones."""
    ours = [line.strip() for line in written.splitlines() if line.strip()]
    theirs = enumerate(read_bytes(path).removeprefix(codecs.BOM_UTF8).splitlines(), 1)
    lines = [(at, line.strip()) for at, line in theirs if line.strip()]
    found = next((at for (at, line), our in zip(lines, ours, strict=False) if line != our), None)
    return found if found or len(lines) <= len(ours) else lines[len(ours)][0]


def format_of(path: Path) -> str:
    """The format that a file's name says. Raises UnknownFormat: none that can be read."""
    name = formats.format_of(path)
    if name is None or not formats.FORMATS[name].readable:
        endings = ", ".join(row.suffix for row in formats.FORMATS.values() if row.readable)
        raise UnknownFormat(
            f"{path} is no transcript that can be read.", cure=f"Give a file with one of these endings: {endings}."
        )
    return name


def stem_of(path: Path) -> str:
    """The recording's file name: ``reel.wav`` of ``reel.wav.alto.xml``."""
    name = formats.format_of(path)
    return path.name[: -len(formats.suffix(name))] if name else path.name


def read_file(path: Path) -> TranscriptData:
    """The transcript in a file, of the format that its name says; the recording's name, where it tells none, is also
    taken from the file's.

    Raises:
        MediaNotFound: it cannot be read. UnknownFormat, UsageError: it is no transcript.
    """
    name = format_of(path)
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder.", cure="Give a transcript: a file named like reel-12.wav.json.")
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is too large for a transcript.", cure="Give a file that speechpipe wrote.")
        content = read_bytes(path)
    except (OSError, ValueError) as error:
        raise MediaNotFound(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    try:
        read = formats.read(content, name)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", cure=error.advice) from error
    return read if read.media.name else replace(read, media=replace(read.media, name=stem_of(path)))


def _changed(path: Path) -> str:
    """When the file was last written."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---- times for words that a person wrote ----


def realigned(transcript: TranscriptData, recording: Path, settings: Settings) -> TranscriptData:
    """The transcript with times, from the sound, for words that have none of their own. Others keep theirs.

    Raises:
        UsageError: ``recording`` is another one, or no aligner is known. MediaError: it cannot be read.
    """
    waiting = [index for index, segment in enumerate(transcript.segments) if _lacks_times(segment)]
    if not waiting:
        return transcript
    known = transcript.media.sha256
    if not recording.is_file():
        raise MediaNotFound(f"There is no file {recording}.")
    try:
        other = known and sha256_file(recording) != known
    except OSError as error:
        raise not_read(recording, error) from error
    if other:
        raise UsageError(f"{recording} is not the recording of this transcript.", cure="Give the one it was made from.")
    model = _aligner(transcript, settings)
    heard: AcousticModel = engines.load_acoustic_model(model, settings.decoding)
    timed = list(transcript.segments)
    with tempfile.TemporaryDirectory(prefix="speechpipe-") as folder, ExitStack() as stack:
        decoded = _decoded_again(transcript, recording, Path(folder))
        lanes = {lane.channel: stack.enter_context(audio.Pcm(Path(folder) / lane.file)) for lane in decoded.lanes}
        if not lanes or max(segment.end_ms for segment in timed) > decoded.duration_ms + 1_000:
            raise UsageError(
                f"{recording} is shorter than its transcript.", cure="Give the recording it was made from."
            )
        for index in waiting:
            pcm = lanes.get(timed[index].channel) or next(iter(lanes.values()))
            timed[index] = _timed(timed[index], pcm, heard)
    step = Step(
        "align",
        "speechpipe",
        installed.version(),
        model.name,
        model.revision,
        model.sha256,
        model.licence,
        {"method": "CTC Viterbi", "words": "corrected"},
    )
    if timed == list(transcript.segments):
        return transcript
    return replace(transcript, segments=tuple(timed), steps=(*transcript.steps, step))


def _decoded_again(transcript: TranscriptData, recording: Path, folder: Path) -> audio.Decoded:
    """The lanes that the transcript was made from: the channels and streams that its provenance says were asked for."""
    split = any(segment.channel is not None for segment in transcript.segments)
    asked = {"channels": "split" if split else "auto", "streams": BEST}  # of a transcript that does not say
    for step in transcript.steps:
        told = step.settings.get(ASKED)
        if step.what == "chunk" and isinstance(told, Mapping):
            asked |= {name: str(told[name]) for name in asked.keys() & told.keys()}
    media = audio.probe(recording)
    return decode_streams(
        recording, folder, asked["channels"], asked["streams"], media, lambda done, total: None
    ).decoded


def _lacks_times(segment: Segment) -> bool:
    words = words_of(segment)
    return any(word.start_ms is None or word.timing == "interpolated" for word in words)


def _aligner(transcript: TranscriptData, settings: Settings) -> ModelFiles:
    """The aligner that is set, else the one that was used before, else one for the language."""
    used = [step.model for step in transcript.steps if step.what == "align" and step.model]
    name = settings.aligner if settings.aligner not in ("auto", "none") else next(iter(used), None)
    if name is None:
        raise UnknownModel("It is not known which model should time the words.", cure="Name one with --aligner.")
    found = registry.find(name, settings.store_folder, accepted=settings.accepted_licences)
    return ModelFiles(**{field.name: getattr(found, field.name) for field in fields(ModelFiles)})


def _timed(segment: Segment, pcm: audio.Pcm, heard: AcousticModel) -> Segment:
    """The segment with the times that its text has in the sound, for the words that lacked them."""
    start, end = max(0, segment.start_ms - MARGIN_MS), segment.end_ms + MARGIN_MS
    words = words_of(segment)
    if end - start > LONGEST_MS:
        return segment
    clip = pcm.read(start, end)
    (emissions,) = heard.emissions([clip])
    found = alignment.align(" ".join(word.text for word in words), emissions, len(clip) * 1000 // audio.RATE)
    if alignment.FALLBACK in found.flags:
        return segment
    return replace(segment, words=tuple(_chosen(words, [shifted(word, start) for word in found.words])))


def _chosen(words: Sequence[Word], found: Sequence[Word]) -> Iterator[Word]:
    """Of each word the time it has, or the found one where that keeps to the order of the words around it."""
    last = 0
    for place, (word, new) in enumerate(zip(words, found, strict=True)):
        following = next(
            (w.start_ms for w in words[place + 1 :] if w.start_ms is not None and w.timing != "interpolated"), None
        )
        keeps = word.start_ms is not None and word.timing != "interpolated"
        fits = new.start_ms is not None and last <= new.start_ms and (following is None or new.start_ms <= following)
        chosen = word if keeps or not fits else replace(new, text=word.text)
        last = chosen.start_ms if chosen.start_ms is not None and chosen.timing != "interpolated" else last
        yield chosen
