"""Arithmetic with moments, on both databases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from db.schema.base import UtcDateTime
from db.schema.clock import now


class Epoch(FunctionElement[float]):
    """Seconds of a moment since 1970."""

    type = sa.Double()
    inherit_cache = True


@compiles(Epoch, "sqlite")
def _epoch_sqlite(element: Epoch, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"((julianday({compiler.process(element.clauses, **kwargs)}) - 2440587.5) * 86400.0)"


@compiles(Epoch, "postgresql")
def _epoch_postgresql(element: Epoch, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"extract(epoch FROM {compiler.process(element.clauses, **kwargs)})::double precision"


def epoch(moment: sa.ColumnElement[Any]) -> Epoch:
    """Seconds of a column of moments since 1970."""
    return Epoch(moment)


def moment(at: datetime) -> sa.ColumnElement[datetime]:
    """A given moment, in the database's own form."""
    return sa.literal(at, UtcDateTime())


def clock(connection: sa.Connection) -> datetime:
    """This moment, by the database's clock."""
    return connection.execute(sa.select(now())).scalar_one()
