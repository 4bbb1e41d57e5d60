"""What an archivist can ask for, as models whose forms explain themselves. Labels are shown; values are passed on."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from speechpipe.errors import UnknownModel
from speechpipe.settings import Settings
from speechpipe.settings.captions import DEFAULT_FORMATS

from .choices import (
    AUTOMATIC,
    CHANNELS,
    EVERYTHING,
    FORMATS,
    LANGUAGES,
    NO_END,
    STREAMS,
    Clock,
    Collection,
    Format,
    aligners,
    label,
    models,
    one_of,
)

_check_model, _models = one_of(models)
_check_aligner, _aligners = one_of(aligners)
_check_language, _languages = one_of(lambda: LANGUAGES)
_check_channels, _channels = one_of(lambda: CHANNELS)
_check_streams, _streams = one_of(lambda: STREAMS)
#: Only ever compared with the names of recordings that were found, never opened.
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]

_RECORDING = "Its name as the report has it, such as 1954/radio/reel-12.wav"
_AGAIN = "What a person has corrected is never overwritten: the new result is put beside it."
_UNTIL = "Only what will be finished by then is started; the rest waits for the next run, and the report says so."


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class NewRecordings(_Form):
    """Which recordings: everything in a collection that was not done before."""

    model_config = ConfigDict(title="Which recordings")

    collection: Collection = Field(
        default=EVERYTHING, title="Collection", description="The folder of recordings to look through."
    )
    until: Clock = Field(default=NO_END, title="Until", description=_UNTIL)
    again: bool = Field(default=False, title="Do finished recordings again", description=_AGAIN)
    cancelled: bool = Field(
        default=False,
        title="Do cancelled recordings too",
        description="Those that somebody has cancelled in a run before; else they are left alone.",
    )


class OneRecording(_Form):
    """Which recording: a single one."""

    model_config = ConfigDict(title="Which recording")

    recording: Identifier = Field(title="Recording", description=_RECORDING)
    again: bool = Field(default=False, title="Do it again although it is finished", description=_AGAIN)


class SeveralRecordings(_Form):
    """Which recordings: those of one group, one after the other; made by the run that looks for new ones."""

    model_config = ConfigDict(title="Which recordings")

    recordings: tuple[Identifier, ...] = Field(title="Recordings", description="Their names as the report has them.")
    again: bool = Field(default=False, title="Do finished recordings again", description=_AGAIN)


class DoneRecordings(_Form):
    """Which recordings: those of a collection that were done with another model."""

    model_config = ConfigDict(title="Which finished recordings")

    collection: Collection = Field(
        default=EVERYTHING, title="Collection", description="The folder of recordings to look through."
    )
    most: int = Field(
        default=100, ge=1, le=100_000, title="At most", description="How many recordings are done in this run."
    )
    until: Clock = Field(default=NO_END, title="Until", description=_UNTIL)


class Exported(_Form):
    """What is exported: files made from finished transcripts, without listening again."""

    model_config = ConfigDict(title="What to export")

    collection: Collection = Field(
        default=EVERYTHING, title="Collection", description="The finished recordings in this folder."
    )
    formats: tuple[Format, ...] = Field(
        default=(next(iter(FORMATS)),), min_length=1, title="Files to write", description="One of each a recording."
    )


class Withdrawn(_Form):
    """What is withdrawn: one recording, whose transcripts are erased and which is not done again."""

    model_config = ConfigDict(title="What to withdraw")

    recording: Identifier = Field(title="Recording", description=_RECORDING)
    reason: str = Field(
        min_length=3,
        max_length=200,
        title="Reason",
        description="Kept where the transcripts were, so that it is known later why there are none. No names.",
    )
    sure: bool = Field(
        default=False,
        title="Erase the transcripts",
        description="Without this tick nothing is erased. They cannot be brought back; the recording stays.",
    )
    with_corrections: bool = Field(
        default=False,
        title="Erase corrections too",
        description="What a person has changed. Without this tick it is kept with the restricted results.",
    )


class How(_Form):
    """How it is transcribed. Everything may stay as it is."""

    model_config = ConfigDict(title="How to transcribe")

    model: Annotated[str, AfterValidator(_check_model)] = Field(
        default=AUTOMATIC,
        title="Speech model",
        description="What turns sound into words. Automatic takes the best one installed for the language. Models "
        "for demonstration know a few hundred words and are for trying out only.",
        json_schema_extra=_models,
    )
    language: Annotated[str, AfterValidator(_check_language)] = Field(
        default="Automatic: as heard",
        title="Language spoken",
        description="Choose it where you know it: the text becomes better.",
        json_schema_extra=_languages,
    )
    channels: Annotated[str, AfterValidator(_check_channels)] = Field(
        default=AUTOMATIC,
        title="Channels",
        description="What to do with a recording of several channels. Automatic listens whether they differ.",
        json_schema_extra=_channels,
    )
    streams: Annotated[str, AfterValidator(_check_streams)] = Field(
        default="Automatic: the main one",
        title="Sound tracks",
        description="For films with several, such as the original and a dub. A recording that lacks the one you choose "
        "fails and says which it has.",
        json_schema_extra=_streams,
    )
    formats: list[Format] = Field(
        default=[label(FORMATS, name) for name in DEFAULT_FORMATS],
        min_length=1,
        title="Files to write",
        description="One of each for every recording.",
    )
    aligner: Annotated[str, AfterValidator(_check_aligner)] = Field(
        default=AUTOMATIC,
        title="Model for the times of words",
        description="Finds when each word begins and ends.",
        json_schema_extra=_aligners,
    )

    def settings(self) -> Settings:
        """The settings of a run; what is left to Automatic stays as the installation has it.

        Raises:
            UsageError: the settings of the installation are wrong.
        """
        return Settings.load(
            model=models()[self.model],
            aligner=aligners()[self.aligner],
            language=LANGUAGES[self.language],
            channels=CHANNELS[self.channels],
            streams=STREAMS[self.streams],
            formats=tuple(str(FORMATS[name]) for name in self.formats),
        )


def how(model: str = "auto", aligner: str = "auto") -> How:
    """The form filled in with names as the command line takes them.

    Raises:
        UnknownModel: no such model.
    """
    try:
        return How(
            model=AUTOMATIC if model == "auto" else label(models(), model),
            aligner=AUTOMATIC if aligner == "auto" else label(aligners(), aligner),
        )
    except ValueError as error:
        raise UnknownModel(f"There is no model {model!r} or aligner {aligner!r}.") from error
