"""From what a person names to a model whose files are checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from speechpipe.errors import UnknownModel, UsageError
from speechpipe.registry.entries import Family, ModelEntry, embedded_folder, list_models, unknown
from speechpipe.registry.folders import ModelFolder, check, read_seal


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A checked model. ``path`` is its folder, ``weights`` the folder of its CTranslate2 form (the same or below).

    ``entry`` is what the registry knows of it; None for a model that it does not know.
    """

    name: str
    path: Path
    weights: Path
    family: Family
    sha256: str
    entry: ModelEntry | None = None
    revision: str | None = None
    licence: str | None = None
    languages: frozenset[str] | None = None

    @property
    def window_ms(self) -> int | None:
        """The longest window that suits it; None: the family's own limit."""
        return self.entry.window_ms if self.entry else None

    @property
    def demonstration(self) -> bool:
        return self.entry is not None and self.entry.demonstration


def find(name_or_path: str, models_folder: Path | None = None) -> FoundModel:
    """The model of this name or in this folder, its files checked.

    A name is looked up in the registry, then as a folder, then as a folder below ``models_folder``.

    Raises:
        UnknownModel: no such model (says which come near), or ``auto``, which never picks a demonstration model.
        BrokenModel: a file is missing or altered; names it.
    """
    if name_or_path == "auto":
        raise _nothing_suits()
    known = {entry.name: entry for entry in list_models()}
    entry = known.get(name_or_path)
    if entry is not None and entry.embedded:
        folder = embedded_folder() / entry.name
        return _found(entry.name, check(folder, family=entry.family, must_be_sealed=True), entry)
    try:
        given = _folder(name_or_path, models_folder)
    except (OSError, RuntimeError) as error:
        raise UnknownModel(f"Cannot look into {name_or_path}: {error}.") from error
    if given:
        checked = check(given)
        entry = entry or next((entry for entry in known.values() if _is_copy(checked, entry)), None)
        return _found(entry.name if entry else given.name, checked, entry)
    if entry is not None:
        raise UnknownModel(f"The model {entry.name} is not here.", cure=_FETCH.format(entry.name))
    raise unknown(name_or_path)


def find_aligner(name_or_path: str, model: FoundModel, models_folder: Path | None = None) -> FoundModel | None:
    """The model whose emissions align what ``model`` writes; None for ``none``, or for ``auto`` where none is known.

    Raises:
        UsageError: a model that gives no emissions. UnknownModel, BrokenModel: see ``find``.
    """
    if name_or_path == "none":
        return None
    if name_or_path == "auto":
        if model.family == "wav2vec2-ctc":
            return model
        partner = model.entry.aligner if model.entry else None
        return find(partner, models_folder) if partner else None
    aligner = find(name_or_path, models_folder)
    if aligner.family != "wav2vec2-ctc":
        raise UsageError(
            f"{aligner.name} is a {aligner.family} model and cannot align.", cure="Give a wav2vec2 CTC model, or none."
        )
    return aligner


def demonstration_warning(model: FoundModel | ModelEntry) -> str | None:
    """What to tell a person who uses a demonstration model; None for any other."""
    entry = model.entry if isinstance(model, FoundModel) else model
    if entry is None or not entry.demonstration:
        return None
    return f"{entry.name} is a demonstration model. {entry.good_for} Do not rely on it for real recordings."


def _found(name: str, checked: ModelFolder, entry: ModelEntry | None) -> FoundModel:
    return FoundModel(
        name=name,
        path=checked.path,
        weights=checked.weights,
        family=checked.family,
        sha256=checked.sha256,
        entry=entry,
        revision=entry.hub.revision if entry and entry.hub else None,
        licence=entry.licence if entry else None,
        languages=frozenset(entry.languages) if entry else None,
    )


def _folder(name_or_path: str, models_folder: Path | None) -> Path | None:
    if not name_or_path or "\0" in name_or_path:
        return None
    places = [Path(name_or_path).expanduser()]
    if models_folder is not None and ".." not in places[0].parts and not places[0].is_absolute():
        places.append(models_folder / name_or_path)
    for place in places:
        if place.is_file() and "/" in name_or_path:
            raise UnknownModel(f"{place} is a file, not a model's folder.")
        if place.is_dir():
            folder = place.resolve()
            # The CTranslate2 sub-folder stands for its model, whose seal and vocabulary lie above it.
            above = folder.parent
            return above if folder.name == "ct2" and (above / "config.json").is_file() else folder
    return None


def _is_copy(checked: ModelFolder, entry: ModelEntry) -> bool:
    seal = read_seal(embedded_folder() / entry.name) if entry.embedded else None
    return seal is not None and checked.digests.items() <= seal.items()


def _nothing_suits() -> UnknownModel:
    demonstrations = [entry.name for entry in list_models() if entry.demonstration and "asr" in entry.roles]
    return UnknownModel(
        "No model was named, and only demonstration models are installed, which are never picked by themselves.",
        cure=f"Give a model's folder with --model PATH, or try a demonstration model: --model {demonstrations[0]}",
    )


_FETCH = "Fetch it with: speechpipe models fetch {}"
