"""From the stages' results to the transcript: the only place where clip time becomes recording time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from speechpipe import quality
from speechpipe.chunking.plan import Plan
from speechpipe.pipeline.joining import joined
from speechpipe.pipeline.journals.results import Results
from speechpipe.pipeline.word_times import shifted
from speechpipe.transcript import Transcript
from speechpipe.transcript_data import Outcome, Segment

#: A recording that stays below this is silent.
SILENT_PEAK_DBFS = -60.0


def assemble(results: Results, warnings: tuple[str, ...] = ()) -> Transcript:
    """The transcript of a recording whose stages are done."""
    plan = results.plan
    segments = sorted(_segments(results), key=lambda s: (s.start_ms, -1 if s.channel is None else s.channel, s.end_ms))
    segments = [replace(segment, id=number) for number, segment in enumerate(quality.flagged(segments), 1)]
    return Transcript(
        media=plan.media,
        outcome=_outcome(plan, bool(segments)),
        segments=tuple(segments),
        events=plan.events,
        languages=tuple(dict.fromkeys(s.language for s in segments if s.language)),
        steps=results.steps(),
        warnings=results.warnings() + warnings,
        complete=plan.decoded.complete,
        incomplete_reason=plan.decoded.incomplete_reason,
    )


def _segments(results: Results) -> Iterator[Segment]:
    languages = {window.index: language for window, language, _ in results.heard()}
    for window, utterances in joined(results.timed()):
        for utterance in utterances:
            if not utterance.text.split():
                continue
            yield Segment(
                id=0,
                start_ms=window.start_ms + utterance.start_ms,
                end_ms=window.start_ms + utterance.end_ms,
                text=" ".join(utterance.text.split()),
                words=tuple(shifted(word, window.start_ms) for word in utterance.words),
                language=languages[window.index],
                channel=window.channel,
                avg_logprob=utterance.avg_logprob,
                no_speech_prob=utterance.no_speech_prob,
                compression_ratio=utterance.compression_ratio,
                temperature=utterance.temperature,
                flags=utterance.flags,
            )


def _outcome(plan: Plan, spoken: bool) -> Outcome:
    if spoken:
        return "speech"
    if not plan.decoded.lanes:
        return "no_audio"
    # What is shorter than an event is judged by its level alone.
    level = max((c.peak_dbfs for c in plan.decoded.channels if c.peak_dbfs is not None), default=None)
    quiet = level is None or level < SILENT_PEAK_DBFS or bool(plan.events)
    silent = quiet and not plan.windows and all(event.kind == "silence" for event in plan.events)
    return "silent" if silent else "no_speech"
