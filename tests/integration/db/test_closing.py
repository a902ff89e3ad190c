"""A database that is closed while it is being read: nothing breaks, and nothing stays open."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from db import open_store
from db.store._sql import SqlStore


def test_connections_in_use_are_closed_by_their_last_user(url: str) -> None:
    store = open_store(url)
    assert isinstance(store, SqlStore)
    database = store.database
    # What opening it left behind is not what is counted.
    database.engine.dispose()
    seen = Counter[str]()
    for event in ("connect", "close"):
        sa.event.listen(database.engine, event, lambda *_, event=event: seen.update([event]))
    reading, closed = threading.Barrier(3), threading.Event()

    def body(connection: sa.Connection) -> int:
        reading.wait(240)
        assert closed.wait(240)
        return int(connection.execute(sa.text("SELECT 7")).scalar_one())

    with ThreadPoolExecutor(2) as pool:
        reads = [pool.submit(database.read, body) for _ in range(2)]
        reading.wait(240)
        store.close()
        assert seen["close"] == 0
        closed.set()
        assert [read.result(240) for read in reads] == [7, 7]
    assert seen == {"connect": 2, "close": 2}
