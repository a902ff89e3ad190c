"""Dashboards over the small fleet, on both databases, and over a database of one's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from db import open_store
from db.store._sql import SqlStore
from db.testing.fleet import SMALL, fill_fleet
from db.testing.postgres import TemporaryPostgres
from tests.site import Site, serving


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def fleet_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a database with a small fleet in it; nobody writes to it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('fleet')}/tunefleet.db"
    else:
        server: TemporaryPostgres = request.getfixturevalue("postgres")
        url = server.create_database()
    with open_store(url) as store:
        assert isinstance(store, SqlStore)
        fill_fleet(store, store.database, SMALL)
    return url


@pytest.fixture(scope="session")
def fleet(fleet_url: str) -> Iterator[Site]:
    """A dashboard over the small fleet."""
    with serving(fleet_url) as site:
        yield site


@pytest.fixture
def site(url: str) -> Iterator[Site]:
    """A dashboard over an empty database, on either kind."""
    open_store(url).close()
    with serving(url) as opened:
        yield opened
