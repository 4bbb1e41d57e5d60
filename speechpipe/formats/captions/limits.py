"""Which captions break which limit, and by how much: what a person who polishes them looks at first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from speechpipe.formats.captions.cues import Cue, cues, line_length
from speechpipe.formats.captions.vtt import timestamp
from speechpipe.formats.provenance import WITHHELD, withhold
from speechpipe.formats.text import visible_length
from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import TranscriptData


def report(transcript: TranscriptData, limits: Captions) -> list[str]:
    """A line a cue that breaks a limit, then a summary and what is withheld."""
    shown = withhold(transcript, limits.withhold)
    made = cues(shown, limits)
    broken = [cue for cue in made if cue.beyond]
    lines = [_line(cue, limits, _next_start(made, cue)) for cue in broken]
    kinds = Counter(name for cue in broken for name in cue.beyond)
    told = ", ".join(f"{count} {name}" for name, count in kinds.most_common())
    lines.append(f"{len(made)} cues ({limits.preset}); {len(broken)} beyond a limit" + (f": {told}." if told else "."))
    return lines + [warning for warning in shown.warnings if warning.startswith(WITHHELD)]


def _line(cue: Cue, limits: Captions, following: int | None) -> str:
    who = f" {cue.lane.name}" if cue.lane and cue.lane.name else ""
    return f"Cue {cue.number} at {timestamp(cue.start_ms)}{who}: {'; '.join(_breaches(cue, limits, following))}"


def _breaches(cue: Cue, limits: Captions, following: int | None) -> Iterator[str]:
    duration, pace = cue.end_ms - cue.start_ms, limits.max_chars_per_second or 0
    size = f"{len(cue.lines)} lines of up to {max(map(line_length, cue.lines))} characters"
    told = {
        "speed": f"{visible_length(cue.text) * 1000 / duration:.1f} characters a second, not {pace:g}",
        "short": f"{duration} ms, not {limits.min_cue_ms}",
        "long": f"{duration} ms, not {limits.max_cue_ms}",
        "lines": f"{size}, not {limits.max_lines} of {limits.max_line_chars}",
        "gap": f"{(following or cue.end_ms) - cue.end_ms} ms before the next, not {limits.min_gap_ms}",
    }
    yield from (told[name] for name in cue.beyond)


def _next_start(made: Sequence[Cue], cue: Cue) -> int | None:
    after = (other.start_ms for other in made[cue.number :] if other.lane == cue.lane)
    return next(after, None)
