"""From what a person names to a model whose files are checked and whose licence was accepted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from speechpipe.errors import LicenceNotAccepted, NotFetched, UnknownModel, UsageError
from speechpipe.registry import licences, words
from speechpipe.registry.advice import Device, aligner_for, recommend
from speechpipe.registry.entries import Family, ModelEntry, canonical, embedded_folder, list_models, unknown
from speechpipe.registry.storing.folders import FORMS, Form, ModelFolder, check, read_seal
from speechpipe.registry.storing.locks import Lock
from speechpipe.registry.storing.store import Store, mark_used


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A checked model. ``path`` is its folder, ``weights`` the folder of its weights (the same or below).

    ``entry`` is what the registry knows of it, None for a model that it does not know; ``lock`` is the record of one
    that was fetched. ``licence`` says too how it was accepted, where it had to be.
    """

    name: str
    path: Path
    weights: Path
    family: Family
    sha256: str
    entry: ModelEntry | None = None
    lock: Lock | None = None
    revision: str | None = None
    licence: str | None = None
    languages: frozenset[str] | None = None

    @property
    def padded_ms(self) -> int | None:
        """What short clips are padded to; None: the family's own length."""
        return self.entry.padded_ms if self.entry else None

    @property
    def avoid_compute_types(self) -> tuple[str, ...]:
        return self.entry.avoid_compute_types if self.entry else ()

    @property
    def window_ms(self) -> int | None:
        """The longest window that suits it; None: the family's own limit."""
        return self.entry.window_ms if self.entry else None

    @property
    def demonstration(self) -> bool:
        return self.entry is not None and self.entry.demonstration


def find(
    name_or_path: str,
    models_folder: Path | None = None,
    *,
    accepted: Iterable[str] | None = None,
    language: str | None = None,
    forms: Sequence[Form] = FORMS,
) -> FoundModel:
    """The model of this name or in this folder, its files checked.

    A name is looked up among the embedded models, in the store ``models_folder``, then as a folder, then as a folder
    below ``models_folder``. ``auto`` is the best model in the store for ``language``. ``accepted``: the licences that
    settings or call accept; None only looks at the model, which no licence forbids. ``forms``: see ``check``.

    Raises:
        UnknownModel: no such model (says which come near). NotFetched: it is not in the store, or for ``auto`` nothing
            there suits; names the command that fetches one.
        LicenceNotAccepted: its licence has to be accepted first.
        BrokenModel: a file is missing or altered; names it.
    """
    known = {entry.name: entry for entry in list_models()}
    store = Store(models_folder) if models_folder else None
    if name_or_path == "auto":
        name_or_path = _best_installed(known, store, language, accepted)
    name_or_path = canonical(name_or_path, models_folder)
    entry = known.get(name_or_path) or known.get(name_or_path.partition("@")[0])
    if entry is not None and entry.embedded:
        folder = embedded_folder() / entry.name
        return _found(entry.name, check(folder, family=entry.family, must_be_sealed=True, forms=forms), entry)
    try:
        folder_of_name = _in_store(name_or_path, store)
        given = folder_of_name or _folder(name_or_path, models_folder)
    except (OSError, RuntimeError) as error:
        raise UnknownModel(f"Cannot look into {name_or_path}: {error}.") from error
    if given is None:
        raise _not_here(name_or_path, entry)
    checked = check(given, forms=forms)
    if folder_of_name is None:
        own = checked.lock.name if checked.lock else ""
        entry = entry or known.get(own) or known.get(own.partition("@")[0])
        entry = entry or next((entry for entry in known.values() if _is_copy(checked, entry)), None)
    name = checked.lock.name if checked.lock else entry.name if entry else given.name
    found = _found(name, checked, entry)
    return found if accepted is None else _permitted(found, accepted, store)


def find_aligner(
    name_or_path: str,
    model: FoundModel,
    models_folder: Path | None = None,
    *,
    accepted: Iterable[str] | None = None,
    language: str | None = None,
) -> FoundModel | None:
    """The model whose emissions align what ``model`` writes; None for ``none``, or for ``auto`` where none is here.

    ``auto`` takes the model's own partner for the language, the first that is in the store and that may be used
    without accepting anything more.

    Raises:
        UsageError: a model that gives no emissions. UnknownModel, LicenceNotAccepted, BrokenModel: see ``find``.
    """
    if name_or_path == "none":
        return None
    if name_or_path == "auto":
        return model if model.family.endswith("-ctc") else _partner(model, models_folder, accepted, language)
    aligner = find(name_or_path, models_folder, accepted=accepted)
    if not aligner.family.endswith("-ctc"):
        raise UsageError(
            f"{aligner.name} is a {aligner.family} model and cannot align.", cure="Give a wav2vec2 CTC model, or none."
        )
    return aligner


def missing_aligner(model: FoundModel, language: str | None = None) -> str | None:
    """The name of the model that would time this one's words best; None where the registry names none."""
    partners = _partners(model.entry, language) if model.entry else []
    return partners[0] if partners else None


def demonstration_warning(model: FoundModel | ModelEntry) -> str | None:
    """What to tell a person who uses a demonstration model; None for any other."""
    entry = model.entry if isinstance(model, FoundModel) else model
    if entry is None or not entry.demonstration:
        return None
    return f"{entry.name} is a demonstration model. {entry.good_for} Do not rely on it for real recordings."


def _found(name: str, checked: ModelFolder, entry: ModelEntry | None) -> FoundModel:
    lock = checked.lock
    return FoundModel(
        name=name,
        path=checked.path,
        weights=checked.weights,
        family=checked.family,
        sha256=checked.sha256,
        entry=entry,
        lock=lock,
        revision=lock.commit if lock else entry.hub.revision if entry and entry.hub else None,
        licence=(entry.licence if entry else None) or (lock.licence if lock else None),
        languages=frozenset(entry.languages) if entry else None,
    )


def _permitted(found: FoundModel, accepted: Iterable[str], store: Store | None) -> FoundModel:
    """``found``, with how its licence was accepted; raises ``LicenceNotAccepted``.

    A folder that nothing is known of is the user's own affair.
    """
    mark_used(found.path) if found.lock else None
    if found.entry is None and found.lock is None:
        return found
    asked = licences.conditions(found.name, found.entry, found.lock)
    if asked is None:
        return found
    how = licences.require(asked, accepted, store)
    return replace(found, licence=f"{asked.licence or 'licence not known'} ({how})")


def _in_store(name: str, store: Store | None) -> Path | None:
    if store is None:
        return None
    try:
        folder = store.folder(name)
    except UnknownModel:  # no name, so a path
        return None
    return folder if store.lock(name) else None


def _best_installed(
    known: dict[str, ModelEntry], store: Store | None, language: str | None, accepted: Iterable[str] | None
) -> str:
    """The name of the best model in the store for a language: as ``recommend`` orders them.

    Where the language is not known, the model of most languages.
    """
    here: dict[str, str] = {}
    for lock in store.installed() if store else ():
        entry = known.get(lock.name) or known.get(lock.name.partition("@")[0])
        if entry and "asr" in entry.roles and _may(lock.name, entry, lock, accepted, store):
            here.setdefault(entry.name, lock.name)
    if language is None and here:
        return here[max(here, key=lambda name: (len(known[name].languages), known[name].parameters or 0))]
    try:
        advised = (
            recommend(language, device=_device(), installed=here, installed_only=True, permitted=here)
            if language
            else []
        )
    except UsageError:
        advised = []
    if not advised:
        raise _nothing_suits(known.values(), language)
    return here[advised[0].entry.name]


def _device() -> Device:
    import ctranslate2

    return "cuda" if ctranslate2.get_cuda_device_count() else "cpu"


def _may(name: str, entry: ModelEntry, lock: Lock, accepted: Iterable[str] | None, store: Store | None) -> bool:
    asked = licences.conditions(name, entry, lock)
    return asked is None or licences.accepted(asked, accepted or (), store) is not None


def _partner(
    model: FoundModel, models_folder: Path | None, accepted: Iterable[str] | None, language: str | None
) -> FoundModel | None:
    for name in _partners(model.entry, language) if model.entry else ():
        try:
            return find(name, models_folder, accepted=accepted)
        except (NotFetched, LicenceNotAccepted):
            continue
    return None


def _partners(entry: ModelEntry, language: str | None) -> list[str]:
    """The names of those that may time its words, the best first."""
    best = aligner_for(entry, language)
    return list(dict.fromkeys([*([best] if best else []), *entry.aligners]))


def _not_here(name: str, entry: ModelEntry | None) -> UnknownModel:
    if entry is not None:
        return NotFetched(f"The model {name} is not in the store.", cure=_FETCH.format(name))
    near = unknown(name)
    first, _, second = name.partition("/")
    if second and "/" not in second and not Path(first).exists() and not name.startswith((".", "/", "~")):
        return NotFetched(near.message, cure=f"{near.advice} If it is on the hub: {_FETCH.format(name)}")
    return near


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


def _nothing_suits(entries: Iterable[ModelEntry], language: str | None) -> UnknownModel:
    """What to fetch, or to try, where ``auto`` finds nothing."""
    if language is not None:
        advised = recommend(language, device=_device())
        best = next((each for each in advised if not words.gated(each.entry)), advised[0]).entry.name
        return NotFetched(f"No model for the language {language} is in the store.", cure=_FETCH.format(best))
    demonstrations = [entry.name for entry in entries if entry.demonstration and "asr" in entry.roles]
    return NotFetched(
        "No model was named, and only demonstration models are installed, which are never picked by themselves.",
        cure="See which model suits a language: speechpipe models recommend --language nb; give a model's folder with"
        f" --model PATH; or try a demonstration model: --model {demonstrations[0]}",
    )


_FETCH = "Fetch it with: speechpipe models fetch {}"
