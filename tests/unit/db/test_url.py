"""From what people write to a database; passwords never come back."""

from __future__ import annotations

import pytest

from db import DatabaseUnavailable
from db.backend.postgresql import PostgresBackend
from db.backend.sqlite import SqliteBackend
from db.backend.url import resolve


@pytest.mark.parametrize("text", ["sqlite:///folder/x.db", "folder/x.db"])
def test_sqlite(text: str) -> None:
    backend = resolve(text)
    assert isinstance(backend, SqliteBackend)
    assert str(backend.path) == "folder/x.db"


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
def test_postgresql(scheme: str) -> None:
    backend = resolve(f"{scheme}://user:hunter2@host/name")
    assert isinstance(backend, PostgresBackend)
    assert backend.url.drivername == "postgresql+psycopg"
    assert backend.masked == "postgresql+psycopg://user:***@host/name"


def test_environment_and_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUNEFLEET_DB", raising=False)
    assert resolve(None).masked == "sqlite:///tunefleet.db"
    monkeypatch.setenv("TUNEFLEET_DB", "sqlite:///other.db")
    assert resolve(None).masked == "sqlite:///other.db"
    assert resolve("third.db").masked == "sqlite:///third.db"


@pytest.mark.parametrize(
    "text", ["mysql://u:hunter2@h/n", "://", "sqlite://", "sqlite:///:memory:"]
)
def test_what_cannot_be_a_database(text: str) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        resolve(text)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_masking_takes_one_line_without_the_password() -> None:
    backend = resolve("postgresql://user:hunter2@host/name")
    assert backend.mask("\nfailed: hunter2\nmore hunter2") == "failed: ***"
