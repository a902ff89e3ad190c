"""One PostgreSQL server per run, started by the tests themselves; a fresh database per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import Store, open_store
from db.testing.builders import World, populate
from db.testing.postgres import TemporaryPostgres, temporary_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[TemporaryPostgres]:
    # Durability against a crash of the machine is PostgreSQL's to test; without it tests are quick.
    with temporary_postgres(fsync="off", synchronous_commit="off") as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a fresh database at the newest revision, once per kind of database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/tunefleet.db"
        return
    server: TemporaryPostgres = request.getfixturevalue("postgres")
    made = server.create_database()
    yield made
    server.drop_database(made)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def world(store: Store) -> World:
    return populate(store)
