"""What the engines on torch share: the device and what it computes in, the threads, the files of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechpipe.engines.contract import SAMPLE_RATE, ModelFiles
from speechpipe.engines.ctc.engine import Stride, geometry
from speechpipe.engines.loading import Device, cores, loading, missing_package, read_json, require
from speechpipe.errors import BrokenModel, UsageError
from speechpipe.settings.decoding import Decoding

#: What each device computes in, its default first. Half precision is for CUDA alone: elsewhere it is slow or wrong.
COMPUTE_TYPES = {"cuda": ("float16", "float32"), "mps": ("float32",), "cpu": ("float32",)}

_INDEX = ".index.json"
#: Weights as Hugging Face names them, the safe form first; torch opens the other with ``weights_only``.
WEIGHTS = ("model.safetensors", f"model.safetensors{_INDEX}", "pytorch_model.bin", f"pytorch_model.bin{_INDEX}")


def torch_device(decoding: Decoding, avoid: Sequence[str] = ()) -> Device:
    """The device and its compute type; gives torch, which shares one pool in the whole process, its threads.

    Raises:
        UsageError: a device or compute type that this machine does not have.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = decoding.device if decoding.device != "auto" else next(name for name, is_there in there.items() if is_there)
    if not there[name]:
        raise UsageError(
            f"There is no {name.upper()} device on this machine.", cure="Set decoding.device to auto or cpu."
        )
    types = COMPUTE_TYPES[name]
    if decoding.compute_type not in (*types, "default", "auto"):
        raise UsageError(
            f"The {name} of this machine does not compute in {decoding.compute_type!r} with torch.",
            cure=f"Set decoding.compute_type to one of default, {', '.join(types)}.",
        )
    threads = decoding.threads or cores()
    torch.set_num_threads(threads)
    best = next(each for each in types if each not in avoid)
    return Device(name, decoding.compute_type if decoding.compute_type in types else best, threads)


def computing(device: Device) -> dict[str, str | int | float | bool | None]:
    """What computes, for the provenance of what is heard."""
    import torch

    return {"device": device.name, "compute_type": device.compute_type, "torch": torch.__version__}


class Hearing:
    """How many samples a second a CTC model was taught, and the way there from the 16 kHz of all clips.

    Raises:
        BrokenModel: a rate that no whole number of our samples makes a frame of. DependencyError: torchaudio is needed.
    """

    def __init__(self, model: ModelFiles, rate: int) -> None:
        self._model, self.rate = model, rate
        if rate != SAMPLE_RATE:
            with missing_package("torchaudio", "torchaudio"):
                import torchaudio  # noqa: F401  # said at loading, not at the first clip

    def geometry(self, strides: Sequence[Stride]) -> tuple[int, int]:
        """As ``ctc.geometry``, in samples of the clip, not of what the model hears."""
        step, centre = geometry(strides)
        if self.rate < 1 or step * SAMPLE_RATE % self.rate:
            raise BrokenModel(f"The model {self._model.name} hears {self.rate} samples a second: no whole frames.")
        return step * SAMPLE_RATE // self.rate, centre * SAMPLE_RATE // self.rate

    def resampled(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """By torchaudio: sinc interpolation under a Hann window, in float32 as the model computes."""
        if self.rate == SAMPLE_RATE:
            return clip
        import torch
        import torchaudio

        resampled: NDArray[np.float32] = torchaudio.functional.resample(
            torch.tensor(clip), SAMPLE_RATE, self.rate
        ).numpy()
        return resampled


def weights_of(model: ModelFiles) -> Path:
    """The file of weights that is read. Raises ``BrokenModel`` where there is none."""
    return require(model, [model.path], *WEIGHTS)


def config_of(model: ModelFiles, *kinds: str) -> dict[str, Any]:
    """config.json, of one of the ``kinds`` of model that transformers knows. Raises ``BrokenModel``."""
    path = require(model, [model.path], "config.json")
    config = read_json(path)
    kind = config.get("model_type")
    if kind not in kinds:
        raise BrokenModel(f"The model's file {path} is of a {kind} model, not of a {' or '.join(kinds)} one.")
    return config


def pretrained(model: ModelFiles, kind: Any, device: Device, may_lack: Sequence[str] = ()) -> Any:
    """The model as transformers loads it: from local files only, without code of its own, each weight from the file.

    Raises:
        BrokenModel: the weights are damaged, or do not hold all that the model needs.
    """
    import torch

    file = weights_of(model)
    with loading(model, file), _quiet():
        loaded, info = kind.from_pretrained(
            model.path,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=".safetensors" in file.name,
            weights_only=True,
            dtype=getattr(torch, device.compute_type),
            output_loading_info=True,
        )
        # transformers would go on with random numbers in place of what is missing.
        missing = sorted(set(info["missing_keys"]) - set(may_lack))
        if missing:
            raise BrokenModel(f"The model's file {file} lacks weights, {missing[0]} first.")
        return loaded.to(device.name).eval()


def state_of(model: ModelFiles) -> tuple[Path, dict[str, Any]]:
    """The file of weights and what it holds, name → tensor; all parts of weights in several. Raises ``BrokenModel``."""
    import torch
    from safetensors.torch import load_file

    file = weights_of(model)
    parts = [file]
    if file.name.endswith(_INDEX):
        names = read_json(file).get("weight_map")
        parts = sorted({require(model, [model.path], Path(str(n)).name) for n in names.values()}) if names else []
    state: dict[str, Any] = {}
    for part in parts:
        with loading(model, part):
            state |= load_file(part) if part.suffix == ".safetensors" else torch.load(part, "cpu", weights_only=True)
    return file, state


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bar that transformers draws at each loading."""
    from transformers.utils import logging

    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()
