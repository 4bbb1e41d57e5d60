"""What an archivist can ask for, as models whose forms explain themselves. Labels are shown; values are passed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from speechpipe import languages
from speechpipe.errors import UnknownModel, UsageError
from speechpipe.registry import ModelEntry, list_models
from speechpipe.settings import Settings

from .places import checked

AUTOMATIC = "Automatic"

#: Each table: what the form shows → what the settings take. None leaves it as it is set for the whole installation.
Table = Mapping[str, str | None]


def _shown(entry: ModelEntry) -> str:
    """``nb-whisper-large (Norwegian Bokmål)``, and plainly said where a model is for trying out only."""
    named = [languages.name(code) for code in entry.languages]
    spoken = ", ".join(named) if len(named) <= 3 else f"{len(named)} languages"
    return f"{entry.name} ({spoken}{', demonstration only' if entry.demonstration else ''})"


MODELS: Table = {AUTOMATIC: None} | {_shown(entry): entry.name for entry in list_models() if "asr" in entry.roles}
ALIGNERS: Table = {AUTOMATIC: None, "None: the times that the speech model gives": "none"} | {
    _shown(entry): entry.name for entry in list_models() if "aligner" in entry.roles
}
LANGUAGES: Table = {
    "Automatic: as heard": None,
    **dict(sorted((language.name, code) for code, language in languages.LANGUAGES.items())),
}
CHANNELS: Table = {
    AUTOMATIC: None,
    "Mixed into one": "mix",
    "Each channel apart, as in an interview with one microphone each": "split",
    "Only the first (left)": "1",
    "Only the second (right)": "2",
}
FORMATS: Table = {
    "WebVTT captions (.vtt)": "vtt",
    "ALTO full text (.alto.xml)": "alto",
    "All that is known (.json)": "json",
    "Plain text (.txt)": "txt",
}


def label(table: Table, value: str | None) -> str:
    """What the form shows for ``value``, which may be a label already.

    Raises:
        ValueError: neither.
    """
    if value in table:
        return str(value)
    for shown, means in table.items():
        if means == value:
            return shown
    raise ValueError(f"{value!r} is none of: {', '.join(table)}")


def _one_of(table: Table) -> tuple[Callable[[str], str], dict[str, list[str]]]:
    return lambda value: label(table, value), {"enum": list(table)}


def _relative(path: str) -> str:
    try:
        return checked(path.strip()).rstrip("/")
    except UsageError as error:
        raise ValueError(str(error)) from error


_check_model, _models = _one_of(MODELS)
_check_aligner, _aligners = _one_of(ALIGNERS)
_check_language, _languages = _one_of(LANGUAGES)
_check_channels, _channels = _one_of(CHANNELS)
_check_format, _formats = _one_of(FORMATS)
#: The form refuses what leads out before a run begins; the validator does it for every other way in.
RelativePath = Annotated[
    str, AfterValidator(_relative), Field(json_schema_extra={"pattern": r"^(?!\s*[/~])(?!(.*/)?\.\.(/|$))[^\\]*$"})
]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class NewRecordings(_Form):
    """Which recordings: everything in a folder that was not done before."""

    model_config = ConfigDict(title="Which recordings")

    folder: RelativePath = Field(
        default="", title="Folder", description="A folder below the recordings, such as 1954/radio. Empty: all of them."
    )
    again: bool = Field(
        default=False,
        title="Do finished recordings again",
        description="What a person has corrected is never overwritten: the new result is put beside it.",
    )


class OneRecording(_Form):
    """Which recording: one file."""

    model_config = ConfigDict(title="Which recording")

    recording: RelativePath = Field(
        min_length=1, title="Recording", description="A file below the recordings, such as 1954/radio/reel-12.wav"
    )
    again: bool = Field(
        default=False,
        title="Do it again although it is finished",
        description="What a person has corrected is never overwritten: the new result is put beside it.",
    )


class How(_Form):
    """How it is transcribed. Everything may stay as it is."""

    model_config = ConfigDict(title="How to transcribe")

    model: Annotated[str, AfterValidator(_check_model)] = Field(
        default=AUTOMATIC,
        title="Speech model",
        description="What turns sound into words. Automatic takes the best one installed for the language. Models "
        "for demonstration know a few hundred words and are for trying out only.",
        json_schema_extra=_models,  # type: ignore[arg-type]
    )
    language: Annotated[str, AfterValidator(_check_language)] = Field(
        default="Automatic: as heard",
        title="Language spoken",
        description="Choose it where you know it: the text becomes better.",
        json_schema_extra=_languages,  # type: ignore[arg-type]
    )
    channels: Annotated[str, AfterValidator(_check_channels)] = Field(
        default=AUTOMATIC,
        title="Channels",
        description="What to do with a recording of several channels. Automatic listens whether they differ.",
        json_schema_extra=_channels,  # type: ignore[arg-type]
    )
    formats: list[Annotated[str, AfterValidator(_check_format), Field(json_schema_extra=_formats)]] = Field(
        default=list(FORMATS), min_length=1, title="Files to write", description="One of each for every recording."
    )
    aligner: Annotated[str, AfterValidator(_check_aligner)] = Field(
        default=AUTOMATIC,
        title="Model for the times of words",
        description="Finds when each word begins and ends.",
        json_schema_extra=_aligners,  # type: ignore[arg-type]
    )

    def settings(self) -> Settings:
        """The settings of a run; what is left to Automatic stays as the installation has it.

        Raises:
            UsageError: the settings of the installation are wrong.
        """
        return Settings.load(
            model=MODELS[self.model],
            aligner=ALIGNERS[self.aligner],
            language=LANGUAGES[self.language],
            channels=CHANNELS[self.channels],
            formats=tuple(FORMATS[name] for name in self.formats),
        )


def how(model: str = "auto", aligner: str = "auto") -> How:
    """The form filled in with names as the command line takes them.

    Raises:
        UnknownModel: no such model.
    """
    try:
        return How(
            model=AUTOMATIC if model == "auto" else label(MODELS, model),
            aligner=AUTOMATIC if aligner == "auto" else label(ALIGNERS, aligner),
        )
    except ValueError as error:
        raise UnknownModel(f"There is no model {model!r} or aligner {aligner!r}.") from error
