"""The schema explains itself."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from db.schema import metadata
from db.schema.base import one_of

_TABLES = pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)


@_TABLES
def test_every_table_and_column_is_described(table: sa.Table) -> None:
    assert table.comment
    assert [column.name for column in table.columns if not column.comment] == []


@_TABLES
def test_every_constraint_and_index_has_a_name(table: sa.Table) -> None:
    names = [constraint.name for constraint in table.constraints]
    names += [index.name for index in table.indexes]
    assert all(names)
    assert len(set(names)) == len(names)


@_TABLES
def test_every_reference_can_be_followed_backwards(table: sa.Table) -> None:
    # Deleting from a table looks through those that refer to it: what prune deletes from must
    # be found there by an index.
    pruned = {"measurements", "tuning_records", "promotions"}
    led_by = {next(iter(index.columns)).name for index in table.indexes if index.columns}
    for column in table.columns:
        targets = {key.column.table.name for key in column.foreign_keys}
        if targets & pruned:
            assert column.name in led_by


def test_one_of() -> None:
    assert str(one_of("state", ("a", "b")).sqltext) == "state IN ('a', 'b')"
