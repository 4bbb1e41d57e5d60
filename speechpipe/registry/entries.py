"""``models/registry.yaml``: what is known of each model, validated."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from speechpipe import installed, languages
from speechpipe.errors import SpeechpipeError, UnknownLanguage, UnknownModel
from speechpipe.files import read_bytes
from speechpipe.registry.fields import Commit, Strict, Text
from speechpipe.registry.packaged import Packaged

try:  # in C, six times as fast: many a command reads the registry
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

Family = Literal[
    "whisper", "wav2vec2-ctc", "wav2vec2-bert-ctc", "hubert-ctc", "wav2vec2", "fastconformer-tdt", "espnet", "unknown"
]
Role = Literal["asr", "aligner", "pretrained"]
Restriction = Literal["non-commercial", "use-restricted"]
Repository = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$")]
SubFolder = Annotated[str, StringConstraints(pattern=r"^(\.|[A-Za-z0-9][A-Za-z0-9._-]*)$")]

#: The families that an engine runs; a model of any other has to say why it cannot be used.
RUNNABLE: frozenset[Family] = frozenset({"whisper", "wav2vec2-ctc", "wav2vec2-bert-ctc", "hubert-ctc"})
#: Mel bins of Whisper by the model that was fine-tuned.
_MEL_BINS = {
    **{f"openai/whisper-{size}": 80 for size in ("tiny", "base", "small", "medium", "large", "large-v2")},
    **{f"openai/whisper-{size}": 128 for size in ("large-v3", "large-v3-turbo")},
}


class Measurement(Strict):
    """Error rates of one test set, as fractions; ``how`` is what was run, ``source`` who measured or published it.

    ``base_wer`` is that of the model before it was fine-tuned, or of ``base``; ``normalised`` says whether case and
    punctuation were left out of the count. None where not known.
    """

    set: Text
    wer: float = Field(ge=0)
    cer: float | None = Field(None, ge=0)
    base_wer: float | None = Field(None, ge=0)
    base: Text | None = None
    normalised: bool | None = None
    clips: int | None = Field(None, gt=0)
    how: Text | None = None
    source: Text


class Style(Strict):
    """How the text is written, None where not known: ``verbatim`` word for word, ``readable`` in whole sentences,
    ``subtitle`` shortened to be read along, ``semantic`` condensed to the meaning."""

    cased: bool | None = None
    punctuated: bool | None = None
    wording: Literal["verbatim", "readable", "subtitle", "semantic"] | None = None


class Layout(Strict):
    """Where the files lie.

    ``ct2`` is the sub-folder of the CTranslate2 form ("." for the repository itself), None where there is none to be
    fetched. It lies in the model's own repository, or in ``ct2_repository``, made by the publisher or by a third party.
    ``ct2_status``: ``seen`` in the repository's list of files, ``stated`` by its card or by software that uses it,
    ``none``: it must be converted, ``unknown``: look before fetching.
    """

    ct2: SubFolder | None = None
    ct2_repository: Repository | None = None
    ct2_revision: Commit | None = None
    ct2_by: Literal["publisher", "third-party"] | None = None
    ct2_status: Literal["seen", "stated", "none", "unknown"]
    huggingface: SubFolder | None = None

    @model_validator(mode="before")
    @classmethod
    def _status(cls, data: Any) -> Any:
        if isinstance(data, dict) and "ct2_status" not in data:
            return {**data, "ct2_status": "seen" if data.get("ct2") else "unknown"}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Layout:
        if (self.ct2 is None) != (self.ct2_status in ("none", "unknown")):
            raise ValueError(f"ct2 is {self.ct2!r}, but its status is {self.ct2_status!r}")
        if (self.ct2_repository is None) != (self.ct2_by is None):
            raise ValueError("another repository of the CTranslate2 form needs both its name and by whom it is")
        if self.ct2_repository is not None and self.ct2 is None:
            raise ValueError("another repository of the CTranslate2 form needs the folder in it")
        if self.ct2_revision is not None and self.ct2_repository is None:
            raise ValueError("a revision of the CTranslate2 form needs its repository")
        return self


class Hub(Strict):
    """Where the model is published. ``branch`` is that of a variant, None for the main one; ``revision`` is a commit,
    so that the bytes are fixed, None until a first fetch has locked it."""

    repository: Repository
    branch: Text | None = None
    revision: Commit | None = None


class ModelEntry(Strict):
    """One model. What is not known is None.

    ``name`` is the hub's, with ``@branch`` for a variant. ``languages`` are BCP 47 codes without region; ``beside``
    are those that it knows only where they stand in between its own, ``varieties`` those with a region that it is made
    for. ``national``: trained on speech of its languages, where False means
    multilingual. ``rank`` orders models for one language, 1 the first choice; ``weak`` ones err so much, or are so
    thinly attested, that another may serve better. ``licence`` is that of the weights, as an
    SPDX identifier where it has one: ``stated`` by the publisher, where ``other`` are terms without a name;
    ``unverified`` where the publisher's own word was not seen, so that it is worth another look; ``none-stated`` where
    it was looked for and the publisher states none. What is not stated is never taken by default. ``parameters`` are
    often those of the base model. ``window_ms`` is the longest window that suits the model, None for the family's own
    limit; ``padded_ms`` what shorter clips are padded to, of a model that was taught short sound, None for the family's
    own length. ``avoid_compute_types`` spoil it. ``language_token`` is what Whisper has to be told in place of the
    language's own token; ``generation_config``: it stands in that file of the model. ``prompt`` advises on an initial
    prompt. ``aligners`` names the models whose emissions align its text by default, the first choice of each language
    first. ``demonstration`` models are never picked by themselves. ``aliases`` are other names that people give it.
    ``hub`` says where it is published, ``packaged`` which packages carry the same files, ``bundle`` that
    torchaudio publishes it, under that name; a model with neither travels with speechpipe. ``evidence`` says where all
    this was read. ``unusable`` says why nothing here can run it.
    """

    name: Annotated[
        str,
        StringConstraints(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?(@[A-Za-z0-9][A-Za-z0-9._-]*)?$"
        ),
    ]
    family: Family
    roles: tuple[Role, ...] = Field(min_length=1)
    languages: tuple[Text, ...] = Field(min_length=1)
    beside: tuple[Text, ...] = ()
    varieties: tuple[Text, ...] = ()
    aliases: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$")], ...] = ()
    good_for: Text | None = None
    publisher: Text | None = None
    national: bool = True
    rank: int | None = Field(None, ge=1)
    weak: bool = False
    licence: Text | None = None
    licence_status: Literal["stated", "unverified", "none-stated"]
    restrictions: tuple[Restriction, ...] = ()
    licence_note: Text | None = None
    base: Text | None = None
    parameters: int | None = Field(None, gt=0)
    download_bytes: int | None = Field(None, gt=0)
    hub: Hub | None = None
    packaged: Packaged | None = None
    bundle: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_]+$")] | None = None
    layout: Layout
    mel_bins: int | None = None
    window_ms: int | None = Field(None, ge=1_000, le=30_000)
    padded_ms: int | None = Field(None, ge=1_000, le=30_000)
    beam_size: int | None = Field(None, ge=1)
    without_timestamps: bool | None = None
    avoid_compute_types: tuple[Literal["float16", "bfloat16", "int8"], ...] = ()
    language_token: Text | None = None
    prompt: Text | None = None
    style: Style = Style()
    demonstration: bool = False
    aligners: tuple[Text, ...] = ()
    measured: tuple[Measurement, ...] = ()
    trained_on: Text | None = None
    notes: tuple[Text, ...] = ()
    paper: Text | None = None
    evidence: Text | None = None
    unusable: Text | None = None

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
        for complaint in _complaints(self):
            raise ValueError(complaint)
        return self

    @property
    def embedded(self) -> bool:
        return self.hub is None and self.bundle is None

    @property
    def usable(self) -> bool:
        return self.unusable is None

    @property
    def has_terms(self) -> bool:
        """Whether its publisher's own word says under which licence it may be used."""
        return self.licence_status == "stated"

    @property
    def needs_torch(self) -> bool:
        """Whether CTranslate2 does not run it: other families than two, and wav2vec 2.0 of the base layout."""
        return (
            self.bundle is not None
            or self.family not in ("whisper", "wav2vec2-ctc")
            or "/wav2vec2-base" in (self.base or "")
        )

    @property
    def aligner(self) -> str | None:
        """The first choice of the models that align its text."""
        return self.aligners[0] if self.aligners else None

    @property
    def expected_mel_bins(self) -> int | None:
        """What it says, or what follows from the model that was fine-tuned; None where neither tells."""
        return self.mel_bins or _MEL_BINS.get(self.base or "")

    @property
    def size(self) -> int | None:
        """Bytes of its files in this installation; None where it is not here."""
        folder = embedded_folder() / self.name
        if not self.embedded or not folder.is_dir():
            return None
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _complaints(entry: ModelEntry) -> Iterator[str]:
    """What makes an entry one that the code could not load, or that contradicts itself."""
    whisper, ctc = entry.family == "whisper", entry.family.endswith("-ctc")
    if "aligner" in entry.roles and not ctc:
        yield f"a {entry.family} model gives no emissions, so it cannot be an aligner"
    if "pretrained" in entry.roles and (entry.roles != ("pretrained",) or entry.usable):
        yield "a model that is only pretrained has no other role and cannot be used"
    if entry.family not in RUNNABLE and entry.usable:
        yield f"nothing runs a model of the family {entry.family}: say under unusable why it stands here"
    if not whisper and entry.mel_bins is not None:
        yield f"a {entry.family.split('-')[0]} model reads samples, so it has no mel bins"
    if not whisper and (entry.language_token or entry.beam_size or entry.without_timestamps is not None):
        yield "only Whisper has language tokens, beams and time stamps"
    if whisper and entry.usable and entry.language_token is None:
        for code in entry.languages:
            if languages.whisper_code(code) is None:
                yield f"Whisper has no token for {code}: say which language_token serves"
    if (entry.layout.ct2, entry.layout.huggingface, entry.layout.ct2_status) == (
        None,
        None,
        "none",
    ) and not entry.bundle:
        yield "it has no form that could be fetched"
    if entry.licence is None and entry.licence_status == "stated":
        yield "a licence that is stated has a name"
    if entry.licence is not None and entry.licence_status == "none-stated":
        yield f"its publisher states no licence, so not {entry.licence}"
    if ("-NC" in (entry.licence or "")) != ("non-commercial" in entry.restrictions):
        yield f"the licence {entry.licence} and the restriction non-commercial do not agree"
    if ("RAIL" in (entry.licence or "") or entry.licence == "other") and not entry.restrictions:
        yield f"the licence {entry.licence} restricts use"
    if entry.demonstration and entry.good_for is None:
        yield "a demonstration model says what it is good for"
    if any(tag == tag.split("-")[0] or tag.split("-")[0] not in entry.languages for tag in entry.varieties):
        yield f"varieties are its languages with a region, not {', '.join(entry.varieties)}"
    if not set(entry.beside) < set(entry.languages):
        yield "languages that stand beside others are among its languages, and not all of them"
    if entry.bundle is not None:
        if entry.hub is not None or entry.name != f"torchaudio/{entry.bundle}":
            yield f"the bundle {entry.bundle} is named torchaudio/{entry.bundle}, and is on no hub"
    elif entry.hub is None:
        if "/" in entry.name or "@" in entry.name:
            yield "a model that travels with speechpipe has a plain name"
        if entry.layout.ct2_repository or entry.packaged:
            yield "a model that travels with speechpipe is in no repository and no package"
    elif entry.packaged and entry.packaged.commit != entry.hub.revision:
        yield "what packages carry are the files of the commit that the hub is asked for"
    elif entry.name != entry.hub.repository + (f"@{entry.hub.branch}" if entry.hub.branch else ""):
        yield f"the name {entry.name} is not that of the repository and its branch"


class Registry(Strict):
    """The whole file: unique names, partners that exist and can align."""

    schema_version: Literal[1]
    models: tuple[ModelEntry, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Registry:
        known = {entry.name: entry for entry in self.models}
        if len(known) != len(self.models):
            raise ValueError("two models have one name")
        aliases = [alias for entry in self.models for alias in entry.aliases]
        if len({*aliases, *known}) != len(aliases) + len(known):
            raise ValueError("two models have one name, or one alias")
        for entry in self.models:
            for name in entry.aligners:
                aligner = known.get(name)
                if aligner is None or "aligner" not in aligner.roles or not aligner.usable:
                    raise ValueError(f"{entry.name}: {name!r} is no model of the role aligner")
                if not aligner.has_terms:
                    raise ValueError(f"{entry.name}: {name!r} has no licence that is known, so no aligner by default")
                if "non-commercial" in aligner.restrictions:
                    raise ValueError(f"{entry.name}: {name!r} is not for commercial use, so no aligner by default")
                if not set(aligner.languages) & set(entry.languages):
                    raise ValueError(f"{entry.name}: {name!r} has no language in common with it")
        return self


def embedded_folder() -> Path:
    """The folder of ``registry.yaml`` and of the models that travel with speechpipe."""
    return installed.models_folder()


def list_models() -> list[ModelEntry]:
    """Every model of the registry, in its order."""
    return list(_load(embedded_folder() / "registry.yaml").models)


def canonical(name: str, folders: Path | None = None) -> str:
    """The name of the model that people also call ``name``; ``name`` itself where it is no alias, or where a model's
    own folder is called so, here or in ``folders``."""
    named = next((entry.name for entry in list_models() if name in entry.aliases), name)
    places = [Path(name), *([folders / name] if folders else [])]
    own = named != name and any((place / "config.json").is_file() for place in places)
    return name if own else named


def entry_named(name: str) -> ModelEntry:
    """The registry's entry of this name.

    Raises:
        UnknownModel: there is none; says which names come near.
    """
    known = {entry.name: entry for entry in list_models()}
    if canonical(name) in known:
        return known[canonical(name)]
    raise unknown(name)


def unknown(name: str) -> UnknownModel:
    known: dict[str, str] = {}  # also by its name without the publisher's, which people leave out
    for entry in list_models():
        known |= {entry.name: entry.name, entry.name.partition("/")[2]: entry.name}
        known |= {alias: alias for alias in entry.aliases}
    near = list(dict.fromkeys(known[spelling] for spelling in get_close_matches(name, known, n=3, cutoff=0.5)))
    hint = f"Did you mean {' or '.join(near)}?" if near else "List the models with: speechpipe models list."
    return UnknownModel(f"There is no model named {name!r}.", cure=f"{hint} A model's folder may be given by its path.")


@lru_cache(maxsize=4)
def _load(path: Path) -> Registry:
    try:
        data = yaml.load(read_bytes(path).decode(), Loader=SafeLoader)
        return Registry.model_validate(data)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpeechpipeError(f"The registry {path} cannot be read: {error}.", cure=_REINSTALL) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SpeechpipeError(f"The registry {path}, {where}: {first['msg']}.", cure=_REINSTALL) from error


_REINSTALL = "Install speechpipe again."
