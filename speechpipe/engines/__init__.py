"""Engines by name: each turns clips into utterances, and knows nothing of the recording they are cut from."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple, cast

from speechpipe.emissions import AcousticModel
from speechpipe.engines.contract import Engine, ModelFiles
from speechpipe.engines.loading import missing_package
from speechpipe.errors import UnknownEngine, UsageError
from speechpipe.settings import Decoding


class Row(NamedTuple):
    """``module`` has ``load(model, decoding)``; ``families`` are the models it runs, the first choice of each first."""

    module: str
    families: tuple[str, ...]
    package: str


#: A new engine is one module and one row.
ENGINES: Mapping[str, Row] = MappingProxyType(
    {
        "faster-whisper": Row("speechpipe.engines.faster_whisper", ("whisper",), "faster-whisper"),
        "wav2vec2": Row("speechpipe.engines.wav2vec2", ("wav2vec2-ctc",), "ctranslate2"),
        "fake": Row("speechpipe.engines.fake", ("fake", "whisper", "wav2vec2-ctc"), "numpy"),
    }
)

AUTO = "auto"


def engine_for(model: ModelFiles, requested: str = AUTO) -> str:
    """The name of the engine that runs ``model``: the one requested, or the first that takes its family.

    Raises:
        UnknownEngine: no engine of that name. UsageError: it does not run models of this family.
    """
    if requested != AUTO and requested not in ENGINES:
        raise UnknownEngine(f"There is no engine {requested!r}; there are {', '.join(ENGINES)}.")
    fit = [name for name, row in ENGINES.items() if model.family in row.families]
    if not fit:
        raise UsageError(f"No engine runs the model {model.name}, which is of the family {model.family}.", cure=_OTHER)
    if requested == AUTO:
        return fit[0]
    if requested not in fit:
        wanted = " or ".join(ENGINES[requested].families)
        raise UsageError(
            f"The engine {requested} runs {wanted} models; {model.name} is of the family {model.family}.",
            cure=f"Leave the engine to be chosen, or ask for {fit[0]}.",
        )
    return requested


def load_engine(name: str, model: ModelFiles, decoding: Decoding) -> Engine:
    """Load ``model`` into the engine ``name`` (``auto``: the one that fits).

    Raises:
        UnknownEngine, UsageError: as ``engine_for``; a device or compute type that is not there.
        DependencyError: its package is not installed. BrokenModel: a file is missing or damaged; the message names it.
    """
    row = ENGINES[engine_for(model, name)]
    with missing_package(row.package):
        return cast(Engine, import_module(row.module).load(model, decoding))


def load_acoustic_model(model: ModelFiles, decoding: Decoding) -> AcousticModel:
    """Load a CTC model for its emissions. Raises as ``load_engine``."""
    if model.family not in ENGINES["wav2vec2"].families:
        raise UsageError(
            f"The model {model.name} cannot align: it is of the family {model.family}, not wav2vec2-ctc.", cure=_ALIGN
        )
    return cast(AcousticModel, load_engine("wav2vec2", model, decoding))


_OTHER = "List the models with: speechpipe models list"
_ALIGN = "Name a wav2vec2 model as the aligner, or none."
