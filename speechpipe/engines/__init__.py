"""Engines by name: each turns clips into utterances, and knows nothing of the recording they are cut from."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple, cast

from speechpipe.emissions import AcousticModel
from speechpipe.engines.contract import ALL_OPTIONS, Engine, ModelFiles, Options
from speechpipe.engines.loading import checked_options, missing_package
from speechpipe.engines.torch_loading import WEIGHTS
from speechpipe.errors import UnknownEngine, UsageError
from speechpipe.settings.decoding import Decoding


class Row(NamedTuple):
    """How an engine is loaded: for each family of models it runs, the module here that has ``load(model, decoding)``.

    ``weights``: the files, any one of them, that it reads. ``package``: what it is made of, installed with ``extra``.
    """

    modules: Mapping[str, str]
    weights: tuple[str, ...]
    package: str
    extra: str | None = None

    @property
    def families(self) -> tuple[str, ...]:
        return tuple(self.modules)


_CTRANSLATE2 = ("model.bin", "ct2/model.bin")
_CTC = ("wav2vec2-ctc", "wav2vec2-bert-ctc", "hubert-ctc")

#: A new engine is one module and one row; where several run a model, the first that has its files is chosen.
ENGINES: Mapping[str, Row] = MappingProxyType(
    {
        "faster-whisper": Row({"whisper": "whisper.faster_whisper"}, _CTRANSLATE2, "faster-whisper"),
        "wav2vec2": Row({"wav2vec2-ctc": "ctc.wav2vec2"}, _CTRANSLATE2, "ctranslate2"),
        "transformers": Row(
            {"whisper": "whisper.on_transformers", **dict.fromkeys(_CTC, "ctc.on_transformers")},
            WEIGHTS,
            "transformers",
            "transformers",
        ),
        "torchaudio": Row(
            dict.fromkeys(("wav2vec2-ctc", "hubert-ctc"), "ctc.torchaudio_bundle"),
            ("bundle.json",),
            "torchaudio",
            "torchaudio",
        ),
        "whisper": Row({"whisper": "whisper.openai_whisper"}, (*WEIGHTS, "model.pt"), "openai-whisper", "openai"),
        "fake": Row(dict.fromkeys(("fake", "whisper", "wav2vec2-ctc"), "fake"), (), "numpy"),
    }
)

AUTO = "auto"


def engine_for(model: ModelFiles, requested: str = AUTO) -> str:
    """The name of the engine that runs ``model``: the one requested, or the first that takes its family and its files.

    Raises:
        UnknownEngine: no engine of that name. UsageError: it does not run models of this family.
    """
    if requested != AUTO and requested not in ENGINES:
        raise UnknownEngine(f"There is no engine {requested!r}; there are {', '.join(ENGINES)}.")
    fit = [name for name, row in ENGINES.items() if model.family in row.families]
    if not fit:
        raise UsageError(f"No engine runs the model {model.name}, which is of the family {model.family}.", cure=_OTHER)
    if requested == AUTO:
        there = (name for name in fit if any((model.path / file).is_file() for file in ENGINES[name].weights))
        return next(there, fit[0])
    if requested not in fit:
        wanted = " or ".join(ENGINES[requested].families)
        raise UsageError(
            f"The engine {requested} runs {wanted} models; {model.name} is of the family {model.family}.",
            cure=f"Leave the engine to be chosen, or ask for {fit[0]}.",
        )
    return requested


def check_options(name: str, model: ModelFiles, options: Options) -> None:
    """Raises ``UsageError`` for an option that the engine ``name`` cannot honour over ``model``; loads nothing."""
    tells = model.family == "whisper" and name != "fake"
    checked_options(options, name, *(ALL_OPTIONS if tells else ("batch_size",)))


def load_engine(name: str, model: ModelFiles, decoding: Decoding) -> Engine:
    """Load ``model`` into the engine ``name`` (``auto``: the one that fits).

    Raises:
        UnknownEngine, UsageError: as ``engine_for``; a device or compute type that is not there.
        DependencyError: its package is not installed. BrokenModel: a file is missing or damaged; the message names it.
    """
    row = ENGINES[engine_for(model, name)]
    with missing_package(row.package, row.extra):
        module = import_module(f"{__name__}.{row.modules[model.family]}")
        return cast(Engine, module.load(model, decoding))


def load_acoustic_model(model: ModelFiles, decoding: Decoding) -> AcousticModel:
    """Load a CTC model for its emissions. Raises as ``load_engine``."""
    if model.family not in _CTC:
        raise UsageError(
            f"The model {model.name} cannot align: it is of the family {model.family}, not {', '.join(_CTC)}.",
            cure=_ALIGN,
        )
    return cast(AcousticModel, load_engine(AUTO, model, decoding))


_OTHER = "List the models with: speechpipe models list"
_ALIGN = "Name a CTC model as the aligner, or none."
