"""The database's clock, the only one the fleet goes by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from db.schema.base import UtcDateTime

#: This moment as SQLite writes it.
SQLITE_NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"


class Now(FunctionElement[datetime]):
    """This moment, by the database's clock."""

    type = UtcDateTime()
    inherit_cache = True


class After(FunctionElement[datetime]):
    """This moment plus a number of seconds, by the database's clock."""

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, seconds: float | sa.BindParameter[float]) -> None:
        bound = isinstance(seconds, sa.BindParameter)
        super().__init__(seconds if bound else sa.literal(float(seconds), sa.Double()))


def now() -> Now:
    """This moment, by the database's clock."""
    return Now()


def after(seconds: float | sa.BindParameter[float]) -> After:
    """`seconds` from now, by the database's clock."""
    return After(seconds)


@compiles(Now, "sqlite")
def _now_sqlite(element: Now, compiler: SQLCompiler, **kwargs: Any) -> str:
    return SQLITE_NOW


@compiles(After, "sqlite")
def _after_sqlite(element: After, compiler: SQLCompiler, **kwargs: Any) -> str:
    seconds = compiler.process(element.clauses, **kwargs)
    return SQLITE_NOW.replace("'now'", f"'now', {seconds} || ' seconds'")


# statement_timestamp(): unlike now() it moves on within a transaction, and unlike
# clock_timestamp() it is stable, so that the planner may compare an index with it.
@compiles(Now, "postgresql")
def _now_postgresql(element: Now, compiler: SQLCompiler, **kwargs: Any) -> str:
    return "statement_timestamp()"


@compiles(After, "postgresql")
def _after_postgresql(element: After, compiler: SQLCompiler, **kwargs: Any) -> str:
    seconds = compiler.process(element.clauses, **kwargs)
    return f"(statement_timestamp() + make_interval(secs => {seconds}))"
