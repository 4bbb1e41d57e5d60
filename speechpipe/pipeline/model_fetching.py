"""Models that are named but not in the store yet are fetched before any work, unless the network is forbidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from speechpipe.registry import canonical, licences
from speechpipe.registry.fetching import fetch
from speechpipe.registry.storing.store import Store
from speechpipe.settings import Settings

#: A name and how much of it came: the stage, the bytes so far, and of how many.
Told = Callable[[str, str, int, int], None]
_NO_NAMES = ("auto", "none", "fake")


def obtain(settings: Settings, told: Told | None = None) -> None:
    """Fetch what the settings name, and nothing else: neither what ``auto`` would take nor an aligner nobody named.

    Raises:
        LicenceNotAccepted: before anything is fetched. Otherwise as ``registry.fetching.fetch``.
    """
    if settings.offline:
        return
    store = Store(settings.store_folder)
    for name in dict.fromkeys(canonical(name, settings.store_folder) for name in _named(settings)):
        if is_of_the_hub(name) and store.lock(name) is None:
            source = fetch.source_of(name)
            asked = licences.conditions(source.name, source.entry, None)
            # What the registry does not know for sure, the card may tell once it is fetched.
            if asked is not None and asked.kinds != ("unverified",):
                licences.require(asked, settings.accepted_licences, store)

            def passed_on(stage: str, done: int, total: int, name: str = name) -> None:
                if told:
                    told(name, stage, done, total)

            fetch.fetch(name, store, device=settings.decoding.device, progress=passed_on)


def _named(settings: Settings) -> Iterator[str]:
    names = (settings.model, settings.aligner, *settings.models.values(), *settings.aligners.values())
    yield from (name for name in names if name not in _NO_NAMES)


def is_of_the_hub(name: str) -> bool:
    """Whether it is an id of the hub; what may be a path on this machine, mistyped or not, is none."""
    organisation, _, model = name.partition("/")
    is_id = model and "/" not in model.partition("@")[0] and organisation.strip(".~")
    return bool(is_id) and not Path(organisation).exists()
