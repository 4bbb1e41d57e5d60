"""What every file says about itself: what it was made from, by which machine, who has read it, and what may be done."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from speechpipe.formats.text import clean
from speechpipe.transcript_data import Media, Outcome, Revision, Rights, Step, TranscriptData

#: Outcomes without speech, as a sentence.
OUTCOMES: dict[Outcome, str] = {
    "no_speech": "No speech was found in the recording.",
    "silent": "The recording is silent.",
    "no_audio": "The file has no sound.",
}
#: What the steps that people ask about are called.
STEPS = {"transcribe": "Recognition", "align": "Word alignment"}
OTHER_STEPS = ("Decode", "Chunk")
NOT_REVIEWED = "Machine-generated transcript; not reviewed by a person."
ORIGIN_UNKNOWN = "It is not known who or what made this transcript."
WITHHELD = "Withheld: "
#: How lines look that tell of one fact.
_FACT = re.compile(
    r"(?:Title|Identifier|Source|SHA-256|Languages|Rights|Access|Incomplete|Withheld|Created):(?: .*)?"
    r"|Settings: [0-9a-f]{16}|(?:Machine-generated transcript|Transcript); corrected by .*"
)
_CORRECTED = re.compile(r"(?:Machine-generated transcript|Transcript); corrected by (.*), (\S+)\.")
_STEP = re.compile(r"([^,]*) ([^ ,]*)(?:, model (.+?))?(?:, revision (.+?))?(?:, sha256 (\w+))?")


def statement(transcript: TranscriptData) -> str:
    """Whether a person has read it."""
    if transcript.revision is not None:
        made = "Machine-generated transcript" if transcript.steps else "Transcript"
        return clean(f"{made}; corrected by {transcript.revision.by}, {transcript.revision.at}.")
    return NOT_REVIEWED if transcript.steps else ORIGIN_UNKNOWN


def findings(transcript: TranscriptData) -> list[str]:
    """What a reader must know who sees little or no text, or not all of it."""
    found = [OUTCOMES[transcript.outcome]] if transcript.outcome in OUTCOMES else []
    if not transcript.complete:
        why = clean(transcript.incomplete_reason or "") or "part of the recording could not be read"
        found.append(clean(f"Incomplete: {why}"))
    return found + [clean(warning) for warning in transcript.warnings if warning.startswith(WITHHELD)]


def rights(transcript: TranscriptData) -> list[tuple[str, str]]:
    """Name and text of what the repository says may be done."""
    known = {"Rights": transcript.rights.statement, "Access": transcript.rights.access}
    return [(name, clean(text)) for name, text in known.items() if text and clean(text)]


def note(transcript: TranscriptData, header: bool) -> list[str]:
    """What a file tells of itself: all provenance or, without the header, only what must not go untold."""
    return provenance(transcript) if header else findings(transcript)


def provenance(transcript: TranscriptData) -> list[str]:
    """Title, source, languages, rights, statement, findings and steps, one a line."""
    media = transcript.media
    named = {"Title": transcript.title, "Identifier": transcript.identifier}
    lines = [f"{name}: {text}" for name, text in named.items() if text and clean(text)]
    seconds = "" if media.duration_ms is None else f", {media.duration_ms // 1000}.{media.duration_ms % 1000:03d} s"
    lines.append(f"Source: {clean(media.name)}{seconds}")
    if media.sha256:
        lines.append(f"SHA-256: {media.sha256}")
    if transcript.languages:
        lines.append(f"Languages: {', '.join(transcript.languages)}")
    lines += [f"{name}: {text}" for name, text in rights(transcript)]
    lines += [statement(transcript), *findings(transcript)]
    lines += [f"{STEPS.get(step.what, step.what.capitalize())}: {told(step)}" for step in transcript.steps]
    if digest := settings_digest(transcript):
        lines.append(f"Settings: {digest}")
    if made := created(transcript):
        lines.append(f"Created: {made}")
    return [cleaned for line in lines if (cleaned := clean(line))]


def told(step: Step) -> str:
    """Software, version, model, revision and digest of a step."""
    parts = {"model": step.model, "revision": step.model_revision, "sha256": step.model_sha256}
    return ", ".join(
        [f"{step.software} {step.version}", *(f"{name} {value}" for name, value in parts.items() if value)]
    )


def created(transcript: TranscriptData) -> str | None:
    """When the last step ended."""
    return max((step.ended for step in transcript.steps if step.ended), default=None)


def settings_digest(transcript: TranscriptData) -> str | None:
    """SHA-256 (its first 16 digits) of what the steps were set to: two transcripts made alike have the same."""
    if not any(step.settings for step in transcript.steps):
        return None
    settings = [[step.what, dict(step.settings)] for step in transcript.steps]
    # Names of models and prompts may hold what UTF-8 does not, hence ASCII.
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode("ascii")).hexdigest()[:16]


def withhold(transcript: TranscriptData, flags: tuple[str, ...]) -> TranscriptData:
    """The transcript without the segments that have one of the flags; each is told of in the warnings."""
    held = [segment for segment in transcript.segments if not set(flags).isdisjoint(segment.flags)]
    if not held:
        return transcript
    told_of = tuple(
        f"{WITHHELD}{_clock(s.start_ms)} to {_clock(s.end_ms)} ({', '.join(f for f in s.flags if f in flags)})"
        for s in held
    )
    kept = tuple(segment for segment in transcript.segments if set(flags).isdisjoint(segment.flags))
    return replace(transcript, segments=kept, warnings=transcript.warnings + told_of)


def is_told(line: str) -> bool:
    """Whether a line is one of ``provenance``."""
    what = {called: step for step, called in STEPS.items()}
    is_sentence = line in (NOT_REVIEWED, ORIGIN_UNKNOWN, *OUTCOMES.values())
    return is_sentence or _FACT.fullmatch(line) is not None or _step(line, what) is not None


def known(lines: Sequence[str]) -> TranscriptData:
    """What lines of ``provenance`` tell, as a transcript without segments; others are passed over."""
    told_of = dict(reversed([(name, text) for name, _, text in (line.partition(": ") for line in lines) if text]))
    source = re.fullmatch(r"(.*?)(?:, (\d{1,12})\.(\d{3}) s)?", told_of.get("Source", ""))
    name, seconds, fraction = source.groups() if source else ("", None, None)
    duration = None if seconds is None or fraction is None else int(seconds) * 1000 + int(fraction)
    corrected = next((found for line in lines if (found := _CORRECTED.fullmatch(line))), None)
    what = {called: step for step, called in STEPS.items()}
    steps = [step for line in lines if (step := _step(line, what)) is not None]
    made = told_of.get("Created")
    if steps and made:
        steps[-1] = replace(steps[-1], ended=made)
    sentences = {sentence: outcome for outcome, sentence in OUTCOMES.items()}
    return TranscriptData(
        media=Media(name or "", sha256=told_of.get("SHA-256"), duration_ms=duration),
        outcome=next((sentences[line] for line in lines if line in sentences), "speech"),
        languages=tuple(told_of["Languages"].split(", ")) if "Languages" in told_of else (),
        steps=tuple(steps),
        warnings=tuple(line for line in lines if line.startswith(WITHHELD)),
        complete="Incomplete" not in told_of,
        incomplete_reason=told_of.get("Incomplete"),
        revision=Revision(corrected.group(1), corrected.group(2)) if corrected else None,
        identifier=told_of.get("Identifier"),
        title=told_of.get("Title"),
        rights=Rights(told_of.get("Rights"), told_of.get("Access")),
    )


def _step(line: str, what: Mapping[str, str]) -> Step | None:
    """The step that a line of ``provenance`` told of."""
    name, _, text = line.partition(": ")
    found = _STEP.fullmatch(text)
    if found is None or (name not in what and name not in OTHER_STEPS):
        return None
    software, version, model, revision, sha256 = found.groups()
    return Step(what.get(name, name.lower()), software, version, model, revision, sha256)


def _clock(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"
