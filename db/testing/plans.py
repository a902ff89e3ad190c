"""Plans of the statements that a store really executes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from db.backend.database import Database

Statement = tuple[str, Any]


@contextmanager
def recorded(database: Database) -> Iterator[list[Statement]]:
    """Record every statement with its parameters."""
    found: list[Statement] = []

    def record(_c: object, _cursor: object, text: str, parameters: Any, *_rest: object) -> None:
        found.append((text, parameters))

    sa.event.listen(database.engine, "before_cursor_execute", record)
    try:
        yield found
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", record)


def plans(database: Database, call: Callable[[], object], *, table: str) -> list[str]:
    """Call something, and explain each of its statements that concern `table`.

    Parameters
    ----------
    database
        The database it talks to.
    call
        What to call.
    table
        Statements that do not name it are left out.

    Returns
    -------
    list of str
        One plan per statement, as the database words it.
    """
    with recorded(database) as statements:
        call()
    return [
        _explain(database, text, parameters)
        for text, parameters in statements
        if table in text and text.startswith(("SELECT", "UPDATE", "DELETE", "WITH"))
    ]


def _explain(database: Database, text: str, parameters: Any) -> str:
    explain = "EXPLAIN QUERY PLAN" if database.backend.one_writer else "EXPLAIN"

    def body(connection: sa.Connection) -> str:
        rows = connection.exec_driver_sql(f"{explain} {text}", parameters).all()
        return "\n".join(str(row[-1]) for row in rows)

    return database.read(body)
