"""PostgreSQL through psycopg 3."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from db.backend.base import Backend, Bulk, Fault, Insert, Retry, Row, dumps
from db.errors import CorruptDatabase, DbError, ReadOnlyDatabase

#: SQLSTATE -> whether to try again, and what to advise when that did not help.
_LOST_RACES = {
    "40001": "serialisation failure",
    "40P01": "deadlock",
    "55P03": "lock not available",
}
_AWAY = {
    "57P01": "the server is shutting down",
    "57P02": "the server crashed",
    "57P03": "the server is starting up",
    "57P05": "the session was idle too long",
    "53300": "the server has no connection left",
    "25P03": "the session was idle in a transaction",
}
_ADVICE = {
    "28P01": "check user and password",
    "28000": "check user and pg_hba.conf",
    "3D000": "create the database with createdb, then run `tunefleet db upgrade`",
    "42501": "grant this user its rights on the tables",
    "53100": "free some space on the server and run it again",
    "53200": "give the server more memory",
    "58030": "check the server's disk",
}


_decode = json.JSONDecoder().decode

_DIALECT: sa.Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


class PostgresBackend(Backend):
    """A PostgreSQL server."""

    one_writer = False
    driver_errors = (psycopg.Error,)

    def engine(self, *, read_only: bool) -> sa.Engine:
        options = ["-c idle_in_transaction_session_timeout=60s", "-c timezone=UTC"]
        if read_only:
            options.append("-c default_transaction_read_only=on")
        connect_args = {
            "application_name": "tunefleet",
            "connect_timeout": 10,
            # A server whose machine vanished is noticed in seconds, not after TCP's quarter hour.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
            "options": " ".join(options),
        }
        given = {str(key) for key in self.url.query}
        return sa.create_engine(
            self.url,
            connect_args={k: v for k, v in connect_args.items() if k not in given},
            # No ping before each use: a transaction whose connection was lost is run again anyway,
            # and asking first would be a fifth of what the queue asks of the server.
            pool_pre_ping=False,
            # The one used last has the most statements prepared.
            pool_use_lifo=True,
            pool_size=4,
            max_overflow=4,
            json_serializer=dumps,
            json_deserializer=_loads,
        )

    def insert(self, table: sa.Table) -> Insert:
        return postgresql.insert(table)

    def insert_new(
        self, connection: sa.Connection, into: Bulk, rows: Sequence[tuple[Any, ...]]
    ) -> list[Row]:
        values = dumps([dict(zip(into.columns, row, strict=True)) for row in rows])
        return list(connection.exec_driver_sql(_insert_text(into), (values,)).all())

    def size(self, connection: sa.Connection) -> int:
        query = sa.select(sa.func.pg_database_size(sa.func.current_database()))
        return int(connection.execute(query).scalar_one())

    def damage(self, connection: sa.Connection) -> list[str]:
        # PostgreSQL checks its pages as it reads them, and its constraints as it writes.
        names = connection.exec_driver_sql(
            "SELECT conname FROM pg_constraint WHERE NOT convalidated"
        ).scalars()
        return [f"constraint {name} was never validated" for name in names]

    def compact(self, engine: sa.Engine) -> None:
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("VACUUM (ANALYZE)")

    def fault(self, error: BaseException) -> Fault | None:
        says = self.mask(str(error))
        state = getattr(error, "sqlstate", None)
        if state is None:
            # No SQLSTATE: the connection failed before or while the server was speaking.
            if not isinstance(error, psycopg.OperationalError):
                return None
            return self._connection_fault(says)
        if state in _LOST_RACES:
            error_ = self.unavailable(says, "too much contention: run it again")
            return Fault(Retry.SOON, error_)
        if state in _AWAY or state.startswith("08"):
            return Fault(Retry.LATER, self.unavailable(says, "run it again when the server is up"))
        if state == "23503":
            # Only a tuning record can be gone by the time it is referred to: prune was here.
            return Fault(Retry.SOON, DbError(f"{self.masked}: {says}; run it again"))
        if state == "25006":
            return Fault(Retry.NEVER, self._read_only(says))
        if state in ("XX001", "XX002"):
            return Fault(Retry.NEVER, CorruptDatabase(f"{self.masked}: {says}; restore a backup"))
        if state in _ADVICE:
            return Fault(Retry.NEVER, self.unavailable(says, _ADVICE[state]))
        return None

    def _read_only(self, says: str) -> DbError:
        return ReadOnlyDatabase(f"{self.masked}: {says}; write to the primary server")

    def _connection_fault(self, says: str) -> Fault:
        # While connecting, psycopg has no SQLSTATE even for refused passwords: read the text.
        lowered = says.lower()
        for words, advice in (
            ("password", _ADVICE["28P01"]),
            ("authentication", _ADVICE["28000"]),
            ("pg_hba.conf", _ADVICE["28000"]),
            ("does not exist", _ADVICE["3D000"]),
        ):
            if words in lowered:
                return Fault(Retry.NEVER, self.unavailable(says, advice))
        return Fault(
            Retry.LATER, self.unavailable(says, "check host and port, and that the server is up")
        )


def _loads(text: bytes | str) -> object:
    """Decode JSON; the library's own `loads` guesses the encoding of bytes, at twice the price."""
    return _decode(text if isinstance(text, str) else str(text, "utf-8"))


@lru_cache(maxsize=64)
def _insert_text(into: Bulk) -> str:
    # All rows in one JSON parameter: the text is the same for every number of rows, so it is
    # prepared once, and JSON is written by C (psycopg quotes arrays of text in Python).
    types = {name: into.type_of(name).compile(dialect=_DIALECT) for name in into.columns}
    given = [f"{name} {'TEXT' if kind == 'JSON' else kind}" for name, kind in types.items()]
    values = [f"{name}::json" if kind == "JSON" else name for name, kind in types.items()]
    values += ["statement_timestamp()"] * len(into.now)
    return (
        f"INSERT INTO {into.table.name} ({', '.join(into.columns + into.now)}) "
        f"SELECT {', '.join(values)} FROM json_to_recordset(%s::json) AS given({', '.join(given)}) "
        f"ON CONFLICT ({', '.join(into.unique)}) DO NOTHING "
        f"RETURNING {', '.join(into.returning)}"
    )
