"""What all engines share: finding a model's files, choosing the device, checking clips, explaining native errors."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speechpipe.engines.contract import SAMPLE_RATE, Clip, EngineInfo, ModelFiles, Options
from speechpipe.errors import BrokenModel, DependencyError, EngineError, SpeechpipeError, UsageError
from speechpipe.files import model_not_read, read_bytes
from speechpipe.settings.decoding import Decoding

MAX_CLIP_MS = 30_000

#: Under this many samples (25 ms) no model here has a frame to look at.
MIN_SAMPLES = 400

#: Less than this from peak to peak is digital silence: two steps of 16 bits.
_SILENCE = 2 / 32_768


class Device(NamedTuple):
    """``threads`` are those of one computation."""

    name: str
    compute_type: str
    threads: int


def ct2_folder(model: ModelFiles) -> Path:
    """Where ``model.bin`` lies: in the model's folder or in its sub-folder ``ct2``.

    Raises:
        BrokenModel: in neither.
    """
    for folder in (model.path, model.path / "ct2"):
        if (folder / "model.bin").is_file():
            return folder
    raise BrokenModel(f"The model {model.name} has no file {model.path / 'ct2' / 'model.bin'}.")


def require(model: ModelFiles, folders: Sequence[Path], *names: str) -> Path:
    """The first file there is of ``names`` in ``folders``. Raises ``BrokenModel`` naming the first place looked at."""
    for folder in folders:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    raise BrokenModel(f"The model {model.name} has no file {folders[0] / names[0]}.")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a model's JSON file; ``{}`` where there is no such file. Raises ``BrokenModel``."""
    if not path.is_file():
        return {}
    content = parse_json(path)
    if not isinstance(content, dict):
        raise BrokenModel(f"The model's file {path} does not hold a JSON object.")
    return content


def parse_json(path: Path) -> Any:
    """What a model's JSON file holds. Raises ``BrokenModel``."""
    try:
        return json.loads(read_bytes(path))
    except OSError as error:
        raise model_not_read(path, error) from error
    except (ValueError, RecursionError) as error:
        raise BrokenModel(f"The model's file {path} cannot be read: {error}.") from error


def device_for(decoding: Decoding, avoid: Sequence[str] = ()) -> Device:
    """The device and the compute type that were asked for, or that suit: none of ``avoid``.

    ``default`` is the type of the weights as stored; what they are stored in is what a model must not avoid.

    Raises:
        UsageError: a device or compute type that this machine does not have.
    """
    import ctranslate2

    if decoding.device == "mps":
        raise UsageError("CTranslate2 does not compute on MPS.", cure="Set decoding.device to cpu, or another engine.")
    gpus = ctranslate2.get_cuda_device_count()
    name = decoding.device if decoding.device != "auto" else "cuda" if gpus else "cpu"
    if name == "cuda" and not gpus:
        raise UsageError("There is no CUDA device on this machine.", cure=_PROCESSOR)
    types = {"default", "auto", *ctranslate2.get_supported_compute_types(name)}
    if decoding.compute_type not in types:
        raise UsageError(
            f"The {name} of this machine does not compute in {decoding.compute_type!r}.",
            cure=f"Set decoding.compute_type to one of {', '.join(sorted(types))}.",
        )
    kind = decoding.compute_type
    if kind in ("default", "auto") and avoid:
        kind = next(each for each in _EXACT[name] if each in types and each not in avoid)
    return Device(name, kind, decoding.threads or cores())


#: Types to choose from, the fastest first, where a model is spoilt by some.
_EXACT = {"cuda": ("float16", "bfloat16", "float32"), "cpu": ("int8", "float32")}


def cores() -> int:
    """How many this process may use; macOS does not tell, and gives all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def checked_options(options: Options, engine: str, *honoured: str) -> None:
    """Raises ``UsageError`` for a value out of range, and for any but the default where it is not honoured."""
    for field in fields(Options):
        value = getattr(options, field.name)
        wanted, fits = _VALUES[field.name]
        if not fits(value):
            raise UsageError(f"The option {field.name} must be {wanted}, not {value!r}.")
        if field.name not in honoured and value != field.default:
            raise UsageError(f"The engine {engine} has no option {field.name}.", cure="Leave it at its default.")


def refuse_prompts(clips: Sequence[Clip], engine: str) -> None:
    """Raises ``UsageError`` where a clip has a prompt; for engines that cannot take one."""
    if any(clip.prompt for clip in clips):
        raise UsageError(f"The engine {engine} cannot be told what was said before.", cure="Leave the prompt out.")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_words(value: object) -> bool:
    return isinstance(value, tuple) and all(map(_is_text, value))


_COUNT = "a whole number from 1 on", _is_count
_VALUES: dict[str, tuple[str, Callable[[object], bool]]] = {
    "beam_size": _COUNT,
    "batch_size": _COUNT,
    "prompt": ("a text or None", lambda value: value is None or _is_text(value)),
    "vocabulary": ("a tuple of words", _is_words),
    "context": ("True or False", lambda value: isinstance(value, bool)),
    "fallback": ("off, deterministic or full", lambda value: value in ("off", "deterministic", "full")),
}


def checked_pcm(clip: Clip | NDArray[np.float32], max_clip_ms: int = MAX_CLIP_MS) -> NDArray[np.float32] | None:
    """The clip's samples, float32 and contiguous; None where there is nothing to hear in them.

    Nothing to hear: under 25 ms, digital silence, or a sample that is no finite number.

    Raises:
        UsageError: not mono, or longer than ``max_clip_ms``.
    """
    pcm = np.ascontiguousarray(clip.pcm if isinstance(clip, Clip) else clip, dtype=np.float32)
    if pcm.ndim != 1:
        raise UsageError(f"A clip must be mono, one dimension of samples; this one has {pcm.ndim}.")
    if pcm.size * 1000 > max_clip_ms * SAMPLE_RATE:
        raise UsageError(
            f"A clip of {clip_ms(pcm)} ms is longer than the {max_clip_ms} ms that the model hears at once.",
            cure="Cut it at pauses first.",
        )
    if pcm.size < MIN_SAMPLES or not np.isfinite(pcm).all() or float(np.ptp(pcm)) <= _SILENCE:
        return None
    return pcm


def clip_ms(pcm: NDArray[np.float32]) -> int:
    return round(pcm.size * 1000 / SAMPLE_RATE)


def info_of(
    engine: str,
    package: str,
    model: ModelFiles,
    settings: dict[str, str | int | float | bool | None],
    options: Sequence[str] = ("batch_size",),
) -> EngineInfo:
    from importlib.metadata import version

    return EngineInfo(
        name=engine,
        version=version(package),
        model=model.name,
        model_revision=model.revision,
        model_sha256=model.sha256,
        model_licence=model.licence,
        languages=model.languages,
        max_clip_ms=MAX_CLIP_MS,
        settings=settings,
        options=tuple(options),
    )


@contextmanager
def missing_package(package: str, extra: str | None = None) -> Iterator[None]:
    """Turn a failing import of an engine's package into ``DependencyError`` with the command that installs it."""
    try:
        yield
    except ImportError as error:
        install = f"speechpipe[{extra}]" if extra else "speechpipe"
        raise DependencyError(
            f"The package {package} is not installed or does not load: {error}.",
            cure=f'Install it with: pip install "{install}"',
        ) from error


@contextmanager
def loading(model: ModelFiles, file: Path) -> Iterator[None]:
    """Turn what a native loader raises into ``BrokenModel`` naming ``file``."""
    import ctranslate2

    # It warns of each conversion to what the device computes in; the engine's info tells that.
    level = ctranslate2.get_log_level()
    ctranslate2.set_log_level(logging.ERROR)
    try:
        yield
    except (SpeechpipeError, ImportError):
        raise
    except Exception as error:  # tokenizers raises plain Exception, CTranslate2 RuntimeError and ValueError
        if lacks_memory(error):
            raise EngineError(f"There is not enough memory to load the model {model.name}.", cure=_SMALLER) from error
        if isinstance(error, OSError) and error.errno is not None:
            raise model_not_read(Path(error.filename or file), error) from error
        raise BrokenModel(f"The model {model.name} cannot be loaded from {file}: {error}.") from error
    finally:
        ctranslate2.set_log_level(level)


@contextmanager
def running(model: str) -> Iterator[None]:
    """Turn what native code raises at work into ``EngineError``."""
    try:
        yield
    except (MemoryError, OSError, RuntimeError, ValueError) as error:
        if lacks_memory(error):
            raise EngineError(f"The model {model} ran out of memory.", cure=_SMALLER) from error
        raise EngineError(f"The model {model} failed: {error}.") from error


#: What native code says where memory, or a thread, is not to be had; in small letters.
_NO_MEMORY = (
    "out of memory",
    "not enough memory",
    "bad_alloc",
    "bad allocation",
    "failed to allocate",
    "cannot allocate",
    "can't allocate",
    "could not allocate",
    "could not create a memory object",
    "resource temporarily unavailable",
    "start new thread",
)


def lacks_memory(error: BaseException) -> bool:
    """Whether the machine is short of memory, by what was raised or what that came of."""
    told = str(error).lower()
    if isinstance(error, MemoryError) or any(words in told for words in _NO_MEMORY):
        return True
    return error.__cause__ is not None and lacks_memory(error.__cause__)


_FITTING = "speechpipe models recommend --language CODE"
_SMALLER = f"Set decoding.batch_size lower, or choose a smaller model; those that fit: {_FITTING} --memory SIZE"
_PROCESSOR = f"Set decoding.device to auto or cpu; models for a processor: {_FITTING} --device cpu"
