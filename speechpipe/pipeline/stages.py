"""Chunk, transcribe, align: each stage leaves a file behind, under a key of all that decides its result.

A stage whose key is unchanged is not done again. Within a stage every batch of windows is journalled, so that a killed
process loses at most the batch in hand.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from speechpipe import audio
from speechpipe.engines.contract import Clip, Options, Result, Utterance
from speechpipe.pipeline import listening
from speechpipe.pipeline.batches import Progress, append, done, in_batches, part, pending
from speechpipe.pipeline.context import Told, in_turn
from speechpipe.pipeline.detection import hear, places
from speechpipe.pipeline.hearing import Hearing
from speechpipe.pipeline.models import Transcriber
from speechpipe.pipeline.plan import Plan, Window, read_plan, write_plan
from speechpipe.pipeline.planning import make_plan
from speechpipe.pipeline.provenance import align_steps, chunk_step, engine_steps, now
from speechpipe.pipeline.routing import AUTO_SEGMENT
from speechpipe.pipeline.streaming import Ahead
from speechpipe.pipeline.streams import BEST, Sound, decode_streams
from speechpipe.pipeline.timing import utterance_from_dict, with_word_times
from speechpipe.transcript import Media, Step
from speechpipe.workspace import Journal, Workspace, read_json, stage_key

__all__ = ["Progress", "Recording", "Stages", "Summary", "now"]

VERSIONS = {"chunk": 2, "languages": 1, "transcribe": 3, "align": 2}
#: Shares of a stage for its bar of progress: decoding, during which speech is looked for, then the rest of it; hearing
#: languages, then recognising.
DECODING = 0.8
_LISTENING = 0.3


@dataclass(frozen=True, slots=True)
class Recording:
    """What is worked on: a local file, its digest, and the name it has for people."""

    path: Path
    name: str
    sha256: str
    channels: str = "auto"
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a stage did, in one sentence and in numbers."""

    stage: str
    sentence: str
    windows: int = 0
    speech_ms: int = 0
    words: int = 0
    reused: bool = False


class Stages:
    """The stages of one recording over its workspace; call them in order, each needs the one before."""

    def __init__(
        self, transcriber: Transcriber, recording: Recording, workspace: Workspace, ahead: bool = False
    ) -> None:
        self.transcriber, self.recording, self.workspace = transcriber, recording, workspace
        self.routes, self.decoding = transcriber.routes, transcriber.settings.decoding
        self.language = recording.language or transcriber.settings.language
        #: How often the recording itself was read.
        self.reads = 0
        self._spoken: listening.Spoken | None = None
        self._may_go_ahead = ahead
        self.chunk_key = stage_key(
            "chunk",
            VERSIONS["chunk"],
            recording.sha256,
            channels=recording.channels,
            streams=transcriber.settings.streams,
            chunking=transcriber.chunking.model_dump(),
        )
        self.languages_key = stage_key(
            "languages",
            VERSIONS["languages"],
            self.chunk_key,
            language=self.language,
            allowed=self.routes.allowed,
            models=[route.identity for route in self.routes.named],
        )

    @property
    def transcribe_key(self) -> str:
        """Known once the languages are."""
        languages = self._listen().languages
        return self._transcribe_key(languages if len(set(languages)) > 1 else languages[:1])

    def _transcribe_key(self, languages: Sequence[str | None]) -> str:
        return stage_key(
            "transcribe",
            VERSIONS["transcribe"],
            self.languages_key,
            languages=languages,
            models={str(language): self.routes.of(language).identity for language in languages},
            decoding=self.decoding.model_dump(exclude={"threads"}),
        )

    @property
    def align_key(self) -> str:
        aligners = {str(language): self.routes.of(language).aligner for language in self._listen().languages}
        return stage_key(
            "align",
            VERSIONS["align"],
            self.transcribe_key,
            aligners={language: model and (model.name, model.sha256) for language, model in aligners.items()},
            method=self.transcriber.settings.alignment.method,
        )

    def chunk(self, progress: Progress | None = None) -> Summary:
        """Decode, find speech, cut into windows."""
        folder = self._chunk_folder
        data = read_json(folder / "plan.json")
        reused = data is not None
        if data is None:
            started = now()
            journal = self._ahead_journal
            plan = self._plan_ahead(journal, progress) if journal else self._make_plan(progress)
            step = chunk_step(plan.decoded, self.recording.channels, self.transcriber, started)
            self._finish("chunk", self.chunk_key, [step])
            write_plan(folder / "plan.json", plan)
        else:
            plan = read_plan(data)
            # A copy of other name may have been done before, whose name is not this one's to tell.
            plan = replace(plan, media=replace(plan.media, name=self.recording.name))
        self.__dict__["plan"] = plan
        speech_ms = sum(window.length_ms - window.overlap_ms for window in plan.windows)
        return Summary("chunk", _chunk_sentence(plan, speech_ms), len(plan.windows), speech_ms, reused=reused)

    def transcribe(self, progress: Progress | None = None) -> Summary:
        """Every window through the engine of its language."""
        started = now()
        spoken = self._listen(progress)
        key = self.transcribe_key
        reused = self.workspace.finished("transcribe", key) is not None
        if not reused:
            options = Options.of(self.decoding)
            journal = self.workspace.journal("transcribe", key)
            told = Told(self.plan.windows, done(journal)) if options.context else None
            cut = in_turn if told else in_batches
            batches = cut(self.plan.windows, self.decoding.batch_size, lambda w: spoken.languages[w.index])
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
        words = sum(len(u.text.split()) for _, _, utterances in self.heard() for u in utterances)
        models = " and ".join(step.model or step.software for step in self._steps("transcribe", key))
        with_models = f" with {models}" if models else ""
        sentence = f"Recognised {_count(words, 'word')} in {_count(len(self.plan.windows), 'window')}{with_models}."
        return Summary("transcribe", sentence, len(self.plan.windows), words=words, reused=reused)

    def align(self, progress: Progress | None = None) -> Summary:
        """A time for every word, from the emissions that the aligner of its language gives of the same windows."""
        started = now()
        key = self.align_key
        reused = self.workspace.finished("align", key) is not None
        if not reused:
            heard = {window.index: utterances for window, _, utterances in self.heard()}
            batches = in_batches(self.plan.windows, self.decoding.batch_size)
            journal = self.workspace.journal("align", key)
            for batch in pending(journal, batches, part(progress, "align")):
                append(journal, batch, [{"utterances": _plain(self._aligned(w, heard[w.index]))} for w in batch])
            steps = align_steps(set(self._listen().languages), self.transcriber, started)
            self._finish("align", key, list(steps))
        words = [word for _, utterances in self.timed() for u in utterances for word in u.words]
        aligned = sum(word.timing == "aligned" for word in words)
        sentence = f"Timed {aligned} of {len(words)} words against the sound." if words else "No words to time."
        return Summary("align", sentence, words=len(words), reused=reused)

    def drop_sound(self) -> None:
        """And the plan made of it. What was recognised stays."""
        shutil.rmtree(self._chunk_folder, ignore_errors=True)

    # What the stages left behind.

    @property
    def plan(self) -> Plan:
        if "plan" not in self.__dict__:
            self.chunk()
        plan: Plan = self.__dict__["plan"]
        return plan

    def heard(self) -> list[tuple[Window, str | None, tuple[Utterance, ...]]]:
        """Each window with its language and what the engine heard in it."""
        entries = done(self.workspace.journal("transcribe", self.transcribe_key))
        return [
            (window, entries[window.index]["language"], utterances_of(entries[window.index]))
            for window in self.plan.windows
        ]

    def timed(self) -> list[tuple[Window, tuple[Utterance, ...]]]:
        """Each window with its utterances, words timed, still counted from the window's start."""
        entries = done(self.workspace.journal("align", self.align_key))
        return [(window, utterances_of(entries[window.index])) for window in self.plan.windows]

    def steps(self) -> tuple[Step, ...]:
        """Provenance of the stages, as it was when they were done; no step for a model that was not asked."""
        keys = {"chunk": self.chunk_key, "transcribe": self.transcribe_key, "align": self.align_key}
        return tuple(step for stage, key in keys.items() for step in self._steps(stage, key))

    def warnings(self) -> tuple[str, ...]:
        """What the recording's reader must know of how it went."""
        found = self.workspace.finished("transcribe", self.transcribe_key) or {}
        return (*self.plan.decoded.warnings, *found.get("warnings", ()))

    # Inside.

    @property
    def _chunk_folder(self) -> Path:
        return self.workspace.stage_folder("chunk", self.chunk_key)

    def _make_plan(self, progress: Progress | None, ahead: Ahead | None = None) -> Plan:
        path, folder = self.recording.path, self._chunk_folder
        media = replace(audio.probe(path), name=self.recording.name, sha256=self.recording.sha256)
        with Hearing(folder, ahead.heard if ahead else None) as hearing:
            sound = self._decode(media, hearing.reporting(part(progress, "chunk", 0, DECODING)))
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
        key = self._transcribe_key((language,))
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
            append(journal, batch, [{"language": self.language, "utterances": _plain(r.utterances)} for r in results])

        ahead = Ahead(self._chunk_folder, self.transcriber.chunking, self.decoding.batch_size, recognise)
        with ahead:
            plan = self._make_plan(progress, ahead)
        if not ahead.holds(plan.windows):
            journal.path.unlink(missing_ok=True)
        return plan

    def _decode(self, media: Media, report: Callable[[int, int], None]) -> Sound:
        self.reads += 1
        path, streams = self.recording.path, self.transcriber.settings.streams
        return decode_streams(path, self._chunk_folder, self.recording.channels, streams, media, report)

    def _pcm(self, window: Window) -> Any:
        path = self._chunk_folder / window.file
        if not path.exists():  # dropped after an earlier, complete run
            self._decode(self.plan.media, part(None, ""))
        return audio.Pcm(path).read(window.start_ms, window.end_ms)

    def _listen(self, progress: Progress | None = None) -> listening.Spoken:
        """The language of every window; listened for once, then read from the journal, then remembered."""
        if self._spoken is None:
            windows = self.plan.windows
            if not windows or self.language not in (None, AUTO_SEGMENT):
                self._spoken = listening.given(self.language, windows)
            elif self.language is None:
                told = [self._tagged(window) for window in windows]
                chosen = places([window for window, language in zip(windows, told, strict=True) if language is None])
                heard = self._hear(chosen, part(None, "")) if chosen else []
                self._spoken = listening.of_the_whole(heard, chosen, told)
            else:
                report = part(progress, "transcribe", 0, _LISTENING)
                self._spoken = listening.of_each(self._hear(windows, report), windows)
        return self._spoken

    def _tagged(self, window: Window) -> str | None:
        """The language of the window's stream, where a model knows it."""
        allowed = self.routes.allowed
        return window.language if not allowed or window.language in allowed else None

    def _hear(self, windows: Sequence[Window], report: Callable[[int, int], None]) -> list[listening.Heard | None]:
        journal = self.workspace.journal("languages", self.languages_key)
        for batch in pending(journal, in_batches(windows, self.decoding.batch_size), report):
            found = hear(self.transcriber.listener, [Clip(self._pcm(window)) for window in batch])
            heard = [listening.Heard.of(probabilities, self.routes.allowed) for probabilities in found]
            append(journal, batch, [listening.entry_of(one) for one in heard])
        entries = done(journal)
        return [listening.heard_of(entries[window.index]) for window in windows]

    def _aligned(self, window: Window, utterances: tuple[Utterance, ...]) -> list[Utterance]:
        aligner = self.transcriber.aligner_of(self.routes.of(self._listen().languages[window.index]))
        spoken = any(u.text.split() for u in utterances)
        emissions = aligner.emissions([self._pcm(window)])[0] if aligner and spoken else None
        return with_word_times(utterances, emissions, window.length_ms, self.transcriber.settings.alignment.method)

    def _entry(self, window: Window, spoken: listening.Spoken, result: Result) -> dict[str, Any]:
        language = spoken.languages[window.index] or self.transcriber.label(result.language)
        doubt = (listening.UNCERTAIN_FLAG,) if window.index in spoken.uncertain else ()
        utterances = [replace(u, flags=u.flags + doubt) for u in result.utterances]
        return {"language": language, "utterances": _plain(utterances)}

    def _finish(self, stage: str, key: str, steps: Sequence[Step], warnings: Sequence[str] = ()) -> None:
        self.workspace.finish(stage, key, {"steps": [asdict(step) for step in steps], "warnings": list(warnings)})

    def _steps(self, stage: str, key: str) -> list[Step]:
        return [Step(**step) for step in (self.workspace.finished(stage, key) or {}).get("steps", ())]


def _plain(utterances: Sequence[Utterance]) -> list[dict[str, Any]]:
    return [asdict(utterance) for utterance in utterances]


def utterances_of(entry: dict[str, Any]) -> tuple[Utterance, ...]:
    return tuple(utterance_from_dict(utterance) for utterance in entry["utterances"])


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
