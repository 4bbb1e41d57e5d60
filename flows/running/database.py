"""Transactions of the server that take their place in line at SQLite before they read.

As shipped most begin as readers. One that then wants to write fails at once with "database is locked" if another has
written meanwhile: the server answers 503, its clients wait for seconds, and events are dropped.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from prefect.server.database.configurations import SQLITE_BEGIN_MODE, AioSqliteConfiguration

_begin = AioSqliteConfiguration.begin_transaction


def begin_transaction(
    self: AioSqliteConfiguration, session: Any, with_for_update: bool = False
) -> AbstractAsyncContextManager[Any]:
    within_another = SQLITE_BEGIN_MODE.get() == "IMMEDIATE"  # which would be waited for without end
    return _begin(self, session, with_for_update or not within_another)
