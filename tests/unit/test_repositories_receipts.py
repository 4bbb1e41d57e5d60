"""Receipts as JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import MappingProxyType

import pytest

from speechpipe.repositories import Receipt
from speechpipe.repositories.results.receipts import SCHEMA_VERSION, from_json, read, to_json

FULL = Receipt(
    identifier="fonds/bånd 1.wav",
    status="done",
    source_name="bånd 1.wav",
    key="k" * 64,
    source_size=123,
    source_mtime_ns=1_700_000_000_123_456_789,
    source_sha256="a" * 64,
    outcome="speech",
    complete=True,
    error="none really",
    message="said",
    cure="do",
    curable=False,
    software="speechpipe 0.1.0",
    model="whisper-tiny-archive",
    model_revision="r1",
    languages=("nb", "en"),
    words=42,
    confidence=0.1 + 0.2,
    first_words="dette er bånd én",
    audio_ms=60_000,
    wall_ms=1_234,
    finished="2026-11-21T12:00:00Z",
    version=3,
    files={"bånd 1.wav.vtt": "b" * 64},
    location="fonds/bånd 1.wav",
    origin="c" * 16,
    source_checksum="md5:" + "d" * 32,
    attempts=2,
    not_before="2026-11-21T13:00:00Z",
    restricted=True,
    flagged=2,
    rights_known=True,
)


def test_every_field_goes_there_and_back() -> None:
    defaults = Receipt("a", "failed", "a")
    differing = [f.name for f in dataclasses.fields(Receipt) if getattr(FULL, f.name) == getattr(defaults, f.name)]
    assert not differing, "each field is tried with a value of its own"
    assert from_json(to_json(FULL)) == FULL
    assert from_json(to_json(defaults)) == defaults


def test_unknown_stays_null_and_people_can_read_it() -> None:
    data = json.loads(to_json(Receipt("å.wav", "failed", "å.wav")))
    assert data["schema_version"] == SCHEMA_VERSION
    assert data["words"] is None
    assert data["confidence"] is None
    assert "å.wav" in to_json(Receipt("å.wav", "failed", "å.wav")).decode()


def test_fields_of_a_later_version_are_passed_over() -> None:
    data = json.loads(to_json(FULL)) | {"schema_version": "1.7", "speakers": 3}
    assert from_json(json.dumps(data).encode()) == FULL


def test_fields_added_since_are_unknown() -> None:
    minimal = {"identifier": "a.wav", "status": "done", "source_name": "a.wav"}
    assert from_json(json.dumps(minimal).encode()) == Receipt("a.wav", "done", "a.wav")


def test_bytes_of_a_name_that_are_no_utf8_survive() -> None:
    receipt = dataclasses.replace(FULL, identifier="lyd_b\udce5nd.wav")
    to_json(receipt).decode("utf-8")
    assert from_json(to_json(receipt)) == receipt


def test_files_may_be_any_mapping() -> None:
    receipt = dataclasses.replace(FULL, files=MappingProxyType({"a": "b"}))
    assert from_json(to_json(receipt)).files == {"a": "b"}


@pytest.mark.parametrize(
    "change",
    [
        {"status": "finished"},
        {"identifier": None},
        {"identifier": 5},
        {"words": "many"},
        {"files": ["a"]},
        {"files": {"a": None}},
        {"languages": "nb"},
        {"outcome": "music"},
        {"version": None},
    ],
)
def test_a_wrong_value_is_no_receipt(change: dict[str, object], tmp_path: Path) -> None:
    content = json.dumps(json.loads(to_json(FULL)) | change).encode()
    with pytest.raises(ValueError, match="Receipt"):
        from_json(content)
    (tmp_path / "receipt.json").write_bytes(content)
    assert read(tmp_path / "receipt.json") is None


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{", b"\xff\xfe", b"NaN", b"[" * 100_000, b'{"identifier":'])
def test_what_is_no_json_object_is_no_receipt(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_bytes(content)
    assert read(tmp_path / "receipt.json") is None


def test_no_file_and_a_folder_are_no_receipt(tmp_path: Path) -> None:
    assert read(tmp_path / "absent.json") is None
    assert read(tmp_path) is None
