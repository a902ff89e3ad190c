"""Retention: every best and its runners-up stay, the rest is thinned out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa

from db.backend.chunks import chunks
from db.backend.database import Database
from db.schema import queue, records, serving
from db.schema.clock import after

measurements = records.measurements
promotions = records.promotions
tuning_records = records.tuning_records
worker_samples = queue.worker_samples
servings = serving.servings

_key = (
    measurements.c.workload_id,
    measurements.c.arch_id,
    measurements.c.toolchain_id,
    measurements.c.regime,
)


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """What is kept of the measurements of each key."""

    #: Fastest candidates kept for ever, the best ones included.
    runners_up: int = 20
    #: Days that every measurement is kept.
    keep_days: float = 30.0
    #: Of the older ones, one in this many is kept: the slow and the failed teach a cost model too.
    keep_one_in: int = 10

    def __post_init__(self) -> None:
        if self.runners_up < 1 or self.keep_days < 0 or self.keep_one_in < 1:
            raise ValueError(f"not a retention policy: {self}")


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What was, or would be, removed."""

    #: Measurements looked at.
    measurements: int
    #: Measurements removed.
    removed: int
    #: Tuning records removed, with their traces, because nothing refers to them any more.
    records_removed: int
    #: Figures of workers over time that were removed because of their age.
    samples_removed: int = 0
    #: Serving processes that have said nothing for so long, and were removed.
    servings_removed: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """A measurement as the decision sees it."""

    #: Identifier.
    id: int
    #: Its tuning record.
    record_id: int
    #: Seconds, ``None`` on error.
    median: float | None
    #: Whether it is older than the policy's days.
    old: bool


def choose(policy: RetentionPolicy, of_key: Iterable[Kept], promoted: frozenset[int]) -> list[Kept]:
    """Choose the measurements of one key to remove.

    Parameters
    ----------
    policy
        What to keep.
    of_key
        Measurements of the key, the fastest first.
    promoted
        Ids of those that some promotion rests on.
    """
    runners_up: set[int] = set()
    doomed = []
    for one in of_key:
        full = len(runners_up) == policy.runners_up
        if one.median is not None and not full and one.record_id not in runners_up:
            runners_up.add(one.record_id)
            continue
        # By the id and not at random, so that pruning again removes nothing more.
        if one.old and one.id not in promoted and one.id % policy.keep_one_in:
            doomed.append(one)
    return doomed


def prune(
    database: Database, policy: RetentionPolicy = RetentionPolicy(), *, dry_run: bool = False
) -> PruneReport:
    """Thin out measurements; one short transaction per key, so that writers hardly wait."""
    run = database.read if dry_run else database.write
    keys = database.read(lambda connection: connection.execute(sa.select(*_key).distinct()).all())
    looked_at = removed = records_removed = 0
    for key in keys:
        seen, doomed, orphans = run(
            partial(_prune_key, policy=policy, key=tuple(key), dry_run=dry_run)
        )
        looked_at += seen
        removed += doomed
        records_removed += orphans
    samples, silent = (
        run(partial(_prune_aged, column=column, policy=policy, dry_run=dry_run))
        for column in (worker_samples.c.at, servings.c.seen_at)
    )
    return PruneReport(looked_at, removed, records_removed, samples, silent)


def _prune_aged(
    connection: sa.Connection,
    *,
    column: sa.Column[datetime],
    policy: RetentionPolicy,
    dry_run: bool,
) -> int:
    """Remove rows that are older than the policy's days by a column of theirs."""
    old = column < after(-86_400 * policy.keep_days)
    if dry_run:
        return int(connection.execute(sa.select(sa.func.count()).where(old)).scalar_one())
    return connection.execute(sa.delete(column.table).where(old)).rowcount


def _prune_key(
    connection: sa.Connection, *, policy: RetentionPolicy, key: tuple[Any, ...], dry_run: bool
) -> tuple[int, int, int]:
    of_key = [column == value for column, value in zip(_key, key, strict=True)]
    old = measurements.c.measured_at < after(-86_400 * policy.keep_days)
    rows = connection.execute(
        sa.select(
            measurements.c.id, measurements.c.record_id, measurements.c.median, old.label("old")
        )
        .where(*of_key)
        .order_by(measurements.c.median, measurements.c.id)
    ).all()
    promoted = connection.execute(
        sa.select(promotions.c.measurement_id)
        .join(measurements, measurements.c.id == promotions.c.measurement_id)
        .where(*of_key)
    ).scalars()
    # Errors have no median; where the database sorts those does not matter to the choice.
    doomed = choose(policy, [Kept(*row) for row in rows], frozenset(promoted))
    ids = [one.id for one in doomed]
    record_ids = sorted({one.record_id for one in doomed})
    if dry_run:
        # Those that another key still refers to would stay; told exactly only when done.
        gone = set(ids)
        left = {row.record_id for row in rows if row.id not in gone}
        return len(rows), len(ids), len(set(record_ids) - left)
    for some in chunks(ids):
        connection.execute(sa.delete(measurements).where(measurements.c.id.in_(some)))
    return len(rows), len(ids), sum(_drop_orphans(connection, some) for some in chunks(record_ids))


def _drop_orphans(connection: sa.Connection, record_ids: Any) -> int:
    orphans = sa.delete(tuning_records).where(
        tuning_records.c.id.in_(record_ids),
        ~sa.exists().where(measurements.c.record_id == tuning_records.c.id),
        ~sa.exists().where(promotions.c.record_id == tuning_records.c.id),
    )
    return connection.execute(orphans).rowcount
