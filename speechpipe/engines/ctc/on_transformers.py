"""wav2vec 2.0, HuBERT and Wav2Vec2-BERT with a CTC head on transformers: emissions for the aligner, greedy text.

What CTranslate2 does not run: layouts with group norm, HuBERT, and Wav2Vec2-BERT, which hears log-mel features instead
of samples and may have an adapter that halves its frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from speechpipe.engines.batches import Batches
from speechpipe.engines.contract import ModelFiles
from speechpipe.engines.ctc.engine import PAUSE_MS, CtcEngine, Stride, frames, read_layout
from speechpipe.engines.loading import info_of, loading, require, running
from speechpipe.engines.torch_loading import Hearing, computing, config_of, pretrained, torch_device
from speechpipe.settings.decoding import Decoding

#: ``model_type`` of each family, and its class.
KINDS: dict[str, tuple[str, type]] = {
    "wav2vec2-ctc": ("wav2vec2", transformers.Wav2Vec2ForCTC),
    "hubert-ctc": ("hubert", transformers.HubertForCTC),
    "wav2vec2-bert-ctc": ("wav2vec2-bert", transformers.Wav2Vec2BertForCTC),
}
#: Used in training alone; not in every file of weights.
_TRAINING = ("wav2vec2.masked_spec_embed", "hubert.masked_spec_embed", "wav2vec2_bert.masked_spec_embed")

#: Kaldi's filter bank, as SeamlessM4TFeatureExtractor computes it: 25 ms every 10 ms.
_MEL_WINDOW, _MEL_STEP = 400, 160


def load(model: ModelFiles, decoding: Decoding) -> TransformersCtc:
    return TransformersCtc(model, decoding)


class TransformersCtc(CtcEngine):
    """The engine ``transformers`` for CTC models."""

    def __init__(self, model: ModelFiles, decoding: Decoding) -> None:
        kind, model_class = KINDS[model.family]
        config_of(model, kind)
        features = require(model, [model.path], "preprocessor_config.json")
        layout = read_layout(model, [model.path, model.path])
        device = torch_device(decoding, model.avoid_compute_types)
        with loading(model, features):
            self._features = transformers.AutoFeatureExtractor.from_pretrained(model.path, local_files_only=True)
        self._model = pretrained(model, model_class, device, _TRAINING)
        config = self._model.config
        self._strides = _strides(config, self._features)
        self._hearing = Hearing(model, layout.sample_rate)
        step, centre = self._hearing.geometry(self._strides)
        self._layout = layout._replace(samples_per_frame=step, first_frame_centre=centre)
        self._batch_size = decoding.batch_size
        self._batches = Batches()
        # With group norm, padding is heard by the whole clip: such models take no mask, and no padding either.
        self._masked = getattr(config, "feat_extract_norm", "layer") == "layer"
        # An adapter's convolution sees past the mask.
        self._padded = self._masked and not getattr(config, "add_adapter", False)
        settings = {**computing(device), "pause_ms": PAUSE_MS}
        self.info = info_of("transformers", "transformers", model, settings)

    def _logits(self, clips: Sequence[NDArray[np.float32]], batch_size: int) -> Iterator[NDArray[np.float32]]:
        resampled = [self._hearing.resampled(clip) for clip in clips]
        heard = [clip for clip in resampled if frames(self._strides, clip.size)]
        size = batch_size if self._padded else 1
        found = (logits for at in range(0, len(heard), size) for logits in self._fitted(heard[at : at + size]))
        nothing = np.empty((0, self._model.config.vocab_size), np.float32)
        for clip in resampled:
            yield next(found) if frames(self._strides, clip.size) else nothing

    def _fitted(self, clips: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        with running(self.info.model):
            return self._batches.run(clips, self._batch)[0]

    def _batch(self, clips: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Padded to the longest; the frames of the padding are cut off again."""
        with torch.inference_mode():
            given = self._features(
                list(clips),
                sampling_rate=self._hearing.rate,
                padding=True,
                return_attention_mask=self._masked,
                return_tensors="pt",
            ).to(self._model.device, self._model.dtype)
            logits = self._model(**given).logits.float().cpu().numpy()
        return [one[: frames(self._strides, clip.size)] for one, clip in zip(logits, clips, strict=True)]


def _strides(config: Any, features: Any) -> list[Stride]:
    """The way from samples to frames."""
    if config.model_type == "wav2vec2-bert":
        front = [Stride(_MEL_WINDOW, _MEL_STEP), Stride(features.stride, features.stride)]
        padding = config.adapter_stride // 2
    else:
        front = [Stride(*layer) for layer in zip(config.conv_kernel, config.conv_stride, strict=True)]
        padding = 1
    if not getattr(config, "add_adapter", False):
        return front
    return front + [Stride(config.adapter_kernel_size, config.adapter_stride, padding)] * config.num_adapter_layers
