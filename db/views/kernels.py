"""Every kernel of the latest models, with the record that serves it: what coverage is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from db.schema import catalog, records
from db.store._part import Select
from db.views._time import clock

#: Days after which a record counts as stale: as in ``tunefleet nightly add --stale-days``.
STALE_DAYS = 30.0


@dataclass(slots=True)
class Kernel:
    """A workload in one bucket of one model on one CPU architecture.

    Not frozen, though nobody changes it: pages make ten thousand of them, and a frozen one takes
    three times as long to make.
    """

    #: Name of the model.
    model: str
    #: Identifier of its version.
    model_version: int
    #: Name of the CPU architecture.
    arch: str
    #: Batch size.
    bucket: int
    #: Digest of the workload.
    workload: str
    #: Name of the workload, for people.
    name: str
    #: Kind of operator.
    op_kind: str
    #: Operations of one call.
    flops: float
    #: Bytes that one call moves.
    bytes: float
    #: Calls in one inference.
    calls: int
    #: Seconds per call with the best record; ``None`` if it is untuned.
    best_secs: float | None
    #: Seconds per call of the default schedule when the record was made.
    default_secs: float | None
    #: Part of the speed that the measuring core could reach, 0 to 1.
    roofline: float | None
    #: When the record became the best.
    recorded_at: datetime | None
    #: Whether the record is of an earlier toolchain, or old.
    stale: bool

    @property
    def tuned(self) -> bool:
        """Whether it has a record."""
        return self.best_secs is not None

    @property
    def speedup(self) -> float | None:
        """How many times faster than its default schedule."""
        if self.best_secs is None or self.default_secs is None:
            return None
        return self.default_secs / self.best_secs

    @property
    def family(self) -> str:
        """Its name without the batch size: what it has in common with itself in other buckets."""
        # The size stands behind a space, as in "dense 16x512x415".
        return self.name.replace(f" {self.bucket}x", " N\N{MULTIPLICATION SIGN}", 1)


def latest_versions(connection: sa.Connection) -> dict[int, str]:
    """The newest version of each model, and the model's name."""
    versions, models = catalog.model_versions, catalog.models
    query = (
        sa.select(models.c.name, versions.c.id)
        .join(models, models.c.id == versions.c.model_id)
        .order_by(versions.c.seen_at, versions.c.id)
    )
    # The last of each name stays.
    newest: dict[str, int] = {row.name: row.id for row in connection.execute(query).all()}
    return {id_: name for name, id_ in sorted(newest.items())}


def kernels(connection: sa.Connection, versions: Sequence[int]) -> list[Kernel]:
    """Kernels of model versions, by version, architecture and bucket.

    Of several toolchains the newest counts; if it has no record, the newest that has one, and
    the record is stale.
    """
    named = {id_: names for id_, *names in connection.execute(_named(versions)).all()}
    newest = connection.execute(sa.select(sa.func.max(catalog.toolchains.c.id))).scalar()
    oldest = clock(connection) - timedelta(days=STALE_DAYS)
    found = {
        (workload, arch): (secs, default, roofline, at, toolchain != newest or at < oldest)
        for workload, arch, toolchain, secs, default, roofline, at in connection.execute(
            _best(versions)
        ).all()
    }
    untuned = (None, None, None, None, False)
    rows = connection.execute(_tasks(versions)).all()
    made = []
    for model, version, arch, on, bucket, calls, id_ in rows:
        digest, name, op_kind, flops, moved = named[id_]
        best, default, roofline, at, stale = found.get((id_, on), untuned)
        of_workload = (digest, name, op_kind, flops, moved, calls)
        made.append(
            Kernel(model, version, arch, bucket, *of_workload, best, default, roofline, at, stale)
        )
    return made


# Three reads that the database answers from their tables in one go, put together here: joined
# there, every name would be told again for each architecture.


def _named(versions: Sequence[int]) -> Select:
    workloads, tasks = catalog.workloads, catalog.tasks
    wanted = sa.select(tasks.c.workload_id).where(tasks.c.model_version_id.in_(list(versions)))
    columns = (
        workloads.c.id,
        workloads.c.digest,
        workloads.c.name,
        workloads.c.op_kind,
        workloads.c.flops,
        workloads.c.bytes,
    )
    return sa.select(*columns).where(workloads.c.id.in_(wanted))


def _tasks(versions: Sequence[int]) -> Select:
    tasks = catalog.tasks
    return (
        sa.select(
            catalog.models.c.name,
            tasks.c.model_version_id,
            catalog.cpu_archs.c.name,
            tasks.c.arch_id,
            tasks.c.bucket,
            tasks.c.calls,
            tasks.c.workload_id,
        )
        .select_from(tasks)
        .join(catalog.cpu_archs, catalog.cpu_archs.c.id == tasks.c.arch_id)
        .join(catalog.model_versions, catalog.model_versions.c.id == tasks.c.model_version_id)
        .join(catalog.models, catalog.models.c.id == catalog.model_versions.c.model_id)
        .where(tasks.c.model_version_id.in_(list(versions)))
        .order_by(*tasks.primary_key.columns)
    )


def _best(versions: Sequence[int]) -> Select:
    """The record of the newest toolchain that has one, per workload and architecture."""
    best, promotions, tasks = records.best_records, records.promotions, catalog.tasks
    newer = best.alias("newer")
    wanted = sa.select(tasks.c.workload_id).where(tasks.c.model_version_id.in_(list(versions)))
    superseded = sa.exists().where(
        newer.c.workload_id == best.c.workload_id,
        newer.c.arch_id == best.c.arch_id,
        newer.c.regime == best.c.regime,
        newer.c.toolchain_id > best.c.toolchain_id,
    )
    return (
        sa.select(
            best.c.workload_id,
            best.c.arch_id,
            best.c.toolchain_id,
            best.c.run_secs,
            promotions.c.default_secs,
            promotions.c.roofline,
            promotions.c.promoted_at,
        )
        .select_from(best)
        .join(promotions, promotions.c.id == best.c.promotion_id)
        .where(best.c.workload_id.in_(wanted), best.c.regime == "warm", ~superseded)
    )
