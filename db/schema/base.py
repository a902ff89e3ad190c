"""What every table shares: naming convention, column types, the revision this code speaks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

#: Alembic revision this code reads and writes. A test compares it with the newest migration.
HEAD = "0008"

#: Every constraint has a name, so that a migration can address it on either database.
metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite only grows ids by itself in a column of the exact type INTEGER.
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: Stored as text and never searched, so JSON and not JSONB: what comes back is what went in.
Json = sa.JSON(none_as_null=True)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A moment in UTC: ``timestamptz`` on PostgreSQL, sortable text to the millisecond on SQLite.

    SQLite has no type for time; text in one fixed format compares as time does, and is readable.
    """

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(23))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        text = value.astimezone(UTC).replace(tzinfo=None)
        return text.isoformat(sep=" ", timespec="milliseconds")

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, str):
            # Pages read thousands: giving the zone to the parser takes a fifth of adding it after.
            return datetime.fromisoformat(f"{value}+00:00")
        return value.astimezone(UTC)  # type: ignore[no-any-return]


def one_of(column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    """Check that `column` holds one of `values`: portable, and altered without a type."""
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


def reference(
    name: str,
    target: sa.Table,
    comment: str,
    *,
    primary_key: bool = False,
    nullable: bool = False,
) -> sa.Column[int]:
    """Column that refers to a row of `target`."""
    key = sa.ForeignKey(target.c.id)
    return sa.Column(name, BigId, key, primary_key=primary_key, nullable=nullable, comment=comment)
