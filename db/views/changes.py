"""What became faster or slower between two moments: reads what changed, not what there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from db.schema import catalog, queue, records
from db.views._time import moment

promotions = records.promotions

#: Differences of less than this are noise: a record falls only to one that is faster by more,
#: in a run in turns.
NOISE = 0.01


@dataclass(frozen=True, slots=True)
class Shift:
    """The best record of a workload on an architecture, at two moments."""

    #: Digest of the workload.
    workload: str
    #: Name of the workload, for people.
    name: str
    #: Kind of operator.
    op_kind: str
    #: Name of the CPU architecture.
    arch: str
    #: Seconds per call at the first moment; ``None`` if there was no record.
    before_secs: float | None
    #: Seconds per call at the second moment; ``None`` if it was rolled back to nothing.
    after_secs: float | None

    @property
    def speedup(self) -> float | None:
        """How many times faster it became; ``None`` if one of the two is missing."""
        if self.before_secs is None or self.after_secs is None:
            return None
        return self.before_secs / self.after_secs

    @property
    def improved(self) -> bool:
        """Whether it became faster by more than noise."""
        return (speedup := self.speedup) is not None and speedup > 1.0 + NOISE

    @property
    def regressed(self) -> bool:
        """Whether it became slower by more than noise, or lost its record."""
        if self.after_secs is None:
            return self.before_secs is not None
        return (speedup := self.speedup) is not None and speedup < 1.0 - NOISE

    @property
    def covered(self) -> bool:
        """Whether it has a record now and had none."""
        return self.before_secs is None and self.after_secs is not None


def shifts(
    connection: sa.Connection,
    before: datetime,
    after: datetime,
    *,
    toolchain_before: str | None = None,
    toolchain_after: str | None = None,
    campaign: int | None = None,
) -> list[Shift]:
    """Best records that were made or revoked between two moments; regressions first.

    Parameters
    ----------
    before, after
        The moments; a best counts from its promotion until it is beaten or revoked.
    toolchain_before, toolchain_after
        Only records of this toolchain (key), at either moment; ``None`` takes the fastest of any.
        If they differ, workloads that did not change in between are compared as well.
    campaign
        Only workloads of this campaign's jobs.
    """
    first, second = moment(before), moment(after)
    joined = _of_toolchains(toolchain_before, toolchain_after)
    # Made by one toolchain and read by the other, a record shifts without having changed.
    changed = None if toolchain_before != toolchain_after else _changed(first, second)
    stood = _stood(first, toolchain_before)
    stands = _stood(second, toolchain_after)
    key = (promotions.c.workload_id, promotions.c.arch_id)
    # Grouped by ids and named afterwards: names are long, and there are thousands of groups.
    grouped = (
        sa.select(
            *key,
            sa.func.min(sa.case((stood, promotions.c.run_secs))).label("before"),
            sa.func.min(sa.case((stands, promotions.c.run_secs))).label("after"),
        )
        .select_from(joined if changed is None else joined.join(changed, _same_key(changed)))
        .where(promotions.c.regime == "warm", promotions.c.promoted_at <= second)
        .group_by(*key)
    )
    if campaign is not None:
        grouped = grouped.where(_of_campaign(campaign))
    of = grouped.subquery()
    query = (
        sa.select(
            catalog.workloads.c.digest,
            catalog.workloads.c.name,
            catalog.workloads.c.op_kind,
            catalog.cpu_archs.c.name.label("arch"),
            of.c.before,
            of.c.after,
        )
        .select_from(of)
        .join(catalog.workloads, catalog.workloads.c.id == of.c.workload_id)
        .join(catalog.cpu_archs, catalog.cpu_archs.c.id == of.c.arch_id)
        .where(sa.or_(of.c.before.is_not(None), of.c.after.is_not(None)))
    )
    return sorted((Shift(*row) for row in connection.execute(query).all()), key=_regressions_first)


def spreads(connection: sa.Connection, shown: Sequence[Shift]) -> dict[tuple[str, str], float]:
    """Interquartile range over median of the measurements behind the present records of `shown`."""
    best, measurements = records.best_records, records.measurements
    query = (
        sa.select(catalog.workloads.c.digest, catalog.cpu_archs.c.name, measurements.c.spread)
        .select_from(best)
        .join(promotions, promotions.c.id == best.c.promotion_id)
        .join(measurements, measurements.c.id == promotions.c.measurement_id)
        .join(catalog.workloads, catalog.workloads.c.id == best.c.workload_id)
        .join(catalog.cpu_archs, catalog.cpu_archs.c.id == best.c.arch_id)
        .where(
            catalog.workloads.c.digest.in_({shift.workload for shift in shown}),
            best.c.regime == "warm",
        )
    )
    return {
        (digest, arch): spread
        for digest, arch, spread in connection.execute(query).all()
        if spread is not None
    }


def _changed(first: sa.ColumnElement[datetime], second: sa.ColumnElement[datetime]) -> sa.Subquery:
    """Keys with a promotion or a revocation in between: two ranges of two indexes."""
    key = (promotions.c.workload_id, promotions.c.arch_id)
    made = sa.select(*key).where(
        promotions.c.promoted_at > first, promotions.c.promoted_at <= second
    )
    revoked = sa.select(*key).where(
        records.REVOKED, promotions.c.revoked_at > first, promotions.c.revoked_at <= second
    )
    return made.union(revoked).subquery("changed")


def _same_key(changed: sa.Subquery) -> sa.ColumnElement[bool]:
    return sa.and_(
        changed.c.workload_id == promotions.c.workload_id,
        changed.c.arch_id == promotions.c.arch_id,
    )


def _stood(at: sa.ColumnElement[datetime], toolchain: str | None) -> sa.ColumnElement[bool]:
    conditions = [
        promotions.c.promoted_at <= at,
        sa.or_(promotions.c.revoked_at.is_(None), promotions.c.revoked_at > at),
    ]
    if toolchain is not None:
        conditions.append(catalog.toolchains.c.key == toolchain)
    return sa.and_(*conditions)


def _of_toolchains(one: str | None, other: str | None) -> sa.FromClause:
    if one is None and other is None:
        return promotions
    return promotions.join(catalog.toolchains, catalog.toolchains.c.id == promotions.c.toolchain_id)


def _of_campaign(campaign: int) -> sa.ColumnElement[bool]:
    tasks, jobs = catalog.tasks, queue.jobs
    wanted = (
        sa.select(tasks.c.workload_id, tasks.c.arch_id)
        .join(
            jobs,
            sa.and_(
                jobs.c.model_version_id == tasks.c.model_version_id,
                jobs.c.arch_id == tasks.c.arch_id,
                jobs.c.bucket == tasks.c.bucket,
            ),
        )
        .where(jobs.c.campaign_id == campaign)
    )
    return sa.tuple_(promotions.c.workload_id, promotions.c.arch_id).in_(wanted)


def _regressions_first(shift: Shift) -> tuple[float, str, str]:
    # Rolled back to nothing is the worst; new ones come last.
    if shift.after_secs is None:
        order = 0.0
    else:
        speedup = shift.speedup
        order = float("inf") if speedup is None else speedup
    return order, shift.name, shift.arch
