"""A read-only copy of what serving needs, as a SQLite file, for hosts without the database."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from db.backend.database import Database
from db.backend.revision import create_tables
from db.backend.sqlite import SqliteBackend
from db.errors import DatabaseUnavailable
from db.schema import catalog, records

best_records = records.best_records
promotions = records.promotions

#: Rows per insert.
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """What a snapshot holds."""

    #: The file.
    path: str
    #: Its size in bytes.
    size: int
    #: Model versions in it.
    model_versions: int
    #: Best records in it.
    best_records: int


def export_snapshot(
    database: Database, path: str | os.PathLike[str], *, archs: Sequence[str] | None = None
) -> SnapshotReport:
    """Write the catalog and the best records, with what they rest on, to a SQLite file.

    The file appears at `path` whole or not at all, replacing an older one; readers of the older
    one keep it. It is a database like any other: open it with ``open_store(path, read_only=True)``.

    Parameters
    ----------
    database
        Where the records are.
    path
        The file to write.
    archs
        Only best records of these CPU architectures.

    Raises
    ------
    DatabaseUnavailable
        The folder cannot be written, or `path` is a database in use.
    """
    target = Path(path)
    if target.with_name(target.name + "-wal").exists():
        raise DatabaseUnavailable(f"{target}: a database in use; choose another file")
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        copied = _write(database, part, archs)
        size = _sync(part)
        part.replace(target)
    except OSError as error:
        raise DatabaseUnavailable(
            f"{target}: {error.strerror}; free some space, or choose another folder"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return SnapshotReport(str(target), size, copied["model_versions"], copied["best_records"])


def _write(database: Database, part: Path, archs: Sequence[str] | None) -> dict[str, int]:
    part.unlink(missing_ok=True)
    part.touch()
    backend = SqliteBackend(sa.URL.create("sqlite", database=str(part)))
    snapshot = Database(backend, read_only=False)

    def copy(source: sa.Connection, into: sa.Connection) -> dict[str, int]:
        create_tables(into)
        return {table.name: _copy(source, into, table, query) for table, query in _contents(archs)}

    try:
        # One snapshot of the source; one transaction in the file, so no journal is synced twice.
        return database.read(
            lambda source: snapshot.write(lambda into: copy(source, into)), repeatable=True
        )
    finally:
        snapshot.close()


def _contents(archs: Sequence[str] | None) -> list[tuple[sa.Table, sa.Select[Any]]]:
    best = sa.select(best_records)
    if archs is not None:
        best = best.join(catalog.cpu_archs).where(catalog.cpu_archs.c.name.in_(archs))
    kept = sa.select(promotions).where(
        promotions.c.id.in_(best.with_only_columns(best_records.c.promotion_id))
    )
    needed = sa.union(
        sa.select(catalog.tasks.c.workload_id), best.with_only_columns(best_records.c.workload_id)
    )
    measured = sa.select(
        *(
            # Jobs stay behind.
            sa.null().label("job_id") if column.name == "job_id" else column
            for column in records.measurements.c
        )
    ).where(records.measurements.c.id.in_(kept.with_only_columns(promotions.c.measurement_id)))
    candidates = sa.select(records.tuning_records).where(
        records.tuning_records.c.id.in_(kept.with_only_columns(promotions.c.record_id))
    )
    workloads = sa.select(catalog.workloads).where(catalog.workloads.c.id.in_(needed))
    return [
        (catalog.cpu_archs, sa.select(catalog.cpu_archs)),
        (catalog.toolchains, sa.select(catalog.toolchains)),
        (catalog.hosts, sa.select(catalog.hosts)),
        (catalog.workloads, workloads),
        (catalog.models, sa.select(catalog.models)),
        (catalog.model_versions, sa.select(catalog.model_versions)),
        (catalog.tasks, sa.select(catalog.tasks)),
        (records.tuning_records, candidates),
        (records.measurements, measured),
        (promotions, kept),
        (best_records, best),
    ]


def _copy(
    source: sa.Connection, into: sa.Connection, table: sa.Table, query: sa.Select[Any]
) -> int:
    copied = 0
    with source.execution_options(yield_per=_BATCH).execute(query) as rows:
        for some in rows.mappings().partitions():
            into.execute(sa.insert(table), [dict(row) for row in some])
            copied += len(some)
    return copied


def _sync(path: Path) -> int:
    """Make sure that the bytes are on disk before the name is; return how many."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        return file.seek(0, os.SEEK_END)
