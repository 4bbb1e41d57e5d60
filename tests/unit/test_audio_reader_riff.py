"""Chunks of RIFF files: what broadcasters note in them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import inspect
from speechpipe.audio.reader.riff import Bext, broadcast_notes
from tests.containers import KINDS, bext, chunk, encode
from tests.containers import chunked_wav as wav


def test_a_broadcast_wave(tmp_path: Path) -> None:
    path = wav(
        tmp_path / "a.wav",
        bext(
            description="Intervju på øya\0rubbish".encode(),
            originator=b"NRK",
            reference=b"NO-1971-12",
            date=b"1971-05-17",
            time=b"10:30:00",
            samples=struct.pack("<Q", 8_000 * 3600),
            version=struct.pack("<H", 2),
            umid=bytes(range(1, 33)),
            loudness=struct.pack("<h", -2310),
            history=b"A=ANALOGUE,M=mono,T=Studer A80\r\nA=PCM,F=96000,W=24\r\n",
        ),
    )
    found, ixml = broadcast_notes(path)
    assert found == Bext(
        description="Intervju på øya",
        originator="NRK",
        originator_reference="NO-1971-12",
        origination="1971-05-17 10:30:00",
        time_reference=28_800_000,
        version=2,
        umid=bytes(range(1, 33)).hex(),
        loudness_lufs=-23.1,
        coding_history=("A=ANALOGUE,M=mono,T=Studer A80", "A=PCM,F=96000,W=24"),
    )
    assert ixml == {}
    assert inspect(path).bext == found


def test_what_is_empty_is_unknown(tmp_path: Path) -> None:
    found, _ = broadcast_notes(wav(tmp_path / "a.wav", bext(version=struct.pack("<H", 1), loudness=b"\x10\x20")))
    assert found == Bext(time_reference=0, version=1)


def test_names_in_old_code_pages_are_read(tmp_path: Path) -> None:
    found, _ = broadcast_notes(wav(tmp_path / "a.wav", bext(description="Århus".encode("latin-1"))))
    assert found is not None
    assert found.description == "Århus"


def test_ixml_is_read_by_its_leaves(tmp_path: Path) -> None:
    document = b"""<?xml version="1.0"?><BWFXML><PROJECT>Folk songs</PROJECT>
      <TRACK_LIST><TRACK><NAME>Left &amp; right</NAME></TRACK></TRACK_LIST><EMPTY/></BWFXML>\0"""
    _, ixml = broadcast_notes(wav(tmp_path / "a.wav", chunk(b"iXML", document)))
    assert ixml == {"PROJECT": "Folk songs", "TRACK_LIST/TRACK/NAME": "Left & right"}
    assert inspect(tmp_path / "a.wav").ixml == ixml


@pytest.mark.parametrize(
    "document",
    [
        b"no xml",
        b"<a>",
        b"",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a><b>&x;</b></a>',
        b'<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]><a><b>&y;&y;</b></a>',
    ],
)
def test_ixml_that_is_none_or_means_harm_tells_nothing(tmp_path: Path, document: bytes) -> None:
    _, ixml = broadcast_notes(wav(tmp_path / "a.wav", chunk(b"iXML", document)))
    assert ixml == {}


@pytest.mark.parametrize("length", [0, 10, 345])
def test_a_bext_chunk_that_is_too_short_is_none(tmp_path: Path, length: int) -> None:
    found, _ = broadcast_notes(wav(tmp_path / "a.wav", chunk(b"bext", bytes(length))))
    assert found is None


def test_other_files_have_no_notes(tmp_path: Path, talk: np.ndarray) -> None:
    assert broadcast_notes(encode(tmp_path / "a.mp3", KINDS["MP3"], talk)) == (None, {})


def test_the_fixtures_of_an_archive_validator(speech: Path) -> None:
    for version in (1, 2, 8):
        found = inspect(speech / "fixtures" / "jhove" / f"bwf-v{version}-pcm-44khz-8bit-mono-populated.wav").bext
        assert found is not None
        assert (found.version, found.description, found.originator) == (version, "Description", "Originator")
