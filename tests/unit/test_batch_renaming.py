"""A recording was renamed: its results move, and the METS among them names the files as they lie."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from lxml import etree

from speechpipe import formats
from speechpipe.batch.renaming import settle
from speechpipe.files import sha256_bytes
from speechpipe.repositories import FolderRepository, Package, Policy, Receipt, Selection, select
from tests.transcripts import INTERVIEW

HREF = "{http://www.w3.org/1999/xlink}href"
LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def archive(tmp_path: Path) -> FolderRepository:
    """One recording, done."""
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "old.wav").write_bytes(b"sound")
    repository = FolderRepository(tmp_path / "recordings", tmp_path / "results")
    item = repository.item("old.wav")
    fetched = repository.fetch(item)
    seen = {"source_size": fetched.stat.size, "source_mtime_ns": fetched.stat.mtime_ns, "source_sha256": fetched.sha256}
    receipt = Receipt(item.identifier, "done", "old.wav", location="old.wav", finished="2026-01-01T00:00:00Z", **seen)
    transcript = replace(INTERVIEW, media=replace(INTERVIEW.media, name="old.wav"), identifier="old.wav")
    files, describe = formats.parts(transcript, ["vtt", "alto", "json", "html", "mets"])
    repository.deposit(item, Package(files, receipt, describe))
    return repository


def looked_through(archive: FolderRepository) -> Selection:
    return settle(archive, select(archive, Policy(), LATER))


def renamed(archive: FolderRepository, to: str) -> Path:
    """The recording renamed, looked through again: its METS."""
    (archive.source / "old.wav").rename(archive.source / to)
    (choice,) = looked_through(archive).choices
    assert choice.kind == "moved" and choice.receipt == archive.existing(choice.item)
    return archive.outputs / f"{to}.mets.xml"


@pytest.mark.parametrize("name", ["new.wav", "Ny & <tittel> ø.wav"])
def test_the_mets_names_the_files_as_they_lie(name: str, archive: FolderRepository) -> None:
    mets = etree.fromstring(renamed(archive, name).read_bytes())
    ns = {"m": "http://www.loc.gov/METS/"}
    (source,) = mets.xpath("//m:fileGrp[@USE='source']//m:FLocat", namespaces=ns)
    assert unquote(source.get(HREF)) == name
    described = mets.xpath("//m:fileGrp[@USE='transcript']/m:file", namespaces=ns)
    assert len(described) == 4
    for file in described:
        content = (archive.outputs / unquote(file[0].get(HREF))).read_bytes()
        assert sha256_bytes(content) == file.get("CHECKSUM")
    named = mets.iter("{http://www.loc.gov/premis/v3}originalName")
    assert {element.text[: len(name)] for element in named} == {name}


def test_it_is_ours_afterwards_and_done(archive: FolderRepository) -> None:
    mets = renamed(archive, "new.wav")
    (choice,) = looked_through(archive).choices
    assert choice.kind == "done" and choice.receipt is not None
    assert (choice.receipt.version, choice.receipt.source_name) == (1, "new.wav")
    assert choice.receipt.files[mets.name] == sha256_bytes(mets.read_bytes())
    assert archive.results(choice.receipt)[1] == ()


def test_a_package_that_a_person_corrected_is_moved_as_it_is(archive: FolderRepository) -> None:
    before = (archive.outputs / "old.wav.mets.xml").read_bytes()
    (archive.outputs / "old.wav.vtt").write_bytes(b"WEBVTT\n\nby a person")
    assert renamed(archive, "new.wav").read_bytes() == before
    assert (archive.outputs / "new.wav.vtt").read_bytes() == b"WEBVTT\n\nby a person"
    assert not list(archive.outputs.glob("*.v2.*"))


def test_a_file_that_cannot_be_read_costs_nothing_else(archive: FolderRepository) -> None:
    (archive.outputs / "old.wav.vtt").unlink()
    (archive.outputs / "old.wav.vtt").mkdir()
    (archive.source / "old.wav").rename(archive.source / "new.wav")
    (choice,) = looked_through(archive).choices
    assert choice.kind == "moved" and (archive.outputs / "new.wav.json").is_file()


def test_what_did_not_move_is_left_alone(archive: FolderRepository) -> None:
    before = {path: path.stat().st_mtime_ns for path in archive.outputs.iterdir()}
    assert [choice.kind for choice in looked_through(archive).choices] == ["done"]
    assert {path: path.stat().st_mtime_ns for path in archive.outputs.iterdir()} == before


ALL = ("vtt", "alto", "json", "txt", "srt", "words.vtt", "tsv", "html", "mets")


def test_nothing_of_the_old_name_stays_in_what_was_renamed_and_opened(tmp_path: Path) -> None:
    """The name of a restricted recording is changed so that it tells nothing; then it is opened."""
    source = tmp_path / "recordings"
    source.mkdir()
    (source / "The secret.wav").write_bytes(b"sound")
    (source / "metadata.csv").write_text("path,title,may_publish,statement\nThe secret.wav,Secret talk,no,A secret\n")
    archive = FolderRepository(source, tmp_path / "results")
    (item,) = archive.discover()
    fetched = archive.fetch(item)
    seen = {"source_size": fetched.stat.size, "source_mtime_ns": fetched.stat.mtime_ns, "source_sha256": fetched.sha256}
    receipt = Receipt(item.identifier, "done", "The secret.wav", location=item.location, **seen)
    media = replace(INTERVIEW.media, name="The secret.wav")
    transcript = replace(INTERVIEW, media=media, identifier=item.identifier, title=item.title, rights=item.rights)
    files, describe = formats.parts(transcript, ALL)
    archive.deposit(item, Package(files, receipt, describe))
    (source / "The secret.wav").rename(source / "12.wav")
    (source / "metadata.csv").write_text("path,identifier,title,may_publish\n12.wav,R-12,A talk,yes\n")
    (choice,) = looked_through(archive).choices
    assert choice.kind == "moved" and not list(archive.restricted.rglob("*secret*"))
    written = [path for path in archive.outputs.rglob("*") if path.is_file()]
    assert len(written) == len(ALL) + 1
    for path in written:
        assert b"secret" not in path.read_bytes().lower() and "secret" not in path.name
    told = formats.read((archive.outputs / "12.wav.json").read_bytes(), "json")
    assert (told.identifier, told.title, told.media.name, told.rights.may_publish) == ("R-12", "A talk", "12.wav", True)
    assert archive.results(choice.receipt or receipt)[1] == ()


def test_without_json_what_was_renamed_is_done_again(archive: FolderRepository) -> None:
    (choice,) = select(archive, Policy(), LATER).choices
    assert choice.receipt is not None
    archive.deposit(choice.item, Package({".vtt": b"WEBVTT\n\nNOTE\nSource: old.wav\n"}, choice.receipt))
    (archive.source / "old.wav").rename(archive.source / "new.wav")
    (choice,) = looked_through(archive).choices
    assert choice.kind == "rerun" and choice.again and "another name" in choice.reason
