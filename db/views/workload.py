"""One workload: what was tried on it, and who uses it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from db.domain.catalog import Workload
from db.errors import NotFound
from db.schema import catalog, records

measurements = records.measurements

#: Fewest digits of a digest that name a workload.
SHORTEST = 8
#: Points of a convergence curve; of more measurements the newest count.
POINTS = 4000


@dataclass(frozen=True, slots=True)
class WorkloadKey:
    """What one CPU architecture and toolchain know of a workload."""

    #: Name of the CPU architecture.
    arch: str
    #: Key of the toolchain.
    toolchain: str
    #: ``warm`` or ``cold``.
    regime: str
    #: Measurements, failed ones included.
    measured: int
    #: Seconds per call with the best record.
    best_secs: float | None
    #: Seconds per call of the default schedule.
    default_secs: float | None


@dataclass(frozen=True, slots=True)
class Use:
    """A place where a workload occurs."""

    #: Name of the model.
    model: str
    #: Identifier of its version.
    model_version: int
    #: Batch size.
    bucket: int
    #: Calls in one inference.
    calls: int


@dataclass(frozen=True, slots=True)
class Trial:
    """One measurement of a workload."""

    #: Identity of the measurement.
    uid: str
    #: When it was stored.
    at: datetime
    #: Strategy that proposed it.
    strategy: str
    #: Median seconds per call; ``None`` on error.
    median: float | None
    #: Interquartile range over the median.
    spread: float | None
    #: Why there is no latency.
    error_kind: str | None


def find_workload(connection: sa.Connection, prefix: str) -> Workload:
    """The workload whose digest begins so; `NotFound` if there is none, or more than one."""
    table = catalog.workloads
    columns = (
        table.c.digest,
        table.c.op_kind,
        table.c.name,
        table.c.shapes,
        table.c.dtype,
        table.c.flops,
        table.c.bytes,
    )
    # A range rather than LIKE: it reads the unique index on either database.
    query = (
        sa.select(*columns).where(table.c.digest >= prefix, table.c.digest < f"{prefix}g").limit(2)
    )
    rows = connection.execute(query).all() if len(prefix) >= SHORTEST else []
    if len(rows) != 1:
        raise NotFound(f"no workload, or several, whose digest begins with {prefix[:64]!r}")
    return Workload(*rows[0], tir="")


def keys_of(connection: sa.Connection, digest: str) -> list[WorkloadKey]:
    """Architectures and toolchains that measured a workload, the newest toolchain first."""
    best, promotions = records.best_records, records.promotions
    columns = ("arch_id", "toolchain_id", "regime")
    counted = (
        sa.select(
            *(measurements.c[name] for name in columns),
            measurements.c.workload_id,
            sa.func.count().label("measured"),
        )
        .join(catalog.workloads, catalog.workloads.c.id == measurements.c.workload_id)
        .where(catalog.workloads.c.digest == digest)
        .group_by(*(measurements.c[name] for name in columns), measurements.c.workload_id)
        .subquery()
    )
    query = (
        sa.select(
            catalog.cpu_archs.c.name,
            catalog.toolchains.c.key,
            counted.c.regime,
            counted.c.measured,
            best.c.run_secs,
            promotions.c.default_secs,
        )
        .select_from(counted)
        .join(catalog.cpu_archs, catalog.cpu_archs.c.id == counted.c.arch_id)
        .join(catalog.toolchains, catalog.toolchains.c.id == counted.c.toolchain_id)
        .outerjoin(
            best,
            sa.and_(
                best.c.workload_id == counted.c.workload_id,
                *(best.c[name] == counted.c[name] for name in columns),
            ),
        )
        .outerjoin(promotions, promotions.c.id == best.c.promotion_id)
        .order_by(counted.c.toolchain_id.desc(), catalog.cpu_archs.c.name, counted.c.regime.desc())
    )
    return [WorkloadKey(*row) for row in connection.execute(query).all()]


def trials(connection: sa.Connection, digest: str, key: WorkloadKey) -> list[Trial]:
    """Measurements of a workload with one key, in the order they were stored."""
    query = (
        sa.select(
            measurements.c.uid,
            measurements.c.measured_at,
            measurements.c.strategy,
            measurements.c.median,
            measurements.c.spread,
            measurements.c.error_kind,
        )
        .join(catalog.workloads, catalog.workloads.c.id == measurements.c.workload_id)
        .join(catalog.cpu_archs, catalog.cpu_archs.c.id == measurements.c.arch_id)
        .join(catalog.toolchains, catalog.toolchains.c.id == measurements.c.toolchain_id)
        .where(
            catalog.workloads.c.digest == digest,
            catalog.cpu_archs.c.name == key.arch,
            catalog.toolchains.c.key == key.toolchain,
            measurements.c.regime == key.regime,
        )
        .order_by(measurements.c.id.desc())
        .limit(POINTS)
    )
    return [Trial(*row) for row in connection.execute(query).all()][::-1]


def uses(connection: sa.Connection, digest: str) -> list[Use]:
    """Model versions and buckets that call a workload."""
    tasks, versions = catalog.tasks, catalog.model_versions
    ids = sa.select(catalog.workloads.c.id).where(catalog.workloads.c.digest == digest)
    query = (
        sa.select(catalog.models.c.name, versions.c.id, tasks.c.bucket, sa.func.max(tasks.c.calls))
        .select_from(tasks)
        .join(versions, versions.c.id == tasks.c.model_version_id)
        .join(catalog.models, catalog.models.c.id == versions.c.model_id)
        # Naming every architecture lets the index serve, which begins with it.
        .where(
            tasks.c.arch_id.in_(sa.select(catalog.cpu_archs.c.id)),
            tasks.c.workload_id == ids.scalar_subquery(),
        )
        .group_by(catalog.models.c.name, versions.c.id, tasks.c.bucket)
        .order_by(catalog.models.c.name, versions.c.id.desc(), tasks.c.bucket)
    )
    return [Use(*row) for row in connection.execute(query).all()]
