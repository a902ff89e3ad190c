"""The few things that must differ per database, as one small abstract class."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

from db.errors import DatabaseUnavailable, DbError

Insert = PostgresInsert | SqliteInsert

#: A row of any columns.
Row = sa.Row[*tuple[Any, ...]]


class Retry(Enum):
    """Whether a failed transaction is worth running again."""

    #: It lost a race (deadlock, serialisation, lock): run it again at once, with jitter.
    SOON = "soon"
    #: The server is away: run it again with growing waits, as long as patience lasts.
    LATER = "later"
    #: It will fail again.
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Fault:
    """What a driver's error means."""

    #: Whether to run the transaction again.
    retry: Retry
    #: What to raise when it is not run again.
    error: DbError


@dataclass(frozen=True, slots=True)
class Bulk:
    """An insert of many rows that are unique by some columns.

    SQLAlchemy's own bulk insert costs more here than the database does (its parameters are
    processed one by one, and psycopg parses the text anew for every size of batch), so the
    statement is written once as text; names and types come from the table all the same.
    """

    #: The table.
    table: sa.Table
    #: Columns given, in order; JSON ones as text.
    columns: tuple[str, ...]
    #: Columns whose uniqueness tells what is there already.
    unique: tuple[str, ...]
    #: Columns to return of the rows that were new.
    returning: tuple[str, ...]
    #: Columns filled with this moment.
    now: tuple[str, ...] = ()

    def type_of(self, column: str) -> sa.types.TypeEngine[Any]:
        """Type of a column."""
        return self.table.c[column].type


class Backend(ABC):
    """One kind of database."""

    #: Whether writers of one process must take turns (SQLite has one writer per file).
    one_writer: bool

    #: Base classes of what the driver raises.
    driver_errors: tuple[type[Exception], ...]

    def __init__(self, url: sa.URL) -> None:
        self.url = url
        self.masked = url.render_as_string(hide_password=True)

    @abstractmethod
    def engine(self, *, read_only: bool) -> sa.Engine:
        """Make an engine; connects to nothing yet."""

    @abstractmethod
    def insert(self, table: sa.Table) -> Insert:
        """``INSERT`` that knows ``ON CONFLICT``."""

    @abstractmethod
    def insert_new(
        self, connection: sa.Connection, into: Bulk, rows: Sequence[tuple[Any, ...]]
    ) -> list[Row]:
        """Insert many rows at once, leaving out those that are there already.

        Parameters
        ----------
        connection
            Connection whose transaction it belongs to.
        into
            What the rows are.
        rows
            Values in the order of ``into.columns``; JSON as text.

        Returns
        -------
        list
            Rows of ``into.returning`` of the rows that were inserted.
        """

    @abstractmethod
    def size(self, connection: sa.Connection) -> int:
        """Bytes of the database on disk."""

    @abstractmethod
    def damage(self, connection: sa.Connection) -> list[str]:
        """Damage that the database finds in itself, one line each."""

    @abstractmethod
    def compact(self, engine: sa.Engine) -> None:
        """Give space of removed rows back to the disk, and refresh the planner's statistics."""

    @abstractmethod
    def fault(self, error: BaseException) -> Fault | None:
        """Say what a driver's error means; ``None`` for a defect of ours."""

    def mask(self, text: str) -> str:
        """Return the first line of `text` without the password."""
        password = self.url.password
        line = next((part.strip() for part in text.splitlines() if part.strip()), "")
        return line.replace(str(password), "***") if password else line

    def unavailable(self, cause: str, advice: str) -> DatabaseUnavailable:
        """One line: which database, what is wrong, what to do."""
        return DatabaseUnavailable(f"{self.masked}: {cause}; {advice}")


#: JSON as both databases accept it: NaN is JSON to Python but not to PostgreSQL.
dumps = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
