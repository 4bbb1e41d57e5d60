"""``speechpipe pending``: a line a recording with its reason, and nothing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from speechpipe.cli import cli
from speechpipe.repositories import FolderRepository, Package, Receipt

NIGHT = "[night]\nsettle_minutes = 0\nunknown_rights = 'open'\n"
TABLE = """path,identifier,title,may_transcribe,may_publish
closed.wav,C-1,A private talk,no,
hidden talk.wav,,,yes,no
missing.wav,M-1,,,
"""


@pytest.fixture
def collections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderRepository:
    for name in ("done.wav", "new.wav", "closed.wav", "hidden talk.wav"):
        (tmp_path / "radio").mkdir(exist_ok=True)
        (tmp_path / "radio" / name).write_bytes(name.encode())
    (tmp_path / "film").mkdir()
    (tmp_path / "radio" / "metadata.csv").write_text(TABLE)
    rows = [f'[collections.{name}]\nroot = "{name}"\noutputs = "out/{name}"\n' for name in ("radio", "film")]
    (tmp_path / "speechpipe.toml").write_text(
        "[night]\nsettle_minutes = 0\nunknown_rights = 'open'\n" + "\n".join(rows)
    )
    monkeypatch.chdir(tmp_path)
    repository = FolderRepository(tmp_path / "radio", tmp_path / "out" / "radio")
    item = repository.item("done.wav")
    fetched = repository.fetch(item)
    receipt = Receipt("done.wav", "done", "done.wav", location="done.wav", finished="2026-01-01T00:00:00Z")
    known = {"source_size": fetched.stat.size, "source_mtime_ns": fetched.stat.mtime_ns, "source_sha256": "0" * 64}
    repository.deposit(item, Package({".vtt": b"words"}, replace(receipt, **known)))  # type: ignore[arg-type]
    return repository


@pytest.fixture
def run() -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(cli, ["pending", *arguments])


def test_what_would_be_done_and_what_not_each_with_its_reason(
    collections: FolderRepository, run: Callable[..., Result], tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    lines = run().stdout.splitlines()
    hidden = next(line for line in lines if line.startswith("restricted-"))
    assert hidden.endswith(": It is new.")
    assert [line for line in lines if line != hidden] == [
        "C-1: Its rights do not allow transcription.",
        "new.wav: It is new.",
        "missing.wav: It is listed in the metadata, but there is no such file.",
        "radio: 4 recordings: 2 new, 1 done, 1 skipped by their rights, 1 left out.",
        "film: There are no recordings.",
    ]
    assert not any("talk" in line for line in lines), "neither title nor file name of what is restricted"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_one_collection_with_what_is_done_for_a_program(
    collections: FolderRepository, run: Callable[..., Result]
) -> None:
    told = [json.loads(line) for line in run("radio", "--all", "--json").stdout.splitlines()]
    assert {one["collection"] for one in told} == {"radio"}
    kinds = sorted(one["kind"] for one in told)
    assert kinds == ["done", "forbidden", "left out", "new", "new"]
    (done,) = (one for one in told if one["kind"] == "done")
    assert done == {
        "collection": "radio",
        "recording": "done.wav",
        "kind": "done",
        "reason": "Done 2026-01-01T00:00:00Z.",
    }


def test_verifying_reads_what_is_done(collections: FolderRepository, run: Callable[..., Result]) -> None:
    assert "done.wav" not in run("radio").stdout
    assert "done.wav: Its content is not what it was" in run("radio", "--verify").stdout


def test_mistakes_are_one_line(collections: FolderRepository, run: Callable[..., Result], tmp_path: Path) -> None:
    wrong = run("tv")
    assert wrong.exit_code == 2 and "There is no collection 'tv'. Known: radio, film." in wrong.stderr
    (tmp_path / "radio" / "metadata.csv").write_text("name\nx\n")
    spoiled = run("radio")
    assert spoiled.exit_code == 7 and "metadata.csv cannot be used" in spoiled.stderr
    (tmp_path / "speechpipe.toml").unlink()
    none = run()
    assert none.exit_code == 2 and "No collection is set. Name them in speechpipe.toml" in none.stderr
