"""Whisper on CTranslate2, with faster-whisper's features and tokenizer: batches, judged and retried clip by clip.

faster-whisper's own batched pipeline judges nothing: it ignores its log-probability, no-speech and compression
thresholds. Here each clip of a batch is judged as OpenAI's reference does it (openai-whisper, ``transcribe.py``); the
retry is deterministic instead of sampled, since CTranslate2 has no seed a run could set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_compression_ratio, get_ctranslate2_storage, get_suppressed_tokens
from numpy.typing import NDArray

from speechpipe import languages
from speechpipe.engines.contract import Clip, ModelFiles, Options, Result, Utterance
from speechpipe.engines.loading import (
    checked_options,
    checked_pcm,
    clip_ms,
    ct2_folder,
    device_for,
    info_of,
    loading,
    parse_json,
    read_json,
    require,
    running,
)
from speechpipe.engines.prompts import prompt_tokens
from speechpipe.errors import BrokenModel, UsageError
from speechpipe.settings import Decoding

#: OpenAI's thresholds: silence is what is probably no speech and unlikely as text; text that zips too well is a loop.
NO_SPEECH_PROB = 0.6
LOW_LOGPROB = -1.0
HIGH_COMPRESSION = 2.4

#: How a clip that came out as a loop is decoded again.
_RETRY = {"repetition_penalty": 1.15, "no_repeat_ngram_size": 4}
_MS_PER_TIMESTAMP = 20


def load(model: ModelFiles, decoding: Decoding) -> FasterWhisper:
    return FasterWhisper(model, decoding)


class FasterWhisper:
    """The engine ``faster-whisper``. Prompts and languages are per clip; a batch never mixes lengths of prompt."""

    def __init__(self, model: ModelFiles, decoding: Decoding) -> None:
        folder = ct2_folder(model)
        for names in (("config.json",), ("tokenizer.json",), ("vocabulary.json", "vocabulary.txt")):
            file = require(model, [folder], *names)
            if file.suffix == ".json":  # the native loader would not say which file is damaged
                parse_json(file)
        features = read_json(folder / "preprocessor_config.json")
        device = device_for(decoding)
        with loading(model, folder / "model.bin"):
            self._whisper = WhisperModel(
                str(folder), device=device.name, compute_type=device.compute_type, cpu_threads=device.threads
            )
            if not features:  # older conversions leave it out: the model itself knows how many bands it hears
                self._whisper.feature_extractor = FeatureExtractor(feature_size=self._whisper.model.n_mels)
        self._extract = self._whisper.feature_extractor
        bands, heard = len(self._extract.mel_filters), self._whisper.model.n_mels
        if bands != heard:
            where = folder / "preprocessor_config.json"
            raise BrokenModel(f"The model's file {where} says {bands} bands of frequency; model.bin hears {heard}.")
        self._multilingual = bool(self._whisper.model.is_multilingual)
        self.info = info_of(
            "faster-whisper",
            "faster-whisper",
            model,
            {
                "device": device.name,
                "compute_type": str(self._whisper.model.compute_type),
                "no_speech_threshold": NO_SPEECH_PROB,
                "log_prob_threshold": LOW_LOGPROB,
                "compression_ratio_threshold": HIGH_COMPRESSION,
            },
        )

    def transcribe(self, clips: Sequence[Clip], options: Options) -> list[Result]:
        checked_options(options, self.info.name, "beam_size", "batch_size", "prompt", "vocabulary")
        jobs = [job for i, clip in enumerate(clips) if (job := self._job(i, clip, options)) is not None]
        results = [Result(language=clip.language) for clip in clips]
        for batch in _batches(jobs, options.batch_size):
            with running(self.info.model):
                for job, result in zip(batch, self._transcribe(batch, options), strict=True):
                    results[job.index] = result
        return results

    def detect_language(self, clips: Sequence[Clip]) -> list[tuple[str, float] | None]:
        heard = [checked_pcm(clip) for clip in clips]
        if not self._multilingual:
            return [None] * len(clips)
        with running(self.info.model):
            return [None if pcm is None else self._detected(self._encode([pcm]))[0] for pcm in heard]

    def language_probabilities(self, clips: Sequence[Clip]) -> list[dict[str, float] | None]:
        heard = [checked_pcm(clip) for clip in clips]
        if not self._multilingual:
            return [None] * len(clips)
        with running(self.info.model):
            return [None if pcm is None else self._probabilities(pcm) for pcm in heard]

    def _probabilities(self, pcm: NDArray[np.float32]) -> dict[str, float]:
        (ranked,) = self._whisper.model.detect_language(self._encode([pcm]))
        return {languages.check(token.strip("<|>")): float(probability) for token, probability in ranked}

    def _job(self, index: int, clip: Clip, options: Options) -> _Job | None:
        """None for a clip with nothing to hear; what is wrong with a clip is said before any is decoded."""
        language = None if clip.language is None else self._whisper_language(clip.language)
        pcm = checked_pcm(clip)
        prompt = prompt_tokens(self._encoded_text, options, clip.prompt)
        return None if pcm is None else _Job(index, clip, pcm, language, prompt)

    def _encoded_text(self, text: str) -> list[int]:
        """Token ids of ``text``, and no command to the model among them, whatever the text says."""
        first_command = self._whisper.hf_tokenizer.token_to_id("<|endoftext|>")
        ids = self._whisper.hf_tokenizer.encode(text, add_special_tokens=False).ids
        return [token for token in ids if token < first_command]

    def _whisper_language(self, code: str) -> str:
        whisper = languages.whisper_code(code)
        if not self._multilingual and whisper != "en":
            raise UsageError(f"The model {self.info.model} knows English only, not {languages.name(code)} ({code}).")
        if whisper is None or self._whisper.hf_tokenizer.token_to_id(f"<|{whisper}|>") is None:
            mapped = (
                "Whisper has no code for it" if whisper is None else f"its Whisper code {whisper} is not in the model"
            )
            raise UsageError(
                f"The model {self.info.model} does not know {languages.name(code)} ({code}): {mapped}.",
                cure="Choose a model of that language, or name a language near to it.",
            )
        return whisper

    def _transcribe(self, batch: Sequence[_Job], options: Options) -> Iterator[Result]:
        encoded = self._encode([job.pcm for job in batch])
        detected: list[tuple[str, float] | None] = [None] * len(batch)
        if self._multilingual and any(job.language is None for job in batch):
            detected = self._detected(encoded)
        prepared = [self._labelled(job, found) for job, found in zip(batch, detected, strict=True)]
        decodings = self._generate(encoded, [job for job, _, _ in prepared], options)
        for (job, label, probability), decoding in zip(prepared, decodings, strict=True):
            best = self._retried(job, decoding, options) if decoding.looping else decoding
            silent = best.no_speech_prob > NO_SPEECH_PROB and best.avg_logprob < LOW_LOGPROB
            yield Result(() if silent else tuple(self._utterances(job, best)), label, probability)

    def _labelled(self, job: _Job, found: tuple[str, float] | None) -> tuple[_Job, str | None, float | None]:
        """The job with the language it is decoded in, the label of that language, and how sure it is if detected."""
        if job.language is not None:
            return job, job.clip.language, None
        label, probability = found or ("en", None)
        return replace(job, language=languages.whisper_code(label)), label, probability

    def _retried(self, job: _Job, first: _Decoding, options: Options) -> _Decoding:
        """A second decoding, alone, that may not repeat itself; the better of both."""
        again = self._generate(self._encode([job.pcm]), [job], options, **_RETRY)[0]
        return min((first, again), key=lambda d: (d.looping, not d.text, -d.avg_logprob))

    def _encode(self, clips: Sequence[NDArray[np.float32]]) -> Any:
        """Encoder output of 30-second windows, the log-mel of each clip padded as faster-whisper does it."""
        frames = self._extract.nb_max_frames
        features = np.stack([pad_or_trim(self._extract(pcm), frames) for pcm in clips])
        return self._whisper.model.encode(get_ctranslate2_storage(features.astype(np.float32)))

    def _detected(self, encoded: Any) -> list[tuple[str, float] | None]:
        best = [ranked[0] for ranked in self._whisper.model.detect_language(encoded)]
        return [(languages.check(token.strip("<|>")), round(float(p), 4)) for token, p in best]

    def _generate(self, encoded: Any, jobs: Sequence[_Job], options: Options, **more: Any) -> list[_Decoding]:
        tokenizers = [self._tokenizer(job.language) for job in jobs]
        outputs = self._whisper.model.generate(
            encoded,
            [self._whisper.get_prompt(t, job.prompt) for t, job in zip(tokenizers, jobs, strict=True)],
            beam_size=options.beam_size,
            max_length=self._whisper.max_length,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=get_suppressed_tokens(tokenizers[0], [-1]),
            **more,
        )
        return [_Decoding.of(output, t) for output, t in zip(outputs, tokenizers, strict=True)]

    def _tokenizer(self, language: str | None) -> Tokenizer:
        return Tokenizer(self._whisper.hf_tokenizer, self._multilingual, task="transcribe", language=language)

    def _utterances(self, job: _Job, decoding: _Decoding) -> Iterator[Utterance]:
        tokenizer, duration = self._tokenizer(job.language), clip_ms(job.pcm)
        for start, end, tokens in split_at_timestamps(
            decoding.tokens, tokenizer.timestamp_begin, tokenizer.eot, duration
        ):
            text = tokenizer.decode(tokens).strip()
            if text:
                yield Utterance(
                    start,
                    end,
                    text,
                    avg_logprob=round(decoding.avg_logprob, 4),
                    no_speech_prob=round(decoding.no_speech_prob, 4),
                    compression_ratio=round(decoding.compression_ratio, 4),
                    temperature=0.0,
                    flags=("repetition",) if decoding.looping else (),
                )


@dataclass(frozen=True, slots=True)
class _Job:
    index: int
    clip: Clip
    pcm: NDArray[np.float32]
    language: str | None
    prompt: list[int]


@dataclass(frozen=True, slots=True)
class _Decoding:
    """What came out for one clip. ``avg_logprob`` is the mean of the tokens', end of text included."""

    tokens: list[int]
    text: str
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    looping: bool

    @classmethod
    def of(cls, output: Any, tokenizer: Tokenizer) -> _Decoding:
        tokens = output.sequences_ids[0]
        text = tokenizer.decode(tokens).strip()
        ratio = get_compression_ratio(text) if text else 0.0
        # The score is a mean over the tokens without the end of text (length_penalty 1), as in faster-whisper.
        logprob = output.scores[0] * len(tokens) / (len(tokens) + 1)
        return cls(
            tokens, text, float(logprob), float(output.no_speech_prob), ratio, ratio > HIGH_COMPRESSION or is_loop(text)
        )


def split_at_timestamps(
    tokens: Sequence[int], first_timestamp: int, end_of_text: int, duration_ms: int
) -> Iterator[tuple[int, int, list[int]]]:
    """Start, end (ms within 0..duration_ms, never backwards) and text tokens of each utterance that is marked."""
    start, text = 0, list[int]()
    for token in tokens:
        if token >= first_timestamp:
            at = max(start, min((token - first_timestamp) * _MS_PER_TIMESTAMP, duration_ms))
            if text:
                yield start, at, text
                text = []
            start = at
        elif token < end_of_text:
            text.append(token)
    if text:
        yield start, duration_ms, text


def is_loop(text: str) -> bool:
    """Whether the same one to eight words come at least four times, and six words in all, one after another."""
    words = re.findall(r"\w+", text.lower())
    for size in range(1, 9):
        same = 0
        for here, there in zip(words, words[size:], strict=False):
            same = same + 1 if here == there else 0
            if same >= max(3 * size, 6 - size):
                return True
    return False


def _batches(jobs: Sequence[_Job], size: int) -> Iterator[list[_Job]]:
    """Batches in the order given; CTranslate2 wants the start-of-transcript token at one position in a batch."""
    waiting: dict[int, list[_Job]] = {}
    for job in jobs:
        group = waiting.setdefault(len(job.prompt), [])
        group.append(job)
        if len(group) == size:
            yield waiting.pop(len(job.prompt))
    yield from waiting.values()
