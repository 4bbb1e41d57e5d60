"""Whisper on transformers: any checkpoint in Hugging Face's form, tokens of its own included, on CPU, CUDA or MPS.

The search itself is transformers'; its wrapper for Whisper is left out, since it takes one prompt for a whole batch,
keeps every step's scores, and has an idea of its own of what to try again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens
from numpy.typing import NDArray
from transformers.generation.logits_process import (
    LogitsProcessor,
    LogitsProcessorList,
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
    WhisperTimeStampLogitsProcessor,
)
from transformers.models.whisper.generation_whisper import WhisperGenerationMixin
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from speechpipe import languages
from speechpipe.engines.contract import ALL_OPTIONS, SAMPLE_RATE, ModelFiles
from speechpipe.engines.loading import info_of, loading, require
from speechpipe.engines.torch_loading import computing, config_of, pretrained, torch_device
from speechpipe.engines.whisper.fallback import Attempt, Job
from speechpipe.engines.whisper.on_torch import Decoded, TorchWhisper
from speechpipe.errors import BrokenModel
from speechpipe.settings.decoding import Decoding

#: A first timestamp later than one second is not taken, as in OpenAI's reference.
_MAX_FIRST_TIMESTAMP = 50


def load(model: ModelFiles, decoding: Decoding) -> TransformersWhisper:
    return TransformersWhisper(model, decoding)


class TransformersWhisper(TorchWhisper):
    """The engine ``transformers`` for Whisper models."""

    def __init__(self, model: ModelFiles, decoding: Decoding) -> None:
        super().__init__(model.path)
        config_of(model, "whisper")
        tokens = require(model, [model.path], "tokenizer.json", "vocab.json")
        device = torch_device(decoding, model.avoid_compute_types)
        with loading(model, tokens):
            kind = transformers.WhisperTokenizerFast
            self._tokens = kind.from_pretrained(model.path, local_files_only=True).backend_tokenizer
        self._model = pretrained(model, transformers.WhisperForConditionalGeneration, device, ("proj_out.weight",))
        config = self._model.config
        ids = {code: self._tokens.token_to_id(f"<|{code}|>") for code in LANGUAGES}
        # English-only models have the tokens of languages in their vocabulary, and never learned them.
        multilingual = getattr(self._model.generation_config, "is_multilingual", config.vocab_size >= 51_865)
        known = {code: i for code, i in ids.items() if i is not None and i < config.vocab_size}
        self._language_ids = known if multilingual else {}
        self._languages = tuple(self._language_ids)
        tokenizer = self._tokenizer(None)
        if tokenizer.no_timestamps is None or tokenizer.timestamp_begin >= config.vocab_size:
            raise BrokenModel(f"The model's file {tokens} has no tokens for times, without which it cannot be used.")
        self._begin = self._model.generation_config.begin_suppress_tokens or []
        # What it holds of its own accord would be added to what is asked for below.
        self._model.generation_config = transformers.GenerationConfig(
            decoder_start_token_id=tokenizer.sot, eos_token_id=tokenizer.eot, pad_token_id=tokenizer.eot
        )
        self._features = transformers.WhisperFeatureExtractor(feature_size=config.num_mel_bins)
        self.info = info_of("transformers", "transformers", model, computing(device), ALL_OPTIONS)

    def _encode(self, clips: Sequence[NDArray[np.float32]]) -> Any:
        mels = self._features(
            list(clips), sampling_rate=SAMPLE_RATE, return_tensors="pt", device=self._model.device.type
        ).input_features
        return self._model.get_encoder()(mels.to(self._model.device, self._model.dtype))

    def _probabilities(self, pcm: NDArray[np.float32]) -> dict[str, float]:
        logits = self._next(self._encode([pcm]), [[self._tokenizer(None).sot]])[0]
        found = logits[list(self._language_ids.values())].softmax(-1).tolist()
        return {languages.check(code): probability for code, probability in zip(self._languages, found, strict=True)}

    def _next(self, encoded: Any, tokens: Sequence[Sequence[int]]) -> Any:
        """Logits of what comes after these tokens of each clip."""
        given = torch.tensor(tokens, device=self._model.device)
        return self._model(encoder_outputs=encoded, decoder_input_ids=given).logits[:, -1].float()

    def _generate(self, encoded: Any, jobs: Sequence[Job], beam: int, attempt: Attempt) -> list[Decoded]:
        tokenizers = [self._tokenizer(job.language) for job in jobs]
        tokenizer = tokenizers[0]
        before = [[tokenizer.sot_prev, *job.prompt] if job.prompt else [] for job in jobs]
        silence = self._next(encoded, [[*b, tokenizer.sot] for b in before]).softmax(-1)[:, tokenizer.no_speech]
        prompts = [[*b, *own.sot_sequence] for b, own in zip(before, tokenizers, strict=True)]
        first, sampled = len(prompts[0]), attempt.temperature > 0
        hypotheses = attempt.hypotheses if sampled else 1
        config = transformers.GenerationConfig(
            num_beams=1 if sampled else beam,
            early_stopping=beam > 1 and not sampled,
            do_sample=sampled,
            **({"temperature": attempt.temperature, "top_k": 0} if sampled else {}),
            num_return_sequences=hypotheses,
            repetition_penalty=attempt.repetition_penalty,
            no_repeat_ngram_size=attempt.no_repeat_ngram_size,
            max_length=self._model.config.max_target_positions,
            eos_token_id=tokenizer.eot,
            pad_token_id=tokenizer.eot,
            decoder_start_token_id=tokenizer.sot,
            no_timestamps_token_id=tokenizer.no_timestamps,
            max_initial_timestamp_index=_MAX_FIRST_TIMESTAMP,
        )
        device = self._model.device
        scores = _Scores(first, hypotheses if sampled else beam, tokenizer.eot)
        rules = [
            SuppressTokensLogitsProcessor(get_suppressed_tokens(tokenizer, [-1]), device.type),
            SuppressTokensAtBeginLogitsProcessor(self._begin, first, device.type),
            WhisperTimeStampLogitsProcessor(config, first),
            scores,
        ]
        # The search that Whisper's own generate() calls for each window.
        found = super(
            WhisperGenerationMixin, self._model
        ).generate(  # type: ignore[misc]
            encoder_outputs=encoded,
            attention_mask=torch.ones(encoded[0].shape[:2], dtype=torch.long, device=device),
            decoder_input_ids=torch.tensor(prompts, device=device),
            generation_config=config,
            logits_processor=LogitsProcessorList(rules),
        )
        texts = [_until(row, tokenizer.eot) for row in found[:, first:].tolist()]
        decoded = list[Decoded]()
        for clip, silent in enumerate(silence.tolist()):
            of_clip = texts[clip * hypotheses : (clip + 1) * hypotheses]
            average, tokens = max((scores.average(clip, text), text) for text in of_clip)
            decoded.append((tokens, average, silent))
        return decoded

    def _tokenizer(self, language: str | None) -> Tokenizer:
        return Tokenizer(self._tokens, bool(self._languages), task="transcribe", language=language or "en")

    def _text_tokens(self, text: str) -> list[int]:
        tokenizer = self._tokenizer(None)
        return [token for token in tokenizer.encode(text) if token < tokenizer.eot]


def _until(tokens: list[int], end: int) -> list[int]:
    return tokens[: tokens.index(end)] if end in tokens else tokens


class _Scores(LogitsProcessor):  # type: ignore[misc]
    """Last of the rules: makes probabilities of what they left, and keeps how probable each text is that ends.

    transformers itself would keep the scores of the whole vocabulary at each step of each beam: gigabytes.
    """

    def __init__(self, first: int, beams: int, end: int) -> None:
        self._first, self._beams, self._end = first, beams, end
        self._ended: dict[tuple[int, ...], float] = {}
        self._rows: dict[tuple[int, ...], tuple[int, float]] = {}
        self._last: Any = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        logprobs = torch.log_softmax(scores.float(), -1)
        ends = logprobs[:, self._end].tolist()
        rows = {}
        for row, tokens in enumerate(input_ids[:, self._first :].tolist()):
            text = (row // self._beams, *tokens)
            if text not in rows:
                total = self._total(text)
                rows[text] = (row, total)
                self._ended[text] = total + ends[row]
        self._rows, self._last = rows, logprobs
        return logprobs

    def average(self, clip: int, tokens: Sequence[int]) -> float:
        """The mean log-probability of a clip's tokens, the end of text among them where it was reached."""
        text = (clip, *tokens)
        if text in self._ended:
            return self._ended[text] / (len(tokens) + 1)
        return self._total(text) / max(1, len(tokens))

    def _total(self, text: tuple[int, ...]) -> float:
        if len(text) == 1:
            return 0.0
        row, total = self._rows[text[:-1]]
        return total + float(self._last[row, text[-1]])
