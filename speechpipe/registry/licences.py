"""The licence gate: a model whose licence restricts, or is not known, runs only after a person accepted it by name."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from speechpipe.errors import LicenceNotAccepted, OutputError
from speechpipe.files import read_bytes, write_atomically
from speechpipe.moments import now
from speechpipe.registry.entries import ModelEntry
from speechpipe.registry.storing.locks import Lock
from speechpipe.registry.storing.store import Store

RECORD = ".accepted.json"

#: Licences that let anybody use the weights for anything, by SPDX identifier in lower case.
_OPEN = frozenset(
    """
    0bsd afl-3.0 apache-2.0 artistic-2.0 bsd bsd-2-clause bsd-3-clause bsl-1.0 cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0
    cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cdla-permissive-2.0 ecl-2.0 epl-2.0 eupl-1.1 eupl-1.2 gpl gpl-2.0 gpl-3.0 isc
    lgpl-2.1 lgpl-3.0 mit mpl-2.0 ncsa odc-by pddl unlicense wtfpl zlib
    """.split()  # noqa: SIM905
)
#: What a restriction means, in words for the person who is to accept it.
MEANING = {
    "non-commercial": "Its licence forbids commercial use of the model, and perhaps of what it writes.",
    "use-restricted": "Its licence forbids some uses; read which.",
    "unverified": "Whether you may use it is not known: look at its page, or ask its publisher.",
    "none-stated": "Its publisher states no licence, so nobody has leave to use it: ask for leave first.",
}


@dataclass(frozen=True, slots=True)
class Conditions:
    """A licence that has to be accepted. ``licence`` is None where none is known; ``name`` is what is accepted then."""

    model: str
    licence: str | None
    kinds: tuple[str, ...]
    note: str | None = None

    @property
    def name(self) -> str:
        return self.licence or self.model


class Acceptance(BaseModel):
    """Who accepted which licence of which model, and when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    licence: str | None
    who: str
    when: str


_ACCEPTANCES = TypeAdapter(list[Acceptance])


def conditions(name: str, entry: ModelEntry | None, lock: Lock | None) -> Conditions | None:
    """What must be accepted before this model is used; None where its licence lets everybody use it.

    The registry's word and the card's at the commit that was fetched both count; the stricter one holds. Where the
    registry does not know, the card tells: also that there is none.
    """
    if entry is not None and entry.embedded:
        return None
    card = lock.licence if lock else None
    stated = entry.licence if entry else None
    kinds: set[str] = set(entry.restrictions) if entry else set()
    if entry is not None and entry.has_terms:
        kinds |= set() if kinds else set(_kinds(stated))
        kinds |= set(_kinds(card)) if card and not _same(card, stated) else set()
    elif card:
        kinds |= set(_kinds(card))
    else:
        looked = lock is not None or (entry is not None and entry.licence_status == "none-stated")
        kinds.add("none-stated" if looked else "unverified")
    if not kinds:
        return None
    if "none-stated" in kinds:
        stated = None  # what others said of it does not hold
    # The one that asks for something; as the registry spells it, where it is the same.
    licence = card if card and set(_kinds(card)) and not _same(card, stated) else stated or card
    return Conditions(name, licence, tuple(sorted(kinds)), entry.licence_note if entry else None)


def in_words(asked: Conditions) -> str:
    """Model, licence, and what it means: what a person has to know who is to accept it."""
    unknown = "comes without a licence" if "none-stated" in asked.kinds else "has no known licence"
    licence = f"is under {asked.licence}" if asked.licence else unknown
    return f"{asked.model} {licence}. {' '.join(MEANING[kind] for kind in asked.kinds)}"


def accepted(asked: Conditions, names: Iterable[str], store: Store | None) -> str | None:
    """How these conditions were accepted, in words for the provenance; None where they were not.

    ``names``: licences or models accepted by the settings or the call.
    """
    wanted = {asked.name.casefold(), asked.model.casefold()}
    if any(name.strip().casefold() in wanted for name in names):
        return "accepted by setting"
    for record in acceptances(store) if store else ():
        if record.model == asked.model and _same(record.licence, asked.licence):
            return f"accepted {record.when[:10]}"
    return None


def require(asked: Conditions, names: Iterable[str], store: Store | None) -> str:
    """How the conditions were accepted. Raises ``LicenceNotAccepted``, naming the licence and how to accept it."""
    if how := accepted(asked, names, store):
        return how
    raise LicenceNotAccepted(
        in_words(asked),
        cure=f"Accept it with: speechpipe models accept {asked.model}, or --accept-licence {asked.name}",
    )


def accept(asked: Conditions, store: Store) -> Acceptance:
    """Record in the store that the person who runs this accepted the conditions. Raises ``OutputError``."""
    record = Acceptance(model=asked.model, licence=asked.licence, who=_who(), when=now())
    with store.held("licences", wait=lambda: None):
        records = [old for old in acceptances(store) if old.model != record.model] + [record]
        write_atomically(store.root / RECORD, _ACCEPTANCES.dump_json(records, indent=1))
    return record


def acceptances(store: Store) -> list[Acceptance]:
    """All that was accepted in this store. Raises ``OutputError`` where the record is spoiled."""
    path = store.root / RECORD
    try:
        return _ACCEPTANCES.validate_json(read_bytes(path))
    except FileNotFoundError:
        return []
    except (OSError, ValidationError, RecursionError) as error:
        raise OutputError(
            f"The record {path} of accepted licences cannot be read.", cure="Remove it, and accept them again."
        ) from error


def _kinds(licence: str | None) -> Iterator[str]:
    for part in (licence or "").casefold().split(", "):
        if "-nc" in part or "noncommercial" in part or "non-commercial" in part:
            yield "non-commercial"
        elif "rail" in part or "llama" in part or "gemma" in part or "-nd" in part:
            yield "use-restricted"
        elif part not in _OPEN:
            yield "unverified"


def _same(one: str | None, other: str | None) -> bool:
    return (one or "").casefold() == (other or "").casefold()


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
