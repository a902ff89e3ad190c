"""Errors grouped by what they say: of candidates, and of jobs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from db.domain.jobs import Event
from db.domain.signatures import normalised
from db.schema import queue, records
from db.store._rows import to_event

measurements, events = records.measurements, queue.events

#: Setbacks of jobs that are looked at, the newest.
_SETBACKS = 2000


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Candidates that failed alike."""

    #: Name of the group.
    signature: str
    #: Why there is no latency.
    kind: str
    #: What they say, without what differs.
    text: str
    #: How many.
    count: int
    #: When the first one was stored.
    first_at: datetime
    #: When the last one was stored.
    last_at: datetime
    #: Identity of the last one.
    example: str


@dataclass(frozen=True, slots=True)
class Setbacks:
    """Jobs that failed, or were lost, alike."""

    #: ``fail``, ``lose``, ``quarantine`` or ``retry``.
    action: str
    #: What they say, without what differs.
    text: str
    #: How many.
    count: int
    #: When it happened first, of those that were looked at.
    first_at: datetime
    #: The last of them.
    last: Event


def error_groups(connection: sa.Connection, kind: str | None = None) -> list[ErrorGroup]:
    """Every group, the one seen last first; read from the index of errors alone."""
    grouped = (
        sa.select(
            measurements.c.error_signature,
            sa.func.count().label("count"),
            sa.func.min(measurements.c.id).label("first"),
            sa.func.max(measurements.c.id).label("last"),
        )
        .where(records.FAILED)
        .group_by(measurements.c.error_signature)
        .subquery()
    )
    first, last = measurements.alias("first"), measurements.alias("last")
    query = (
        sa.select(
            grouped.c.error_signature,
            last.c.error_kind,
            last.c.error_text,
            grouped.c.count,
            first.c.measured_at,
            last.c.measured_at,
            last.c.uid,
        )
        .select_from(grouped)
        .join(first, first.c.id == grouped.c.first)
        .join(last, last.c.id == grouped.c.last)
        .order_by(grouped.c.last.desc())
    )
    if kind is not None:
        query = query.where(last.c.error_kind == kind)
    return [
        ErrorGroup(name, found_kind, normalised(text), count, first_at, last_at, uid)
        for name, found_kind, text, count, first_at, last_at, uid in connection.execute(query).all()
    ]


def setbacks(connection: sa.Connection) -> list[Setbacks]:
    """How jobs failed or were lost lately, the latest first."""
    query = sa.select(events).where(queue.SETBACKS).order_by(events.c.id.desc()).limit(_SETBACKS)
    counts = Counter[tuple[str, str]]()
    lasts: dict[tuple[str, str], Event] = {}
    firsts: dict[tuple[str, str], datetime] = {}
    for row in connection.execute(query).all():
        event = to_event(row)
        key = (str(event.action), normalised(event.reason))
        counts[key] += 1
        lasts.setdefault(key, event)
        firsts[key] = event.at
    return [Setbacks(*key, counts[key], firsts[key], last) for key, last in lasts.items()]
