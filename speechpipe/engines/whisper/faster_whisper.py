"""Whisper on CTranslate2, with faster-whisper's features and tokenizer.

faster-whisper's own batched pipeline judges nothing: it ignores its log-probability, no-speech and compression
thresholds. Here ``fallback`` does, and this module decodes as it is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_ctranslate2_storage, get_suppressed_tokens
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from speechpipe import languages
from speechpipe.engines.contract import ALL_OPTIONS, SAMPLE_RATE, ModelFiles, Options
from speechpipe.engines.loading import ct2_folder, device_for, info_of, loading, parse_json, read_json, require
from speechpipe.engines.whisper import fallback
from speechpipe.engines.whisper.engine import WhisperEngine, take_of
from speechpipe.engines.whisper.fallback import Attempt, Take
from speechpipe.errors import BrokenModel
from speechpipe.settings.decoding import Decoding


def load(model: ModelFiles, decoding: Decoding) -> FasterWhisper:
    return FasterWhisper(model, decoding)


class FasterWhisper(WhisperEngine):
    """The engine ``faster-whisper``."""

    def __init__(self, model: ModelFiles, decoding: Decoding) -> None:
        folder = ct2_folder(model)
        super().__init__(folder, model.path)
        for names in (("config.json",), ("tokenizer.json",), ("vocabulary.json", "vocabulary.txt")):
            file = require(model, [folder], *names)
            if file.suffix == ".json":  # the native loader would not say which file is damaged
                parse_json(file)
        features = read_json(folder / "preprocessor_config.json")
        device = device_for(decoding, model.avoid_compute_types)
        if (device.name, device.compute_type) == ("cpu", "default"):  # as stored, in float32, it is slow and large
            device = device._replace(compute_type="int8")
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
        self._loaded = {"model_path": str(folder), "device": device.name, "intra_threads": device.threads}
        self._tokenizer = cache(self._new_tokenizer)
        # The product behind a clip's features is so small that numpy's threads would only wait for each other.
        self._pools = ThreadpoolController()
        self._short = (model.padded_ms or 0) * SAMPLE_RATE // 1000
        self._encoded: tuple[list[NDArray[np.float32]], Any] = ([], None)
        self.info = info_of(
            "faster-whisper",
            "faster-whisper",
            model,
            {
                "device": device.name,
                "compute_type": str(self._whisper.model.compute_type),
                "no_speech_threshold": self.limits.no_speech,
                "log_prob_threshold": self.limits.logprob,
                "compression_ratio_threshold": self.limits.compression,
            },
            ALL_OPTIONS,
        )

    def _text_tokens(self, text: str) -> list[int]:
        first_command = self._whisper.hf_tokenizer.token_to_id("<|endoftext|>")
        ids = self._whisper.hf_tokenizer.encode(text, add_special_tokens=False).ids
        return [token for token in ids if token < first_command]

    def _knows(self, language: str) -> bool:
        return self._whisper.hf_tokenizer.token_to_id(f"<|{language}|>") is not None

    def _ranked(self, clips: Sequence[NDArray[np.float32]]) -> list[dict[str, float]]:
        found = self._whisper.model.detect_language(self._encode(clips))
        return [{languages.check(token.strip("<|>")): float(p) for token, p in ranked} for ranked in found]

    def _padding(self, pcm: NDArray[np.float32]) -> int:
        """Frames that the encoder is given of a clip: those of 30 s, or of a short clip's own, shorter padding."""
        most: int = self._extract.nb_max_frames
        return self._short // self._extract.hop_length if len(pcm) <= self._short else most

    def _encode(self, clips: Sequence[NDArray[np.float32]]) -> Any:
        """Encoder output of the log-mel of each clip, padded as faster-whisper does it.

        The last output is kept, since a language is heard, or a clip decoded again, on what was just encoded.
        """
        before, encoded = self._encoded
        if len(before) != len(clips) or any(one is not other for one, other in zip(before, clips, strict=True)):
            self._encoded = ([], None)  # free it first
            frames = max(self._padding(pcm) for pcm in clips)
            with self._pools.limit(limits=1, user_api="blas"):
                features = np.stack([pad_or_trim(self._extract(pcm), frames) for pcm in clips])
            encoded = self._whisper.model.encode(get_ctranslate2_storage(features.astype(np.float32, copy=False)))
            self._encoded = (list(clips), encoded)
        return encoded

    def _takes(self, jobs: Sequence[fallback.Job], attempt: Attempt, options: Options) -> list[Take]:
        encoded = self._encode([job.pcm for job in jobs])
        tokenizers = [self._tokenizer(job.language) for job in jobs]
        how: dict[str, Any] = {"beam_size": options.beam_size * attempt.beam}
        model = self._whisper.model
        if attempt.temperature:
            # A live model takes no seed.
            ctranslate2.set_random_seed(fallback.SEED)
            model = ctranslate2.models.Whisper(**self._loaded, compute_type=self._whisper.model.compute_type)
            how = {"beam_size": 1, "sampling_topk": 0, "sampling_temperature": attempt.temperature}
        outputs = model.generate(
            encoded,
            [self._whisper.get_prompt(t, list(job.prompt)) for t, job in zip(tokenizers, jobs, strict=True)],
            num_hypotheses=attempt.hypotheses,
            repetition_penalty=attempt.repetition_penalty,
            no_repeat_ngram_size=attempt.no_repeat_ngram_size,
            max_length=self._whisper.max_length,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=get_suppressed_tokens(tokenizers[0], [-1]),
            **how,
        )
        return [taken(out, t, job.pcm) for out, t, job in zip(outputs, tokenizers, jobs, strict=True)]

    def _new_tokenizer(self, language: str | None) -> Tokenizer:
        return Tokenizer(self._whisper.hf_tokenizer, self._multilingual, task="transcribe", language=language)


def taken(output: Any, tokenizer: Tokenizer, pcm: NDArray[np.float32]) -> Take:
    """What CTranslate2 gives for one clip."""
    tokens = output.sequences_ids[0]
    # The score is a mean over the tokens without the end of text (length_penalty 1), as in faster-whisper.
    logprob = float(output.scores[0]) * len(tokens) / (len(tokens) + 1)
    return take_of(tokens, logprob, float(output.no_speech_prob), tokenizer, pcm)
