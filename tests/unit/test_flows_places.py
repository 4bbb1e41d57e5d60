"""Where flows may read: nothing outside the folder of recordings, however it is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flows.places import OUTPUTS, RECORDINGS, Place, Places, below, speakable, unspoken
from speechpipe.errors import MediaNotFound, UsageError
from speechpipe.settings import Settings
from speechpipe.settings.repositories import Collection, Night

ESCAPES = [
    "/etc/passwd",
    "../secret.wav",
    "1954/../../secret.wav",
    "..",
    "~/secret.wav",
    "..\\secret.wav",
    "radio\0.wav",
    "radio\n.wav",
]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    recordings = tmp_path / "recordings"
    for name in ("slate.wav", "1954/radio/reel-1.wav", "1954/radio-drama/act.wav"):
        (recordings / name).parent.mkdir(parents=True, exist_ok=True)
        (recordings / name).write_bytes(b"RIFF")
    (tmp_path / "secret.wav").write_bytes(b"RIFF")
    places = Places(recordings, tmp_path / "outputs")
    monkeypatch.setenv(RECORDINGS, str(recordings))
    monkeypatch.setenv(OUTPUTS, str(tmp_path / "outputs"))
    return places


@pytest.mark.parametrize("path", ESCAPES)
def test_no_name_leads_out(places: Places, path: str) -> None:
    with pytest.raises(MediaNotFound):
        places.find(path)


def test_a_link_out_of_the_folder_is_no_recording(places: Places, tmp_path: Path) -> None:
    assert places.recordings is not None
    (places.recordings / "way-out").symlink_to(tmp_path)
    (places.recordings / "link.wav").symlink_to(tmp_path / "secret.wav")
    for name in ("way-out/secret.wav", "link.wav"):
        with pytest.raises(MediaNotFound):
            places.find(name)


def test_a_recording_is_found_by_its_name(places: Places) -> None:
    found = places.find("1954/radio/reel-1.wav")
    assert found.item.location == found.name == "1954/radio/reel-1.wav"


def test_a_name_that_was_copied_with_a_blank_is_found_and_so_is_one_that_begins_with_it(places: Places) -> None:
    assert places.recordings is not None
    (places.recordings / " blank .wav").write_bytes(b"RIFF")
    assert places.find(" slate.wav\n").name == "slate.wav"
    assert places.find(" blank .wav").item.location == " blank .wav"


@given(st.text(st.characters(exclude_characters="/\0"), min_size=1))
@example(os.fsdecode(b"b\xe5nd\n.wav"))
@example("a\\u000ab\\")
def test_every_name_can_be_said_on_one_line_and_means_itself(name: str) -> None:
    said = speakable(name)
    assert unspoken(said) == name and len(said.splitlines()) <= 1
    assert said.encode("utf-8").decode() == said
    assert Place("films", Collection(root=Path("a"), outputs=Path("b")), Night()).own(f"films/{said}") == name


def test_two_names_are_never_called_the_same(places: Places) -> None:
    assert places.recordings is not None
    names = ["a\nb.wav", "a\\u000ab.wav", "a\\\\u000ab.wav"]
    for name in names:
        (places.recordings / name).write_bytes(b"RIFF")
    (place,) = places.places
    called = {place.found(item).name: item.location for item in place.repository.discover()}
    assert {places.find(name).item.location for name in called} == {*called.values()} >= {*names}


def test_what_is_not_there_is_said_by_its_name(places: Places) -> None:
    with pytest.raises(MediaNotFound, match="'reel-9.wav'"):
        places.find("reel-9.wav")


def test_a_recording_that_came_later_is_found_too(places: Places) -> None:
    assert places.recordings is not None and places.find("slate.wav")
    (places.recordings / "later.wav").write_bytes(b"RIFF")
    assert places.find("later.wav").name == "later.wav"


@pytest.mark.parametrize(
    ("collection", "inside"),
    [("", {"": ".", "films": "."}), ("1954", {"": "1954"}), ("films", {"": "films", "films": "."}),
     ("films/short", {"": "films/short", "films": "short"})],
)  # fmt: skip
def test_a_collection_means_a_place_or_a_folder_in_one(
    places: Places, tmp_path: Path, collection: str, inside: dict[str, str]
) -> None:
    films = Collection(root=tmp_path / "films", outputs=tmp_path / "film-outputs")
    several = Places(places.recordings, places.outputs, Settings(collections={"films": films}))
    assert {place.name: str(folder) for place, folder in several.within(collection)} == inside


def test_the_name_of_a_collection_begins_the_names_of_its_recordings(places: Places, tmp_path: Path) -> None:
    (tmp_path / "films" / "short").mkdir(parents=True)
    (tmp_path / "films" / "short" / "tea.mp4").write_bytes(b"ftyp")
    films = Collection(root=tmp_path / "films", outputs=tmp_path / "film-outputs")
    several = Places(places.recordings, places.outputs, Settings(collections={"films": films}))
    assert several.find("films/short/tea.mp4").place.name == "films"
    assert several.find("slate.wav").place.name == ""


def test_what_is_restricted_by_its_rights_is_not_called_by_its_file(places: Places, tmp_path: Path) -> None:
    root = tmp_path / "closed"
    root.mkdir()
    (root / "The confession of N.wav").write_bytes(b"RIFF")
    (root / "metadata.csv").write_text("path,title,access\nThe confession of N.wav,A confession,closed\n")
    closed = Places(root, tmp_path / "outputs")
    (place,) = closed.places
    (item,) = place.repository.discover()
    found = place.found(item)
    assert found.name.startswith("restricted-") and "confession" not in found.name
    assert closed.find(found.name).item == item


def test_places_travel_through_the_environment(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    assert places.recordings is not None
    assert Places.from_environment().recordings == places.recordings
    Places(places.recordings / "1954", places.outputs).put_into_environment()
    assert Places.from_environment().recordings == places.recordings / "1954"
    monkeypatch.setenv(RECORDINGS, str(places.recordings / "gone"))
    with pytest.raises(UsageError, match="There is no folder"):
        Places.from_environment()
    monkeypatch.delenv(OUTPUTS)
    with pytest.raises(UsageError, match=f"{RECORDINGS} is not set"):
        Places.from_environment()


def test_a_message_names_recordings_from_their_folder_on(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    told = f"{places.recordings}/1954/reel.wav is damaged."
    assert below(told) == "1954/reel.wav is damaged."
    monkeypatch.delenv(RECORDINGS)
    assert below(told) == told


@pytest.fixture
def secrets(tmp_path: Path) -> Places:
    """One recording that only its identifier may name, one that nothing may name, one that is open."""
    recordings = tmp_path / "secrets"
    for name in ("N  case/The\u00a0confession  of N.wav", "b\u00e5nd.wav", "open  one.wav"):
        (recordings / name).parent.mkdir(parents=True, exist_ok=True)
        (recordings / name).write_bytes(b"RIFF")
    rows = "N  case/The\u00a0confession  of N.wav,,no\nb\u00e5nd.wav,B-1,no\nopen  one.wav,,yes\n"
    (recordings / "metadata.csv").write_text(f"path,identifier,may_publish\n{rows}")
    return Places(recordings, tmp_path / "results")


@pytest.mark.parametrize(
    "asked",
    [
        "N  case/The\u00a0confession  of N.wav",
        "N case/The confession of N.wav",
        " N case/The  confession of\u00a0N.wav\n",
        "N\tcase/The confession of N.wav",
    ],
)
def test_what_is_asked_for_by_its_path_is_found_and_called_by_what_may_be_told(secrets: Places, asked: str) -> None:
    found = secrets.find(asked)
    assert found.name.startswith("restricted-") and secrets.called(asked) == found.name
    assert secrets.find(found.name).item == found.item and found.hides_its_file


@pytest.mark.parametrize(
    "asked",
    [
        "The confession of N.wav",
        "n case/the confession of n.mp3",
        "N case\\The confession of N.wav",
        "/mnt/archive/N case/The confession of N.wav",
        "The%20confession%20of%20N.wav",
        "BA\u030aND.WAV",
        "band",
    ],
)
def test_what_may_mean_a_restricted_recording_is_not_repeated(secrets: Places, asked: str) -> None:
    with pytest.raises(MediaNotFound) as caught:
        secrets.find(asked)
    assert asked not in str(caught.value) and "onfession" not in str(caught.value)
    assert secrets.called(asked) == "a restricted recording"


def test_what_is_not_there_is_told_as_it_was_asked_for(secrets: Places) -> None:
    with pytest.raises(MediaNotFound, match="There is no recording 'another.wav'"):
        secrets.find("another.wav")
    assert secrets.called("another.wav") == "another.wav"
    assert secrets.find("B-1").name == secrets.find("b\u00e5nd.wav").name == "B-1"
    assert secrets.find("open one.wav").name == secrets.called("open one.wav") == "open  one.wav"


def test_two_names_that_look_the_same_are_never_taken_for_each_other(secrets: Places) -> None:
    assert secrets.recordings is not None
    (secrets.recordings / "open   one.wav").write_bytes(b"RIFF")
    assert secrets.find("open   one.wav").item.location == "open   one.wav"
    assert secrets.find("open  one.wav").item.location == "open  one.wav"
    with pytest.raises(MediaNotFound):
        secrets.find("open one.wav")


def test_a_recording_that_was_seen_is_called_as_its_rights_are_now(secrets: Places) -> None:
    assert secrets.recordings is not None
    assert secrets.find("open  one.wav").item.standing == "open"
    table = secrets.recordings / "metadata.csv"
    table.write_text(table.read_text().replace("open  one.wav,,yes", "open  one.wav,,no"))
    found = secrets.find("open  one.wav")
    assert found.item.standing == "restricted" and found.name.startswith("restricted-")
