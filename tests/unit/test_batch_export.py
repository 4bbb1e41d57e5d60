"""Other formats of what was deposited: corrected files as they are, others from the JSON, METS of what is exported."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from lxml import etree

from speechpipe import formats
from speechpipe.batch.export import export
from speechpipe.errors import OutputError, UsageError
from speechpipe.files import sha256_bytes
from speechpipe.formats.provenance import NOT_REVIEWED
from speechpipe.repositories import FolderRepository, Item, Package, Receipt
from speechpipe.settings.captions import Captions
from tests.transcripts import INTERVIEW

TRANSCRIPT = replace(INTERVIEW, media=replace(INTERVIEW.media, name="reel.wav"))


def deposited(folder: Path, *names: str) -> tuple[FolderRepository, Item, Receipt]:
    (folder / "in" / "1954").mkdir(parents=True)
    (folder / "in" / "1954" / "reel.wav").write_bytes(b"sound")
    repository = FolderRepository(folder / "in", folder / "out")
    item = repository.item("1954/reel.wav")
    files, describe = formats.parts(TRANSCRIPT, names)
    receipt = Receipt(item.identifier, "done", "reel.wav", location=item.location)
    return repository, item, repository.deposit(item, Package(files, receipt, describe)).receipt


def test_what_was_deposited_is_copied_and_others_are_made(tmp_path: Path) -> None:
    repository, item, receipt = deposited(tmp_path, "vtt", "json")
    written = export(repository, item, receipt, ["srt", "vtt"], tmp_path / "exports", Captions(preset="broadcast"))
    assert written == [tmp_path / "exports" / "1954" / f"reel.wav.{ending}" for ending in ("srt", "vtt")]
    assert written[0].read_bytes() == formats.write(TRANSCRIPT, "srt", Captions(preset="broadcast"))
    assert written[1].read_bytes() == formats.write(TRANSCRIPT, "vtt")


def test_what_a_person_left_is_exported_in_every_format_also_after_another_run(tmp_path: Path) -> None:
    repository, item, receipt = deposited(tmp_path, "vtt", "alto", "json", "txt")
    vtt = tmp_path / "out" / "1954" / "reel.wav.vtt"
    vtt.write_text(vtt.read_text().replace("Velkommen til", "Vel møtt til"))
    files, describe = formats.parts(replace(TRANSCRIPT, title="again"), ("vtt", "json"))
    second = repository.deposit(item, Package(files, replace(receipt, files={}), describe)).receipt
    assert second.version == 2
    names = [name for name in formats.FORMATS if name != "mets"]
    for told in (receipt, second):
        written = export(repository, item, told, [*names, "mets"], tmp_path / "exports", Captions())
        assert [path.name for path in written][:2] == ["reel.wav.vtt", "reel.wav.alto.xml"]
        for name, path in zip(names, written, strict=False):
            text = " ".join(path.read_text().split())
            assert "møtt" in text and "Velkommen" not in text, name
            if name == "html":  # which has the words of its page in all languages besides
                text = text.split('class="mark">')[1].split("</p>")[0]
            assert name == "json" or (NOT_REVIEWED not in text and "corrected by" in text and "a person" in text), name
        assert formats.read(written[names.index("json")].read_bytes(), "json").revision is not None


def test_the_file_that_a_person_corrected_keeps_its_own_shape(tmp_path: Path) -> None:
    repository, item, receipt = deposited(tmp_path, "vtt", "json")
    vtt = tmp_path / "out" / "1954" / "reel.wav.vtt"
    vtt.write_text(vtt.read_text().replace("05.559\n", "05.559 line:0\n").replace("Velkommen", "<i>Velkomne</i>"))
    (written,) = export(repository, item, receipt, ["vtt"], tmp_path / "exports", Captions())
    assert "05.559 line:0\n<v Channel 1><i>Velkomne</i> til" in written.read_text()
    assert "corrected by a person, 20" in written.read_text()


def test_a_correction_that_cannot_be_read_is_said_with_its_file_and_line(tmp_path: Path) -> None:
    repository, item, receipt = deposited(tmp_path, "vtt", "json")
    (tmp_path / "out" / "1954" / "reel.wav.vtt").write_bytes(b"WEBVTT\n\nby a person")
    with pytest.raises(UsageError, match=r"reel\.wav\.vtt: .*line 3"):
        export(repository, item, receipt, ["srt"], tmp_path / "exports", Captions())
    assert not (tmp_path / "exports").exists()


def test_what_describes_the_package_describes_what_is_exported(tmp_path: Path) -> None:
    repository, item, receipt = deposited(tmp_path, "vtt", "json")
    written = export(repository, item, receipt, ["mets", "vtt", "srt"], tmp_path / "exports", Captions())
    mets = etree.fromstring(written[0].read_bytes())
    described = mets.findall(".//{*}fileGrp[@USE='transcript']/{*}file")
    named = {unquote(file[0].get("{http://www.w3.org/1999/xlink}href")): file.get("CHECKSUM") for file in described}
    assert named == {path.name: sha256_bytes(path.read_bytes()) for path in written[1:]}


def test_without_json_it_says_what_to_do(tmp_path: Path) -> None:
    repository, item, receipt = deposited(tmp_path, "vtt")
    with pytest.raises(UsageError, match="has no JSON"):
        export(repository, item, receipt, ["srt"], tmp_path / "exports", Captions())
    assert not (tmp_path / "exports").exists()


def test_nothing_is_written_through_a_link_that_leads_out(tmp_path: Path) -> None:
    repository, item, receipt = deposited(tmp_path, "json")
    (tmp_path / "exports").mkdir()
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "exports" / "1954")
    with pytest.raises(OutputError, match="leads out"):
        export(repository, item, receipt, ["srt"], tmp_path / "exports", Captions())
    assert not list((tmp_path / "elsewhere").iterdir())
