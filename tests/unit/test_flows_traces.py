"""What is taken for a mention of a recording, on the server's page and in its database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from speechpipe.errors import OutputError

pytest.importorskip("prefect")

from flows.seen.traces import NAMELESS, _forget_in_database, _mentions, _nameless


@pytest.mark.parametrize(
    ("text", "is_mention"),
    [
        ("box/reel 1.wav was done", True),
        ("Wrote box/reel 1.wav.vtt.", True),
        ('{"name": "box/reel 1.wav"}', True),
        ("box/reel 1.wav.", True),
        ("mailbox/reel 1.wav", False),
        ("box/reel 1.wave", False),
        ("a/box/reel 1.wav", False),
        ("", False),
        (None, False),
    ],
)
def test_a_name_is_found_whole_and_no_part_of_another(text: str | None, is_mention: bool) -> None:
    assert _mentions({"box/reel 1.wav"})(text) is is_mention


def test_a_name_is_found_as_json_spells_it() -> None:
    told = _mentions({'bånd "5".wav'})
    assert told('{"name": "b\\u00e5nd \\"5\\".wav"}') and told('{"name": "bånd \\"5\\".wav"}')


def test_a_number_is_no_name_in_running_text() -> None:
    assert not _mentions({"12"})("12 recordings")
    assert _nameless({"recording": {"recording": "12"}}, {"12"}) == {"recording": {"recording": NAMELESS}}


def test_names_leave_parameters_at_any_depth_and_nothing_else_does() -> None:
    asked = {"recordings": {"recordings": ["a.wav", "b.wav"], "again": True}, "what": {"recording": " a.wav "}}
    assert _nameless(asked, {"a.wav"}) == {
        "recordings": {"recordings": [NAMELESS, "b.wav"], "again": True}, "what": {"recording": NAMELESS}
    }  # fmt: skip


def test_a_database_is_cleared_also_in_its_free_pages(tmp_path: Path) -> None:
    path = tmp_path / "prefect.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE log (message TEXT)")
        database.execute("CREATE TABLE flow_run_state (message TEXT)")
        rows = [("words of secret.wav",), ("of another.wav",), (None,)]
        database.executemany("INSERT INTO log VALUES (?)", rows)
        database.executemany("INSERT INTO flow_run_state VALUES (?)", rows)
    _forget_in_database(path, {"secret.wav"})
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT message FROM log").fetchall() == rows[1:]
        assert database.execute("SELECT message FROM flow_run_state").fetchall() == [
            (f"words of {NAMELESS}",), *rows[1:]
        ]  # fmt: skip
    assert b"secret.wav" not in path.read_bytes()


def test_a_database_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(OutputError, match="cannot be written"):
        _forget_in_database(tmp_path / "prefect.db", {"secret.wav"})
    _forget_in_database(None, {"secret.wav"})
