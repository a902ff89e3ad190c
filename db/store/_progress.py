"""How far campaigns and jobs are."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sqlalchemy as sa

from db.domain.jobs import CampaignProgress, JobProgress
from db.domain.states import CampaignState, JobState, campaign_state
from db.errors import NotFound
from db.schema import catalog, queue, records
from db.store._moves import jobs
from db.store._part import Part, Row, Select
from db.store._rows import job_query, tasks_of_jobs, to_job

campaigns = queue.campaigns
counts = queue.job_counts


class Progress(Part):
    """Campaigns and jobs at a glance; nothing here counts measurements."""

    def campaigns(self, limit: int = 100) -> list[CampaignProgress]:
        query = sa.select(campaigns).order_by(campaigns.c.id.desc()).limit(limit)
        return self._db.read(lambda connection: progress_of(connection, query))

    def campaign_progress(self, campaign_id: int) -> CampaignProgress:
        query = sa.select(campaigns).where(campaigns.c.id == campaign_id)
        found = self._db.read(lambda connection: progress_of(connection, query))
        if not found:
            raise NotFound(f"unknown campaign {campaign_id}; list them with `tunefleet status`")
        return found[0]

    def job_progress(self, campaign_id: int) -> list[JobProgress]:
        def body(connection: sa.Connection) -> list[JobProgress]:
            of_campaign = jobs.c.campaign_id == campaign_id
            rows = connection.execute(job_query.where(of_campaign).order_by(jobs.c.id)).all()
            counted: dict[int, dict[str, int]] = defaultdict(dict)
            for row in connection.execute(sa.select(counts).join(jobs).where(of_campaign)):
                counted[row.job_id][row.error_kind] = row.measurements
            totals = {row.id: row for row in connection.execute(_totals(of_campaign))}
            return [_job_progress(row, counted[row.id], totals.get(row.id)) for row in rows]

        return self._db.read(body)


def progress_of(connection: sa.Connection, query: Select) -> list[CampaignProgress]:
    """Campaigns of a query of whole rows, in its order."""
    rows = connection.execute(query).all()
    ids = [row.id for row in rows]
    states: dict[int, dict[JobState, int]] = {id_: dict.fromkeys(JobState, 0) for id_ in ids}
    updated: dict[int, Any] = {}
    finished: dict[int, Any] = {}
    by_state = (
        sa.select(
            jobs.c.campaign_id,
            jobs.c.state,
            sa.func.count().label("jobs"),
            sa.func.max(jobs.c.updated_at).label("updated_at"),
            sa.func.max(jobs.c.finished_at).label("finished_at"),
        )
        .where(jobs.c.campaign_id.in_(ids))
        .group_by(jobs.c.campaign_id, jobs.c.state)
    )
    for row in connection.execute(by_state):
        id_ = row.campaign_id
        states[id_][JobState(row.state)] = row.jobs
        updated[id_] = max(updated.get(id_, row.updated_at), row.updated_at)
        if row.finished_at is not None:
            finished[id_] = max(finished.get(id_, row.finished_at), row.finished_at)
    outcomes: dict[int, dict[str, int]] = defaultdict(dict)
    by_kind = (
        sa.select(
            jobs.c.campaign_id, counts.c.error_kind, sa.func.sum(counts.c.measurements).label("n")
        )
        .join(jobs)
        .where(jobs.c.campaign_id.in_(ids))
        .group_by(jobs.c.campaign_id, counts.c.error_kind)
    )
    for row in connection.execute(by_kind):
        outcomes[row.campaign_id][row.error_kind] = int(row.n)
    found = []
    for row in rows:
        state = campaign_state(states[row.id])
        progress = CampaignProgress(
            campaign_id=row.id,
            name=row.name,
            state=state,
            jobs=states[row.id],
            measurements=sum(outcomes[row.id].values()),
            errors={kind: n for kind, n in sorted(outcomes[row.id].items()) if kind},
            started_at=row.created_at,
            updated_at=updated.get(row.id, row.created_at),
            strategy=row.strategy,
            trials=row.trials,
            seconds=row.seconds,
            finished_at=None if state is CampaignState.RUNNING else finished.get(row.id),
            key=row.key,
            ends_at=row.ends_at,
            paused_reason=row.paused_reason,
        )
        found.append(progress)
    return found


def _totals(condition: sa.ColumnElement[bool]) -> Select:
    """Per job: its tasks, those with a best record, and the seconds these take."""
    tasks, best = catalog.tasks, records.best_records
    # The fastest over toolchains: a job does not know which one its worker will have.
    fastest = (
        sa.select(
            best.c.workload_id,
            best.c.arch_id,
            sa.func.min(best.c.run_secs).label("run_secs"),
            sa.func.max(records.promotions.c.default_secs).label("default_secs"),
        )
        .join(records.promotions, records.promotions.c.id == best.c.promotion_id)
        .where(best.c.regime == "warm")
        .group_by(best.c.workload_id, best.c.arch_id)
        .subquery()
    )
    return (
        sa.select(
            jobs.c.id,
            sa.func.count(tasks.c.workload_id).label("tasks"),
            sa.func.count(fastest.c.run_secs).label("tuned"),
            sa.func.sum(tasks.c.calls * fastest.c.run_secs).label("best_total"),
            sa.func.sum(tasks.c.calls * fastest.c.default_secs).label("default_total"),
        )
        .select_from(jobs)
        .join(tasks, tasks_of_jobs())
        .outerjoin(
            fastest,
            sa.and_(
                fastest.c.workload_id == tasks.c.workload_id,
                fastest.c.arch_id == tasks.c.arch_id,
            ),
        )
        .where(condition)
        .group_by(jobs.c.id)
    )


def _job_progress(row: Row, outcomes: dict[str, int], totals: Row | None) -> JobProgress:
    return JobProgress(
        job=to_job(row),
        measurements=sum(outcomes.values()),
        errors={kind: n for kind, n in sorted(outcomes.items()) if kind},
        tasks=0 if totals is None else totals.tasks,
        tuned=0 if totals is None else totals.tuned,
        best_total=None if totals is None else totals.best_total,
        default_total=None if totals is None else totals.default_total,
    )
