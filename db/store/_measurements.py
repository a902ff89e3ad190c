"""Measurements: stored in bulk, once each, and read back by key."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from db.domain.measurements import Measured, Measurement
from db.schema import catalog, queue, records
from db.store._part import Part, Row, chunks, equal

measurements = records.measurements
tuning_records = records.tuning_records

_query = (
    sa.select(
        measurements,
        catalog.workloads.c.digest.label("workload"),
        catalog.cpu_archs.c.name.label("arch"),
        catalog.toolchains.c.key.label("toolchain"),
        catalog.hosts.c.name.label("host"),
        catalog.hosts.c.cpu,
        tuning_records.c.candidate,
        tuning_records.c.config,
        tuning_records.c.trace,
    )
    .select_from(measurements)
    .join(catalog.workloads, catalog.workloads.c.id == measurements.c.workload_id)
    .join(catalog.cpu_archs, catalog.cpu_archs.c.id == measurements.c.arch_id)
    .join(catalog.toolchains, catalog.toolchains.c.id == measurements.c.toolchain_id)
    .join(catalog.hosts, catalog.hosts.c.id == measurements.c.host_id)
    .join(tuning_records, tuning_records.c.id == measurements.c.record_id)
)


class Measurements(Part):
    """Every attempt, good or bad."""

    _hosts: dict[tuple[str, str], int]

    def add_measurements(self, measurements: Sequence[Measurement]) -> int:
        if not measurements:
            return 0
        host_ids = self._host_ids(measurements)
        return self._db.write(
            lambda connection: self._insert_measurements(connection, measurements, host_ids)
        )

    def measured(
        self, workload: str, arch: str, toolchain: str, regime: str = "warm"
    ) -> dict[str, Measured]:
        def body(connection: sa.Connection) -> dict[str, Measured]:
            key = self._find_key(connection, workload, arch, toolchain, regime)
            if key is None:
                return {}
            query = (
                sa.select(
                    tuning_records.c.candidate,
                    measurements.c.median,
                    measurements.c.error_kind,
                    tuning_records.c.config,
                    tuning_records.c.trace,
                )
                .join(tuning_records, tuning_records.c.id == measurements.c.record_id)
                .where(*equal(measurements, key))
                .order_by(measurements.c.id)
            )
            found: dict[str, Measured] = {}
            for row in connection.execute(query):
                known = found.get(row.candidate)
                if known is None or _tells_more(row.median, known.median):
                    found[row.candidate] = Measured(*row)
            return found

        return self._db.read(body)

    def top_measurements(
        self, workload: str, arch: str, toolchain: str, limit: int, regime: str = "warm"
    ) -> list[Measurement]:
        def body(connection: sa.Connection) -> list[Measurement]:
            key = self._find_key(connection, workload, arch, toolchain, regime)
            if key is None:
                return []
            # Walks the index from the fastest on, and stops after `limit` different candidates.
            ranked = (
                sa.select(measurements.c.id, measurements.c.record_id)
                .where(*equal(measurements, key), measurements.c.median.is_not(None))
                .order_by(measurements.c.median, measurements.c.id)
            )
            first: dict[int, int] = {}
            with connection.execution_options(yield_per=max(limit, 16)).execute(ranked) as rows:
                for row in rows:
                    first.setdefault(row.record_id, row.id)
                    if len(first) == limit:
                        break
            found: list[Measurement] = []
            for some in chunks(list(first.values())):
                query = _query.where(measurements.c.id.in_(some))
                query = query.order_by(measurements.c.median, measurements.c.id)
                found.extend(to_measurement(row) for row in connection.execute(query))
            return found

        return self._db.read(body)

    def _host_ids(self, added: Sequence[Measurement]) -> dict[tuple[str, str], int]:
        # In a transaction of their own: their ids may be remembered only once they are committed.
        wanted = sorted({(m.host, m.cpu) for m in added} - self._hosts.keys())
        if wanted:

            def body(connection: sa.Connection) -> dict[tuple[str, str], int]:
                table = catalog.hosts
                insert = self._db.insert(table).on_conflict_do_nothing(
                    index_elements=["name", "cpu"]
                )
                connection.execute(insert, [{"name": name, "cpu": cpu} for name, cpu in wanted])
                query = sa.select(table).where(table.c.name.in_({name for name, _ in wanted}))
                return {(row.name, row.cpu): row.id for row in connection.execute(query)}

            self._hosts.update(self._db.write(body))
        return self._hosts

    def _insert_measurements(
        self,
        connection: sa.Connection,
        added: Sequence[Measurement],
        host_ids: dict[tuple[str, str], int],
    ) -> int:
        workload_ids = self._workloads.require(connection, {m.workload for m in added})
        arch_ids = self._archs.require(connection, {m.arch for m in added})
        toolchain_ids = self._toolchains.require(connection, {m.toolchain for m in added})
        record_ids = self._insert_records(connection, added, workload_ids)
        rows = [
            {
                "uid": m.uid,
                "job_id": m.job_id,
                "attempt": m.attempt,
                "workload_id": workload_ids[m.workload],
                "arch_id": arch_ids[m.arch],
                "toolchain_id": toolchain_ids[m.toolchain],
                "record_id": record_ids[workload_ids[m.workload], m.candidate],
                "host_id": host_ids[m.host, m.cpu],
                "strategy": m.strategy,
                "regime": m.regime,
                "median": m.median,
                "spread": m.spread,
                "run_secs": m.run_secs,
                "error_kind": None if m.error_kind is None else str(m.error_kind),
                "error_text": m.error_text,
                "core": m.core,
                "threads": m.threads,
                "calibration": dict(m.calibration),
                "build_secs": m.build_secs,
            }
            # Sorted, so that two processes never wait for each other in a ring
            # (https://github.com/mlflow/mlflow/issues/24923).
            for m in sorted(added, key=lambda m: m.uid)
        ]
        insert = self._db.insert(measurements).on_conflict_do_nothing(index_elements=["uid"])
        result = connection.execute(
            insert.returning(measurements.c.job_id, measurements.c.error_kind), rows
        )
        fresh = Counter((row.job_id, row.error_kind or "") for row in result)
        self._count(connection, fresh)
        return fresh.total()

    def _insert_records(
        self,
        connection: sa.Connection,
        added: Sequence[Measurement],
        workload_ids: dict[str, int],
    ) -> dict[tuple[int, str], int]:
        wanted = {(workload_ids[m.workload], m.candidate): m for m in added}
        insert = self._db.insert(tuning_records)
        excluded = insert.excluded
        upsert = insert.on_conflict_do_update(
            index_elements=["workload_id", "candidate"],
            # A candidate that failed before it had a trace gets the trace once there is one.
            set_={"trace": excluded.trace, "config": excluded.config},
            where=sa.and_(tuning_records.c.trace.is_(None), excluded.trace.is_not(None)),
        )
        connection.execute(
            upsert,
            [
                {
                    "workload_id": workload_id,
                    "candidate": candidate,
                    "config": None if m.config is None else dict(m.config),
                    "trace": m.trace,
                }
                for (workload_id, candidate), m in sorted(wanted.items(), key=lambda kv: kv[0])
            ],
        )
        by_workload: dict[int, list[str]] = defaultdict(list)
        for workload_id, candidate in wanted:
            by_workload[workload_id].append(candidate)
        found: dict[tuple[int, str], int] = {}
        for workload_id, candidates in by_workload.items():
            for some in chunks(candidates):
                query = sa.select(tuning_records.c.candidate, tuning_records.c.id).where(
                    tuning_records.c.workload_id == workload_id,
                    tuning_records.c.candidate.in_(some),
                )
                for candidate, record_id in connection.execute(query):
                    found[workload_id, candidate] = record_id
        return found

    def _count(self, connection: sa.Connection, fresh: Counter[tuple[int | None, str]]) -> None:
        rows = [
            {"job_id": job_id, "error_kind": kind, "measurements": count}
            for (job_id, kind), count in fresh.items()
            if job_id is not None
        ]
        if not rows:
            return
        insert = self._db.insert(queue.job_counts)
        total = queue.job_counts.c.measurements + insert.excluded.measurements
        upsert = insert.on_conflict_do_update(
            index_elements=["job_id", "error_kind"], set_={"measurements": total}
        )
        connection.execute(upsert, sorted(rows, key=lambda row: (row["job_id"], row["error_kind"])))


def _tells_more(median: float | None, known: float | None) -> bool:
    """Whether a later measurement of a candidate says more: a faster run, or a newer error."""
    if median is None:
        return known is None
    return known is None or median < known


def to_measurement(row: Row) -> Measurement:
    """Measurement of a row with its names."""
    return Measurement(
        uid=row.uid,
        job_id=row.job_id,
        attempt=row.attempt,
        workload=row.workload,
        arch=row.arch,
        toolchain=row.toolchain,
        candidate=row.candidate,
        strategy=row.strategy,
        config=row.config,
        trace=row.trace,
        run_secs=tuple(row.run_secs),
        error_kind=row.error_kind,
        error_text=row.error_text,
        host=row.host,
        cpu=row.cpu,
        core=row.core,
        threads=row.threads,
        regime=row.regime,
        calibration=row.calibration,
        build_secs=row.build_secs,
    )
