"""Whisper by OpenAI's own code, openai-whisper: the reference that all other engines are compared with.

Its checkpoint is built in memory from the safetensors of the Hugging Face form, whose parameters have other names, or
read from a ``model.pt``. It searches in beams for one clip at a time only, so clips go one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import whisper
from numpy.typing import NDArray
from whisper.audio import N_SAMPLES, log_mel_spectrogram, pad_or_trim
from whisper.decoding import DecodingOptions, DecodingTask, LogitFilter, detect_language
from whisper.tokenizer import Tokenizer, get_tokenizer

from speechpipe import languages
from speechpipe.engines.contract import ALL_OPTIONS, ModelFiles
from speechpipe.engines.loading import info_of, loading
from speechpipe.engines.torch_loading import computing, config_of, state_of, torch_device
from speechpipe.engines.whisper.fallback import Attempt, Job
from speechpipe.engines.whisper.on_torch import Decoded, TorchWhisper
from speechpipe.errors import BrokenModel
from speechpipe.settings.decoding import Decoding

CHECKPOINT = "model.pt"

#: From the names of Hugging Face's parameters to OpenAI's, in this order.
_NAMES = (
    ("model.", ""),
    (".layers.", ".blocks."),
    ("self_attn_layer_norm", "attn_ln"),
    ("encoder_attn_layer_norm", "cross_attn_ln"),
    ("encoder_attn.", "cross_attn."),
    ("self_attn.", "attn."),
    (".q_proj.", ".query."),
    (".k_proj.", ".key."),
    (".v_proj.", ".value."),
    (".out_proj.", ".out."),
    (".fc1.", ".mlp.0."),
    (".fc2.", ".mlp.2."),
    ("final_layer_norm", "mlp_ln"),
    ("encoder.layer_norm", "encoder.ln_post"),
    ("decoder.layer_norm", "decoder.ln"),
    ("embed_tokens.weight", "token_embedding.weight"),
    ("embed_positions.weight", "positional_embedding"),
)
#: The same of the dimensions.
_DIMENSIONS = {
    "n_mels": "num_mel_bins",
    "n_audio_ctx": "max_source_positions",
    "n_audio_state": "d_model",
    "n_audio_head": "encoder_attention_heads",
    "n_audio_layer": "encoder_layers",
    "n_vocab": "vocab_size",
    "n_text_ctx": "max_target_positions",
    "n_text_state": "d_model",
    "n_text_head": "decoder_attention_heads",
    "n_text_layer": "decoder_layers",
}
#: openai-whisper brings the tokens itself and knows these vocabularies: English, multilingual, with Cantonese.
_VOCABULARIES = (51_864, 51_865, 51_866)


def load(model: ModelFiles, decoding: Decoding) -> OpenAiWhisper:
    return OpenAiWhisper(model, decoding)


class OpenAiWhisper(TorchWhisper):
    """The engine ``whisper``."""

    def __init__(self, model: ModelFiles, decoding: Decoding) -> None:
        super().__init__(model.path)
        device = torch_device(decoding, model.avoid_compute_types)
        self._model = _model(model).to(device.name).eval()
        self._half = device.compute_type == "float16"
        if self._half:
            self._model = self._model.half()
        self._languages = self._tokenizer(None).all_language_codes if self._model.is_multilingual else ()
        self.info = info_of("whisper", "openai-whisper", model, computing(device), ALL_OPTIONS)

    def _encode(self, clips: Sequence[NDArray[np.float32]]) -> Any:
        dims, device = self._model.dims, self._model.device
        mels = [log_mel_spectrogram(pad_or_trim(pcm, N_SAMPLES), dims.n_mels, device=device) for pcm in clips]
        return self._model.encoder(torch.stack(mels).to(torch.float16 if self._half else torch.float32))

    def _probabilities(self, pcm: NDArray[np.float32]) -> dict[str, float]:
        _, (found,) = detect_language(self._model, self._encode([pcm]), self._tokenizer(None))
        return {languages.check(code): probability for code, probability in found.items()}

    def _generate(self, encoded: Any, jobs: Sequence[Job], beam: int, attempt: Attempt) -> list[Decoded]:
        return [self._one(features[None], job, beam, attempt) for features, job in zip(encoded, jobs, strict=True)]

    def _one(self, features: Any, job: Job, beam: int, attempt: Attempt) -> Decoded:
        sampled = attempt.temperature > 0
        task = DecodingTask(
            self._model,
            DecodingOptions(
                language=job.language,
                temperature=attempt.temperature,
                beam_size=beam if beam > 1 and not sampled else None,
                best_of=attempt.hypotheses if sampled else None,
                prompt=list(job.prompt) or None,
                fp16=self._half,
            ),
        )
        if attempt.repetition_penalty != 1 or attempt.no_repeat_ngram_size:
            task.logit_filters.insert(0, _NoRepeats(task.sample_begin, attempt))
        (found,) = task.run(features)
        return found.tokens, found.avg_logprob, found.no_speech_prob

    def _tokenizer(self, language: str | None) -> Tokenizer:
        model = self._model
        return get_tokenizer(
            model.is_multilingual, num_languages=model.num_languages, language=language, task="transcribe"
        )

    def _text_tokens(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(None).encode(text, disallowed_special=())
        return ids


class _NoRepeats(LogitFilter):  # type: ignore[misc]
    """Makes what was said less likely, and what would repeat so many tokens impossible.

    Source: N. Keskar et al., CTRL, 2019 (the penalty), as transformers computes it.
    """

    def __init__(self, first: int, attempt: Attempt) -> None:
        self._first, self._penalty, self._size = first, attempt.repetition_penalty, attempt.no_repeat_ngram_size

    def apply(self, logits: Any, tokens: Any) -> None:
        for row, said in zip(logits, tokens[:, self._first :], strict=True):
            scores = row[said]
            row[said] = torch.where(scores < 0, scores * self._penalty, scores / self._penalty)
            row[list(_repeating(said.tolist(), self._size))] = -torch.inf


def _repeating(said: Sequence[int], size: int) -> set[int]:
    """The tokens that would end ``size`` tokens that were there before."""
    if not size or len(said) < size:
        return set()
    last = said[len(said) - size + 1 :]
    return {said[at + size - 1] for at in range(len(said) - size + 1) if said[at : at + size - 1] == last}


def _model(model: ModelFiles) -> whisper.Whisper:
    """From ``model.pt`` where it is there, else from the Hugging Face form. Raises ``BrokenModel``."""
    file = model.path / CHECKPOINT
    if file.is_file():
        with loading(model, file):
            checkpoint = torch.load(file, map_location="cpu", weights_only=True)
            dimensions, state = checkpoint["dims"], checkpoint["model_state_dict"]
    else:
        config = config_of(model, "whisper")
        file, found = state_of(model)
        state = {openai_name(name): value for name, value in found.items() if name != "proj_out.weight"}
        dimensions = {own: config.get(theirs) for own, theirs in _DIMENSIONS.items()}
    with loading(model, file):
        dims = whisper.ModelDimensions(**dimensions)
        if dims.n_vocab not in _VOCABULARIES:
            raise BrokenModel(
                f"The model {model.name} has tokens of its own, which openai-whisper does not know: {file}."
            )
        built = whisper.Whisper(dims)
        built.load_state_dict({name: value.float() for name, value in state.items()})
        return built


def openai_name(name: str) -> str:
    """``model.encoder.layers.0.fc1.bias`` → ``encoder.blocks.0.mlp.0.bias``."""
    for theirs, own in _NAMES:
        name = name.replace(theirs, own)
    return name
