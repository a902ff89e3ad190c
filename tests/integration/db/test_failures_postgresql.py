"""PostgreSQL when things go wrong: retried where it can pass, otherwise one clear line."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from db import (
    DatabaseUnavailable,
    ReadOnlyDatabase,
    Store,
    open_store,
)
from db.store._sql import SqlStore
from db.testing.builders import ARCH, TOOLCHAIN, measurement, populate, workload
from db.testing.postgres import TemporaryPostgres, temporary_postgres

KEY = (workload().digest, ARCH.name, TOOLCHAIN.key)


@pytest.fixture(scope="module")
def server() -> Iterator[TemporaryPostgres]:
    """A server of this file's own, because its tests stop it."""
    with temporary_postgres() as started:
        started.execute("CREATE ROLE guarded LOGIN PASSWORD 'hunter2'")
        rules = started.pgdata / "pg_hba.conf"
        rules.write_text(f"local all guarded scram-sha-256\n{rules.read_text()}")
        started.reload()
        yield started


@pytest.fixture
def url(server: TemporaryPostgres) -> Iterator[str]:
    made = server.create_database()
    yield made
    server.drop_database(made)


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    # A server takes its time to come back on a busy machine.
    with open_store(url, patience_s=240.0) as opened:
        assert isinstance(opened, SqlStore)
        populate(opened)
        yield opened


def _refused(url: str) -> str:
    with pytest.raises(DatabaseUnavailable) as caught:
        open_store(url)
    text = str(caught.value)
    assert "\n" not in text
    return text


def _named(url: str, server: TemporaryPostgres, password: str | None) -> str:
    database = sa.make_url(url).database
    assert database is not None
    return server.url(database, "guarded", password)


class TestRefused:
    @pytest.mark.usefixtures("one_try")
    def test_a_wrong_password(self, server: TemporaryPostgres, url: str) -> None:
        text = _refused(_named(url, server, "sesame"))
        assert "check user and password" in text
        assert "sesame" not in text
        assert "guarded:***@" in text

    def test_no_password(self, server: TemporaryPostgres, url: str) -> None:
        assert "check user and password" in _refused(_named(url, server, None))

    def test_no_rights(self, server: TemporaryPostgres, url: str) -> None:
        assert "grant this user" in _refused(_named(url, server, "hunter2"))

    def test_no_such_database(self, server: TemporaryPostgres) -> None:
        assert "createdb" in _refused(server.url("missing"))

    def test_no_such_user(self, server: TemporaryPostgres, url: str) -> None:
        database = sa.make_url(url).database or ""
        assert "does not exist" in _refused(server.url(database, "nobody"))

    def test_no_such_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("db.backend.revision.OPENING_PATIENCE_S", 0.1)
        text = _refused("postgresql://user:hunter2@127.0.0.1:1/name")
        assert "check host and port" in text
        assert "hunter2" not in text


class TestVanished:
    def test_a_server_that_comes_back(self, server: TemporaryPostgres, store: Store) -> None:
        server.stop()
        back = threading.Timer(0.7, server.start)
        back.start()
        assert store.add_measurements([measurement(1)]) == 1
        back.join()

    def test_a_server_that_does_not(
        self, server: TemporaryPostgres, store: SqlStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store.database, "_patience_s", 0.3)
        store.add_measurements([measurement(1)])
        server.stop()
        try:
            with pytest.raises(DatabaseUnavailable) as caught:
                store.add_measurements([measurement(2)])
            assert "\n" not in str(caught.value)
        finally:
            server.start()
        assert store.add_measurements([measurement(1), measurement(2)]) == 1

    def test_a_server_that_goes_in_the_middle(
        self, server: TemporaryPostgres, store: SqlStore
    ) -> None:
        killed: list[bool] = []

        def body(connection: sa.Connection) -> None:
            connection.exec_driver_sql("UPDATE cpu_archs SET isa_level = 'half-written'")
            if not killed:
                killed.append(True)
                server.stop()
                server.start()
            connection.exec_driver_sql("UPDATE cpu_archs SET isa_level = 'written'")

        store.database.write(body)
        assert {arch.isa_level for arch in store.archs()} == {"written"}

    def test_a_session_that_is_ended(self, server: TemporaryPostgres, store: SqlStore) -> None:
        end = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'tunefleet'"
        )
        for number in range(3):
            server.execute(end)
            assert store.add_measurements([measurement(number)]) == 1


class TestRetried:
    def _raise(self, connection: sa.Connection, state: str) -> None:
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION SQLSTATE '{state}'; END $$")

    @pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57P01"])
    def test_what_can_pass_is_run_again(self, store: SqlStore, state: str) -> None:
        runs = []

        def body(connection: sa.Connection) -> None:
            runs.append(1)
            connection.exec_driver_sql("UPDATE cpu_archs SET isa_level = isa_level || '+'")
            if len(runs) < 4:
                self._raise(connection, state)

        store.database.write(body)
        assert all(arch.isa_level.count("+") == 1 for arch in store.archs())

    def test_what_keeps_losing_ends(self, store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("db.backend.database.RACES", 4)
        with pytest.raises(DatabaseUnavailable, match="too much contention"):
            store.database.write(lambda connection: self._raise(connection, "40001"))

    @pytest.mark.usefixtures("one_try")
    @pytest.mark.parametrize(
        ("state", "advice"), [("53100", "free some space"), ("53200", "memory"), ("58030", "disk")]
    )
    def test_what_cannot_pass_is_told_at_once(
        self, store: SqlStore, state: str, advice: str
    ) -> None:
        def body(connection: sa.Connection) -> None:
            connection.exec_driver_sql("UPDATE cpu_archs SET isa_level = 'half-written'")
            self._raise(connection, state)

        before = store.archs()
        with pytest.raises(DatabaseUnavailable, match=advice):
            store.database.write(body)
        assert store.archs() == before

    def test_a_real_deadlock(self, store: SqlStore, server: TemporaryPostgres) -> None:
        server.execute("ALTER SYSTEM SET deadlock_timeout = '50ms'")
        server.reload()
        both_hold = threading.Barrier(2)
        runs = []

        def update(connection: sa.Connection, names: list[str]) -> None:
            runs.append(names)
            for name in names:
                connection.exec_driver_sql(
                    "UPDATE cpu_archs SET isa_level = isa_level || '+' WHERE name = %s", (name,)
                )
                if len(runs) <= 2 and name == names[0]:
                    both_hold.wait(timeout=240)

        names = [arch.name for arch in store.archs()]
        threads = [
            threading.Thread(
                target=lambda order=order: store.database.write(lambda c: update(c, order))
            )
            for order in (names, names[::-1])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(runs) > 2
        assert all(arch.isa_level.endswith("++") for arch in store.archs())


def test_a_server_that_only_reads(server: TemporaryPostgres, url: str) -> None:
    name = sa.make_url(url).database
    server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with open_store(url) as store:
        with pytest.raises(ReadOnlyDatabase, match="primary") as caught:
            store.add_arch(ARCH)
        assert "\n" not in str(caught.value)
        assert store.archs() == []


def test_a_read_only_store_cannot_write_by_accident(url: str) -> None:
    with open_store(url, read_only=True) as store:
        assert isinstance(store, SqlStore)
        with pytest.raises(ReadOnlyDatabase):
            store.database.read(lambda c: c.exec_driver_sql("DELETE FROM cpu_archs"))
