"""A database's schema as the database itself tells it, and rows for any schema."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import sqlalchemy as sa

_POSTGRESQL = """
SELECT 'column', table_name || '.' || column_name,
       concat_ws(' ', data_type, is_nullable, column_default)
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'option', relname, reloptions::text FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL
UNION ALL
SELECT 'comment', concat_ws('.', c.relname, a.attname), d.description
FROM pg_description d JOIN pg_class c ON c.oid = d.objoid
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid
WHERE c.relnamespace = 'public'::regnamespace
"""


def schema_of(connection: sa.Connection) -> set[tuple[str, ...]]:
    """Columns, constraints, indexes, options and comments, one tuple each."""
    if connection.dialect.name == "postgresql":
        return {tuple(row) for row in connection.exec_driver_sql(_POSTGRESQL)}
    found: set[tuple[str, ...]] = set()
    inspector = sa.inspect(connection)
    for table in inspector.get_table_names():
        for _, *column in connection.exec_driver_sql(f"PRAGMA table_info({table})"):
            found.add(("column", table, *map(str, column)))
        for key in inspector.get_foreign_keys(table):
            found.add(("foreign key", table, str(sorted(key.items(), key=str))))
        for unique in inspector.get_unique_constraints(table):
            found.add(("unique", table, str(sorted(unique.items(), key=str))))
        for check in inspector.get_check_constraints(table):
            found.add(("check", table, str(check["name"]), check["sqltext"]))
    indexes = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    for name, sql in connection.exec_driver_sql(indexes):
        found.add(("index", name, re.sub(r"\s+", " ", sql)))
    return found


#: Values that the checks of the schema ask for, by column.
_SPECIAL = {
    "state": "running",
    "action": "claim",
    "after": "running",
    "before": "queued",
    "regime": "warm",
    "error_kind": None,
    "finished_at": None,
    "revoked_at": None,
    "gone_at": None,
}


def fill(connection: sa.Connection) -> None:
    """Put a row into every table, whatever the revision, each referring to the ones before."""
    reflected = sa.MetaData()
    reflected.reflect(connection)
    for table in reflected.sorted_tables:
        if table.name != "alembic_version":
            connection.execute(table.insert(), _row(table))
            if connection.dialect.name == "postgresql" and "id" in table.columns:
                name = f"pg_get_serial_sequence('{table.name}', 'id')"
                connection.exec_driver_sql(f"SELECT setval({name}, 1) WHERE {name} IS NOT NULL")


def contents(connection: sa.Connection) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    reflected = sa.MetaData()
    reflected.reflect(connection)
    return {
        table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
        for table in reflected.sorted_tables
        if table.name != "alembic_version"
    }


def _row(table: sa.Table) -> dict[str, Any]:
    return {column.name: _value(table, column) for column in table.columns}


def _value(table: sa.Table, column: sa.Column[Any]) -> Any:
    if column.name in _SPECIAL and table.name != "job_counts":
        return _SPECIAL[column.name]
    if column.foreign_keys or column.name == "id":
        return 1 if isinstance(column.type, sa.Integer) else "id"
    if isinstance(column.type, sa.Boolean):
        return True
    if isinstance(column.type, sa.Integer):
        return 1
    if isinstance(column.type, sa.JSON):
        return {"passed": True}
    if isinstance(column.type, sa.Double | sa.Float | sa.Numeric):
        return 0.5
    if column.name.endswith(("_at", "not_before")) or column.name == "at":
        text = "2026-11-22 03:00:00.000"
        return text if isinstance(column.type, sa.String) else datetime.fromisoformat(f"{text}Z")
    return f"{table.name}.{column.name}"
