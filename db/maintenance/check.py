"""Checking a database: whether the file is sound, and whether what it says is consistent."""

from __future__ import annotations

import sqlalchemy as sa

from db.backend.database import Database
from db.schema import queue, records
from db.schema.clock import after

best_records = records.best_records
measurements = records.measurements
promotions = records.promotions

#: Seconds after its end that a lease nobody collected is worth a remark.
_FORGOTTEN_S = 3600.0

_KEY = ("workload_id", "arch_id", "toolchain_id", "regime")


def check(database: Database) -> list[str]:
    """Look for damage and contradictions.

    Returns
    -------
    list of str
        One line per finding; empty if all is well.
    """
    return database.read(
        lambda connection: database.backend.damage(connection) + _contradictions(connection),
        repeatable=True,
    )


def _contradictions(connection: sa.Connection) -> list[str]:
    found = []
    for what, query in _queries():
        count = connection.execute(
            sa.select(sa.func.count()).select_from(query.subquery())
        ).scalar_one()
        if count:
            found.append(f"{count} {what}")
    return found


def _queries() -> list[tuple[str, sa.Select[int]]]:
    fastest = sa.select(sa.func.min(promotions.c.run_secs)).where(
        *(promotions.c[name] == best_records.c[name] for name in _KEY),
        promotions.c.revoked_at.is_(None),
    )
    of_promotion = sa.select(promotions.c.id).join(
        measurements, measurements.c.id == promotions.c.measurement_id
    )
    last_event = (
        sa.select(queue.events.c.after)
        .where(queue.events.c.job_id == queue.jobs.c.id)
        .order_by(queue.events.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return [
        (
            "best records that are not the fastest promotion of their key",
            sa.select(best_records.c.promotion_id).where(
                best_records.c.run_secs != fastest.scalar_subquery()
            ),
        ),
        (
            "best records that were revoked",
            sa.select(best_records.c.promotion_id)
            .join(promotions)
            .where(promotions.c.revoked_at.is_not(None)),
        ),
        (
            "promotions of a failed measurement",
            of_promotion.where(measurements.c.error_kind.is_not(None)),
        ),
        (
            "promotions of a measurement of another key",
            of_promotion.where(
                sa.or_(*(promotions.c[name] != measurements.c[name] for name in _KEY))
            ),
        ),
        (
            "promotions without validation",
            sa.select(promotions.c.id).where(
                sa.cast(promotions.c.validation, sa.Text).in_(("{}", "null"))
            ),
        ),
        (
            "jobs whose state is not that of their last event",
            sa.select(queue.jobs.c.id).where(queue.jobs.c.state != last_event),
        ),
        (
            "jobs whose lease ran out over an hour ago; `tunefleet nightly run` collects them",
            sa.select(queue.jobs.c.id).where(
                queue.RUNNING, queue.jobs.c.lease_expires_at < after(-_FORGOTTEN_S)
            ),
        ),
    ]
