"""Chunk, transcribe, align: each stage leaves a file behind, under a key of all that decides its result.

A stage whose key is unchanged is not done again. Within a stage every batch of windows is journalled, so that a killed
process loses at most the batch in hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from speechpipe import audio
from speechpipe.chunking.plan import Plan, Window, read_plan, write_plan
from speechpipe.engines.contract import Clip, Options, Result, Utterance
from speechpipe.language_identification.routing import AUTO_SEGMENT
from speechpipe.language_identification.window_languages import UNCERTAIN_FLAG, Spoken
from speechpipe.moments import now
from speechpipe.pipeline.chunk.audio_streams import BEST
from speechpipe.pipeline.chunk.look_ahead import Ahead
from speechpipe.pipeline.chunk.stage import make_plan
from speechpipe.pipeline.chunk.voice_activity import Hearing
from speechpipe.pipeline.context import Told, in_turn
from speechpipe.pipeline.journals.batches import Progress, append, done, in_batches, part, pending
from speechpipe.pipeline.journals.keys import Keys
from speechpipe.pipeline.journals.results import Results, plain
from speechpipe.pipeline.journals.scratch import Scratch
from speechpipe.pipeline.provenance import align_steps, chunk_step, engine_steps
from speechpipe.pipeline.recording import Recording, Summary
from speechpipe.pipeline.spoken_languages import Listening
from speechpipe.pipeline.transcriber import Transcriber
from speechpipe.pipeline.word_times import with_word_times
from speechpipe.transcript_data import Step
from speechpipe.workspace import Journal, Workspace, read_json

#: Shares of a stage for its bar of progress: decoding, during which speech is looked for, then the rest of it; hearing
#: languages, then recognising.
DECODING = 0.8
_LISTENING = 0.3


class Stages:
    """The stages of one recording over its workspace; call them in order, each needs the one before."""

    def __init__(
        self, transcriber: Transcriber, recording: Recording, workspace: Workspace, ahead: bool = False
    ) -> None:
        self.transcriber, self.recording, self.workspace = transcriber, recording, workspace
        self.routes, self.decoding = transcriber.routes, transcriber.settings.decoding
        self.language = recording.language or transcriber.settings.language
        self.keys = Keys(transcriber, recording, self.language)
        folder = workspace.stage_folder("chunk", self.keys.chunk)
        self.scratch = Scratch(recording, transcriber.settings.streams, folder)
        journal = workspace.journal("languages", self.keys.languages)
        self._listening = Listening(transcriber, self.language, self.scratch, journal)
        self._may_go_ahead = ahead
        self._plan: Plan | None = None

    def chunk(self, progress: Progress | None = None) -> Summary:
        """Decode, find speech, cut into windows."""
        file = self.scratch.folder / "plan.json"
        data = read_json(file)
        if data is None:
            started = now()
            journal = self._ahead_journal
            plan = self._plan_ahead(journal, progress) if journal else self._make_plan(progress)
            step = chunk_step(plan.decoded, self.recording.channels, self.transcriber, started)
            self._finish("chunk", self.keys.chunk, [step])
            write_plan(file, plan)
        else:
            plan = read_plan(data)
            # A copy of other name may have been done before, whose name is not this one's to tell.
            plan = replace(plan, media=replace(plan.media, name=self.recording.name))
        self._plan = plan
        speech_ms = sum(window.length_ms - window.overlap_ms for window in plan.windows)
        sentence = _chunk_sentence(plan, speech_ms)
        return Summary("chunk", sentence, len(plan.windows), speech_ms, reused=data is not None)

    def transcribe(self, progress: Progress | None = None) -> Summary:
        """Every window through the engine of its language."""
        started, windows = now(), self.plan.windows
        spoken = self._spoken(progress)
        key = self.transcribe_key
        reused = self.workspace.finished("transcribe", key) is not None
        if not reused:
            options = Options.of(self.decoding)
            journal = self.workspace.journal("transcribe", key)
            told = Told(windows, done(journal)) if options.context else None
            cut = in_turn if told else in_batches
            batches = cut(windows, self.decoding.batch_size, lambda w: spoken.languages[w.index])
            listened = _LISTENING if self.language == AUTO_SEGMENT else 0.0
            for batch in pending(journal, batches, part(progress, "transcribe", listened, 1)):
                language = spoken.languages[batch[0].index]
                engine = self.transcriber.engine_of(self.routes.of(language))
                clips = [Clip(self._pcm(w), language, told.before(w, language) if told else None) for w in batch]
                results = engine.transcribe(clips, options)
                heard = [self._entry(w, spoken, result) for w, result in zip(batch, results, strict=True)]
                append(journal, batch, heard)
                if told:
                    told.add(batch, heard)
            steps = list(engine_steps(spoken, self.transcriber, started))
            self._finish("transcribe", key, steps, spoken.warnings)
        found = self.results()
        words = sum(len(u.text.split()) for _, _, utterances in found.heard() for u in utterances)
        models = " and ".join(step.model or step.software for step in found.steps("transcribe"))
        with_models = f" with {models}" if models else ""
        sentence = f"Recognised {_count(words, 'word')} in {_count(len(windows), 'window')}{with_models}."
        return Summary("transcribe", sentence, len(windows), words=words, reused=reused)

    def align(self, progress: Progress | None = None) -> Summary:
        """A time for every word, from the emissions that the aligner of its language gives of the same windows."""
        started, key, found = now(), self.align_key, self.results()
        reused = self.workspace.finished("align", key) is not None
        if not reused:
            heard = {window.index: utterances for window, _, utterances in found.heard()}
            batches = in_batches(self.plan.windows, self.decoding.batch_size)
            journal = self.workspace.journal("align", key)
            for batch in pending(journal, batches, part(progress, "align")):
                append(journal, batch, [{"utterances": plain(self._aligned(w, heard[w.index]))} for w in batch])
            steps = align_steps(set(self._spoken().languages), self.transcriber, started)
            self._finish("align", key, list(steps))
        words = [word for _, utterances in found.timed() for u in utterances for word in u.words]
        aligned = sum(word.timing == "aligned" for word in words)
        sentence = f"Timed {aligned} of {len(words)} words against the sound." if words else "No words to time."
        return Summary("align", sentence, words=len(words), reused=reused)

    @property
    def plan(self) -> Plan:
        if self._plan is None:
            self.chunk()
        if self._plan is None:
            raise RuntimeError("chunk() makes a plan")
        return self._plan

    @property
    def transcribe_key(self) -> str:
        return self.keys.transcribe(self._spoken().languages)

    @property
    def align_key(self) -> str:
        return self.keys.align(self._spoken().languages)

    def results(self) -> Results:
        """What the stages left behind, each once it is done."""
        keys = {"chunk": self.keys.chunk, "transcribe": self.transcribe_key, "align": self.align_key}
        return Results(self.workspace, self.plan, keys)

    # Inside.

    def _make_plan(self, progress: Progress | None, ahead: Ahead | None = None) -> Plan:
        media = replace(audio.probe(self.recording.path), name=self.recording.name, sha256=self.recording.sha256)
        folder = self.scratch.folder
        with Hearing(folder, ahead.heard if ahead else None) as hearing:
            sound = self.scratch.decode(media, hearing.reporting(part(progress, "chunk", 0, DECODING)))
        report = part(progress, "chunk", DECODING, 1)
        plan = make_plan(media, sound.decoded, folder, self.transcriber.chunking, report, hearing)
        return replace(plan, windows=tuple(replace(w, language=sound.languages.get(w.file)) for w in plan.windows))

    @property
    def _ahead_journal(self) -> Journal | None:
        """Where windows may be recognised before the plan is whole; None where what they are given to is not known."""
        settings, language = self.transcriber.settings, self.language
        known = language not in (None, AUTO_SEGMENT) and settings.streams == BEST
        if not (self._may_go_ahead and known) or self.decoding.context or self.transcriber.chunking.also:
            return None
        key = self.keys.transcribe((language,))
        return None if self.workspace.finished("transcribe", key) else self.workspace.journal("transcribe", key)

    def _plan_ahead(self, journal: Journal, progress: Progress | None) -> Plan:
        """The plan, and in the journal what could be recognised meanwhile; nothing where it turned out otherwise."""
        known = done(journal)
        options = Options.of(self.decoding)

        def recognise(batch: Sequence[Window], pcm: audio.Pcm) -> None:
            if all(window.index in known for window in batch):
                return
            engine = self.transcriber.engine_of(self.routes.of(self.language))
            clips = [Clip(pcm.read(w.start_ms, w.end_ms), self.language) for w in batch]
            results = engine.transcribe(clips, options)
            append(journal, batch, [{"language": self.language, "utterances": plain(r.utterances)} for r in results])

        ahead = Ahead(self.scratch.folder, self.transcriber.chunking, self.decoding.batch_size, recognise)
        with ahead:
            plan = self._make_plan(progress, ahead)
        if not ahead.holds(plan.windows):
            journal.path.unlink(missing_ok=True)
        return plan

    def _spoken(self, progress: Progress | None = None) -> Spoken:
        return self._listening.spoken(self.plan, part(progress, "transcribe", 0, _LISTENING))

    def _pcm(self, window: Window) -> Any:
        return self.scratch.pcm(window, self.plan.media)

    def _aligned(self, window: Window, utterances: tuple[Utterance, ...]) -> list[Utterance]:
        aligner = self.transcriber.aligner_of(self.routes.of(self._spoken().languages[window.index]))
        spoken = any(u.text.split() for u in utterances)
        emissions = aligner.emissions([self._pcm(window)])[0] if aligner and spoken else None
        return with_word_times(utterances, emissions, window.length_ms, self.transcriber.settings.alignment.method)

    def _entry(self, window: Window, spoken: Spoken, result: Result) -> dict[str, Any]:
        language = spoken.languages[window.index] or self.transcriber.label(result.language)
        doubt = (UNCERTAIN_FLAG,) if window.index in spoken.uncertain else ()
        utterances = [replace(u, flags=u.flags + doubt) for u in result.utterances]
        return {"language": language, "utterances": plain(utterances)}

    def _finish(self, stage: str, key: str, steps: Sequence[Step], warnings: Sequence[str] = ()) -> None:
        self.workspace.finish(stage, key, {"steps": [asdict(step) for step in steps], "warnings": list(warnings)})


def _chunk_sentence(plan: Plan, speech_ms: int) -> str:
    if not plan.decoded.lanes:
        return "There is no sound track."
    if not plan.windows:
        return f"Found no speech in {plan.decoded.duration_ms / 1000:.0f} s."
    lanes = len(plan.decoded.lanes)
    where = f" on {lanes} channels" if lanes > 1 else ""
    return (
        f"Found {speech_ms / 1000:.0f} s of speech in {plan.decoded.duration_ms / 1000:.0f} s{where}, "
        f"cut into {_count(len(plan.windows), 'window')}."
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
