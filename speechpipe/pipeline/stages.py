"""Chunk, transcribe, align: each stage leaves a file behind, under a key of all that decides its result.

A stage whose key is unchanged is not done again. Within a stage every batch of windows is journalled, so that a killed
process loses at most the batch in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from speechpipe import audio, chunking, installed
from speechpipe.engines.contract import Clip, ModelFiles, Options, Utterance
from speechpipe.pipeline.detection import detect_language
from speechpipe.pipeline.models import Transcriber
from speechpipe.pipeline.plan import Plan, Window, read_plan, write_plan
from speechpipe.pipeline.timing import utterance_from_dict, with_word_times
from speechpipe.transcript import Event, Media, Step
from speechpipe.workspace import Workspace, read_json, stage_key

#: ``progress(stage, done_ms, total_ms)``: stage is "chunk", "transcribe" or "align"; time is time of audio.
Progress = Callable[[str, int, int], None]

VERSIONS = {"chunk": 1, "transcribe": 1, "align": 1}


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

    def __init__(self, transcriber: Transcriber, recording: Recording, workspace: Workspace) -> None:
        self.transcriber, self.recording, self.workspace = transcriber, recording, workspace
        settings, info = transcriber.settings, transcriber.model
        self.language = recording.language or settings.language
        self.chunk_key = stage_key(
            "chunk",
            VERSIONS["chunk"],
            recording.sha256,
            channels=recording.channels,
            chunking=transcriber.chunking.model_dump(),
        )
        self.transcribe_key = stage_key(
            "transcribe",
            VERSIONS["transcribe"],
            self.chunk_key,
            engine=transcriber.engine_name,
            model=info.name,
            revision=info.revision,
            sha256=info.sha256,
            language=self.language,
            decoding=settings.decoding.model_dump(exclude={"threads"}),
        )
        aligner = transcriber.aligner_model
        self.align_key = stage_key(
            "align",
            VERSIONS["align"],
            self.transcribe_key,
            aligner=aligner and aligner.name,
            sha256=aligner and aligner.sha256,
        )

    def chunk(self, progress: Progress | None = None) -> Summary:
        """Decode, find speech, cut into windows."""
        folder = self._chunk_folder
        data = read_json(folder / "plan.json")
        reused = data is not None
        if data is None:
            started = now()
            plan = self._make_plan(progress)
            self.workspace.finish("chunk", self.chunk_key, asdict(self._chunk_step(plan.decoded, started)))
            write_plan(folder / "plan.json", plan)
        else:
            plan = read_plan(data)
        self.__dict__["plan"] = plan
        speech_ms = sum(window.length_ms for window in plan.windows)
        return Summary("chunk", _chunk_sentence(plan, speech_ms), len(plan.windows), speech_ms, reused=reused)

    def transcribe(self, progress: Progress | None = None) -> Summary:
        """Every window through the engine, in the plan's batches."""
        done = self.workspace.finished("transcribe", self.transcribe_key)
        if done is None:
            started = now()
            language, probability = self._language()
            options = Options.of(self.transcriber.settings.decoding)
            for batch in self._pending("transcribe", self.transcribe_key, progress):
                clips = [Clip(self._pcm(window), language) for window in batch]
                results = self.transcriber.engine.transcribe(clips, options)
                heard = [{"language": r.language, "utterances": _plain(r.utterances)} for r in results]
                self._append("transcribe", self.transcribe_key, batch, heard)
            step = self._engine_step(language, probability, started) if self.plan.windows else None
            self.workspace.finish("transcribe", self.transcribe_key, asdict(step) if step else {})
        words = sum(len(u.text.split()) for _, _, utterances in self.heard() for u in utterances)
        sentence = f"Recognised {words} words in {len(self.plan.windows)} windows with {self.transcriber.model.name}."
        return Summary("transcribe", sentence, len(self.plan.windows), words=words, reused=done is not None)

    def align(self, progress: Progress | None = None) -> Summary:
        """A time for every word, from the aligner's emissions of the same windows."""
        done = self.workspace.finished("align", self.align_key)
        if done is None:
            started = now()
            heard = {window.index: utterances for window, _, utterances in self.heard()}
            for batch in self._pending("align", self.align_key, progress):
                timed = [{"utterances": _plain(self._aligned(w, heard[w.index]))} for w in batch]
                self._append("align", self.align_key, batch, timed)
            step = self._align_step(started) if self.plan.windows else None
            self.workspace.finish("align", self.align_key, asdict(step) if step else {})
        words = [word for _, utterances in self.timed() for u in utterances for word in u.words]
        aligned = sum(word.timing == "aligned" for word in words)
        sentence = f"Timed {aligned} of {len(words)} words against the sound." if words else "No words to time."
        return Summary("align", sentence, words=len(words), reused=done is not None)

    # What the stages left behind.

    @property
    def plan(self) -> Plan:
        if "plan" not in self.__dict__:
            self.chunk()
        plan: Plan = self.__dict__["plan"]
        return plan

    def heard(self) -> list[tuple[Window, str | None, tuple[Utterance, ...]]]:
        """Each window with its language and what the engine heard in it."""
        entries = self._entries("transcribe", self.transcribe_key)
        return [
            (window, entries[window.index]["language"], utterances_of(entries[window.index]))
            for window in self.plan.windows
        ]

    def timed(self) -> list[tuple[Window, tuple[Utterance, ...]]]:
        """Each window with its utterances, words timed, still counted from the window's start."""
        entries = self._entries("align", self.align_key)
        return [(window, utterances_of(entries[window.index])) for window in self.plan.windows]

    def steps(self) -> tuple[Step, ...]:
        """Provenance of the stages, as it was when they were done; no step for a model that was not asked."""
        keys = {"chunk": self.chunk_key, "transcribe": self.transcribe_key, "align": self.align_key}
        summaries = [self.workspace.finished(stage, key) for stage, key in keys.items()]
        return tuple(Step(**summary) for summary in summaries if summary)

    # Inside.

    @property
    def _chunk_folder(self) -> Path:
        return self.workspace.stage_folder("chunk", self.chunk_key)

    def _make_plan(self, progress: Progress | None) -> Plan:
        media = replace(audio.probe(self.recording.path), name=self.recording.name, sha256=self.recording.sha256)
        decoded = self._decode(progress, media)
        windows: list[Window] = []
        events: list[Event] = []
        for lane in decoded.lanes:
            pcm = audio.Pcm(self._chunk_folder / lane.file)
            probabilities = chunking.speech_probabilities(pcm)
            spans = chunking.plan_windows(probabilities, pcm.duration_ms, self.transcriber.chunking)
            windows += [Window(0, lane.channel, lane.file, span.start_ms, span.end_ms) for span in spans]
            events += chunking.find_events(pcm, probabilities, spans, lane.channel)
        # By time, so that batches follow the recording; the index names a window in the journals.
        windows.sort(key=lambda window: (window.start_ms, -1 if window.channel is None else window.channel))
        numbered = tuple(replace(window, index=index) for index, window in enumerate(windows))
        events.sort(key=lambda event: (event.start_ms, -1 if event.channel is None else event.channel))
        media = replace(media, duration_ms=decoded.duration_ms if decoded.lanes else media.duration_ms)
        return Plan(media, decoded, numbered, tuple(events))

    def _decode(self, progress: Progress | None, media: Media) -> audio.Decoded:
        def report(done_ms: int, total_ms: int | None) -> None:
            if progress:
                progress("chunk", done_ms, total_ms or media.declared_ms or 0)

        return audio.decode(self.recording.path, self._chunk_folder, self.recording.channels, report)

    def _pcm(self, window: Window) -> Any:
        path = self._chunk_folder / window.file
        if not path.exists():  # dropped after an earlier, complete run
            self._decode(None, self.plan.media)
        return audio.Pcm(path).read(window.start_ms, window.end_ms)

    def _pending(self, stage: str, key: str, progress: Progress | None) -> Iterator[list[Window]]:
        """The batches not yet in the journal. They are fixed by the plan, never by what is already done."""
        size = self.transcriber.settings.decoding.batch_size
        windows = self.plan.windows
        total = sum(window.length_ms for window in windows)
        known, done_ms = self._entries(stage, key), 0
        for start in range(0, len(windows), size):
            batch = list(windows[start : start + size])
            if not all(window.index in known for window in batch):
                yield batch
            done_ms += sum(window.length_ms for window in batch)
            if progress:
                progress(stage, done_ms, total)

    def _entries(self, stage: str, key: str) -> dict[int, dict[str, Any]]:
        entries: dict[int, dict[str, Any]] = {}
        for line in self.workspace.journal(stage, key).read():
            entries.update({int(index): entry for index, entry in line["windows"].items()})
        return entries

    def _append(self, stage: str, key: str, batch: list[Window], results: list[dict[str, Any]]) -> None:
        paired = zip(batch, results, strict=True)
        self.workspace.journal(stage, key).append({"windows": {str(w.index): result for w, result in paired}})

    def _language(self) -> tuple[str | None, float | None]:
        if self.language is not None or not self.plan.windows:
            return self.language, None
        found = detect_language(self.transcriber.engine, self.plan.windows, self._pcm)
        return (self.transcriber.label(found[0]), found[1]) if found else (None, None)

    def _aligned(self, window: Window, utterances: tuple[Utterance, ...]) -> list[Utterance]:
        aligner = self.transcriber.aligner
        spoken = any(u.text.split() for u in utterances)
        emissions = aligner.emissions([self._pcm(window)])[0] if aligner and spoken else None
        return with_word_times(utterances, emissions, window.length_ms)

    def _chunk_step(self, decoded: audio.Decoded, started: str) -> Step:
        settings = {"channels": decoded.policy, **self.transcriber.chunking.model_dump()}
        return _step("chunk", "speechpipe", installed.version(), settings, started)

    def _engine_step(self, language: str | None, probability: float | None, started: str) -> Step:
        model, info = self.transcriber.model, self.transcriber.engine.info
        settings: dict[str, Any] = {"language": language, "language_probability": probability}
        settings |= asdict(Options.of(self.transcriber.settings.decoding)) | info.settings
        return _model_step("transcribe", self.transcriber.engine_name, info.version, model, settings, started)

    def _align_step(self, started: str) -> Step | None:
        model = self.transcriber.aligner_model
        if model is None:
            return None
        settings = {"method": "CTC Viterbi"}
        return _model_step("align", "speechpipe", installed.version(), model, settings, started)


def _plain(utterances: Sequence[Utterance]) -> list[dict[str, Any]]:
    return [asdict(utterance) for utterance in utterances]


def utterances_of(entry: dict[str, Any]) -> tuple[Utterance, ...]:
    return tuple(utterance_from_dict(utterance) for utterance in entry["utterances"])


def now() -> str:
    """This moment in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _model_step(
    what: str, software: str, version: str, model: ModelFiles, settings: dict[str, Any], started: str
) -> Step:
    return replace(
        _step(what, software, version, settings, started),
        model=model.name,
        model_revision=model.revision,
        model_sha256=model.sha256,
        model_licence=model.licence,
    )


def _step(what: str, software: str, version: str, settings: dict[str, Any], started: str) -> Step:
    return Step(what, software, version, settings=settings, started=started, ended=now())


def _chunk_sentence(plan: Plan, speech_ms: int) -> str:
    if not plan.decoded.lanes:
        return "There is no sound track."
    if not plan.windows:
        return f"Found no speech in {plan.decoded.duration_ms / 1000:.0f} s."
    lanes = len(plan.decoded.lanes)
    where = f" on {lanes} channels" if lanes > 1 else ""
    return (
        f"Found {speech_ms / 1000:.0f} s of speech in {plan.decoded.duration_ms / 1000:.0f} s{where}, "
        f"cut into {len(plan.windows)} windows."
    )
