"""What the parts of the SQL store share: the database, and ids by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeVar

import sqlalchemy as sa

from db.backend.database import Database
from db.errors import NotFound
from db.schema.catalog import cpu_archs, toolchains, workloads

T = TypeVar("T")

#: Names per statement; both databases take far more, but plans and logs stay readable.
CHUNK = 500


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """Cut `items` into pieces of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


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
