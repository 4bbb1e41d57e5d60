"""What every file says about itself: what it was made from, by which machine, who has read it, and what may be done."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from typing import Any

from speechpipe.formats.text import clean
from speechpipe.transcript import Outcome, Step, Transcript

#: Outcomes without speech, as a sentence.
OUTCOMES: dict[Outcome, str] = {
    "no_speech": "No speech was found in the recording.",
    "silent": "The recording is silent.",
    "no_audio": "The file has no sound.",
}
#: What the steps that people ask about are called.
STEPS = {"transcribe": "Recognition", "align": "Word alignment"}
NOT_REVIEWED = "Machine-generated transcript; not reviewed by a person."
ORIGIN_UNKNOWN = "It is not known who or what made this transcript."
WITHHELD = "Withheld: "
_STEP = re.compile(r"(.+) (\S*?)(?:, model (.+?))?(?:, revision (.+?))?(?:, sha256 (\w+))?")


def statement(transcript: Transcript) -> str:
    """Whether a person has read it."""
    if transcript.revision is not None:
        made = "Machine-generated transcript" if transcript.steps else "Transcript"
        return clean(f"{made}; corrected by {transcript.revision.by}, {transcript.revision.at}.")
    return NOT_REVIEWED if transcript.steps else ORIGIN_UNKNOWN


def findings(transcript: Transcript) -> list[str]:
    """What a reader must know who sees little or no text, or not all of it."""
    found = [OUTCOMES[transcript.outcome]] if transcript.outcome in OUTCOMES else []
    if not transcript.complete:
        found.append(clean(f"Incomplete: {transcript.incomplete_reason or 'part of the recording could not be read'}"))
    return found + [clean(warning) for warning in transcript.warnings if warning.startswith(WITHHELD)]


def rights(transcript: Transcript) -> list[tuple[str, str]]:
    """Name and text of what the repository says may be done."""
    known = {"Rights": transcript.rights.statement, "Access": transcript.rights.access}
    return [(name, clean(text)) for name, text in known.items() if text and clean(text)]


def provenance(transcript: Transcript) -> list[str]:
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


def created(transcript: Transcript) -> str | None:
    """When the last step ended."""
    return max((step.ended for step in transcript.steps if step.ended), default=None)


def settings_digest(transcript: Transcript) -> str | None:
    """SHA-256 (16 digits) of what the steps were set to: two transcripts made alike have the same."""
    if not any(step.settings for step in transcript.steps):
        return None
    settings = [[step.what, dict(step.settings)] for step in transcript.steps]
    # Names of models and prompts may hold what UTF-8 does not, hence ASCII.
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode("ascii")).hexdigest()[:16]


def withhold(transcript: Transcript, flags: tuple[str, ...]) -> Transcript:
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


def step_from(what: str, text: str) -> Step | None:
    """The step that ``told`` told of."""
    found = _STEP.fullmatch(text)
    if found is None:
        return None
    software, version, model, revision, sha256 = found.groups()
    return Step(what, software, version, model, revision, sha256)


def facts(lines: list[str]) -> dict[str, Any]:
    """What ``provenance`` told, by its names; ``steps`` are those of STEPS."""
    found: dict[str, Any] = {"steps": [], "withheld": []}
    names = {name: what for what, name in STEPS.items()}
    for line in lines:
        name, _, text = line.partition(": ")
        if name in names:
            found["steps"] += filter(None, [step_from(names[name], text)])
        elif line.startswith(WITHHELD):
            found["withheld"].append(line)
        elif text and name not in found:
            found[name] = text
        elif line:
            found.setdefault("said", []).append(line)
    return found


def _clock(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"
