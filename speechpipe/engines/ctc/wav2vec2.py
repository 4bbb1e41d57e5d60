"""wav2vec 2.0 with a CTC head on CTranslate2: emissions for the aligner, and greedy text with the words' own times.

Three traps of CTranslate2's wav2vec2: the ids of the letters are those of Hugging Face's ``vocab.json``, not of the
converter's ``vocabulary.json``; there is no mask of lengths, so clips go one by one, never padded; the outputs are
raw logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from speechpipe.engines.contract import SAMPLE_RATE, ModelFiles
from speechpipe.engines.ctc.engine import PAUSE_MS, CtcEngine, read_layout
from speechpipe.engines.loading import ct2_folder, device_for, info_of, loading, running
from speechpipe.errors import UsageError
from speechpipe.settings.decoding import Decoding


def load(model: ModelFiles, decoding: Decoding) -> Wav2Vec2:
    return Wav2Vec2(model, decoding)


class Wav2Vec2(CtcEngine):
    """The engine ``wav2vec2``."""

    def __init__(self, model: ModelFiles, decoding: Decoding) -> None:
        folder = ct2_folder(model)
        self._layout = read_layout(model, [model.path, folder, model.path.parent])
        if self._layout.sample_rate != SAMPLE_RATE:
            raise UsageError(
                f"The model {model.name} hears {self._layout.sample_rate} samples a second; the engine wav2vec2 gives"
                f" it {SAMPLE_RATE}.",
                cure="Ask for the engine transformers, with the model in Hugging Face's form.",
            )
        self._batch_size = decoding.batch_size
        device = device_for(decoding, model.avoid_compute_types)
        with loading(model, folder / "model.bin"):
            self._model = ctranslate2.models.Wav2Vec2(
                str(folder), device=device.name, compute_type=device.compute_type, intra_threads=device.threads
            )
        settings: dict[str, str | int | float | bool | None] = {
            "device": device.name,
            "compute_type": str(self._model.compute_type),
            "pause_ms": PAUSE_MS,
        }
        self.info = info_of("wav2vec2", "ctranslate2", model, settings)

    def _logits(self, clips: Sequence[NDArray[np.float32]], batch_size: int) -> Iterator[NDArray[np.float32]]:
        for pcm in clips:
            if self._layout.normalise:
                pcm = (pcm - pcm.mean()) / np.sqrt(pcm.var() + 1e-7)
            with running(self.info.model):
                output = self._model.encode(ctranslate2.StorageView.from_array(pcm[None, None]), to_cpu=True)
                logits = np.asarray(output, dtype=np.float32)[0]
            yield logits
