"""The few things that must differ per database, as one small abstract class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

from db.errors import DatabaseUnavailable, DbError

Insert = PostgresInsert | SqliteInsert


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


class Backend(ABC):
    """One kind of database."""

    #: Whether writers of one process must take turns (SQLite has one writer per file).
    one_writer: bool
    #: Whether ``FOR UPDATE SKIP LOCKED`` exists and is needed.
    skip_locked: bool

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
    def fault(self, error: sa.exc.DBAPIError) -> Fault | None:
        """Say what a driver's error means; ``None`` for a defect of ours."""

    def mask(self, text: str) -> str:
        """Return the first line of `text` without the password."""
        password = self.url.password
        line = next((part.strip() for part in text.splitlines() if part.strip()), "")
        return line.replace(str(password), "***") if password else line

    def unavailable(self, cause: str, advice: str) -> DatabaseUnavailable:
        """One line: which database, what is wrong, what to do."""
        return DatabaseUnavailable(f"{self.masked}: {cause}; {advice}")


def dumps(value: Any) -> str:
    """JSON as both databases accept it: NaN is JSON to Python but not to PostgreSQL."""
    import json

    return json.dumps(value, allow_nan=False, separators=(",", ":"))
