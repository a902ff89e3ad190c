"""Whether anything happened: a few probes of indexes, however large the database is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from db.schema import queue, records, serving
from db.schema.clock import now


@dataclass(frozen=True, slots=True)
class Pulse:
    """Two equal pulses, their clocks aside: nothing was written in between."""

    #: This moment, by the database's clock.
    at: datetime
    #: Largest id of a measurement; they are never used twice, so it also counts.
    measurement: int
    #: Largest id of an event.
    event: int
    #: Largest id of a promotion.
    promotion: int
    #: Latest heartbeat of any worker.
    heartbeat: datetime | None
    #: When a serving process told anything last.
    served: datetime | None
    #: Campaigns that are paused.
    paused: int

    @property
    def marks(self) -> tuple[object, ...]:
        """What tells one pulse from another."""
        return (
            self.measurement,
            self.event,
            self.promotion,
            self.heartbeat,
            self.served,
            self.paused,
        )


def pulse(connection: sa.Connection) -> Pulse:
    """Feel it."""
    query = sa.select(
        now(),
        _last(records.measurements),
        _last(queue.events),
        _last(records.promotions),
        sa.select(sa.func.max(queue.workers.c.seen_at)).scalar_subquery(),
        sa.select(sa.func.max(serving.servings.c.seen_at)).scalar_subquery(),
        sa.select(sa.func.count())
        .select_from(queue.campaigns)
        .where(queue.PAUSED)
        .scalar_subquery(),
    )
    return Pulse(*connection.execute(query).one())


def _last(table: sa.Table) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.select(sa.func.max(table.c.id)).scalar_subquery(), 0)
