"""From what people write to a backend."""

from __future__ import annotations

import os

import sqlalchemy as sa

from db.backend.base import Backend
from db.backend.postgresql import PostgresBackend
from db.backend.sqlite import SqliteBackend
from db.errors import DatabaseUnavailable

#: Names the database where nothing else does.
ENV = "TUNEFLEET_DB"
DEFAULT_URL = "sqlite:///tunefleet.db"


def resolve(url: str | None) -> Backend:
    """Choose the backend for `url`, else ``$TUNEFLEET_DB``, else a file in the working directory.

    A text without ``://`` is the path of a SQLite file.
    """
    text = url or os.environ.get(ENV) or DEFAULT_URL
    if "://" not in text:
        text = f"sqlite:///{text}"
    try:
        parsed = sa.make_url(text)
        kind = parsed.get_backend_name()
    except (sa.exc.ArgumentError, ValueError) as error:
        raise DatabaseUnavailable(
            "not a database URL; write sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME"
        ) from error
    if kind == "sqlite":
        return SqliteBackend(parsed)
    if kind in ("postgresql", "postgres"):
        return PostgresBackend(parsed.set(drivername="postgresql+psycopg"))
    raise DatabaseUnavailable(
        f"{kind} is not supported; write sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME"
    )
