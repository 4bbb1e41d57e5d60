"""A file that a person may have corrected becomes a transcript again: what was known is kept, new words get times."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from speechpipe import alignment, audio, engines, formats, installed, registry
from speechpipe.emissions import AcousticModel
from speechpipe.engines.contract import ModelFiles
from speechpipe.errors import MediaNotFound, UnknownFormat, UnknownModel, UsageError
from speechpipe.files import sha256_file
from speechpipe.formats.captions import words_of
from speechpipe.formats.correction import check_same_recording, corrected
from speechpipe.formats.json_correction import settled, with_human_times
from speechpipe.pipeline.provenance import ASKED
from speechpipe.pipeline.streams import BEST, decode_streams
from speechpipe.pipeline.timing import shifted
from speechpipe.settings import Captions, Settings
from speechpipe.transcript import Revision, Segment, Step, Transcript, Word

LARGEST = 1 << 30  # a transcript of 100 hours is some 200 MB
#: Who corrected it, where nobody says.
SOMEBODY = "a person"
#: Sound on either side of a segment that its words may lie in, since a person's cue may be cut close.
MARGIN_MS = 200
#: What aligners hear at once; a longer segment keeps the times that it has.
LONGEST_MS = 30_000


@dataclass(frozen=True, slots=True)
class Opened:
    """A transcript that was read; ``original``: what it was compared with."""

    transcript: Transcript
    original: Path | None = None


def open_transcript(
    path: Path, original: Path | None = None, by: str | None = None, limits: Captions | None = None
) -> Opened:
    """Read a transcript in any format that can be read.

    What a person changed is found by comparing with ``original``, else with the JSON of the same recording beside it.

    Raises:
        MediaNotFound: it cannot be read. UnknownFormat, UsageError: it is no transcript, or of another recording.
    """
    name = format_of(path)
    read = read_file(path)
    exact = formats.FORMATS[name].lossless
    if original is None and not exact:
        beside = path.with_name(stem_of(path) + formats.suffix("json"))
        original = beside if beside.is_file() else None
    revision = Revision(by or SOMEBODY, _changed(path))
    if exact:
        read = _compared(read, settled(read), original, revision, by)
    elif original is not None:
        known = read_file(original)
        read = corrected(known, read, revision, limits or Captions(), exact_ends=name == "alto")
    elif by:
        read = replace(read, revision=revision)
    return Opened(read, original)


def _compared(
    read: Transcript, whole: Transcript, original: Path | None, revision: Revision, by: str | None
) -> Transcript:
    if original is not None:
        known = read_file(original)
        check_same_recording(known, read)
        same = replace(read, revision=known.revision) == known
        return known if same and not by else replace(with_human_times(known, whole), revision=revision)
    return replace(whole, revision=revision) if by or whole is not read else read


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


def read_file(path: Path) -> Transcript:
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
        content = path.read_bytes()
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


def realigned(transcript: Transcript, recording: Path, settings: Settings) -> Transcript:
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
    if known and sha256_file(recording) != known:
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


def _decoded_again(transcript: Transcript, recording: Path, folder: Path) -> audio.Decoded:
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


def _aligner(transcript: Transcript, settings: Settings) -> ModelFiles:
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
