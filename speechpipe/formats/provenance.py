"""What every file says about itself: what it was made from, by which machine, and that no person has read it."""

from __future__ import annotations

from speechpipe.formats.text import clean
from speechpipe.transcript import Outcome, Transcript

#: Outcomes without speech, as a sentence.
OUTCOMES: dict[Outcome, str] = {
    "no_speech": "No speech was found in the recording.",
    "silent": "The recording is silent.",
    "no_audio": "The file has no sound.",
}
#: What the steps that people ask about are called.
STEPS = {"transcribe": "Recognition", "align": "Word alignment"}


def statement(transcript: Transcript) -> str:
    """Whether a person has read it."""
    if transcript.revision is None:
        return "Machine-generated transcript; not reviewed by a person."
    return clean(f"Machine-generated transcript; corrected by {transcript.revision.by}, {transcript.revision.at}.")


def findings(transcript: Transcript) -> list[str]:
    """What a reader must know who sees little or no text."""
    found = [OUTCOMES[transcript.outcome]] if transcript.outcome in OUTCOMES else []
    if not transcript.complete:
        found.append(clean(f"Incomplete: {transcript.incomplete_reason or 'part of the recording could not be read'}"))
    return found


def provenance(transcript: Transcript) -> list[str]:
    """Source, languages, statement, findings and steps, one a line."""
    media = transcript.media
    seconds = "" if media.duration_ms is None else f", {media.duration_ms // 1000}.{media.duration_ms % 1000:03d} s"
    lines = [f"Source: {clean(media.name)}{seconds}"]
    if media.sha256:
        lines.append(f"SHA-256: {media.sha256}")
    if transcript.languages:
        lines.append(f"Languages: {', '.join(transcript.languages)}")
    lines += [statement(transcript), *findings(transcript)]
    for step in transcript.steps:
        parts = [f"{step.software} {step.version}"]
        parts += [f"model {step.model}"] if step.model else []
        parts += [f"revision {step.model_revision}"] if step.model_revision else []
        lines.append(f"{STEPS.get(step.what, step.what.capitalize())}: {', '.join(parts)}")
    ended = max((step.ended for step in transcript.steps if step.ended), default=None)
    return [clean(line) for line in (*lines, *([f"Created: {ended}"] if ended else []))]
