"""What a cost model learns from: template configurations measured for workloads of a kind."""

from __future__ import annotations

import sqlalchemy as sa

from db.domain.measurements import Lesson
from db.schema import catalog, records
from db.store._part import Part

measurements = records.measurements
tuning_records = records.tuning_records


class Lessons(Part):
    """Measurements of other workloads than one's own."""

    def lessons(
        self, op_kind: str, flops: float, *, workloads: int = 64, limit: int = 4096
    ) -> list[Lesson]:
        def body(connection: sa.Connection) -> list[Lesson]:
            nearest = connection.execute(_nearest(op_kind, flops, workloads)).scalars().all()
            query = (
                _LESSONS.where(measurements.c.workload_id.in_(nearest))
                .order_by(measurements.c.id.desc())
                .limit(limit)
            )
            return [Lesson(*row) for row in connection.execute(query)]

        return self._db.read(body)


#: Sketches have no configuration; they are told by their strategy, which needs no second look.
_LESSONS = (
    sa.select(
        catalog.workloads.c.digest,
        catalog.cpu_archs.c.name,
        catalog.toolchains.c.key,
        measurements.c.regime,
        tuning_records.c.config,
        measurements.c.median,
    )
    .select_from(measurements)
    .join(catalog.workloads, catalog.workloads.c.id == measurements.c.workload_id)
    .join(catalog.cpu_archs, catalog.cpu_archs.c.id == measurements.c.arch_id)
    .join(catalog.toolchains, catalog.toolchains.c.id == measurements.c.toolchain_id)
    .join(tuning_records, tuning_records.c.id == measurements.c.record_id)
    .where(measurements.c.strategy == "autotvm")
)


def _nearest(op_kind: str, flops: float, limit: int) -> sa.Select[tuple[int]]:
    """Ids of measured workloads of a kind, the nearest in size first."""
    known = catalog.workloads
    # How many times larger or smaller; one is added so that nothing is divided by zero.
    size, wanted = known.c.flops + 1.0, flops + 1.0
    distance = sa.case((size > wanted, size / wanted), else_=wanted / size)
    # A scalar: PostgreSQL turns EXISTS into a join with the whole table.
    some = (
        sa.select(measurements.c.id)
        .where(measurements.c.workload_id == known.c.id)
        .limit(1)
        .scalar_subquery()
    )
    return (
        sa.select(known.c.id)
        .where(known.c.op_kind == op_kind, some.is_not(None))
        .order_by(distance, known.c.id)
        .limit(limit)
    )
