"""Which job of a campaign tunes a workload that several of them have."""

from __future__ import annotations

import sqlalchemy as sa

from db.domain.catalog import Task, Workload
from db.domain.states import JobState
from db.errors import NotFound
from db.schema import catalog
from db.store._moves import jobs
from db.store._part import Part
from db.store._rows import job_query

#: A job that ended so tunes nothing: whoever is next in line takes its workloads.
_OUT = tuple(str(s) for s in (JobState.FAILED, JobState.QUARANTINED, JobState.CANCELLED))


class Shares(Part):
    """Work that is identical across models is done once."""

    def job_tasks(self, job_id: int) -> list[Task]:
        mine, theirs = catalog.tasks, catalog.tasks.alias("theirs")
        others = jobs.alias("others")

        def body(connection: sa.Connection) -> list[Task]:
            job = connection.execute(job_query.where(jobs.c.id == job_id)).first()
            if job is None:
                raise NotFound(f"unknown job {job_id}; list the jobs with `tunefleet status`")
            ahead = sa.or_(
                others.c.priority > job.priority,
                sa.and_(others.c.priority == job.priority, others.c.id < job.id),
            )
            use = theirs.c.calls * theirs.c.weight
            shares = (
                sa.select(
                    mine.c.workload_id,
                    mine.c.calls,
                    sa.func.sum(use).label("use"),
                    sa.func.max(sa.case((ahead, 1), else_=0)).label("taken"),
                )
                .join(
                    theirs,
                    sa.and_(
                        theirs.c.arch_id == mine.c.arch_id,
                        theirs.c.workload_id == mine.c.workload_id,
                    ),
                )
                .join(
                    others,
                    sa.and_(
                        others.c.campaign_id == job.campaign_id,
                        others.c.model_version_id == theirs.c.model_version_id,
                        others.c.arch_id == theirs.c.arch_id,
                        others.c.bucket == theirs.c.bucket,
                        sa.or_(others.c.id == job.id, others.c.state.not_in(_OUT)),
                    ),
                )
                .where(
                    mine.c.model_version_id == job.model_version_id,
                    mine.c.arch_id == job.arch_id,
                    mine.c.bucket == job.bucket,
                )
                .group_by(mine.c.workload_id, mine.c.calls)
                .subquery()
            )
            known = catalog.workloads
            query = (
                sa.select(shares.c.calls, shares.c.use, *(known.c[name] for name in _COLUMNS))
                .join(known, known.c.id == shares.c.workload_id)
                .where(shares.c.taken == 0)
                .order_by(shares.c.use.desc(), known.c.digest)
            )
            return [
                Task(Workload(*described), calls=calls, weight=use / calls)
                for calls, use, *described in connection.execute(query)
            ]

        return self._db.read(body)


_COLUMNS = ("digest", "op_kind", "name", "shapes", "dtype", "flops", "bytes", "tir")
