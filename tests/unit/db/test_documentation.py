"""Every command, option, table and error of the database is documented."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

import db
from db.cli import db_group
from db.schema import metadata

DOCUMENT = Path(db.__file__).parents[1] / "docs" / "database.md"
TEXT = DOCUMENT.read_text()


@pytest.mark.parametrize("name", sorted(db_group.commands))
def test_commands_and_options(name: str) -> None:
    command = db_group.commands[name]
    assert f"tunefleet db {name}" in TEXT
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help
            assert parameter.opts[-1] in TEXT


@pytest.mark.parametrize("table", metadata.tables)
def test_tables(table: str) -> None:
    assert f"`{table}`" in TEXT


@pytest.mark.parametrize("state", db.JobState)
def test_states(state: db.JobState) -> None:
    assert state in TEXT


@pytest.mark.parametrize(
    "error", ["CorruptDatabase", "DatabaseUnavailable", "ReadOnlyDatabase", "SchemaMismatch"]
)
def test_errors(error: str) -> None:
    assert error in TEXT


def test_public_names_exist() -> None:
    assert sorted(db.__all__, key=str.lower) == sorted(set(db.__all__), key=str.lower)
    assert all(hasattr(db, name) for name in db.__all__)
