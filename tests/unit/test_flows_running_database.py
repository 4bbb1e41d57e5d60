"""The server's transactions wait for one another at SQLite; as Prefect ships them, they fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, sys
import sqlalchemy as sa
from prefect.server.database import provide_database_interface
from prefect.server.database.configurations import AioSqliteConfiguration
from flows.running import database

async def once(db, barrier):
    async with db.session_context(begin_transaction=True) as session:
        (number,) = (await session.execute(sa.text("select n from t"))).one()
        barrier and await barrier()
        await session.execute(sa.text("update t set n = :n"), {"n": number + 1})
        if sys.argv[1] == "nested":
            async with db.session_context(begin_transaction=True) as inner:
                print((await inner.execute(sa.text("select n from t"))).scalar())

async def main():
    db = provide_database_interface()
    async with db.session_context(begin_transaction=True, with_for_update=True) as session:
        await session.execute(sa.text("create table t (n int)"))
        await session.execute(sa.text("insert into t values (0)"))
    if sys.argv[1] == "nested":
        await once(db, None)
        return
    met = asyncio.Event()
    async def first():
        met.set()
        await asyncio.sleep(0.3)
    async def second():
        await met.wait()
        await once(db, None)
    await asyncio.gather(once(db, first), second())
    async with db.session_context() as session:
        print((await session.execute(sa.text("select n from t"))).scalar())

if sys.argv[1] != "as shipped":
    AioSqliteConfiguration.begin_transaction = database.begin_transaction
asyncio.run(main())
"""


def ran(tmp_path: Path, root: Path, how: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PREFECT_HOME": str(tmp_path), "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", PROGRAM, how]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_two_that_read_and_then_write_are_done_one_after_the_other(tmp_path: Path, root: Path) -> None:
    done = ran(tmp_path, root, "in line")
    assert (done.returncode, done.stdout.split()) == (0, ["2"]), done.stderr


def test_as_shipped_one_of_them_fails(tmp_path: Path, root: Path) -> None:
    """Where this passes no more, Prefect does it itself, and flows/running/database.py can go."""
    done = ran(tmp_path, root, "as shipped")
    assert done.returncode == 1 and "database is locked" in done.stderr


def test_one_within_another_does_not_wait_for_it(tmp_path: Path, root: Path) -> None:
    done = ran(tmp_path, root, "nested")
    assert (done.returncode, done.stdout.split()) == (0, ["0"]), done.stderr
