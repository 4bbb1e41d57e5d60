"""WebVTT with a time stamp before each word: players mark what is being said. The cues are those of the plain file."""

from __future__ import annotations

from speechpipe.formats.captions.cues import Cue, cues
from speechpipe.formats.captions.vtt import block, document, escape, timestamp
from speechpipe.formats.provenance import note
from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import TranscriptData

NOTE = (
    "With one time stamp a word; the cues are those of the file without them.",
    "A word without a time stamp of its own stands in the span of the word before it.",
)


def write(transcript: TranscriptData, captions: Captions) -> bytes:
    told = [*note(transcript, captions.header), *(NOTE if captions.header else ())]
    return document(told, (block(cue, _lines(cue)) for cue in cues(transcript, captions)))


def _lines(cue: Cue) -> list[str]:
    """Time stamps rise and lie within the cue, as the standard wants; a word that begins with the cue needs none."""
    if cue.segment is None:
        return [escape(text) for text in cue.line_texts]
    last, lines = cue.start_ms, []
    for line in cue.lines:
        marked = []
        for word in line:
            stamp = ""
            if word.start_ms is not None and last < word.start_ms < cue.end_ms:
                last = word.start_ms
                stamp = f"<{timestamp(last)}>"
            marked.append(f"{stamp}<c>{escape(word.text)}</c>")
        lines.append(" ".join(marked))
    return lines
