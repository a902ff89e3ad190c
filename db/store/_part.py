"""What the parts of the SQL store share: the database, and ids by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from db.backend.base import Row
from db.backend.chunks import chunks
from db.backend.database import Database
from db.errors import NotFound
from db.schema.catalog import cpu_archs, toolchains, workloads

#: A query of any columns.
Select = sa.Select[*tuple[Any, ...]]


__all__ = ["Ids", "Part", "Row", "Select", "equal"]


class Ids:
    """Ids of rows that have a name, remembered: such rows are never renamed nor deleted."""

    def __init__(self, column: sa.Column[str], what: str, advice: str) -> None:
        self._column = column
        self._id = column.table.c.id
        self._what = what
        self._advice = advice
        self._known: dict[str, int] = {}

    def find(self, connection: sa.Connection, names: Iterable[str]) -> dict[str, int]:
        """Ids of those `names` that exist."""
        wanted = set(names)
        missing = sorted(wanted - self._known.keys())
        for some in chunks(missing):
            query = sa.select(self._column, self._id).where(self._column.in_(some))
            self._known.update((name, id_) for name, id_ in connection.execute(query))
        return {name: self._known[name] for name in wanted if name in self._known}

    def require(self, connection: sa.Connection, names: Collection[str]) -> dict[str, int]:
        """Ids of all `names`; `NotFound` tells the first that is missing."""
        found = self.find(connection, names)
        for name in names:
            if name not in found:
                raise NotFound(f"unknown {self._what} {name!r}; {self._advice}")
        return found

    def find_one(self, connection: sa.Connection, name: str) -> int | None:
        """Id of `name`, or ``None``."""
        return self.find(connection, (name,)).get(name)

    def one(self, connection: sa.Connection, name: str) -> int:
        """Id of `name`, or `NotFound`."""
        return self.require(connection, (name,))[name]


class Part:
    """One role of the SQL store; the parts meet in ``SqlStore``."""

    _db: Database
    _archs: Ids
    _toolchains: Ids
    _workloads: Ids

    def _init_ids(self) -> None:
        self._archs = Ids(cpu_archs.c.name, "CPU architecture", "add it with add_arch first")
        self._toolchains = Ids(toolchains.c.key, "toolchain", "add it with add_toolchain first")
        self._workloads = Ids(workloads.c.digest, "workload", "add it with add_workloads first")

    def _find_key(
        self, connection: sa.Connection, workload: str, arch: str, toolchain: str, regime: str
    ) -> dict[str, Any] | None:
        """Columns that a key of records has, or ``None`` if one of its names is unknown."""
        key = {
            "workload_id": self._workloads.find_one(connection, workload),
            "arch_id": self._archs.find_one(connection, arch),
            "toolchain_id": self._toolchains.find_one(connection, toolchain),
            "regime": regime,
        }
        return None if None in key.values() else key

    def _require_key(
        self, connection: sa.Connection, workload: str, arch: str, toolchain: str, regime: str
    ) -> dict[str, Any]:
        """Columns that a key of records has, or `NotFound`."""
        return {
            "workload_id": self._workloads.one(connection, workload),
            "arch_id": self._archs.one(connection, arch),
            "toolchain_id": self._toolchains.one(connection, toolchain),
            "regime": regime,
        }


def equal(table: sa.Table, key: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    """Conditions that columns of `table` have the values of `key`."""
    return [table.c[name] == value for name, value in key.items()]
