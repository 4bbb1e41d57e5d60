"""The wav2vec 2.0 and HuBERT models that torchaudio publishes as bundles: emissions for the aligner, greedy text.

A bundle is the weights' layout, its letters and how it wants to hear; torchaudio has that, the model's folder only its
name and the weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray

from speechpipe.engines.contract import ModelFiles
from speechpipe.engines.ctc.engine import CALIBRATION, PAUSE_MS, CtcEngine, Layout, Stride, case_of, frames, offset_of
from speechpipe.engines.loading import info_of, loading, read_json, require, running
from speechpipe.engines.torch_loading import Hearing, computing, torch_device
from speechpipe.errors import BrokenModel
from speechpipe.settings.decoding import Decoding

#: In the model's folder: which bundle it is, and its weights.
NAME, WEIGHTS = "bundle.json", "bundle.pt"
_BLANK, _BETWEEN_WORDS = "<pad>", "|"


def load(model: ModelFiles, decoding: Decoding) -> TorchaudioBundle:
    return TorchaudioBundle(model, decoding)


class TorchaudioBundle(CtcEngine):
    """The engine ``torchaudio``. Clips go one by one: its normalisation is over all that it is given."""

    def __init__(self, model: ModelFiles, decoding: Decoding) -> None:
        bundle = _bundle(model)
        weights = require(model, [model.path], WEIGHTS)
        device = torch_device(decoding, model.avoid_compute_types)
        aligner = isinstance(bundle, torchaudio.pipelines.Wav2Vec2FABundle)
        with loading(model, weights):
            # The file is there, so nothing is fetched.
            local = {"model_dir": str(model.path), "file_name": WEIGHTS, "map_location": "cpu", "weights_only": True}
            loaded = bundle.get_model(dl_kwargs=local, **({"with_star": False} if aligner else {}))
            self._model = loaded.to(device.name, getattr(torch, device.compute_type)).eval()
        tokens = tuple(bundle.get_labels(blank=_BLANK, **({"star": None} if aligner else {})))
        wrapped = getattr(self._model, "model", self._model)
        self._strides = [Stride(layer.kernel_size, layer.stride) for layer in wrapped.feature_extractor.conv_layers]
        self._hearing = Hearing(model, round(bundle.sample_rate))
        step, centre = self._hearing.geometry(self._strides)
        self._layout = Layout(
            tokens=tokens,
            blank_id=0,
            word_delimiter_id=tokens.index(_BETWEEN_WORDS) if _BETWEEN_WORDS in tokens else None,
            samples_per_frame=step,
            first_frame_centre=centre,
            case=case_of(tokens),
            normalise=False,  # the bundle does it where it has to be done
            boundary_offset_ms=offset_of(model.path / CALIBRATION),
        )
        self._batch_size = decoding.batch_size
        settings = {**computing(device), "pause_ms": PAUSE_MS}
        self.info = info_of("torchaudio", "torchaudio", model, settings)

    def _logits(self, clips: Sequence[NDArray[np.float32]], batch_size: int) -> Iterator[NDArray[np.float32]]:
        weight = next(self._model.parameters())
        for clip in clips:
            pcm = self._hearing.resampled(clip)
            if not frames(self._strides, pcm.size):
                yield np.empty((0, len(self._layout.tokens)), np.float32)
                continue
            with running(self.info.model), torch.inference_mode():
                logits, _ = self._model(torch.tensor(pcm)[None].to(weight))
                found = logits[0].float().cpu().numpy()
            yield found


def _bundle(model: ModelFiles) -> Any:
    """torchaudio's bundle of this name. Raises ``BrokenModel`` where it has none."""
    path = require(model, [model.path], NAME)
    name = str(read_json(path).get("bundle"))
    found = getattr(torchaudio.pipelines, name, None) if re.fullmatch(r"[A-Z0-9_]+", name) else None
    if not isinstance(found, torchaudio.pipelines.Wav2Vec2ASRBundle | torchaudio.pipelines.Wav2Vec2FABundle):
        raise BrokenModel(f"The model's file {path} names {name!r}, no bundle of torchaudio that hears letters.")
    return found
