"""``models/registry.yaml``: what is known of each model, validated."""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from speechpipe import installed, languages
from speechpipe.errors import SpeechpipeError, UnknownLanguage, UnknownModel

Family = Literal["whisper", "wav2vec2-ctc"]
Role = Literal["asr", "aligner"]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Measurement(_Strict):
    """Error rates of one test set, as fractions; ``how`` is what was run, ``source`` who measured."""

    set: Text
    wer: float = Field(ge=0)
    cer: float | None = Field(None, ge=0)
    clips: int | None = Field(None, gt=0)
    how: Text | None = None
    source: Text


class Style(_Strict):
    """How the text is written: None where not known."""

    cased: bool | None = None
    punctuated: bool | None = None
    wording: Literal["verbatim", "readable", "condensed"] | None = None


class Layout(_Strict):
    """Where the files lie in the model's folder: ``ct2`` is the sub-folder of the CTranslate2 form ("." for the folder
    itself), None where there is none, so that it must be converted."""

    ct2: Text | None = None
    huggingface: Text | None = None


class Hub(_Strict):
    """Where the model is published; ``revision`` is a commit, so that the bytes are fixed."""

    repository: Text
    revision: Text | None = None


class ModelEntry(_Strict):
    """One model. What is not known is None; ``licence`` is that of the weights, as an SPDX identifier where it has one.

    ``window_ms`` is the longest window that suits the model, None for the family's own limit. ``demonstration`` models
    are never picked by themselves. ``aligner`` names the model whose emissions align this one's text by default.
    ``hub`` is None for a model that travels with speechpipe.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$")]
    family: Family
    roles: tuple[Role, ...] = Field(min_length=1)
    languages: tuple[Text, ...] = Field(min_length=1)
    good_for: Text
    publisher: Text | None = None
    licence: Text | None = None
    licence_note: Text | None = None
    base: Text | None = None
    parameters: int | None = Field(None, gt=0)
    hub: Hub | None = None
    layout: Layout
    mel_bins: int | None = None
    window_ms: int | None = Field(None, ge=1_000, le=30_000)
    style: Style = Style()
    demonstration: bool = False
    aligner: Text | None = None
    measured: tuple[Measurement, ...] = ()
    notes: tuple[Text, ...] = ()

    @field_validator("languages")
    @classmethod
    def _canonical(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for code in codes:
            try:
                canonical = languages.check(code)
            except UnknownLanguage as error:
                raise ValueError(error.message) from error
            if canonical != code:
                raise ValueError(f"language {code!r} is written {canonical!r}")
        return codes

    @model_validator(mode="after")
    def _fitting(self) -> ModelEntry:
        if self.family == "whisper" and "aligner" in self.roles:
            raise ValueError("a whisper model gives no emissions, so it cannot be an aligner")
        if self.family == "wav2vec2-ctc" and self.mel_bins is not None:
            raise ValueError("a wav2vec2 model reads samples, so it has no mel bins")
        return self

    @property
    def embedded(self) -> bool:
        return self.hub is None

    @property
    def size(self) -> int | None:
        """Bytes of its files in this installation; None where it is not here."""
        folder = embedded_folder() / self.name
        if not self.embedded or not folder.is_dir():
            return None
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Registry(_Strict):
    """The whole file: unique names, partners that exist and can align."""

    schema_version: Literal[1]
    models: tuple[ModelEntry, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Registry:
        known = {entry.name: entry for entry in self.models}
        if len(known) != len(self.models):
            raise ValueError("two models have one name")
        for entry in self.models:
            if entry.aligner is None:
                continue
            if entry.aligner not in known or "aligner" not in known[entry.aligner].roles:
                raise ValueError(f"{entry.name}: {entry.aligner!r} is no model of the role aligner")
        return self


def embedded_folder() -> Path:
    """The folder of ``registry.yaml`` and of the models that travel with speechpipe."""
    return installed.models_folder()


def list_models() -> list[ModelEntry]:
    """Every model of the registry, in its order."""
    return list(_load(embedded_folder() / "registry.yaml").models)


def entry_named(name: str) -> ModelEntry:
    """The registry's entry of this name.

    Raises:
        UnknownModel: there is none; says which names come near.
    """
    known = {entry.name: entry for entry in list_models()}
    if name in known:
        return known[name]
    raise unknown(name)


def unknown(name: str) -> UnknownModel:
    names = [entry.name for entry in list_models()]
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known models: {', '.join(names)}."
    return UnknownModel(f"There is no model named {name!r}.", cure=f"{hint} A model's folder may be given by its path.")


@lru_cache(maxsize=4)
def _load(path: Path) -> Registry:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Registry.model_validate(data)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpeechpipeError(f"The registry {path} cannot be read: {error}.", cure=_REINSTALL) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SpeechpipeError(f"The registry {path}, {where}: {first['msg']}.", cure=_REINSTALL) from error


_REINSTALL = "Install speechpipe again."
