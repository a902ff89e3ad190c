"""Worker processes of the fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from db.domain.jobs import WorkerInfo
from db.errors import NotFound
from db.schema import queue
from db.schema.clock import after, now
from db.store._moves import jobs, locked, move_after_failure
from db.store._part import Part, Row

workers = queue.workers
samples = queue.worker_samples

#: Seconds between two samples of a worker, of a young and of an old one: a timeline of minutes
#: has enough of them, and one of a night not too many.
SAMPLE_EVERY_S = (15.0, 60.0)
#: Samples that a worker leaves until they come as rarely as they ever do.
_SAMPLES_OF_YOUTH = 20

#: Counters that a sample holds.
_COUNTERS = ("measured", "failed", "build_s", "measure_s", "validate_s", "calibrate_s")


class Workers(Part):
    """Who serves, and since when."""

    def register_worker(self, worker: WorkerInfo) -> None:
        row = {
            "id": worker.id,
            "host": worker.host,
            "arch": worker.arch,
            "cpu": worker.cpu,
            "pid": worker.pid,
            "slots": worker.slots,
            "labels": dict(worker.labels),
        }
        insert = self._db.insert(workers).on_conflict_do_update(
            index_elements=["id"], set_={"seen_at": now(), "gone_at": None, "gone_reason": None}
        )
        self._db.write(lambda connection: connection.execute(insert, row))

    def heartbeat(self, worker: str, stats: Mapping[str, float] | None = None) -> str | None:
        values: dict[str, Any] = {"seen_at": now()}
        if stats is not None:
            values["stats"] = dict(stats)
        statement = (
            sa.update(workers)
            .where(workers.c.id == worker)
            .values(values)
            .returning(workers.c.drain_reason, workers.c.started_at, workers.c.seen_at)
        )

        def body(connection: sa.Connection) -> Row | None:
            row = connection.execute(statement).first()
            if row is not None and stats:
                age_s = (row.seen_at - row.started_at).total_seconds()
                connection.execute(_sample(worker, stats, age_s))
            return row

        row = self._db.write(body)
        if row is None:
            raise NotFound(f"unknown worker {worker!r}; register it with register_worker first")
        return row.drain_reason  # type: ignore[no-any-return]

    def drain_workers(self, reason: str, *, worker: str | None = None, host: str = "") -> int:
        chosen = workers.c.id == worker if worker is not None else workers.c.host == host
        statement = (
            sa.update(workers)
            .where(chosen, workers.c.gone_at.is_(None))
            .values(drain_reason=reason)
        )
        return self._db.write(lambda connection: connection.execute(statement).rowcount)

    def retire_worker(self, worker: str, reason: str) -> int:
        def body(connection: sa.Connection) -> int:
            # Jobs first: a worker marked gone whose jobs still run would never be looked at again.
            rows = connection.execute(locked(queue.RUNNING, jobs.c.worker == worker)).all()
            for row in rows:
                move_after_failure(connection, row, lost=True, reason=reason)
            # The first reason is the true one: whoever cleans up later knows less.
            connection.execute(
                sa.update(workers)
                .where(workers.c.id == worker, workers.c.gone_at.is_(None))
                .values(gone_at=now(), gone_reason=reason)
            )
            return len(rows)

        return self._db.write(body)

    def workers(self, *, gone: bool = False) -> list[WorkerInfo]:
        query = sa.select(workers).order_by(workers.c.seen_at.desc(), workers.c.id)
        if not gone:
            query = query.where(workers.c.gone_at.is_(None))
        rows = self._db.read(lambda connection: connection.execute(query).all())
        return [to_worker(row) for row in rows]


def _sample(worker: str, stats: Mapping[str, float], age_s: float) -> sa.Insert:
    """Insert a sample, unless the worker has a fresh one."""
    shortest, longest = SAMPLE_EVERY_S
    every_s = min(max(shortest, age_s / _SAMPLES_OF_YOUTH), longest)
    fresh = sa.exists().where(samples.c.worker_id == worker, samples.c.at > after(-every_s))
    values: dict[str, sa.ColumnElement[Any]] = {
        "worker_id": sa.literal(worker),
        "at": now(),
        "fma_gflops": sa.literal(stats.get("fma_gflops"), sa.Double()),
    }
    for name in _COUNTERS:
        values[name] = sa.literal(float(stats.get(name, 0.0)), sa.Double())
    return sa.insert(samples).from_select(list(values), sa.select(*values.values()).where(~fresh))


def to_worker(row: Row) -> WorkerInfo:
    """Worker of a row of the table."""
    return WorkerInfo(
        id=row.id,
        host=row.host,
        arch=row.arch,
        cpu=row.cpu,
        pid=row.pid,
        slots=row.slots,
        labels=row.labels,
        started_at=row.started_at,
        seen_at=row.seen_at,
        stats=row.stats or {},
        drain_reason=row.drain_reason,
        gone_at=row.gone_at,
        gone_reason=row.gone_reason,
    )
