"""Reports: the samples of a job, two nights side by side, the size of everything."""

from __future__ import annotations

import itertools
from datetime import datetime

import sqlalchemy as sa

from db.domain.measurements import Measurement
from db.domain.reports import BestAt, Change, Sample, Stats
from db.domain.states import JobAction
from db.errors import NotFound
from db.schema import HEAD, catalog, metadata, queue, records
from db.schema.clock import now
from db.store._measurements import measurement_query, measurements, to_measurement
from db.store._part import Part, Row, Select
from db.store._rows import tasks_of_jobs

promotions = records.promotions


class Reports(Part):
    """Reading what happened."""

    def measurement(self, uid: str) -> Measurement:
        query = measurement_query.where(measurements.c.uid == uid)
        row = self._db.read(lambda connection: connection.execute(query).first())
        if row is None:
            raise NotFound(f"unknown measurement {uid!r}; it may have been pruned")
        return to_measurement(row)

    def samples(self, job_id: int, *, after: int = 0, limit: int = 10_000) -> list[Sample]:
        query = (
            sa.select(
                measurements.c.id,
                measurements.c.measured_at,
                measurements.c.uid,
                catalog.workloads.c.digest,
                records.tuning_records.c.candidate,
                measurements.c.strategy,
                measurements.c.attempt,
                measurements.c.median,
                measurements.c.error_kind,
            )
            .select_from(measurements)
            .join(catalog.workloads, catalog.workloads.c.id == measurements.c.workload_id)
            .join(records.tuning_records, records.tuning_records.c.id == measurements.c.record_id)
            .where(measurements.c.job_id == job_id, measurements.c.id > after)
            .order_by(measurements.c.id)
            .limit(limit)
        )
        rows = self._db.read(lambda connection: connection.execute(query).all())
        return [Sample(*row) for row in rows]

    def compare(
        self,
        before: datetime,
        after: datetime,
        *,
        arch: str | None = None,
        toolchain_before: str | None = None,
        toolchain_after: str | None = None,
        regime: str = "warm",
    ) -> list[Change]:
        def body(connection: sa.Connection) -> list[Change]:
            old = _best_at(connection, before, arch, toolchain_before, regime)
            new = _best_at(connection, after, arch, toolchain_after, regime)
            return [
                Change(
                    workload=row.digest,
                    name=row.name,
                    arch=row.arch,
                    before=_best(old.get(key)),
                    after=_best(new.get(key)),
                )
                for key, row in (old | new).items()
            ]

        return sorted(self._db.read(body), key=_regressions_first)

    def campaign_workloads(self, campaign_id: int) -> set[tuple[str, str]]:
        jobs, tasks = queue.jobs, catalog.tasks
        query = (
            sa.select(catalog.workloads.c.digest, catalog.cpu_archs.c.name)
            .distinct()
            .select_from(jobs)
            .join(tasks, tasks_of_jobs())
            .join(catalog.workloads, catalog.workloads.c.id == tasks.c.workload_id)
            .join(catalog.cpu_archs, catalog.cpu_archs.c.id == tasks.c.arch_id)
            .where(jobs.c.campaign_id == campaign_id)
        )
        rows = self._db.read(lambda connection: connection.execute(query).all())
        return {(digest, arch) for digest, arch in rows}

    def slot_seconds(self, campaign_id: int) -> float:
        events = queue.events
        query = (
            sa.select(events.c.job_id, events.c.action, events.c.at)
            .join(queue.jobs, queue.jobs.c.id == events.c.job_id)
            .where(queue.jobs.c.campaign_id == campaign_id, events.c.action != JobAction.CREATE)
            .order_by(events.c.job_id, events.c.id)
        )

        def body(connection: sa.Connection) -> tuple[list[Row], datetime]:
            rows = list(connection.execute(query).all())
            return rows, connection.execute(sa.select(now())).scalar_one()

        rows, moment = self._db.read(body)
        total = 0.0
        for row, next_ in itertools.zip_longest(rows, rows[1:]):
            if row.action == JobAction.CLAIM:
                same = next_ is not None and next_.job_id == row.job_id
                total += ((next_.at if same else moment) - row.at).total_seconds()
        return total

    def stats(self) -> Stats:
        def body(connection: sa.Connection) -> Stats:
            rows = {
                table.name: _scalar(connection, sa.select(sa.func.count()).select_from(table))
                for table in metadata.sorted_tables
            }
            by_state = sa.select(queue.jobs.c.state, sa.func.count()).group_by(queue.jobs.c.state)
            by_arch = (
                sa.select(catalog.cpu_archs.c.name, sa.func.count())
                .join(records.best_records)
                .group_by(catalog.cpu_archs.c.name)
            )
            # Ids grow with time, so the first and the last row tell without reading the others.
            moment = sa.select(measurements.c.measured_at).limit(1)
            first = connection.execute(moment.order_by(measurements.c.id)).scalar()
            last = connection.execute(moment.order_by(measurements.c.id.desc())).scalar()
            return Stats(
                url=self._db.backend.masked,
                revision=HEAD,
                size=self._db.backend.size(connection),
                rows=rows,
                jobs=_counts(connection, by_state),
                best_records=_counts(connection, by_arch),
                first_measured_at=first,
                last_measured_at=last,
            )

        return self._db.read(body)


def _scalar(connection: sa.Connection, query: sa.Select[int]) -> int:
    return connection.execute(query).scalar_one()


def _counts(connection: sa.Connection, query: Select) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _best_at(
    connection: sa.Connection,
    at: datetime,
    arch: str | None,
    toolchain: str | None,
    regime: str,
) -> dict[tuple[str, str], Row]:
    """The fastest promotion of each workload and architecture that stood at a moment."""
    query = (
        sa.select(
            catalog.workloads.c.digest,
            catalog.workloads.c.name,
            catalog.cpu_archs.c.name.label("arch"),
            catalog.toolchains.c.key.label("toolchain"),
            promotions.c.run_secs,
            promotions.c.strategy,
            measurements.c.uid,
        )
        .select_from(promotions)
        .join(catalog.workloads, catalog.workloads.c.id == promotions.c.workload_id)
        .join(catalog.cpu_archs, catalog.cpu_archs.c.id == promotions.c.arch_id)
        .join(catalog.toolchains, catalog.toolchains.c.id == promotions.c.toolchain_id)
        .join(measurements, measurements.c.id == promotions.c.measurement_id)
        .where(
            promotions.c.regime == regime,
            promotions.c.promoted_at <= at,
            sa.or_(promotions.c.revoked_at.is_(None), promotions.c.revoked_at > at),
        )
        # Slowest first, so that the fastest is what stays under its key.
        .order_by(promotions.c.run_secs.desc(), promotions.c.id)
    )
    if arch is not None:
        query = query.where(catalog.cpu_archs.c.name == arch)
    if toolchain is not None:
        query = query.where(catalog.toolchains.c.key == toolchain)
    return {(row.digest, row.arch): row for row in connection.execute(query)}


def _best(row: Row | None) -> BestAt | None:
    if row is None:
        return None
    return BestAt(row.run_secs, row.strategy, row.toolchain, row.uid)


def _regressions_first(change: Change) -> tuple[float, str, str]:
    # Rolled back to nothing is the worst; new ones come last.
    if change.after is None:
        order = 0.0
    elif change.speedup is None:
        order = float("inf")
    else:
        order = change.speedup
    return order, change.name, change.arch
