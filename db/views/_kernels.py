"""The reads that a list of kernels is put together from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import sqlalchemy as sa

from db.backend.chunks import chunks
from db.schema import catalog, records
from db.store._part import Row, Select

best, promotions, tasks = records.best_records, records.promotions, catalog.tasks


def tasks_of(versions: Collection[int]) -> Select:
    """Tasks of model versions, by version, architecture and bucket."""
    return (
        sa.select(
            tasks.c.model_version_id,
            catalog.cpu_archs.c.name,
            tasks.c.arch_id,
            tasks.c.bucket,
            tasks.c.calls,
            tasks.c.workload_id,
        )
        .join(catalog.cpu_archs, catalog.cpu_archs.c.id == tasks.c.arch_id)
        .where(tasks.c.model_version_id.in_(versions))
        .order_by(*tasks.primary_key.columns)
    )


def named(versions: Collection[int]) -> Select:
    """What is told of the workloads of model versions."""
    columns = (
        catalog.workloads.c.id,
        catalog.workloads.c.digest,
        catalog.workloads.c.name,
        catalog.workloads.c.op_kind,
        catalog.workloads.c.flops,
        catalog.workloads.c.bytes,
    )
    return sa.select(*columns).where(catalog.workloads.c.id.in_(_workloads(versions)))


def best_since(promotion: int) -> Select:
    """Best records that were promoted after another; their keys, and the promotions."""
    key = (best.c.workload_id, best.c.arch_id, best.c.toolchain_id, best.c.regime)
    return sa.select(*key, best.c.promotion_id).where(best.c.promotion_id > promotion)


def told(connection: sa.Connection, ids: Sequence[int]) -> Iterator[Row]:
    """What promotions say."""
    query = sa.select(
        promotions.c.id,
        promotions.c.run_secs,
        promotions.c.default_secs,
        promotions.c.roofline,
        promotions.c.promoted_at,
        promotions.c.toolchain_id,
    )
    for some in chunks(ids):
        yield from connection.execute(query.where(promotions.c.id.in_(some))).all()


def sums(versions: Collection[int]) -> Select:
    """One row: the newest toolchain, three figures of the tasks, three of the best records.

    Tasks, or best records, that have changed differ in one of their three.
    """
    of_versions = tasks.c.model_version_id.in_(versions)
    of_tasks = (sa.func.count(), sa.func.sum(tasks.c.workload_id), sa.func.sum(tasks.c.calls))
    # A record that is new has a promotion newer than any; a rollback falls back to an older one.
    ids = best.c.promotion_id
    of_best = (sa.func.count(ids), sa.func.sum(ids), sa.func.max(ids))
    return sa.select(
        sa.select(sa.func.max(catalog.toolchains.c.id)).scalar_subquery(),
        *(sa.select(figure).where(of_versions).scalar_subquery() for figure in of_tasks),
        *(sa.select(sa.func.coalesce(figure, 0)).scalar_subquery() for figure in of_best),
    )


def _workloads(versions: Collection[int]) -> sa.Select[tuple[int]]:
    return sa.select(tasks.c.workload_id).where(tasks.c.model_version_id.in_(versions))
