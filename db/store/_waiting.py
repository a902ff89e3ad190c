"""What a worker asks when there is nothing to claim: what time it is, and how long to wait."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from db.domain.states import FINAL_STATES
from db.schema import queue
from db.schema.catalog import cpu_archs
from db.schema.clock import now
from db.store._moves import jobs
from db.store._part import Part

_FINAL = tuple(sorted(str(state) for state in FINAL_STATES))


class Waiting(Part):
    """The clock, and the next moment that something may become claimable."""

    def now(self) -> datetime:
        return self._db.read(lambda connection: connection.execute(sa.select(now())).scalar_one())

    def job_measurements(self, job_id: int) -> int:
        counts = queue.job_counts
        query = sa.select(sa.func.sum(counts.c.measurements)).where(counts.c.job_id == job_id)
        return int(self._db.read(lambda connection: connection.execute(query).scalar()) or 0)

    def unfinished_archs(self, campaign_id: int) -> dict[str, int]:
        query = (
            sa.select(cpu_archs.c.name, sa.func.count())
            .select_from(jobs)
            .join(cpu_archs)
            .where(jobs.c.campaign_id == campaign_id, jobs.c.state.not_in(_FINAL))
            .group_by(cpu_archs.c.name)
        )
        rows = self._db.read(lambda connection: connection.execute(query).all())
        return {row[0]: row[1] for row in rows}

    def next_claim_in(self, campaign_id: int, archs: Sequence[str]) -> float | None:
        held = sa.select(queue.campaigns.c.id).where(
            queue.PAUSED, queue.campaigns.c.id == campaign_id
        )

        def body(connection: sa.Connection) -> float | None:
            arch_ids = sorted(self._archs.find(connection, archs).values())
            ours = (jobs.c.campaign_id == campaign_id, jobs.c.arch_id.in_(arch_ids))
            if connection.execute(held).first() is not None:
                return None
            moment, waiting, running = connection.execute(
                sa.select(
                    now(),
                    sa.select(sa.func.min(jobs.c.not_before))
                    .where(queue.CLAIMABLE, *ours)
                    .scalar_subquery(),
                    sa.select(sa.func.min(jobs.c.lease_expires_at))
                    .where(queue.RUNNING, *ours)
                    .scalar_subquery(),
                )
            ).one()
            next_ = min((at for at in (waiting, running) if at is not None), default=None)
            return None if next_ is None else max(0.0, (next_ - moment).total_seconds())

        return self._db.read(body)
