"""Measurements: stored in bulk, once each, and read back by key."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cached_property
from operator import itemgetter

import sqlalchemy as sa

from db.backend.base import Bulk, Insert, dumps
from db.backend.chunks import chunks
from db.domain.measurements import Measured, Measurement
from db.domain.signatures import signature
from db.errors import NotFound
from db.schema import catalog, queue, records
from db.store._part import Part, Row, equal

measurements = records.measurements
tuning_records = records.tuning_records

#: Measurements with the names of what they refer to.
measurement_query = (
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


_records_of = sa.select(
    tuning_records.c.candidate,
    tuning_records.c.id,
    tuning_records.c.trace.is_not(None).label("has_trace"),
)

_NEW_RECORDS = Bulk(
    tuning_records,
    columns=("workload_id", "candidate", "config", "trace"),
    unique=("workload_id", "candidate"),
    returning=("id", "workload_id", "candidate"),
)

_NEW_MEASUREMENTS = Bulk(
    measurements,
    columns=(
        "uid",
        "job_id",
        "attempt",
        "workload_id",
        "arch_id",
        "toolchain_id",
        "record_id",
        "host_id",
        "strategy",
        "regime",
        "median",
        "spread",
        "run_secs",
        "error_kind",
        "error_text",
        "error_signature",
        "core",
        "threads",
        "calibration",
        "build_secs",
    ),
    unique=("uid",),
    returning=("uid",),
    now=("measured_at",),
)


class Measurements(Part):
    """Every attempt, good or bad."""

    _hosts: dict[tuple[str, str], int]
    _known_jobs: set[int]

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
                query = measurement_query.where(measurements.c.id.in_(some))
                query = query.order_by(measurements.c.median, measurements.c.id)
                found.extend(to_measurement(row) for row in connection.execute(query))
            return found

        # Its cursor lives as long as a transaction.
        return self._db.read(body, repeatable=True)

    def measured_keys(self, arch: str, regime: str = "warm") -> list[tuple[str, str]]:
        distinct = (
            sa.select(measurements.c.workload_id, measurements.c.toolchain_id)
            .distinct()
            .join(catalog.cpu_archs, catalog.cpu_archs.c.id == measurements.c.arch_id)
            .where(catalog.cpu_archs.c.name == arch, measurements.c.regime == regime)
            .subquery()
        )
        query = (
            sa.select(catalog.workloads.c.digest, catalog.toolchains.c.key)
            .join(distinct, distinct.c.workload_id == catalog.workloads.c.id)
            .join(catalog.toolchains, catalog.toolchains.c.id == distinct.c.toolchain_id)
            .order_by(catalog.workloads.c.digest, catalog.toolchains.c.key)
        )
        rows = self._db.read(lambda connection: connection.execute(query).all())
        return [(digest, key) for digest, key in rows]

    def _require_jobs(self, connection: sa.Connection, wanted: set[int]) -> None:
        unknown = sorted(wanted - self._known_jobs)
        for some in chunks(unknown):
            query = sa.select(queue.jobs.c.id).where(queue.jobs.c.id.in_(some))
            self._known_jobs.update(connection.execute(query).scalars())
        if not wanted <= self._known_jobs:
            missing = min(wanted - self._known_jobs)
            raise NotFound(f"unknown job {missing}; give the id of a claimed job, or None")

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
        self._require_jobs(connection, {m.job_id for m in added if m.job_id is not None})
        workload_ids = self._workloads.require(connection, {m.workload for m in added})
        arch_ids = self._archs.require(connection, {m.arch for m in added})
        toolchain_ids = self._toolchains.require(connection, {m.toolchain for m in added})
        record_ids = self._insert_records(connection, added, workload_ids)
        # Sorted, so that two processes never wait for each other in a ring
        # (https://github.com/mlflow/mlflow/issues/24923).
        unique = sorted({m.uid: m for m in reversed(added)}.values(), key=lambda m: m.uid)
        # Measurements of a batch mostly share one.
        calibrations = {id(m.calibration): m.calibration for m in unique}
        written = {id_: dumps(dict(given)) for id_, given in calibrations.items()}
        rows = [
            (
                m.uid,
                m.job_id,
                m.attempt,
                workload_ids[m.workload],
                arch_ids[m.arch],
                toolchain_ids[m.toolchain],
                record_ids[workload_ids[m.workload], m.candidate],
                host_ids[m.host, m.cpu],
                m.strategy,
                m.regime,
                *m.summary(),
                f"[{','.join(map(repr, m.run_secs))}]",
                None if m.error_kind is None else str(m.error_kind),
                m.error_text,
                None if m.error_kind is None else signature(str(m.error_kind), m.error_text),
                m.core,
                m.threads,
                written[id(m.calibration)],
                m.build_secs,
            )
            for m in unique
        ]
        new = {uid for (uid,) in self._db.backend.insert_new(connection, _NEW_MEASUREMENTS, rows)}
        self._count(
            connection,
            Counter((m.job_id, str(m.error_kind or "")) for m in unique if m.uid in new),
        )
        return len(new)

    def _insert_records(
        self,
        connection: sa.Connection,
        added: Sequence[Measurement],
        workload_ids: dict[str, int],
    ) -> dict[tuple[int, str], int]:
        # One with a trace stands for those of the same candidate without.
        wanted: dict[tuple[int, str], Measurement] = {}
        for m in added:
            key = (workload_ids[m.workload], m.candidate)
            if key not in wanted or wanted[key].trace is None:
                wanted[key] = m
        rows = [
            (*key, None if m.config is None else dumps(dict(m.config)), m.trace)
            for key, m in sorted(wanted.items(), key=itemgetter(0))
        ]
        new = self._db.backend.insert_new(connection, _NEW_RECORDS, rows)
        found = {(workload_id, candidate): id_ for id_, workload_id, candidate in new}
        if len(found) < len(wanted):
            known = _find_records(connection, sorted(wanted.keys() - found.keys()))
            for key, (id_, has_trace) in known.items():
                found[key] = id_
                # A candidate that failed before it had a trace gets the trace once there is one.
                if not has_trace and wanted[key].trace is not None:
                    _complete(connection, id_, wanted[key])
        return found

    def _count(self, connection: sa.Connection, fresh: Counter[tuple[int | None, str]]) -> None:
        rows = [
            {"job_id": job_id, "error_kind": kind, "measurements": count}
            for (job_id, kind), count in fresh.items()
            if job_id is not None
        ]
        if not rows:
            return
        connection.execute(
            self._add_counts, sorted(rows, key=lambda row: (row["job_id"], row["error_kind"]))
        )

    @cached_property
    def _add_counts(self) -> Insert:
        insert = self._db.insert(queue.job_counts)
        total = queue.job_counts.c.measurements + insert.excluded.measurements
        return insert.on_conflict_do_update(
            index_elements=["job_id", "error_kind"], set_={"measurements": total}
        )


def _complete(connection: sa.Connection, record_id: int, of: Measurement) -> None:
    connection.execute(
        sa.update(tuning_records)
        .where(tuning_records.c.id == record_id)
        .values(trace=of.trace, config=None if of.config is None else dict(of.config))
    )


def _find_records(
    connection: sa.Connection, keys: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], tuple[int, bool]]:
    """Id of each tuning record that exists, and whether it has a trace."""
    by_workload: dict[int, list[str]] = defaultdict(list)
    for workload_id, candidate in keys:
        by_workload[workload_id].append(candidate)
    found: dict[tuple[int, str], tuple[int, bool]] = {}
    for workload_id, candidates in by_workload.items():
        for some in chunks(candidates):
            query = _records_of.where(
                tuning_records.c.workload_id == workload_id, tuning_records.c.candidate.in_(some)
            )
            for row in connection.execute(query):
                found[workload_id, row.candidate] = (row.id, row.has_trace)
    return found


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
