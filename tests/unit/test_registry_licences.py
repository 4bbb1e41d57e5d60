"""The licence gate: what must be accepted, by whom it was, and that it stands in the provenance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from speechpipe import registry
from speechpipe.errors import LicenceNotAccepted, NotFetched, OutputError, UnknownModel
from speechpipe.registry import licences
from speechpipe.registry.entries import ModelEntry, list_models
from speechpipe.registry.licences import Conditions
from speechpipe.registry.storing.store import Store
from tests.stored import put

KNOWN = {entry.name: entry for entry in list_models()}
OPEN = "KBLab/kb-whisper-small"
NC = "Flurin17/whisper-large-v3-turbo-swiss-german"
RAIL = "CoRal-project/roest-v3-whisper-1.5b"
UNVERIFIED = next(e.name for e in KNOWN.values() if e.licence_status == "unverified" and not e.licence and e.usable)
HEARSAY = "BSC-LT/whisper-large-v3-LoS"  # named by others alone
NONE = "FremyCompany/xls-r-2b-nl-v2_lm-5gram-os"
OTHER = "saattrupdan/wav2vec2-xls-r-300m-ftspeech"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def asked(name: str, card: str | None = None, store: Store | None = None) -> Conditions | None:
    lock = put(store, name, licence=card) if store else None
    return licences.conditions(name, KNOWN.get(name), lock)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        (OPEN, None),
        (NC, ("non-commercial",)),
        (RAIL, ("use-restricted",)),
        (OTHER, ("use-restricted",)),
        (UNVERIFIED, ("unverified",)),
        (HEARSAY, ("unverified",)),
        (NONE, ("none-stated",)),
    ],
)
def test_what_the_registry_says_of_a_licence(name: str, kinds: tuple[str, ...] | None) -> None:
    found = asked(name)
    assert (found and found.kinds) == kinds


@pytest.mark.parametrize(
    ("name", "card", "kinds", "licence"),
    [
        (OPEN, "apache-2.0", None, None),
        (OPEN, None, None, None),
        (OPEN, "cc-by-nc-4.0", ("non-commercial",), "cc-by-nc-4.0"),  # it was changed: the stricter one holds
        (OPEN, "my-own-licence", ("unverified",), "my-own-licence"),
        (NC, "apache-2.0", ("non-commercial",), "CC-BY-NC-4.0"),
        (UNVERIFIED, "mit", None, None),  # the card says what the registry did not know
        (UNVERIFIED, None, ("none-stated",), None),  # or that there is none
        (HEARSAY, "apache-2.0", None, None),
        (HEARSAY, None, ("none-stated",), None),
        (HEARSAY, "cc-by-nc-4.0", ("non-commercial",), "cc-by-nc-4.0"),
        (NONE, None, ("none-stated",), None),
        (NONE, "cc-by-4.0", None, None),  # its publisher has stated one since
        (NONE, "other", ("unverified",), "other"),
        (OTHER, "other", ("use-restricted",), "other"),
        (OTHER, "apache-2.0", ("use-restricted",), "other"),
        ("Somebody/model", "cc-by-4.0", None, None),
        ("Somebody/model", None, ("none-stated",), None),
        ("Somebody/model", "openrail", ("use-restricted",), "openrail"),
        ("Somebody/model", "cc-by-nc-sa-4.0", ("non-commercial",), "cc-by-nc-sa-4.0"),
        ("Somebody/model", "apache-2.0, llama3", ("use-restricted",), "apache-2.0, llama3"),
        ("Somebody/model", "other", ("unverified",), "other"),
    ],
)
def test_the_registry_and_the_card_both_count(
    name: str, card: str | None, kinds: tuple[str, ...] | None, licence: str | None, store: Store
) -> None:
    found = asked(name, card, store)
    assert (found and found.kinds) == kinds
    assert (found and found.licence) == licence


def test_every_licence_that_the_registry_states_is_understood() -> None:
    for entry in KNOWN.values():
        if entry.licence_status == "stated" and not entry.embedded:
            found = licences.conditions(entry.name, entry, None)
            assert (found.kinds if found else ()) == tuple(sorted(entry.restrictions)), entry.name


def test_embedded_models_need_no_acceptance() -> None:
    for entry in KNOWN.values():
        if entry.embedded:
            assert licences.conditions(entry.name, entry, None) is None


def test_no_aligner_taken_by_itself_is_non_commercial_or_unknown() -> None:
    def partners(entry: ModelEntry) -> list[ModelEntry]:
        return [KNOWN[name] for name in entry.aligners]

    every = [partner for entry in KNOWN.values() for partner in partners(entry)]
    assert len(every) > 50
    for partner in every:
        conditions = licences.conditions(partner.name, partner, None)
        assert conditions is None or conditions.kinds == ("use-restricted",)


def test_the_gate_names_licence_meaning_and_cure(store: Store) -> None:
    conditions = asked(NC)
    assert conditions is not None
    with pytest.raises(LicenceNotAccepted) as caught:
        licences.require(conditions, (), store)
    said = str(caught.value)
    assert said.startswith(f"{NC} is under CC-BY-NC-4.0. Its licence forbids commercial use")
    assert f"speechpipe models accept {NC}" in said
    assert said.endswith("--accept-licence CC-BY-NC-4.0")
    assert caught.value.exit_code == 2


def test_the_gate_tells_what_is_not_known_from_what_is_not_there(store: Store) -> None:
    known = {name: asked(name) for name in (UNVERIFIED, HEARSAY, NONE)}
    for name, begins in {
        UNVERIFIED: f"{UNVERIFIED} has no known licence. Whether you may use it is not known: look at its page",
        HEARSAY: f"{HEARSAY} is under Apache-2.0. Whether you may use it is not known",
        NONE: f"{NONE} comes without a licence. Its publisher states no licence, so nobody has leave to use it",
    }.items():
        conditions = known[name]
        assert conditions is not None
        with pytest.raises(LicenceNotAccepted) as caught:
            licences.require(conditions, (), store)
        assert str(caught.value).startswith(begins)
        assert f"--accept-licence {conditions.name}" in str(caught.value)


@pytest.mark.parametrize("name", ["CC-BY-NC-4.0", "cc-by-nc-4.0", NC, NC.upper(), " CC-BY-NC-4.0 "])
def test_a_setting_accepts_by_licence_or_by_model(name: str) -> None:
    conditions = asked(NC)
    assert conditions is not None
    assert licences.accepted(conditions, (name,), None) == "accepted by setting"


@pytest.mark.parametrize("name", ["", "CC-BY-4.0", "CC-BY-NC", RAIL, "*"])
def test_what_is_not_its_name_accepts_nothing(name: str) -> None:
    conditions = asked(NC)
    assert conditions is not None
    assert licences.accepted(conditions, (name,), None) is None


def test_an_unknown_licence_is_accepted_by_the_models_name() -> None:
    conditions = asked(UNVERIFIED)
    assert conditions is not None
    assert conditions.name == UNVERIFIED
    assert licences.accepted(conditions, (UNVERIFIED,), None)


def test_an_acceptance_is_recorded_with_who_and_when(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ingrid")
    conditions = asked(NC)
    assert conditions is not None
    record = licences.accept(conditions, store)
    assert (record.model, record.licence, record.who) == (NC, "CC-BY-NC-4.0", "ingrid")
    assert licences.acceptances(store) == [record]
    assert licences.require(conditions, (), store) == f"accepted {record.when[:10]}"
    licences.accept(conditions, store)
    assert len(licences.acceptances(store)) == 1


def test_an_acceptance_holds_for_that_model_and_that_licence_alone(store: Store) -> None:
    conditions = Conditions(NC, "CC-BY-NC-4.0", ("non-commercial",))
    licences.accept(conditions, store)
    assert licences.accepted(Conditions(NC, "cc-by-nc-4.0", ("non-commercial",)), (), store)
    assert licences.accepted(Conditions(NC, "OpenRAIL", ("use-restricted",)), (), store) is None
    assert licences.accepted(Conditions(RAIL, "CC-BY-NC-4.0", ("non-commercial",)), (), store) is None


@pytest.mark.parametrize("content", ["{", "[1]", '[{"model": "x"}]', '{"a": 1}'])
def test_a_spoiled_record_accepts_nothing(content: str, store: Store) -> None:
    store.root.mkdir()
    (store.root / licences.RECORD).write_text(content)
    conditions = asked(NC)
    assert conditions is not None
    with pytest.raises(OutputError, match=r"\.accepted\.json.*Remove it"):
        licences.require(conditions, (), store)


def test_a_model_is_looked_at_without_and_used_with_acceptance(store: Store) -> None:
    put(store, NC, licence="cc-by-nc-4.0")
    assert registry.find(NC, store.root).licence == "CC-BY-NC-4.0"
    with pytest.raises(LicenceNotAccepted):
        registry.find(NC, store.root, accepted=())
    found = registry.find(NC, store.root, accepted=("CC-BY-NC-4.0",))
    assert found.licence == "CC-BY-NC-4.0 (accepted by setting)"
    conditions = asked(NC)
    assert conditions is not None
    when = licences.accept(conditions, store).when[:10]
    assert registry.find(NC, store.root, accepted=()).licence == f"CC-BY-NC-4.0 (accepted {when})"


def test_a_fetched_model_given_by_its_path_is_the_same_model(store: Store) -> None:
    put(store, NC, licence="cc-by-nc-4.0")
    path = str(store.folder(NC))
    with pytest.raises(LicenceNotAccepted):
        registry.find(path, store.root, accepted=())
    found = registry.find(path, accepted=(NC,))
    assert (found.name, found.entry) == (NC, KNOWN[NC])
    assert found == registry.find(NC, store.root, accepted=(NC,))


def test_auto_takes_the_national_model_that_may_be_used(store: Store) -> None:
    put(store, "openai/whisper-small", licence="apache-2.0")
    put(store, OPEN)
    assert registry.find("auto", store.root, accepted=(), language="sv").name == OPEN
    assert registry.find("auto", store.root, accepted=(), language="nb").name == "openai/whisper-small"
    assert registry.find("auto", store.root, accepted=()).name == "openai/whisper-small"


def test_auto_passes_over_what_was_not_accepted(store: Store) -> None:
    put(store, NC, licence="cc-by-nc-4.0")
    with pytest.raises(NotFetched, match=r"No model for the language gsw.*models fetch (?!Flurin17)"):
        registry.find("auto", store.root, accepted=(), language="gsw")
    assert registry.find("auto", store.root, accepted=(NC,), language="gsw").name == NC


def test_auto_takes_what_its_card_freed_before_a_multilingual_one(store: Store) -> None:
    put(store, "openai/whisper-small", licence="apache-2.0")
    put(store, HEARSAY, licence=None)
    assert registry.find("auto", store.root, accepted=(), language="eu").name == "openai/whisper-small"
    put(store, HEARSAY, licence="apache-2.0")
    assert registry.find("auto", store.root, accepted=(), language="eu").name == HEARSAY


def test_auto_with_nothing_here_names_what_to_fetch(store: Store) -> None:
    with pytest.raises(NotFetched, match=r"models fetch KBLab/kb-whisper"):
        registry.find("auto", store.root, accepted=(), language="sv")
    with pytest.raises(NotFetched, match=r"models recommend --language"):
        registry.find("auto", store.root, accepted=())


def test_auto_takes_a_revision_for_its_model(store: Store) -> None:
    put(store, f"{OPEN}@v2")
    assert registry.find("auto", store.root, accepted=(), language="sv").name == f"{OPEN}@v2"


def test_an_aligner_is_taken_where_it_is_here_and_free(store: Store) -> None:
    put(store, OPEN)
    model = registry.find(OPEN, store.root, accepted=())
    assert registry.find_aligner("auto", model, store.root, accepted=(), language="sv") is None
    partner = registry.missing_aligner(model, "sv")
    assert partner == "KBLab/wav2vec2-large-voxrex-swedish"
    with pytest.raises(UnknownModel, match=partner):
        registry.find_aligner(partner, model, store.root, accepted=())
    with pytest.raises(UnknownModel):
        registry.find("Org/not-here", store.root, accepted=())


def test_the_record_is_json_for_people_too(store: Store) -> None:
    licences.accept(Conditions(NC, "CC-BY-NC-4.0", ("non-commercial",)), store)
    (record,) = json.loads((store.root / licences.RECORD).read_text())
    assert set(record) == {"model", "licence", "who", "when"}
