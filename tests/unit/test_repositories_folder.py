"""The folder repository by itself: what it finds, what it leaves alone, and names that are hard to bear."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from speechpipe.errors import MediaNotFound, OutputError, RepositoryError
from speechpipe.repositories import FolderRepository, Item, LeftOut, Package, Part, Receipt
from speechpipe.repositories.walking import MEDIA_ENDINGS


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder: Path, outputs: Path | None = None) -> list[str]:
    return [item.identifier for item in FolderRepository(folder, outputs).discover()]


def package(name: str, text: bytes = b"text") -> Package:
    return Package({".vtt": text, ".alto.xml": text}, Receipt(name, "done", name))


def test_sound_and_film_are_found_by_their_endings_alone(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "b.MP3", "c.Mkv", "not-really.flac", "d.txt", "e.wav.txt", "f", "wav", "g.pdf", "h.jpg")
    assert found(tmp_path) == ["a.wav", "b.MP3", "c.Mkv", "not-really.flac"]


def test_endings_are_in_lower_case_with_their_dot() -> None:
    assert all(
        ending == ending.lower() and ending.startswith(".") and ending.count(".") == 1 for ending in MEDIA_ENDINGS
    )
    assert not MEDIA_ENDINGS & {".vtt", ".txt", ".json", ".xml", ".jpg", ".pdf"}


def test_folders_are_gone_through_in_the_order_of_names(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.wav", "b/1.wav", "a/z/y.wav", "c.wav", "a.wav", "å.wav", "Z.wav")
    assert found(tmp_path) == ["Z.wav", "a/z/y.wav", "a.wav", "b/1.wav", "b/2.wav", "c.wav", "å.wav"]


def test_what_is_hidden_or_the_file_systems_own_is_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, ".a.wav", "._b.wav", ".trash/c.wav", "lost+found/d.wav", "@eaDir/e.wav", "f.wav")
    assert found(tmp_path) == ["f.wav"]


def test_a_folder_named_like_a_recording_is_none(tmp_path: Path) -> None:
    touch(tmp_path, "side.wav/a.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert found(tmp_path) == ["side.wav/a.wav"]


def test_results_kept_within_the_source_are_not_searched(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "results/clip.wav")
    assert found(tmp_path, tmp_path / "results") == ["a.wav"]
    assert found(tmp_path) == ["a.wav", "results/clip.wav"]


def test_links_are_followed_only_to_files_within(tmp_path: Path) -> None:
    source = touch(tmp_path / "source", "box/a.wav")
    touch(tmp_path, "secret.wav", "outside/b.wav")
    (source / "alias.wav").symlink_to(source / "box" / "a.wav")
    (source / "leak.wav").symlink_to(tmp_path / "secret.wav")
    (source / "gone.wav").symlink_to(tmp_path / "absent.wav")
    (source / "self.wav").symlink_to(source / "self.wav")
    (source / "outside").symlink_to(tmp_path / "outside")
    (source / "round").symlink_to(source)
    assert found(source) == ["alias.wav", "box/a.wav"]
    repository = FolderRepository(source)
    assert repository.fetch(Item("alias.wav", (Part("alias.wav"),))).path.is_file()
    for name in ("leak.wav", "outside/b.wav"):
        with pytest.raises(RepositoryError, match="leads out of"):
            repository.fetch(Item(name, (Part(name),)))


def test_a_link_that_a_person_names_is_followed(tmp_path: Path) -> None:
    touch(tmp_path / "masters", "a.wav")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "b.wav").symlink_to(tmp_path / "masters" / "a.wav")
    repository, item = FolderRepository.of_file(tmp_path / "work" / "b.wav")
    assert repository.fetch(item).path.resolve() == tmp_path / "masters" / "a.wav"
    assert repository.deposit(item, package("b.wav")).paths[0] == tmp_path / "work" / "b.wav.vtt"


@pytest.mark.parametrize("name", ["a.wav", ".hidden", "no-ending", "a b\n'\".xyz", "-rf"])
def test_one_file_of_any_name_may_be_given(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "in", name)
    monkeypatch.chdir(tmp_path / "in")
    for path in (Path(name), tmp_path / "in" / name, tmp_path / "out" / ".." / "in" / name):
        (tmp_path / "out").mkdir(exist_ok=True)
        repository, item = FolderRepository.of_file(path, tmp_path / "out")
        assert item.identifier == name
        assert repository.fetch(item).path.samefile(name)
        assert repository.deposit(item, package(name)).paths[0] == tmp_path / "out" / f"{name}.vtt"


@pytest.mark.parametrize(
    "name", ["absent.wav", "absent/absent.wav", ".", "..", "x" * 300, "file.wav/below.wav", "nul\0.wav"]
)
def test_a_file_that_is_not_there_is_said_at_once_and_nothing_written(name: str, tmp_path: Path) -> None:
    touch(tmp_path, "file.wav")
    with pytest.raises(MediaNotFound) as caught:
        FolderRepository.of_file(tmp_path / name)
    assert caught.value.exit_code == 3
    assert [path.name for path in tmp_path.iterdir()] == ["file.wav"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(MediaNotFound, match="not a file"):
        FolderRepository.of_file(tmp_path / "pipe.wav")


@pytest.mark.parametrize("name", ["absent", "file.wav"])
def test_a_source_that_is_no_folder_is_an_error(name: str, tmp_path: Path) -> None:
    touch(tmp_path, "file.wav")
    with pytest.raises(RepositoryError, match="not a folder") as caught:
        found(tmp_path / name)
    assert caught.value.exit_code == 7


def test_an_unreadable_folder_is_told_and_all_else_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.wav", "b/2.wav", "c.wav")
    scandir = os.scandir

    def guarded(path: Path) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    left_out: list[LeftOut] = []
    assert [item.identifier for item in FolderRepository(tmp_path).discover(left_out)] == ["b/2.wav", "c.wav"]
    assert left_out == [LeftOut("a", "This folder cannot be read: Permission denied.")]


def test_results_mirror_the_tree_of_the_source(tmp_path: Path) -> None:
    touch(tmp_path / "source", "fonds/box 1/a.wav", "fonds/box 1/a.mp3")
    repository = FolderRepository(tmp_path / "source", tmp_path / "results")
    for item in repository.discover():
        repository.deposit(item, package(item.identifier, item.identifier.encode()))
    results = {p.relative_to(tmp_path / "results").as_posix() for p in (tmp_path / "results").rglob("*.vtt")}
    assert results == {"fonds/box 1/a.wav.vtt", "fonds/box 1/a.mp3.vtt"}
    assert not list((tmp_path / "source").rglob("*.vtt"))


LONG = "x" * 251 + ".wav"
CJK = "録" * 83 + ".flac"
NFC, NFD = (unicodedata.normalize(form, "bånd é.wav") for form in ("NFC", "NFD"))
LATIN1 = os.fsdecode(b"lyd_b\xe5nd.wav")


@pytest.mark.parametrize(
    "name", [LONG, CJK, NFC, NFD, LATIN1, "a\nb.wav", "\x1b[31m.wav", "*?[a].wav", "~.wav", "%s.wav"]
)
@pytest.mark.parametrize("beside", [True, False])
def test_a_hard_name_goes_all_the_way(name: str, beside: bool, tmp_path: Path) -> None:
    touch(tmp_path / "source", name)
    repository = FolderRepository(tmp_path / "source", None if beside else tmp_path / "results")
    (item,) = repository.discover()
    assert item.identifier == name
    done = repository.deposit(item, package(name))
    assert repository.existing(item) == done.receipt
    done.paths[0].write_bytes(b"person")
    second = repository.deposit(item, package(name, b"other"))
    assert second.receipt.version == 2
    assert repository.existing(item) == second.receipt
    failed = Receipt(name, "failed", name, message="x")
    repository.record_failure(item, failed)
    assert repository.existing(item) == failed
    assert [found.identifier for found in repository.discover()] == [name]


def test_long_names_stay_apart_and_keep_beginning_and_ending(tmp_path: Path) -> None:
    names = ["x" * 250 + end for end in ("1.wav", "2.wav", "1.mp3")]
    touch(tmp_path / "source", *names)
    repository = FolderRepository(tmp_path / "source", tmp_path / "results")
    paths = [repository.deposit(item, package(item.identifier)).paths[0] for item in repository.discover()]
    assert len(set(paths)) == 3
    assert all(path.name.startswith("x" * 150) for path in paths)
    assert sorted(path.name.split(".")[-2] for path in paths) == ["mp3", "wav", "wav"]


def test_the_two_spellings_of_one_letter_are_two_recordings(tmp_path: Path) -> None:
    touch(tmp_path / "source", NFC, NFD)
    repository = FolderRepository(tmp_path / "source", tmp_path / "results")
    for item in repository.discover():
        repository.deposit(item, package(item.identifier, item.identifier.encode()))
    assert {p.read_bytes() for p in (tmp_path / "results").glob("*.vtt")} == {NFC.encode(), NFD.encode()}


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    touch(tmp_path / "source", "a.wav")
    (tmp_path / "results").write_text("a file stands where the folder should be")
    repository = FolderRepository(tmp_path / "source", tmp_path / "results")
    (item,) = repository.discover()
    for act in (
        lambda: repository.deposit(item, package("a.wav")),
        lambda: repository.record_failure(item, Receipt("a.wav", "failed", "a.wav")),
    ):
        with pytest.raises(OutputError, match="Cannot write") as caught:
            act()
        assert caught.value.exit_code == 5


def test_a_read_only_folder_is_an_output_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "source", "a.wav")
    repository = FolderRepository(tmp_path / "source")
    (item,) = repository.discover()
    real = os.open

    def read_only(path: str, flags: int, *rest: int, **more: int) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", path)
        return real(path, flags, *rest, **more)

    # As root, permissions do not count; so the refusal is played.
    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(OutputError, match=r"Cannot write .*source: Permission denied"):
        repository.deposit(item, package("a.wav"))
    assert sorted(path.name for path in (tmp_path / "source").iterdir()) == ["a.wav"]


def test_too_many_foreign_files_are_not_searched_for_ever(tmp_path: Path) -> None:
    touch(tmp_path / "source", "a.wav")
    touch(tmp_path / "results", "a.wav.vtt", *(f"a.wav.v{number}.vtt" for number in range(2, 30)))
    repository = FolderRepository(tmp_path / "source", tmp_path / "results")
    (item,) = repository.discover()
    with pytest.raises(OutputError, match="stand in the way"):
        repository.deposit(item, package("a.wav"))
    assert not list((tmp_path / "results").glob("*.json"))


def test_an_item_without_a_part_cannot_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="no part"):
        FolderRepository(tmp_path).fetch(Item("a.wav", ()))


def test_a_url_is_not_a_path_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError):
        FolderRepository(tmp_path).fetch(Item("a.wav", (Part("https://example.org/a.wav"),)))
