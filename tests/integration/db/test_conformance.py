"""Both databases keep the contract of the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import Store, open_store
from db.testing.conformance import StoreConformance
from db.testing.postgres import TemporaryPostgres


class TestSqlite(StoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with open_store(f"sqlite:///{tmp_path}/tunefleet.db") as opened:
            yield opened


class TestPostgresql(StoreConformance):
    @pytest.fixture
    def store(self, postgres: TemporaryPostgres) -> Iterator[Store]:
        url = postgres.create_database()
        with open_store(url) as opened:
            yield opened
        postgres.drop_database(url)
